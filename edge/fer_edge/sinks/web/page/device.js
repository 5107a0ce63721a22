/* What the device is, how it is set, and the little that may be changed from here. */

import { askJson, byId, capital, command, confirmed, make, note, percent, span } from "./parts.js";

const AGAIN_MS = 3000;
const CALIBRATION_SECONDS = 5;
const MOODS = { ok: "good", warning: "warn", serious: "bad" };

export class Device {
  constructor() {
    this.settings = {};
    this.wellPx = 48; // until the device has told
    this.load().catch(() => {});
  }

  load() {
    this.told = askJson("/device.json").then((told) => {
      this.settings = Object.fromEntries(told.settings.map(({ name, value }) => [name, value]));
      this.wellPx = told.models.find(({ serving }) => serving)?.side_px ?? this.wellPx;
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
    const before = this.newest ?? state;
    this.newest = state;
    const another = before.model_sha256 !== state.model_sha256;
    if (another && !this.here) this.load().catch(() => {});
    if (!this.here) return;
    byId("device-line").textContent = `fer-edge ${state.version}, up ${span(state.uptime_seconds)}`;
    if (before.calibration !== state.calibration) note(byId("device-note"), capital(state.calibration));
    if (before.phase !== state.phase || another) this.enter();
  }

  show(told) {
    if (!this.here) return;
    const place = byId("device-parts");
    const open = [...place.querySelectorAll("details[open]")].map((each) => each.id);
    const stops = () => [...place.querySelectorAll("a, button, select, summary")];
    const stop = stops().indexOf(document.activeElement);
    const chosen = byId("other")?.value;
    place.replaceChildren(
      make("div", {}, privacy(told), part("Findings", findings(told.findings))),
      make("div", {}, part("Change", ...this.controls(told.controls)), part("Models", ...models(told))),
      part("Settings", ...settings(told.settings)),
    );
    for (const id of open) byId(id)?.setAttribute("open", "");
    if (chosen && byId("other")) byId("other").value = chosen;
    stops()[stop]?.focus({ preventScroll: true });
    if (told.findings === null) this.later = setTimeout(() => this.enter(), AGAIN_MS);
  }

  controls({ enabled, models, calibrate, why }) {
    const made = [];
    if (enabled !== null) made.push(this.enabling(enabled));
    if (models.length) made.push(this.choosing(models));
    if (calibrate) made.push(this.calibrating());
    if (!made.length || why) made.push(make("p", { class: "faint" }, capital(why) || "Nothing may be changed from here."));
    return made;
  }

  enabling(on) {
    const text = on
      ? "The camera is released, and nothing is read, until it is switched on again."
      : "The camera is opened, and faces are read again.";
    const title = `Switch the camera ${on ? "off" : "on"}`;
    return this.control(`The camera is ${on ? "on" : "off"}`, title, text, "enabled", () => ({ enabled: !on }));
  }

  choosing(names) {
    const options = names.map((name) => make("option", {}, name));
    const choice = make("select", { id: "other", "aria-label": "Another model" }, ...options);
    const text = "It is tested on this device first, and serves only if it passes.";
    return this.control("Another model", "Try", text, "model", () => ({ model: choice.value }), choice);
  }

  calibrating() {
    const text = `Look into the camera with a face at rest for ${CALIBRATION_SECONDS} seconds. `
      + "Until the end of the run, answers are relative to that face.";
    return this.control("A face at rest", "Calibrate", text, "calibrate", () => ({ seconds: CALIBRATION_SECONDS }));
  }

  control(words, title, text, name, wish, ...inputs) {
    const act = async () => {
      if (!(await confirmed(`${[title, ...inputs.map((each) => each.value)].join(" ")}?`, text, title))) return;
      button.disabled = true;
      try {
        note(byId("device-note"), (await command(`/control/${name}`, wish())).message);
      } catch (error) {
        note(byId("device-note"), error.message, "bad");
      }
      button.disabled = false;
      byId("device-note").scrollIntoView({ block: "nearest" });
    };
    const button = make("button", { class: "quiet", type: "button", onclick: act }, title);
    return make("div", { class: "control" }, make("span", {}, words), make("span", { class: "buttons" }, ...inputs, button));
  }
}

const faint = (text) => make("span", { class: "faint" }, text);
const part = (title, ...children) => make("div", { class: "panel" }, make("h3", {}, title), ...children);

function privacy({ privacy: text, metrics }) {
  const paragraphs = text.split("\n").filter(Boolean).map((each) => make("p", {}, each));
  const link = make("p", { class: "faint" }, "Metrics for Prometheus: ", make("a", { href: metrics }, metrics));
  return part("What leaves this device", ...paragraphs, link);
}

function findings(found) {
  if (found === null) return make("p", { class: "faint" }, "The doctor is looking …");
  const line = ({ grade, check, text, fix }) => {
    const advice = fix && faint(` ${capital(fix)}`);
    return make("li", { class: MOODS[grade] ?? "" }, make("strong", {}, `${check}: `), text, advice);
  };
  return make("ul", { class: "findings" }, ...found.map(line));
}

function models({ models: known, slots }) {
  const line = ({ name, serving, figures, milliseconds }) => {
    const serves = serving ? faint("serves") : "";
    const yardstick = faint(figures.yardstick ?? "");
    return make("tr", {},
      make("th", { scope: "row" }, name, serves),
      make("td", {}, figures.accuracy === undefined ? "–" : percent(figures.accuracy), yardstick),
      make("td", { class: "number" }, milliseconds === null ? "–" : `${milliseconds.toFixed(2)} ms`));
  };
  const table = make("table", {}, head("Model", "Accuracy", "Here"), make("tbody", {}, ...known.map(line)));
  if (!slots) return [table];
  const places = Object.entries(slots.places).map(([place, kept]) => `${place}: ${kept?.name ?? "empty"}`).join(", ");
  const problem = slots.problem && ` ${capital(slots.problem)}.`;
  return [table, make("p", { class: "faint" }, `Slots ${places}. What serves: ${slots.serving}.${problem}`)];
}

const head = (...titles) =>
  make("thead", {}, make("tr", {}, ...titles.map((title) => make("th", { scope: "col" }, title))));

function settings(told) {
  const sections = new Map();
  for (const setting of told) {
    const section = setting.name.split(".")[0];
    sections.set(section, [...(sections.get(section) ?? []), setting]);
  }
  return [...sections].map(([name, list]) => {
    const changed = list.filter(({ origin }) => origin !== "default").length;
    const summary = make("summary", {}, name, faint(changed ? ` ${changed} of ${list.length} set` : ""));
    const rows = make("tbody", {}, ...list.map(settingRow));
    return make("details", { id: `settings-${name}` }, summary, make("table", { class: "settings" }, head("Setting", "Value", "From"), rows));
  });
}

function settingRow({ name, value, unit, origin, text }) {
  const shown = [value].flat().join(", ") || "empty";
  return make("tr", {},
    make("th", { scope: "row" }, make("code", {}, name), faint(capital(text))),
    make("td", {}, unit ? `${shown} ${unit}` : shown),
    make("td", { class: "faint" }, origin));
}
