import { test } from "node:test";
import { NO_WEBRTC } from "./harness/cables.mjs";
import { world } from "./harness/world.mjs";

test("without WebRTC the same conversation runs through the node", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair({ ana: { initScripts: [NO_WEBRTC] }, ben: { initScripts: [NO_WEBRTC] } });
  await ana.pathBadge("Relayed");
  await ben.pathBadge("Relayed");
  await ana.send("Does this get through?");
  await ben.sees("Does this get through?", { path: "relayed", mine: false });
  await ben.send("It does.");
  await ana.sees("It does.", { path: "relayed", mine: false });
  await ana.sees("Does this get through?", { state: "delivered", path: "relayed" });
  await ben.sees("It does.", { state: "delivered", path: "relayed" });
  await ana.shows(["Does this get through?", "It does."]);
  await ben.shows(["Does this get through?", "It does."]);
  w.pass();
});

test("one side without WebRTC is enough to relay", async (t) => {
  const w = await world(t);
  const [ana, ben] = await w.pair({ ben: { initScripts: [NO_WEBRTC] } });
  await ana.pathBadge("Relayed");
  await ana.send("Old browser?");
  await ben.sees("Old browser?", { path: "relayed" });
  await ben.send("Very.");
  await ana.sees("Very.", { path: "relayed" });
  w.pass();
});
