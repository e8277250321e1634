// Cargo's runner for wasm32-wasip1: runs one test program under Node's WASI. The protocol's tests are ordinary
// #[test]s; here they run as WebAssembly, 32-bit pointers and all, with the repository readable for vectors.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";
import { root } from "./run.mjs";

const [program, ...args] = process.argv.slice(2);
const wasi = new WASI({
  version: "preview1",
  // libtest finds one thread; asking for it keeps it from starting others.
  args: [program, "--test-threads=1", ...args],
  env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith("SIM_"))),
  preopens: { [root]: root },
  returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(program));
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
process.exitCode = wasi.start(instance);
