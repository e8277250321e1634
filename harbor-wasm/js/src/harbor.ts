import { toMessage, toStateChange, toStatus, toTopicInfo } from "./convert.js";
import { HarborError, abortable, told } from "./errors.js";
import type { RawClient, RawEvent, RawMessage, RawProfile, RawStatus, RawTopic } from "./raw.js";
import { Receipts } from "./receipts.js";
import { Topic } from "./topic.js";
import type { Abortable, Contacts, HarborEventMap, Identity, IdentityId, Status, TopicOptions, Unsubscribe } from "./types.js";

/** What topics share with their connection. */
export interface Inside {
  readonly raw: RawClient;
  readonly receipts: Receipts;
  readonly inviteBase: string;
  /** Aborted by close(). */
  readonly closing: AbortSignal;
  onMessage(fn: (message: RawMessage) => void, amended?: boolean): Unsubscribe;
}

const TOPIC_ID = /^[0-9a-f]{64}$/;

/** One identity on this device, connected. Get one from {@link connect}. */
export class Harbor extends EventTarget implements AsyncDisposable {
  readonly #raw: RawClient;
  readonly #inside: Inside;
  readonly #closing = new AbortController();
  readonly #onMessage = new Set<(message: RawMessage) => void>();
  readonly #onAmended = new Set<(message: RawMessage) => void>();
  readonly #onTopic = new Set<(topic: RawTopic) => void>();
  readonly #subscription: number;
  #profile: RawProfile;
  #status: RawStatus;

  /** @internal */
  constructor(raw: RawClient, profile: RawProfile, status: RawStatus, inviteBase: string) {
    super();
    this.#raw = raw;
    this.#profile = profile;
    this.#status = status;
    const onMessage = (fn: (message: RawMessage) => void, amended = false) => {
      this.#onMessage.add(fn);
      if (amended) this.#onAmended.add(fn);
      return () => void (this.#onMessage.delete(fn), this.#onAmended.delete(fn));
    };
    this.#inside = { raw, receipts: new Receipts(), inviteBase, closing: this.#closing.signal, onMessage };
    this.#subscription = raw.subscribe((event) => this.#hear(event));
  }

  /** Safety numbers, to know that nobody is between two people. */
  readonly contacts: Contacts = {
    safetyNumber: async (id, options = {}) => ({ digits: await this.#ask(options.signal, (raw) => raw.safetyNumber(id)) }),
    setVerified: (id, verified, options = {}) => this.#ask(options.signal, (raw) => raw.setVerified(id, verified)),
  };

  get identity(): Identity {
    return { id: this.#profile.id as IdentityId, displayName: this.#profile.name };
  }

  get status(): Status {
    if (this.#closing.signal.aborted) {
      return { state: "closed", leader: false, queued: this.#status.queued, peers: 0, synced: false };
    }
    return toStatus(this.#status, this.#raw.isOwner());
  }

  /**
   * Opens a topic by its id or its title. When there is none of that title, makes a room with it, to which this
   * identity may invite. Of several with one title, the first made is opened: use ids to tell them apart.
   */
  async topic<T = string>(name: string, options: TopicOptions<T> = {}): Promise<Topic<T>> {
    const topics = await this.#ask(options.signal, (raw) => raw.topics());
    const named = topics.filter((t) => t.title === name && (t.state === "active" || t.state === "joining"));
    named.sort((a, b) => a.created - b.created);
    const found = topics.find((t) => t.id === name) ?? named[0];
    if (found) return new Topic<T>(this.#inside, found, options);
    if (TOPIC_ID.test(name)) throw new HarborError("not_found");
    return new Topic<T>(this.#inside, await this.#ask(options.signal, (raw) => raw.createRoom(name)), options);
  }

  /** All topics on this device, left ones included. */
  async topics(options: Abortable = {}): Promise<Topic<unknown>[]> {
    const topics = await this.#ask(options.signal, (raw) => raw.topics());
    return topics.map((raw) => new Topic<unknown>(this.#inside, raw));
  }

  /**
   * Joins by an invite's link or code. Resolves when a member has let this identity in, which needs one of them
   * online; aborting stops the waiting, not the joining ("topic" events tell how it went).
   */
  async accept<T = string>(invite: string | URL, options: TopicOptions<T> = {}): Promise<Topic<T>> {
    const { signal } = options;
    const code = inviteCode(invite);
    let note = (_: RawTopic) => {};
    const seen: RawTopic[] = [];
    const listen = (topic: RawTopic) => {
      seen.push(topic);
      note(topic);
    };
    this.#onTopic.add(listen);
    try {
      const first = await this.#ask(signal, (raw) => raw.accept(code));
      const settled = new Promise<RawTopic>((resolve, reject) => {
        note = (topic) => {
          if (topic.id !== first.id) return;
          if (topic.state === "active") resolve(topic);
          else if (topic.state === "failed") reject(new HarborError(topic.why ?? "bad_invite"));
          else if (topic.state === "left" || topic.state === "removed") reject(new HarborError("unauthorized"));
        };
        this.#closing.signal.addEventListener("abort", () => reject(new HarborError("closed")), { once: true });
        // What came while accept() was on its way is newer than its answer.
        const known = seen.filter((topic) => topic.id === first.id).at(-1);
        note(known ?? first);
      });
      return new Topic<T>(this.#inside, await abortable(settled, signal), options);
    } finally {
      this.#onTopic.delete(listen);
    }
  }

  /** Ends this connection. Other tabs go on; everything said is on the device. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#raw.unsubscribe(this.#subscription);
    this.#raw.close();
    this.#closing.abort();
    this.#inside.receipts.close();
    this.#dispatch("status", this.status);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  override addEventListener<K extends keyof HarborEventMap>(
    type: K,
    listener: (event: HarborEventMap[K]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  override addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | ((event: never) => void) | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    super.addEventListener(type, listener as EventListener, options);
  }

  #ask<R>(signal: AbortSignal | undefined, call: (raw: RawClient) => Promise<R>): Promise<R> {
    if (this.#closing.signal.aborted) return Promise.reject(new HarborError("closed"));
    return abortable(told(() => call(this.#raw)), signal);
  }

  #hear(event: RawEvent): void {
    switch (event.type) {
      case "message":
        for (const fn of [...this.#onMessage]) report(() => fn(event.message));
        if (event.message.kind !== "notice") this.#dispatch("message", toMessage(event.message, (data) => data));
        break;
      case "amended":
        for (const fn of [...this.#onAmended]) report(() => fn(event.message));
        this.#dispatch("amended", toMessage(event.message, (data) => data));
        break;
      case "state":
        this.#inside.receipts.changed(event);
        this.#dispatch("state", toStateChange(event));
        break;
      case "topic":
        for (const fn of [...this.#onTopic]) fn(event.topic);
        this.#dispatch("topic", toTopicInfo(event.topic));
        break;
      case "status":
        this.#status = event.status;
        this.#dispatch("status", this.status);
        break;
      case "profile":
        this.#profile = event.profile;
        break;
      case "topicGone":
        break;
    }
  }

  #dispatch<K extends keyof HarborEventMap>(type: K, detail: HarborEventMap[K]["detail"]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** A listener's error is the application's: it goes to the console as uncaught and stops nobody else. */
function report(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

/** The code of a link (behind `#`, behind the last `/`), or the text itself. */
function inviteCode(invite: string | URL): string {
  const text = String(invite).trim();
  const secret = text.slice(text.lastIndexOf("#") + 1);
  return decodeURIComponent(secret.slice(secret.lastIndexOf("/") + 1));
}
