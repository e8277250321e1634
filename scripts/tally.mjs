// Reads how many tests ran from what the test runners print.

/** Sums the closing lines of cargo test, wasm-bindgen-test-runner and node's test runner in `text`. */
export function tally(text) {
  const sum = { passed: 0, failed: 0, skipped: 0 };
  // eslint-disable-next-line no-control-regex -- runners colour their closing lines
  const plain = text.replace(/\x1b\[[0-9;]*m/g, "");
  for (const [, passed, failed, ignored] of plain.matchAll(/^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    sum.passed += Number(passed);
    sum.failed += Number(failed);
    sum.skipped += Number(ignored);
  }
  const names = { pass: "passed", fail: "failed", cancelled: "failed", skipped: "skipped", todo: "skipped" };
  for (const [, what, count] of plain.matchAll(/^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) (\d+)$/gm)) {
    sum[names[what]] += Number(count);
  }
  return sum;
}

/** What a step counts for: a runner that broke without counting a failure is one, and so is one that ran nothing. */
export function judge(text, code) {
  const sum = tally(text);
  if (code !== 0 && sum.failed === 0) sum.failed = 1;
  if (code === 0 && sum.passed + sum.failed === 0) sum.failed = 1;
  return sum;
}

/** The plain closing line. */
export function closingLine({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
}
