// The wasm's side, as harbor-wasm/src/js.rs makes it. Internal: the package's API is in types.ts and below.
import type { HarborErrorCode } from "./errors.js";

export interface RawProfile {
  id: string;
  name: string;
}
export interface RawMember {
  id: string;
  name: string;
  me: boolean;
  role: "owner" | "admin" | "member";
  verified: boolean;
  path: RawPath;
}
export type RawPath = "direct" | "relay" | "stored";
export type RawState = "queued" | "sending" | "stored" | "delivered" | "failed";
export interface RawTopic {
  id: string;
  kind: "dm" | "room";
  title: string;
  state: "joining" | "active" | "left" | "removed" | "failed";
  why?: HarborErrorCode;
  admin: boolean;
  members: RawMember[];
  unread: number;
  missing: number;
  created: number;
}
export interface RawMessage {
  topic: string;
  order: string;
  id: string;
  seq: number;
  author: string;
  authorName: string;
  mine: boolean;
  sentAt: number;
  receivedAt?: number;
  kind: "text" | "bytes" | "notice";
  data: string | Uint8Array;
  state?: RawState;
  nodes?: number;
  path?: RawPath;
  replyTo?: string;
  editedAt?: number;
  deleted: boolean;
  reactions: [emoji: string, who: string[]][];
}
export interface RawStatus {
  linked: number;
  nodes: number;
  peers: number;
  queued: number;
  synced: boolean;
  direct: boolean;
}
export interface RawStateChange {
  topic: string;
  seq: number;
  order: string;
  state: RawState;
  nodes?: number;
  path?: RawPath;
}
export type RawEvent =
  | { type: "topic"; topic: RawTopic }
  | { type: "amended"; message: RawMessage }
  | { type: "topicGone"; id: string }
  | { type: "message"; message: RawMessage }
  | ({ type: "state" } & RawStateChange)
  | { type: "status"; status: RawStatus }
  | { type: "profile"; profile: RawProfile };

export interface RawOptions {
  nodes: string[];
  namespace: string;
  direct: boolean;
  iceServers: string[];
  stampWorker?: () => Worker;
}

export interface RawClient {
  subscribe(f: (event: RawEvent) => void): number;
  unsubscribe(id: number): void;
  isOwner(): boolean;
  close(): void;
  free(): void;
  profile(): Promise<RawProfile | undefined>;
  setName(name: string): Promise<RawProfile>;
  status(): Promise<RawStatus>;
  topics(): Promise<RawTopic[]>;
  createRoom(title: string): Promise<RawTopic>;
  invite(topic: string, expiresInMs: number): Promise<{ code: string; expires: number }>;
  accept(code: string): Promise<RawTopic>;
  send(topic: string, clientRef: Uint8Array, data: string | Uint8Array, replyTo?: string): Promise<RawMessage>;
  edit(topic: string, message: string, data: string | Uint8Array): Promise<void>;
  delete(topic: string, message: string): Promise<void>;
  react(topic: string, message: string, emoji: string, on: boolean): Promise<void>;
  leave(topic: string): Promise<void>;
  revokeInvite(topic: string, code: string): Promise<void>;
  remove(topic: string, who: string): Promise<void>;
  setRole(topic: string, who: string, role: string): Promise<void>;
  safetyNumber(who: string): Promise<string>;
  setVerified(who: string, verified: boolean): Promise<void>;
  history(topic: string, before: string | undefined, limit: number): Promise<{ messages: RawMessage[]; more: boolean }>;
}

/** The module that wasm-bindgen writes. */
export interface Glue {
  RawClient: {
    open(options: RawOptions): Promise<RawClient>;
    erase(namespace: string): Promise<void>;
  };
}
