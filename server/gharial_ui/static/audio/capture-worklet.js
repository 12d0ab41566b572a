// Runs on the audio thread: microphone in, 60 ms of 16-bit 16 kHz mono out.

import { FRAME_SAMPLES, SAMPLE_RATE, toInt16 } from "./format.js";
import { Resampler } from "./resampler.js";

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.resampler = new Resampler(sampleRate, SAMPLE_RATE);
    this.frame = new Float32Array(FRAME_SAMPLES);
    this.filled = 0;
    this.running = true;
    // Any message means: stop, and send what is left.
    this.port.onmessage = () => this.stop();
  }

  process([channels]) {
    if (this.running && channels.length > 0) {
      this.add(this.resampler.push(mean(channels)));
    }
    return this.running;
  }

  add(samples) {
    for (const sample of samples) {
      this.frame[this.filled] = sample;
      this.filled += 1;
      if (this.filled === FRAME_SAMPLES) {
        this.send();
      }
    }
  }

  send() {
    const samples = toInt16(this.frame.subarray(0, this.filled));
    this.filled = 0;
    this.port.postMessage({ samples }, [samples.buffer]);
  }

  stop() {
    if (this.running) {
      this.running = false;
      this.add(this.resampler.flush());
      this.send();
      this.port.postMessage({ ended: true });
    }
  }
}

/** The channels of one block, averaged. */
function mean(channels) {
  if (channels.length === 1) {
    return channels[0];
  }
  return channels[0].map((_, i) => channels.reduce((sum, channel) => sum + channel[i], 0) / channels.length);
}

registerProcessor("gharial-capture", Capture);
