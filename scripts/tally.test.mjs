import assert from "node:assert/strict";
import { test } from "node:test";
import { closingLine, judge, tally } from "./tally.mjs";

test("several cargo test binaries and their colours are summed", () => {
  const text = [
    "test result: \x1b[32mok\x1b[0m. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
    "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
    "a line that says 7 passed; 0 failed; 0 ignored in the middle",
  ].join("\n");
  assert.deepEqual(tally(text), { passed: 15, failed: 2, skipped: 1 });
});

test("node's runner is read in both of its forms", () => {
  assert.deepEqual(tally("ℹ tests 4\nℹ pass 2\nℹ fail 1\nℹ cancelled 1\nℹ skipped 0\nℹ todo 0"), { passed: 2, failed: 2, skipped: 0 });
  assert.deepEqual(tally("# pass 5\n# fail 0"), { passed: 5, failed: 0, skipped: 0 });
});

test("a runner that broke, or ran nothing, is a failure", () => {
  assert.equal(judge("error: could not compile", 101).failed, 1);
  assert.equal(judge("ℹ pass 0\nℹ fail 0", 0).failed, 1);
  assert.equal(judge("ℹ pass 3\nℹ fail 0", 0).failed, 0);
});

test("the closing line is plain", () => {
  assert.equal(closingLine({ passed: 3, failed: 0, skipped: 0 }), "3 passed, 0 failed");
  assert.equal(closingLine({ passed: 3, failed: 1, skipped: 2 }), "3 passed, 1 failed, 2 skipped");
});
