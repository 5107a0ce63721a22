/* What the device is, how it is set, and the little that may be changed from here. */

import { askJson, byId, capital, command, confirmed, make, note, percent, span } from "./parts.js";

const AGAIN_MS = 3000;
const CALIBRATION_SECONDS = 5;
const MOODS = { ok: "good", warning: "warn", serious: "bad" };

export class Device {
  constructor() {
    this.settings = {};
    this.load();
  }

  load() {
    this.told = askJson("/device.json").then((told) => {
      this.settings = Object.fromEntries(told.settings.map(({ name, value }) => [name, value]));
      document.title = document.title.replace(/FER edge$/, told.name || "FER edge");
      byId("device-name").textContent = told.name;
      return told;
    });
    return this.told;
  }

  /** Return what may be seen: "picture", or "boxes"; where nobody tells it is tried. */
  async view() {
    return this.told.then((told) => told.view, () => "picture");
  }

  async enter() {
    this.here = true;
    clearTimeout(this.later);
    try {
      this.show(await this.load());
    } catch (error) {
      note(byId("device-note"), error.message, "bad");
    }
  }

  leave() {
    this.here = false;
    clearTimeout(this.later);
  }

  /** Take the state that comes each second. */
  state(state) {
    const before = this.newest;
    this.newest = state;
    if (!this.here) return;
    byId("device-line").textContent = `fer-edge ${state.version}, up ${span(state.uptime_seconds)}`;
    if (before && before.calibration !== state.calibration) note(byId("device-note"), capital(state.calibration));
    if (before && (before.phase !== state.phase || before.model_sha256 !== state.model_sha256)) this.enter();
  }

  show(told) {
    if (!this.here) return;
    const open = [...byId("device-parts").querySelectorAll("details[open]")].map((each) => each.id);
    byId("device-parts").replaceChildren(
      column(
        part("What leaves this device", ...paragraphs(told.privacy), metrics(told.metrics)),
        part("Findings", findings(told.findings)),
      ),
      column(part("What may be changed", ...this.controls(told)), part("Models", models(told.models), ...slots(told.slots))),
      wide(part("Settings", ...settings(told.settings))),
    );
    for (const id of open) byId(id)?.setAttribute("open", "");
    if (told.findings === null) this.later = setTimeout(() => this.enter(), AGAIN_MS);
  }

  controls({ controls }) {
    const made = [];
    if (controls.enabled !== null) made.push(this.enabledControl(controls.enabled));
    if (controls.models.length) made.push(this.modelControl(controls.models));
    if (controls.calibrate) made.push(this.calibrateControl());
    if (!made.length || controls.why) made.push(make("p", { class: "faint" }, controls.why || "Nothing may be changed from here."));
    return made;
  }

  enabledControl(enabled) {
    const title = enabled ? "Switch the camera off" : "Switch the camera on";
    const text = enabled ? "The camera is released, and nothing is read, until it is switched on again." : "The camera is opened, and faces are read again.";
    return this.control(enabled ? "The camera is on." : "The camera is off.", [], title, () => text, "enabled", () => ({ enabled: !enabled }));
  }

  modelControl(names) {
    const choice = make("select", { "aria-label": "Another model" }, ...names.map((name) => make("option", {}, name)));
    const text = () => `${choice.value} is tested on this device first. It serves only if it passes; else the present one goes on.`;
    return this.control("Another model", [choice], "Try it", text, "model", () => ({ model: choice.value }));
  }

  calibrateControl() {
    const text = () => `Look into the camera with a face at rest for ${CALIBRATION_SECONDS} seconds. Answers are relative to it until the run ends.`;
    return this.control("Take a face for its rest", [], "Calibrate", text, "calibrate", () => ({ seconds: CALIBRATION_SECONDS }));
  }

  control(words, inputs, title, text, name, wish) {
    const button = make("button", { class: "quiet", type: "button", onclick: () => act() }, title);
    const act = async () => {
      if (!(await confirmed(`${title}?`, text(), title))) return;
      button.disabled = true;
      try {
        note(byId("device-note"), (await command(`/control/${name}`, wish())).message);
      } catch (error) {
        note(byId("device-note"), error.message, "bad");
      }
      button.disabled = false;
      byId("device-note").scrollIntoView({ block: "nearest" });
    };
    return make("div", { class: "control" }, make("span", {}, words), make("span", { class: "buttons" }, ...inputs, button));
  }
}

function part(title, ...children) {
  return make("div", { class: "panel" }, make("h3", {}, title), ...children);
}

const column = (...parts) => make("div", {}, ...parts);
const paragraphs = (text) => text.split("\n").filter(Boolean).map((each) => make("p", {}, each));
const metrics = (address) => make("p", { class: "faint" }, "Metrics for Prometheus: ", make("a", { href: address }, address));

function wide(made) {
  made.classList.add("wide");
  return made;
}

function findings(found) {
  if (found === null) return make("p", { class: "faint" }, "The doctor is looking …");
  if (!found.length) return make("p", {}, "Nothing was found.");
  const line = ({ grade, check, text, fix }) =>
    make("li", { class: MOODS[grade] ?? "" }, make("strong", {}, check ? `${check}: ` : ""), text, fix && make("span", { class: "faint" }, ` ${capital(fix)}`));
  return make("ul", { class: "findings" }, ...found.map(line));
}

function models(told) {
  const line = ({ name, serving, figures, milliseconds }) =>
    make("tr", { "aria-current": serving && "true" },
      make("th", { scope: "row" }, name, serving ? make("span", { class: "faint" }, " serves") : ""),
      make("td", {}, figures.accuracy === undefined ? "–" : percent(figures.accuracy), make("span", { class: "faint" }, figures.yardstick ?? "")),
      make("td", { class: "number" }, milliseconds === null ? "–" : `${milliseconds.toFixed(2)} ms`));
  const head = make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Model"), make("th", { scope: "col" }, "Accuracy"), make("th", { scope: "col", class: "number" }, "Here")));
  return make("div", { class: "scroll" }, make("table", {}, head, make("tbody", {}, ...told.map(line))));
}

function slots(told) {
  if (!told) return [];
  const places = Object.entries(told.places).map(([place, kept]) => `${place}: ${kept ? kept.name : "empty"}`);
  const words = `Slots ${places.join(", ")}. ${capital(told.serving)} serves.${told.problem ? ` ${capital(told.problem)}.` : ""}`;
  return [make("p", { class: "faint" }, words)];
}

function settings(told) {
  const sections = new Map();
  for (const setting of told) {
    const section = setting.name.split(".")[0];
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  return [...sections].map(([name, list]) => {
    const changed = list.filter(({ origin }) => origin !== "default").length;
    const summary = make("summary", {}, `${name} `, changed ? make("span", { class: "faint" }, `${changed} of ${list.length} changed`) : "");
    const head = make("thead", {}, make("tr", {}, ...["Setting", "Value", "From"].map((title) => make("th", { scope: "col" }, title))));
    const table = make("table", { class: "settings" }, head, make("tbody", {}, ...list.map(settingRow)));
    return make("details", { id: `settings-${name}` }, summary, table);
  });
}

function settingRow({ name, value, unit, origin, text }) {
  const shown = value === "" ? "empty" : Array.isArray(value) ? value.join(", ") || "none" : String(value);
  return make("tr", {},
    make("th", { scope: "row" }, make("code", {}, name), make("br"), make("span", { class: "faint" }, text)),
    make("td", {}, shown, unit ? ` ${unit}` : ""),
    make("td", { class: "faint" }, origin));
}
