// Identities, topics, epochs and invites, read from docs/spec with implementations that share nothing with ours:
// every signature verified, every sealed thing opened, every key derived. Run: node --test topics.test.mjs
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex as hex, concatBytes as concat, hexToBytes as unhex, utf8ToBytes as utf8 } from "@noble/hashes/utils.js";
import { ml_kem768_x25519 as xWing } from "@noble/post-quantum/hybrid.js";

const vectors = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), "utf8"));
const kdf = (context, input, dkLen = 32) => blake3(input, { context: utf8(`harbor.v1 ${context}`), dkLen });
const u32 = (n) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);
const domain = (text) => concat(utf8(`harbor.v1 ${text}`), Uint8Array.of(0));
const open = (key, sealed) => xchacha20poly1305(key, new Uint8Array(24)).decrypt(sealed);
const decapsulate = (ciphertext, seed) => xWing.decapsulate(ciphertext, xWing.keygen(seed).secretKey);
const CERT = 1416;

/** Reads the fields of docs/spec one after the other. */
function reader(bytes) {
  let at = 0;
  const take = (n) => {
    assert.ok(at + n <= bytes.length, "input ends early");
    return bytes.slice(at, (at += n));
  };
  const int = (n) => Number(take(n).reduce((value, byte) => value * 256n + BigInt(byte), 0n));
  const block = () => take(int(4));
  return { take, int, block, at: () => at, left: () => bytes.length - at, rest: () => take(bytes.length - at) };
}

function cert(bytes) {
  assert.equal(bytes.length, CERT);
  const r = reader(bytes);
  const read = { identity: r.take(32), device: r.take(32), kem: r.take(1216), created: r.int(8) };
  const signed = concat(domain("device cert"), bytes.slice(0, 1288));
  assert.ok(ed25519.verify(r.take(64), signed, read.identity, { zip215: false }), "IK signed");
  assert.ok(ed25519.verify(r.take(64), signed, read.device, { zip215: false }), "DK signed");
  return read;
}

/** The bytes before the 64 of the signature at the end, verified. */
function signedBy(device, text, bytes) {
  const [covered, signature] = [bytes.slice(0, -64), bytes.slice(-64)];
  assert.ok(ed25519.verify(signature, concat(domain(text), covered), device, { zip215: false }), text);
  return reader(covered);
}

const listed = (r, item) => Array.from({ length: r.int(4) }, item);

function operation(bytes) {
  const r = reader(bytes.slice(0, -64));
  const parents = Array.from({ length: r.int(4) }, () => hex(r.take(32)));
  const author = r.take(32);
  signedBy(author, "op", bytes);
  const op = { id: hex(blake3(bytes)), parents, author: hex(author), tag: r.int(1) };
  if (op.tag === 1) Object.assign(op, { kind: r.int(1), title: r.block(), nonce: r.take(32), created: r.int(8) });
  if (op.tag === 3) Object.assign(op, { invite: hex(r.take(32)), expires: r.int(8), kemHash: hex(r.take(32)) });
  if (op.tag === 4) Object.assign(op, { invite: hex(r.take(32)), request: hex(r.take(32)) });
  if (op.tag <= 2) Object.assign(op, { cert: cert(r.take(CERT)), name: r.block() });
  if (op.tag === 2) op.use = r.int(1) ? hex(r.take(32)) : null;
  if (op.tag >= 6) op.who = hex(r.take(32));
  if (op.tag === 6) op.cut = listed(r, () => ({ device: hex(r.take(32)), heard: listed(r, () => [r.int(8), r.int(8)]) }));
  if (op.tag === 7) op.role = r.int(1);
  assert.equal(r.left(), 0);
  return op;
}

function header(bytes) {
  const r = reader(bytes.slice(0, -64));
  const uid = hex(r.take(32));
  const ids = () => Array.from({ length: r.int(4) }, () => hex(r.take(32)));
  const read = { id: blake3(bytes), uid, parents: ids(), frontier: ids(), generation: r.int(4) };
  Object.assign(read, { committer: r.take(32), rosterHash: hex(r.take(32)), commitment: hex(r.take(32)) });
  assert.equal(r.left(), 0);
  signedBy(read.committer, "epoch", bytes);
  return read;
}

function boxes(bytes) {
  const r = reader(bytes);
  const [epoch, count] = [hex(r.take(32)), r.int(4)];
  const list = Array.from({ length: count }, () => ({ label: hex(r.take(8)), ciphertext: r.take(1120), sealed: r.take(80) }));
  return { epoch, list, left: r.left() };
}

/** es and rs from the box of a device, checked against the header's commitment. */
function unbox(head, list, device) {
  const pub = blake3(xWing.keygen(unhex(device.kem_seed)).publicKey);
  const mine = list.find((box) => box.label === hex(pub.slice(0, 8)));
  const shared = decapsulate(mine.ciphertext, unhex(device.kem_seed));
  const plain = open(kdf("epoch-box", concat(shared, head.id, pub)), mine.sealed);
  assert.equal(hex(kdf("epoch-commit", plain)), head.commitment);
  return { es: plain.slice(0, 32), rs: plain.slice(32) };
}

