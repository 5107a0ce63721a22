/* What the device sends as it happens: frames, its state, events. */

import { ask } from "./parts.js";

const AGAIN_MS = 3000;

/** The one stream of events of this page; closed while nobody can see it. */
export class Stream {
  /**
   * @param {object} takers By the name of what is sent: frame, state, event. `link` is told whether
   *   there is a connection.
   */
  constructor(takers) {
    this.takers = takers;
    document.addEventListener("visibilitychange", () => (document.hidden ? this.close() : this.open()));
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", () => this.open());
    this.open();
  }

  open() {
    if (this.source || document.hidden) return;
    const source = (this.source = new EventSource("/events"));
    for (const name of ["frame", "state", "event"]) {
      source.addEventListener(name, (sent) => this.takers[name](JSON.parse(sent.data)));
    }
    source.addEventListener("open", () => this.takers.link(true));
    source.addEventListener("error", () => {
      this.takers.link(false);
      if (source.readyState === EventSource.CLOSED) this.refused();
    });
  }

  close() {
    clearTimeout(this.later);
    this.source?.close();
    this.source = null;
  }

  /** The browser does not try again by itself; a login that has expired shows here first. */
  refused() {
    this.close();
    this.later = setTimeout(() => this.open(), AGAIN_MS);
    ask("/device.json", { method: "HEAD" }).catch(() => {});
  }
}
