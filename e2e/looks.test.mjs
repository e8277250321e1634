import assert from "node:assert/strict";
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { RESULTS, world } from "./harness/world.mjs";

const SIZES = { desk: { width: 1100, height: 800 }, phone: { width: 360, height: 740 }, narrow: { width: 320, height: 600 } };

/** Nothing sticks out to the side, and a picture is kept for people to look at. */
async function look(chat, name) {
  await mkdir(path.join(RESULTS, "looks"), { recursive: true });
  for (const [size, viewport] of Object.entries(SIZES)) {
    await chat.page.setViewportSize(viewport);
    for (const colorScheme of ["light", "dark"]) {
      await chat.page.emulateMedia({ colorScheme });
      const over = await chat.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
      assert.ok(over <= 0, `${name} at ${size}: ${over} px wider than the window`);
      const file = path.join(RESULTS, "looks", `${name}-${size}-${colorScheme}.png`);
      await chat.page.screenshot({ path: file });
      assert.ok((await stat(file)).size > 3_000, `${name} at ${size} is not an empty page`);
    }
  }
  await chat.page.setViewportSize(SIZES.desk);
}

/** Every control has a name, and the page its landmarks. */
async function hasNames(chat, where) {
  const nameless = await chat.page.evaluate(() => {
    const named = (e) =>
      e.getAttribute("aria-label") || e.getAttribute("aria-labelledby") || e.textContent.trim() || e.labels?.length || e.title;
    const controls = document.querySelectorAll("button, a[href], input, textarea, select");
    return [...controls].filter((e) => e.checkVisibility() && !named(e)).map((e) => e.outerHTML.slice(0, 120));
  });
  assert.deepEqual(nameless, [], `${where}: controls without a name`);
}

test("every view fits a phone and a desk, light and dark, and names its controls", async (t) => {
  const w = await world(t);
  const fresh = await w.person("Cleo");
  await fresh.at("name-input").waitFor();
  await look(fresh, "1-start");
  await hasNames(fresh, "start");

  const [ana, ben] = await w.pair();
  await ana.send("Shall we take the early train? A long line shows how text wraps when somebody has a lot to say about it.");
  await ben.send("https://example.org/a-very-long-address-without-any-spaces/" + "x".repeat(120));
  await ana.sees("https://example.org/a-very-long-address-without-any-spaces/" + "x".repeat(120));
  await look(ana, "2-conversation");
  await hasNames(ana, "conversation");

  const log = ana.page.getByRole("log");
  await log.first().waitFor();
  const live = await ana.page.locator("[aria-live=polite], [role=status]").count();
  assert.ok(live > 0, "a separate announcer speaks");

  await ana.at("invite-button").first().click();
  await ana.at("invite-link").waitFor();
  await look(ana, "3-invite");
  await hasNames(ana, "invite");
  const link = await ana.at("invite-link").evaluate((e) => e.value ?? e.textContent);
  await ana.page.keyboard.press("Escape");

  await fresh.follow(link);
  await fresh.at("join-inviter").waitFor();
  assert.match(await fresh.page.locator("body").innerText(), /Ana/);
  await look(fresh, "4-join");
  await hasNames(fresh, "join");

  await ana.openSettings();
  await look(ana, "5-settings");
  await hasNames(ana, "settings");
  w.pass();
});

test("a conversation can be had with the keyboard alone", async (t) => {
  const w = await world(t);
  const ana = await w.person("Ana");
  const { keyboard } = ana.page;
  await ana.at("name-input").focus();
  await keyboard.type("Ana");
  await keyboard.press("Enter");
  await ana.at("new-room").waitFor();
  await ana.at("new-room").focus();
  await keyboard.press("Enter");
  await ana.at("room-title").waitFor();
  await ana.at("room-title").focus();
  await keyboard.type("Keys only");
  await keyboard.press("Enter");
  await ana.at("composer").waitFor();
  await ana.at("composer").focus();
  await keyboard.type("Typed and sent");
  await keyboard.press("Enter");
  await ana.sees("Typed and sent");
  w.pass();
});
