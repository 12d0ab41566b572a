// What the streaming API wants: 16-bit samples, 16 kHz, mono, 60 ms a message.

export const SAMPLE_RATE = 16000;
export const FRAME_SAMPLES = 960;

/**
 * Float samples in [-1, 1] as 16-bit integers; louder ones are clipped. Chromium decodes 32767 to 1, so that samples of
 * a 16-bit recording come back as they were.
 */
export function toInt16(samples) {
  return Int16Array.from(samples, (x) => Math.round(Math.max(-1, Math.min(1, x)) * (x < 0 ? 32768 : 32767)));
}
