// A raw data channel between two Chromium processes against Harbor over one: time to open, goodput, round trip.
// The same two browsers do both, in turns.
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { buildNode } from "../scripts/build.mjs";
import { must, root } from "../scripts/run.mjs";
import { person } from "./chromium.mjs";
import { median, percentile, table } from "./figures.mjs";
import { startNode } from "./node.mjs";
import { serve } from "./page/serve.mjs";

const HERE = path.dirname(fileURLToPath(import.meta.url));
/** Bytes of a large piece: what one message of Harbor takes, and the raw channel's share of 64 KiB. */
const LARGE = 60 << 10;
const SMALL = 100;
/** Messages of Harbor that may be undelivered at once. */
const WINDOW = 32;

export async function measure({ quick }) {
  const [ms, opens, trips] = quick ? [500, 2, 20] : [5000, 15, 500];
  const pkg = process.env.HARBOR_PKG ?? path.join(root, "harbor-wasm", "pkg");
  if (!existsSync(path.join(pkg, "dist", "browser.js"))) {
    await must("The package could not be built", process.execPath, [path.join(root, "harbor-wasm", "build.mjs")]);
  }
  const node = await startNode(process.env.HARBOR_BIN ?? (await buildNode({ debug: false })));
  const site = await serve({ "": path.join(HERE, "page"), pkg: path.join(pkg, "dist") });
  const people = [await person(), await person()];
  // A page that hangs ends the bench instead of holding it up.
  const patience = setTimeout(() => people.forEach((p) => p.context.close()), 300_000);
  try {
    const pages = await Promise.all(people.map(({ context }) => blank(context, site.url)));
    const raw = await measureRaw(pages, { ms, opens, trips });
    const harbor = await measureHarbor(people, pages, node, site, { ms, opens, trips });
    print(raw, harbor);
  } finally {
    clearTimeout(patience);
    await Promise.all(people.map((p) => p.close()));
    site.close();
    await node.close();
  }
}

/** A page of the site with the bench's functions, which also notes when direct connections begin and open. */
async function blank(context, url) {
  await context.addInitScript(noteConnections);
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`page: ${error.stack ?? error}`));
  await load(page, url);
  return page;
}

async function load(page, url) {
  await page.goto(url);
  await page.evaluate(async () => Object.assign(window, await import("/channel.js")));
}

/** Runs in the page before anything else: from `new RTCPeerConnection` to its channel's "open", at who offers. */
function noteConnections() {
  const Original = window.RTCPeerConnection;
  window.opened = [];
  window.RTCPeerConnection = class extends Original {
    begun = performance.now();
    createDataChannel(...args) {
      const channel = super.createDataChannel(...args);
      channel.addEventListener("open", () => window.opened.push(performance.now() - this.begun));
      return channel;
    }
  };
}

// ---- raw ---------------------------------------------------------------------------------------------------

async function measureRaw([a, b], { ms, opens, trips }) {
  const out = { opens: [] };
  for (let n = 0; n < opens; n++) out.opens.push(await a.evaluate(openWithin));
  await connectRaw(a, b);
  out.large = await goodputRaw(a, b, LARGE, ms);
  out.small = await goodputRaw(a, b, SMALL, ms);
  await b.evaluate(() => void (channel.onmessage = ({ data }) => channel.send(data)));
  out.trips = await a.evaluate(tripsRaw, { trips, size: SMALL });
  await Promise.all([a, b].map((page) => page.evaluate(() => pc.close())));
  return out;
}

/** Both ends in one page, so that signals take no time at all: the least an opening can take. */
async function openWithin() {
  const ends = [new RTCPeerConnection(), new RTCPeerConnection()];
  // A candidate is refused before the description it belongs to.
  const described = ends.map(() => Promise.withResolvers());
  ends.forEach((end, i) => {
    end.onicecandidate = ({ candidate }) => candidate && described[1 - i].promise.then(() => ends[1 - i].addIceCandidate(candidate));
  });
  const channel = ends[0].createDataChannel("raw");
  const open = new Promise((resolve) => (channel.onopen = resolve));
  await ends[0].setLocalDescription();
  await ends[1].setRemoteDescription(ends[0].localDescription);
  described[1].resolve();
  await ends[1].setLocalDescription();
  await ends[0].setRemoteDescription(ends[1].localDescription);
  described[0].resolve();
  await open;
  ends.forEach((end) => end.close());
  return opened.pop();
}

