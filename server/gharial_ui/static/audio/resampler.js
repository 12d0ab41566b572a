// Changes the sample rate of a signal that comes in pieces: a windowed-sinc low-pass, evaluated only where an output
// sample lies (polyphase). The same samples come out however the signal was cut into pieces.

// Zero crossings of the sinc on each side, in samples of the lower rate. 64 put the edge of what is kept at 91 % of the
// lower half rate.
const CROSSINGS = 64;
// Kaiser window: what would fold back is 90 dB down.
const ATTENUATION = 90;
const BETA = 0.1102 * (ATTENUATION - 8.7);

export class Resampler {
  /** from, to: samples per second, whole numbers. */
  constructor(from, to) {
    const common = greatestCommonDivisor(from, to);
    this.up = to / common;
    this.down = from / common;
    this.half = Math.ceil(CROSSINGS * Math.max(1, from / to));
    this.phases = from === to ? null : filters(this.up, this.half, Math.min(1, to / from));
    // What later outputs still need. Its first sample lies `half` samples before the next output.
    this.history = new Float32Array(this.half);
    // The next output lies at history[half] plus `phase` parts of `up`.
    this.phase = 0;
  }

  /** Takes samples (Float32Array) and returns those at the new rate that are certain by now. */
  push(samples) {
    if (this.phases === null) {
      return samples;
    }
    const all = new Float32Array(this.history.length + samples.length);
    all.set(this.history);
    all.set(samples, this.history.length);
    const out = [];
    let start = 0;
    while (start + 2 * this.half < all.length) {
      const filter = this.phases[this.phase];
      let sum = 0;
      for (let i = 0; i < filter.length; i += 1) {
        sum += filter[i] * all[start + i];
      }
      out.push(sum);
      this.phase += this.down;
      start += Math.floor(this.phase / this.up);
      this.phase %= this.up;
    }
    this.history = all.slice(start);
    return Float32Array.from(out);
  }

  /** The signal has ended: returns what is left. */
  flush() {
    return this.phases === null ? new Float32Array(0) : this.push(new Float32Array(this.half));
  }
}

/** One filter of 2 * half + 1 taps for each position of an output between two inputs; each passes 0 Hz unchanged. */
function filters(up, half, ratio) {
  const width = (ATTENUATION - 7.95) / (2.285 * 2 * Math.PI * 2 * half);
  const cutoff = ratio / 2 - width / 2;
  return Array.from({ length: up }, (_, phase) => {
    const taps = new Float64Array(2 * half + 1);
    let sum = 0;
    for (let i = 0; i < taps.length; i += 1) {
      const t = i - half - phase / up;
      taps[i] = 2 * cutoff * sinc(2 * cutoff * t) * kaiser(t / (half + 1));
      sum += taps[i];
    }
    return taps.map((tap) => tap / sum);
  });
}

function sinc(x) {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

function kaiser(x) {
  return Math.abs(x) >= 1 ? 0 : bessel(BETA * Math.sqrt(1 - x * x)) / bessel(BETA);
}

/** The modified Bessel function of the first kind and order 0, by its series. */
function bessel(x) {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > 1e-12 * sum; k += 1) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function greatestCommonDivisor(a, b) {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
