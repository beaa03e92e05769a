// What a screen reader is told. Streamed text comes in pieces of a token, and what is on the page is drawn anew as it
// grows; so the page itself is silent, and whole sentences go into a hidden live region as they are finished.

import { byId, el } from "./dom.js";

/** Lines that stay in the region: it is read once, nobody looks back. */
const KEPT = 20;
/** A piece without any end of a sentence is said after this many characters. */
const LONGEST = 240;

/** Says one line. */
export function announce(text) {
  const region = byId("announcer");
  region.append(el("p", {}, text));
  while (region.children.length > KEPT) region.firstElementChild.remove();
}

/** Says a growing text sentence by sentence. */
export class SpokenStream {
  #said = 0;

  /** `text` is all there is so far. */
  grow(text) {
    const rest = text.slice(this.#said);
    const ends = [...rest.matchAll(/[.!?:;。！？](?=\s)|\n/g)];
    let end = ends.length ? ends.at(-1).index + 1 : 0;
    if (!end && rest.length > LONGEST) end = rest.lastIndexOf(" ") + 1;
    if (end) this.#say(rest.slice(0, end), end);
  }

  /** Says what is left. */
  finish(text) {
    this.#say(text.slice(this.#said), text.length - this.#said);
  }

  #say(piece, length) {
    this.#said += length;
    const words = piece.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*_`#|]+/g, "").trim();
    if (words) announce(words);
  }
}
