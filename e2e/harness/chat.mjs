// The page, as a person uses it. Everything is found by data-testid; the sentences are for people.
import assert from "node:assert/strict";
import { PATIENCE_MS, until } from "./until.mjs";

/** One tab of one person's browser. */
export class Chat {
  constructor(browser, url) {
    this.browser = browser;
    this.url = url;
  }

  /** Opens (or, after the browser was started again, reopens) the page. */
  async open(url = this.url) {
    this.page = await this.browser.open(url);
    this.page.setDefaultTimeout(PATIENCE_MS);
    return this;
  }

  /** A second tab of the same browser. */
  async anotherTab() {
    const other = new Chat(this.browser, this.url);
    other.page = await this.browser.context.newPage();
    other.page.setDefaultTimeout(PATIENCE_MS);
    await other.page.goto(this.url, { waitUntil: "domcontentloaded" });
    return other;
  }

  /** Kills the browser with all its processes. */
  kill() {
    return this.browser.kill();
  }

  /** Starts the browser again with its profile and opens the page. */
  async comeBack() {
    await this.browser.start();
    return this.open();
  }

  /** What a person can see and use. */
  at(testid) {
    return this.page.getByTestId(testid).filter({ visible: true });
  }

  /** The messages of the open conversation. */
  get messages() {
    return this.page.getByTestId("message");
  }

  /** First visit: a name, nothing else. */
  async begin(name) {
    await this.at("name-input").fill(name);
    await this.at("start-button").click();
    await this.at("new-room").waitFor();
  }

  async createRoom(title) {
    await this.at("new-room").click();
    await this.at("room-title").fill(title);
    await this.at("create-button").click();
    await this.at("composer").waitFor();
  }

  /** A fresh invite link. */
  async invite() {
    await this.at("invite-button").first().click();
    const link = this.at("invite-link");
    await link.waitFor();
    const url = await until("an invite link", async () => {
      const text = await link.evaluate((e) => e.value ?? e.getAttribute("href") ?? e.textContent);
      return text?.includes("#") && text.trim();
    });
    await this.page.keyboard.press("Escape");
    return url;
  }

  /** Opens what there is about a member; the conversation's details are open. */
  async about(name) {
    await this.at("member").filter({ hasText: name }).getByTestId("about-member").click();
    await this.at("safety-number").waitFor();
  }

  /** Takes a member out of the open room. */
  async remove(name) {
    await this.at("details-button").click();
    await this.about(name);
    await this.at("remove-button").click();
    await this.at("remove-yes").click();
    await this.at("member").filter({ hasText: name }).waitFor({ state: "detached" });
    await this.page.keyboard.press("Escape");
  }

  /** Makes a member of the open room an admin, or a plain member again. */
  async changeRole(name) {
    await this.at("details-button").click();
    await this.about(name);
    const now = await this.at("role-button").innerText();
    await this.at("role-button").filter({ hasText: now }).click();
    await this.at("role-button").filter({ hasNotText: now }).waitFor();
    for (let open = 2; open > 0; open -= 1) await this.page.keyboard.press("Escape");
  }

  /** What the open room's members are, by name. */
  async ranks() {
    await this.at("details-button").click();
    const rows = await this.at("member").all();
    const one = async (row) => [
      await row.locator(".member-name").innerText(),
      (await row.locator(".tag").allInnerTexts()).filter((tag) => ["Owner", "Admin"].includes(tag)).join(),
    ];
    const ranks = Object.fromEntries(await Promise.all(rows.map(one)));
    await this.page.keyboard.press("Escape");
    return ranks;
  }

  /** Follows an invite link for the first time and waits to be let in. */
  async joinAs(name, link) {
    await this.ask(name, link);
    await this.at("composer").waitFor();
  }

  /** Follows an invite link for the first time and asks to be let in. */
  async ask(name, link) {
    await this.follow(link);
    await this.at("join-inviter").waitFor();
    const nameInput = this.at("name-input");
    if (await nameInput.isVisible()) await nameInput.fill(name);
    await this.at("join-button").click();
  }

  /** The request to join is out and nobody has answered. */
  async waiting() {
    await this.at("waiting").waitFor();
  }

  /** Goes to a link of the page, also when only what is after `#` differs. */
  async follow(link) {
    await this.page.goto("about:blank");
    await this.page.goto(link, { waitUntil: "domcontentloaded" });
  }

  /** Opens the conversation of that title from the list. */
  async openTopic(title) {
    await this.at("topic-row").filter({ hasText: title }).first().click();
    await this.at("composer").waitFor();
  }

  /** After a reload or a new start: the page may have come back to the conversation by itself. */
  async openTopicAgain(title) {
    await this.at("composer").or(this.at("topic-row").first()).first().waitFor();
    if (!(await this.at("composer").isVisible())) await this.openTopic(title);
  }

  /** Writes all of them as fast as the page takes them. */
  async burst(texts) {
    for (const text of texts) {
      await this.at("composer").fill(text);
      await this.at("send-button").click();
    }
  }

