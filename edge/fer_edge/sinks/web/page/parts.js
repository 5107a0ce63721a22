/* Small parts of every place of the page. */

export const byId = (id) => document.getElementById(id);

/** Make an element; what is no element among its children becomes text. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

/** Change a text only where it differs, so that screen readers and the layout keep still. */
export function say(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** Show a note, or hide it where there is nothing to say. */
export function note(place, text, mood = "") {
  place.hidden = !text;
  place.className = `note ${mood}`;
  say(place, text);
}

export const percent = (share) => `${Math.round(share * 100)} %`;
export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
export const clockWithSeconds = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hourCycle: "h23" });

/** Return a length of time as people say it: 8 s, 12 min, 3.5 h. */
export function span(seconds) {
  if (seconds > 0 && seconds < 0.5) return "<1 s";
  if (seconds < 59.5) return `${Math.round(seconds)} s`;
  if (seconds < 3570) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** Ask the device. Whoever is no longer logged in is sent to the login page. */
export async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, { cache: "no-store", ...options });
  } catch {
    throw new Error("The device does not answer.");
  }
  if (answer.status === 401) {
    location.assign("/login");
    throw new Error("The login has expired.");
  }
  if (!answer.ok) throw new Error(await complaint(answer));
  return answer;
}

export const askJson = async (address) => (await ask(address)).json();

export async function command(address, wish) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(wish) };
  return (await ask(address, options)).json();
}

async function complaint(answer) {
  try {
    const { message, expected, fix } = await answer.json();
    const parts = [message, expected && `expected: ${expected}`, fix && `do this: ${fix}`];
    return parts.filter(Boolean).map((part) => `${capital(part).replace(/[.]$/, "")}.`).join(" ");
  } catch {
    return answer.status === 404 ? "This device does not offer that." : `The device refuses (${answer.status}).`;
  }
}

/** Ask before something is changed; resolves to whether it is wanted. */
export function confirmed(title, text, yes) {
  const dialog = byId("confirm");
  say(byId("confirm-title"), title);
  say(byId("confirm-text"), text);
  say(byId("confirm-yes"), yes);
  dialog.showModal();
  return new Promise((resolve) => {
    byId("confirm-yes").onclick = () => dialog.close("yes");
    byId("confirm-no").onclick = () => dialog.close("no");
    dialog.onclose = () => resolve(dialog.returnValue === "yes");
    dialog.returnValue = "no";
  });
}
