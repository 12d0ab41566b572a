// Buttons, status and level: what can be done now, and how it stands.

const STATUS = {
  idle: "",
  connecting: "Connecting …",
  live: "Listening",
  finishing: "Waiting for the last words …",
  done: "Finished",
  failed: "",
};
// While one of these holds, another stream cannot begin.
const BUSY = new Set(["asking", "connecting", "live", "finishing", "waiting"]);

const part = (id) => document.getElementById(id);

export class Controls {
  /** actions: listen(), play(file), stop(), copy(). */
  constructor(actions) {
    this.state = "idle";
    part("microphone").addEventListener("click", () => actions.listen());
    part("stop").addEventListener("click", ({ currentTarget }) => {
      // Not `disabled`: that would take the keyboard's place away.
      if (currentTarget.ariaDisabled !== "true") {
        actions.stop();
      }
    });
    part("choose").addEventListener("click", () => part("file").click());
    part("file").addEventListener("change", ({ target }) => {
      const [file] = target.files;
      target.value = "";
      if (file !== undefined) {
        actions.play(file);
      }
    });
    part("copy").addEventListener("click", async () => {
      part("status").textContent = await actions.copy();
    });
    takeDrops((file) => BUSY.has(this.state) || actions.play(file));
  }

  /** Shows a state (see Transcription, and `asking`), with a sentence about what went wrong or is waited for. */
  show(state, message = "") {
    // A button that vanishes must not take the keyboard's place with it.
    const focused = document.activeElement;
    const isBusy = BUSY.has(state);
    this.state = state;
    const isTrouble = state === "failed" || state === "waiting";
    part("status").textContent = STATUS[state] ?? (isTrouble ? "Waiting" : message);
    part("trouble").textContent = message;
    part("trouble").hidden = !isTrouble;
    part("microphone").hidden = part("choose").hidden = isBusy;
    part("stop").hidden = !isBusy;
    part("stop").ariaDisabled = String(state === "asking" || state === "finishing");
    if (focused?.hidden) {
      part(isBusy ? "stop" : "microphone").focus();
    }
  }

  showModel(model) {
    part("model").textContent = model === null ? "" : `${model.name} ${model.version}, ${model.language}`;
  }

  /** The loudness of 60 ms of audio (Int16Array), from -60 dB to full. */
  showLevel(samples) {
    const power = samples.reduce((sum, x) => sum + x * x, 0) / samples.length / 32768 ** 2;
    const level = Math.max(0, 1 + (10 * Math.log10(power + 1e-12)) / 60);
    part("level").hidden = false;
    part("level").firstElementChild.style.transform = `scaleX(${level.toFixed(3)})`;
  }

  hideLevel() {
    part("level").hidden = true;
  }

  /** Whether recordings are sent as if they were spoken now. */
  inRealTime() {
    return !part("fast").checked;
  }
}

/** Recordings may be dropped anywhere on the page. */
function takeDrops(onFile) {
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const [file] = event.dataTransfer.files;
    if (file !== undefined) {
      onFile(file);
    }
  });
}
