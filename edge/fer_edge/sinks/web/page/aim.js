/* Help with aiming the camera: is the chosen face large enough, lit well, upright? */

import { byId, make, say } from "./parts.js";

/** Of fewer pixels a face is not read. */
const LEAST_PX = 14;
/** Up to so many degrees a face is read as it stands. */
const LEVEL_DEGREES = 12;
const DARK = 50;
const BRIGHT = 235;

/**
 * Show three gauges.
 * @param {object | undefined} face The chosen one.
 * @param {{face: number, around: number} | null} light Mean levels; null where none are known.
 * @param {number} wellPx Pixels across that the network looks at.
 */
export function showAim(face, light, wellPx) {
  const rows = face ? [size(face, wellPx), lit(face, light), tilt(face)] : [];
  const place = byId("aim");
  if (!place.children.length) place.append(...["Size", "Light", "Tilt"].map(gauge));
  [...place.children].forEach((row, index) => {
    const [share, good, words] = rows[index] ?? [0, true, face ? "not measured" : "–"];
    const told = row.lastChild;
    told.className = good ? "" : "warn";
    say(told.firstChild, words);
    told.lastChild.className = `gauge ${told.className}`;
    told.lastChild.style.setProperty("--share", Math.min(1, share));
  });
}

function gauge(name) {
  return make("div", {}, make("dt", {}, name), make("dd", {}, make("span"), make("i")));
}

function size({ box }, wellPx) {
  const side = Math.max(box[2], box[3]);
  const share = side / (2 * wellPx);
  if (side < LEAST_PX) return [share, false, `${side} px: too small to be read`];
  return side < wellPx ? [share, false, `${side} px: ${wellPx} are better`] : [share, true, `${side} px: large enough`];
}

function lit({ why }, light) {
  if (why === "too dark") return [0.1, false, "too dark to be read"];
  if (!light) return null;
  const share = light.face / 255;
  if (light.face < DARK) return [share, false, "dark: give the face more light"];
  if (light.face > BRIGHT) return [share, false, "too bright"];
  const back = light.face < 255 / 2 && light.face < 0.6 * light.around;
  return back ? [share, false, "back light: turn away from it"] : [share, true, "good"];
}

function tilt({ why, roll }) {
  if (why === "turned away") return [1, false, "turned away from the camera"];
  if (roll === undefined) return null;
  const degrees = Math.abs(Math.round(roll));
  if (degrees <= LEVEL_DEGREES) return [degrees / 60, true, `${degrees}°: upright`];
  return [degrees / 60, false, `${degrees}°: leans to the ${roll > 0 ? "right" : "left"}`];
}