  /** Writes into the open conversation. */
  async send(text) {
    await this.at("composer").fill(text);
    await this.at("send-button").click();
    await this.message(text).first().waitFor();
  }

  /** The rows that hold exactly this text. */
  message(text) {
    return this.messages.filter({ has: this.page.getByText(text, { exact: true }) });
  }

  /** Waits until the message of that text shows `state` and `path` (either may be left out). */
  async sees(text, { state, path, mine } = {}) {
    const wanted = { state, path, mine };
    await until(`"${text}" at ${this.browser.name}: ${JSON.stringify(wanted)}`, async () => {
      const row = this.message(text);
      if ((await row.count()) === 0) throw new Error(`there is no such message; there are: ${JSON.stringify(await this.texts())}`);
      const data = await row.first().evaluate((e) => ({ ...e.dataset }));
      const fits = Object.entries(wanted).every(([k, v]) => v === undefined || matches(data[k], v));
      if (!fits) throw new Error(JSON.stringify(data));
      return true;
    });
  }

  /** What the conversation shows, from oldest to newest, notices ("Ben joined") left out. */
  async rows() {
    return this.messages.evaluateAll((rows) =>
      rows
        .filter((r) => r.dataset.seq !== "0")
        .map((r) => ({
          text: (r.querySelector("[data-testid=message-body]") ?? r).textContent.trim(),
          mine: r.dataset.mine === "true",
          state: r.dataset.state,
          path: r.dataset.path,
          seq: r.dataset.seq,
        })),
    );
  }

  async texts() {
    return (await this.rows()).map((r) => r.text);
  }

  /** Waits until the conversation shows exactly these texts in this order, each once. */
  async shows(texts) {
    await until(`${this.browser.name} to see exactly ${JSON.stringify(texts)}`, async () => {
      const seen = await this.texts();
      if (!sameTexts(seen, texts)) throw new Error(JSON.stringify(seen));
      return true;
    });
    // And it stays so: what would show a message twice comes from a timer or a second path, so the page is asked
    // again after everything it had queued has run.
    await this.page.evaluate(() => new Promise((done) => requestIdleCallback(done, { timeout: 1000 })));
    assert.ok(sameTexts(await this.texts(), texts), `and nothing more: ${JSON.stringify(await this.texts())}`);
  }

  /**
   * Waits until the conversation shows every text of `lists` once and nothing else, each list in its own order:
   * two people who write at once agree on an order, and which it is, is not theirs to say.
   */
  async showsInterleaved(lists) {
    const wanted = lists.flat().sort();
    await until(`${this.browser.name} to see each of ${wanted.length} messages once`, async () => {
      const seen = await this.texts();
      if (!sameTexts([...seen].sort(), wanted)) throw new Error(JSON.stringify(seen));
      return true;
    });
    const seen = await this.texts();
    for (const list of lists) assert.deepEqual(seen.filter((s) => list.includes(s)), list, "a sender's own order");
  }

  /** Waits until the list says that `count` messages of the conversation were not seen. */
  async unread(title, count) {
    const row = this.at("topic-row").filter({ hasText: title }).first();
    await until(`${count} unread in "${title}"`, async () => {
      const said = (await row.getAttribute("data-unread")) ?? "0";
      if (Number(said) !== count) throw new Error(said);
      return true;
    });
  }

  /** Switches direct connections off in the settings, and comes back. */
  async hideIp() {
    await this.openSettings();
    await this.at("hide-ip-switch").click();
    await this.page.goBack();
    await this.at("new-room").or(this.at("composer")).first().waitFor();
  }

  async openSettings() {
    await this.at("settings-link").click();
    await this.at("hide-ip-switch").waitFor();
  }

  /** Waits until the open conversation has this many members. */
  async has(members) {
    await this.page.getByText(`${members} members`).first().waitFor();
  }

  /** Waits until the other's arrival is known here. */
  async sawMember(name) {
    await until(`${name} to be a member at ${this.browser.name}`, async () => {
      const text = await this.page.locator("body").innerText();
      return text.includes(name);
    });
  }

  /** The badge of the open conversation: Direct, Relayed or Stored. */
  async pathBadge(path) {
    await until(`the badge of ${this.browser.name} to say ${path}`, async () => {
      const badge = this.at("path-badge").first();
      const said = (await badge.getAttribute("data-path")) ?? (await badge.innerText());
      if (said.toLowerCase() !== path.toLowerCase()) throw new Error(said);
      return true;
    });
  }

  /** The sentence that the page shows for something that went wrong. */
  async errorText() {
    const error = this.at("error-text").first();
    await error.waitFor();
    return (await error.innerText()).trim();
  }
}

function matches(seen, wanted) {
  return wanted instanceof RegExp ? wanted.test(seen ?? "") : String(seen) === String(wanted);
}

/** The body may share its row with a time and a state, so a text counts when the row begins with it or is it. */
function sameTexts(seen, wanted) {
  return seen.length === wanted.length && seen.every((s, i) => s === wanted[i]);
}
