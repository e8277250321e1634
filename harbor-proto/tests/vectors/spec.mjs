// What the specification says, in JavaScript, on implementations that share nothing with ours.
import { readFileSync } from "node:fs";
import { ed25519 } from "@noble/curves/ed25519.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { concatBytes as concat, hexToBytes as unhex, utf8ToBytes as utf8 } from "@noble/hashes/utils.js";

export const vectors = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, import.meta.url), "utf8"));
export const kdf = (context, input, dkLen = 32) => blake3(input, { context: utf8(`harbor.v1 ${context}`), dkLen });
export const u16 = (n) => Uint8Array.of(n >>> 8, n);
export const u32 = (n) => Uint8Array.of(n >>> 24, n >>> 16, n >>> 8, n);

/** The keys of a mailbox, from docs/spec/mailbox.md. */
export function mailbox({ rs, period, lane }) {
  const place = concat(unhex(rs), u32(period), Uint8Array.of(lane));
  const [write, read] = [kdf("write", place), kdf("read", place)];
  const [w, r, t] = [ed25519.getPublicKey(write), ed25519.getPublicKey(read), kdf("tid", place)];
  return { write, read, w, r, t, hk: kdf("hdr", unhex(rs)), id: blake3(concat(w, r, new Uint8Array(960), t)) };
}
