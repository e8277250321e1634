import { toMembers, toMessage } from "./convert.js";
import { HarborError, abortable, told } from "./errors.js";
import type { Harbor, Inside } from "./harbor.js";
import type { RawMessage, RawTopic } from "./raw.js";
import type {
  Abortable, Bytes, Codec, IdentityId, Invite, Member, Message, MessageId, Page, SendOptions, SendReceipt, SubscribeOptions, TopicId,
  TopicOptions, Unsubscribe,
} from "./types.js";

const WEEK_MS = 7 * 24 * 3600 * 1000;

/** A conversation. Get one from {@link Harbor.topic}, {@link Harbor.topics} or {@link Harbor.accept}. */
export class Topic<T = string> implements AsyncIterable<Message<T>>, AsyncDisposable {
  readonly id: TopicId;
  /** The title it had when this object was made. */
  readonly name: string;
  readonly kind: "dm" | "room";
  readonly #inside: Inside;
  readonly #codec: Codec<T> | undefined;
  readonly #subscriptions = new Set<Unsubscribe>();

  /** @internal */
  constructor(inside: Inside, raw: RawTopic, options: TopicOptions<T> = {}) {
    this.#inside = inside;
    this.#codec = options.codec;
    this.id = raw.id as TopicId;
    this.name = raw.title;
    this.kind = raw.kind;
  }

  /**
   * Sends `data` to all members. Resolves when it is durable on this device, so it works offline; how far it gets
   * after that is in the receipt and in "state" events. At most 60 KiB.
   */
  async send(data: T, options: SendOptions = {}): Promise<SendReceipt> {
    const body = this.#encode(data);
    const ref = crypto.getRandomValues(new Uint8Array(16));
    const message = await this.#ask(options.signal, (raw) => raw.send(this.id, ref, body, options.replyTo));
    return this.#inside.receipts.add(message);
  }

  /** Puts other data in the place of an own message's. Resolves when durable on this device. */
  async edit(message: MessageId, data: T, options: Abortable = {}): Promise<void> {
    const body = this.#encode(data);
    await this.#ask(options.signal, (raw) => raw.edit(this.id, message, body));
  }

  /**
   * Takes an own message back: it is erased here, and on every device that hears of it. A member may have read or
   * copied it before.
   */
  async delete(message: MessageId, options: Abortable = {}): Promise<void> {
    await this.#ask(options.signal, (raw) => raw.delete(this.id, message));
  }

  /** Puts an emoji to a message, or takes the own one away. At most 32 bytes; the latest 4 of an identity are kept. */
  async react(message: MessageId, emoji: string, on = true, options: Abortable = {}): Promise<void> {
    await this.#ask(options.signal, (raw) => raw.react(this.id, message, emoji, on));
  }

