/* The last hours by expression and number of faces, and events as they come. */

import { askJson, byId, capital, clock, clockWithSeconds, make, say, span } from "./parts.js";

const AGAIN_MS = 30000;
const MOST_EVENTS = 200;
const LEAST_BINS = 20;
const MOST_BINS = 600;
const MARKS = [300, 600, 1800, 3600, 7200, 10800];
const MARK_PX = 56;
const SVG = "http://www.w3.org/2000/svg";

export class History {
  constructor() {
    this.events = new Map();
    const moment = byId("moment");
    moment.addEventListener("input", () => this.point(Number(moment.value)));
    byId("history-rows").addEventListener("pointermove", (moved) => this.hover(moved));
  }

  async enter() {
    clearTimeout(this.later);
    this.here = true;
    try {
      this.show(await askJson("/history.json"));
    } catch (error) {
      say(byId("history-span"), error.message);
    }
    if (this.here) this.later = setTimeout(() => this.enter(), AGAIN_MS);
  }

  leave() {
    this.here = false;
    clearTimeout(this.later);
  }

  show(told) {
    const width = told.bin_seconds;
    const newest = told.bins.at(-1)?.time ?? 0;
    // A clock that was set may have left some far away.
    const bins = told.bins.filter(({ time }) => time <= newest && time > newest - MOST_BINS * width);
    const first = Math.min(bins[0]?.time ?? 0, newest - (LEAST_BINS - 1) * width);
    const count = Math.round((newest - first) / width) + 1;
    this.bins = Array.from({ length: count }, (_, i) => ({ time: first + i * width, empty: true }));
    for (const bin of bins) this.bins[Math.round((bin.time - first) / width)] = bin;
    byId("history-moment").hidden = !bins.length;
    const since = bins.length ? `Since ${clock(bins[0].time)}; a bar is ${span(width)}` : "Nothing was seen yet";
    say(byId("history-span"), since);
    this.rows(told.labels, bins);
    for (const event of told.events) this.events.set(event.id, event);
    this.list();
    if (bins.length) this.keepMoment(count);
  }

  rows(labels, bins) {
    const most = (read) => Math.max(0, ...bins.map(read));
    const tallest = most((bin) => Math.max(0, ...Object.values(bin.seconds))) || 1;
    const faces = most((bin) => bin.faces_most);
    const rows = [
      row("faces", "faces", this.bins, (bin) => bin.faces_mean / Math.max(1, faces), faces ? `up to ${faces}` : "–"),
      ...labels.map((label) => {
        const total = bins.reduce((sum, bin) => sum + (bin.seconds[label] ?? 0), 0);
        return row(label, "", this.bins, (bin) => (bin.seconds[label] ?? 0) / tallest, total ? span(total) : "–");
      }),
      axis(this.bins, byId("history-rows").clientWidth * 0.6),
    ];
    byId("history-rows").replaceChildren(...(bins.length ? rows : []));
  }

  /** Keep the moment that somebody looks at; else it is the newest. */
  keepMoment(count) {
    const moment = byId("moment");
    const at = this.looked === undefined ? -1 : this.bins.findIndex((bin) => bin.time === this.looked);
    moment.max = count - 1;
    moment.value = at < 0 ? count - 1 : at;
    this.point(Number(moment.value), at >= 0);
  }

  point(index, chosen = true) {
    const bin = this.bins[index];
    this.looked = chosen && index < this.bins.length - 1 ? bin.time : undefined;
    const words = `${clock(bin.time)}: ${inWords(bin)}`;
    say(byId("moment-text"), words);
    byId("moment").setAttribute("aria-valuetext", words);
    for (const cursor of byId("history-rows").querySelectorAll(".cursor")) {
      cursor.style.setProperty("--at", (index + 0.5) / this.bins.length);
    }
  }

  hover(moved) {
    const plot = moved.target.closest(".plot");
    if (!plot || !this.bins) return;
    const { left, width } = plot.getBoundingClientRect();
    const index = Math.floor(((moved.clientX - left) / width) * this.bins.length);
    byId("moment").value = Math.max(0, Math.min(this.bins.length - 1, index));
    this.point(Number(byId("moment").value));
  }

  event(event) {
    this.events.set(event.id, event);
    if (this.here || this.events.size > 2 * MOST_EVENTS) this.list(); // which forgets the oldest
  }

  list() {
    const newest = [...this.events.values()].sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, MOST_EVENTS);
    this.events = new Map(newest.map((event) => [event.id, event])); // the stream may tell what is known
    const line = (event) => make("li", {}, make("time", {}, clockWithSeconds(event.at)), make("span", {}, told(event)));
    const none = make("li", {}, make("span", {}, "–"), "No face has come or gone yet");
    byId("events").replaceChildren(...(newest.length ? newest.map(line) : [none]));
  }
}

function row(name, kind, bins, share, total) {
  const height = (bin) => (bin.empty ? 0 : Math.min(1, share(bin)) * 96);
  const bar = (bin, i) => (height(bin) ? `M${i} 100V${(100 - height(bin)).toFixed(1)}h1V100z` : "");
  const drawn = draw("svg", { viewBox: `0 0 ${bins.length} 100`, preserveAspectRatio: "none", "aria-hidden": "true" });
  drawn.append(draw("path", { d: bins.map(bar).join("") }));
  const plot = make("div", { class: "plot" }, drawn, make("i", { class: "cursor" }));
  return make("div", { class: `row ${kind}` }, make("span", {}, name), plot, make("span", {}, total));
}

function draw(tag, attributes) {
  const drawn = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) drawn.setAttribute(name, value);
  return drawn;
}

function axis(bins, width) {
  const plot = make("div", { class: "plot", "aria-hidden": "true" });
  const each = bins[1].time - bins[0].time;
  const apart = MARKS.find((seconds) => (seconds / each / bins.length) * width >= MARK_PX) ?? MARKS.at(-1);
  bins.forEach((bin, index) => {
    const share = (index + 0.5) / bins.length;
    if (bin.time % apart >= each || share < 0.04 || share > 0.96) return;
    const tick = make("span", { class: "tick" }, clock(bin.time));
    tick.style.setProperty("--at", share);
    plot.append(tick);
  });
  return make("div", { class: "row axis" }, make("span"), plot, make("span"));
}

function inWords(bin) {
  if (bin.empty) return "no frames";
  const shown = Object.entries(bin.seconds).sort((a, b) => b[1] - a[1]);
  return shown.map(([label, seconds]) => `${label} ${span(seconds)}`).join(", ") || "nobody";
}

function told({ kind, track, expression, previous, seconds, why }) {
  const now = why ? `${expression} (${why})` : expression;
  if (kind === "appeared") return `Face ${track} appeared, ${now}`;
  if (kind === "changed") return `Face ${track} changed from ${previous} to ${now} after ${span(seconds)}`;
  if (kind === "left") return `Face ${track} left after ${span(seconds)}, last ${now}`;
  return capital(kind);
}
