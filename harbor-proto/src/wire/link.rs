//! Frames between a client and a Harbor Node, one per WebSocket binary message.
//!
//! Spec: docs/spec/link.md. A client opens a *slot* for every mailbox it uses on a link and names the slot
//! from then on, so that a frame costs two bytes of addressing and the node checks an opening once.

use super::{DecodeError, Reader, Wire};
use crate::id::{EndpointId, HarborId};
use crate::limits::{MAX_FRAME, PACKET_SIZES};
use alloc::vec::Vec;
use core::fmt;

/// A mailbox opened on this link, numbered by the client.
pub type Slot = u16;
/// A request on this link, numbered by the client; the node only repeats it.
pub type Request = u32;
/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// Version of the frames on this page, sent in [`ToClient::Welcome`].
pub const LINK_VERSION: u8 = 1;

crate::wire_struct! {
    /// A place in a node's log of one mailbox.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
    pub struct Cursor {
        /// Random name of the log; a node that lost or replaced its database has a new one.
        pub log: [u8; 16],
        /// Packets at or before this number are already known; 0 is before the first.
        pub seq: u64,
    }
}

crate::wire_struct! {
    /// What proves to a node that a client may use a mailbox, without the TopicID (docs/spec/mailbox.md §2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Opening {
        /// Ed25519 key that signs what is written.
        pub write_key: [u8; 32],
        /// Ed25519 key that signs who reads.
        pub read_key: [u8; 32],
        /// BLAKE3 chaining value of the second chunk of the TopicID.
        pub tail_cv: [u8; 32],
    }
}

/// What a proof is for; part of the signed bytes, so that one proof never serves as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verb {
    Store = 1,
    Pass = 2,
    Watch = 3,
    Pull = 4,
}

crate::wire_enum! {
    /// Why a node did not do what was asked. The numbers are on the wire.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Refusal {
        /// The bytes are no packet: wrong version, size, padding field or kind.
        Malformed = 1,
        /// The opening does not hash to the HarborID named.
        BadOpening = 2,
        /// The packet is not signed by the mailbox's write key (also: any byte was changed).
        BadSignature = 3,
        /// The work stamp has too few leading zero bits; `bits` is the price now.
        StampMissing = 4 { bits: u8 },
        /// The stamp's window is more than two hours from the node's clock; `hour` is the node's hour.
        StampStale = 5 { hour: u32 },
        /// Expired, or expiring more than 30 days from now.
        BadExpiry = 6,
        /// Larger than the largest packet size.
        TooLarge = 7,
        /// The proof for watch, pull or pass is not by the mailbox's key for this link.
        BadProof = 8,
        /// The mailbox holds its quota; use the next lane.
        Full = 9,
        /// The node's disk quota is reached.
        NodeFull = 10,
        /// Too many requests from this address; try again after `after_ms`.
        RateLimited = 11 { after_ms: u32 },
        /// Slot not open, or already open for another mailbox.
        BadSlot = 12,
        /// More slots, watches or watchers than the node allows.
        TooMany = 13,
        /// The node could not write or read its disk. Not the client's fault; try again later.
        Unavailable = 14,
    }
}

impl Refusal {
    /// Every kind of refusal in order of its number, for counters.
    pub const CODES: [&'static str; 14] = [
        "malformed",
        "bad_opening",
        "bad_signature",
        "stamp_missing",
        "stamp_stale",
        "bad_expiry",
        "too_large",
        "bad_proof",
        "full",
        "node_full",
        "rate_limited",
        "bad_slot",
        "too_many",
        "unavailable",
    ];

    /// Stable name, the same in metrics, logs and JavaScript.
    #[must_use]
    pub fn code(self) -> &'static str {
        Self::CODES[self.index()]
    }

    /// Position in [`Refusal::CODES`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Malformed => 0,
            Self::BadOpening => 1,
            Self::BadSignature => 2,
            Self::StampMissing { .. } => 3,
            Self::StampStale { .. } => 4,
            Self::BadExpiry => 5,
            Self::TooLarge => 6,
            Self::BadProof => 7,
            Self::Full => 8,
            Self::NodeFull => 9,
            Self::RateLimited { .. } => 10,
            Self::BadSlot => 11,
            Self::TooMany => 12,
            Self::Unavailable => 13,
        }
    }
}

/// The sealed packet at the end of a frame: its length is the frame's, its size is checked by
/// `packet::Packet`, not here, so that an oversized one is refused with its reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Tail(pub Vec<u8>);

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tail({} bytes)", self.0.len())
    }
}

impl Wire for Tail {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(r.rest().to_vec()))
    }
}

crate::wire_enum! {
    /// Client to node.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ToNode {
        /// Binds `slot` to a mailbox. `write_proof` (by W, verb pass, cursor zero) allows `Pass` on it.
        Open = 1 { slot: Slot, mailbox: HarborId, opening: Opening, write_proof: Option<Signature> },
        /// Frees the slot and ends its watch.
        Shut = 2 { slot: Slot },
        /// Append durably; answered by `Stored` or `Refused`.
        Store = 3 { req: Request, slot: Slot, packet: Tail },
        /// Hand to the present watchers; answered only when refused.
        Pass = 4 { slot: Slot, packet: Tail },
        /// Backlog after `after`, `Watching`, then what is new. `proof` by R, verb watch.
        Watch = 5 { slot: Slot, after: Cursor, proof: Signature },
        /// One page after `after`: `PullItem`s and `PullEnd`. `proof` by R, verb pull.
        Pull = 6 { req: Request, slot: Slot, after: Cursor, max: u16, proof: Signature },
        /// Answered by `Pong`: keeps the link alive through proxies and notices its death.
        Ping = 7 { token: u32 },
    }
}

