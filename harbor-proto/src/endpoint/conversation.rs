//! One topic as this endpoint runs it: the log of the group, and the messages in and out.

use super::api::{Message, Name, TopicKind, TopicState};
use crate::crypto::Secret;
use crate::delivery::amend::Waiting;
use crate::delivery::inbox::SenderChain;
use crate::delivery::outbox::Outbox;
use crate::id::{DeviceId, MessageId, PacketId, TopicUid};
use crate::limits::{PACKET_SIZES, PENDING_BYTES, PENDING_PACKETS};
use crate::packet::{ContentKey, Kind};
use crate::time::UnixMillis;
use crate::topic::TopicLog;
use crate::wire::{Bytes, DecodeError, Reader, Wire};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use litemap::LiteMap;

crate::wire_struct! {
    /// What is kept of a conversation beside its log and messages.
    #[derive(Clone, Debug)]
    pub(super) struct Meta {
        pub(super) kind: TopicKind,
        /// From the invite while joining, from the log afterwards.
        pub(super) title: Name,
        pub(super) state: TopicState,
        pub(super) created: UnixMillis,
        pub(super) unread: u32,
        pub(super) last: Option<Message>,
        /// When every mailbox of the topic was last known to be read to its end.
        pub(super) complete: UnixMillis,
    }
}

crate::wire_struct! {
    /// Something other than a message that must get into a mailbox.
    #[derive(Clone, Debug)]
    pub(super) struct Post {
        /// Routing secret of the mailbox.
        pub(super) rs: Secret,
        /// `None`: the control lane of the present week.
        pub(super) period: Option<u32>,
        pub(super) kind: PostKind,
        pub(super) key: PostKey,
        /// Life of the packet, hours from when it is sealed.
        pub(super) ttl_hours: u32,
        pub(super) content: Bytes<{ PACKET_SIZES[3] }>,
    }
}

/// Which packets carry a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PostKind {
    Control,
    Rendezvous,
}

impl PostKind {
    pub(super) fn packet_kind(self) -> Kind {
        match self {
            Self::Control => Kind::Control,
            Self::Rendezvous => Kind::Rendezvous,
        }
    }
}

impl Wire for PostKind {
    fn encode(&self, out: &mut Vec<u8>) {
        (*self == Self::Rendezvous).encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if bool::decode(r)? { Self::Rendezvous } else { Self::Control })
    }
}

/// The content key of a post.
#[derive(Clone, Debug)]
pub(super) struct PostKey(pub(super) ContentKey);

impl Wire for PostKey {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.key.encode(out);
        self.0.commitment.encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(ContentKey { key: Secret::decode(r)?, commitment: Wire::decode(r)? }))
    }
}

/// Packets whose epoch is not known yet, oldest first; the oldest go when there are too many.
#[derive(Debug, Default)]
pub(super) struct Pending {
    packets: LiteMap<PacketId, Vec<u8>>,
    order: VecDeque<PacketId>,
    bytes: usize,
}

impl Pending {
    /// Keeps a packet; returns those given up for it. Nothing when it is here already.
    pub(super) fn insert(&mut self, id: PacketId, packet: Vec<u8>) -> Option<Vec<PacketId>> {
        if self.packets.contains_key(&id) {
            return None;
        }
        self.bytes += packet.len();
        self.packets.insert(id, packet);
        self.order.push_back(id);
        let mut dropped = Vec::new();
        while self.order.len() > PENDING_PACKETS || self.bytes > PENDING_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(&oldest);
            dropped.push(oldest);
        }
        Some(dropped)
    }

    pub(super) fn remove(&mut self, id: &PacketId) {
        if let Some(packet) = self.packets.remove(id) {
            self.bytes -= packet.len();
            self.order.retain(|kept| kept != id);
        }
    }

    /// All of them, to be tried again.
    pub(super) fn all(&self) -> Vec<(PacketId, Vec<u8>)> {
        self.order.iter().filter_map(|id| self.packets.get(id).map(|p| (*id, p.clone()))).collect()
    }
}

