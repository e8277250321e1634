import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";
import { spellings, textSpellings } from "./harness/spellings.mjs";
import { world } from "./harness/world.mjs";
import { NO_WEBRTC } from "./harness/cables.mjs";

/** Every file under `dir` with its bytes. */
async function filesUnder(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const files = entries.filter((e) => e.isFile()).map((e) => path.join(e.parentPath ?? e.path, e.name));
  return Promise.all(files.map(async (file) => [path.basename(file), await readFile(file)]));
}

test("the search itself finds a text in every spelling", () => {
  const text = "Alexandria and Benedetto";
  for (const [how, bytes] of [
    ["raw", Buffer.from(`xx${text}yy`)],
    ["hex", Buffer.from(`a${Buffer.from(text).toString("hex")}`)],
    ...[0, 1, 2].map((n) => [`base64 at ${n}`, Buffer.from(Buffer.from("q".repeat(n) + text + "tail").toString("base64"))]),
    ["url base64", Buffer.from(Buffer.from(`>?>${text}`).toString("base64url"))],
    ["UTF-16", Buffer.from(text, "utf16le")],
  ]) {
    assert.ok(textSpellings(text).some((s) => bytes.includes(s.bytes)), how);
  }
});

test("the node's folder and logs hold no text, no name, no title and no topic", async (t) => {
  // The node logs as much as it can.
  const w = await world(t, { flags: ["--log", "trace"] });
  const [ana, ben] = await Promise.all(["Alexandria", "Benedetto"].map((n) => w.person(n, { initScripts: [NO_WEBRTC] })));
  await ana.begin("Alexandria Quill");
  await ana.createRoom("Lighthouse Committee");
  const link = await ana.invite();
  await ben.joinAs("Benedetto Moss", link);
  await ana.sawMember("Benedetto Moss");
  await ana.send("The lantern room at half past nine");
  await ben.sees("The lantern room at half past nine");
  await ben.kill();
  await ana.send("Bring the brass key with you");
  await ana.sees("Bring the brass key with you", { state: "stored" });

  const secrets = [
    ...["Alexandria Quill", "Benedetto Moss", "Lighthouse Committee"].flatMap(textSpellings),
    ...["The lantern room at half past nine", "Bring the brass key with you"].flatMap(textSpellings),
    // The invite's code is bytes in some base64 form; the address of the conversation holds the topic's uid.
    ...textSpellings(link.split("#")[1]),
    ...idsOf(link, ana.page.url()).flatMap(spellings),
  ];
  const places = [...(await filesUnder(w.node.dataDir)), ["its log", Buffer.from(w.node.log)]];
  assert.ok(places.some(([, bytes]) => bytes.length > 4096), "the node has stored something to search in");
  for (const [place, bytes] of places) {
    for (const { name, bytes: needle } of secrets) assert.ok(!bytes.includes(needle), `${place} holds ${name}`);
  }
  w.pass();
});

/** Every long run of hex or base64url in the two addresses, as bytes. */
function idsOf(...addresses) {
  const ids = [];
  for (const run of addresses.join(" ").match(/[A-Za-z0-9_-]{32,}/g) ?? []) {
    const bytes = Buffer.from(run, /^[0-9a-f]+$/i.test(run) ? "hex" : "base64url");
    for (let at = 0; at + 16 <= bytes.length; at++) ids.push({ name: "bytes of an id or a code", bytes: bytes.subarray(at, at + 16) });
  }
  assert.ok(ids.length > 0, "the addresses hold ids");
  return ids;
}
