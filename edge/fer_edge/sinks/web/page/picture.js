/* The moving picture: a stream where one is to be had, else a still each second. */

import { byId, make } from "./parts.js";

const STILL_EVERY_MS = 1000;
const AGAIN_STILLS = 5;
const STUCK_SAMPLES = 8;
const SAMPLE = { width: 96, height: 72 };

/** Shows what the camera sees while it is wanted and somebody can see the page. */
export class Picture {
  constructor(flows) {
    this.flows = flows;
    this.place = byId("picture");
    this.canvas = make("canvas", SAMPLE).getContext("2d", { willReadFrequently: true });
    document.addEventListener("visibilitychange", () => (document.hidden ? this.stop() : this.wanted && this.start()));
    addEventListener("pagehide", () => this.stop());
    addEventListener("pageshow", () => this.wanted && this.start());
  }

  show(wanted) {
    this.wanted = wanted;
    this.stop();
    if (wanted && !document.hidden) this.start();
  }

  start() {
    if (this.sampling) return;
    this.place.onload = null;
    this.place.onerror = () => this.stills(true);
    this.place.hidden = false;
    this.place.src = "/live.mjpeg";
    this.still = false;
    this.unchanged = 0;
    this.sampling = setInterval(() => this.sample(), 1000);
  }

  stop() {
    clearInterval(this.sampling);
    clearTimeout(this.later);
    this.sampling = this.levels = null;
    this.place.onload = this.place.onerror = null;
    this.place.removeAttribute("src"); // which ends the stream: nothing is encoded for nobody
    this.place.hidden = true;
  }

  /** Some browsers show no streams of pictures, and the device serves so many of them only. */
  stills(refused = false) {
    let count = 0;
    const next = () => {
      this.place.src = `/still.jpg?${++count}`;
      if (refused && count % AGAIN_STILLS === 0) this.again();
    };
    const soon = () => (this.later = setTimeout(next, STILL_EVERY_MS));
    this.place.onload = this.place.onerror = soon;
    this.still = true;
    next();
  }

  /** Take the stream where there is room. */
  async again() {
    const { ok } = await fetch("/live.mjpeg", { method: "HEAD" }).catch(() => ({}));
    if (ok && this.still && this.sampling) this.show(true);
  }

  /** Look at the light, and whether the picture still moves while frames come. */
  sample() {
    if (!this.place.naturalWidth) {
      if (this.levels) this.show(this.wanted); // it was there, and has broken off
      return;
    }
    this.canvas.drawImage(this.place, 0, 0, SAMPLE.width, SAMPLE.height);
    const { data } = this.canvas.getImageData(0, 0, SAMPLE.width, SAMPLE.height);
    const levels = new Uint8Array(data.length / 4);
    for (let i = 0; i < levels.length; i++) levels[i] = 0.3 * data[4 * i] + 0.59 * data[4 * i + 1] + 0.11 * data[4 * i + 2];
    const same = this.levels?.every((level, i) => level === levels[i]) && this.flows();
    this.unchanged = same ? this.unchanged + 1 : 0;
    this.levels = levels;
    if (this.unchanged === STUCK_SAMPLES && !this.still) this.stills();
  }

  /** Return mean levels, 0 to 255, of a face and of all around it; null where none are known. */
  light([x, y, w, h], [width, height]) {
    if (!this.levels) return null;
    const across = SAMPLE.width / width;
    const down = SAMPLE.height / height;
    const sums = { face: [0, 0], around: [0, 0] };
    this.levels.forEach((level, i) => {
      const column = (i % SAMPLE.width) / across - x;
      const row = Math.floor(i / SAMPLE.width) / down - y;
      const sum = sums[column >= 0 && column < w && row >= 0 && row < h ? "face" : "around"];
      sum[0] += level;
      sum[1] += 1;
    });
    const mean = ([sum, count]) => sum / Math.max(1, count);
    return { face: mean(sums.face), around: mean(sums.around) };
  }
}