/** A connection from `a` to `b`, with the bench as messenger; how long that takes is not measured. */
async function connectRaw(a, b) {
  await Promise.all([a, b].map((page) => page.evaluate(() => void (window.pc = new RTCPeerConnection()))));
  await b.evaluate(() => {
    pc.ondatachannel = ({ channel }) => {
      window.channel = channel;
      channel.binaryType = "arraybuffer";
    };
  });
  // Candidates are gathered first, so that one message each way is all there is to carry.
  const gathered = () =>
    new Promise((resolve) => {
      const done = () => pc.iceGatheringState === "complete" && resolve(pc.localDescription.toJSON());
      pc.addEventListener("icegatheringstatechange", done);
      done();
    });
  await a.evaluate(async () => {
    window.channel = pc.createDataChannel("raw");
    channel.binaryType = "arraybuffer";
    await pc.setLocalDescription();
  });
  const offer = await a.evaluate(gathered);
  await b.evaluate(async (offer) => {
    await pc.setRemoteDescription(offer);
    await pc.setLocalDescription();
  }, offer);
  const answer = await b.evaluate(gathered);
  await a.evaluate((answer) => pc.setRemoteDescription(answer), answer);
  await Promise.all([a.waitForFunction(() => channel?.readyState === "open"), b.waitForFunction(() => window.channel?.readyState === "open")]);
}

async function goodputRaw(a, b, size, ms) {
  await b.evaluate(() => {
    window.receiver = new Receiver();
    channel.onmessage = ({ data }) => receiver.take(data);
  });
  const { sent, started } = await a.evaluate(({ size, ms }) => pour(channel, size, ms), { size, ms });
  return rate(b, sent, started);
}

/** Waits for the last piece; bytes and pieces per second. */
async function rate(page, sent, started) {
  await page.waitForFunction((sent) => receiver.count >= sent || receiver.failed, sent, { timeout: 120_000 });
  const { count, bytes, failed, last } = await page.evaluate(() => ({ ...receiver }));
  if (failed || count !== sent) throw new Error(`what was sent did not arrive: ${failed || `${count} of ${sent}`}`);
  const seconds = (last - started) / 1000;
  return { perSec: count / seconds, bytesPerSec: bytes / seconds, count };
}

/** Round trips at the raw channel: the other's page returns what it gets. */
async function tripsRaw({ trips, size }) {
  const bytes = piece(0, size);
  const times = [];
  for (let n = 0; n < trips; n++) {
    const began = performance.now();
    const back = new Promise((resolve) => (channel.onmessage = resolve));
    channel.send(bytes);
    await back;
    times.push(performance.now() - began);
  }
  return times;
}

// ---- Harbor ------------------------------------------------------------------------------------------------

async function measureHarbor(people, [a, b], node, site, { ms, opens, trips }) {
  await Promise.all([a, b].map((page, n) => connectHarbor(page, node.url, ["Ana", "Ben"][n])));
  const invite = await a.evaluate(async () => {
    window.room = await harbor.topic("Bench");
    return (await room.invite()).url;
  });
  await b.evaluate(async (invite) => void (window.room = await harbor.accept(invite)), invite);
  const out = { opens: [] };
  await direct(a, b);
  const before = await node.counters();
  out.large = await goodputHarbor(a, b, LARGE, ms);
  out.small = await goodputHarbor(a, b, SMALL, ms);
  await b.evaluate(() => {
    window.stop();
    window.stop = room.subscribe((message) => message.mine || room.send(message.data));
  });
  out.trips = await a.evaluate(tripsHarbor, { trips, size: SMALL });
  const after = await node.counters();
  out.throughNode = after.stored_messages + after.passed_messages - before.stored_messages - before.passed_messages;
  for (let n = 0; n < opens; n++) out.opens.push(await reopenHarbor(a, b, node, site, people));
  return out;
}

