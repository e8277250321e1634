// What one test lives in: a node, browsers, and what is kept when it fails.
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { Browser } from "./browser.mjs";
import { Chat } from "./chat.mjs";
import { HarborNode } from "./node.mjs";

/** Where screenshots and logs of failed tests go. */
export const RESULTS = path.resolve(process.env.E2E_RESULTS ?? "target/e2e");

/**
 * Starts a node for test `t`; it and every browser end with the test, after leaving logs and pictures of a
 * failed one in target/e2e.
 */
export async function world(t, { flags = [] } = {}) {
  const node = await HarborNode.start(flags);
  const it = new World(node);
  t.after(async () => {
    if (!it.passed) await it.keepEvidence(t.name);
    await it.dispose();
  });
  return it;
}

/** The node and the people of one test. */
export class World {
  #browsers = [];
  passed = false;

  constructor(node) {
    this.node = node;
  }

  /** A person with a browser of their own, at the page, not yet named. */
  async person(name, options) {
    const browser = await Browser.launch(name, options);
    this.#browsers.push(browser);
    const chat = new Chat(browser, this.node.url);
    await chat.open();
    return chat;
  }

  /** Ana and Ben, named, in one room that Ana made and Ben joined by link. */
  async pair({ ana = {}, ben = {}, title = "Weekend trip" } = {}) {
    const [a, b] = await Promise.all([this.person("Ana", ana), this.person("Ben", ben)]);
    await a.begin("Ana");
    await a.createRoom(title);
    await b.joinAs("Ben", await a.invite());
    await a.sawMember("Ben");
    return [a, b];
  }

  /** To be the last line of a test. */
  pass() {
    this.passed = true;
  }

  async keepEvidence(name) {
    const dir = path.join(RESULTS, name.replace(/[^a-z0-9]+/gi, "-"));
    await mkdir(dir, { recursive: true });
    await writeFile(path.join(dir, "node.log"), this.node.log);
    for (const [i, browser] of this.#browsers.entries()) {
      const at = path.join(dir, `${i + 1}-${browser.name}`);
      await writeFile(`${at}.log`, browser.log);
      if (!browser.running) continue;
      for (const [n, page] of browser.context.pages().entries()) {
        await page.screenshot({ path: `${at}-${n}.png`, timeout: 5_000 }).catch(() => {});
      }
    }
    console.log(`logs and pictures: ${path.relative(process.cwd(), dir)}`);
  }

  async dispose() {
    await Promise.all(this.#browsers.map((b) => b.dispose()));
    await this.node.dispose();
  }
}
