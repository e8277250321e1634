// Brings the tools that a build needs: what is on PATH in the right version is used, the rest is installed
// into the repository's own .tools folder. Nothing is downloaded but packages of the usual registries.
import { existsSync, readFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { Sentence, capture, must, root, say } from "./run.mjs";

/** The Trunk that Trunk.toml is written for. */
const TRUNK = "0.21.14";
const TOOLS = path.join(root, ".tools");
const WASM = "wasm32-unknown-unknown";
/** The microcontroller class that harbor-proto must compile for. */
export const EMBEDDED = "thumbv7em-none-eabihf";

/** Environment for a build: the tools of this repository come first on PATH. */
export function buildEnv() {
  const dirs = [path.join(TOOLS, "bin"), path.join(root, "node_modules", ".bin")];
  return { PATH: [...dirs, process.env.PATH].join(path.delimiter) };
}

/**
 * What rustc is told for the page and the package. Views of one type instead of one type each: a tenth of the page's
 * bytes, and quicker to compile. Where people load the result, SHA-512 in a loop instead of written out (a signature
 * hashes two hundred bytes, a page loads every byte), and panic messages that name source files, but not by where
 * this machine keeps them.
 */
export function wasmFlags({ debug }) {
  const cargo = process.env.CARGO_HOME ?? path.join(os.homedir(), ".cargo");
  const named = { [root]: "harbor", [path.join(cargo, "registry", "src")]: "crates" };
  const remap = Object.entries(named).map(([from, to]) => `--remap-path-prefix=${from}=${to}`);
  const lean = ['--cfg=sha2_backend_soft="compact"', ...remap];
  return { RUSTFLAGS: [process.env.RUSTFLAGS ?? "", "--cfg=erase_components", ...(debug ? [] : lean)].join(" ").trim() };
}

/** Everything that builds the page and the node. */
export async function ensureBuildTools() {
  requireRust();
  await ensureNodeModules();
  await ensureTarget(WASM, "compiles the page");
  await ensureWasmBindgen();
  await ensureTrunk();
}

function requireRust() {
  if (capture("cargo", ["--version"]) && capture("rustup", ["--version"])) return;
  throw new Sentence("Harbor needs Rust: install rustup from https://rustup.rs, open a new terminal, and try again.");
}

/** `npm ci`, unless what is installed is already what package-lock.json says. */
export async function ensureNodeModules() {
  const mark = path.join(root, "node_modules", ".package-lock.json");
  if (existsSync(mark) && sameLock(mark)) return;
  say("npm packages (a few seconds) …");
  await must("The npm packages could not be installed", ...npm("ci", "--no-audit", "--no-fund"));
}

/** Command and arguments of npm, also where `npm` is a batch file that cannot be started directly. */
export function npm(...args) {
  const script = process.env.npm_execpath;
  return script?.endsWith(".js") ? [process.execPath, [script, ...args]] : ["npm", args];
}

/** npm's own record of what it installed, against the lock file: same packages in the same versions. */
function sameLock(mark) {
  const read = (file) => JSON.parse(readFileSync(file, "utf8")).packages;
  const [have, want] = [read(mark), read(path.join(root, "package-lock.json"))];
  return Object.entries(want).every(([name, p]) => {
    const absent = name === "" || !name.startsWith("node_modules/") || (p.optional && !have[name]);
    return absent || have[name]?.version === p.version;
  });
}

/** A Rust target by rustup. */
export async function ensureTarget(target, what) {
  const installed = capture("rustup", ["target", "list", "--installed"]) ?? "";
  if (installed.split(/\s+/).includes(target)) return;
  say(`Rust target ${target}, which ${what} (seconds) …`);
  await must(`The Rust target ${target} could not be installed`, "rustup", ["target", "add", target]);
}

/** The version of a crate in Cargo.lock. */
export function lockedVersion(crate) {
  const lock = readFileSync(path.join(root, "Cargo.lock"), "utf8");
  const found = lock.match(new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`));
  if (!found) throw new Sentence(`Cargo.lock names no ${crate}: run \`cargo metadata\` once and commit the change.`);
  return found[1];
}

/** The wasm-bindgen program must be of exactly the library's version. */
export async function ensureWasmBindgen() {
  const version = lockedVersion("wasm-bindgen");
  const programs = ["wasm-bindgen", "wasm-bindgen-test-runner"];
  if (programs.every((p) => capture(p, ["--version"], { env: { ...process.env, ...buildEnv() } })?.endsWith(` ${version}`))) return;
  await cargoInstall("wasm-bindgen-cli", version, [], "about a minute");
}

/** Trunk builds the page. */
async function ensureTrunk() {
  if (capture("trunk", ["--version"], { env: { ...process.env, ...buildEnv() } }) === `trunk ${TRUNK}`) return;
  // With its own lock file: newer releases of what it uses do not compile. Without its default features: they
  // are a TLS stack for downloads that it must not make here.
  await cargoInstall("trunk", TRUNK, ["--locked", "--no-default-features"], "two to four minutes");
}

async function cargoInstall(crate, version, flags, time) {
  say(`${crate} ${version} into .tools (once; ${time}) …`);
  const args = ["install", crate, "--version", version, "--root", TOOLS, "--debug", "--force", ...flags];
  // An unoptimised build of a tool is ready in a quarter of the time and fast enough.
  const env = { CARGO_PROFILE_DEV_DEBUG: "0" };
  await must(`${crate} could not be installed`, "cargo", args, { env });
}

/** A Chromium and its driver: `CHROMIUM` and `CHROMEDRIVER`, what is on PATH, or Debian's packages. */
export async function ensureChromium() {
  if (!findChromium()) await aptInstall(["chromium", "chromium-driver"]);
  const found = findChromium();
  if (found) return found;
  throw new Sentence(
    "The browser tests need Chromium and its chromedriver. Install both (Debian and Ubuntu: " +
      "`sudo apt-get install chromium chromium-driver`) or name them: CHROMIUM=/path/to/chromium CHROMEDRIVER=/path/to/chromedriver npm test",
  );
}

function findChromium() {
  const chromium = process.env.CHROMIUM ?? which("chromium") ?? which("chromium-browser") ?? which("google-chrome");
  const chromedriver = process.env.CHROMEDRIVER ?? which("chromedriver");
  return chromium && chromedriver ? { chromium, chromedriver } : null;
}

function which(program) {
  const dirs = (process.env.PATH ?? "").split(path.delimiter);
  return dirs.map((d) => path.join(d, program)).find((p) => existsSync(p)) ?? null;
}

/** Only as root and where apt is: anywhere else the person decides. */
async function aptInstall(packages) {
  if (process.getuid?.() !== 0 || !which("apt-get")) return;
  say(`${packages.join(", ")} by apt (under a minute) …`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  await must("The package lists could not be read", "apt-get", ["update", "-qq"], { env });
  await must("Chromium could not be installed", "apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env });
}
