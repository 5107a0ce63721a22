/* Where one is on the page, and what comes from the device to whom. */

import { byId, say } from "./parts.js";
import { Device } from "./device.js";
import { History } from "./history.js";
import { Live } from "./live.js";
import { Photo } from "./photo.js";
import { Stream } from "./stream.js";

const PHASES = {
  starting: ["Starting", "wait"],
  running: ["Running", "good"],
  waiting: ["Waiting for the camera", "warn"],
  disabled: ["Switched off", "warn"],
  stopping: ["Stopping", "warn"],
};

const device = new Device();
const live = new Live(device);
const places = { live, history: new History(), photo: new Photo(), device };
let here = "";

function go(moved) {
  const asked = location.hash.slice(1) || "live";
  const name = asked in places ? asked : here || "live"; // or where one skips to
  if (name === here) return;
  places[here]?.leave();
  here = name;
  for (const other of Object.keys(places)) byId(other).hidden = other !== name;
  for (const link of byId("places").children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const heading = byId(name).querySelector("h2");
  document.title = `${heading.textContent} – FER edge`;
  if (moved) heading.focus({ preventScroll: true });
  places[name].enter();
  scrollTo(0, 0);
}

byId("places").hidden = byId("phase").hidden = false;
addEventListener("hashchange", () => go(true));
go(false);

let connected = true;
function showPhase(text, mood) {
  say(byId("phase"), text);
  byId("phase").dataset.mood = mood;
}

new Stream({
  frame: (frame) => live.frame(frame),
  event: (event) => places.history.event(event),
  state: (state) => {
    showPhase(...(PHASES[state.phase] ?? [state.phase, "wait"]));
    // Only a device that asks for a token counts wrong ones.
    byId("logout").hidden = !state.sinks.some(({ figures }) => "wrong_tokens" in figures);
    live.state(state);
    device.state(state);
  },
  link: (there) => {
    if (there && !connected) {
      device.load().catch(() => {}); // it may show more now, or less
      places[here].enter();
    }
    connected = there;
    if (there) return;
    showPhase("No connection", "bad");
    live.lost();
  },
});
