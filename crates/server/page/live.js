// Live mode's course: one question, asked again and again of the camera's newest frame. Nothing queues: while a frame is
// being asked about, all others are dropped; the first that comes afterwards is the next.

/** How often a server that is busy is tried again, in milliseconds, where it names no time. */
const BUSY_PAUSE = 1000;

export class LiveLoop {
  answered = 0;
  dropped = 0;
  running = false;
  #busy = false;
  #nextAt = 0;
  #abort = null;
  #ends = [];

  /**
   * `ask(signal)` asks about the newest frame and resolves with its answer; `pause()` is the time between two, in
   * milliseconds; `onanswer(answer)`, `onerror(error, goesOn)`.
   */
  constructor({ ask, pause, onanswer, onerror }) {
    Object.assign(this, { ask, pause, onanswer, onerror });
  }

  start() {
    Object.assign(this, { answered: 0, dropped: 0, running: true });
    this.#ends = [];
    this.#nextAt = 0;
  }

  stop() {
    this.running = false;
    this.#abort?.abort();
  }

  /** A new frame is there. */
  frame(now = performance.now()) {
    if (!this.running) return;
    if (this.#busy || now < this.#nextAt) this.dropped += 1;
    else this.#turn();
  }

  /** Answers a minute, over the last ten; null where there are fewer than two. */
  rate() {
    const ends = this.#ends;
    return ends.length < 2 ? null : ((ends.length - 1) * 60_000) / (ends.at(-1) - ends[0]);
  }

  async #turn() {
    this.#busy = true;
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    try {
      const answer = await this.ask(signal);
      if (signal.aborted) return;
      this.answered += 1;
      this.#ends = [...this.#ends, performance.now()].slice(-10);
      this.#nextAt = performance.now() + this.pause();
      this.onanswer(answer);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    } finally {
      this.#busy = false;
    }
  }

  /** A busy server is asked again later; all else ends the course. */
  #fail(error) {
    const goesOn = error.status === 503 || error.status === 429;
    if (goesOn) this.#nextAt = performance.now() + (error.retryAfter === null ? BUSY_PAUSE : error.retryAfter * 1000);
    else this.running = false;
    this.onerror(error, goesOn);
  }
}
