//! Every cap and interval, with its unit and where the spec sets it.

/// Packet sizes on the wire, bytes (docs/spec/packet.md §1).
pub const PACKET_SIZES: [usize; 4] = [1 << 10, 4 << 10, 16 << 10, 64 << 10];
/// Largest frame on a link, bytes: one packet and its envelope (docs/spec/link.md §1).
pub const MAX_FRAME: usize = PACKET_SIZES[3] + 512;

/// One hour, ms.
pub const HOUR_MS: u64 = 3_600_000;
/// One day, ms.
pub const DAY_MS: u64 = 24 * HOUR_MS;
/// Mailbox period, seconds (docs/spec/mailbox.md §3).
pub const WEEK_SECS: u64 = 7 * 24 * 3600;
/// Default life of a message packet, hours.
pub const DEFAULT_TTL_HOURS: u32 = 14 * 24;
/// Greatest life of any packet, and the life of control packets, hours.
pub const MAX_TTL_HOURS: u32 = 30 * 24;
/// How far a stamp's hour may be from the node's, hours.
pub const STAMP_WINDOW_HOURS: u32 = 2;
/// Base price of a stored packet, leading zero bits.
pub const STORE_BITS: u8 = 18;

/// Packets one mailbox may hold (docs/spec/mailbox.md §4).
pub const MAILBOX_PACKETS: u32 = 4096;
/// Bytes one mailbox may hold.
pub const MAILBOX_BYTES: u64 = 16 << 20;
/// Watchers of one mailbox.
pub const MAILBOX_WATCHERS: usize = 1500;
/// Slots a link may have open.
pub const LINK_SLOTS: usize = 2048;
/// Stores and pulls a link may have unanswered.
pub const LINK_REQUESTS: usize = 512;
/// Bytes waiting to be written to a link before watches are cut off with `Lagged`.
pub const LINK_QUEUE_SOFT: usize = 1 << 20;
/// Bytes waiting to be written to a link before it is closed.
pub const LINK_QUEUE_HARD: usize = 4 << 20;
/// Frames waiting to be written to a link before it is closed: small ones cost more than their bytes.
pub const LINK_QUEUE_FRAMES: usize = 16_384;
/// Frames' worth of patience with refused requests, all back after a minute (docs/spec/link.md §6).
pub const LINK_PATIENCE: u32 = 1024;
/// Patience that a refusal by the client's own fault costs; one for want of room costs 1.
pub const FAULT_COST: u32 = 16;
/// A link on which the node heard nothing for this long is dead, ms: a hidden tab's timers fire once a
/// minute at the slowest.
pub const LINK_SILENT_MS: u64 = 180_000;
/// Packets and bytes of one page, read for a pull or a watch's backlog.
pub const PAGE_PACKETS: u32 = 128;
/// Bytes of one page; a page has one packet at least.
pub const PAGE_BYTES: usize = 128 << 10;
/// Bytes queued for or being read for a link above which no further page is read for it.
pub const LINK_READ_ROOM: usize = 512 << 10;
/// Links of one node.
pub const NODE_LINKS: usize = 1 << 17;
/// Addresses one node counts limits for.
pub const NODE_SOURCES: usize = 1 << 18;
/// Pages one node reads at once.
pub const NODE_READS: usize = 256;
/// Bytes of packets on their way to one node's disk.
pub const NODE_APPENDING: usize = 64 << 20;
/// Bytes queued for all links of one node; above it every link's share shrinks to an eighth.
pub const NODE_QUEUE: usize = 256 << 20;

/// Message lanes, 1..=LANES; lane 0 is control (docs/spec/mailbox.md §3).
pub const LANES: u8 = 8;
/// Chain steps a receiver keeps skipped keys for (docs/spec/epochs.md §4).
pub const MAX_SKIPPED: u32 = 2000;
/// A sender commits a new epoch before its counter gets here.
pub const ROTATE_AT_COUNTER: u32 = 1000;
/// Packets at or above this counter are refused.
pub const MAX_COUNTER: u32 = 2000;
/// Devices in one epoch.
pub const MAX_LEAVES: usize = 1500;
/// Boxes in one control packet.
pub const BOXES_PER_PACKET: usize = 52;

/// Largest user body of one message, bytes: fits a 64 KiB packet with its header and parents.
pub const MAX_BODY: usize = 60 << 10;
/// Longest display name or topic title, bytes of UTF-8.
pub const MAX_NAME: usize = 128;
/// Longest reaction, bytes of UTF-8: one emoji with all its joiners.
pub const MAX_EMOJI: usize = 32;
/// Emoji of one identity kept on one message, taken-back ones included: the latest.
pub const REACTIONS_EACH: usize = 4;
/// Reactions kept on one message: the latest.
pub const REACTIONS: usize = 2048;
/// Different emoji shown on one message.
pub const REACTIONS_SHOWN: usize = 20;
/// Edits, deletions and reactions kept that wait for their message, per topic, and their bytes: as many as a full
/// mailbox may bring before the disk has answered for the first.
pub const WAITING_AMENDMENTS: (usize, usize) = (4096, 4 << 20);
/// Parents of a message.
pub const MAX_PARENTS: usize = 8;

/// How long a direct or passed packet may stay unacknowledged before it is stored, ms.
pub const DIRECT_ACK_MS: u64 = 2_000;
/// First and last pause between attempts to reach a node, ms.
pub const BACKOFF_MS: (u64, u64) = (500, 60_000);
/// Interval of `Ping` on an otherwise silent link, ms; a link silent for twice this is dead.
pub const PING_MS: u64 = 25_000;
/// Direct connections one endpoint holds at once.
pub const MAX_PEERS: usize = 12;
/// Default and greatest life of an invite, ms.
pub const INVITE_MS: (u64, u64) = (7 * DAY_MS, 30 * DAY_MS);
/// Messages waiting to be delivered in one topic before `send` refuses.
pub const OUTBOX_MESSAGES: usize = 10_000;
/// Ranges in one receipt: more gaps than that are not told apart.
pub const RECEIPT_RANGES: usize = 8;
/// Receipts one message carries.
pub const MAX_RECEIPTS: usize = 16;
/// Runs kept of one sender's chain.
pub const INBOX_RUNS: usize = 64;
/// Ranges by which a removal says what of a chain was heard; what lies beyond does not count.
pub const HEARD_RANGES: usize = 8;
/// At most one receipt for a device is stored on nodes in this time, ms.
pub const RECEIPT_STORE_MS: u64 = HOUR_MS;
/// Above this many members no receipt is stored.
pub const RECEIPT_MEMBERS: usize = 32;
/// Packets kept that wait for an epoch, per topic, and their bytes.
pub const PENDING_PACKETS: usize = 512;
/// Bytes of packets kept that wait for an epoch, per topic.
pub const PENDING_BYTES: usize = 4 << 20;
/// Commands remembered by their reference, per topic, so that a repeated one is the same message.
pub const RECENT_REFS: usize = 64;