#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) meta: Meta,
    /// `None` while joining.
    pub(super) log: Option<TopicLog>,
    pub(super) outbox: Outbox,
    /// Seqs of the outbox that are to be sealed and sent as soon as there is a way out.
    pub(super) todo: BTreeSet<u64>,
    pub(super) senders: LiteMap<DeviceId, SenderChain>,
    pub(super) posts: LiteMap<u64, Post>,
    pub(super) next_post: u64,
    pub(super) pending: Pending,
    /// What was said about messages that are not here, or are being looked up.
    pub(super) amendments: Waiting,
    /// Lane written to in this week.
    pub(super) lane: (u32, u8),
    /// How often a message was sealed again because a node called its packet expired.
    pub(super) resealed: LiteMap<u64, u8>,
}

impl Conversation {
    pub(super) fn new(meta: Meta, log: Option<TopicLog>) -> Self {
        Self {
            meta,
            log,
            outbox: Outbox::default(),
            todo: BTreeSet::new(),
            senders: LiteMap::new(),
            posts: LiteMap::new(),
            next_post: 0,
            pending: Pending::default(),
            amendments: Waiting::default(),
            lane: (0, 1),
            resealed: LiteMap::new(),
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.meta.state == TopicState::Active && self.log.is_some()
    }

    /// The lane to write to in week `period`.
    pub(super) fn lane(&mut self, period: u32) -> u8 {
        if self.lane.0 != period {
            self.lane = (period, 1);
        }
        self.lane.1
    }
}

/// Keys of the records of one conversation.
pub(super) mod key {
    use super::{DeviceId, MessageId, PacketId, TopicUid, Vec};
    use crate::delivery::outbox::OrderKey;

    const OUTBOX_ENTRY: u8 = 0;
    const OUTBOX_POST: u8 = 1;

    /// In `Table::Meta`.
    pub(in super::super) fn meta(uid: &TopicUid) -> Vec<u8> {
        [b"topic/", &uid.0[..]].concat()
    }

    /// In `Table::Outbox`; seq 0 is the head of the chain.
    pub(in super::super) fn entry(uid: &TopicUid, seq: u64) -> Vec<u8> {
        [&uid.0[..], &[OUTBOX_ENTRY], &seq.to_be_bytes()].concat()
    }

    /// In `Table::Outbox`.
    pub(in super::super) fn post(uid: &TopicUid, n: u64) -> Vec<u8> {
        [&uid.0[..], &[OUTBOX_POST], &n.to_be_bytes()].concat()
    }

    /// In `Table::Peer`.
    pub(in super::super) fn sender(uid: &TopicUid, device: &DeviceId) -> Vec<u8> {
        [&uid.0[..], &device.0].concat()
    }

    /// In `Table::Pending`.
    pub(in super::super) fn pending(uid: &TopicUid, packet: &PacketId) -> Vec<u8> {
        [&uid.0[..], &packet.0].concat()
    }

    /// In `Table::Pending`; longer than a packet's.
    pub(in super::super) fn amendment(uid: &TopicUid, id: &MessageId) -> Vec<u8> {
        [&uid.0[..], &id.0, &[1]].concat()
    }

    /// In `Table::Place`.
    pub(in super::super) fn place(uid: &TopicUid, id: &MessageId) -> Vec<u8> {
        [&uid.0[..], &id.0].concat()
    }

    /// In `Table::Message` and `Table::State`.
    pub(in super::super) fn message(uid: &TopicUid, order: &OrderKey) -> Vec<u8> {
        [&uid.0[..], order].concat()
    }

    /// Splits an outbox key into topic, whether it is a post, and number.
    pub(in super::super) fn split_outbox(key: &[u8]) -> Option<(TopicUid, bool, u64)> {
        let (uid, rest) = key.split_first_chunk::<32>()?;
        let (&tag, number) = rest.split_first()?;
        let number = u64::from_be_bytes(number.try_into().ok()?);
        (tag <= OUTBOX_POST).then_some((TopicUid(*uid), tag == OUTBOX_POST, number))
    }

    /// Splits a key that starts with a topic into topic and 32 bytes.
    pub(in super::super) fn split(key: &[u8]) -> Option<(TopicUid, [u8; 32])> {
        let (uid, rest) = key.split_first_chunk::<32>()?;
        Some((TopicUid(*uid), rest.try_into().ok()?))
    }
}