  /** Calls `fn` for every new message from now on, own ones included, until unsubscribed or aborted. */
  subscribe(fn: (message: Message<T>) => void, options: SubscribeOptions = {}): Unsubscribe {
    const stop = this.#inside.onMessage((raw) => {
      if (raw.topic === this.id && raw.kind !== "notice") fn(this.#message(raw));
    }, options.amended);
    const unsubscribe = () => {
      stop();
      this.#subscriptions.delete(unsubscribe);
      options.signal?.removeEventListener("abort", unsubscribe);
    };
    this.#subscriptions.add(unsubscribe);
    options.signal?.addEventListener("abort", unsubscribe, { once: true });
    if (options.signal?.aborted) unsubscribe();
    return unsubscribe;
  }

  /** New messages from now on, until the loop is left or the connection closed. */
  [Symbol.asyncIterator](): AsyncIterator<Message<T>, undefined> {
    const come: Message<T>[] = [];
    let wake = () => {};
    let over = false;
    const stop = this.subscribe((message) => {
      come.push(message);
      wake();
    });
    const end = () => {
      over = true;
      stop();
      wake();
    };
    this.#inside.closing.addEventListener("abort", end, { once: true });
    return {
      next: async () => {
        while (come.length === 0 && !over) await new Promise<void>((resolve) => (wake = resolve));
        const value = come.shift();
        return value ? { value, done: false } : { value: undefined, done: true };
      },
      return: async () => {
        end();
        come.length = 0;
        this.#inside.closing.removeEventListener("abort", end);
        return { value: undefined, done: true };
      },
    };
  }

  /** A page of what was said, from this device's disk: the newest, or those just before the cursor `before`. */
  async history(options: Abortable & { before?: string; limit?: number } = {}): Promise<Page<Message<T>>> {
    const { before, limit = 50, signal } = options;
    const page = await this.#ask(signal, (raw) => raw.history(this.id, before, limit));
    const items = page.messages.filter((m) => m.kind !== "notice").map((m) => this.#message(m));
    const first = page.messages[0];
    return { items, hasMore: page.more, ...(page.more && first ? { cursor: first.order } : {}) };
  }

  /** Who is in it, oneself included. */
  async members(options: Abortable = {}): Promise<Member[]> {
    const topics = await this.#ask(options.signal, (raw) => raw.topics());
    const mine = topics.find((topic) => topic.id === this.id);
    if (!mine) throw new HarborError("not_found");
    return toMembers(mine);
  }

  /** A link for one person, one use. Needs to be an admin. Default: a week, at most 30 days. */
  async invite(options: Abortable & { expiresInMs?: number } = {}): Promise<Invite> {
    const { expiresInMs = WEEK_MS, signal } = options;
    const { code, expires } = await this.#ask(signal, (raw) => raw.invite(this.id, expiresInMs));
    const url = new URL(this.#inside.inviteBase);
    url.hash = code;
    return { url: url.href, code, expiresAt: new Date(expires) };
  }

  /** Takes back an invite made on this device that nobody used yet: whoever follows it is told so. */
  async revokeInvite(invite: Pick<Invite, "code">, options: Abortable = {}): Promise<void> {
    await this.#ask(options.signal, (raw) => raw.revokeInvite(this.id, invite.code));
  }

  /**
   * Takes a member out of a room. Needs to be an admin. The room gets new keys: nothing written from now on can be
   * read with the old ones, and nothing the member writes from now on is shown to anybody.
   */
  async remove(member: IdentityId, options: Abortable = {}): Promise<void> {
    await this.#ask(options.signal, (raw) => raw.remove(this.id, member));
  }

  /** Makes a member of a room an admin, or a plain member again. Needs to be an admin; the owner stays what they are. */
  async setRole(member: IdentityId, role: "admin" | "member", options: Abortable = {}): Promise<void> {
    await this.#ask(options.signal, (raw) => raw.setRole(this.id, member, role));
  }

  /** Tells the members and forgets the keys. What was said stays on this device. */
  async leave(options: Abortable = {}): Promise<void> {
    await this.#ask(options.signal, (raw) => raw.leave(this.id));
  }

  /** Ends this object's subscriptions; the topic itself stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const unsubscribe of [...this.#subscriptions]) unsubscribe();
  }

  #ask<R>(signal: AbortSignal | undefined, call: (raw: Inside["raw"]) => Promise<R>): Promise<R> {
    if (this.#inside.closing.aborted) return Promise.reject(new HarborError("closed"));
    return abortable(told(() => call(this.#inside.raw)), signal);
  }

  #encode(data: T): string | Bytes {
    if (this.#codec) return this.#codec.encode(data);
    if (typeof data === "string" || data instanceof Uint8Array) return data;
    throw new HarborError("bad_input");
  }

  #message(raw: RawMessage): Message<T> {
    const codec = this.#codec;
    if (!codec) return toMessage(raw, (data) => data as T);
    const bytes = (data: string | Bytes) => (typeof data === "string" ? new TextEncoder().encode(data) : data);
    return toMessage(raw, (data) => codec.decode(bytes(data)));
  }
}
