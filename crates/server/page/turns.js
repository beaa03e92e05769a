// The turns as a person sees them.

import { button, el, show } from "./dom.js";
import { SpokenStream, announce } from "./announce.js";
import { card } from "./cards.js";
import { Composer } from "./composer.js";
import { speedOf } from "./conversation.js";
import { failureBox } from "./failure.js";
import { duration, rate, whole } from "./format.js";
import { renderCode, renderMarkdown } from "./markdown.js";
import { pictureFields } from "./settings.js";

/** A sent question. `acts`: `{ onedit(question) }`. */
export class QuestionView {
  #said = el("div", { class: "said" });
  #context;
  #acts;
  #editing = null;

  constructor(turn, context, acts) {
    this.turn = turn;
    this.#context = context;
    this.#acts = acts;
    this.node = el("li", { class: "turn user" }, el("h2", { class: "who" }, "You"), this.#said);
    this.#draw();
  }

  /** The composer in its place, while it is being changed. */
  get composer() {
    return this.#editing;
  }

  edit() {
    this.#editing = new Composer(this.#context, {
      onsend: (question) => {
        this.#editing = null;
        this.#acts.onedit(question);
      },
      oncancel: () => {
        this.#editing = null;
        this.#draw();
        this.#said.querySelector("[data-edit]").focus();
      },
    });
    this.#editing.load(this.turn);
    this.#editing.setBusy(this.#context.isBusy());
    this.#said.replaceChildren(this.#editing.root);
    this.#editing.focus();
  }

  #draw() {
    const { text, pictures } = this.turn;
    const fields = pictureFields(this.#context.settings);
    const cards = pictures.map((picture) => card(picture, fields, { onopen: () => this.#context.viewer.open(pictures, picture) }));
    const edit = button("Edit", "edit", () => this.edit());
    edit.dataset.edit = "yes";
    this.#said.replaceChildren(
      el("ul", { class: "strip", "aria-label": pictures.length ? "Pictures and clips" : null }, ...cards.map(({ node }) => node)),
      text ? el("p", { class: "question" }, text) : "",
      el("div", { class: "acts" }, edit, text ? copyButton(() => text) : null),
    );
  }
}

/** The model's answer. `acts`: `{ onretry() }`. */
export class AnswerView {
  #text = el("div", { class: "text" });
  #state = el("p", { class: "state" });
  #failure = el("div");
  #speeds = el("p", { class: "speeds" });
  #acts;
  #spoken = new SpokenStream();
  #due = false;
  #pending;

  constructor(turn, name, { onretry }) {
    this.turn = turn;
    this.onretry = onretry;
    this.#acts = el("div", { class: "acts" }, copyButton(() => turn.text), button("Retry", "retry", onretry));
    this.#pending = el("span", { class: "unseen" }, "The answer is being made.");
    this.node = el("li", { class: "turn assistant" }, el("h2", { class: "who", title: name }, name),
      el("div", { class: "said" }, this.#pending, this.#text, this.#failure, this.#state, this.#speeds, this.#acts));
    this.#draw();
  }

  /** Draws at the browser's next frame, once for all that came until then. */
  update() {
    if (this.#due) return;
    this.#due = true;
    const draw = () => {
      if (!this.#due) return;
      this.#due = false;
      this.#draw();
    };
    if (document.hidden) setTimeout(draw, 200);
    else requestAnimationFrame(draw);
  }

  #draw() {
    const { turn } = this;
    const making = turn.state === "waiting" || turn.state === "streaming";
    this.node.className = `turn assistant ${turn.state}`;
    if (turn.isJson) renderCode(this.#text, turn.text, "json");
    else renderMarkdown(this.#text, turn.text);
    show(this.#text, Boolean(turn.text) || making);
    show(this.#pending, making);
    this.#failure.replaceChildren(...(turn.error ? [failureBox(turn.error, this.onretry)] : []));
    this.#state.textContent = stateOf(turn);
    show(this.#state, Boolean(this.#state.textContent));
    this.#speeds.replaceChildren(...(making ? [] : figuresOf(turn)));
    show(this.#speeds, this.#speeds.childElementCount > 0);
    const [copy, retry] = this.#acts.children;
    show(this.#acts, !making);
    show(copy, Boolean(turn.text));
    show(retry, !turn.error);
    this.#speak(making);
    this.ondraw?.();
  }

  #speak(making) {
    if (making) return this.#spoken.grow(this.turn.text);
    this.#spoken.finish(this.turn.text);
    if (this.turn.state === "stopped") announce(stateOf(this.turn));
  }
}

function stateOf({ state, finish, text }) {
  if (state === "stopped") return text ? "Stopped here." : "Stopped.";
  if (state !== "done") return "";
  if (finish === "length") return "Cut: the longest answer is reached.";
  return text ? "" : "The model said nothing.";
}

/** What is known of an answer's speed and size. */
function figuresOf(turn) {
  const { figures, usage } = turn;
  const shown = [];
  const add = (value, words) => shown.push(el("span", {}, el("b", {}, value), ` ${words}`));
  if (figures) add(duration(figures.first), "to first token");
  const speed = speedOf(turn);
  if (speed) add(rate(speed), "tokens/s");
  if (!usage) return shown;
  add(whole(usage.completion_tokens), usage.completion_tokens === 1 ? "token" : "tokens");
  const { image_tokens: seen, cached_tokens: cached } = usage.prompt_tokens_details ?? {};
  const of = [seen && `${whole(seen)} image`, cached && `${whole(cached)} cached`].filter(Boolean);
  add(whole(usage.prompt_tokens), `in the prompt${of.length ? ` (${of.join(", ")})` : ""}`);
  return shown;
}

function copyButton(text) {
  const copy = button("Copy", "copy", async () => {
    const copied = await navigator.clipboard?.writeText(text()).then(() => true, () => false);
    copy.lastElementChild.textContent = copied ? "Copied" : "Not allowed";
    announce(copied ? "Copied" : "The browser does not allow copying here.");
    setTimeout(() => { copy.lastElementChild.textContent = "Copy"; }, 1500);
  });
  return copy;
}
