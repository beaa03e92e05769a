// How a picture is cut: drawn over it, and in words.

import { svg } from "./dom.js";
import { counted, whole } from "./format.js";

/**
 * The cuts, to lie over a picture of any size: the model sees the picture stretched to whole tiles, so over the picture
 * itself they are lines at equal parts.
 */
export function overlay(plan) {
  const { rows, cols } = plan;
  if (!(rows > 1 || cols > 1)) return null;
  let path = "";
  for (let col = 1; col < cols; col += 1) path += `M${col} 0V${rows}`;
  for (let row = 1; row < rows; row += 1) path += `M0 ${row}H${cols}`;
  return svg("svg", { class: "tiles", viewBox: `0 0 ${cols} ${rows}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "under", d: path }), svg("path", { class: "over", d: path }));
}

/** The tokens of a plan. */
export const tokensOf = (plan) => plan.tokens ?? plan.image_tokens ?? 0;

/** The tiles in a few signs: "3×4 + 1 tiles", "whole". */
export function tilesInShort({ rows, cols, tiles }) {
  return tiles > 1 ? `${rows}×${cols} + 1 tiles` : "1 tile";
}

/** The plan of one picture in a sentence. */
export function inWords(picture, plan) {
  const sizes = [[picture.width, picture.height]];
  for (const size of [plan.resized, plan.refined]) {
    if (Array.isArray(size) && String(size) !== String(sizes.at(-1))) sizes.push(size);
  }
  const way = sizes.map(([width, height]) => `${whole(width)}×${whole(height)}`).join(" → ");
  const tiles = plan.tiles > 1 ? `${plan.rows} rows of ${plan.cols} tiles and an overview` : "one tile, not cut";
  return `${way}: ${tiles}, ${counted(tokensOf(plan), "token")}`;
}
