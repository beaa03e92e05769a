// Markdown, as models write it, to DOM nodes: paragraphs, headings, lists, code, quotes, tables. It makes nodes of
// texts, so what a model says can never become markup. The parts of a line are in markdown-inline.js.

import { button, el } from "./dom.js";
import { inline } from "./markdown-inline.js";

/** Lists and quotes deeper than this are plain text. */
const DEEPEST = 6;

/** The text of each block that a node was made of, so that a growing answer keeps its finished blocks. */
const drawn = new WeakMap();

/** Shows `text` in `node`. Blocks that stand there already, unchanged, are left alone: selections and focus stay. */
export function renderMarkdown(node, text) {
  const blocks = outlined(split(text.replaceAll("\r\n", "\n").split("\n")));
  const before = drawn.get(node) ?? [];
  let same = 0;
  while (same < blocks.length && blocks[same].source === before[same]) same += 1;
  while (node.childNodes.length > same) node.lastChild.remove();
  for (const block of blocks.slice(same)) node.append(draw(block, 0));
  drawn.set(node, blocks.map((block) => block.source));
}

/** Shows `text` as one piece of code: answers in JSON. */
export function renderCode(node, text, language) {
  drawn.delete(node);
  const code = node.firstElementChild?.dataset.whole && node.querySelector("code");
  if (code) code.textContent = text;
  else {
    const figure = codeBlock(language, text);
    figure.dataset.whole = "yes";
    node.replaceChildren(figure);
  }
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)/;
const HEADING = /^ {0,3}(#{1,6}) (.*)$/;
const RULE = /^ {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$/;
const ITEM = /^( *)([-*+]|\d{1,9}[.)])( {1,4}|$)/;
const QUOTE = /^ {0,3}> ?/;

const indentOf = (line) => line.length - line.trimStart().length;
const blank = (line) => line.trim() === "";

/** Blocks of lines: `{ kind, source, … }`. */
function split(lines) {
  const blocks = [];
  let at = 0;
  while (at < lines.length) {
    if (blank(lines[at])) {
      at += 1;
      continue;
    }
    const reader = [fence, heading, rule, quote, list, table, paragraph].find((reads) => reads.starts(lines, at));
    const { end, ...block } = reader(lines, at);
    blocks.push({ ...block, kind: reader.name, source: lines.slice(at, end).join("\n") });
    at = end;
  }
  return blocks;
}

function fence(lines, at) {
  const [, mark, language] = FENCE.exec(lines[at]);
  let end = at + 1;
  const closes = (line) => line.trim().startsWith(mark) && line.trim().replaceAll(mark[0], "") === "";
  while (end < lines.length && !closes(lines[end])) end += 1;
  const indent = indentOf(lines[at]);
  const text = lines.slice(at + 1, end).map((line) => line.slice(Math.min(indent, indentOf(line)))).join("\n");
  return { language, text, end: Math.min(end + 1, lines.length) };
}
fence.starts = (lines, at) => FENCE.test(lines[at]);

function heading(lines, at) {
  const [, marks, text] = HEADING.exec(lines[at]);
  return { level: marks.length, text: text.trim().replace(/ #+$/, ""), end: at + 1 };
}
heading.starts = (lines, at) => HEADING.test(lines[at]);

function rule(_lines, at) {
  return { end: at + 1 };
}
rule.starts = (lines, at) => RULE.test(lines[at]);

function quote(lines, at) {
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end])) end += 1;
  return { lines: lines.slice(at, end).map((line) => line.replace(QUOTE, "")), end };
}
quote.starts = (lines, at) => QUOTE.test(lines[at]);

/** A list: items of its first line's kind; what is indented as far as an item's text belongs to the item. */
function list(lines, at) {
  const ordered = /\d/.test(ITEM.exec(lines[at])[2]);
  const outer = ITEM.exec(lines[at])[1].length;
  const items = [];
  let end = at;
  let inner = 0;
  while (end < lines.length) {
    const line = lines[end];
    const item = ITEM.exec(line);
    if (item && item[1].length < outer + 2 && /\d/.test(item[2]) === ordered && !RULE.test(line)) {
      if (item[1].length < outer) break;
      inner = item[1].length + item[2].length + Math.max(item[3].length, 1);
      items.push([line.slice(inner)]);
    } else if (blank(line)) {
      const next = lines[end + 1] ?? "";
      if (!ITEM.test(next) && indentOf(next) < Math.min(inner, outer + 2)) break;
      items.at(-1).push("");
    } else if (indentOf(line) > outer || !startsBlock(lines, end)) {
      items.at(-1).push(line.slice(Math.min(inner, indentOf(line))));
    } else break;
    end += 1;
  }
  return { ordered, start: Number.parseInt(ITEM.exec(lines[at])[2], 10), items, end };
}
list.starts = (lines, at) => ITEM.test(lines[at]);

