// Transcript, readings, chart and figures of one transcription, drawn at most once a screen refresh.

import { Chart } from "./chart.js";
import { renderReadings } from "./readings-view.js";
import { clock, TranscriptView } from "./transcript-view.js";

// With reduced motion the chart moves on only this often.
const CALM_MILLISECONDS = 1000;

const part = (id) => document.getElementById(id);

export class Results {
  constructor() {
    this.view = new TranscriptView(part("text"), part("announcer"));
    this.chart = new Chart(part("chart"));
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.isAsked = false;
    this.chartedAt = 0;
  }

  /** A new transcription: everything before is cleared. */
  begin(transcript, latencies) {
    this.transcript = transcript;
    this.latencies = latencies;
    this.view.clear();
    this.show();
  }

  /** Something has changed. */
  showSoon() {
    if (!this.isAsked) {
      this.isAsked = true;
      requestAnimationFrame(() => this.show());
    }
  }

  /** The last answer is here. */
  finish() {
    this.chartedAt = 0;
    this.show();
    this.view.announce(this.transcript.words);
  }

  /** Puts the text on the clipboard, or selects it where browsers give pages none; returns what the user is told. */
  async copy() {
    try {
      await navigator.clipboard.writeText(this.transcript.text());
      return "Copied";
    } catch {
      getSelection().selectAllChildren(part("text"));
      return "Selected; press Ctrl+C";
    }
  }

  show() {
    this.isAsked = false;
    const { transcript, latencies } = this;
    this.view.render(transcript);
    renderReadings(part("readings"), transcript.readings);
    part("no-readings").hidden = transcript.readings.length > 0;
    part("copy").disabled = transcript.words.length === 0;
    part("seconds").textContent = clock(transcript.heard);
    part("count").textContent = String(transcript.words.length);
    const now = performance.now();
    if (!this.calm.matches || now - this.chartedAt > CALM_MILLISECONDS) {
      this.chartedAt = now;
      this.chart.render(latencies);
      part("median").textContent = milliseconds(latencies.percentile(0.5));
      part("p99").textContent = milliseconds(latencies.percentile(0.99));
    }
  }
}

function milliseconds(ms) {
  return ms === null ? "–" : `${Math.round(ms)} ms`;
}
