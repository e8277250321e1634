// `npm run bench -- stores|connections|pass|group|channel|weight [--quick]`: one measurement against others, in one run.
// `--slow-disk` gives `stores` a disk whose syncs take 4.2 ms, as on the machine the goals were set on.
// Builds what is missing; prints Markdown for docs/benchmarks.md.
import { existsSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildNode, nodeBinary } from "../scripts/build.mjs";
import { Sentence, capture, must, root, run, runMain, say } from "../scripts/run.mjs";
import { npm } from "../scripts/tools.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** Measured by the Rust program, which starts the servers. */
const SERVER = ["stores", "connections", "pass", "group"];
/** Measured in Chromium. */
const BROWSER = ["channel", "weight"];

/** The servers that Harbor is compared with, and what drives Chromium. */
async function ensurePeers() {
  if (existsSync(path.join(HERE, "node_modules", ".package-lock.json"))) return;
  say("npm packages to compare with …");
  await must("The npm packages could not be installed", ...npm("ci", "--no-audit", "--no-fund"), { cwd: HERE });
}

/** An optimised node; `HARBOR_BIN` names one that is there. */
async function ensureNode() {
  if (process.env.HARBOR_BIN) return path.resolve(process.env.HARBOR_BIN);
  const commit = capture("git", ["rev-parse", "--short", "HEAD"]);
  const built = capture(nodeBinary({ debug: false }), ["-V"]);
  return commit && built?.includes(commit) ? nodeBinary({ debug: false }) : buildNode({ debug: false });
}

/** What makes every sync of the bench and its node as slow as the disk of docs/benchmarks.md's goals. */
async function slowDisk() {
  const library = path.join(HERE, "target", "slow-disk.so");
  const args = ["-O2", "-shared", "-fPIC", "-o", library, path.join(HERE, "slow-disk.c"), "-ldl"];
  await must("The slow disk could not be built", process.env.CC ?? "cc", args);
  console.log("Every fsync and fdatasync of this run, the peers' too, takes at least 4.2 ms.\n");
  return { LD_PRELOAD: library, SLOW_DISK_US: "4200" };
}

function introduce(what) {
  const rust = capture("rustc", ["--version"])?.split(" ")[1];
  const commit = capture("git", ["rev-parse", "--short", "HEAD"]);
  console.log(`\n# ${what}, ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC, commit ${commit}`);
  console.log(`${os.availableParallelism()} cores, ${os.cpus()[0]?.model}, Linux ${os.release()}, Rust ${rust}, Node ${process.version}`);
  console.log(`load before: ${os.loadavg().map((n) => n.toFixed(1)).join(" ")}\n`);
}

await runMain(async () => {
  const [what, ...rest] = process.argv.slice(2);
  if (!SERVER.includes(what) && !BROWSER.includes(what)) {
    throw new Sentence(`npm run bench -- ${[...SERVER, ...BROWSER].join("|")} [--quick]`);
  }
  await ensurePeers();
  if (BROWSER.includes(what)) {
    const { measure } = await import(`./${what}.mjs`);
    introduce(what);
    return measure({ quick: rest.includes("--quick") });
  }
  const env = what === "group" ? {} : { HARBOR_BIN: await ensureNode() };
  const manifest = path.join(HERE, "Cargo.toml");
  await must("The bench could not be built", "cargo", ["build", "--release", "--locked", "--quiet", "--manifest-path", manifest]);
  introduce(what);
  if (rest.includes("--slow-disk")) Object.assign(env, await slowDisk());
  const code = await run(path.join(HERE, "target", "release", "harbor-benches"), [what, ...rest], { cwd: root, env });
  if (code !== 0) throw new Sentence(`${what} failed: the lines above say what was not right.`);
});
