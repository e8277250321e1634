export { HarborError, isHarborError } from "./errors.js";
export type { HarborErrorCode } from "./errors.js";
export { Harbor } from "./harbor.js";
export { Topic } from "./topic.js";
export type {
  Abortable, Bytes, Codec, ConnectOptions, Contacts, DeliveryState, HarborEventMap, Identity, IdentityId, InitOptions, Invite,
  Member, Message, MessageId, Page, Path, SendOptions, SendReceipt, StateChange, Status, SubscribeOptions, TopicId, TopicInfo, TopicOptions,
  Unsubscribe,
} from "./types.js";
export { version } from "./version.js";
