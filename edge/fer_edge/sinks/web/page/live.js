/* What the camera sees now, who is in it, and how the device does. */

import { showAim } from "./aim.js";
import { called, FaceBoxes, tell } from "./faces.js";
import { byId, capital, make, note, say, span } from "./parts.js";
import { Picture } from "./picture.js";

const SAID_EVERY_MS = 2000;

export class Live {
  constructor(device) {
    this.device = device;
    this.size = [640, 480];
    this.lastFrame = this.lastSaid = 0;
    this.picture = new Picture(() => this.flows());
    this.boxes = new FaceBoxes(byId("boxes"), (face) => {
      this.chosen = face;
      tell(face, "chosen");
    });
  }

  async enter() {
    this.here = true;
    const view = await this.device.view();
    byId("stage").classList.toggle("blank", view !== "picture");
    if (this.here) this.picture.show(view === "picture");
  }

  leave() {
    this.here = false;
    this.picture.show(false);
  }

  flows() {
    const known = this.device.settings;
    const rate = Math.min(1, known["web.view_fps"] || 1, known["source.frames_per_second"] || 1);
    const pause = Math.max(1 / rate, known["source.interval_seconds"] || 0);
    return performance.now() - this.lastFrame < 2500 * pause;
  }

  frame(frame) {
    this.lastFrame = performance.now();
    if (!this.here) return;
    this.size = [frame.width, frame.height];
    byId("stage").style.setProperty("--ratio", frame.width / frame.height);
    this.show(frame.faces);
  }

  show(faces) {
    this.boxes.show(faces, this.size);
    showAim(this.chosen, this.chosen && this.picture.light(this.chosen.box, this.size), this.device.wellPx);
    this.speak(faces.map((face) => `face ${face.track_id ?? ""} ${called(face)}`).join(", "));
  }

  /** Tell screen readers what has changed, not oftener than they can say it. */
  speak(words) {
    const now = performance.now();
    if (words === this.words || now - this.lastSaid < SAID_EVERY_MS) return;
    this.words = words;
    this.lastSaid = now;
    say(byId("said"), capital(words) || "No face in view");
  }

  state(state) {
    if (!this.flows() || state.phase !== "running") this.show([]);
    showFigures(state);
    this.trouble(...whatIsWrong(state, this.device.settings));
    const doubt = state.phase === "running" && state.camera.problem;
    note(byId("camera-note"), doubt ? `${capital(doubt)}.` : "", "warn");
  }

  lost() {
    this.show([]);
    this.trouble("No connection", "What is shown is no longer true.", "It is tried again every few seconds.");
  }

  trouble(title = "", ...lines) {
    const place = byId("trouble");
    place.hidden = !title;
    [title, ...lines].forEach((text, index) => say(place.children[index], text));
  }
}

/** Return a title, what is wrong, and what the daemon does; nothing where frames come. */
function whatIsWrong({ phase, camera }, settings) {
  const seconds = camera.seconds_since_frame;
  const since = seconds < 1 ? "" : `No frame for ${span(seconds)}. `;
  if (phase === "disabled") return ["Switched off", "The camera is released.", "Switch it on under Device, or by MQTT."];
  if (phase === "stopping") return ["Stopping", "The device ends its run.", ""];
  if (camera.phase === "ended") return ["The file is over", "There is nothing more to see.", ""];
  if (camera.phase !== "waiting" && camera.phase !== "opening") return [];
  if (!camera.problem) return ["The camera is being opened", since, ""];
  const pause = settings["source.reopen_longest_seconds"];
  const end = settings["source.give_up_seconds"];
  const next = `It is opened again and again${pause ? `, with pauses of up to ${span(pause)}` : ""}.`
    + (end ? ` After ${span(end)} without a frame the run ends.` : "");
  const problem = capital(camera.problem);
  if (problem.startsWith("The picture is")) return [problem, since, next];
  return ["The camera does not deliver", `${since + problem}.`, next];
}

function showFigures(state) {
  const place = byId("figures");
  const figures = figuresOf(state);
  if (!place.children.length) {
    const value = () => make("dd", {}, make("span"), " ", make("small"));
    place.append(...figures.map(([name]) => make("div", {}, make("dt", {}, name), value())));
    place.lastChild.className = "long";
  }
  figures.forEach(([, value, unit = "", mood = ""], index) => {
    const told = place.children[index].lastChild;
    told.className = mood || "";
    say(told.firstChild, value ?? "–");
    say(told.lastChild, value == null ? "" : unit);
  });
}

function figuresOf(state) {
  const age = state.stages_ms.age?.p50;
  const grade = state.camera.grade;
  const hot = state.throttled;
  const mqtt = state.sinks.find((sink) => sink.name === "mqtt")?.figures;
  const broker = mqtt ? (mqtt.connected ? "connected" : "offline") : "none";
  return [
    ["Speed", state.frames_per_second.toFixed(1), "FPS"],
    ["Frame age", age?.toFixed(age < 10 ? 1 : 0), "ms"],
    ["Processor", state.cpu_percent.toFixed(0), "%"],
    ["Temperature", state.temperature_c?.toFixed(0), `°C${hot ? ", throttled" : ""}`, hot && "warn"],
    ["Camera", grade, "", { fair: "warn", poor: "bad", dead: "bad" }[grade]],
    ["Broker", broker, "", broker === "offline" && "warn"],
    ["Model", state.model, state.model_problem, state.model_problem && "warn"],
  ];
}
