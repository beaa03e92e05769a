// Numbers as they are read.

const WHOLE = new Intl.NumberFormat("en");

/** 12345 -> "12,345". */
export const whole = (n) => WHOLE.format(n);

/** `count` with the right word: "1 tile", "13 tiles". */
export const counted = (count, one, many = `${one}s`) => `${whole(count)} ${count === 1 ? one : many}`;

/** Milliseconds: "85 ms", "1.2 s", "2 min 5 s". */
export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** A speed: "8.4", "42". */
export const rate = (n) => (n < 10 ? n.toFixed(1) : whole(Math.round(n)));

/** Bytes: "340 kB", "1.2 MB". */
export function bytes(n) {
  if (n < 1000) return `${n} B`;
  return n < 1_000_000 ? `${Math.round(n / 1000)} kB` : `${(n / 1_000_000).toFixed(1)} MB`;
}
