/* What the camera sees now, who is in it, and whether it is aimed well. */

import { byId, capital, make, note, say, span } from "./parts.js";
import { called, FaceBoxes, tell } from "./faces.js";

const STALE_MS = 2500;
const SAID_EVERY_MS = 2000;
const STILL_EVERY_MS = 1000;
const STUCK_SAMPLES = 8;
/** The networks look at 48 x 48 pixels; below 14 they are no longer asked (docs/log/detection.md). */
const WELL_PX = 48;
const LEAST_PX = 14;
/** Up to so many degrees a face is read as it stands. */
const LEVEL_DEGREES = 12;
const SAMPLE = { width: 96, height: 72 };

export class Live {
  /** @param {object} device Knows the settings, and whether pictures are shown at all. */
  constructor(device) {
    this.device = device;
    this.size = [640, 480];
    this.lastFrame = this.lastSaid = 0;
    this.phase = "starting";
    this.here = false;
    const texts = { title: "chosen-title", label: "chosen-label", why: "chosen-note", bars: "chosen-bars" };
    for (const name in texts) texts[name] = byId(texts[name]);
    this.boxes = new FaceBoxes(byId("boxes"), (face) => {
      tell(face, texts);
      this.chosen = face;
    });
    this.canvas = make("canvas", SAMPLE).getContext("2d", { willReadFrequently: true });
    document.addEventListener("visibilitychange", () => this.here && (document.hidden ? this.stop() : this.start()));
    addEventListener("pagehide", () => this.stop());
  }

  enter() {
    this.here = true;
    this.stop();
    this.start();
  }

  leave() {
    this.here = false;
    this.stop();
  }

  /* The picture: a stream where one is to be had, else a still each second. */

  async start() {
    if (document.hidden) return;
    const view = await this.device.view();
    byId("stage").classList.toggle("blank", view !== "picture");
    if (view !== "picture" || !this.here || document.hidden || this.running) return;
    this.running = true;
    const picture = byId("picture");
    picture.onload = () => this.shaped();
    picture.onerror = () => this.stills();
    picture.hidden = false;
    picture.src = "/live.mjpeg";
    this.unchanged = 0;
    this.light = null;
    byId("stage").dataset.shows = "stream";
    this.sampling = setInterval(() => this.sample(), 1000);
  }

  stop() {
    this.running = false;
    clearInterval(this.sampling);
    clearTimeout(this.nextStill);
    const picture = byId("picture");
    picture.onload = picture.onerror = null;
    picture.removeAttribute("src"); // which ends the stream: nothing is encoded for nobody
    picture.hidden = true;
  }

  /** Some browsers do not show streams of pictures, and the device serves so many of them only. */
  stills() {
    let count = 0;
    const picture = byId("picture");
    const next = () => {
      this.nextStill = setTimeout(() => (picture.src = `/still.jpg?${++count}`), STILL_EVERY_MS);
    };
    picture.onload = () => (this.shaped(), next());
    picture.onerror = next;
    byId("stage").dataset.shows = "stills";
    next();
  }

  shaped() {
    const { naturalWidth, naturalHeight } = byId("picture");
    if (naturalWidth) byId("stage").style.setProperty("--ratio", naturalWidth / naturalHeight);
  }

  /** Look at the light, and whether the picture still moves while frames come. */
  sample() {
    const picture = byId("picture");
    if (!picture.naturalWidth) {
      if (this.light) this.enter(); // it was there, and has broken off
      return;
    }
    this.canvas.drawImage(picture, 0, 0, SAMPLE.width, SAMPLE.height);
    const { data } = this.canvas.getImageData(0, 0, SAMPLE.width, SAMPLE.height);
    const sum = data.reduce((total, value, i) => (total * 31 + value * (i % 7)) | 0, 0);
    this.unchanged = sum === this.sum && this.fresh() ? this.unchanged + 1 : 0;
    this.sum = sum;
    if (this.unchanged === STUCK_SAMPLES && byId("stage").dataset.shows !== "stills") this.stills();
    this.light = lightOf(data, this.chosen?.box ?? [0, 0, 0, 0], this.size);
  }

