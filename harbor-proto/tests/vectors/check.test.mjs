// The frozen vectors, recomputed from the specification with implementations that share nothing with ours:
// noble's hashes, curves and ciphers, and BLAKE3's tree from the paper. Keys, mailboxes and packets are here,
// the rest in topics.test.mjs and messages.test.mjs. Run: npm test -- vectors
import assert from "node:assert/strict";
import { test } from "node:test";
import { xchacha20poly1305 } from "@noble/ciphers/chacha.js";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { bytesToHex as hex, concatBytes as concat, hexToBytes as unhex, utf8ToBytes as utf8 } from "@noble/hashes/utils.js";
import { ml_kem768_x25519 as xWing } from "@noble/post-quantum/hybrid.js";
import { chunkValue, rootOfTwo } from "./blake3_tree.mjs";
import { kdf, mailbox, u16, u32, vectors } from "./spec.mjs";

const ramp = (length) => Uint8Array.from({ length }, (_, i) => i);

test("every KDF context", () => {
  const { contexts, rng } = vectors("kdf");
  assert.ok(contexts.length >= 20);
  for (const { context, input, output } of contexts) {
    assert.match(context, /^harbor\.v1 /);
    assert.equal(hex(kdf(context.slice("harbor.v1 ".length), unhex(input), 80)), output, context);
  }
  let state = unhex(rng.seed);
  for (const drawn of rng.draws) {
    const stream = blake3(new Uint8Array(), { key: state, dkLen: 32 + 48 });
    state = stream.slice(0, 32);
    assert.equal(hex(stream.slice(32)), drawn);
  }
});

test("mailbox keys, HarborID, opening and proofs", () => {
  for (const m of vectors("mailbox").mailboxes) {
    const { write, read, w, r, t, hk, id } = mailbox(m);
    assert.equal(hex(write), m.write_secret);
    assert.equal(hex(hk), m.header_key);
    assert.equal(hex(id), m.harbor_id);
    const tail = chunkValue(t, 1);
    assert.equal(hex(concat(w, r, tail)), m.opening);
    // What a node does: it builds the first chunk itself and joins the second's value to it.
    const first = concat(w, r, new Uint8Array(960));
    assert.equal(hex(rootOfTwo(chunkValue(first, 0), tail)), m.harbor_id);
    for (const { verb, after, signed, proof } of m.proofs) {
      const expected = concat(utf8("harbor.v1 link proof"), unhex(m.node), unhex(m.challenge), id, Uint8Array.of(verb), unhex(after));
      assert.equal(hex(expected), signed);
      assert.equal(hex(ed25519.sign(expected, verb === 2 ? write : read)), proof);
    }
  }
});

test("weeks and days", () => {
  const { periods } = vectors("mailbox");
  assert.ok(new Set(periods.map((p) => p.week)).size > 3);
  for (const { rs, unix_ms, week, day } of periods) {
    const offset = BigInt(`0x${hex(kdf("week", unhex(rs), 8))}`) % 604_800n;
    const secs = BigInt(Math.floor(unix_ms / 1000));
    assert.equal(Number((secs + offset) / 604_800n), week);
    assert.equal(Number(secs / 86_400n), day);
  }
});

/** The packet of docs/spec/packet.md, built field by field. */
function seal(v) {
  const keys = mailbox(v.mailbox);
  const content = ramp(v.content_len);
  const bucket = [1024, 4096, 16384, 65536].findIndex((size) => size >= 224 + 4 + content.length + 16);
  const size = 1024 << (2 * bucket);
  const fixed = concat(Uint8Array.of(1, v.kind, bucket, 0), keys.id, u32(v.expiry_hour), unhex(v.delete_hash));
  const nonce = unhex(v.nonce);
  const { epoch, leaf, counter, commitment } = v.header;
  const plainHeader = concat(unhex(epoch), u16(leaf), u32(counter), unhex(commitment), new Uint8Array(2));
  const header = xchacha20poly1305(keys.hk, nonce, fixed).encrypt(plainHeader);
  const plain = new Uint8Array(size - 224 - 16);
  plain.set(concat(u32(content.length), content));
  const sealed = xchacha20poly1305(unhex(v.key), nonce, concat(fixed, header)).encrypt(plain);
  const body = concat(nonce, header, sealed);
  const signature = ed25519.sign(concat(fixed, blake3(body)), keys.write);
  const stamp = concat(unhex(v.stamp.nonce), u32(v.stamp.hour), Uint8Array.of(v.stamp.bits, 0, 0, 0));
  return { bytes: concat(fixed, stamp, signature, body), id: blake3(concat(fixed, body)) };
}

test("a packet of every size, sealed here to the same bytes", () => {
  const { packets } = vectors("packet");
  assert.deepEqual([...new Set(packets.map((p) => p.len))], [1024, 4096, 16384, 65536]);
  for (const v of packets) {
    const { bytes, id } = seal(v);
    assert.equal(bytes.length, v.len);
    if (v.bytes) assert.equal(hex(bytes), v.bytes);
    assert.equal(hex(blake3(bytes)), v.blake3);
    assert.equal(hex(id), v.packet_id);
  }
});

test("a packet of theirs, opened here", () => {
  const v = vectors("packet").packets.find((p) => p.bytes && p.content_len > 0);
  const [p, keys] = [unhex(v.bytes), mailbox(v.mailbox)];
  const fixed = p.slice(0, 72);
  assert.ok(ed25519.verify(p.slice(88, 152), concat(fixed, blake3(p.slice(152))), keys.w));
  const nonce = p.slice(152, 176);
  const header = xchacha20poly1305(keys.hk, nonce, fixed).decrypt(p.slice(176, 224));
  assert.equal(hex(header.slice(14, 30)), v.header.commitment);
  const plain = xchacha20poly1305(unhex(v.key), nonce, concat(fixed, p.slice(176, 224))).decrypt(p.slice(224));
  assert.equal(new DataView(plain.buffer, plain.byteOffset).getUint32(0), v.content_len);
  assert.deepEqual(plain.slice(4, 4 + v.content_len), ramp(v.content_len));
  p[300] ^= 1;
  assert.throws(() => xchacha20poly1305(unhex(v.key), nonce, concat(fixed, p.slice(176, 224))).decrypt(p.slice(224)));
});

test("work stamps", () => {
  const { key, stamps } = vectors("stamp");
  for (const { packet_id, bytes, bits } of stamps) {
    const s = unhex(bytes);
    assert.equal(s[12], bits);
    const digest = blake3(concat(unhex(packet_id), s.slice(8, 12), s.slice(12, 13), s.slice(0, 8)), { key: unhex(key) });
    const lead = new DataView(digest.buffer, digest.byteOffset).getBigUint64(0);
    assert.equal(lead >> BigInt(64 - bits), 0n, `${bits} bits`);
  }
});

test("identity, signatures and X-Wing", () => {
  const { identity, xwing } = vectors("keys");
  const secret = kdf("identity", unhex(identity.seed));
  assert.equal(hex(secret), identity.secret);
  const pub = ed25519.getPublicKey(secret);
  assert.equal(hex(pub), identity.endpoint_id);
  assert.equal(hex(blake3(pub)), identity.node_id);
  for (const { message, signature } of identity.signatures) assert.equal(hex(ed25519.sign(unhex(message), secret)), signature);

  const pair = xWing.keygen(unhex(xwing.seed));
  assert.equal(hex(blake3(pair.publicKey)), xwing.public_blake3);
  assert.equal(hex(xWing.decapsulate(unhex(xwing.ciphertext), pair.secretKey)), xwing.shared);
});
