// Runs a WebAssembly program (wasm32-wasip1) in Node, with the whole file system to read: node run-wasi.mjs PROGRAM [WORD ...]
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [program, ...words] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [program, ...words], env: process.env, preopens: { "/": "/" } });
const module = await WebAssembly.compile(await readFile(program));
// What older C libraries lack and Rust's standard library asks for: threads, of which there are none, and resolved paths.
const none = () => 0;
const absent = {
  pthread_create: () => 6, // EAGAIN
  pthread_attr_init: none,
  pthread_attr_setstacksize: none,
  pthread_attr_destroy: none,
  pthread_detach: none,
  pthread_join: none,
  realpath: none, // a null pointer: it failed
};
const instance = await WebAssembly.instantiate(module, { ...wasi.getImportObject(), env: absent });
process.exitCode = wasi.start(instance);
