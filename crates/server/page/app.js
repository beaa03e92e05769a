// The page as a whole: knows the conversation, asks the server, and puts the parts together.

import { aboutServer } from "./about.js";
import { announce } from "./announce.js";
import { CameraDialog } from "./camera.js";
import { Viewer } from "./cards.js";
import { Composer } from "./composer.js";
import { answer, fillAnswer, messagesOf, question } from "./conversation.js";
import { byId, el, show } from "./dom.js";
import { failureBox } from "./failure.js";
import { whole } from "./format.js";
import { takeIn } from "./intake.js";
import { LiveDialog } from "./live-dialog.js";
import { showSamples } from "./samples.js";
import { Settings, applyTheme, pictureFields, requestFields, switchTheme } from "./settings.js";
import { SettingsDialog } from "./settings-dialog.js";
import { AnswerView, QuestionView } from "./turns.js";

/** How long a cleared conversation can be had back. */
const UNDO_TIME = 10_000;
/** This near to its end the page follows a growing answer. */
const NEAR = 120;

const settings = new Settings();
const settingsDialog = new SettingsDialog(settings);
const live = new LiveDialog(settings);
let server = { name: "the model", context: null, sees: true };
let abort = null;
/** The turns' views; a view has its `turn` and its `node`. */
let views = [];
let following = true;

const context = {
  settings,
  viewer: new Viewer(() => pictureFields(settings)),
  camera: new CameraDialog(),
  isBusy: () => abort !== null,
};
const composer = new Composer(context, { onsend: ask, onstop: () => abort?.abort() });
composer.onup = () => !abort && views.findLast((view) => view.turn.role === "user")?.edit();

const turns = () => views.map((view) => view.turn);

/** Asks a new question. */
function ask({ text, pictures }) {
  if (abort) return;
  addQuestion(question(text, pictures));
  addAnswer();
}

function addQuestion(turn) {
  const view = new QuestionView(turn, context, {
    onedit: (changed) => {
      if (abort) return;
      cutFrom(view);
      ask(changed);
      composer.focus();
    },
  });
  addView(view);
}

function addAnswer() {
  const view = new AnswerView(answer(), server.name, { onretry: () => retry(view) });
  view.ondraw = follow;
  addView(view);
  make(view);
}

function addView(view) {
  views.push(view);
  byId("turns").append(view.node);
  following = true;
  see();
  follow();
}

/** Takes away a turn and all that follow it. */
function cutFrom(view) {
  const at = views.indexOf(view);
  for (const gone of views.splice(at)) gone.node.remove();
}

/** Answers the question before `view` anew; what came after is gone. */
function retry(view) {
  if (abort) return;
  cutFrom(view);
  addAnswer();
  composer.focus();
}

/** Has an answer made. */
async function make(view) {
  abort = new AbortController();
  setBusy(true);
  const { turn } = view;
  try {
    const messages = await messagesOf(turns(), views.indexOf(view), settings.get("system"));
    await fillAnswer(turn, { messages, ...requestFields(settings) }, abort.signal, () => view.update());
  } catch (error) {
    Object.assign(turn, { state: "failed", error });
    view.update();
  }
  if (turn.error?.status === 401) settingsDialog.askForKey();
  abort = null;
  setBusy(false);
  noteContext(turn);
}

function setBusy(busy) {
  for (const each of [composer, ...views.map((view) => view.composer).filter(Boolean)]) each.setBusy(busy);
  byId("new").disabled = busy;
}

/** How much of the context is used. */
function noteContext({ usage }) {
  if (!usage) return;
  const used = usage.prompt_tokens + usage.completion_tokens;
  composer.setNote(`${whole(used)}${server.context ? ` of ${whole(server.context)}` : ""} tokens`);
}

/** What is to be seen: the greeting or the turns. */
function see() {
  show(byId("greeting"), views.length === 0);
  show(byId("new"), views.length > 0);
}

/** Forgets the conversation, for a while only in jest. */
function clear() {
  const gone = views;
  views = [];
  byId("turns").replaceChildren();
  composer.setNote("");
  see();
  composer.focus();
  const toast = byId("toast");
  const undo = el("button", { type: "button" }, "Undo");
  const close = () => box.remove();
  undo.addEventListener("click", () => {
    close();
    if (views.length) return;
    views = gone;
    byId("turns").replaceChildren(...gone.map((view) => view.node));
    see();
    composer.focus();
  });
  const box = el("div", {}, el("p", {}, "Conversation cleared."), undo);
  toast.replaceChildren(box);
  setTimeout(close, UNDO_TIME);
}

/** Keeps the end of a growing answer in sight, unless the person has scrolled away. */
function follow() {
  if (following) scrollTo(0, document.documentElement.scrollHeight);
  seeEnd();
}

const isNearEnd = () => innerHeight + scrollY >= document.documentElement.scrollHeight - NEAR;

function seeEnd() {
  show(byId("latest"), views.length > 0 && !isNearEnd());
}

function onScroll() {
  following = isNearEnd();
  seeEnd();
}

/** Asks the server what it serves. */
async function meet() {
  try {
    server = await aboutServer();
    byId("notice").replaceChildren();
  } catch (error) {
    if (error.status === 401) settingsDialog.askForKey();
    byId("notice").replaceChildren(failureBox(error, meet, "notice"));
    return;
  }
  byId("model").textContent = server.name;
  show(byId("model"), true);
  document.title = `${server.name} – smolvlm`;
  settingsDialog.showDefaults(server.defaults);
  document.documentElement.dataset.sees = server.sees ? "yes" : "no";
  if (!server.sees) {
    byId("greeting-title").textContent = "Ask a question.";
    byId("greeting-lead").textContent = "This model reads text alone.";
  }
  if (server.name === "nano" && !byId("about")) {
    byId("greeting").append(el("p", { class: "about", id: "about" },
      "nano is the small model that smolvlm carries. It was taught simple drawn pictures, shapes, things, short words and charts, and little else; it is often wrong."));
  }
}

function listen() {
  byId("new").addEventListener("click", clear);
  byId("open-settings").addEventListener("click", () => settingsDialog.open());
  byId("open-live").addEventListener("click", () => live.open(server));
  byId("switch-theme").addEventListener("click", () => {
    switchTheme(settings);
    announce(`${settings.get("theme")} theme`);
  });
  byId("latest").addEventListener("click", () => {
    following = true;
    follow();
    composer.focus();
  });
  settings.addEventListener("change", ({ detail }) => detail === "theme" && applyTheme(settings));
  addEventListener("scroll", onScroll, { passive: true });
  addEventListener("resize", follow);
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") abort?.abort();
    const typing = event.target.closest?.("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      composer.focus();
    }
  });
}

composer.root.querySelector("textarea").id = "ask";
byId("dock").append(composer.root);
takeIn(() => server.sees && (views.map((view) => view.composer).find((each) => each?.root.contains(document.activeElement)) ?? composer));
showSamples(ask);
listen();
see();
meet();
if (matchMedia("(hover: hover)").matches) composer.focus();
