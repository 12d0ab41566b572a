// The microphone as a source of audio.

// Nothing is to be taken away from the speech: the recogniser was trained on rooms as they are.
const WANTED = { audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: false } };

/** Why the microphone cannot be used, in words that say what helps. */
const TROUBLE = {
  NotAllowedError: "The microphone is not allowed. Allow it for this page in the browser's address bar, then try again.",
  NotFoundError: "No microphone was found. Connect one, or choose a recording.",
  NotReadableError: "The microphone is in use by another program. Close that, then try again.",
};

export class Microphone {
  /**
   * Asks for the microphone and listens. onSamples gets 60 ms (Int16Array, 16 kHz) at a time; onLost is called when the
   * microphone goes away by itself. Throws an Error whose message says what helps.
   */
  static async open(onSamples, onLost) {
    if (!window.isSecureContext) {
      throw new Error("Browsers give microphones only to pages over https, or on localhost. Open this page there.");
    }
    let media;
    try {
      media = await navigator.mediaDevices.getUserMedia(WANTED);
    } catch (error) {
      throw new Error(TROUBLE[error.name] ?? `The microphone cannot be used: ${error.message}`, { cause: error });
    }
    const microphone = new Microphone(media);
    await microphone.start(onSamples, onLost);
    return microphone;
  }

  constructor(media) {
    this.media = media;
    this.context = new AudioContext({ latencyHint: "interactive" });
  }

  async start(onSamples, onLost) {
    await this.context.audioWorklet.addModule(new URL("./capture-worklet.js", import.meta.url));
    await this.context.resume();
    this.capture = new AudioWorkletNode(this.context, "gharial-capture", { numberOfOutputs: 0 });
    this.ended = new Promise((resolve) => {
      this.capture.port.onmessage = ({ data }) => (data.ended ? resolve() : onSamples(data.samples));
    });
    this.media.getAudioTracks()[0].onended = onLost;
    this.context.createMediaStreamSource(this.media).connect(this.capture);
  }

  /** Stops listening; when this returns, every sample has been handed over. May be called again. */
  stop() {
    this.stopping ??= this.end();
    return this.stopping;
  }

  async end() {
    this.capture.port.postMessage("stop");
    await this.ended;
    this.media.getTracks().forEach((track) => track.stop());
    await this.context.close();
  }
}
