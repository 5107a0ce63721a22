/* A photo of the visitor's, read on the device as `fer-edge classify` reads one. */

import { ask, byId, note } from "./parts.js";
import { FaceBoxes, tell } from "./faces.js";

export class Photo {
  constructor() {
    this.boxes = new FaceBoxes(byId("photo-boxes"), (face) => tell(face, "photo"));
    for (const input of [byId("choose"), byId("take")]) {
      input.addEventListener("change", () => {
        this.read(input.files[0]);
        input.value = "";
      });
    }
    this.takeDrops(byId("photo"), byId("drop"));
    byId("annotated").addEventListener("click", () => this.annotated());
  }

  enter() {}

  leave() {}

  takeDrops(place, shown) {
    const over = (on) => (event) => {
      event.preventDefault();
      shown.classList.toggle("over", on);
    };
    place.addEventListener("dragover", over(true));
    place.addEventListener("dragleave", over(false));
    place.addEventListener("drop", (event) => {
      over(false)(event);
      this.read(event.dataTransfer.files[0]);
    });
  }

  async read(file) {
    if (!file) return;
    this.file = file;
    const tellHow = (text, mood) => this.file === file && note(byId("photo-note"), text, mood);
    byId("photo-result").hidden = true;
    tellHow(`Reading ${file.name} …`);
    try {
      const told = await (await ask("/photo", { method: "POST", body: file })).json();
      if (this.file === file) this.show(file, told);
      tellHow(summary(told.faces.length));
    } catch (error) {
      tellHow(error.message, "bad");
    }
  }

  show(file, told) {
    const picture = byId("photo-picture");
    URL.revokeObjectURL(picture.src);
    picture.onload = picture.onerror = () => {
      const { naturalWidth: w, naturalHeight: h } = picture;
      if (w && w > h === told.width > told.height) return;
      note(byId("photo-note"), `${summary(told.faces.length)} This browser cannot show it rightly: see the annotated copy.`);
    };
    picture.src = URL.createObjectURL(file);
    byId("photo-stage").style.setProperty("--ratio", told.width / told.height);
    byId("photo-result").hidden = false;
    this.boxes.wanted = null;
    this.boxes.show(told.faces, [told.width, told.height]);
  }

  async annotated() {
    const button = byId("annotated");
    button.disabled = true;
    try {
      const answer = await ask("/photo/annotated", { method: "POST", body: this.file });
      const link = document.createElement("a");
      link.href = URL.createObjectURL(await answer.blob());
      link.download = `${this.file.name.replace(/\.\w+$/, "")}-annotated.jpg`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    } catch (error) {
      note(byId("photo-note"), error.message, "bad");
    }
    button.disabled = false;
  }
}

function summary(faces) {
  if (!faces) return "No face was found.";
  return faces === 1 ? "One face was found." : `${faces} faces were found. Choose one in the picture.`;
}
