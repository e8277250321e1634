import type { RawMessage, RawStateChange, RawStatus, RawTopic } from "./raw.js";
import type { Bytes, IdentityId, Member, Message, MessageId, StateChange, Status, TopicId, TopicInfo } from "./types.js";

/** Leaves out what is undefined, so that optional fields are absent. */
function defined<T extends object>(value: T): T {
  for (const key of Object.keys(value) as (keyof T)[]) if (value[key] === undefined) delete value[key];
  return value;
}

export function toMessage<T>(raw: RawMessage, decode: (data: string | Bytes) => T): Message<T> {
  return defined({
    id: raw.id as MessageId,
    topic: raw.topic as TopicId,
    cursor: raw.order,
    author: raw.author as IdentityId,
    authorName: raw.authorName,
    mine: raw.mine,
    sentAt: new Date(raw.sentAt),
    receivedAt: raw.receivedAt === undefined ? undefined! : new Date(raw.receivedAt),
    // Nothing is left that an application's codec could read.
    data: raw.deleted ? (undefined as T) : decode(raw.data),
    replyTo: raw.replyTo as MessageId,
    editedAt: raw.editedAt === undefined ? undefined! : new Date(raw.editedAt),
    deleted: raw.deleted,
    reactions: new Map(raw.reactions as [string, IdentityId[]][]),
    state: raw.state ?? "delivered",
    nodes: raw.nodes!,
    path: raw.path!,
  });
}

export function toStateChange(raw: RawStateChange): StateChange {
  const { topic, order, state, nodes, path } = raw;
  return defined({ topic: topic as TopicId, cursor: order, state, nodes: nodes!, path: path! });
}

export function toMembers(raw: RawTopic): Member[] {
  return raw.members.map((m) => ({ ...m, id: m.id as IdentityId }));
}

export function toTopicInfo(raw: RawTopic): TopicInfo {
  const { id, kind, title, state, admin, unread, missing } = raw;
  return { id: id as TopicId, kind, name: title, state, admin, members: toMembers(raw), unread, missing };
}

export function toStatus(raw: RawStatus, leader: boolean): Status {
  const offline = globalThis.navigator?.onLine === false;
  const state = raw.linked > 0 ? "online" : offline ? "offline" : "connecting";
  return { state, leader, queued: raw.queued, peers: raw.peers, synced: raw.synced };
}
