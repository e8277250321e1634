import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { until } from "./harness/until.mjs";
import { RESULTS, world } from "./harness/world.mjs";

/** The row whose own text is this; a quote of it in another row does not count. */
function said(chat, text) {
  const { page } = chat;
  return chat.messages.filter({ has: page.getByTestId("message-body").and(page.getByText(text, { exact: true })) });
}

/** Opens the menu of the message of that text. */
async function menu(chat, text) {
  const row = said(chat, text);
  await row.hover();
  await row.getByTestId("message-actions").click();
  await chat.at("actions-menu").waitFor();
}

/** Chooses from it. */
async function choose(chat, text, action) {
  await menu(chat, text);
  await chat.at(`action-${action}`).click();
}

async function react(chat, text, emoji) {
  await menu(chat, text);
  await chat.at("actions-menu").getByText(emoji, { exact: true }).click();
}

/** Waits until the reactions of a message are these, own ones with a star. */
async function reactions(chat, text, wanted) {
  await until(`${chat.browser.name} to see ${wanted} at "${text}"`, async () => {
    const chips = said(chat, text).getByTestId("reaction");
    const seen = await chips.evaluateAll((all) => all.map((c) => c.textContent + (c.ariaPressed === "true" ? "*" : "")));
    if (seen.join(" ") !== wanted) throw new Error(seen.join(" "));
    return true;
  });
}

const GONE = "This message was deleted";

test("a message is edited and deleted at both, and stays so after a reload", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("See you at sevn");
  await ben.sees("See you at sevn");
  await ana.at("composer").fill("half a thought");
  await choose(ana, "See you at sevn", "edit");
  assert.equal(await ana.at("composer").inputValue(), "See you at sevn");
  await ana.at("composer").press("Escape");
  assert.equal(await ana.at("composer").inputValue(), "half a thought", "what was begun comes back");

  await choose(ana, "See you at sevn", "edit");
  await ana.at("composer").fill("See you at seven");
  await ana.at("composer").press("Enter");
  for (const chat of [ana, ben]) {
    await chat.sees("See you at seven");
    await chat.message("See you at seven").getByTestId("edited").waitFor();
  }
  assert.equal(await ana.at("composer").inputValue(), "half a thought");
  await ana.at("composer").fill("");
  await menu(ben, "See you at seven");
  assert.equal(await ben.at("action-edit").count() + (await ben.at("action-delete").count()), 0, "only one's own");
  await ben.page.keyboard.press("Escape");
  await ben.at("actions-menu").waitFor({ state: "detached" });

  await choose(ana, "See you at seven", "delete");
  await ana.at("delete-confirm").click();
  for (const chat of [ana, ben]) {
    await chat.shows([GONE]);
    assert.equal(await chat.page.getByTestId("message-actions").count(), 0, "nothing more can be done with it");
    await chat.page.reload();
    await chat.openTopicAgain("Weekend trip");
    await chat.shows([GONE]);
  }
  w.pass();
});

test("what was edited and deleted while the other was away comes right on return", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("one");
  await ben.sees("one");
  await ben.kill();
  await ana.send("two");
  await choose(ana, "one", "edit");
  await ana.at("composer").fill("one, better");
  await ana.at("composer").press("Enter");
  await ana.sees("one, better");
  await choose(ana, "two", "delete");
  await ana.at("delete-confirm").click();
  await ana.shows(["one, better", GONE]);
  await ben.comeBack();
  await ben.openTopicAgain("Weekend trip");
  await ben.shows(["one, better", GONE]);
  w.pass();
});

test("reactions are counted, shown as one's own, and taken back", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("Cake?");
  await ben.sees("Cake?");
  await react(ben, "Cake?", "👍");
  await reactions(ben, "Cake?", "👍1*");
  await reactions(ana, "Cake?", "👍1");
  await ana.message("Cake?").getByTestId("reaction").click();
  await react(ana, "Cake?", "🎉");
  await reactions(ana, "Cake?", "👍2* 🎉1*");
  await reactions(ben, "Cake?", "👍2* 🎉1");
  await ben.message("Cake?").getByTestId("reaction").first().click();
  await reactions(ana, "Cake?", "👍1* 🎉1*");
  await ana.page.reload();
  await ana.openTopicAgain("Weekend trip");
  await reactions(ana, "Cake?", "👍1* 🎉1*");
  w.pass();
});

test("a reply shows what it answers, follows its edits, and does not outlive its deletion", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("Which train?");
  await ben.sees("Which train?");
  await choose(ben, "Which train?", "reply");
  assert.match(await ben.at("composer-mode").innerText(), /Replying to Ana/);
  await ben.at("composer").fill("The 7:12");
  await ben.at("composer").press("Enter");
  const quote = (chat) => chat.message("The 7:12").getByTestId("quote");
  const quotes = (chat, who, text) =>
    until(`${chat.browser.name} to quote "${text}"`, async () => {
      const said = (await quote(chat).allInnerTexts()).join("").split("\n").map((line) => line.trim());
      if (said.join() !== [who, text].join()) throw new Error(said.join());
      return true;
    });
  await quotes(ana, "You", "Which train?");
  await quotes(ben, "Ana", "Which train?");
  assert.equal(await ben.at("composer-mode").count(), 0);
  await choose(ana, "Which train?", "edit");
  await ana.at("composer").fill("Which train, then?");
  await ana.at("composer").press("Enter");
  await quotes(ben, "Ana", "Which train, then?");
  await react(ana, "The 7:12", "❤️");
  await reactions(ben, "The 7:12", "❤️1");

  await pictures(ana, "amend");
  await choose(ana, "Which train, then?", "delete");
  await ana.at("delete-confirm").click();
  await quotes(ben, "Ana", GONE);
  await quote(ben).click();
  await ben.page.reload();
  await ben.openTopicAgain("Weekend trip");
  await quotes(ben, "Ana", GONE);
  assert.ok(!(await ben.page.content()).includes("Which train"), "its text is nowhere on the page");
  w.pass();
});

/** For people to look at: the menu, the reply being written, reactions and quotes, on a phone and a desk. */
async function pictures(chat, name) {
  await chat.send("Then I bring the coffee, and you bring the good mood. It is a long line, so that one sees how it wraps.");
  const dir = path.join(RESULTS, "looks");
  await mkdir(dir, { recursive: true });
  for (const [size, viewport] of Object.entries({ desk: { width: 1100, height: 800 }, phone: { width: 360, height: 640 } })) {
    await chat.page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await chat.page.emulateMedia({ colorScheme });
      await choose(chat, "The 7:12", "reply");
      await menu(chat, colorScheme === "light" ? "The 7:12" : "Which train, then?");
      const over = await chat.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${name} at ${size}: ${over} px wider than the window`);
      const inside = await chat.at("actions-menu").evaluate((e) => {
        const r = e.getBoundingClientRect();
        return r.left >= 0 && r.top >= 0 && r.right <= innerWidth && r.bottom <= innerHeight;
      });
      assert.ok(inside, "the menu is on the screen");
      await chat.page.screenshot({ path: path.join(dir, `${name}-${size}-${colorScheme}.png`) });
      await chat.page.keyboard.press("Escape");
      await chat.at("actions-menu").waitFor({ state: "detached" });
      await chat.at("cancel-mode").click();
    }
  }
  await chat.page.setViewportSize({ width: 1100, height: 800 });
}
