// Clips that a question carries: films, and pictures that move. The server chooses their frames; here they are shown.

import { Medium } from "./medium.js";
import { blobOf } from "./pictures.js";

/** Films whose names say so where the browser knows no type of them. */
const FILM_NAME = /\.(mp4|m4v|mov|mkv|webm|avi|mpg|mpeg|ts|m2ts|ogv|3gp|flv|wmv)$/i;
/** Kinds of pictures that may move. */
const MAY_MOVE = new Set(["image/gif", "image/webp", "image/png", "image/apng"]);
/** How long the browser may take to show a film's beginning, in milliseconds. */
const LONGEST = 5000;

/** A film or an animation. `poster` is its first frame; null where the browser cannot show it: the server may yet. */
class Clip extends Medium {
  isClip = true;

  constructor(blob, name, { width = null, height = null, seconds = null, poster = null, moves = false }) {
    super(blob, name);
    Object.assign(this, { width, height, seconds, poster, moves });
  }

  /** The part of a message that carries it. */
  async part() {
    return { type: "video_url", video_url: { url: await this.dataUrl() } };
  }

  /** `{ frames, tiles, tokens }` */
  planIn({ pictures, image_tokens: tokens }) {
    return { frames: pictures.length, tiles: pictures.length, tokens };
  }
}

/** The clip in a file; null where it is none. */
export async function clipIn(file, name) {
  if (file.type.startsWith("video/") || FILM_NAME.test(name)) return new Clip(file, name, await lookAt(file));
  return MAY_MOVE.has(file.type) ? animationIn(file, name) : null;
}

async function animationIn(file, name) {
  const size = await sizeOfMoving(file).catch(() => null);
  return size && new Clip(file, name, { ...size, poster: URL.createObjectURL(file), moves: true });
}

/** The size of a picture that moves; null where it does not, or where the browser does not tell. */
async function sizeOfMoving(file) {
  if (!globalThis.ImageDecoder) return null;
  const decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: file.type === "image/apng" ? "image/png" : file.type });
  try {
    await decoder.completed;
    await decoder.tracks.ready;
    if (!(decoder.tracks.selectedTrack?.frameCount > 1)) return null;
    const { image } = await decoder.decode();
    const { displayWidth: width, displayHeight: height } = image;
    image.close();
    return { width, height };
  } finally {
    decoder.close();
  }
}

/** What the browser can tell of a film: nothing where it does not know its kind. */
async function lookAt(file) {
  const film = document.createElement("video");
  const url = URL.createObjectURL(file);
  Object.assign(film, { muted: true, playsInline: true, preload: "auto", src: url });
  try {
    await event(film, "loadeddata");
    const { videoWidth: width, videoHeight: height, duration } = film;
    if (!width) return {};
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d").drawImage(film, 0, 0);
    const poster = URL.createObjectURL(await blobOf(canvas, "image/jpeg"));
    return { width, height, seconds: Number.isFinite(duration) ? duration : null, poster };
  } catch {
    return {};
  } finally {
    film.removeAttribute("src");
    film.load();
    URL.revokeObjectURL(url);
  }
}

function event(film, name) {
  return new Promise((done, fail) => {
    film.addEventListener(name, done, { once: true });
    film.addEventListener("error", () => fail(new Error("no film")), { once: true });
    setTimeout(() => fail(new Error("too slow")), LONGEST);
  });
}