const startsBlock = (lines, at) => [fence, heading, rule, quote, list].some((reads) => reads.starts(lines, at));

/** The cells of a line of a table. */
function cells(line) {
  const all = line.trim().replace(/^\|/, "").split(/(?<!\\)\|/);
  if (all.length > 1 && blank(all.at(-1))) all.pop();
  return all.map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function table(lines, at) {
  const sides = cells(lines[at + 1]).map((cell) => {
    if (cell.endsWith(":")) return cell.startsWith(":") ? "center" : "right";
    return null;
  });
  let end = at + 2;
  while (end < lines.length && lines[end].includes("|") && !blank(lines[end])) end += 1;
  return { head: cells(lines[at]), rows: lines.slice(at + 2, end).map(cells), sides, end };
}
table.starts = (lines, at) => {
  const under = lines[at + 1];
  if (!lines[at].includes("|") || !under?.includes("-")) return false;
  const marks = cells(under);
  return marks.every((cell) => /^:?-+:?$/.test(cell)) && marks.length === cells(lines[at]).length;
};

function paragraph(lines, at) {
  let end = at + 1;
  while (end < lines.length && !blank(lines[end]) && !startsBlock(lines, end) && !table.starts(lines, end)) end += 1;
  return { text: lines.slice(at, end).map((line) => line.trimStart()).join("\n").trimEnd(), end };
}
paragraph.starts = () => true;

/**
 * Gives each heading its level on the page, where a turn's own is 2: below it, and never more than one below the heading
 * before, wherever the model begins.
 */
function outlined(blocks) {
  let above = 2;
  for (const block of blocks) {
    if (block.kind === "heading") above = block.shown = Math.min(block.level + 2, above + 1, 6);
  }
  return blocks;
}

/** The node of a block. */
function draw(block, depth) {
  switch (block.kind) {
    case "fence": return codeBlock(block.language, block.text);
    case "heading": return el(`h${block.shown ?? 6}`, {}, ...inline(block.text));
    case "rule": return el("hr");
    case "quote": return el("blockquote", {}, ...within(block.lines, depth));
    case "list": return drawList(block, depth);
    case "table": return drawTable(block);
    default: return el("p", {}, ...inline(block.text));
  }
}

function within(lines, depth) {
  if (depth >= DEEPEST) return [el("p", {}, lines.join("\n"))];
  return split(lines).map((block) => draw(block, depth + 1));
}

function drawList({ ordered, start, items }, depth) {
  const children = items.map((lines) => {
    const nodes = within(lines, depth);
    const tight = !lines.some(blank) && nodes[0]?.tagName === "P";
    return el("li", {}, ...(tight ? [...nodes[0].childNodes, ...nodes.slice(1)] : nodes));
  });
  return ordered ? el("ol", { start: start === 1 ? null : start }, ...children) : el("ul", {}, ...children);
}

function drawTable({ head, rows, sides }) {
  const cell = (tag, text, at) => el(tag, { class: sides[at], scope: tag === "th" && "col" }, ...inline(text ?? ""));
  const row = (texts) => el("tr", {}, ...head.map((_, at) => cell("td", texts[at], at)));
  return el("div", { class: "table", tabindex: "0", role: "region", "aria-label": "Table" },
    el("table", {},
      el("thead", {}, el("tr", {}, ...head.map((text, at) => cell("th", text, at)))),
      el("tbody", {}, ...rows.map(row))));
}

function codeBlock(language, text) {
  const code = el("code", {}, text);
  const copy = button("Copy", "copy", async () => {
    const said = await navigator.clipboard?.writeText(code.textContent).then(() => "Copied", () => "Not allowed");
    copy.lastElementChild.textContent = said ?? "Not allowed";
    setTimeout(() => { copy.lastElementChild.textContent = "Copy"; }, 1500);
  });
  copy.setAttribute("aria-label", "Copy this code");
  return el("figure", { class: "code" },
    el("figcaption", {}, el("span", {}, language || "text"), copy),
    el("pre", { tabindex: "0", "aria-label": "Code" }, code));
}
