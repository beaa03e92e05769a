// What the server says of itself and its model.

import { getJson, limits } from "./api.js";

/**
 * `{ name, context, sees, defaults }`: the model's name, the tokens that its context holds, whether it sees pictures, and
 * what holds where a request says nothing. What the server does not say is null; that it sees is taken for granted.
 */
export async function aboutServer() {
  const [models, props] = await Promise.all([getJson("v1/models"), getJson("props").catch(() => ({}))]);
  limits.body = props.limits?.body_bytes ?? Infinity;
  const { temperature = null, max_tokens: maxTokens = null } = props.defaults ?? {};
  return {
    name: models.data?.[0]?.id ?? "the model",
    context: props.context ?? null,
    sees: props.pictures !== null,
    defaults: { temperature, maxTokens, maxEdge: props.pictures?.longest_edge ?? null },
  };
}
