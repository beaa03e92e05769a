// The parts of a line of Markdown: code, bold, italic, struck out, links. Time grows with the text alone: a mark that is
// found not to close is not looked for again.

import { el } from "./dom.js";

/** Marks within marks deeper than this are plain text. */
const DEEPEST = 8;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const ADDRESS = /^(?:https?:\/\/|mailto:)/i;
const WORD = /[\p{L}\p{N}]/u;
const MARKS = [["**", "strong"], ["__", "strong"], ["~~", "s"], ["*", "em"], ["_", "em"]];

/** Nodes and texts of a line or several. */
export function inline(text, depth = 0) {
  return new Reader(text, depth).read();
}

class Reader {
  #text;
  #depth;
  #nodes = [];
  #plain = "";
  /** Marks of which no closing one stands further on. */
  #open = new Set();

  constructor(text, depth) {
    this.#text = text;
    this.#depth = depth;
  }

  read() {
    let at = 0;
    while (at < this.#text.length) at = this.#step(at);
    this.#flush();
    return this.#nodes;
  }

  /** Reads what stands at `at`; returns where it ends. */
  #step(at) {
    const text = this.#text;
    const sign = text[at];
    if (sign === "\\" && ESCAPABLE.test(text[at + 1] ?? "")) {
      this.#plain += text[at + 1];
      return at + 2;
    }
    if (sign === "\n") return this.#push(el("br"), at + 1);
    const read = this.#depth < DEEPEST && {
      "`": () => this.#code(at), "[": () => this.#link(at, at), "!": () => text[at + 1] === "[" && this.#link(at, at + 1),
      "<": () => this.#angle(at), "*": () => this.#mark(at), "_": () => this.#mark(at), "~": () => this.#mark(at),
      h: () => this.#address(at),
    }[sign]?.();
    if (read) return read;
    this.#plain += sign;
    return at + 1;
  }

  #flush() {
    if (this.#plain) this.#nodes.push(this.#plain);
    this.#plain = "";
  }

  #push(node, end) {
    this.#flush();
    this.#nodes.push(node);
    return end;
  }

  /** Where `mark` stands next, or -1; a mark that was not found is not looked for again. */
  #find(mark, from) {
    if (this.#open.has(mark)) return -1;
    const at = this.#text.indexOf(mark, from);
    if (at < 0) this.#open.add(mark);
    return at;
  }

  #code(at) {
    let size = 1;
    while (this.#text[at + size] === "`") size += 1;
    const mark = "`".repeat(size);
    let end = this.#find(mark, at + size);
    while (end >= 0 && this.#text[end + size] === "`") {
      let after = end + size;
      while (this.#text[after] === "`") after += 1;
      end = this.#find(mark, after);
    }
    if (end < 0) {
      this.#plain += mark;
      return at + size;
    }
    const inner = this.#text.slice(at + size, end).replaceAll("\n", " ");
    const padded = inner.length > 2 && inner.startsWith(" ") && inner.endsWith(" ");
    return this.#push(el("code", {}, padded ? inner.slice(1, -1) : inner), end + size);
  }

  /** Bold, italic, struck out. */
  #mark(at) {
    const text = this.#text;
    const found = MARKS.find(([mark]) => text.startsWith(mark, at));
    if (!found) return 0;
    const [mark, tag] = found;
    const start = at + mark.length;
    if (/\s/.test(text[start] ?? " ") || (mark[0] === "_" && WORD.test(text[at - 1] ?? ""))) return this.#asIs(mark, at);
    const end = this.#closing(mark, start);
    if (end < 0) return this.#asIs(mark, at);
    return this.#push(el(tag, {}, ...inline(text.slice(start, end), this.#depth + 1)), end + mark.length);
  }

  #asIs(mark, at) {
    this.#plain += mark;
    return at + mark.length;
  }

  /** Where a mark closes: not after a space, not empty, and for `_` not within a word. */
  #closing(mark, start) {
    const text = this.#text;
    for (let at = this.#find(mark, start + 1); at >= 0; at = this.#find(mark, at + 1)) {
      if (text[at - 1] === "\\") continue;
      if (mark.length === 1 && text[at + 1] === mark) {
        at += 1;
        continue;
      }
      while (mark.length === 2 && text[at + 2] === mark[0]) at += 1;
      const within = mark[0] === "_" && WORD.test(text[at + mark.length] ?? "");
      if (!/\s/.test(text[at - 1]) && !within) return at;
    }
    this.#open.add(mark);
    return -1;
  }

  /** `[words](address)`. Of a picture, `![words](address)`, only the link is shown: nothing is fetched from elsewhere. */
  #link(at, bracket) {
    const middle = this.#find("](", bracket + 1);
    if (middle < 0) return 0;
    const end = this.#find(")", middle + 2);
    const words = this.#text.slice(bracket + 1, middle);
    if (end < 0 || words.includes("[") || words.includes("\n\n")) return 0;
    const address = this.#text.slice(middle + 2, end).trim().split(/\s/)[0].replace(/^<|>$/g, "");
    if (!ADDRESS.test(address)) return 0;
    return this.#push(anchor(address, inline(words || address, this.#depth + 1)), end + 1);
  }

  #angle(at) {
    const end = this.#find(">", at);
    const address = end < 0 ? "" : this.#text.slice(at + 1, end);
    if (!ADDRESS.test(address) || /\s/.test(address)) return 0;
    return this.#push(anchor(address, [address]), end + 1);
  }

  /** An address that stands in the text as it is. */
  #address(at) {
    if (WORD.test(this.#text[at - 1] ?? "") || !/^https?:\/\/[^\s]/.test(this.#text.slice(at, at + 10))) return 0;
    let end = at;
    while (end < this.#text.length && !/[\s<>"|`]/.test(this.#text[end])) end += 1;
    while (/[.,;:!?)*_'\]]/.test(this.#text[end - 1])) end -= 1;
    const address = this.#text.slice(at, end);
    return this.#push(anchor(address, [address]), end);
  }
}

function anchor(href, children) {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer nofollow" }, ...children);
}
