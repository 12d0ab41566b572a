// The audio of one recording that may have to be sent again, and when each piece of it was spoken.

import { SAMPLE_RATE } from "../audio/format.js";

// A new stream begins at most 10 s before the last final; twice that is kept behind it.
const KEPT_SECONDS = 20;

export class SentAudio {
  constructor() {
    this.pieces = []; // { start, end, samples, at }: seconds in the recording, and the clock in ms when it came
    this.end = 0;
  }

  /** Appends samples that came now. */
  add(samples, now) {
    const start = this.end;
    this.end += samples.length / SAMPLE_RATE;
    this.pieces.push({ start, end: this.end, samples, at: now });
  }

  /** What lies behind `seconds`, as messages; the first one is cut there. */
  since(seconds) {
    return this.pieces.filter((piece) => piece.end > seconds + 1e-6).map((piece) => after(seconds, piece));
  }

  /** The clock in ms when the sample at `seconds` had come; null when that is forgotten. */
  cameAt(seconds) {
    const last = this.pieces.at(-1);
    if (last === undefined || seconds < this.pieces[0].start) {
      return null;
    }
    // The closing answer's interval is padded, so it may end behind the audio.
    let low = 0;
    let high = this.pieces.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.pieces[middle].end >= seconds - 1e-6) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return this.pieces[low].at;
  }

  /** Everything up to `seconds` is final: what lies far before is forgotten. */
  settle(seconds) {
    const first = this.pieces.findIndex((piece) => piece.end > seconds - KEPT_SECONDS);
    if (first > 100) {
      this.pieces.splice(0, first);
    }
  }
}

function after(seconds, piece) {
  const skipped = Math.max(0, Math.round((seconds - piece.start) * SAMPLE_RATE));
  return skipped === 0 ? piece.samples : piece.samples.subarray(skipped);
}
