// Runs other programs and tells the person what happens. Only what Node itself brings: these files run
// before `npm ci` has run.
import { spawn, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import path from "node:path";

/** The repository. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

const started = Date.now();

/** One line of progress, with the time since the start. */
export function say(text) {
  const s = Math.round((Date.now() - started) / 1000);
  console.log(`[harbor ${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}] ${text}`);
}

/** A failure that the person can do something about: printed as one sentence, without a stack. */
export class Sentence extends Error {}

/** Runs `main` and turns a failure into a sentence and exit code 1. */
export async function runMain(main) {
  try {
    await main();
  } catch (error) {
    console.error(error instanceof Sentence ? `\n${error.message}` : error);
    process.exit(1);
  }
}

/** What `command args` prints, or null when it is missing or fails. */
export function capture(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: "utf8", ...options });
  return done.error || done.status !== 0 ? null : done.stdout.trim();
}

/**
 * Runs a program with its output shown.
 * @param {{ cwd?: string, env?: object, onText?: (text: string) => void }} options onText also gets the output
 * @returns {Promise<number>} its exit code; 1 when a signal ended it
 */
export function run(command, args, { cwd = root, env = {}, onText } = {}) {
  return new Promise((resolve, reject) => {
    const stdio = ["ignore", onText ? "pipe" : "inherit", onText ? "pipe" : "inherit"];
    const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, stdio });
    for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
      from?.setEncoding("utf8").on("data", (text) => {
        to.write(text);
        onText(text);
      });
    }
    child.on("error", (e) => reject(new Sentence(`${command} could not be started: ${e.message}`)));
    child.on("close", (code) => resolve(code ?? 1));
  });
}

/** As `run`, but a failure ends everything with `sentence`. */
export async function must(sentence, command, args, options) {
  const code = await run(command, args, options);
  if (code !== 0) throw new Sentence(`${sentence} (${command} ${args.join(" ")} ended with ${code})`);
}
