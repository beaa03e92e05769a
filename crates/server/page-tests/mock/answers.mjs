// What the mock says. A question that begins with `!` asks for one of its ways; any other is told what was sent.

export const LONG = `## What the picture shows

A **harbour** in the evening, with *three* boats and a lighthouse. The water is calm; see [the chart](https://example.org/chart).

1. The lighthouse stands on the left.
   - It is white, with a red band.
   - Its light is on.
2. Two boats lie at the pier.
3. One sails out.

| thing | count | colour |
|:------|------:|:------:|
| boats | 3 | blue, \`#2b6cb0\` |
| lighthouses | 1 | white |
| gulls | 12 | grey |

> The sign at the pier reads “NO ENTRY”.

\`\`\`python
def count(things):
    """How many of each there are, the most first, as a table would list them in its first column."""
    return sorted(((things.count(t), t) for t in set(things)), reverse=True)
\`\`\`

That is all there is to see. ![a picture](https://evil.example/x.png) <b>not bold</b> <img src=x onerror=alert(1)>
`;

const JSON_ANSWER = '{"description": "a red circle", "count": 1}';

/** The ways: `text` is streamed in pieces, `pause` ms apart; `status` refuses; `ends` is how the stream ends. */
export const WAYS = {
  "!long": { text: LONG, pause: 2 },
  "!slow": { text: "One word comes after the other, slowly, so that it can be stopped. ".repeat(30), pause: 40 },
  "!401": { status: 401, message: "this server asks for a key: Authorization: Bearer KEY" },
  "!503": { status: 503, message: "64 requests wait already; try again in a moment", retryAfter: 1 },
  "!400": { status: 400, message: "'temperature' is 9; a number from 0 to 2 would be right" },
  "!break": { text: "This answer begins and then", pause: 5, ends: "cut" },
  "!error": { text: "This answer begins and then", pause: 5, ends: "error" },
  "!silent": { text: "", pause: 5 },
  "!short": { text: "Cut off in the mid", pause: 5, finish: "length" },
};

/** The way for a request. */
export function wayOf(body, pictures) {
  const content = body.messages.at(-1).content;
  const asked = typeof content === "string" ? content : content.filter((part) => part.type === "text").map((part) => part.text).join(" ");
  const way = WAYS[asked.split(" ")[0]];
  if (way) return way;
  if (body.response_format) return { text: JSON_ANSWER, pause: 5 };
  const sizes = pictures.map(([width, height]) => `${width}×${height}`).join(", ");
  const seen = pictures.length ? `I see ${pictures.length} picture${pictures.length > 1 ? "s" : ""} (${sizes}). ` : "";
  return { text: `${seen}You asked: ${asked || "nothing"}`, pause: 8 };
}