  fresh() {
    return performance.now() - this.lastFrame < STALE_MS;
  }

  /* What is read. */

  frame(frame) {
    this.lastFrame = performance.now();
    this.age = frame.timings_ms.age;
    if (!this.here) return;
    this.size = [frame.width, frame.height];
    byId("stage").style.setProperty("--ratio", frame.width / frame.height);
    this.show(frame.faces);
  }

  show(faces) {
    this.boxes.show(faces, this.size);
    showAim(this.chosen, this.light);
    const words = faces.map((face) => `${face.track_id == null ? "" : `face ${face.track_id} `}${called(face)}`).join(", ");
    const now = performance.now();
    if (words !== this.words && now - this.lastSaid > SAID_EVERY_MS) {
      this.words = words;
      this.lastSaid = now;
      say(byId("said"), words ? capital(words) : "No face in view");
    }
  }

  state(state) {
    this.phase = state.phase;
    if (!this.fresh() || state.phase !== "running") this.show([]);
    showFigures(state);
    this.trouble(...whatIsWrong(state, this.device.settings));
    const dim = state.phase === "running" ? state.camera.problem : "";
    note(byId("camera-note"), dim && `${capital(dim)}.`, "warn");
  }

  link(there) {
    if (there) return;
    this.show([]);
    this.trouble("No connection to the device", "What is shown is no longer true.", "It is tried again every few seconds.");
  }

  trouble(title = "", ...lines) {
    const place = byId("trouble");
    place.hidden = !title;
    [title, ...lines].forEach((text, i) => place.children[i] && say(place.children[i], text));
  }
}

/** Return a title, what is wrong, and what the daemon does about it; nothing where frames come. */
function whatIsWrong({ phase, camera }, settings) {
  const since = camera.seconds_since_frame >= 1 ? `No frame for ${span(camera.seconds_since_frame)}. ` : "";
  if (phase === "disabled") return ["Switched off", "The camera is released.", "Switch it on under Device, or by MQTT."];
  if (phase === "stopping") return ["Stopping", "The device ends its run.", ""];
  if (camera.phase === "ended") return ["The file is over", "There is nothing more to see.", ""];
  if (camera.phase === "opening") return ["The camera is being opened", since, ""];
  if (camera.phase !== "waiting") return [];
  const pause = settings["source.reopen_longest_seconds"];
  const end = settings["source.give_up_seconds"];
  const again = pause ? `, with pauses of up to ${span(pause)}` : "";
  const last = end ? ` After ${span(end)} without a frame the run ends, and its service starts anew.` : "";
  return [troubleTitle(camera.problem), `${since}${camera.problem && `${capital(camera.problem)}.`}`, `The camera is opened again and again${again}.${last}`];
}

function troubleTitle(problem) {
  if (/frozen|same picture/.test(problem)) return "The picture is frozen";
  if (/black/.test(problem)) return "The picture is black";
  return "The camera does not deliver";
}

