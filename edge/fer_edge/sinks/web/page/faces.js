/* Faces drawn on a picture, and the bars of the one that is chosen. */

import { byId, make, percent, say } from "./parts.js";

const UNCERTAIN = "uncertain";

/** Return what a face is called: its stable label where it is followed, else that of the picture. */
export const called = (face) => (face.why ? UNCERTAIN : (face.stable ?? face.label));

const area = (face) => face.box[2] * face.box[3];

/** Boxes over a picture; each is a button that chooses its face, the largest until then. */
export class FaceBoxes {
  /**
   * @param {HTMLElement} place Lies over the whole picture.
   * @param {(face: object | null) => void} onChosen Is told of the chosen face, at each change.
   */
  constructor(place, onChosen) {
    this.place = place;
    this.onChosen = onChosen;
    this.buttons = new Map();
    this.wanted = null;
  }

  /** Show these faces of a picture of this size, and no others. */
  show(faces, [width, height]) {
    this.faces = faces;
    this.size = [width, height];
    const keys = faces.map((face, index) => face.track_id ?? `#${index}`);
    for (const [key, button] of this.buttons) {
      if (!keys.includes(key)) {
        button.remove();
        this.buttons.delete(key);
      }
    }
    let chosen = keys.indexOf(this.wanted);
    if (chosen < 0) chosen = faces.indexOf([...faces].sort((a, b) => area(b) - area(a))[0]);
    keys.forEach((key, index) => this.draw(key, faces[index], index === chosen));
    this.onChosen(faces[chosen] ?? null);
  }

  draw(key, face, chosen) {
    if (!this.buttons.has(key)) this.buttons.set(key, this.button(key));
    const button = this.buttons.get(key);
    const [x, y, width, height] = face.box;
    const [whole, high] = this.size;
    const label = called(face);
    Object.assign(button.style, {
      left: `${(x / whole) * 100}%`, top: `${(y / high) * 100}%`,
      width: `${(width / whole) * 100}%`, height: `${(height / high) * 100}%`,
    });
    button.setAttribute("aria-pressed", chosen);
    button.classList.toggle("uncertain", label === UNCERTAIN);
    button.classList.toggle("low", y / high < 0.1);
    button.classList.toggle("right", (x + width / 2) / whole > 0.5);
    say(button.querySelector(".number"), face.track_id == null ? "" : String(face.track_id));
    say(button.querySelector(".name"), label);
  }

  button(key) {
    const choose = () => {
      this.wanted = key;
      this.show(this.faces, this.size);
    };
    const tag = make("span", { class: "tag" }, make("span", { class: "number" }), make("span", { class: "name" }));
    const button = make("button", { class: "face", type: "button", onclick: choose }, tag);
    this.place.append(button);
    return button;
  }
}

/** Tell of the chosen face, or that there is none, in words and bars; their ids begin alike. */
export function tell(face, prefix) {
  const [title, label, why, bars] = ["title", "label", "why", "bars"].map((name) => byId(`${prefix}-${name}`));
  const name = face ? called(face) : "–";
  label.className = `expression ${face ? "" : "none"} ${name === UNCERTAIN ? UNCERTAIN : ""}`;
  say(label, name);
  say(title, titleOf(face));
  say(why, face ? reason(face, name) : "");
  showBars(bars, face ? (face.relative ?? face.scores) : {});
}

function titleOf(face) {
  if (!face) return "No face in view";
  return face.track_id == null ? "Expression" : `Face ${face.track_id}`;
}

function reason(face, name) {
  if (face.why) return `Cannot be read: ${face.why}`;
  if (name === UNCERTAIN) return `No expression is probable enough. Most probable now: ${face.label}`;
  const probability = percent(face.confidence);
  return name === face.label ? `Probability ${probability}` : `Now rather ${face.label}, ${probability}`;
}

function showBars(place, shares) {
  const labels = Object.keys(shares);
  if (place.dataset.labels !== labels.join()) {
    place.dataset.labels = labels.join();
    const bar = (label) => make("div", { class: "bar" }, make("span", {}, label), make("i"), make("span"));
    place.replaceChildren(...labels.map(bar));
  }
  const most = Math.max(...Object.values(shares));
  labels.forEach((label, index) => {
    const bar = place.children[index];
    bar.classList.toggle("first", shares[label] === most);
    bar.style.setProperty("--share", shares[label]);
    say(bar.lastChild, percent(shares[label]));
  });
}
