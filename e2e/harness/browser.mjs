// A real Chromium with a profile of its own, as a process that can be killed and started again.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";
import { until } from "./until.mjs";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--headless=new",
  "--disable-gpu",
  "--no-first-run",
  "--no-default-browser-check",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-default-apps",
  "--disable-quic",
  "--mute-audio",
  // A machine without a network card still has itself.
  "--allow-loopback-in-peer-connection",
  // Windows that nobody looks at are not to be slowed down: a person would be looking.
  "--disable-background-timer-throttling",
  "--disable-backgrounding-occluded-windows",
  "--disable-renderer-backgrounding",
  "--remote-debugging-port=0",
  "--window-size=1100,800",
  ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
];

/** One person's browser. Playwright only attaches to it, so that its process is ours to kill. */
export class Browser {
  #child = null;
  #connection = null;
  /** Scripts that every page of this browser runs first. */
  #initScripts = [];
  #flags = [];
  /** Console lines and page errors, over all its lives. */
  log = "";

  constructor(name, profile) {
    this.name = name;
    this.profile = profile;
  }

  /** @param {string} name for messages of this test only */
  static async launch(name, { initScripts = [], flags = [] } = {}) {
    const browser = new Browser(name, await mkdtemp(path.join(os.tmpdir(), "harbor-profile-")));
    browser.#initScripts = [...initScripts];
    browser.#flags = flags;
    await browser.start();
    return browser;
  }

  get running() {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Starts the process with the same profile. */
  async start() {
    const child = spawn(EXECUTABLE, [...FLAGS, ...this.#flags, `--user-data-dir=${this.profile}`, "about:blank"], {
      stdio: ["ignore", "ignore", "pipe"],
      detached: true, // a process group of its own, so that all of it can be killed
    });
    this.#child = child;
    this.exited = new Promise((resolve) => child.on("close", resolve));
    let printed = "";
    child.stderr.setEncoding("utf8").on("data", (text) => (printed += text));
    const listening = /DevTools listening on (ws:\/\/\S+)/;
    await until("Chromium to listen", () => {
      if (child.exitCode !== null) throw new Error(`it ended: ${printed}`);
      return listening.test(printed);
    });
    this.#connection = await chromium.connectOverCDP(printed.match(listening)[1]);
    [this.context] = this.#connection.contexts();
    for (const script of this.#initScripts) await this.context.addInitScript(script);
    this.context.on("page", (page) => this.#listen(page));
    for (const page of this.context.pages()) this.#listen(page);
  }

  #listen(page) {
    page.on("console", (message) => (this.log += `[${message.type()}] ${message.text()}\n`));
    page.on("pageerror", (error) => (this.log += `[page error] ${error.stack ?? error}\n`));
    page.on("crash", () => (this.log += "[page crashed]\n"));
  }

  /** A new tab at `url`. */
  async open(url) {
    const blank = this.context.pages().find((p) => p.url() === "about:blank");
    const page = blank ?? (await this.context.newPage());
    await page.goto(url, { waitUntil: "domcontentloaded" });
    return page;
  }

  /** Adds a script that every page loaded from now on runs first. */
  async addInitScript(script) {
    this.#initScripts.push(script);
    await this.context.addInitScript(script);
  }

  /** SIGKILL of the browser with all its processes: no page gets to say anything. */
  async kill() {
    process.kill(-this.#child.pid, "SIGKILL");
    await this.exited;
    this.#connection = null;
  }

  /** Closes it as a person does. */
  async close() {
    const session = await this.#connection.newBrowserCDPSession();
    await session.send("Browser.close").catch(() => {});
    await this.exited;
    this.#connection = null;
  }

  /** Ends the process and removes the profile. */
  async dispose() {
    if (this.running) await this.kill();
    await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
