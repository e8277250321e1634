/** An identity's Ed25519 key, as hex. */
export type IdentityId = string & { readonly __brand: "IdentityId" };
/** A message, whatever packet carried it, as hex. */
export type MessageId = string & { readonly __brand: "MessageId" };
/** A topic, as hex. Only its members know it. */
export type TopicId = string & { readonly __brand: "TopicId" };

export type Bytes = Uint8Array;
export type Unsubscribe = () => void;
export interface Abortable {
  /** Stops the waiting; what was begun goes on. */
  signal?: AbortSignal;
}

export interface InitOptions {
  /** Where the .wasm is, its bytes, or the compiled module. Default: beside this file. */
  wasmUrl?: string | URL | BufferSource | WebAssembly.Module;
}

export interface ConnectOptions extends Abortable {
  /** Your Harbor Node or nodes: `https://host/` or `wss://host/link`. Default: the page's own origin. */
  node?: string | URL | (string | URL)[];
  /** Namespace of the storage: another name is another identity. Default "default". */
  name?: string;
  /** What members see. Kept once given; "Guest" until then. */
  displayName?: string;
  /** Whether to connect to members directly, which shows them this device's addresses. Default true. */
  direct?: boolean;
  /** STUN servers of your own. Default none: nobody else's server learns who talks. */
  iceServers?: { urls: string | string[] }[];
  /** What an invite's link leads to. Default: this page. */
  inviteBase?: string | URL;
  /** Starts `harbor-wasm/stamp-worker.js`, where a content policy forbids workers from blobs. */
  stampWorker?: () => Worker;
}

/** How a message travels: browser to browser, through a node live, or waiting on a node. */
export type Path = "direct" | "relay" | "stored";

/**
 * How far an own message got: on this device only, on its way, on disk at nodes, on every other member's device,
 * or refused for good. A received message is "delivered".
 */
export type DeliveryState = "queued" | "sending" | "stored" | "delivered" | "failed";

export interface Status {
  state: "connecting" | "online" | "offline" | "closed";
  /** This tab runs the identity; others work through it. */
  leader: boolean;
  /** Own messages that are on this device only. */
  queued: number;
  /** Direct connections. */
  peers: number;
  /** Everything that waited on the nodes has been read. */
  synced: boolean;
}

export interface Identity {
  readonly id: IdentityId;
  readonly displayName: string;
}

/** What this device's person has made sure of about others. */
export interface Contacts {
  /** 60 digits, the same on both sides: compare them in person or on a call. */
  safetyNumber(id: IdentityId, options?: Abortable): Promise<{ digits: string }>;
  /** Remembers that the numbers were compared and are the same, or forgets it. */
  setVerified(id: IdentityId, verified: boolean, options?: Abortable): Promise<void>;
}

export interface Member {
  readonly id: IdentityId;
  readonly name: string;
  readonly me: boolean;
  /** The owner made the topic; owner and admins add, remove, and make others admins. */
  readonly role: "owner" | "admin" | "member";
  /** Safety numbers were compared on this device, see {@link Contacts}. */
  readonly verified: boolean;
  /** How a message to this member would travel now. */
  readonly path: Path;
}

export interface TopicInfo {
  readonly id: TopicId;
  readonly kind: "dm" | "room";
  readonly name: string;
  /** "joining" until a member lets you in. */
  readonly state: "joining" | "active" | "left" | "removed" | "failed";
  /** This identity may invite, remove and make admins. */
  readonly admin: boolean;
  readonly members: readonly Member[];
  readonly unread: number;
  /** Messages known to exist and not here yet. */
  readonly missing: number;
}

export interface Message<T = unknown> {
  readonly id: MessageId;
  readonly topic: TopicId;
  /** Place in the history: `history({ before: cursor })`. */
  readonly cursor: string;
  readonly author: IdentityId;
  readonly authorName: string;
  readonly mine: boolean;
  readonly sentAt: Date;
  /** Absent for own messages. */
  readonly receivedAt?: Date;
  /** What was written, or what it was last edited to; `undefined` when {@link deleted}. */
  readonly data: T;
  /** The message it answers. */
  readonly replyTo?: MessageId;
  readonly editedAt?: Date;
  /** Its author took it back. */
  readonly deleted: boolean;
  /** Who reacted with what; the emoji that was there first comes first. */
  readonly reactions: ReadonlyMap<string, readonly IdentityId[]>;
  readonly state: DeliveryState;
  /** With "stored": on how many nodes. */
  readonly nodes?: number;
  readonly path?: Path;
}

export interface SendOptions extends Abortable {
  /** The message it answers. */
  replyTo?: MessageId;
}

export interface SubscribeOptions extends Abortable {
  /** Also hear of messages that were edited, deleted or reacted to: `fn` gets the whole message as it is now. */
  amended?: boolean;
}

/** An own message got further. */
export interface StateChange {
  readonly topic: TopicId;
  readonly cursor: string;
  readonly state: DeliveryState;
  readonly nodes?: number;
  readonly path?: Path;
}

export interface SendReceipt {
  readonly id: MessageId;
  readonly cursor: string;
  /** On disk at a node, or delivered already. */
  readonly stored: Promise<void>;
  /** On every other member's device. */
  readonly delivered: Promise<void>;
}

export interface Invite {
  /** The secret is after `#`: it reaches no server. For one person. */
  readonly url: string;
  readonly code: string;
  readonly expiresAt: Date;
}

export interface Page<T> {
  /** Oldest first. */
  readonly items: T[];
  /** Give it as `before` for the page before this one. */
  readonly cursor?: string;
  readonly hasMore: boolean;
}

/** Turns an application's values into bytes and back. */
export interface Codec<T> {
  encode(value: T): Bytes;
  decode(bytes: Bytes): T;
}

export interface TopicOptions<T> extends Abortable {
  /** Without one, strings go as text and Uint8Arrays as bytes. */
  codec?: Codec<T>;
}

export interface HarborEventMap {
  status: CustomEvent<Status>;
  /** A message of any topic, undecoded: a string or a Uint8Array. */
  message: CustomEvent<Message<string | Bytes>>;
  /** A message of any topic was edited, deleted or reacted to: as it is now, undecoded. */
  amended: CustomEvent<Message<string | Bytes>>;
  state: CustomEvent<StateChange>;
  /** A topic is new or changed. */
  topic: CustomEvent<TopicInfo>;
}
