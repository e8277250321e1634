// Builds the npm package into harbor-wasm/pkg. `node harbor-wasm/build.mjs [--debug] [--pack]`
//   --debug   an unoptimised wasm: quick to build, slow and large to load
//   --pack    also leaves harbor-wasm-<version>.tgz in harbor-wasm/pkg
import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { capture, must, root, runMain, say } from "../scripts/run.mjs";
import { buildEnv, ensureNodeModules, ensureTarget, ensureWasmBindgen, npm, wasmFlags } from "../scripts/tools.mjs";

const HERE = path.join(root, "harbor-wasm");
const PKG = path.join(HERE, "pkg");
const DIST = path.join(PKG, "dist");
const TARGET = "wasm32-unknown-unknown";
const NAME = "harbor-wasm";

const debug = process.argv.includes("--debug");
const env = { ...buildEnv(), ...wasmFlags({ debug }) };

/** The crate as a module of its own, with the classes that JavaScript calls. */
async function compile() {
  const profile = debug ? "dev" : "web";
  const args = ["rustc", "--locked", "-p", NAME, "--lib", "--features", "npm", "--crate-type", "cdylib"];
  await must("The wasm could not be compiled", "cargo", [...args, "--target", TARGET, "--profile", profile], { env });
  const target = path.resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
  return path.join(target, TARGET, debug ? "debug" : "web", "harbor_wasm.wasm");
}

async function bind(wasm) {
  const out = ["--target", "web", "--out-dir", DIST, "--out-name", NAME];
  // Without a default path a bundler sees one wasm, the one that browser.js names.
  const lean = ["--omit-default-module-path", "--no-typescript", "--remove-name-section", "--remove-producers-section"];
  await must("wasm-bindgen failed", "wasm-bindgen", [wasm, ...out, ...lean], { env });
}

async function shrink() {
  const wasm = path.join(DIST, `${NAME}_bg.wasm`);
  if (!capture("wasm-opt", ["--version"], { env: { ...process.env, ...env } })) {
    say("No wasm-opt here: the package works and is larger than it need be.");
    return;
  }
  const features = ["bulk-memory", "mutable-globals", "nontrapping-float-to-int", "reference-types", "sign-ext", "multivalue"];
  // Compressed, -O2 is smaller than -Oz, and it runs faster.
  const flags = ["-O2", "--converge", "--one-caller-inline-max-function-size=0", ...features.map((f) => `--enable-${f}`)];
  await must("wasm-opt failed", "wasm-opt", [...flags, wasm, "-o", wasm], { env });
}

/** The TypeScript layer and the glue. Comments stay in the types, where editors show them, and out of what is loaded. */
async function translate() {
  const project = ["-p", path.join(HERE, "js", "tsconfig.json")];
  await must("The TypeScript layer does not compile", "tsc", [...project, "--emitDeclarationOnly"], { env });
  await must("The TypeScript layer does not compile", "tsc", [...project, "--declaration", "false", "--removeComments"], { env });
  const glue = path.join(DIST, `${NAME}.js`);
  const bare = path.join(PKG, "bare");
  const plain = ["--allowJs", "--noCheck", "--removeComments", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"];
  await must("The glue cannot be read", "tsc", [glue, ...plain, "--types", "", "--outDir", bare], { env });
  await cp(path.join(bare, `${NAME}.js`), glue);
  await rm(bare, { recursive: true });
}

/** What else belongs into a package. */
async function assemble() {
  await cp(path.join(HERE, "js", "stamp-worker.js"), path.join(DIST, "stamp-worker.js"));
  await cp(path.join(HERE, "js", "README.md"), path.join(PKG, "README.md"));
  for (const name of ["LICENSE-MIT", "LICENSE-APACHE"]) await cp(path.join(root, name), path.join(PKG, name));
  const manifest = JSON.parse(await readFile(path.join(HERE, "js", "package.json"), "utf8"));
  await writeFile(path.join(PKG, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
}

await runMain(async () => {
  await ensureNodeModules();
  await ensureTarget(TARGET, "compiles the package");
  await ensureWasmBindgen();
  await rm(PKG, { recursive: true, force: true });
  await mkdir(DIST, { recursive: true });
  say(debug ? "The package, unoptimised …" : "The package (first time a few minutes) …");
  await bind(await compile());
  if (!debug) await shrink();
  await translate();
  await assemble();
  if (process.argv.includes("--pack")) {
    await must("npm pack failed", ...npm("pack", "--silent", "--pack-destination", PKG), { cwd: PKG });
  }
  say(`The package is in ${path.relative(process.cwd(), PKG) || "."}`);
});
