// Live mode as a person sees it: the camera with the newest answer over it, figures, and the answers as a running line.

import { announce } from "./announce.js";
import { readDataUrl } from "./medium.js";
import { Camera } from "./camera.js";
import { answer, fillAnswer } from "./conversation.js";
import { byId, el, show } from "./dom.js";
import { failureBox } from "./failure.js";
import { duration, rate, whole } from "./format.js";
import { LiveLoop } from "./live.js";

/** Answers that stay in the list. */
const KEPT = 100;
/** Longest edges to choose from, as far as the model's own. */
const EDGES = [224, 384, 512, 768, 1024];
const FIELDS = { "live-question": "liveQuestion", "live-edge": "liveEdge", "live-tokens": "liveTokens", "live-pause": "livePause" };

export class LiveDialog {
  #dialog = byId("live");
  #part = (selector) => this.#dialog.querySelector(selector);
  #camera = new Camera(this.#part("video"), this.#part(".screen-note"), this.#part("[data-do=turn]"));
  #settings;
  #loop;
  #said = { text: null, times: 0 };
  #counting = false;

  constructor(settings) {
    this.#settings = settings;
    this.#loop = new LiveLoop({
      ask: (signal) => this.#ask(signal),
      pause: () => settings.get("livePause"),
      onanswer: (turn) => this.#log(turn),
      onerror: (error, goesOn) => this.#fail(error, goesOn),
    });
    this.#dialog.addEventListener("click", async (event) => {
      const does = event.target.closest("[data-do]")?.dataset.do;
      if (does === "close") this.#dialog.close();
      if (does === "turn") await this.#camera.turn();
      if (does === "start") this.#loop.running ? this.#stop() : this.#start();
    });
    this.#dialog.addEventListener("close", () => this.#leave());
    this.#part("form").addEventListener("submit", (event) => event.preventDefault());
    for (const [id, name] of Object.entries(FIELDS)) byId(id).addEventListener("change", ({ target }) => this.#take(target, name));
    document.addEventListener("visibilitychange", () => document.hidden && this.#stop());
  }

  /** `server` is what about.js has learnt. */
  async open(server) {
    byId("live-model").textContent = server.name;
    for (const [id, name] of Object.entries(FIELDS)) byId(id).value = this.#settings.get(name);
    this.#offerEdges(server.defaults?.maxEdge ?? Infinity);
    this.#reset();
    this.#dialog.showModal();
    const shows = await this.#camera.start();
    this.#part("[data-do=start]").disabled = !shows;
    if (!shows) return;
    this.#part("[data-do=start]").focus();
    this.#countFrames();
  }

  /** Frames larger than the model's own longest edge would be made smaller again. */
  #offerEdges(most) {
    const edges = EDGES.filter((edge) => edge < most);
    if (most <= EDGES.at(-1)) edges.push(most);
    const held = this.#settings.get("liveEdge");
    const chosen = edges.findLast((edge) => edge <= held) ?? edges[0];
    byId("live-edge").replaceChildren(...edges.map((edge) => el("option", { value: String(edge), selected: edge === chosen }, whole(edge))));
  }

  #take(field, name) {
    if (!field.validity.valid || field.value.trim() === "") field.value = this.#settings.get(name);
    else this.#settings.set(name, name === "liveQuestion" ? field.value : Number(field.value));
  }

  /** Tells the loop of each frame that the camera gives. */
  #countFrames() {
    if (this.#counting) return;
    this.#counting = true;
    const { video } = this.#camera;
    const next = "requestVideoFrameCallback" in video ? (of) => video.requestVideoFrameCallback(of) : (of) => setTimeout(of, 33);
    const each = () => {
      if (!this.#dialog.open) {
        this.#counting = false;
        return;
      }
      this.#loop.frame();
      this.#showFigures();
      next(each);
    };
    next(each);
  }

  #start() {
    this.#reset();
    this.#loop.start();
    this.#label();
    announce("Live mode runs.");
  }

  #stop() {
    if (!this.#loop.running) return;
    this.#loop.stop();
    this.#label();
    announce("Live mode stands still.");
  }

  #leave() {
    this.#loop.stop();
    this.#camera.stop();
    this.#part("[data-do=start]").disabled = true;
    this.#label();
  }

  #label() {
    this.#part("[data-do=start]").textContent = this.#loop.running ? "Stop" : "Start";
  }

  #reset() {
    Object.assign(this.#loop, { answered: 0, dropped: 0 });
    this.#said = { text: null, times: 0 };
    byId("live-log").replaceChildren();
    byId("live-answer").textContent = "";
    byId("live-latency").textContent = "–";
    byId("live-first").textContent = "–";
    show(byId("live-error"), false);
    show(byId("live-empty"), true);
    this.#showFigures();
    this.#label();
  }

  async #ask(signal) {
    const started = performance.now();
    const edge = Number(byId("live-edge").value);
    const blob = await this.#camera.frame(edge, 0.85);
    const content = [
      { type: "image_url", image_url: { url: await readDataUrl(blob) } },
      { type: "text", text: byId("live-question").value.trim() || this.#settings.get("liveQuestion") },
    ];
    const system = this.#settings.get("system").trim();
    const messages = [...(system ? [{ role: "system", content: system }] : []), { role: "user", content }];
    // Without `max_edge` the frame would be enlarged to the model's own edge, and cut into as many tiles as a large picture.
    const body = {
      messages, max_edge: edge, max_tokens: this.#settings.get("liveTokens"),
      temperature: this.#settings.get("temperature") ?? 0,
    };
    const turn = answer();
    await fillAnswer(turn, body, signal, () => {
      if (turn.text) byId("live-answer").textContent = turn.text.trim();
    });
    if (turn.error) throw turn.error;
    return { ...turn, latency: performance.now() - started };
  }

  #log(turn) {
    const text = turn.text.trim() || "(nothing)";
    const log = byId("live-log");
    show(byId("live-error"), false);
    show(byId("live-empty"), false);
    byId("live-answer").textContent = text;
    byId("live-latency").textContent = duration(turn.latency);
    if (turn.figures) byId("live-first").textContent = duration(turn.figures.first);
    if (text === this.#said.text) {
      this.#said.times += 1;
      this.#said.count.textContent = ` ×${this.#said.times}`;
      return;
    }
    const count = el("span", { class: "again" });
    this.#said = { text, times: 1, count };
    log.prepend(el("li", {}, el("time", {}, new Date().toLocaleTimeString("en-GB")), el("p", {}, text, count)));
    while (log.childElementCount > KEPT) log.lastElementChild.remove();
    announce(text);
  }

  #fail(error, goesOn) {
    const place = byId("live-error");
    if (goesOn) place.textContent = error.message;
    else place.replaceChildren(failureBox(error, () => this.#start()));
    show(place, true);
    this.#label();
  }

  #showFigures() {
    const { answered, dropped } = this.#loop;
    const perMinute = this.#loop.rate();
    byId("live-rate").textContent = perMinute === null ? "–" : rate(perMinute);
    byId("live-answered").textContent = whole(answered);
    byId("live-dropped").textContent = whole(dropped);
  }
}
