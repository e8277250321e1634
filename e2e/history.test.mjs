import assert from "node:assert/strict";
import { test } from "node:test";
import { READS } from "./harness/cables.mjs";
import { until } from "./harness/until.mjs";
import { world } from "./harness/world.mjs";

/** Enough for several pages. That 50,000 open as quickly is shown at the store (harbor-wasm/src/store/tests.rs). */
const COUNT = 120;
/** What opening may read: a page of history with its states, and the records that the client starts from. */
const READ_AT_MOST = 110;

test("a long conversation opens at its end and is read backwards by pages", async (t) => {
  const w = await world(t);
  const ana = await w.person("Ana", { initScripts: [READS] });
  await ana.begin("Ana");
  await ana.createRoom("Logbook");
  await ana.burst(Array.from({ length: COUNT }, (_, n) => `Entry ${n + 1}`));
  await ana.sees(`Entry ${COUNT}`);

  await ana.page.reload();
  await ana.openTopicAgain("Logbook");
  await ana.sees(`Entry ${COUNT}`);
  const first = await ana.texts();
  assert.ok(first.length < COUNT, `${first.length} rows on the page after opening`);
  assert.equal(first.at(-1), `Entry ${COUNT}`);
  // Own messages that no one has received yet wait in the outbox, which is read whole: that is not history.
  const reads = await ana.page.evaluate(() => window.harborReads);
  assert.ok(reads.largest <= Math.max(READ_AT_MOST, COUNT + 50), `one request gave ${reads.largest} records`);

  // Back to the beginning, as a person does it.
  await until("the first entry after scrolling up", async () => {
    await ana.page.getByRole("log").evaluate((log) => {
      for (let e = log; e; e = e.parentElement) if (e.scrollHeight > e.clientHeight) e.scrollTop = 0;
    });
    return (await ana.message("Entry 1").count()) > 0;
  });
  const seen = await ana.texts();
  const numbers = seen.map((s) => Number(s.split(" ")[1]));
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), "in order");
  assert.equal(new Set(numbers).size, numbers.length, "each once");
  w.pass();
});
