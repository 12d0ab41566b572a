// A recording in a file as a source of audio.

import { FRAME_SAMPLES, SAMPLE_RATE, toInt16 } from "./format.js";
import { Resampler } from "./resampler.js";

const FRAME_MILLISECONDS = (1000 * FRAME_SAMPLES) / SAMPLE_RATE;
// What a recording's own rate may be told by: browsers decode to the rate they are asked for, and say nothing of it.
const DECODING_RATE = 48000;

/** The samples (Int16Array, 16 kHz, mono) of a file that the browser can decode. Throws an Error that says what helps. */
export async function readRecording(file) {
  const bytes = await file.arrayBuffer();
  const rate = wavRate(bytes) ?? flacRate(bytes) ?? DECODING_RATE;
  let decoded;
  try {
    decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch (error) {
    throw new Error(`${file.name} cannot be read; give wav, flac, mp3, ogg or m4a.`, { cause: error });
  }
  const resampler = new Resampler(rate, SAMPLE_RATE);
  return toInt16(joined([resampler.push(mono(decoded)), resampler.flush()]));
}

/** Hands a recording over in messages of 60 ms. */
export class Player {
  /** realTime: as if it were spoken now; otherwise as fast as `room` (a promise each time) allows. */
  constructor(samples, realTime, room) {
    this.samples = samples;
    this.realTime = realTime;
    this.room = room;
    this.stopped = false;
  }

  /** Calls onSamples with each message; returns after the last one, or after `stop`. */
  async play(onSamples) {
    const began = performance.now();
    for (let at = 0; at < this.samples.length && !this.stopped; at += FRAME_SAMPLES) {
      const end = Math.min(at + FRAME_SAMPLES, this.samples.length);
      if (this.realTime) {
        // A microphone hands a message over when its last sample was spoken.
        await until(began + (end / FRAME_SAMPLES) * FRAME_MILLISECONDS);
      } else {
        await this.room();
      }
      if (!this.stopped) {
        onSamples(this.samples.slice(at, end));
      }
    }
  }

  /** Hands over no more. */
  async stop() {
    this.stopped = true;
  }
}

function until(time) {
  return new Promise((resolve) => setTimeout(resolve, time - performance.now()));
}

function mono(buffer) {
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, i) => buffer.getChannelData(i));
  return channels.length === 1
    ? channels[0]
    : channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

function joined(parts) {
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** The sample rate in a RIFF header, if it is one that browsers decode to. */
function wavRate(bytes) {
  const view = new DataView(bytes);
  const isWav = view.byteLength > 44 && view.getUint32(0) === 0x52494646 && view.getUint32(12) === 0x666d7420;
  return isWav ? usable(view.getUint32(24, true)) : null;
}

/** The sample rate in FLAC's STREAMINFO block: 20 bits behind four sizes. */
function flacRate(bytes) {
  const view = new DataView(bytes);
  const isFlac = view.byteLength > 42 && view.getUint32(0) === 0x664c6143;
  return isFlac ? usable(view.getUint32(18) >>> 12) : null;
}

function usable(rate) {
  return rate >= 8000 && rate <= 96000 ? rate : null;
}
