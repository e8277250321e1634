// What a first visit costs: bytes of the page and of the npm package in brotli, and the time until a person or a
// program can use them. Beside the package stands the cryptography of Matrix, which does a part of its work.
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { buildNode, buildPage } from "../scripts/build.mjs";
import { must, root } from "../scripts/run.mjs";
import { ensureBuildTools } from "../scripts/tools.mjs";
import { person } from "./chromium.mjs";
import { median, table } from "./figures.mjs";
import { startNode } from "./node.mjs";
import { serve } from "./page/serve.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const MATRIX = path.join(HERE, "node_modules", "@matrix-org", "matrix-sdk-crypto-wasm");
/** What the issue allows, bytes. */
const GOALS = { package: 250_000, page: 450_000 };

export async function measure({ quick }) {
  const rounds = quick ? 1 : 7;
  const pkg = await builtPackage();
  const node = await startNode(await builtNode());
  try {
    const first = await visits(node.url, rounds);
    const libraries = await weighLibraries(pkg);
    const ready = await loadLibraries(pkg, node.url, rounds);
    printPage(first);
    printLibraries(libraries, ready);
  } finally {
    await node.close();
  }
}

async function builtPackage() {
  if (process.env.HARBOR_PKG) return process.env.HARBOR_PKG;
  await must("The package could not be built", process.execPath, [path.join(root, "harbor-wasm", "build.mjs")]);
  return path.join(root, "harbor-wasm", "pkg");
}

/** The node with the optimised page inside. */
async function builtNode() {
  if (process.env.HARBOR_BIN) return process.env.HARBOR_BIN;
  await ensureBuildTools();
  await buildPage({ debug: false });
  return buildNode({ debug: false });
}

// ---- the page ----------------------------------------------------------------------------------------------

/** First visits with a new profile each, and one more with what the first has left behind. */
async function visits(url, rounds) {
  const out = { cold: [], warm: [], bytes: [] };
  for (let n = 0; n < rounds; n++) {
    const { context, close } = await person();
    await context.addInitScript(noteFirstUse);
    const page = await context.newPage();
    const loaded = await countBytes(page);
    out.cold.push(await visit(page, url));
    out.bytes = await loaded();
    out.warm.push(await visit(page, url));
    await close();
  }
  return out;
}

/** Milliseconds from the navigation until the field for the name can be typed into. */
async function visit(page, url) {
  await page.goto(url);
  await page.waitForFunction(() => window.usableAt);
  return page.evaluate(() => window.usableAt);
}

/** Runs in the page before anything else: looks at every frame whether there is something to use. */
function noteFirstUse() {
  const look = () => {
    const field = document.querySelector("[data-testid=name-input]");
    if (field?.offsetParent && !field.disabled) window.usableAt = performance.now();
    else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
}

/** What comes over the wire from now on: (path, encoding, bytes with headers). */
async function countBytes(page) {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  const seen = new Map();
  session.on("Network.responseReceived", ({ requestId, response }) => {
    const name = new URL(response.url).pathname.replace(/-[0-9a-f]{14,16}/, "");
    seen.set(requestId, { name, encoding: response.headers["content-encoding"] ?? "none", bytes: 0 });
  });
  session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const one = seen.get(requestId);
    if (one) one.bytes = encodedDataLength;
  });
  return async () => {
    await page.waitForLoadState("networkidle");
    await session.detach();
    return [...seen.values()];
  };
}

function printPage({ cold, warm, bytes }) {
  console.log("## The page's first load\n");
  const total = bytes.reduce((sum, one) => sum + one.bytes, 0);
  const rows = [...bytes].sort((a, b) => b.bytes - a.bytes).map(({ name, encoding, bytes }) => [name, encoding, kb(bytes)]);
  table([["file", "encoding", "over the wire"], ...rows, ["all", "", kb(total)]]);
  console.log(`${kb(total)} of ${kb(GOALS.page)} allowed (${(total / GOALS.page).toFixed(2)} ×).`);
  console.log(`Until a name can be typed: ${ms(cold)} on a first visit, ${ms(warm)} on a second (p50 of ${cold.length}).\n`);
}

// ---- the package -------------------------------------------------------------------------------------------

/** Files that a browser loads, and their size in brotli. */
async function weighLibraries(pkg) {
  const dist = path.join(pkg, "dist");
  const names = (await readdir(dist)).filter((name) => /\.(js|wasm)$/.test(name) && name !== "node.js");
  const matrix = ["index.mjs", "pkg/matrix_sdk_crypto_wasm_bg.js", "pkg/matrix_sdk_crypto_wasm_bg.wasm"];
  return {
    harbor: await weigh(names.map((name) => path.join(dist, name))),
    matrix: await weigh(matrix.map((name) => path.join(MATRIX, name))),
  };
}

async function weigh(files) {
  const sizes = await Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(file);
      const params = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
      return brotliCompressSync(bytes, { params }).length;
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** From nothing to a library that can be called, and for Harbor to an identity, each in a new profile. */
async function loadLibraries(pkg, node, rounds) {
  const site = await serve({ "": path.join(HERE, "page"), pkg: path.join(pkg, "dist"), matrix: MATRIX });
  const out = { harbor: [], connected: [], matrix: [] };
  for (let n = 0; n < rounds; n++) {
    const { context, close } = await person();
    const page = await context.newPage();
    await page.goto(site.url);
    const harbor = await page.evaluate(async (node) => {
      const began = performance.now();
      const { init, connect } = await import("/pkg/browser.js");
      await init();
      const ready = performance.now() - began;
      const harbor = await connect({ node, displayName: "Ana" });
      if (!/^[0-9a-f]{64}$/.test(harbor.identity.id)) throw new Error("no identity");
      return { ready, connected: performance.now() - began };
    }, node);
    const matrix = await page.evaluate(async () => {
      const began = performance.now();
      const { initAsync, Curve25519SecretKey } = await import("/matrix/index.mjs");
      await initAsync();
      const ready = performance.now() - began;
      if (!Curve25519SecretKey.new().toBase64()) throw new Error("no key");
      return ready;
    });
    out.harbor.push(harbor.ready);
    out.connected.push(harbor.connected);
    out.matrix.push(matrix);
    await close();
  }
  site.close();
  return out;
}

function printLibraries(bytes, ready) {
  console.log("## The npm package\n");
  const against = (ours, theirs) => `${(ours / theirs).toFixed(2)} ×`;
  table([
    ["what", "harbor-wasm", "matrix-sdk-crypto-wasm", "Harbor against it"],
    ["brotli, all that a browser loads", kb(bytes.harbor), kb(bytes.matrix), against(bytes.harbor, bytes.matrix)],
    ["import to ready, p50", ms(ready.harbor), ms(ready.matrix), against(median(ready.harbor), median(ready.matrix))],
    ["import to an identity on disk, p50", ms(ready.connected), "", ""],
  ]);
  console.log(`${kb(bytes.harbor)} of ${kb(GOALS.package)} allowed (${against(bytes.harbor, GOALS.package)}).`);
}

const kb = (bytes) => `${(bytes / 1000).toFixed(1)} KB`;
const ms = (times) => `${median(times).toFixed(0)} ms`;
