import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOCK, NO_WEBRTC } from "./harness/cables.mjs";
import { world } from "./harness/world.mjs";

const HOUR_MS = 3_600_000;
const RELAYED = { ana: { initScripts: [NO_WEBRTC] }, ben: { initScripts: [NO_WEBRTC] } };
const WITH_CLOCK = { ana: { initScripts: [NO_WEBRTC, CLOCK] }, ben: { initScripts: [NO_WEBRTC, CLOCK] } };

/** The page's wall clock jumps ahead; what it measures time spans with does not. */
const jump = (chat, ms) => chat.page.evaluate((ms) => localStorage.setItem("test-clock-ms", String(ms)), ms);

test("after a reload the history is the same and the conversation goes on", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  const texts = ["One", "Two", "Three"];
  for (const text of texts) await ana.send(text);
  await ben.shows(texts);
  for (const chat of [ana, ben]) {
    await chat.page.reload();
    await chat.openTopicAgain("Weekend trip");
    await chat.shows(texts);
  }
  await ben.send("Four");
  await ana.sees("Four");
  await ana.send("Five");
  await ben.shows([...texts, "Four", "Five"]);
  await ana.shows([...texts, "Four", "Five"]);
  w.pass();
});

test("a browser killed while it writes keeps what it showed, and the other sees each message once", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  let shown = [];
  for (let round = 1; round <= 3; round++) {
    // A burst without waiting for anything between the messages, and the kill comes in its middle.
    const burst = ana.burst(Array.from({ length: 12 }, (_, n) => `Round ${round}, message ${n + 1}`)).catch(() => {});
    await ana.message(`Round ${round}, message ${4 * round - 2}`).first().waitFor();
    shown = await ana.texts();
    await ana.kill();
    await burst;
    await ana.comeBack();
    await ana.openTopicAgain("Weekend trip");
    await ana.sees(shown.at(-1));
    const kept = await ana.texts();
    assert.deepEqual(kept.slice(0, shown.length), shown, "a message that was shown is gone");
    assert.equal(new Set(kept).size, kept.length, "a message is there twice");
  }
  const all = await ana.texts();
  await ben.shows(all);
  for (const text of all) await ana.sees(text, { state: "delivered" });
  w.pass();
});

test("two tabs are one person: both write, either may close", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("From the first tab");
  const second = await ana.anotherTab();
  await second.openTopicAgain("Weekend trip");
  await second.shows(["From the first tab"]);
  await second.send("From the second tab");
  await ana.shows(["From the first tab", "From the second tab"]);
  await ben.shows(["From the first tab", "From the second tab"]);

  // The tab that did the work closes; the other takes over, in the middle of what it was sending.
  const more = ["Third", "Fourth", "Fifth"];
  const burst = second.burst(more);
  await ana.page.close();
  await burst;
  const all = ["From the first tab", "From the second tab", ...more];
  await second.shows(all);
  await ben.shows(all);
  await ben.send("I see you once");
  await second.shows([...all, "I see you once"]);
  for (const text of all) await second.sees(text, { state: "delivered" });
  w.pass();
});

for (const [what, ms] of [["an hour", HOUR_MS], ["nine days", 9 * 24 * HOUR_MS]]) {
  test(`offline while the clock moves on by ${what}: the same history, nothing twice`, async (t) => {
    const w = await world(t);
    const [ana, ben] = await w.pair(WITH_CLOCK);
    await ana.send("Before the sleep");
    await ben.sees("Before the sleep");
    await ana.sees("Before the sleep", { state: "delivered" });

    // Ben's cable is out. Ana's message is stored meanwhile; Ben's waits on his own device.
    await ben.browser.context.setOffline(true);
    await ben.at("offline-banner").waitFor();
    await ben.send("Written under way");
    await ben.sees("Written under way", { state: "queued" });
    await ana.send("Stored for Ben");
    await ana.sees("Stored for Ben", { state: "stored" });

    await jump(ana, ms);
    await jump(ben, ms);
    await ben.browser.context.setOffline(false);
    await ben.sees("Stored for Ben");
    await ana.sees("Written under way");
    await ana.sees("Stored for Ben", { state: "delivered" });
    await ben.sees("Written under way", { state: "delivered" });
    for (const chat of [ana, ben]) await chat.showsInterleaved([["Before the sleep", "Stored for Ben"], ["Written under way"]]);

    // And after a restart into the new time, still.
    await ben.browser.close();
    await ben.comeBack();
    await ben.openTopicAgain("Weekend trip");
    await ana.send("After the sleep");
    await ben.sees("After the sleep");
    await ben.showsInterleaved([["Before the sleep", "Stored for Ben", "After the sleep"], ["Written under way"]]);
    w.pass();
  });
}

test("an outbox survives being closed, and leaves when the network is back", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair(RELAYED);
  await w.node.kill();
  await ana.at("offline-banner").waitFor();
  for (const text of ["A", "B", "C"]) await ana.send(text);
  await ana.sees("C", { state: "queued" });
  assert.match(await ana.at("offline-banner").innerText(), /3 messages/);
  await ana.browser.close();
  await w.node.start();
  await ana.comeBack();
  await ana.openTopicAgain("Weekend trip");
  await ben.shows(["A", "B", "C"]);
  await ana.sees("C", { state: "delivered" });
  w.pass();
});
