// One recording on its way through one stream, or several when a connection breaks. Knows nothing of the page.

import { judgeClose } from "./closing.js";
import { SentAudio } from "./sent-audio.js";

// Waiting times before connecting again, in seconds; after the last one it is given up.
const WAITS = [1, 2, 4, 8, 8];
// What may lie in the browser's buffer while a recording is sent in a hurry.
const UNSENT_BYTES = 128 * 1024;
const ROOM_MILLISECONDS = 20;
const CLOSE_PATIENCE_SECONDS = 20;
// Endpoints that end a stream; the recording may go on.
const ENDPOINTS = new Set(["eos", "silence"]);

/**
 * Tells its `listener`: onState("connecting" | "live" | "finishing" | "waiting" | "done" | "failed", message),
 * onAnswer(answer, latency): times in the whole recording, latency in ms or null; and asks it:
 * resume() -> the second to send on from, having taken back what comes again.
 */
export class Transcription {
  /** url: the stream's; askWhy: an async function telling why a stream is refused (see judgeClose). */
  constructor(url, askWhy, listener) {
    this.url = url;
    this.askWhy = askWhy;
    this.listener = listener;
    this.audio = new SentAudio();
    this.offset = 0; // where the stream under way begins, in seconds of the recording
    this.answered = 0; // until where there are answers
    this.isAtEndpoint = false;
    this.attempts = 0;
    this.hasEnded = false;
    this.isOver = false;
    this.finished = new Promise((resolve) => {
      this.resolve = resolve;
    });
    this.connect();
  }

  /** Takes the next samples (Int16Array, 16 kHz). */
  push(samples) {
    this.audio.add(samples, performance.now());
    if (this.isOpen()) {
      this.socket.send(samples);
    }
  }

  /** The recording has ended. Answers go on until onState says done or failed; `finished` resolves then. */
  end() {
    if (!this.hasEnded && !this.isOver) {
      this.hasEnded = true;
      if (this.isOpen()) {
        this.finish();
      }
    }
    return this.finished;
  }

  /** Gives up at once. */
  cancel(message) {
    this.settle("failed", message);
    this.socket.close();
  }

  /** Resolves when more may be sent. */
  async room() {
    while (!this.isOver && (!this.isOpen() || this.socket.bufferedAmount > UNSENT_BYTES)) {
      await new Promise((resolve) => setTimeout(resolve, ROOM_MILLISECONDS));
    }
  }

  isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  connect() {
    let opened = false;
    this.tell("connecting");
    const socket = new WebSocket(this.url);
    this.socket = socket;
    socket.onopen = () => {
      opened = true;
      this.tell("live");
      this.audio.since(this.offset).forEach((samples) => socket.send(samples));
      if (this.hasEnded) {
        this.finish();
      }
    };
    socket.onmessage = ({ data }) => this.take(JSON.parse(data));
    socket.onclose = ({ code, reason }) => this.closed(code, reason, opened);
  }

  finish() {
    this.tell("finishing");
    this.socket.send(new Uint8Array(0));
    this.patience = setTimeout(
      () => this.cancel("The server did not finish the stream. What it sent so far stands."),
      CLOSE_PATIENCE_SECONDS * 1000 + this.audio.end * 1000,
    );
  }

  take(answer) {
    this.attempts = 0;
    const shifted = { ...answer, start: answer.start + this.offset, end: answer.end + this.offset };
    this.answered = Math.max(this.answered, shifted.end);
    this.isAtEndpoint = ENDPOINTS.has(answer.endpoint);
    const came = this.audio.cameAt(shifted.end);
    if (!answer.is_provisional) {
      this.audio.settle(shifted.end);
    }
    this.listener.onAnswer(shifted, came === null ? null : performance.now() - came);
  }

  async closed(code, reason, opened) {
    clearTimeout(this.patience);
    if (this.isOver) {
      return;
    }
    if (code === 1000 && this.goesOn()) {
      this.offset = this.answered;
      this.connect();
      return;
    }
    const refusal = code === 1006 && !opened ? await this.askWhy() : undefined;
    const verdict = judgeClose(code, reason, opened, refusal);
    if (verdict.kind === "done") {
      this.settle("done");
    } else if (verdict.kind === "failed" || this.attempts >= WAITS.length) {
      this.settle("failed", verdict.message);
    } else {
      this.later(verdict);
    }
  }

  /** Whether the server came to an endpoint before the recording did: the next stream takes the rest. */
  goesOn() {
    const isLeft = !this.hasEnded || this.audio.end > this.answered;
    return this.isAtEndpoint && isLeft && this.answered > this.offset;
  }

  later({ message, wait }) {
    const seconds = Math.max(wait ?? 0, WAITS[this.attempts]);
    this.attempts += 1;
    this.tell("waiting", `${message} Trying again in ${seconds} s (${this.attempts} of ${WAITS.length}).`);
    setTimeout(() => {
      if (!this.isOver) {
        this.offset = this.listener.resume();
        this.connect();
      }
    }, seconds * 1000);
  }

  tell(state, message) {
    if (!this.isOver) {
      this.listener.onState(state, message);
    }
  }

  settle(state, message) {
    this.tell(state, message);
    this.isOver = true;
    this.resolve();
  }
}
