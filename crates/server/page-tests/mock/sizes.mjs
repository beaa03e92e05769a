// Sizes of the pictures that browsers send, read from their headers, and the plan that SmolVLM-256M would make.

/** `[width, height]` of a PNG, JPEG, GIF, BMP or WebP in a `data:` URL; null of all else. */
export function sizeOf(url) {
  const bytes = Buffer.from(url.slice(url.indexOf(",") + 1), "base64");
  if (bytes.toString("latin1", 1, 4) === "PNG") return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return jpeg(bytes);
  if (bytes.toString("latin1", 0, 3) === "GIF") return [bytes.readUInt16LE(6), bytes.readUInt16LE(8)];
  if (bytes.toString("latin1", 0, 2) === "BM") return [bytes.readInt32LE(18), Math.abs(bytes.readInt32LE(22))];
  return null;
}

function jpeg(bytes) {
  for (let at = 2; at + 9 < bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
    const mark = bytes[at + 1];
    const isFrame = mark >= 0xc0 && mark <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(mark);
    if (isFrame) return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
  }
  return null;
}

/** The plan of a picture: brought to a longest edge, then to whole tiles of 512. */
export function planOf([width, height], edge = 2048) {
  const scale = edge / Math.max(width, height);
  const even = (side) => Math.max(2, 2 * Math.ceil(Math.trunc(side * scale) / 2));
  const resized = [even(width), even(height)];
  const cols = Math.ceil(resized[0] / 512);
  const rows = Math.ceil(resized[1] / 512);
  const whole = rows * cols === 1;
  const tiles = whole ? 1 : rows * cols + 1;
  return {
    width, height, resized, refined: [cols * 512, rows * 512], rows: whole ? 0 : rows, cols: whole ? 0 : cols, tiles, tokens: tiles * 64,
  };
}
