// What a question can carry beside its words, and what the server makes of it.

import { postJson } from "./api.js";

let made = 0;

/** A picture or a clip: a file with a name. Its kind says which `part` of a message it is, and how a plan is read. */
export class Medium {
  id = (made += 1);
  #dataUrl = null;
  #plans = new Map();

  constructor(blob, name) {
    this.blob = blob;
    this.name = name;
    this.url = URL.createObjectURL(blob);
  }

  /** Its file as a `data:` URL. */
  dataUrl() {
    this.#dataUrl ??= readDataUrl(this.blob);
    return this.#dataUrl;
  }

  /**
   * What the server will make of it; each kind says what that is. Asked once for each setting. `null` where the server
   * makes no plans; throws a `ServerError` where it refuses the file.
   */
  plan(fields) {
    const setting = JSON.stringify(fields);
    if (!this.#plans.has(setting)) {
      const asked = this.#ask(fields);
      this.#plans.set(setting, asked);
      asked.catch(() => this.#plans.delete(setting));
    }
    return this.#plans.get(setting);
  }

  async #ask(fields) {
    const messages = [{ role: "user", content: [await this.part()] }];
    try {
      return this.planIn(await postJson("v1/plan", { messages, ...fields }));
    } catch (error) {
      if (error.status === 404 || error.status === 405) return null;
      throw error;
    }
  }
}

/** A file as a `data:` URL. */
export function readDataUrl(blob) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result);
    reader.onerror = () => fail(new Error("The file can no longer be read."));
    reader.readAsDataURL(blob);
  });
}
