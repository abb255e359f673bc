// A plot over time, in SVG: lines or stacked areas, a line for each change of the configuration, a cursor for mouse and
// keyboard. Colours are classes of the style sheet.

import { h, replace, setText, svg } from "./dom.js";
import { duration, time } from "./format.js";

const height = 150;
const margin = { left: 46, right: 8, top: 8, bottom: 20 };

export class Plot {
  /// `series`: `[{name, key, class}]`; `format`: of values; `isStacked`: one on the other.
  constructor(title, series, format, { isStacked = false, floor = 0 } = {}) {
    Object.assign(this, { title, series, format, isStacked, floor });
    this.points = [];
    this.versions = [];
    this.cursor = null;
    this.canvas = svg("svg", { class: "plot-canvas", "aria-hidden": "true", preserveAspectRatio: "none" });
    this.values = series.map((one) => h("span", { class: "value" }));
    this.when = h("span", { class: "when" });
    const legend = series.map((one, i) =>
      h("span", { class: "entry " + one.class }, h("span", { class: "swatch" }), one.name + " ", this.values[i]));
    this.note = h("p", { hidden: true });
    this.figure = h("div", { class: "plot-figure", tabindex: 0, role: "img" }, this.canvas);
    this.element = h("section", { class: "plot" }, h("h3", {}, title, this.when), h("div", { class: "legend" }, legend), this.figure, this.note);
    this.figure.addEventListener("pointermove", (event) => this.pointed(event));
    this.figure.addEventListener("pointerleave", () => this.moveTo(null));
    this.figure.addEventListener("blur", () => this.moveTo(null));
    this.figure.addEventListener("keydown", (event) => this.pressed(event));
    new ResizeObserver(() => this.draw()).observe(this.figure);
  }

  /// `instead`: why there is nothing to see; `beside`: what has to be known of what is seen.
  show(points, versions, windowMs, { instead, beside } = {}) {
    this.points = points;
    this.versions = versions;
    this.windowMs = windowMs;
    this.note.hidden = instead === undefined && beside === undefined;
    this.figure.hidden = instead !== undefined;
    this.note.className = instead === undefined ? "plot-source" : "plot-note";
    setText(this.note, instead ?? beside ?? "");
    // What is hidden is not drawn: its legend would stay that of what was shown before.
    if (instead !== undefined) for (const value of [...this.values, this.when]) setText(value, "");
    this.draw();
  }

  pointed(event) {
    const place = event.clientX - this.figure.getBoundingClientRect().left;
    let nearest = null;
    let distance = Infinity;
    this.visible().forEach((point, i) => {
      const away = Math.abs(this.x(point.at) - place);
      if (away < distance) [nearest, distance] = [i, away];
    });
    this.moveTo(nearest);
  }

