// Builds the page and the node that serves it. `node scripts/build.mjs [--debug]`
import path from "node:path";
import { fileURLToPath } from "node:url";
import { must, root, runMain, say } from "./run.mjs";
import { buildEnv, ensureBuildTools, wasmFlags } from "./tools.mjs";

/** Fetches the crates; the builds after it need no network. */
export async function fetchCrates() {
  say("Crates of Cargo.lock …");
  await must("The crates could not be fetched", "cargo", ["fetch", "--locked"]);
}

/**
 * Builds the page into web/dist. Trunk finds its programs on PATH and fetches nothing.
 * @param {{ debug: boolean }} how debug is for tests: quick to build, slow and large to load
 */
export async function buildPage({ debug }) {
  say(debug ? "The page, unoptimised …" : "The page (first time a few minutes) …");
  const profile = debug ? [] : ["--release", "--cargo-profile", "web"];
  // Trunk takes NO_COLOR for a flag of its own with a true or false value.
  const still = { NO_COLOR: undefined, TRUNK_OFFLINE: "true", TRUNK_SKIP_VERSION_CHECK: "true" };
  const env = { ...buildEnv(), ...still, ...wasmFlags({ debug }) };
  await must("The page could not be built", "trunk", ["build", "--locked", ...profile], { env });
}

/** Builds `harbor` with the page inside and returns its path. */
export async function buildNode({ debug }) {
  say(debug ? "The node, unoptimised …" : "The node (first time a few minutes) …");
  const profile = debug ? [] : ["--release"];
  await must("The node could not be built", "cargo", ["build", "--locked", "-p", "harbor-server", ...profile]);
  return nodeBinary({ debug });
}

/** Where cargo leaves the program. */
export function nodeBinary({ debug }) {
  const target = process.env.CARGO_TARGET_DIR ?? path.join(root, "target");
  const name = process.platform === "win32" ? "harbor.exe" : "harbor";
  return path.resolve(root, target, debug ? "debug" : "release", name);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await runMain(async () => {
    const how = { debug: process.argv.includes("--debug") };
    await ensureBuildTools();
    await fetchCrates();
    await buildPage(how);
    say(`Built ${path.relative(root, await buildNode(how))}`);
  });
}
