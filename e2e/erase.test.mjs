import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { RESULTS, world } from "./harness/world.mjs";

const NASTY = `<img src=x onerror="document.title='run'"><script>document.title='run'</script>`;

/** What of Harbor's lies in this browser. */
const traces = (chat) =>
  chat.page.evaluate(async () => ({
    databases: (await indexedDB.databases()).map((d) => d.name).filter((n) => n.startsWith("harbor-")),
    remembered: Object.keys(localStorage).filter((k) => k.startsWith("harbor-")),
  }));

/** Opens the settings and says yes to erasing everything. */
async function eraseAll(chat) {
  await chat.at("erase-button").click();
  await chat.at("erase-yes").click();
  await chat.at("start-button").waitFor();
}

test("erasing everything leaves nothing in any tab, and the others keep what they have", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("Only for us");
  await ben.sees("Only for us");
  const tab = await ana.anotherTab();
  await tab.openTopicAgain("Weekend trip");
  await tab.sees("Only for us");
  await ana.openSettings();
  await ana.page.evaluate(() => localStorage.setItem("harbor-theme", "dark"));

  await eraseAll(ana);
  await tab.at("over-text").filter({ hasText: "erased in another tab" }).waitFor();
  assert.ok(!(await tab.page.locator("body").innerText()).includes("Only for us"));
  await tab.page.close();
  // The start page has made itself an empty database again; nobody is remembered.
  assert.deepEqual((await traces(ana)).remembered, []);
  await ana.page.reload();
  await ana.at("start-button").waitFor();
  assert.equal(await ana.page.evaluate(() => document.documentElement.dataset.theme), undefined);

  await ana.begin("Anna");
  assert.equal(await ana.at("topic-row").count(), 0);
  await ben.page.reload();
  await ben.openTopicAgain("Weekend trip");
  await ben.shows(["Only for us"]);
  w.pass();
});

test("what cannot be read any more can be erased, and the browser is as new", async (t) => {
  const w = await world(t);
  const ana = await w.person("Ana");
  await ana.begin("Ana");
  await ana.createRoom("Garden");
  // A browser that lost a part: the key is gone, the records are there.
  await ana.page.evaluate(async () => {
    const done = (request) => new Promise((ok, no) => ((request.onsuccess = () => ok(request.result)), (request.onerror = no)));
    const db = await done(indexedDB.open("harbor-default"));
    await done(db.transaction("meta", "readwrite").objectStore("meta").delete("key"));
    db.close();
  });
  await ana.page.reload();
  assert.match(await ana.errorText(), /erased a part/);
  await eraseAll(ana);
  await ana.begin("Ana");
  assert.equal(await ana.at("topic-row").count(), 0);
  w.pass();
});

/** The file that a click on `button` saves. */
async function saved(chat, button) {
  const download = chat.page.waitForEvent("download");
  await chat.at(button).click();
  const file = await download;
  return { name: file.suggestedFilename(), file: await file.path() };
}

test("a conversation is exported for programs and for people, and runs nothing", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  // More than a page of history.
  const many = Array.from({ length: 110 }, (_, n) => `message ${n}`);
  await ana.burst(many);
  await ben.send(NASTY);
  await ana.sees(NASTY);
  await ana.at("details-button").click();

  const json = await saved(ana, "export-json");
  assert.match(json.name, /^harbor-Weekend-trip-\d{4}-\d\d-\d\d\.json$/);
  const { conversation, messages, ...head } = JSON.parse(await readFile(json.file, "utf8"));
  assert.deepEqual([head.format, head.version, conversation.title], ["harbor-history", 1, "Weekend trip"]);
  assert.deepEqual(conversation.members.map((m) => m.name).sort(), ["Ana", "Ben"]);
  const texts = messages.filter((m) => m.kind === "text").map((m) => m.text);
  assert.deepEqual(texts, [...many, NASTY]);
  const last = messages.at(-1);
  assert.deepEqual([last.author_name, last.mine, last.state], ["Ben", false, null]);
  assert.ok(Math.abs(Date.parse(last.sent_at) - Date.now()) < 600_000, last.sent_at);
  assert.ok(messages.filter((m) => m.mine && m.kind === "text").every((m) => m.state), "own messages have a state");

  const html = await saved(ana, "export-html");
  assert.match(html.name, /\.html$/);
  const page = await ana.browser.context.newPage();
  const asked = [];
  page.on("request", (r) => r.url().startsWith("data:text/html") || asked.push(r.url()));
  const written = await readFile(html.file, "utf8");
  await page.goto(`data:text/html;base64,${Buffer.from(written).toString("base64")}`);
  assert.equal(await page.locator("li.mine").count(), many.length);
  assert.equal(await page.locator("li.theirs .said").innerText(), NASTY);
  assert.equal(await page.title(), "Weekend trip · Harbor", "a message's markup ran");
  assert.equal(await page.locator("img, script").count(), 0);
  assert.deepEqual(asked, [], "it loads nothing");
  await look(page, "export");
  // And were it markup, the file's own policy would let nothing run or load.
  const broken = written.replace("<main>", `<main>${NASTY}`);
  await page.goto(`data:text/html;base64,${Buffer.from(broken).toString("base64")}`);
  assert.equal(await page.locator("img").count(), 1);
  assert.equal(await page.title(), "Weekend trip · Harbor", "the policy let it run");
  w.pass();
});

/** A picture on a phone in the dark, for people to look at. */
async function look(page, name) {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.emulateMedia({ colorScheme: "dark" });
  await page.screenshot({ path: path.join(RESULTS, "looks", `${name}-phone-dark.png`) });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `${over} px wider than the window`);
}
