// The camera: its picture in a video element, single frames of it, and a dialog that takes one.

import { byId, show } from "./dom.js";
import { blobOf } from "./pictures.js";

/** A camera that shows in `video`; `note` says what keeps it from doing so. */
export class Camera {
  #stream = null;
  #devices = [];
  #started = 0;

  constructor(video, note, turnButton) {
    this.video = video;
    this.note = note;
    this.turnButton = turnButton;
  }

  get running() {
    return this.#stream !== null;
  }

  /** Starts; returns whether it shows. `device` names one camera; else the one that looks away from the person. */
  async start(device = null) {
    this.stop();
    const started = this.#started;
    this.note.textContent = "Waiting for the camera…";
    if (!navigator.mediaDevices?.getUserMedia) {
      this.note.textContent = "The browser gives the camera only to pages from https or from this machine (localhost).";
      return false;
    }
    const wish = device ? { deviceId: { exact: device } } : { facingMode: { ideal: "environment" } };
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ video: { ...wish, width: { ideal: 1280 } } });
      if (started !== this.#started) {
        stopStream(stream);
        return false;
      }
      this.#stream = stream;
      this.video.srcObject = stream;
      await this.video.play();
    } catch (error) {
      if (started === this.#started) this.note.textContent = reason(error);
      return false;
    }
    if (started !== this.#started) return false;
    this.note.textContent = "";
    this.video.dataset.live = "yes";
    this.video.parentElement.style.aspectRatio = `${this.video.videoWidth} / ${this.video.videoHeight}`;
    await this.#count();
    return true;
  }

  stop() {
    this.#started += 1;
    if (this.#stream) stopStream(this.#stream);
    this.#stream = null;
    this.video.srcObject = null;
    delete this.video.dataset.live;
  }

  /** The next of several cameras. */
  async turn() {
    const now = this.#stream?.getVideoTracks()[0]?.getSettings().deviceId;
    const at = this.#devices.findIndex((device) => device.deviceId === now);
    return this.start(this.#devices[(at + 1) % this.#devices.length]?.deviceId);
  }

  /** What the camera sees now, as a JPEG; its longer side at most `edge`. */
  async frame(edge = Infinity, quality = 0.92) {
    const { videoWidth, videoHeight } = this.video;
    const scale = Math.min(1, edge / Math.max(videoWidth, videoHeight));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(videoWidth * scale));
    canvas.height = Math.max(1, Math.round(videoHeight * scale));
    canvas.getContext("2d").drawImage(this.video, 0, 0, canvas.width, canvas.height);
    return blobOf(canvas, "image/jpeg", quality);
  }

  async #count() {
    const all = await navigator.mediaDevices.enumerateDevices();
    this.#devices = all.filter((device) => device.kind === "videoinput");
    show(this.turnButton, this.#devices.length > 1);
  }
}

const stopStream = (stream) => stream.getTracks().forEach((track) => track.stop());

function reason(error) {
  switch (error.name) {
    case "NotAllowedError": return "The camera is not allowed for this page. The browser’s settings of the page can allow it.";
    case "NotFoundError": return "There is no camera.";
    case "NotReadableError": return "The camera is in use by another program.";
    default: return `The camera does not start: ${error.message}`;
  }
}

/** The dialog that takes one picture. */
export class CameraDialog {
  #dialog = byId("camera");
  #part = (selector) => this.#dialog.querySelector(selector);
  #camera = new Camera(this.#part("video"), this.#part(".screen-note"), this.#part("[data-do=turn]"));
  #done = () => {};

  constructor() {
    this.#dialog.addEventListener("click", async (event) => {
      const does = event.target.closest("[data-do]")?.dataset.do;
      if (does === "close" || event.target === this.#dialog) this.#dialog.close();
      if (does === "turn") await this.#start(() => this.#camera.turn());
      if (does === "shoot") await this.#shoot();
    });
    this.#dialog.addEventListener("close", () => {
      this.#camera.stop();
      this.#done(null);
    });
  }

  /** A file with the picture that was taken, or null where the dialog was left. */
  take() {
    this.#dialog.showModal();
    this.#start(() => this.#camera.start());
    return new Promise((done) => { this.#done = done; });
  }

  async #start(start) {
    const shoot = this.#part("[data-do=shoot]");
    shoot.disabled = true;
    shoot.disabled = !(await start());
    if (!shoot.disabled) shoot.focus();
  }

  async #shoot() {
    const blob = await this.#camera.frame();
    this.#done(new File([blob], "camera.jpg", { type: blob.type }));
    this.#dialog.close();
  }
}
