// The server's HTTP interface, which is OpenAI's: chat completions as server-sent events, and what a picture will cost.
// Addresses are relative, so that the page works below any path.

import { bytes } from "./format.js";

const KEY = "smolvlm.key";

/** The most bytes of a body that the server takes; about.js learns it. */
export const limits = { body: Infinity };

/** What the server said was wrong, in its words. `status` is 0 where no answer came. */
export class ServerError extends Error {
  constructor(message, status = 0, retryAfter = null) {
    super(message);
    this.name = "ServerError";
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** The key that the server asked for. It lives as long as the tab. */
export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set(value) {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  },
};

/** GET of an address that answers JSON. */
export async function getJson(path) {
  return (await request(path, {})).json();
}

/** POST of JSON that is answered with JSON. */
export async function postJson(path, body, signal) {
  return (await request(path, posted(body, signal))).json();
}

/**
 * Streams one answer: yields the chunks of a chat completion as the server sends them. Throws a [`ServerError`] where
 * the server refuses, breaks off or says in the middle that something went wrong; an `AbortError` where `signal` stops it.
 */
export async function* chat(body, signal) {
  const asked = { ...body, stream: true, stream_options: { include_usage: true } };
  const response = await request("v1/chat/completions", posted(asked, signal));
  for await (const data of events(response, signal)) {
    if (data === "[DONE]") return;
    const chunk = parse(data);
    if (chunk.error) throw new ServerError(wordsOf(chunk.error), 0);
    yield chunk;
  }
  throw new ServerError("The connection ended before the answer was complete.");
}

/** Servers break off a body that is too large, often before they can say so; so it is said here. */
function posted(value, signal) {
  const body = JSON.stringify(value);
  if (body.length > limits.body) {
    const words = `This request has ${bytes(body.length)}, and the server takes ${bytes(limits.body)} at most. Fewer or smaller pictures would fit.`;
    throw new ServerError(words, 413);
  }
  return { method: "POST", headers: { "content-type": "application/json" }, body, signal };
}

async function request(path, options) {
  const headers = { ...options.headers };
  if (key.get()) headers.authorization = `Bearer ${key.get()}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers, cache: "no-store" });
  } catch (error) {
    throw unreachable(error);
  }
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  const seconds = Number.parseFloat(response.headers.get("retry-after"));
  throw new ServerError(refusal(text, response), response.status, Number.isFinite(seconds) ? seconds : null);
}

/** The server's words of a refusal, whether they come as OpenAI's object or as plain text. */
function refusal(text, response) {
  try {
    const { error } = JSON.parse(text);
    if (error) return wordsOf(error);
  } catch {
    if (text && text.length < 500 && !text.trimStart().startsWith("<")) return text.trim();
  }
  return `The server answered ${response.status} ${response.statusText}`.trim();
}

const wordsOf = (error) => (typeof error === "string" ? error : error.message ?? "The server gave no reason.");

function unreachable(error) {
  if (error.name === "AbortError") return error;
  return new ServerError("The server cannot be reached.");
}

function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new ServerError("The server sent something that is not JSON.");
  }
}

/** The `data` of each server-sent event. */
async function* events(response, signal) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let data = [];
  try {
    while (true) {
      const { done, value } = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
        else if (line === "" && data.length) {
          yield data.join("\n");
          data = [];
        }
      }
    }
  } catch (error) {
    if (signal?.aborted || error instanceof ServerError) throw error;
    throw new ServerError("The connection broke before the answer was complete.");
  } finally {
    // The end is read, too, where it follows at once: a connection that is broken off could not be used again.
    reader.read().then(() => reader.cancel()).catch(() => {});
  }
}
