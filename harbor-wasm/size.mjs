// What the package weighs in a page, compressed as a server would: `node harbor-wasm/size.mjs` after a build.
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { brotliCompressSync, constants } from "node:zlib";

const GOAL_KIB = 250;
const dist = path.join(import.meta.dirname, "pkg", "dist");
const sent = readdirSync(dist).filter((f) => !f.endsWith(".d.ts") && f !== "node.js");
let total = 0;
for (const file of sent) {
  const bytes = readFileSync(path.join(dist, file));
  const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 22 };
  const size = brotliCompressSync(bytes, { params }).length;
  total += size;
  if (size > 1000) console.log(`${file.padEnd(24)} ${bytes.length.toString().padStart(9)} ${size.toString().padStart(8)}`);
}
const kib = total / 1024;
console.log(`all ${sent.length} files, brotli: ${kib.toFixed(1)} KiB of ${GOAL_KIB}`);
process.exitCode = kib <= GOAL_KIB ? 0 : 1;