function messageKeys(es, leaf, counter) {
  let [ck, mk] = [kdf("chain", concat(es, leaf)), null];
  for (let at = 0; at <= counter; at += 1) {
    const out = kdf("step", ck, 64);
    [ck, mk] = [out.slice(0, 32), out.slice(32)];
  }
  const out = kdf("message", mk, 64);
  return { key: hex(out.slice(0, 32)), commitment: hex(out.slice(32, 48)), token: hex(out.slice(48)) };
}

const split = (out) => ({ key: hex(out.slice(0, 32)), commitment: hex(out.slice(32)) });

test("device certificates and safety numbers", () => {
  const { devices, safety } = vectors("identity");
  for (const d of devices) {
    const read = cert(unhex(d.cert));
    assert.equal(hex(read.identity), hex(ed25519.getPublicKey(kdf("identity", unhex(d.seed)))));
    assert.equal(hex(read.device), hex(ed25519.getPublicKey(unhex(d.device_secret))));
    assert.equal(hex(read.kem), hex(xWing.keygen(unhex(d.kem_seed)).publicKey));
    assert.equal(d.at_rest.slice(0, 192), d.seed + d.device_secret + d.kem_seed);
  }
  for (const { a, b, digits } of safety) {
    const r = reader(kdf("safety-number", unhex(a < b ? a + b : b + a), 96));
    const groups = Array.from({ length: 12 }, () => BigInt(`0x${hex(r.take(8))}`) % 100_000n);
    assert.equal(groups.map((g) => String(g).padStart(5, "0")).join(""), digits);
  }
});

test("chains, control and signalling keys", () => {
  const c = vectors("chain");
  for (const { counter, key, token } of c.places) {
    assert.deepEqual(messageKeys(unhex(c.es), unhex(c.leaf), counter), { ...key, token });
  }
  assert.deepEqual(split(kdf("ctl", unhex(c.rs), 48)), c.control);
  assert.deepEqual(split(kdf("sig", concat(unhex(c.rs), u32(c.day)), 48)), c.signal);
});

/** Of leaves in the order of their devices. */
function rosterHash(leaves) {
  const leaf = (m) => concat(m.device, m.identity, Uint8Array.of(m.role), unhex(m.joined));
  return hex(blake3(concat(domain("roster"), ...leaves.map(leaf))));
}

test("a member is made an admin, then removed", () => {
  const { ops, leaves, roster_hash } = vectors("roles");
  const [create, add, role, remove] = ops.map((op) => operation(unhex(op)));
  const who = hex(add.cert.identity);
  assert.deepEqual([role.tag, role.who, role.role, role.author], [7, who, 2, create.author]);
  assert.deepEqual(remove.cut, [{ device: hex(add.cert.device), heard: [[1, 41], [44, 44]] }]);
  assert.deepEqual([remove.tag, remove.who, remove.parents], [6, who, [role.id]]);
  assert.deepEqual(leaves.map((leaf) => [leaf.joined, leaf.role]).sort(), [[create.id, 3], [add.id, 2]].sort());
  const parsed = leaves.map((leaf) => ({ ...leaf, device: unhex(leaf.device), identity: unhex(leaf.identity) }));
  assert.equal(rosterHash(parsed), roster_hash);
});

test("operations, roster and epoch of a topic", () => {
  const t = vectors("topic");
  const [admin, guest] = vectors("identity").devices;
  const ops = t.ops.map((op) => operation(unhex(op)));
  assert.deepEqual(ops.map((op) => op.tag), [1, 3, 4, 2]);
  assert.equal(ops[0].id, t.uid);
  ops.slice(1).forEach((op, at) => assert.deepEqual(op.parents, [ops[at].id]));
  assert.equal(new TextDecoder().decode(ops[0].title), "Rosas ñ");
  assert.equal(ops[3].use, ops[2].id);
  assert.equal(ops[2].request, t.request_hash);

  const members = [ops[0], ops[3]].map((op) => ({ ...op.cert, role: op.tag === 1 ? 3 : 1, joined: op.id }));
  members.sort((a, b) => (hex(a.device) < hex(b.device) ? -1 : 1));
  assert.deepEqual(members.map((m) => hex(m.device)), t.roster);
  assert.equal(rosterHash(members), t.roster_hash);

  const [tag, head] = [t.epoch.header.slice(0, 2), header(unhex(t.epoch.header.slice(2)))];
  const { epoch, list, left } = boxes(unhex(t.epoch.boxes.slice(2)));
  assert.deepEqual([tag, t.epoch.boxes.slice(0, 2), left], ["02", "03", 0]);
  assert.deepEqual([head.uid, head.rosterHash, head.generation], [t.uid, t.roster_hash, 2]);
  assert.deepEqual([hex(head.id), head.frontier], [epoch, [ops[3].id]]);
  const opened = [admin, guest].map((device) => unbox(head, list, device));
  assert.deepEqual(opened[0], opened[1]);
  const { sealed } = t;
  assert.equal(hex(opened[0].rs), sealed.rs);
  const { token, ...key } = messageKeys(opened[0].es, unhex(t.roster[sealed.leaf]), sealed.counter);
  assert.deepEqual(key, sealed.key);
  const own = kdf("delete-token", concat(unhex(admin.device_secret), head.id, u32(sealed.counter)));
  assert.equal(hex(own.slice(0, 16)), sealed.delete_token);
  assert.notEqual(token, sealed.delete_token, "in a room the reader cannot delete");
});

