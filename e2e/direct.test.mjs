import assert from "node:assert/strict";
import { test } from "node:test";
import { messagePackets } from "./harness/counts.mjs";
import { world } from "./harness/world.mjs";

test("two browsers talk directly, and the node sees signalling only", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.pathBadge("Direct");
  await ben.pathBadge("Direct");

  const before = messagePackets(await w.node.counters());
  await ana.send("Shall we take the early train?");
  await ben.sees("Shall we take the early train?", { path: "direct", mine: false });
  await ben.send("Yes, the 7:12 from platform 4.");
  await ana.sees("Yes, the 7:12 from platform 4.", { path: "direct", mine: false });
  await ana.send("Then I bring the coffee.");
  await ben.sees("Then I bring the coffee.", { path: "direct" });
  // The sender learns it too.
  await ana.sees("Shall we take the early train?", { state: "delivered", path: "direct", mine: true });
  await ana.sees("Then I bring the coffee.", { state: "delivered", path: "direct" });
  await ben.sees("Yes, the 7:12 from platform 4.", { state: "delivered", path: "direct" });

  assert.deepEqual(messagePackets(await w.node.counters()), before, "a message packet went to the node");
  const all = ["Shall we take the early train?", "Yes, the 7:12 from platform 4.", "Then I bring the coffee."];
  await ana.shows(all);
  await ben.shows(all);
  w.pass();
});

test("a conversation of two people has the other's name", async (t) => {
  const w = await world(t);
  const [ana, ben] = await Promise.all([w.person("Ana"), w.person("Ben")]);
  await ana.begin("Ana");
  await ana.at("new-dm").click();
  await ana.at("composer").waitFor();
  await ana.send("Written before you came.");
  await ben.joinAs("Ben", await ana.invite());
  await ana.sawMember("Ben");
  await ben.sawMember("Ana");
  await ana.send("Hello Ben");
  await ben.sees("Hello Ben");
  await ben.send("Hello Ana");
  await ana.sees("Hello Ana");
  w.pass();
});

test("hiding the address closes the direct path, and messages still arrive", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.pathBadge("Direct");
  await ben.hideIp();
  await ben.openTopicAgain("Weekend trip");
  await ana.pathBadge("Relayed");
  await ana.send("Can you still read me?");
  await ben.sees("Can you still read me?", { path: "relayed" });
  await ben.send("I can.");
  await ana.sees("I can.", { path: "relayed" });
  await ana.shows(["Can you still read me?", "I can."]);
  w.pass();
});
