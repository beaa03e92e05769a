// The dialog of the settings. A change holds at once; there is nothing to save.

import { key } from "./api.js";
import { byId, show } from "./dom.js";
import { DEFAULTS } from "./settings.js";

const NUMBERS = ["temperature", "maxTokens", "maxEdge"];

export class SettingsDialog {
  #dialog = byId("settings");
  #form = this.#dialog.querySelector("form");
  #settings;

  constructor(settings) {
    this.#settings = settings;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#dialog.close();
    });
    this.#form.addEventListener("input", (event) => this.#take(event.target));
    this.#form.addEventListener("change", (event) => this.#settle(event.target));
    this.#dialog.addEventListener("click", (event) => {
      const does = event.target.closest("[data-do]")?.dataset.do;
      if (does === "close" || event.target === this.#dialog) this.#dialog.close();
      if (does === "reset") this.#reset();
    });
    this.#dialog.addEventListener("close", () => this.#correct());
    byId("set-key").addEventListener("input", (event) => key.set(event.target.value.trim()));
  }

  open() {
    this.#fill();
    this.#dialog.showModal();
  }

  /** Shows the field of the key: the server has asked for one. */
  askForKey() {
    show(byId("key-field"), true);
  }

  /** Shows in empty fields what holds: the server's own. */
  showDefaults(defaults) {
    for (const name of NUMBERS) {
      if (defaults[name] !== null) this.#form.elements[name].placeholder = String(defaults[name]);
    }
  }

  #fill() {
    for (const name of [...NUMBERS, "system", "schema", "format", "theme"]) {
      this.#form.elements[name].value = this.#settings.get(name) ?? "";
    }
    byId("set-key").value = key.get();
    this.#seeFormat();
  }

  /** A schema that is not JSON is never sent: as the dialog closes, its form falls back to what can be. */
  #correct() {
    if (this.#settings.get("format") === "schema" && !isJson(this.#settings.get("schema"))) this.#settings.set("format", "none");
  }

  #take(field) {
    const { name, value } = field;
    if (NUMBERS.includes(name)) {
      if (field.validity.valid) this.#settings.set(name, value === "" ? null : Number(value));
    } else if (name in DEFAULTS) {
      this.#settings.set(name, value);
    }
    if (name === "format" || name === "schema") this.#seeFormat();
  }

  /** A number that cannot be becomes the one that holds. */
  #settle(field) {
    if (NUMBERS.includes(field.name) && !field.validity.valid) field.value = this.#settings.get(field.name) ?? "";
  }

  #seeFormat() {
    const isSchema = this.#settings.get("format") === "schema";
    show(byId("schema-field"), isSchema);
    const right = !isSchema || isJson(this.#settings.get("schema"));
    byId("set-schema").setAttribute("aria-invalid", String(!right));
    byId("schema-error").textContent = right ? "" : "This is not JSON yet. It is not sent until it is.";
  }

  #reset() {
    this.#settings.reset();
    this.#fill();
  }
}

function isJson(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" && value !== null;
  } catch {
    return false;
  }
}
