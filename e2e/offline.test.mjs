import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./harness/until.mjs";
import { world } from "./harness/world.mjs";

const THREE = ["The train is late.", "I am in carriage 9.", "Bring the blue bag."];

test("what is said to somebody who is gone waits on the node, and arrives once and in order", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.send("See you at six.");
  await ben.sees("See you at six.");
  await ana.sees("See you at six.", { state: "delivered" });

  // Nobody says goodbye: Ana's channel to Ben still looks open.
  await ben.kill();
  for (const text of THREE) await ana.send(text);
  for (const text of THREE) await ana.sees(text, { state: "stored", path: "stored" });
  assert.match(await ana.message(THREE[0]).innerText(), /On 1 node/);

  await ana.browser.close();
  await ben.comeBack();
  await ben.openTopic("Weekend trip");
  await ben.shows(["See you at six.", ...THREE]);
  for (const text of THREE) await ben.sees(text, { path: "stored", mine: false });

  await ana.comeBack();
  await ana.openTopic("Weekend trip");
  for (const text of THREE) await ana.sees(text, { state: "delivered" });
  await ana.shows(["See you at six.", ...THREE]);
  await ben.shows(["See you at six.", ...THREE]);
  w.pass();
});

test("unread messages are counted in the list until they are seen", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ben.kill();
  for (const text of THREE) await ana.send(text);
  for (const text of THREE) await ana.sees(text, { state: "stored" });
  await ben.comeBack();
  await ben.unread("Weekend trip", 3);
  await ben.openTopic("Weekend trip");
  await ben.shows(THREE);
  await ben.unread("Weekend trip", 0);
  w.pass();
});

test("somebody invited while the inviter is away is let in when the inviter returns", async (t) => {
  const w = await world(t);
  const [ana, ben] = await Promise.all([w.person("Ana"), w.person("Ben")]);
  await ana.begin("Ana");
  await ana.createRoom("Harbour walk");
  const link = await ana.invite();
  // What the link leads to has to be on the node before its maker leaves.
  const stored = async () => (await w.node.counters()).stored;
  await until("the invite to be stored", async () => (await stored()) >= 2);
  await ana.browser.close();

  await ben.ask("Ben", link);
  await ben.waiting();
  await until("the request to be stored", async () => (await stored()) >= 3);
  await ben.kill();
  await ana.comeBack();
  await ana.openTopic("Harbour walk");
  await ana.sawMember("Ben");
  await ben.comeBack();
  await ben.openTopicAgain("Harbour walk");
  await ben.send("Here I am.");
  await ana.sees("Here I am.");
  w.pass();
});
