// What a person has set, kept in the browser, and what of it a request carries. A setting that is empty is not sent:
// the server's own default holds.

const PLACE = "smolvlm.settings";

const SCHEMA = `{
  "type": "object",
  "properties": {
    "description": { "type": "string" }
  },
  "required": ["description"],
  "additionalProperties": false
}`;

/** What holds until something is set. */
export const DEFAULTS = Object.freeze({
  temperature: null,
  maxTokens: null,
  maxEdge: null,
  system: "",
  format: "none",
  schema: SCHEMA,
  theme: "system",
  liveQuestion: "What do you see?",
  liveEdge: 512,
  liveTokens: 32,
  livePause: 0,
});

/** The settings, and who wants to know when one changes. */
export class Settings extends EventTarget {
  #values = { ...DEFAULTS, ...stored() };

  get(name) {
    return this.#values[name];
  }

  set(name, value) {
    if (this.#values[name] === value) return;
    this.#values[name] = value;
    this.#keep();
    this.dispatchEvent(new CustomEvent("change", { detail: name }));
  }

  /** All of them as they were at first. */
  reset() {
    for (const [name, value] of Object.entries(DEFAULTS)) this.set(name, value);
  }

  #keep() {
    const changed = Object.entries(this.#values).filter(([name, value]) => value !== DEFAULTS[name]);
    try {
      localStorage.setItem(PLACE, JSON.stringify(Object.fromEntries(changed)));
    } catch {
      // Storage is full or not allowed: the settings hold as long as the page.
    }
  }
}

/** Stored settings of the right kind; all else is left out. */
function stored() {
  let values = {};
  try {
    values = JSON.parse(localStorage.getItem(PLACE) ?? "{}");
  } catch {
    return {};
  }
  const fits = ([name, value]) => {
    const usual = DEFAULTS[name];
    if (usual === null) return value === null || Number.isFinite(value);
    return usual !== undefined && typeof value === typeof usual;
  };
  return Object.fromEntries(Object.entries(values ?? {}).filter(fits));
}

/** The fields of a request that the settings ask for. Throws a `SyntaxError` where the schema is not JSON. */
export function requestFields(settings) {
  const fields = { ...pictureFields(settings) };
  if (settings.get("temperature") !== null) fields.temperature = settings.get("temperature");
  if (settings.get("maxTokens") !== null) fields.max_tokens = settings.get("maxTokens");
  const format = settings.get("format");
  if (format === "object") fields.response_format = { type: "json_object" };
  if (format === "schema") {
    const schema = JSON.parse(settings.get("schema"));
    fields.response_format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
  }
  return fields;
}

/** Those that say how pictures are cut: a plan carries them, too. */
export function pictureFields(settings) {
  return settings.get("maxEdge") === null ? {} : { max_edge: settings.get("maxEdge") };
}

/** Applies the theme to the page. */
export function applyTheme(settings) {
  const theme = settings.get("theme");
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** From light to dark or back, seen from what is shown now. */
export function switchTheme(settings) {
  const now = settings.get("theme");
  const dark = now === "dark" || (now === "system" && matchMedia("(prefers-color-scheme: dark)").matches);
  settings.set("theme", dark ? "light" : "dark");
}
