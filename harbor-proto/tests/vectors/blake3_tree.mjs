// BLAKE3's compression, chunk and parent values, from the paper: what a library's hash() does not give away,
// and what the opening of a HarborID is made of.

const IV = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
const PERMUTATION = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
const [CHUNK_START, CHUNK_END, PARENT, ROOT] = [1, 2, 4, 8];
const ORDER = [
  [0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15],
  [0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14],
];

const rotate = (x, n) => (x >>> n) | (x << (32 - n));

function mix(v, [a, b, c, d], x, y) {
  v[a] = (v[a] + v[b] + x) | 0;
  v[d] = rotate(v[d] ^ v[a], 16);
  v[c] = (v[c] + v[d]) | 0;
  v[b] = rotate(v[b] ^ v[c], 12);
  v[a] = (v[a] + v[b] + y) | 0;
  v[d] = rotate(v[d] ^ v[a], 8);
  v[c] = (v[c] + v[d]) | 0;
  v[b] = rotate(v[b] ^ v[c], 7);
}

/** The first eight output words of one compression. */
function compress(chaining, block, counter, length, flags) {
  const v = [...chaining, ...IV.slice(0, 4), counter, 0, length, flags];
  let m = [...block];
  for (let round = 0; round < 7; round++) {
    ORDER.forEach((at, i) => mix(v, at, m[2 * i], m[2 * i + 1]));
    m = PERMUTATION.map((i) => m[i]);
  }
  return v.slice(0, 8).map((x, i) => x ^ v[i + 8]);
}

function words(bytes) {
  const padded = new Uint8Array(64);
  padded.set(bytes);
  const view = new DataView(padded.buffer);
  return Array.from({ length: 16 }, (_, i) => view.getInt32(4 * i, true));
}

function toBytes(eightWords) {
  const out = new DataView(new ArrayBuffer(32));
  eightWords.forEach((w, i) => out.setInt32(4 * i, w, true));
  return new Uint8Array(out.buffer);
}

/** The chaining value of chunk number `counter` (at most 1,024 bytes) that is not the whole input. */
export function chunkValue(bytes, counter) {
  let chaining = IV;
  for (let at = 0; at === 0 || at < bytes.length; at += 64) {
    const block = bytes.subarray(at, at + 64);
    const flags = (at === 0 ? CHUNK_START : 0) | (at + 64 >= bytes.length ? CHUNK_END : 0);
    chaining = compress(chaining, words(block), counter, block.length, flags);
  }
  return toBytes(chaining);
}

/** The hash of an input of two chunks, from their values. */
export function rootOfTwo(left, right) {
  return toBytes(compress(IV, words(Uint8Array.of(...left, ...right)), 0, 64, PARENT | ROOT));
}
