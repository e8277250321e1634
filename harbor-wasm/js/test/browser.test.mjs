// The installed package in a real browser, as a plain module script, without a node: what works offline.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { after, before, test as run } from "node:test";
import { chromium } from "playwright-core";
import { example } from "./setup.mjs";

/** A page that hangs fails instead of holding everything up. */
const test = (name, fn) => run(name, { timeout: 120_000 }, fn);

let server;
let context;
let profile;
let base;

before(async () => {
  server = spawn(process.execPath, ["serve.mjs", "0"], { cwd: example, stdio: ["ignore", "pipe", "inherit"] });
  base = await new Promise((resolve) => server.stdout.setEncoding("utf8").on("data", (text) => resolve(text.trim())));
  profile = await mkdtemp(path.join(os.tmpdir(), "harbor-profile-"));
  context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-first-run", "--disable-background-networking"],
  });
});

after(async () => {
  await context?.close();
  server?.kill();
  await rm(profile, { recursive: true, force: true });
});

/** A blank page of the example's origin with the package on `window.h`. */
async function page() {
  const page = await context.newPage();
  await page.goto(`${base}style.css`);
  await page.evaluate(async () => {
    window.h = await import("/node_modules/harbor-wasm/dist/browser.js");
  });
  return page;
}

const connected = async (page, name) => {
  await page.evaluate(async (name) => {
    window.harbor = await h.connect({ name, displayName: "Ana", node: "http://127.0.0.1:9/" });
  }, name);
  return page;
};

test("the example opens, takes a message without a node and has it after a reload", async () => {
  const page = await context.newPage();
  await page.goto(`${base}?name=Ana&node=http://127.0.0.1:9/`);
  await page.locator("body[data-ready]").waitFor();
  await page.fill("#text", "written offline");
  await page.press("#text", "Enter");
  await page.getByText("Ana: written offline queued").waitFor();
  await page.reload();
  await page.getByText("Ana: written offline queued").waitFor();
  assert.equal(await page.locator("#log li").count(), 1);
  await page.close();
});

test("history goes back by pages and comes in order", async () => {
  const tab = await connected(await page(), "pages");
  const result = await tab.evaluate(async () => {
    const room = await harbor.topic("Pages");
    for (let n = 1; n <= 25; n++) await room.send(`number ${n}`);
    const texts = [];
    let cursor;
    let pages = 0;
    do {
      const page = await room.history({ limit: 10, before: cursor });
      texts.unshift(...page.items.map((m) => m.data));
      cursor = page.cursor;
      pages++;
    } while (cursor);
    return { texts, pages };
  });
  assert.deepEqual(result.texts, Array.from({ length: 25 }, (_, n) => `number ${n + 1}`));
  assert.ok(result.pages >= 3);
  await tab.close();
});

test("two tabs share one identity, and the second takes over", async () => {
  const one = await connected(await page(), "tabs");
  const two = await connected(await page(), "tabs");
  const id = (tab) => tab.evaluate(() => harbor.identity.id);
  assert.equal(await id(one), await id(two));
  assert.deepEqual(await Promise.all([one, two].map((t) => t.evaluate(() => harbor.status.leader))), [true, false]);
  await two.evaluate(async () => {
    window.room = await harbor.topic("Shared");
    window.heard = [];
    room.subscribe((message) => heard.push(message.data));
    await room.send("through the other tab");
  });
  await two.waitForFunction(() => heard.includes("through the other tab"));
  await one.close();
  await two.waitForFunction(() => harbor.status.leader);
  await two.evaluate(() => room.send("by myself"));
  await two.waitForFunction(() => heard.length === 2 && heard[1] === "by myself");
  assert.deepEqual(await two.evaluate(async () => (await room.history()).items.map((m) => m.data)), [
    "through the other tab",
    "by myself",
  ]);
  await two.close();
});

test("errors have codes, signals are heeded, closing ends everything", async () => {
  const tab = await connected(await page(), "errors");
  const result = await tab.evaluate(async () => {
    const code = (promise) => promise.then(() => "none", (e) => (h.isHarborError(e) ? e.code : String(e)));
    const room = await harbor.topic("Errors");
    const out = {
      bad: await code(harbor.accept("https://example.com/#nonsense")),
      big: await code(room.send("x".repeat(70_000))),
      shape: await code(room.send(42)),
      aborted: await code(harbor.topics({ signal: AbortSignal.abort() })),
      unknown: await code(harbor.topic("ab".repeat(32))),
      same: (await harbor.topic("Errors")).id === room.id && (await harbor.topic(room.id)).id === room.id,
    };
    const loop = (async () => {
      for await (const _ of room);
      return "ended";
    })();
    const receipt = await room.send(new Uint8Array([1, 2, 3]));
    await harbor.close();
    out.loop = await loop;
    out.receipt = await code(receipt.delivered);
    out.closed = await code(room.send("late"));
    out.state = harbor.status.state;
    const again = await h.connect({ name: "errors", node: "http://127.0.0.1:9/" });
    out.kept = again.identity.displayName;
    out.bytes = (await (await again.topic("Errors")).history()).items.map((m) => [...m.data]);
    await again.close();
    await h.erase("errors");
    const fresh = await h.connect({ name: "errors", node: "http://127.0.0.1:9/" });
    out.fresh = fresh.identity.id !== again.identity.id && (await fresh.topics()).length === 0;
    return out;
  });
  assert.deepEqual(result, {
    bad: "bad_invite", big: "bad_input", shape: "bad_input", aborted: "aborted", unknown: "not_found", same: true,
    loop: "ended", receipt: "closed", closed: "closed", state: "closed", kept: "Ana", bytes: [[1, 2, 3]], fresh: true,
  });
  await tab.close();
});