function showFigures(state) {
  const { camera } = state;
  const age = state.stages_ms.age?.p50;
  const mqtt = state.sinks.find((sink) => sink.name === "mqtt");
  const figures = [
    ["Speed", state.frames_per_second.toFixed(1), "FPS"],
    ["Frame age", age === undefined ? "–" : age.toFixed(age < 10 ? 1 : 0), "ms"],
    ["Processor", state.cpu_percent === undefined ? "–" : state.cpu_percent.toFixed(0), "%"],
    ["Temperature", state.temperature_c === null ? "–" : state.temperature_c.toFixed(0), state.throttled ? "°C, throttled" : "°C", state.throttled ? "warn" : ""],
    ["Camera", camera.grade, "", { fair: "warn", poor: "bad", dead: "bad" }[camera.grade] ?? ""],
    ["Broker", mqtt ? (mqtt.figures.connected ? "connected" : "offline") : "none", "", mqtt && !mqtt.figures.connected ? "warn" : ""],
    ["Model", state.model, state.model_problem, state.model_problem ? "warn" : "", "long"],
  ];
  const place = byId("figures");
  if (!place.children.length) {
    place.append(...figures.map(([name, , , , kind = ""]) => make("div", { class: kind }, make("dt", {}, name), make("dd", {}, make("span"), " ", make("small")))));
  }
  figures.forEach(([, value, unit, mood = ""], index) => {
    const told = place.children[index].lastChild;
    told.className = mood;
    say(told.firstChild, value);
    say(told.lastChild, value === "–" ? "" : unit);
  });
}

function showAim(face, light) {
  const side = face ? Math.max(face.box[2], face.box[3]) : 0;
  const rows = {
    Size: face && [side / (2 * WELL_PX), side >= WELL_PX, sizeWords(side)],
    Light: face && lightWords(face, light),
    Tilt: face && tiltWords(face),
  };
  const place = byId("aim");
  if (!place.children.length) {
    const row = (name) => make("div", {}, make("dt", {}, name), make("dd", {}, make("span"), make("i", { class: "gauge" })));
    place.append(...Object.keys(rows).map(row));
  }
  Object.values(rows).forEach((row, index) => {
    const [share, good, words] = row ?? [0, true, face ? "not measured" : "–"];
    const told = place.children[index].lastChild;
    told.className = good ? "" : "warn";
    say(told.firstChild, words);
    told.lastChild.className = `gauge ${good ? "good" : "warn"}`;
    told.lastChild.style.setProperty("--share", Math.min(1, share));
  });
}

function sizeWords(side) {
  if (side < LEAST_PX) return `${side} px: too small to be read`;
  return side < WELL_PX ? `${side} px: nearer is better, from ${WELL_PX} px` : `${side} px: large enough`;
}

function lightWords(face, light) {
  if (face.why === "too dark") return [light ? light.face / 255 : 0.1, false, "too dark to be read"];
  if (!light) return null;
  const share = light.face / 255;
  if (light.face < 50) return [share, false, "dark: give the face more light"];
  if (light.face > 235) return [share, false, "too bright"];
  if (light.face < 110 && light.face < 0.6 * light.around) return [share, false, "back light: turn away from it"];
  return [share, true, "good"];
}

function tiltWords(face) {
  if (face.why === "turned away") return [1, false, "turned away from the camera"];
  if (face.roll === undefined) return null;
  const degrees = Math.abs(Math.round(face.roll));
  if (degrees <= LEVEL_DEGREES) return [degrees / 60, true, `${degrees}°: upright`];
  return [degrees / 60, false, `${degrees}°: leans to the ${face.roll > 0 ? "right" : "left"}`];
}

/** Return mean levels of a face and of what surrounds it, 0 to 255, from a small RGBA picture. */
function lightOf(data, box, [width, height]) {
  const left = (box[0] / width) * SAMPLE.width, right = ((box[0] + box[2]) / width) * SAMPLE.width;
  const top = (box[1] / height) * SAMPLE.height, bottom = ((box[1] + box[3]) / height) * SAMPLE.height;
  const sums = { face: [0, 0], around: [0, 0] };
  for (let y = 0, i = 0; y < SAMPLE.height; y++) {
    for (let x = 0; x < SAMPLE.width; x++, i += 4) {
      const sum = sums[x >= left && x < right && y >= top && y < bottom ? "face" : "around"];
      sum[0] += 0.3 * data[i] + 0.59 * data[i + 1] + 0.11 * data[i + 2];
      sum[1] += 1;
    }
  }
  return { face: sums.face[0] / Math.max(1, sums.face[1]), around: sums.around[0] / Math.max(1, sums.around[1]) };
}
