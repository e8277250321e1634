// `npm test`: everything, with the real browser and the real node. `npm test -- rust e2e` runs single steps;
// `npm test -- e2e direct` runs the end-to-end files whose name contains "direct".
import { readdirSync } from "node:fs";
import path from "node:path";
import { buildNode, buildPage, fetchCrates } from "./build.mjs";
import { Sentence, root, run, runMain, say } from "./run.mjs";
import { closingLine, judge } from "./tally.mjs";
import { EMBEDDED, buildEnv, ensureBuildTools, ensureChromium, ensureNodeModules, ensureTarget, npm } from "./tools.mjs";

/** Crates that run on the host; apart from the page, whose features must not become theirs. */
const HOST = ["-p", "harbor-proto", "-p", "harbor-server"];
const WASI = "wasm32-wasip1";
const total = { passed: 0, failed: 0, skipped: 0 };
const lines = [];

/** Runs one runner and adds what it counted. */
async function counted(what, command, args, options = {}) {
  say(`${what} …`);
  let text = "";
  const code = await run(command, args, { ...options, onText: (t) => (text += t) });
  add(what, judge(text, code));
}

/** A check without tests of its own: it passes or fails as one. */
async function checked(what, command, args, options) {
  say(`${what} …`);
  const code = await run(command, args, options);
  add(what, { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 });
}

function add(what, sum) {
  for (const key of Object.keys(total)) total[key] += sum[key];
  lines.push(`${sum.failed === 0 ? "ok    " : "FAILED"} ${what}: ${closingLine(sum)}`);
}

let prepared = false;
/** Tools, crates and the page; the node embeds the page, so the page comes first. */
async function prepare() {
  if (prepared) return;
  await ensureBuildTools();
  await fetchCrates();
  await buildPage({ debug: true });
  prepared = true;
}

const STEPS = {
  async scripts() {
    await counted("The build's own scripts", process.execPath, ["--test", path.join("scripts", "tally.test.mjs")]);
  },

  async vectors() {
    await ensureNodeModules();
    const files = ["check", "topics", "messages"].map((f) => path.join("harbor-proto", "tests", "vectors", `${f}.test.mjs`));
    await counted("The protocol's bytes, recomputed in JavaScript", process.execPath, ["--test", ...files]);
  },

  async rust() {
    await prepare();
    await counted("Rust on this machine", "cargo", ["test", "--locked", "--no-fail-fast", ...HOST]);
    await counted("The page's own rules", "cargo", ["test", "--locked", "--no-fail-fast", "-p", "harbor-web"]);
  },

  async wasm() {
    await ensureBuildTools();
    await ensureTarget(EMBEDDED, "stands for microcontrollers");
    await ensureTarget(WASI, "runs the protocol's tests as WebAssembly");
    const { chromedriver } = await ensureChromium();
    const embedded = ["check", "--locked", "-p", "harbor-proto", "--lib", "--target", EMBEDDED];
    await checked("harbor-proto without an operating system", "cargo", embedded);
    // Node 20's collector, when it sweeps beside a program this large, takes the whole process down as it ends.
    const node = "node --no-warnings --single-threaded-gc";
    const runner = `${node} ${path.join(root, "scripts", "wasi-runner.mjs")}`;
    const proto = ["test", "--locked", "--no-fail-fast", "-p", "harbor-proto", "--target", WASI];
    await counted("harbor-proto as WebAssembly", "cargo", proto, { env: { CARGO_TARGET_WASM32_WASIP1_RUNNER: runner } });
    const browser = { CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER: "wasm-bindgen-test-runner", CHROMEDRIVER: chromedriver };
    const shell = ["test", "--locked", "--no-fail-fast", "-p", "harbor-wasm", "--target", "wasm32-unknown-unknown"];
    await counted("harbor-wasm in Chromium", "cargo", shell, { env: { ...buildEnv(), ...browser } });
  },

  async package() {
    await ensureBuildTools();
    const { chromium } = await ensureChromium();
    await counted("The npm package", ...npm("test", "--silent", "--prefix", "harbor-wasm"), { env: { ...buildEnv(), CHROMIUM: chromium } });
  },

  async e2e(only) {
    await ensureNodeModules();
    await prepare();
    const { chromium } = await ensureChromium();
    const harbor = await buildNode({ debug: true });
    const files = readdirSync(path.join(root, "e2e")).filter((f) => f.endsWith(".test.mjs") && only.every((o) => f.includes(o)));
    if (files.length === 0) throw new Sentence(`No end-to-end test is named like "${only.join(" ")}".`);
    // One at a time: each runs a node and several browsers, and two cores carry one such set.
    const args = ["--test", "--test-concurrency=1", "--test-reporter=spec", ...files.map((f) => path.join("e2e", f))];
    await counted("Two browsers and a node, end to end", process.execPath, args, { env: { CHROMIUM: chromium, HARBOR_BIN: harbor } });
  },
};

await runMain(async () => {
  const asked = process.argv.slice(2);
  const steps = Object.keys(STEPS).filter((s) => asked.length === 0 || asked.includes(s));
  if (steps.length === 0) throw new Sentence(`There is no such step. Steps: ${Object.keys(STEPS).join(", ")}.`);
  const only = asked.filter((a) => !(a in STEPS));
  for (const step of steps) await STEPS[step](only);
  console.log(`\n${lines.join("\n")}\n`);
  // The last line, alone: it is what a person and a machine read.
  console.log(closingLine(total));
  process.exitCode = total.failed === 0 ? 0 : 1;
});
