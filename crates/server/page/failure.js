// What went wrong, in the server's words, where it went wrong; with a way on.

import { key } from "./api.js";
import { button, el } from "./dom.js";

let fields = 0;

/** A box that says what `error` says and can try again. Where the server asks for a key, it has a field for it. */
export function failureBox(error, onretry, className = "failure") {
  const retry = button("Try again", "retry", onretry);
  const words = el("p", { role: "alert" }, error.message);
  if (error.status !== 401) return el("div", { class: className }, words, el("div", { class: "row" }, retry));
  const id = `key-${(fields += 1)}`;
  const field = el("input", { id, type: "password", autocomplete: "off", spellcheck: "false" });
  const go = (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    onretry();
  };
  return el("div", { class: className }, words,
    el("form", { class: "row", onsubmit: go },
      el("div", { class: "field" }, el("label", { for: id }, "API key"), field),
      el("button", { type: "submit", class: "quiet" }, "Use this key")));
}
