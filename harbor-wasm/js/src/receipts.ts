import { HarborError } from "./errors.js";
import type { RawMessage, RawState, RawStateChange } from "./raw.js";
import type { MessageId, SendReceipt } from "./types.js";

/** State changes remembered for a send() that has not returned yet. */
const REMEMBERED = 1000;
const FAR: Record<RawState, number> = { failed: -1, queued: 0, sending: 1, stored: 2, delivered: 3 };

class Waiting {
  readonly #reach: [number, () => void, (e: HarborError) => void][] = [];

  until(state: RawState): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => this.#reach.push([FAR[state], resolve, reject]));
    // Nobody has to look at a receipt.
    promise.catch(() => {});
    return promise;
  }

  /** True when nothing more is to come. */
  at(state: RawState): boolean {
    for (const [far, resolve, reject] of this.#reach) {
      if (state === "failed") reject(new HarborError("refused"));
      else if (FAR[state] >= far) resolve();
    }
    return state === "delivered" || state === "failed";
  }

  close(): void {
    for (const [, , reject] of this.#reach) reject(new HarborError("closed"));
  }
}

/** The receipts of one connection whose messages are still on their way. */
export class Receipts {
  readonly #waiting = new Map<string, Waiting>();
  readonly #recent = new Map<string, RawState>();

  add(message: RawMessage): SendReceipt {
    const key = message.topic + message.order;
    const waiting = this.#waiting.get(key) ?? new Waiting();
    const receipt = {
      id: message.id as MessageId,
      cursor: message.order,
      stored: waiting.until("stored"),
      delivered: waiting.until("delivered"),
    };
    const state = this.#recent.get(key) ?? message.state ?? "queued";
    if (waiting.at(state)) this.#waiting.delete(key);
    else this.#waiting.set(key, waiting);
    return receipt;
  }

  changed({ topic, order, state }: RawStateChange): void {
    const key = topic + order;
    this.#recent.delete(key);
    this.#recent.set(key, state);
    const [oldest] = this.#recent.keys();
    if (this.#recent.size > REMEMBERED && oldest !== undefined) this.#recent.delete(oldest);
    if (this.#waiting.get(key)?.at(state)) this.#waiting.delete(key);
  }

  close(): void {
    for (const waiting of this.#waiting.values()) waiting.close();
    this.#waiting.clear();
  }
}
