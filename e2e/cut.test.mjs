import { test } from "node:test";
import { CABLE } from "./harness/cables.mjs";
import { world } from "./harness/world.mjs";

const WITH_CABLE = { ana: { initScripts: [CABLE] }, ben: { initScripts: [CABLE] } };

/** Both write `count` messages, taking turns; `cut` happens after the third. Returns what each must show of each. */
async function talk(ana, ben, count, cut) {
  const texts = { ana: [], ben: [] };
  for (let n = 1; n <= count; n++) {
    texts.ana.push(`Ana ${n}`);
    texts.ben.push(`Ben ${n}`);
    await ana.send(`Ana ${n}`);
    await ben.send(`Ben ${n}`);
    if (n === 3) await cut();
  }
  return texts;
}

/** Each side shows every message of both once, and each sender's in the order sent. */
async function nothingLostNothingTwice(ana, ben, texts) {
  for (const chat of [ana, ben]) {
    for (const text of [...texts.ana, ...texts.ben]) await chat.sees(text);
    await chat.showsInterleaved([texts.ana, texts.ben]);
  }
}

async function allDelivered(ana, ben, texts) {
  for (const text of texts.ana) await ana.sees(text, { state: "delivered" });
  for (const text of texts.ben) await ben.sees(text, { state: "delivered" });
}

test("a direct path that goes silent in the middle loses nothing and shows nothing twice", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair(WITH_CABLE);
  await ana.pathBadge("Direct");
  await ben.pathBadge("Direct");
  const texts = await talk(ana, ben, 8, async () => {
    for (const chat of [ana, ben]) await chat.page.evaluate(() => window.harborCable.swallow());
  });
  // Everything arrives while the hole is still open: it comes by the node.
  await nothingLostNothingTwice(ana, ben, texts);
  for (const chat of [ana, ben]) await chat.page.evaluate(() => window.harborCable.tear());
  await allDelivered(ana, ben, texts);
  await nothingLostNothingTwice(ana, ben, texts);
  w.pass();
});

test("a direct path that is torn down in the middle loses nothing and is built again", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair(WITH_CABLE);
  await ana.pathBadge("Direct");
  await ben.pathBadge("Direct");
  const texts = await talk(ana, ben, 8, () => ana.page.evaluate(() => window.harborCable.tear()));
  await nothingLostNothingTwice(ana, ben, texts);
  await allDelivered(ana, ben, texts);
  await ana.pathBadge("Direct");
  await ana.send("Back on the short way");
  await ben.sees("Back on the short way", { path: "direct" });
  w.pass();
});
