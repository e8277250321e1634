// What both pages of the channel bench do, raw and through Harbor. Every piece carries its number and a sum.

/** A piece of `size` bytes: its number, a sum over the rest, and bytes that differ from piece to piece. */
export function piece(n, size) {
  const bytes = new Uint8Array(size);
  const words = new Uint32Array(bytes.buffer, 8, (size - 8) >> 2);
  let state = (n + 1) * 2654435761;
  for (let i = 0; i < words.length; i++) words[i] = state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  new DataView(bytes.buffer).setUint32(0, n);
  new DataView(bytes.buffer).setUint32(4, sum(bytes));
  return bytes;
}

/** A sum over everything behind the first eight bytes that also notices exchanged words. */
export function sum(bytes) {
  const own = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Uint32Array(own.buffer, own.byteOffset + 8, (own.byteLength - 8) >> 2);
  let total = 0;
  for (let i = 0; i < words.length; i++) total = (Math.imul(total, 31) + words[i]) >>> 0;
  return total;
}

/** Counts pieces; throws at one that is lost, twice, out of order or changed. */
export class Receiver {
  count = 0;
  bytes = 0;
  failed = "";
  take(data) {
    const bytes = new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength);
    const view = new DataView(bytes.buffer, bytes.byteOffset, 8);
    if (view.getUint32(0) !== this.count) this.failed ||= `piece ${view.getUint32(0)} for ${this.count}`;
    if (view.getUint32(4) !== sum(bytes)) this.failed ||= `piece ${this.count} was changed`;
    this.count++;
    this.bytes += bytes.byteLength;
    this.last = performance.timeOrigin + performance.now();
  }
}

/** Sends pieces of `size` over `channel` for `ms`, never letting its buffer run dry or over. */
export async function pour(channel, size, ms, from = 0) {
  const ring = Array.from({ length: 64 }, (_, i) => piece(i, size));
  const started = performance.timeOrigin + performance.now();
  const until = started + ms;
  channel.bufferedAmountLowThreshold = 256 << 10;
  let n = from;
  while (performance.timeOrigin + performance.now() < until) {
    if (channel.bufferedAmount > 1 << 20) {
      await new Promise((resolve) => channel.addEventListener("bufferedamountlow", resolve, { once: true }));
    }
    const bytes = ring[n % ring.length];
    // The number is outside of the sum: a ring of pieces is enough.
    new DataView(bytes.buffer).setUint32(0, n++);
    channel.send(bytes);
  }
  return { sent: n, started };
}

/** Sends pieces of `size` through `topic` for `ms`, `window` of them undelivered at any time. */
export async function pourMessages(topic, size, ms, window) {
  const ring = Array.from({ length: 64 }, (_, i) => piece(i, size));
  const started = performance.timeOrigin + performance.now();
  const until = started + ms;
  const open = new Set();
  let n = 0;
  while (performance.timeOrigin + performance.now() < until) {
    const bytes = ring[n % ring.length].slice();
    new DataView(bytes.buffer).setUint32(0, n++);
    const done = topic.send(bytes).then((receipt) => receipt.delivered).finally(() => open.delete(done));
    open.add(done);
    if (open.size >= window) await Promise.race(open);
  }
  await Promise.all(open);
  return { sent: n, started };
}