  pressed(event) {
    const count = this.visible().length;
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -count, End: count }[event.key];
    if (!step || count === 0) return;
    event.preventDefault();
    this.moveTo(Math.min(count - 1, Math.max(0, (this.cursor ?? count - 1) + step)));
  }

  moveTo(cursor) {
    this.cursor = cursor;
    this.draw();
  }

  visible() {
    const last = this.points[this.points.length - 1]?.at ?? 0;
    return this.points.filter((point) => point.at >= last - this.windowMs);
  }

  /// What the axis shows: as long as there is something to see, a minute at least, the chosen time at most.
  get spanMs() {
    const [first, last] = [this.points[0]?.at ?? 0, this.points[this.points.length - 1]?.at ?? 0];
    return Math.min(this.windowMs, Math.max(60000, Math.ceil((last - first) / 30000) * 30000));
  }

  x(at) {
    const last = this.points[this.points.length - 1]?.at ?? 0;
    const width = this.width - margin.left - margin.right;
    return margin.left + width * (1 - (last - at) / this.spanMs);
  }

  draw() {
    this.width = this.figure.clientWidth;
    if (!this.width) return;
    const points = this.visible();
    const stacks = points.map((point) => this.stack(point));
    const top = nice(Math.max(this.floor, ...stacks.flat().filter((value) => value !== null)));
    const y = (value) => margin.top + (height - margin.top - margin.bottom) * (1 - value / top);
    this.canvas.setAttribute("viewBox", `0 0 ${this.width} ${height}`);
    replace(this.canvas, this.grid(top, y), this.marks(), this.shapes(points, stacks, y), this.cursorLine(points, stacks, y));
    const shown = points[this.cursor ?? points.length - 1];
    this.series.forEach((one, i) => setText(this.values[i], shown ? this.format(shown[one.key]) : "–"));
    setText(this.when, this.cursor !== null && shown ? time(shown.at) : "");
    const words = this.series.map((one, i) => `${one.name} ${this.values[i].textContent}`).join(", ");
    this.figure.setAttribute("aria-label", `${this.title}${shown ? " at " + time(shown.at) : ""}: ${words}`);
  }

  stack(point) {
    let sum = 0;
    return this.series.map((one) => {
      const value = point[one.key];
      if (!this.isStacked || value === null || value === undefined) return value ?? null;
      sum += value;
      return sum;
    });
  }

  grid(top, y) {
    const steps = [0, 0.5, 1].map((share) => share * top);
    return [
      steps.map((value) => svg("line", { class: "grid", x1: margin.left, x2: this.width - margin.right, y1: y(value), y2: y(value) })),
      steps.map((value) => svg("text", { class: "axis", x: margin.left - 6, y: y(value) + 4, "text-anchor": "end" }, this.format(value))),
      svg("text", { class: "axis", x: margin.left, y: height - 4 }, `${duration(this.spanMs / 1000)} ago`),
      svg("text", { class: "axis", x: this.width - margin.right, y: height - 4, "text-anchor": "end" }, "now"),
    ];
  }

  marks() {
    const first = (this.points[this.points.length - 1]?.at ?? 0) - this.spanMs;
    return this.versions.filter((one) => !one.isFirst && one.at >= first).map((one) => {
      const x = this.x(one.at);
      return svg("g", { class: "version" },
        svg("line", { x1: x, x2: x, y1: margin.top, y2: height - margin.bottom }),
        svg("text", { x: x + 3, y: margin.top + 9 }, "v" + one.version));
    });
  }

  shapes(points, stacks, y) {
    return this.series.map((one, i) => {
      const line = [];
      let isDrawing = false;
      points.forEach((point, at) => {
        const value = stacks[at][i];
        if (value !== null) line.push(`${isDrawing ? "L" : "M"}${this.x(point.at).toFixed(1)} ${y(value).toFixed(1)}`);
        isDrawing = value !== null;
      });
      if (!this.isStacked) return svg("path", { class: "line " + one.class, d: line.join("") });
      const under = points.map((point, at) => [point.at, i > 0 ? stacks[at][i - 1] : 0]).reverse();
      const back = under.map(([at, value]) => `L${this.x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
      return line.length > 1 ? svg("path", { class: "area " + one.class, d: line.join("") + back + "Z" }) : null;
    }).filter(Boolean);
  }

  cursorLine(points, stacks, y) {
    const point = this.cursor === null ? null : points[this.cursor];
    if (!point) return [];
    const x = this.x(point.at);
    const dots = this.series.map((one, i) => {
      const value = stacks[this.cursor][i];
      return value === null ? null : svg("circle", { class: "dot " + one.class, cx: x, cy: y(value), r: 3 });
    });
    return [svg("line", { class: "cursor", x1: x, x2: x, y1: margin.top, y2: height - margin.bottom }), dots.filter(Boolean)].flat();
  }
}

/// The next of 1, 2, 5 × 10ⁿ.
export function nice(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999999);
}

/// A line of a row of a table.
export function sparkline(points, key, className) {
  const width = 96;
  const tall = 22;
  const values = points.slice(-60).map((point) => point[key] ?? 0);
  const top = Math.max(1e-9, ...values);
  const step = width / Math.max(9, values.length - 1);
  const from = width - (values.length - 1) * step;
  const d = values.map((value, i) => `${i ? "L" : "M"}${(from + i * step).toFixed(1)} ${(tall - 2 - (value / top) * (tall - 4)).toFixed(1)}`).join("");
  return svg("svg", { class: "spark", viewBox: `0 0 ${width} ${tall}`, "aria-hidden": "true" }, svg("path", { class: "line " + className, d }));
}
