// Installs everything that `npm start` and `npm test` need, and nothing else.
import { runMain, say } from "./run.mjs";
import { EMBEDDED, ensureBuildTools, ensureChromium, ensureTarget } from "./tools.mjs";

await runMain(async () => {
  await ensureBuildTools();
  await ensureTarget(EMBEDDED, "stands for microcontrollers");
  await ensureTarget("wasm32-wasip1", "runs the protocol's tests as WebAssembly");
  await ensureChromium();
  say("Everything is there.");
});
