// A real `harbor` process.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import { PATIENCE_MS, until } from "./until.mjs";

const BINARY = process.env.HARBOR_BIN ?? path.resolve("target/debug/harbor");

/** A Harbor Node with a data folder of its own; it may be stopped, killed and started again on its address. */
export class HarborNode {
  #child = null;
  #port = 0;
  #adminPort = 0;
  #flags;
  /** Everything the process printed, over all its lives. */
  log = "";

  constructor(dataDir, flags) {
    this.dataDir = dataDir;
    this.#flags = flags;
  }

  /** @param {string[]} flags more arguments for `harbor` */
  static async start(flags = []) {
    const node = new HarborNode(await mkdtemp(path.join(os.tmpdir(), "harbor-node-")), flags);
    await node.start();
    return node;
  }

  /** The page's address. */
  get url() {
    return `http://localhost:${this.#port}/`;
  }

  get pid() {
    return this.#child?.pid;
  }

  /** Starts the process; a second start takes the same port, because the page's origin is its storage's name. */
  async start() {
    this.#adminPort ||= await freePort();
    const args = ["--serve", "--dev", "--bind", `127.0.0.1:${this.#port}`, "--data-dir", this.dataDir, ...this.#flags];
    const env = { ...process.env, HARBOR_OBSERVABILITY__ADMIN_BIND: `127.0.0.1:${this.#adminPort}`, NO_COLOR: "1" };
    const child = spawn(BINARY, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child = child;
    let printed = "";
    const onText = (text) => {
      printed += text;
      this.log += text;
    };
    child.stdout.setEncoding("utf8").on("data", onText);
    child.stderr.setEncoding("utf8").on("data", onText);
    this.exited = new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal })));
    child.on("error", (e) => onText(String(e)));
    const address = /http:\/\/(?:localhost|127\.0\.0\.1):(\d+)/;
    await until("the node to print its address", () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${printed}`);
      return address.test(printed);
    });
    this.#port = Number(printed.match(address)[1]);
    await until("the node to be ready", async () => (await fetch(`${this.url}readyz`)).ok);
  }

  /** kill -9: nothing is flushed, nobody is told. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.exited;
  }

  /** SIGTERM, and waits for the end. */
  async stop() {
    this.#child.kill("SIGTERM");
    return this.exited;
  }

  /** Counts since its start, by name. */
  async counters() {
    const answer = await fetch(`http://127.0.0.1:${this.#adminPort}/counters`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (!answer.ok) throw new Error(`/counters answered ${answer.status}`);
    return answer.json();
  }

  /** Ends the process and removes its data. */
  async dispose() {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) await this.kill();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** A port that is free now. */
export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
