// Where a question is written: its text, its pictures and its clips. One stands at the foot of the page; another in the place of a
// sent question that is being changed.

import { byId, show } from "./dom.js";
import { card } from "./cards.js";
import { clipIn } from "./clips.js";
import { counted } from "./format.js";
import { pictureOf } from "./pictures.js";
import { tokensOf } from "./plan.js";
import { pictureFields } from "./settings.js";

export class Composer {
  root = byId("composer-template").content.firstElementChild.cloneNode(true);
  /** Pictures and clips, in their order. */
  pictures = [];
  #context;
  #busy = false;
  #part = (selector) => this.root.querySelector(selector);
  #text = this.#part("textarea");
  #send = this.#part(".send");
  #planned = 0;

  /**
   * `context`: `{ settings, viewer, camera }`; `onsend({ text, pictures })`; `onstop()` where it can stop an answer;
   * `oncancel()` where it can be left.
   */
  constructor(context, { onsend, onstop, oncancel }) {
    this.#context = context;
    this.onsend = onsend;
    this.onstop = onstop;
    this.oncancel = oncancel;
    show(this.#part("[data-do=cancel]"), Boolean(oncancel));
    this.root.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.#busy) this.onstop?.();
      else this.#submit();
    });
    this.root.addEventListener("click", (event) => this.#click(event));
    this.#text.addEventListener("keydown", (event) => this.#key(event));
    this.#text.addEventListener("input", () => this.#seeText());
    this.#part("input[type=file]").addEventListener("change", (event) => {
      this.add([...event.target.files]);
      event.target.value = "";
    });
    this.draw = this.draw.bind(this);
    context.settings.addEventListener("change", ({ detail }) => detail === "maxEdge" && this.root.isConnected && this.draw());
    this.#seeText();
  }

  get text() {
    return this.#text.value;
  }

  /** Takes over a question. */
  load({ text, pictures }) {
    this.#text.value = text;
    this.pictures = [...pictures];
    this.draw();
    this.#seeText();
  }

  focus() {
    this.#text.focus();
  }

  /** Takes files; what is neither picture nor clip is said in place. */
  async add(files) {
    this.#complain("");
    const read = await Promise.allSettled(files.map((file, at) => mediumOf(file, file.name || `picture ${at + 1}`)));
    this.pictures.push(...read.filter((result) => result.value).map((result) => result.value));
    this.#complain(read.filter((result) => result.reason).map((result) => result.reason.message).join(" "));
    this.draw();
    this.#seeText();
  }

  /** While an answer is being made, the button stops it. */
  setBusy(busy) {
    this.#busy = busy;
    const label = busy && this.onstop ? "Stop" : this.oncancel ? "Send the changed question" : "Send";
    this.#send.setAttribute("aria-label", label);
    this.#send.title = label;
    this.#send.querySelector("use").setAttribute("href", busy && this.onstop ? "#icon-stop" : "#icon-send");
    this.#seeText();
  }

  /** A quiet word beside the buttons. */
  setNote(words) {
    this.#part(".composer-note").textContent = words;
  }

  #submit() {
    if (this.#send.disabled || this.#busy) return;
    const question = { text: this.#text.value.trim(), pictures: this.pictures };
    if (!this.oncancel) this.load({ text: "", pictures: [] });
    this.#complain("");
    this.onsend(question);
  }

  #click(event) {
    const does = event.target.closest("[data-do]")?.dataset.do;
    if (does === "pick") this.#part("input[type=file]").click();
    if (does === "cancel") this.oncancel();
    if (does === "camera") this.#context.camera.take().then((file) => file && this.add([file]));
  }

  #key(event) {
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === "Escape" && this.oncancel) {
      event.stopPropagation();
      this.oncancel();
    } else if (event.key === "ArrowUp" && !this.#text.value && this.onup) {
      event.preventDefault();
      this.onup();
    }
  }

  #seeText() {
    const empty = !this.#text.value.trim() && !this.pictures.length;
    this.#send.disabled = this.#busy ? !this.onstop : empty;
    if (CSS.supports("field-sizing", "content")) return;
    this.#text.style.height = "auto";
    this.#text.style.height = `${this.#text.scrollHeight}px`;
  }

  #complain(words) {
    const place = this.#part(".composer-error");
    place.textContent = words;
    show(place, Boolean(words));
  }

  /** The cards of the pictures, anew. */
  async draw() {
    const drawing = (this.#planned += 1);
    const fields = pictureFields(this.#context.settings);
    const cards = this.pictures.map((picture) => card(picture, fields, {
      onopen: () => this.#context.viewer.open(this.pictures, picture),
      onremove: () => this.#remove(picture),
    }));
    this.#part(".strip").replaceChildren(...cards.map(({ node }) => node));
    const total = this.#part(".strip-total");
    show(total, false);
    const all = await Promise.all(cards.map(({ planned }) => planned));
    const plans = all.filter(Boolean);
    if (drawing !== this.#planned || plans.length < 2) return;
    const sum = (of) => plans.reduce((all, plan) => all + of(plan), 0);
    total.textContent = `${contentsOf(this.pictures.filter((_, at) => all[at]))}, ${counted(sum((plan) => plan.tiles), "tile")}, ${counted(sum(tokensOf), "token")}`;
    show(total, true);
  }

  #remove(picture) {
    const at = this.pictures.indexOf(picture);
    this.pictures.splice(at, 1);
    this.draw();
    this.#seeText();
    (this.root.querySelectorAll(".remove")[Math.min(at, this.pictures.length - 1)] ?? this.#text).focus();
  }
}

const mediumOf = async (file, name) => (await clipIn(file, name)) ?? pictureOf(file, name);

/** "2 pictures", "1 clip", "2 pictures and 1 clip" */
function contentsOf(media) {
  const clips = media.filter((medium) => medium.isClip).length;
  const pictures = media.length - clips;
  return [pictures && counted(pictures, "picture"), clips && counted(clips, "clip")].filter(Boolean).join(" and ");
}
