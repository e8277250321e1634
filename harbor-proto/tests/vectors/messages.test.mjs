// Messages, signals and records at rest, recomputed as in check.test.mjs.
import assert from "node:assert/strict";
import { test } from "node:test";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex as hex, concatBytes as concat, hexToBytes as unhex, utf8ToBytes as utf8 } from "@noble/hashes/utils.js";
import { u16, u32, vectors } from "./spec.mjs";

const signature = (bytes) => bytes.slice(-64);

test("messages: their ids and signatures", () => {
  const v = vectors("message");
  for (const m of v.messages) {
    const bytes = unhex(m.bytes);
    const place = concat(unhex(v.topic), unhex(v.device), unhex(v.epoch), u16(v.leaf), u32(v.counter));
    const covered = concat(utf8("harbor.v1 message"), place, bytes.slice(0, -64));
    assert.equal(hex(ed25519.sign(covered, unhex(v.device_secret))), hex(signature(bytes)), m.kind);
    // kind 1, seq 8, prev 32, parents, clock 8, body, receipts, signature
    const view = new DataView(bytes.buffer);
    const parents = bytes.slice(41, 45 + 32 * view.getUint32(41));
    const clockAt = 41 + parents.length;
    const body = bytes.slice(clockAt + 8, clockAt + 12 + view.getUint32(clockAt + 8));
    const named = [bytes.slice(1, 9), bytes.slice(9, 41), parents, bytes.slice(clockAt, clockAt + 8), bytes.slice(0, 1), body];
    const id = blake3(concat(utf8("harbor.v1 message id"), unhex(v.topic), unhex(v.device), ...named));
    assert.equal(hex(id), m.id, m.kind);
  }
});

test("signals are signed for a topic and a day", () => {
  const { topic, day, device, signals } = vectors("signal");
  for (const s of signals.map(unhex)) {
    const covered = concat(utf8("harbor.v1 signal"), unhex(topic), u32(day), s.slice(0, -64));
    assert.equal(hex(s.slice(0, 32)), device);
    assert.ok(ed25519.verify(signature(s), covered, unhex(device)));
  }
});

test("records at rest", () => {
  const { database_key, records } = vectors("at_rest");
  for (const { table, key, value, sealed } of records) {
    const bytes = unhex(sealed);
    const place = concat(Uint8Array.of(1, table), unhex(key));
    assert.equal(bytes[0], 1);
    const plain = xchacha20poly1305(unhex(database_key), bytes.slice(1, 25), place).decrypt(bytes.slice(25));
    assert.equal(hex(plain), value);
  }
});
