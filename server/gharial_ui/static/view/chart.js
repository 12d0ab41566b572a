// The latency of the last answers, drawn on a canvas.

import { SHOWN_SECONDS } from "../stream/latency.js";

const HEIGHTS_MS = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 60000];
const MARGIN = { top: 10, right: 4, bottom: 18, left: 34 };
const RADIUS = 1.6;

export class Chart {
  constructor(canvas) {
    this.canvas = canvas;
    this.latencies = null;
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  render(latencies) {
    this.latencies = latencies;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = devicePixelRatio;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(this.canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    const frame = {
      left: MARGIN.left, top: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right, height: height - MARGIN.top - MARGIN.bottom,
    };
    pen.font = `11px ${style.fontFamily}`;
    const points = this.latencies?.points ?? [];
    const limit = ceiling(points);
    drawGrid(pen, frame, limit, colour);
    drawPoints(pen, frame, points, this.latencies?.latest ?? 0, limit, colour("--accent"));
  }
}

/** The lowest round limit in ms above every point. */
function ceiling(points) {
  const highest = points.reduce((most, point) => Math.max(most, point.ms), 0);
  return HEIGHTS_MS.find((limit) => limit >= highest) ?? highest;
}

function drawGrid(pen, frame, limit, colour) {
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const part of [0, 0.5, 1]) {
    const y = Math.round(frame.top + frame.height * (1 - part)) + 0.5;
    pen.strokeStyle = colour("--line");
    pen.beginPath();
    pen.moveTo(frame.left, y);
    pen.lineTo(frame.left + frame.width, y);
    pen.stroke();
    pen.fillStyle = colour("--quiet");
    pen.fillText(String(Math.round(limit * part)), frame.left - 7, y);
  }
  pen.textBaseline = "alphabetic";
  const bottom = frame.top + frame.height + 14;
  pen.textAlign = "left";
  pen.fillText(`${SHOWN_SECONDS} s ago`, frame.left, bottom);
  pen.textAlign = "right";
  pen.fillText("now", frame.left + frame.width, bottom);
}

function drawPoints(pen, frame, points, latest, limit, colour) {
  pen.fillStyle = colour;
  for (const { at, ms } of points) {
    const x = frame.left + frame.width * (1 - (latest - at) / SHOWN_SECONDS);
    const y = frame.top + frame.height * (1 - ms / limit);
    pen.beginPath();
    pen.arc(x, y, RADIUS, 0, 2 * Math.PI);
    pen.fill();
  }
}