crate::wire_enum! {
    /// How a packet came to a watcher.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Arrival {
        /// Was stored before the watch reached it.
        Backlog = 0,
        /// Stored just now.
        Stored = 1,
        /// Passed: it is nowhere on disk and has no cursor.
        Passed = 2,
    }
}

crate::wire_enum! {
    /// Node to client.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ToClient {
        /// First frame of every link. `challenge` is fresh per link; `hour` is the node's clock.
        Welcome = 1 { version: u8, node: EndpointId, challenge: [u8; 32], log: [u8; 16], hour: u32, store_bits: u8 },
        /// The packet is on disk, covered by an fsync.
        Stored = 2 { req: Request },
        /// A `Store` or `Pull` was refused.
        Refused = 3 { req: Request, why: Refusal },
        /// An `Open`, `Pass` or `Watch` was refused.
        SlotRefused = 4 { slot: Slot, why: Refusal },
        /// A packet for a watch.
        Item = 5 { slot: Slot, arrival: Arrival, cursor: u64, packet: Tail },
        /// The backlog of the watch is through; what follows is new.
        Watching = 6 { slot: Slot, cursor: Cursor },
        /// This reader fell behind and missed packets of the slot: it must watch again from its cursor.
        Lagged = 7 { slot: Slot },
        /// A packet for a pull.
        PullItem = 8 { req: Request, cursor: u64, packet: Tail },
        /// End of the page; `more` says whether another follows after `cursor`.
        PullEnd = 9 { req: Request, cursor: Cursor, more: bool },
        /// Answer to `Ping`.
        Pong = 10 { token: u32 },
        /// The node is going away; reconnect after `after_ms`.
        Bye = 11 { after_ms: u32 },
    }
}

/// A frame that carries a packet, read without copying the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried<'a> {
    /// As [`ToNode::Store`].
    Store { req: Request, slot: Slot, packet: &'a [u8] },
    /// As [`ToNode::Pass`].
    Pass { slot: Slot, packet: &'a [u8] },
}

impl<'a> Carried<'a> {
    /// `None` when the frame is another one, or none.
    #[must_use]
    pub fn from_bytes(frame: &'a [u8]) -> Option<Self> {
        match *frame {
            [3, r0, r1, r2, r3, s0, s1, ref packet @ ..] => Some(Self::Store {
                req: Request::from_be_bytes([r0, r1, r2, r3]),
                slot: Slot::from_be_bytes([s0, s1]),
                packet,
            }),
            [4, s0, s1, ref packet @ ..] => Some(Self::Pass { slot: Slot::from_be_bytes([s0, s1]), packet }),
            _ => None,
        }
    }
}

/// The bytes of [`ToClient::Item`], made with one copy of the packet.
#[must_use]
pub fn item_bytes(slot: Slot, arrival: Arrival, cursor: u64, packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + packet.len());
    out.push(5);
    slot.encode(&mut out);
    arrival.encode(&mut out);
    cursor.encode(&mut out);
    out.extend_from_slice(packet);
    out
}

/// The bytes of [`ToClient::PullItem`], made with one copy of the packet.
#[must_use]
pub fn pull_item_bytes(req: Request, cursor: u64, packet: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(13 + packet.len());
    out.push(8);
    req.encode(&mut out);
    cursor.encode(&mut out);
    out.extend_from_slice(packet);
    out
}

/// True when a frame of `len` bytes can be valid at all.
#[must_use]
pub fn frame_len_ok(len: usize) -> bool {
    len <= MAX_FRAME
}

/// The bytes that W or R signs to prove itself on a link (docs/spec/link.md §3).
#[must_use]
pub fn proof_bytes(
    node: &EndpointId,
    challenge: &[u8; 32],
    mailbox: &HarborId,
    verb: Verb,
    after: &Cursor,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(148);
    out.extend_from_slice(b"harbor.v1 link proof");
    node.encode(&mut out);
    challenge.encode(&mut out);
    mailbox.encode(&mut out);
    out.push(verb as u8);
    after.encode(&mut out);
    out
}

const _: () = assert!(MAX_FRAME > PACKET_SIZES[3] + 64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_ways_to_read_and_write_packets_agree_with_the_codec() {
        let packet = || Tail(alloc::vec![1, 2, 3]);
        let store = ToNode::Store { req: 0x0102_0304, slot: 0x0506, packet: packet() }.to_bytes();
        let want = Carried::Store { req: 0x0102_0304, slot: 0x0506, packet: &[1, 2, 3] };
        assert_eq!(Carried::from_bytes(&store), Some(want));
        let pass = ToNode::Pass { slot: 0x0506, packet: packet() }.to_bytes();
        assert_eq!(Carried::from_bytes(&pass), Some(Carried::Pass { slot: 0x0506, packet: &[1, 2, 3] }));
        assert_eq!(Carried::from_bytes(&ToNode::Ping { token: 1 }.to_bytes()), None);
        for short in [&store[..6], &pass[..2], &[]] {
            assert_eq!(Carried::from_bytes(short), None);
            assert!(ToNode::from_bytes(short).is_err());
        }
        let item = ToClient::Item { slot: 7, arrival: Arrival::Passed, cursor: 8, packet: packet() };
        assert_eq!(item_bytes(7, Arrival::Passed, 8, &[1, 2, 3]), item.to_bytes());
        let item = ToClient::PullItem { req: 7, cursor: 8, packet: packet() };
        assert_eq!(pull_item_bytes(7, 8, &[1, 2, 3]), item.to_bytes());
    }
}
