// How long answers take: each one's latency, and percentiles of those shown.

export const SHOWN_SECONDS = 30;

export class Latencies {
  constructor() {
    this.points = []; // { at, ms }: the second in the recording, and what its answer took
    this.latest = 0;
  }

  /**
   * Takes the latency of the answer that ends at `seconds`. One that is about nothing new does not count: beam search
   * settles words long after it gave them as partials.
   */
  add(seconds, ms) {
    if (seconds <= this.latest) {
      return;
    }
    this.latest = seconds;
    this.points.push({ at: seconds, ms });
    const first = this.points.findIndex((point) => point.at >= seconds - SHOWN_SECONDS);
    this.points.splice(0, first);
  }

  /** The latency that a part `p` of those shown does not exceed, in ms; null when there is none. */
  percentile(p) {
    const sorted = this.points.map((point) => point.ms).sort((a, b) => a - b);
    return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.ceil(p * sorted.length) - 1)];
  }
}
