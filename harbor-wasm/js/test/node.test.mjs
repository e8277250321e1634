// What holds outside of a browser.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, symlink, mkdir, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { installed, repository } from "./setup.mjs";

const manifest = JSON.parse(readFileSync(path.join(installed, "package.json"), "utf8"));

/** A folder of somebody else's that has the package. */
async function stranger() {
  const folder = await mkdtemp(path.join(os.tmpdir(), "harbor-consumer-"));
  await mkdir(path.join(folder, "node_modules"));
  await symlink(installed, path.join(folder, "node_modules", "harbor-wasm"));
  return folder;
}

test("importing it in Node does nothing, and connecting says why not", async () => {
  const folder = await stranger();
  await writeFile(
    path.join(folder, "main.mjs"),
    `const before = Object.keys(globalThis).join();
     const harbor = await import("harbor-wasm");
     const same = Object.keys(globalThis).join() === before;
     const code = await harbor.connect().catch((e) => harbor.isHarborError(e) && e.code);
     console.log(JSON.stringify({ same, code, names: Object.keys(harbor).sort(), version: harbor.version }));`,
  );
  const printed = execFileSync(process.execPath, ["main.mjs"], { cwd: folder, encoding: "utf8" });
  const { same, code, names, version } = JSON.parse(printed);
  assert.equal(same, true, "no new globals");
  assert.equal(code, "unsupported");
  assert.deepEqual(names, ["Harbor", "HarborError", "Topic", "connect", "erase", "init", "isHarborError", "version"]);
  assert.equal(version, manifest.version);
});

test("the package's version is the workspace's", () => {
  const cargo = readFileSync(path.join(repository, "Cargo.toml"), "utf8");
  assert.equal(manifest.version, cargo.match(/\[workspace\.package\]\nversion = "([^"]+)"/)[1]);
});

test("everything the manifest names is in the package", () => {
  for (const target of Object.values(manifest.exports).flatMap((e) => (typeof e === "string" ? e : Object.values(e)))) {
    assert.doesNotThrow(() => readFileSync(path.join(installed, target)), `${target} is missing`);
  }
});

const CONSUMER = `
import { connect, isHarborError, type Message, type Topic } from "harbor-wasm";

export async function use(signal: AbortSignal): Promise<string> {
  await using harbor = await connect({ node: ["https://node.example/"], name: "work", displayName: "Ana", signal });
  const id: string = harbor.identity.id;
  harbor.addEventListener("status", (event) => console.log(event.detail.queued.toFixed()));
  const room: Topic = await harbor.topic("Garden");
  const receipt = await room.send("hello");
  await receipt.delivered;
  const stop = room.subscribe((message) => console.log(message.data.toUpperCase(), message.state, message.path), { signal });
  stop();
  for await (const message of room) { console.log(message.sentAt.getTime()); break; }
  const page = await room.history({ limit: 20 });
  const oldest: Message<string> | undefined = page.items[0];
  const notes = await harbor.topic<{ n: number }>("Notes", {
    codec: { encode: (v) => new TextEncoder().encode(JSON.stringify(v)), decode: (b) => JSON.parse(new TextDecoder().decode(b)) },
  });
  await notes.send({ n: 1 });
  // @ts-expect-error a string is no note
  await notes.send("1");
  const invite = await room.invite({ expiresInMs: 1000 });
  const joined = await harbor.accept(invite.url, { signal });
  await joined.leave();
  try { await harbor.topics(); } catch (e) { if (isHarborError(e, "offline")) console.log(e.retryable); }
  return id + oldest?.authorName + (await room.members()).length;
}
`;

for (const resolution of ["bundler", "nodenext"]) {
  test(`its types serve a strict consumer (${resolution})`, async () => {
    const folder = await stranger();
    await writeFile(path.join(folder, "package.json"), '{ "type": "module" }');
    await writeFile(path.join(folder, "use.ts"), CONSUMER);
    const options = {
      strict: true, noEmit: true, target: "es2022", types: [], skipLibCheck: false, exactOptionalPropertyTypes: true,
      lib: ["es2022", "dom", "esnext.disposable"], module: resolution === "bundler" ? "esnext" : "nodenext",
      moduleResolution: resolution,
    };
    await writeFile(path.join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["use.ts"] }));
    const tsc = path.join(repository, "node_modules", ".bin", "tsc");
    try {
      execFileSync(tsc, ["-p", folder], { encoding: "utf8" });
    } catch (error) {
      assert.fail(error.stdout);
    }
  });
}
