// What becomes of a picture or a clip: its cuts drawn over it, and in words.

import { svg } from "./dom.js";
import { counted, duration, whole } from "./format.js";

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

/** What is known without a plan: "1,600×900", "640×480, 12 s". */
export function sizeInShort({ isClip, width, height, seconds }) {
  const size = width && `${whole(width)}×${whole(height)}`;
  return [size, seconds && duration(seconds * 1000)].filter(Boolean).join(", ") || (isClip ? "clip" : "");
}

/** What is seen of it, in a few signs: "3×4 + 1 tiles", "1 tile", "12 frames". */
export function seenInShort({ frames, rows, cols, tiles }) {
  if (frames) return counted(frames, "frame");
  return tiles > 1 ? `${rows}×${cols} + 1 tiles` : "1 tile";
}

/** The plan of a picture or a clip in a sentence. */
export function inWords(medium, plan) {
  if (medium.isClip) return `${sizeInShort(medium)}: ${counted(plan.frames, "frame")} shown, ${counted(tokensOf(plan), "token")}`;
  return wayInWords(medium, plan);
}

function wayInWords(picture, plan) {
  const sizes = [[picture.width, picture.height]];
  for (const size of [plan.resized, plan.refined]) {
    if (Array.isArray(size) && String(size) !== String(sizes.at(-1))) sizes.push(size);
  }
  const way = sizes.map(([width, height]) => `${whole(width)}×${whole(height)}`).join(" → ");
  const tiles = plan.tiles > 1 ? `${plan.rows} rows of ${plan.cols} tiles and an overview` : "one tile, not cut";
  return `${way}: ${tiles}, ${counted(tokensOf(plan), "token")}`;
}
