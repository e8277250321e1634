// `npm start`: from a fresh clone to a chat on http://localhost:8080. Arguments after `--` go to `harbor`.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import path from "node:path";
import { buildNode, buildPage, fetchCrates } from "./build.mjs";
import { root, runMain, say } from "./run.mjs";
import { ensureBuildTools } from "./tools.mjs";

await runMain(async () => {
  if (!existsSync(path.join(root, "target", "release"))) {
    say("First start: tools, page and node are built now. That takes 10 to 15 minutes on two cores, later starts take seconds.");
  }
  await ensureBuildTools();
  await fetchCrates();
  await buildPage({ debug: false });
  const harbor = await buildNode({ debug: false });
  await serve(harbor, process.argv.slice(2));
});

/** Runs the node until it ends; its data stays in ./data. */
function serve(harbor, args) {
  const data = path.join(root, "data");
  mkdirSync(data, { recursive: true });
  say(`Harbor starts on http://localhost:8080 and keeps its data in ${path.relative(process.cwd(), data) || data}. Ctrl+C ends it.`);
  const child = spawn(harbor, ["--serve", "--dev", "--data-dir", data, ...args], { stdio: "inherit" });
  // The terminal sends Ctrl+C to both; the node drains, and this process waits for it.
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      process.exitCode = code ?? 0;
      resolve();
    });
  });
}
