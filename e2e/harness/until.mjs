// Waiting for a condition: the only way to wait in these tests.

/** How long a condition may take before the test says it will not come. Generous: it costs nothing when met. */
export const PATIENCE_MS = Number(process.env.E2E_PATIENCE_MS ?? 60_000);

/**
 * Calls `probe` until it gives something true and returns that.
 * @param {string} what said when it never does, with the last value or error
 */
export async function until(what, probe, patience = PATIENCE_MS) {
  const deadline = Date.now() + patience;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const seen = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`waited ${patience / 1000} s for: ${what}; last seen: ${seen}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