test("an invite from link to welcome", () => {
  const t = vectors("topic");
  const [admin, guest] = vectors("identity").devices;
  const { invite } = t;
  const link = reader(new Uint8Array(Buffer.from(invite.text, "base64url")));
  const body = link.take(69);
  assert.equal(hex(blake3(concat(domain("invite link"), body)).slice(0, 4)), hex(link.rest()));
  const secret = body.slice(1, 33);
  assert.deepEqual([body[0], hex(secret)], [1, invite.secret]);
  assert.equal(hex(kdf("invite-id", secret)), invite.id);
  assert.deepEqual(split(kdf("invite-record", secret, 48)), invite.content_key);
  const place = concat(kdf("invite-rs", secret), new Uint8Array(5));
  const [w, r] = ["write", "read"].map((context) => ed25519.getPublicKey(kdf(context, place)));
  assert.equal(hex(blake3(concat(w, r, new Uint8Array(960), kdf("tid", place)))), invite.mailbox);

  const adminKey = ed25519.getPublicKey(unhex(admin.device_secret));
  const record = signedBy(adminKey, "invite record", unhex(invite.record.slice(2)));
  assert.equal(hex(record.take(32)), t.uid);
  assert.equal(record.int(1), 2);
  record.block();
  assert.equal(hex(cert(record.take(CERT)).identity), hex(body.slice(33, 65)));
  record.block();
  const kem = record.take(1216);
  assert.equal(hex(kem), hex(xWing.keygen(unhex(invite.kem_seed)).publicKey));
  assert.deepEqual([hex(record.take(32)), hex(record.take(4)), record.left()], [invite.id, hex(body.slice(65)), 0]);

  const sealed = reader(unhex(t.request));
  assert.equal(hex(blake3(unhex(t.request))), t.request_hash);
  const shared = decapsulate(sealed.take(1120), unhex(invite.kem_seed));
  const request = open(kdf("sealed", concat(shared, utf8("request"), Uint8Array.of(0), unhex(invite.id))), sealed.block());
  const guestKey = ed25519.getPublicKey(unhex(guest.device_secret));
  const covered = concat(domain("join request"), unhex(invite.id), request.slice(0, -64));
  assert.ok(ed25519.verify(request.slice(-64), covered, guestKey));
  assert.equal(hex(cert(request.slice(0, CERT)).device), hex(guestKey));
  const mac = kdf("invite-mac", concat(secret, blake3(kem), request.slice(0, -96)));
  assert.equal(hex(request.slice(-96, -64)), hex(mac));

  const denied = signedBy(adminKey, "join denied", unhex(t.denied.slice(2)));
  assert.deepEqual([hex(denied.take(32)), denied.int(1)], [t.request_hash, 2]);
  const pieces = t.welcome.map((part) => {
    const piece = signedBy(adminKey, "welcome part", unhex(part.slice(2)));
    assert.deepEqual([part.slice(0, 2), hex(piece.take(32)), piece.int(2) < piece.int(2)], ["03", t.request_hash, true]);
    return piece.block();
  });
  readWelcome(t, guest, concat(...pieces));
});

function readWelcome(t, guest, whole) {
  const shared = decapsulate(whole.slice(0, 1120), unhex(guest.kem_seed));
  const key = kdf("sealed", concat(shared, utf8("welcome"), Uint8Array.of(0), unhex(t.request_hash)));
  const w = reader(open(key, whole.slice(1120)));
  assert.deepEqual([hex(w.take(32)), hex(w.take(32))], [t.request_hash, t.uid]);
  w.take(8);
  assert.equal(w.int(4), t.ops.length);
  for (const op of t.ops) assert.equal(hex(w.take(op.length / 2)), op);
  assert.equal(w.int(4), 2, "two epochs so far");
  const first = w.take(32 + 4 + 4 + 32 + 4 + 32 * 3 + 64);
  const second = w.take(first.length + 32);
  assert.equal(hex(second), t.epoch.header.slice(2));
  assert.deepEqual(header(second).parents, [hex(header(first).id)]);
  assert.equal(hex(w.take(32)), hex(blake3(second)));
  assert.equal(w.int(4), 1, "one box, the guest's");
  const mine = { label: hex(w.take(8)), ciphertext: w.take(1120), sealed: w.take(80) };
  assert.equal(hex(unbox(header(second), [mine], guest).rs), t.sealed.rs);
  assert.equal(w.int(4), 1);
  assert.equal(w.take(32 + 8 + 32).length, 72);
  assert.deepEqual(listed(w, () => [w.int(8), w.int(8)]), [[1, 7]]);
  assert.equal(w.left(), 0);
}
