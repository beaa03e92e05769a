// Pictures and clips as cards: small, with their tiles drawn on them and what they cost; and one of them large.

import { byId, el, icon, show } from "./dom.js";
import { whole } from "./format.js";
import { inWords, overlay, seenInShort, sizeInShort, tokensOf } from "./plan.js";

/** Pictures this much wider or taller than high or wide are bounded by the other side. */
const WIDE = 1.9;

/**
 * The card of a picture or a clip. `fields` are the settings that its plan depends on; `onremove`, where given, gets a button.
 * Returns `{ node, planned }`, where `planned` is the plan, or null where there is none.
 */
export function card(medium, fields, { onopen, onremove } = {}) {
  const frame = el("button", { type: "button", class: "frame", "aria-label": `Show ${medium.name} large`, onclick: onopen }, ...thumbnail(medium));
  const size = sizeInShort(medium);
  const note = el("p", {}, size);
  const remove = onremove && el("button", { type: "button", class: "remove", "aria-label": `Remove ${medium.name}`, title: "Remove", onclick: onremove }, icon("close"));
  const node = el("li", { class: "card" }, el("div", { class: "shown" }, frame, remove), note);
  const planned = medium.plan(fields).then(
    (plan) => {
      if (!plan) return null;
      const tiles = overlay(plan);
      if (tiles) frame.append(tiles);
      note.replaceChildren(size, el("br"), seenInShort(plan), el("br"), `${whole(tokensOf(plan))} tokens`);
      return plan;
    },
    (error) => {
      note.textContent = error.message;
      note.className = "wrong";
      return null;
    },
  );
  return { node, planned };
}

function thumbnail(medium) {
  const src = medium.isClip ? medium.poster : medium.url;
  const mark = medium.isClip && el("span", { class: "film" }, icon("film"));
  if (!src) return [el("span", { class: "unshown" }), mark];
  const shape = medium.width / medium.height;
  const className = shape > WIDE ? "wide" : shape < 1 / WIDE ? "tall" : null;
  return [el("img", { src, alt: "", class: className, draggable: "false" }), mark];
}

/** The whole of it, to be looked at: a film plays; one that the browser cannot show says so. */
function large(medium) {
  if (!medium.isClip || medium.moves) return el("img", { src: medium.url, alt: medium.name });
  if (!medium.poster) return el("p", { class: "unshown" }, "The browser cannot show this film.");
  return el("video", { src: medium.url, controls: true, loop: true, muted: true, "aria-label": medium.name });
}

/** The large picture or clip, with its neighbours by the arrow keys. */
export class Viewer {
  #dialog = byId("viewer");
  #pictures = [];
  #at = 0;
  #grid = true;
  #fields = () => ({});

  constructor(fields) {
    this.#fields = fields;
    this.#dialog.addEventListener("click", (event) => {
      const does = event.target.closest("[data-do]")?.dataset.do;
      if (does === "close" || event.target === byId("viewer-stage")) this.#dialog.close();
      if (does === "grid") this.#switchGrid(event.target.closest("button"));
      if (does === "before") this.#step(-1);
      if (does === "next") this.#step(1);
    });
    this.#dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target.tagName !== "VIDEO") this.#step(step);
    });
    this.#dialog.addEventListener("close", () => byId("viewer-stage").replaceChildren());
  }

  open(pictures, picture) {
    this.#pictures = pictures;
    this.#dialog.showModal();
    this.#show(pictures.indexOf(picture));
  }

  #step(by) {
    if (this.#pictures[this.#at + by]) this.#show(this.#at + by);
  }

  #switchGrid(pressed) {
    this.#grid = !this.#grid;
    pressed.setAttribute("aria-pressed", String(this.#grid));
    for (const tiles of this.#dialog.querySelectorAll(".tiles")) tiles.style.visibility = this.#grid ? "" : "hidden";
  }

  async #show(at) {
    this.#at = at;
    const picture = this.#pictures[at];
    for (const [does, by] of [["before", -1], ["next", 1]]) {
      const step = this.#dialog.querySelector(`[data-do=${does}]`);
      show(step, this.#pictures.length > 1);
      step.setAttribute("aria-disabled", String(!this.#pictures[at + by]));
    }
    const place = this.#pictures.length > 1 ? `${at + 1} of ${this.#pictures.length}: ` : "";
    byId("viewer-name").textContent = place + picture.name + (picture.converted ? ", sent as PNG" : "");
    const frame = el("div", { class: "frame enlarged" }, large(picture));
    frame.style.setProperty("--shape", picture.width ? picture.width / picture.height : 1);
    byId("viewer-stage").replaceChildren(frame);
    const words = byId("viewer-plan");
    words.textContent = "";
    const plan = await picture.plan(this.#fields()).catch((error) => ({ error }));
    if (this.#pictures[this.#at] !== picture || !plan) return;
    words.textContent = plan.error ? plan.error.message : inWords(picture, plan);
    const tiles = plan.error ? null : overlay(plan);
    show(this.#dialog.querySelector("[data-do=grid]"), Boolean(tiles));
    if (!tiles) return;
    tiles.style.visibility = this.#grid ? "" : "hidden";
    frame.append(tiles);
  }
}
