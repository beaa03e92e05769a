// Runs a test program built for wasm32-unknown-unknown in Node. It has no system and can print nothing: a test that
// fails ends it with an error.
import { readFile } from "node:fs/promises";

const module = await WebAssembly.compile(await readFile(process.argv[2]));
const instance = await WebAssembly.instantiate(module, {});
process.exitCode = instance.exports.main(0, 0);
