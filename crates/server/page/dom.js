// Making DOM nodes. Nothing on this page ever goes through innerHTML.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element. `props`: functions named `onclick` etc. become listeners, `true` an empty attribute, `false`, `null` and
 * `undefined` nothing, all else attributes. Children are nodes or texts; `null` and `false` are left out.
 */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

/** One of the drawings that stand at the top of index.html. */
export function icon(name) {
  return svg("svg", { class: "icon", "aria-hidden": "true" }, svg("use", { href: `#icon-${name}` }));
}

/** A button with a drawing and a word. */
export function button(label, iconName, onclick, className = "quiet") {
  return el("button", { type: "button", class: className, onclick }, iconName && icon(iconName), el("span", {}, label));
}

/** A button with a drawing alone; its label is read aloud and shown as a tip. */
export function iconButton(label, iconName, onclick, className = "round") {
  return el("button", { type: "button", class: className, "aria-label": label, title: label, onclick }, icon(iconName));
}

/** The element of an id. */
export const byId = (id) => document.getElementById(id);

/** Shows or hides. */
export function show(node, visible) {
  node.hidden = !visible;
}