async function connectHarbor(page, url, displayName) {
  await page.evaluate(async ({ url, displayName }) => {
    const { connect } = await import("/pkg/browser.js");
    window.harbor = await connect({ node: url, displayName, name: displayName });
    window.stop = () => {};
  }, { url, displayName });
}

async function direct(...pages) {
  await Promise.all(
    pages.map((page) =>
      page.waitForFunction(async () => (await room.members()).some((m) => !m.me && m.path === "direct"), null, { timeout: 60_000 }),
    ),
  );
}

/** Ben's page is loaded anew; the time of the connection that follows, at whichever side offers it. */
async function reopenHarbor(a, b, node, site) {
  await a.evaluate(() => void (opened.length = 0));
  await load(b, site.url);
  await connectHarbor(b, node.url, "Ben");
  await b.evaluate(async () => void (window.room = await harbor.topic("Bench")));
  // Whoever was not reloaded may not have noticed yet, so it is the event that counts.
  await Promise.any([a, b].map((page) => page.waitForFunction(() => opened.length > 0, null, { timeout: 60_000 })));
  await direct(a, b);
  const times = (await Promise.all([a, b].map((page) => page.evaluate(() => opened)))).flat();
  return times.at(-1);
}

async function goodputHarbor(a, b, size, ms) {
  await b.evaluate(() => {
    window.stop();
    window.receiver = new Receiver();
    window.stop = room.subscribe((message) => receiver.take(message.data));
  });
  const { sent, started } = await a.evaluate(({ size, ms, window }) => pourMessages(room, size, ms, window), { size, ms, window: WINDOW });
  return rate(b, sent, started);
}

async function tripsHarbor({ trips, size }) {
  const bytes = piece(0, size);
  const times = [];
  for (let n = 0; n < trips; n++) {
    const began = performance.now();
    await new Promise((resolve) => {
      const stop = room.subscribe((message) => {
        if (message.mine) return;
        stop();
        resolve();
      });
      room.send(bytes);
    });
    times.push(performance.now() - began);
  }
  return times;
}

// ---- what comes of it --------------------------------------------------------------------------------------

function print(raw, harbor) {
  const mib = (rate) => `${(rate.bytesPerSec / 2 ** 20).toFixed(2)} MiB/s`;
  const ratio = (ours, theirs) => `${(ours / theirs).toFixed(3)} ×`;
  const time = (values, percent) => `${percentile(values, percent).toFixed(1)} ms`;
  table([
    ["what", "raw data channel", "Harbor over it", "Harbor against raw"],
    [`goodput, ${LARGE} B pieces`, mib(raw.large), mib(harbor.large), ratio(harbor.large.bytesPerSec, raw.large.bytesPerSec)],
    [`messages/s, ${SMALL} B`, Math.round(raw.small.perSec), Math.round(harbor.small.perSec), ratio(harbor.small.perSec, raw.small.perSec)],
    [`round trip, ${SMALL} B, p50`, time(raw.trips, 50), time(harbor.trips, 50), ratio(median(harbor.trips), median(raw.trips))],
    [`round trip, ${SMALL} B, p99`, time(raw.trips, 99), time(harbor.trips, 99), ratio(percentile(harbor.trips, 99), percentile(raw.trips, 99))],
    ["time to open, p50", time(raw.opens, 50), time(harbor.opens, 50), ratio(median(harbor.opens), median(raw.opens))],
  ]);
  console.log("Harbor signs, seals and keeps every message on both disks before it is acknowledged; a raw channel does none of it.");
  console.log(`Each of ${raw.large.count + raw.small.count} raw pieces and ${harbor.large.count + harbor.small.count} messages came once, in order and unchanged;`);
  console.log(`message packets that went through the node meanwhile: ${harbor.throughNode}.`);
}