test("messages are edited, reacted to, answered and deleted, and history has them so", async () => {
  const tab = await connected(await page(), "later");
  const seen = await tab.evaluate(async () => {
    const code = (promise) => promise.then(() => "none", (error) => (h.isHarborError(error) ? error.code : String(error)));
    const room = await harbor.topic("Later");
    const heard = [];
    room.subscribe((message) => heard.push(message.deleted ? "deleted" : message.data), { amended: true });
    const fresh = [];
    room.subscribe((message) => fresh.push(message.data));
    const codec = { encode: (v) => new TextEncoder().encode(JSON.stringify(v)), decode: (b) => JSON.parse(new TextDecoder().decode(b)) };
    const { id } = await room.send("helo");
    await room.edit(id, "hello");
    await room.react(id, "👍");
    await room.react(id, "🎉");
    await room.react(id, "👍", false);
    const answer = await room.send("world", { replyTo: id });
    const values = await harbor.topic("Later", { codec });
    const value = await values.send({ n: 1 }, { replyTo: answer.id });
    await values.edit(value.id, { n: 2 });
    const last = (await values.history({ limit: 1 })).items[0];
    const undecoded = await room.history();
    await values.delete(value.id);
    await room.delete(answer.id);
    const gone = (await values.history({ limit: 2 })).items;
    const [first] = undecoded.items;
    return {
      first: { data: first.data, edited: first.editedAt instanceof Date, deleted: first.deleted, reactions: [...first.reactions].map(([e, who]) => [e, who[0] === harbor.identity.id, who.length]) },
      reply: undecoded.items[1].replyTo === id && !("editedAt" in undecoded.items[1]),
      count: undecoded.items.length,
      last: [last.data, last.replyTo === answer.id],
      gone: gone.map((m) => [m.deleted, m.data, m.replyTo, m.reactions.size]),
      heard: heard.filter((data) => typeof data === "string"),
      fresh: fresh.filter((data) => typeof data === "string"),
      unknown: await code(room.edit("ab".repeat(32), "x")),
      noId: await code(room.delete("nonsense")),
      blank: await code(room.edit(id, " ")),
      emoji: await code(room.react(id, "two words")),
    };
  });
  assert.deepEqual(seen, {
    first: { data: "hello", edited: true, deleted: false, reactions: [["🎉", true, 1]] },
    reply: true,
    count: 3,
    last: [{ n: 2 }, true],
    gone: [[true, undefined, undefined, 0], [true, undefined, undefined, 0]],
    heard: ["helo", "hello", "hello", "hello", "hello", "world", "deleted", "deleted"],
    fresh: ["helo", "world"],
    unknown: "not_found", noId: "not_found", blank: "bad_input", emoji: "bad_input",
  });
  await tab.close();
});

test("safety numbers, removals and roles say what is wrong with an identity", async () => {
  const tab = await connected(await page(), "contacts");
  const seen = await tab.evaluate(async () => {
    const code = (promise) => promise.then((value) => value ?? "done", (error) => (h.isHarborError(error) ? error.code : String(error)));
    const stranger = "ab".repeat(32);
    const room = await harbor.topic("Room");
    return {
      number: (await harbor.contacts.safetyNumber(stranger)).digits,
      own: await code(harbor.contacts.safetyNumber(harbor.identity.id)),
      noId: await code(harbor.contacts.safetyNumber("Ben")),
      unknown: await code(harbor.contacts.setVerified(stranger, true)),
      forgotten: await code(harbor.contacts.setVerified(stranger, false)),
      notMember: await code(room.remove(stranger)),
      oneself: await code(room.remove(harbor.identity.id)),
      noRole: await code(room.setRole(stranger, "owner of all")),
      owner: await code(room.setRole(harbor.identity.id, "member")),
      promoted: await code(room.setRole(stranger, "admin")),
      takenBack: await code(room.invite().then((invite) => room.revokeInvite(invite).then(() => room.revokeInvite(invite)))),
      notOurs: await code(room.revokeInvite({ code: "x" })),
      members: (await room.members()).map((m) => [m.verified, m.role]),
    };
  });
  assert.match(seen.number, /^\d{60}$/);
  delete seen.number;
  assert.deepEqual(seen, {
    own: "bad_input", noId: "not_found", unknown: "not_found", forgotten: "done", notMember: "not_found", oneself: "unauthorized",
    noRole: "bad_input", owner: "unauthorized", promoted: "not_found", takenBack: "not_found", notOurs: "bad_invite", members: [[false, "owner"]],
  });
});
