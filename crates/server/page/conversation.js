// The conversation as data: turns of a person and of the model, and the request that they make.

import { chat } from "./api.js";

/** What a person asked. */
export const question = (text, pictures) => ({ role: "user", text, pictures });

/**
 * What the model says to it. `state`: waiting, streaming, done, stopped or failed. `figures` are measured here, in
 * milliseconds; `usage` is the server's.
 */
export const answer = () => ({
  role: "assistant", text: "", state: "waiting", error: null, finish: null, usage: null, figures: null, isJson: false,
});

/** The messages that lead to the turn at `end`: an answer that says nothing is left out. */
export async function messagesOf(turns, end, system) {
  const messages = system.trim() ? [{ role: "system", content: system.trim() }] : [];
  for (const turn of turns.slice(0, end)) {
    if (turn.role === "user") messages.push({ role: "user", content: await contentOf(turn) });
    else if (turn.text) messages.push({ role: "assistant", content: turn.text });
  }
  return messages;
}

/** Pictures first, as the family was taught. */
export async function contentOf({ text, pictures }) {
  if (!pictures.length) return text;
  const parts = await Promise.all(pictures.map((picture) => picture.part()));
  return text ? [...parts, { type: "text", text }] : parts;
}

/** Fills an answer from the server's stream. `onchange` is called whenever there is more of it. */
export async function fillAnswer(turn, body, signal, onchange) {
  const started = performance.now();
  let first = null;
  let last = null;
  turn.isJson = Boolean(body.response_format);
  try {
    for await (const chunk of chat(body, signal)) {
      const choice = chunk.choices?.[0];
      const piece = choice?.delta?.content;
      if (piece) {
        last = performance.now();
        first ??= last;
        turn.text += piece;
        turn.state = "streaming";
      }
      turn.finish = choice?.finish_reason ?? turn.finish;
      turn.usage = chunk.usage ?? turn.usage;
      onchange(turn);
    }
    turn.state = "done";
  } catch (error) {
    turn.state = signal.aborted ? "stopped" : "failed";
    turn.error = signal.aborted ? null : error;
  }
  if (first !== null) turn.figures = { first: first - started, spread: last - first, whole: last - started };
  onchange(turn);
}

/** Tokens a second after the first one, or null where too little came to tell. */
export function speedOf({ figures, usage }) {
  const tokens = usage?.completion_tokens ?? 0;
  return figures && tokens > 1 && figures.spread >= 10 ? ((tokens - 1) * 1000) / figures.spread : null;
}
