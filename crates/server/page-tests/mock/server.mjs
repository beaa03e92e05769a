// A server that speaks as `smolvlm serve` does and has no model, for work on the page:
//
//     node mock/server.mjs            http://127.0.0.1:8090
//     PORT=9000 KEY=secret node mock/server.mjs
//     BEHIND=http://127.0.0.1:8080 node mock/server.mjs
//
// answers.mjs has what it says; with BEHIND, a real server says it, and only the page comes from here. It serves the page's files as they lie, so a reload shows a change.

import { createServer, request as ask } from "node:http";
import { readFile } from "node:fs/promises";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { wayOf } from "./answers.mjs";
import { planOf, sizeOf } from "./sizes.mjs";

const PAGE = new URL("../../page/", import.meta.url);
const TYPES = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
  + "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const KEY = process.env.KEY;
const PROPS = {
  model: "mock", context: 8192, pictures: { tile: 512, longest_edge: 2048, split: true, tokens_per_tile: 64 },
  defaults: { temperature: 0, max_tokens: 1024 }, limits: { body_bytes: 32 << 20 },
};

const BEHIND = process.env.BEHIND;

const wait = (ms) => new Promise((done) => setTimeout(done, ms));

function json(response, value, status = 200, headers = {}) {
  response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
}

function refuse(response, status, message, retryAfter) {
  const type = status === 401 ? "authentication_error" : status >= 500 ? "server_error" : "invalid_request_error";
  json(response, { error: { message, type, code: null, param: null } }, status, retryAfter ? { "retry-after": retryAfter } : {});
}

async function page(response, path) {
  const name = path === "/" ? "index.html" : path.slice(1);
  const type = TYPES[extname(name)];
  if (!type || name.includes("/")) return refuse(response, 404, "nothing is here");
  try {
    const body = await readFile(fileURLToPath(new URL(name, PAGE)));
    const headers = { "content-type": `${type}; charset=utf-8`, "content-security-policy": POLICY, "x-content-type-options": "nosniff" };
    response.writeHead(200, headers).end(body);
  } catch {
    refuse(response, 404, "nothing is here");
  }
}

async function bodyOf(request) {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return JSON.parse(Buffer.concat(pieces));
}

/** A clip is as many pictures of a tile's size as it has frames: here always four. */
const FRAMES = Array(4).fill([512, 512]);

function picturesOf(body) {
  const parts = body.messages.flatMap((message) => (Array.isArray(message.content) ? message.content : []));
  const sizes = { image_url: (part) => [sizeOf(part.image_url.url)], video_url: () => FRAMES };
  return parts.flatMap((part) => sizes[part.type]?.(part) ?? []);
}

async function chat(response, body) {
  const pictures = picturesOf(body);
  if (pictures.includes(null)) return refuse(response, 400, "the picture is of no kind that is read");
  const { text, pause, status, message, retryAfter, ends, finish } = wayOf(body, pictures);
  if (status) return refuse(response, status, message, retryAfter);
  response.writeHead(200, { "content-type": "text/event-stream" });
  const send = (value) => response.write(`data: ${JSON.stringify(value)}\n\n`);
  const chunk = (delta, reason = null) => send({ object: "chat.completion.chunk", model: "mock", choices: [{ index: 0, delta, finish_reason: reason }] });
  const pieces = text.match(/\s*\S+\s?/gu) ?? [];
  chunk({ role: "assistant", content: "" });
  let said = 0;
  for (const piece of pieces) {
    await wait(pause);
    if (response.destroyed || said >= (body.max_tokens ?? Infinity)) break;
    chunk({ content: piece });
    said += 1;
  }
  if (ends === "cut") return response.destroy();
  if (ends === "error") {
    send({ error: { message: "there is not memory enough for this request now", type: "server_error" } });
    return response.end();
  }
  chunk({}, finish ?? (said < pieces.length ? "length" : "stop"));
  const seen = pictures.reduce((all, size) => all + planOf(size, body.max_edge).tokens, 0);
  const usage = { prompt_tokens: seen + 21, completion_tokens: said, total_tokens: seen + 21 + said,
    prompt_tokens_details: { image_tokens: seen, cached_tokens: body.messages.length > 1 ? 16 : 0 } };
  if (body.stream_options?.include_usage) send({ object: "chat.completion.chunk", choices: [], usage });
  response.end("data: [DONE]\n\n");
}

/** Hands a request to the real server and its answer back, as it comes. */
function passOn(request, response) {
  // The server answers pages of its own origin alone: to it, this page is one.
  const headers = { ...request.headers, host: new URL(BEHIND).host };
  if (headers.origin) headers.origin = new URL(BEHIND).origin;
  const onward = ask(new URL(request.url, BEHIND), { method: request.method, headers }, (answered) => {
    response.writeHead(answered.statusCode, answered.headers);
    answered.pipe(response);
  });
  onward.on("error", () => response.destroy());
  response.on("close", () => onward.destroy());
  request.pipe(onward);
}

async function answer(request, response) {
  const { pathname } = new URL(request.url, "http://mock");
  const isApi = pathname.startsWith("/v1/") || pathname === "/props" || pathname === "/health";
  if (BEHIND && isApi) return passOn(request, response);
  if (request.method === "GET" && pathname === "/health") return json(response, { status: "ok" });
  if (!isApi) return page(response, pathname);
  if (KEY && request.headers.authorization !== `Bearer ${KEY}`) return refuse(response, 401, "this server asks for a key: Authorization: Bearer KEY");
  if (pathname === "/v1/models") return json(response, { object: "list", data: [{ id: "mock", object: "model" }] });
  if (pathname === "/props") return json(response, PROPS);
  if (request.method !== "POST") return refuse(response, 404, "nothing is here");
  const body = await bodyOf(request);
  if (pathname === "/v1/chat/completions") return chat(response, body);
  if (pathname !== "/v1/plan") return refuse(response, 404, "nothing is here");
  const sizes = picturesOf(body);
  if (sizes.includes(null)) return refuse(response, 400, "the picture is of no kind that is read");
  const pictures = sizes.map((size) => planOf(size, body.max_edge));
  const seen = pictures.reduce((all, plan) => all + plan.tokens, 0);
  json(response, { pictures, image_tokens: seen, prompt_tokens: 21 + seen });
}

createServer((request, response) => {
  answer(request, response).catch((error) => (response.headersSent ? response.destroy() : refuse(response, 500, error.message)));
}).listen(Number(process.env.PORT ?? 8090), "127.0.0.1", function listening() {
  console.log(`http://127.0.0.1:${this.address().port}`);
});
