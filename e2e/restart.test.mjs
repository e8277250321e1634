import { test } from "node:test";
import { NO_WEBRTC } from "./harness/cables.mjs";
import { world } from "./harness/world.mjs";

test("kill -9 of the node between and during stores loses nothing", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair({ ana: { initScripts: [NO_WEBRTC] }, ben: { initScripts: [NO_WEBRTC] } });
  await ben.browser.close();
  const texts = [];
  for (let round = 1; round <= 3; round++) {
    const text = `Before kill ${round}`;
    texts.push(text, `During kill ${round}`, `While it was down ${round}`);
    await ana.send(text);
    await ana.sees(text, { state: "stored" });
    await ana.send(`During kill ${round}`);
    await w.node.kill();
    await ana.send(`While it was down ${round}`);
    await ana.at("offline-banner").waitFor();
    await w.node.start();
    await ana.sees(`While it was down ${round}`, { state: "stored" });
  }
  await ana.browser.close();
  await ben.comeBack();
  await ben.openTopic("Weekend trip");
  await ben.shows(texts);
  w.pass();
});

test("a direct conversation does not notice that the node is gone", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair();
  await ana.pathBadge("Direct");
  await ben.pathBadge("Direct");
  await w.node.kill();
  await ana.send("The node is down.");
  await ben.sees("The node is down.", { path: "direct" });
  await ben.send("I would not have known.");
  await ana.sees("I would not have known.", { path: "direct" });
  await w.node.start();
  await ana.shows(["The node is down.", "I would not have known."]);
  w.pass();
});
