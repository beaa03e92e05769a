// Pictures that a question carries: what was chosen, dropped, pasted or taken, as the server will get it.

import { Medium } from "./medium.js";

/** Kinds that the server reads as they are. All others that the browser can show are drawn anew as PNG. */
const SENT_AS_IS = new Set(["image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp"]);
/** Neither browsers nor servers do well with pictures of more pixels. */
const MOST_PIXELS = 64_000_000;

/** One picture. Make it with [`pictureOf`]. */
export class Picture extends Medium {
  constructor(blob, name, shown, converted) {
    super(blob, name);
    this.width = shown.naturalWidth;
    this.height = shown.naturalHeight;
    this.converted = converted;
  }

  /** The part of a message that carries it. */
  async part() {
    return { type: "image_url", image_url: { url: await this.dataUrl() } };
  }

  /** How it is cut: `{ width, height, resized, rows, cols, tiles, tokens }`. */
  planIn({ pictures }) {
    return pictures?.[0] ?? null;
  }
}

/** The picture in a file. Throws an `Error` in plain words where the browser cannot read it. */
export async function pictureOf(file, name = file.name) {
  const url = URL.createObjectURL(file);
  try {
    const shown = await load(url, name);
    if (shown.naturalWidth * shown.naturalHeight > MOST_PIXELS) {
      throw new Error(`${name} has more than 64 million pixels.`);
    }
    if (SENT_AS_IS.has(file.type)) return new Picture(file, name, shown, false);
    return new Picture(await drawnAnew(shown), name, shown, true);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** The picture of a canvas, as PNG or JPEG. */
export async function pictureOfCanvas(canvas, name, type = "image/png") {
  return pictureOf(await blobOf(canvas, type), name);
}

/** What a canvas shows, as a file. */
export function blobOf(canvas, type = "image/png", quality = 0.92) {
  return new Promise((done, fail) => {
    canvas.toBlob((blob) => (blob ? done(blob) : fail(new Error("The picture could not be drawn."))), type, quality);
  });
}

async function load(url, name) {
  const shown = new Image();
  shown.src = url;
  try {
    await shown.decode();
  } catch {
    throw new Error(`${name || "This file"} is not a picture that the browser can show.`);
  }
  if (!shown.naturalWidth) throw new Error(`${name} says no size in pixels.`);
  return shown;
}

function drawnAnew(shown) {
  const canvas = document.createElement("canvas");
  canvas.width = shown.naturalWidth;
  canvas.height = shown.naturalHeight;
  canvas.getContext("2d").drawImage(shown, 0, 0);
  return blobOf(canvas);
}
