import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOCK, FULL, NO_WEBRTC } from "./harness/cables.mjs";
import { world } from "./harness/world.mjs";

const DAY_MS = 24 * 3_600_000;

/** A sentence, and one that says what to do. */
function helps(text, pattern) {
  assert.match(text, pattern);
  assert.match(text, /[.!]/, `"${text}" is a sentence`);
  assert.doesNotMatch(text, /undefined|null|Error:|panicked|JsValue|_[a-z]+/, "no programmer's words");
}

test("a broken invite link: ask for a new one", async (t) => {
  const w = await world(t);
  const [ana, ben] = await Promise.all([w.person("Ana"), w.person("Ben")]);
  await ana.begin("Ana");
  await ana.createRoom("Garden");
  const link = await ana.invite();
  for (const broken of [link.slice(0, -9), `${link}xyz`, swapped(link)]) {
    await ben.follow(broken);
    helps(await ben.errorText(), /ask for|copy/i);
  }
  // The whole link still works after the broken ones.
  await ben.joinAs("Ben", link);
  w.pass();
});

/** One character in the middle of the secret changed. */
function swapped(link) {
  const at = link.length - 20;
  return link.slice(0, at) + (link[at] === "A" ? "B" : "A") + link.slice(at + 1);
}

test("an expired invite: ask for a new one", async (t) => {
  const w = await world(t);
  const [ana, ben] = await Promise.all([w.person("Ana"), w.person("Ben", { initScripts: [CLOCK] })]);
  await ana.begin("Ana");
  await ana.createRoom("Garden");
  const link = await ana.invite();
  await ben.page.evaluate((ms) => localStorage.setItem("test-clock-ms", String(ms)), 8 * DAY_MS);
  await ben.follow(link);
  helps(await ben.errorText(), /expired.*new/is);
  w.pass();
});

test("an invite that was used: ask for your own", async (t) => {
  const w = await world(t);
  const [ana, ben, cleo] = await Promise.all(["Ana", "Ben", "Cleo"].map((n) => w.person(n)));
  await ana.begin("Ana");
  await ana.createRoom("Garden");
  const link = await ana.invite();
  await ben.joinAs("Ben", link);
  await cleo.follow(link);
  const refused = cleo.at("error-text").first();
  const join = cleo.at("join-button");
  await refused.or(join).first().waitFor();
  if (await join.isVisible()) {
    await cleo.at("name-input").fill("Cleo");
    await join.click();
  }
  helps(await cleo.errorText(), /used|taken back/i);
  w.pass();
});

test("the node cannot be reached: the page says so, and takes what is written", async (t) => {
  const w = await world(t);
  const [ana] = await w.pair({ ana: { initScripts: [NO_WEBRTC] } });
  await w.node.kill();
  await ana.at("offline-banner").waitFor();
  helps(await ana.at("offline-banner").innerText(), /cannot be reached|no network/i);
  await ana.send("It waits here");
  await ana.sees("It waits here", { state: "queued" });
  await ana.page.reload();
  await ana.openTopicAgain("Weekend trip");
  await ana.sees("It waits here", { state: "queued" });
  w.pass();
});

test("following an invite without the node: check the connection and try again", async (t) => {
  const w = await world(t);
  const [ana, ben] = await Promise.all([w.person("Ana"), w.person("Ben")]);
  await ana.begin("Ana");
  await ana.createRoom("Garden");
  const link = await ana.invite();
  await ben.begin("Ben");
  await w.node.kill();
  await ben.at("offline-banner").waitFor();
  await ben.page.evaluate((hash) => (location.hash = hash), new URL(link).hash);
  helps(await ben.errorText(), /cannot be reached|connection/i);
  w.pass();
});

test("the device is full: the page says so and keeps what it has", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair({ ana: { initScripts: [FULL] } });
  await ana.send("While there is room");
  await ben.sees("While there is room");
  await ana.page.evaluate(() => (window.harborFull = true));
  await ana.at("composer").fill("No room for this one");
  await ana.at("send-button").click();
  helps(await ana.errorText(), /full|space|storage/i);
  // The device has room again after the reload, which forgets that it was full.
  await ana.page.reload();
  await ana.openTopicAgain("Weekend trip");
  await ana.send("Room again");
  await ben.sees("Room again");
  const kept = await ana.texts();
  assert.equal(kept[0], "While there is room");
  assert.equal(new Set(kept).size, kept.length);
  w.pass();
});

test("plain http from another machine: the page says why it cannot start", async (t) => {
  const w = await world(t);
  const ana = await w.person("Ana", { flags: ["--host-resolver-rules=MAP harbor.test 127.0.0.1"] });
  await ana.follow(w.node.url.replace("localhost", "harbor.test"));
  helps(await ana.errorText(), /https/i);
  w.pass();
});

test("an empty or endless name is refused with a sentence", async (t) => {
  const w = await world(t);
  const ana = await w.person("Ana");
  await ana.at("name-input").fill("   ");
  await ana.at("start-button").click();
  helps(await ana.errorText(), /name/i);
  await ana.at("name-input").fill("x".repeat(500));
  await ana.at("start-button").click();
  const refused = ana.at("error-text").first();
  const taken = ana.at("new-room");
  await refused.or(taken).first().waitFor(); // a field that takes no more than fits is as good
  w.pass();
});

