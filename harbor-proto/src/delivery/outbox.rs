//! Own messages of one topic until every member has them.
//!
//! Spec: docs/spec/delivery.md §2. A message is composed when the person sends it and sealed when there is
//! a way out; it keeps its identity however often it is sealed.

use super::clock::Clock;
use super::content::{Content, MessageType, Receipt};
use super::ranges::Ranges;
use super::state::{Path, State};
use crate::crypto::Secret;
use crate::id::{DeviceId, EpochId, MessageId, TopicUid};
use crate::limits::{MAX_BODY, MAX_LEAVES, MAX_PARENTS, PACKET_SIZES, RECENT_REFS};
use crate::time::UnixMillis;
use crate::wire::{Bytes, List};
use alloc::{boxed::Box, vec::Vec};
use litemap::LiteMap;

/// Place in a topic's history: 8 bytes clock reading, 8 bytes of the MessageID; sorts as it is shown.
pub type OrderKey = [u8; 16];

/// The place of message `id` with clock reading `order`.
#[must_use]
pub fn order_key(order: u64, id: &MessageId) -> OrderKey {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&order.to_be_bytes());
    key[8..].copy_from_slice(&id.0[..8]);
    key
}

crate::wire_struct! {
    /// A message sealed into a packet, and where that packet may be written.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Sealed {
        pub rs: Secret,
        pub period: u32,
        pub lane: u8,
        pub epoch: EpochId,
        pub packet: Bytes<{ PACKET_SIZES[3] }>,
    }
}

crate::wire_struct! {
    /// What the message says; dropped once enough nodes or all members have it.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Composed {
        pub prev: MessageId,
        pub parents: List<MessageId, MAX_PARENTS>,
        pub clock: u64,
        pub body: Bytes<MAX_BODY>,
    }
}

crate::wire_struct! {
    /// One own message.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Entry {
        pub seq: u64,
        pub id: MessageId,
        pub order: OrderKey,
        pub kind: MessageType,
        pub composed: Option<Composed>,
        pub sealed: Option<Sealed>,
        /// Devices of the epoch it was sealed in that have not acknowledged it.
        pub waiting: List<DeviceId, MAX_LEAVES>,
        /// Nodes that have it on disk.
        pub nodes: u8,
        pub path: Option<Path>,
        pub failed: bool,
        pub sent_at: UnixMillis,
    }
}

impl Entry {
    /// What to show; `way_out` says whether anything can leave this device now.
    #[must_use]
    pub fn state(&self, way_out: bool) -> State {
        match self {
            Self { failed: true, .. } => State::Failed,
            Self { sealed: Some(_), .. } if self.waiting.is_empty() => State::Delivered,
            Self { nodes: 1.., .. } => State::Stored { nodes: self.nodes },
            _ if way_out => State::Sending,
            _ => State::Queued,
        }
    }

    /// The content to seal, unsigned; `None` once it was dropped.
    #[must_use]
    pub fn content(&self, receipts: Vec<Receipt>) -> Option<Content> {
        let composed = self.composed.as_ref()?;
        Some(Content {
            kind: self.kind,
            seq: self.seq,
            prev: composed.prev,
            parents: composed.parents.clone(),
            clock: composed.clock,
            body: composed.body.clone(),
            receipts: List::first(receipts),
            signature: [0; 64],
        })
    }

    /// Notes that the packet went out to `waiting` and is to be replaced no more while its week lasts.
    pub fn set_sealed(&mut self, sealed: Sealed, waiting: Vec<DeviceId>) {
        self.sealed = Some(sealed);
        self.waiting = List::first(waiting);
    }

    /// Everything but the record that it existed can go: nodes or members hold it.
    pub fn drop_bytes(&mut self) {
        self.composed = None;
        if let Some(sealed) = &mut self.sealed {
            sealed.packet = Bytes::default();
        }
    }

    /// Still only on this device, as far as anybody confirmed.
    #[must_use]
    pub fn only_here(&self) -> bool {
        self.composed.is_some() && self.nodes == 0 && !self.failed
    }
}

crate::wire_struct! {
    /// A command's reference and the message it became.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Recent {
        pub client_ref: [u8; 16],
        pub seq: u64,
        pub id: MessageId,
        pub order: OrderKey,
        pub sent_at: UnixMillis,
    }
}

crate::wire_struct! {
    /// Where the own chain stands; outlives its entries.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Head {
        /// Seq of the last message composed.
        pub seq: u64,
        pub last: MessageId,
        pub clock: u64,
        pub recent: List<Recent, RECENT_REFS>,
    }
}

/// Own messages of one topic by seq.
#[derive(Clone, Debug, Default)]
pub struct Outbox {
    pub head: Head,
    pub entries: LiteMap<u64, Box<Entry>>,
}

/// A message as the person gave it.
#[derive(Debug)]
pub struct Draft {
    pub kind: MessageType,
    pub body: Bytes<MAX_BODY>,
    pub parents: Vec<MessageId>,
    pub client_ref: [u8; 16],
}

impl Outbox {
    /// Gives the message its place in the chain. The caller persists head and entry before anything else.
    pub fn compose(&mut self, draft: Draft, topic: &TopicUid, device: &DeviceId, now: UnixMillis) -> &Entry {
        let mut clock = Clock::resume(self.head.clock);
        let reading = clock.tick(now);
        let composed = Composed {
            prev: self.head.last,
            parents: List::first(draft.parents),
            clock: reading,
            body: draft.body,
        };
        let mut entry = Entry {
            seq: self.head.seq + 1,
            id: MessageId::default(),
            order: [0; 16],
            kind: draft.kind,
            composed: Some(composed),
            sealed: None,
            waiting: List::default(),
            nodes: 0,
            path: None,
            failed: false,
            sent_at: now,
        };
        entry.id = entry.content(Vec::new()).expect("just composed").id(topic, device);
        entry.order = order_key(reading, &entry.id);
        self.note(&entry, draft.client_ref, reading);
        let seq = entry.seq;
        self.entries.entry(seq).or_insert(Box::new(entry))
    }

    fn note(&mut self, entry: &Entry, client_ref: [u8; 16], reading: u64) {
        let mut recent = core::mem::take(&mut self.head.recent).into_vec();
        if recent.len() == RECENT_REFS {
            recent.remove(0);
        }
        let Entry { seq, id, order, sent_at, .. } = *entry;
        recent.push(Recent { client_ref, seq, id, order, sent_at });
        self.head = Head { seq, last: id, clock: reading, recent: List::first(recent) };
    }

    /// The message a command became when it was given before.
    #[must_use]
    pub fn find_ref(&self, client_ref: &[u8; 16]) -> Option<&Recent> {
        self.head.recent.iter().find(|r| r.client_ref == *client_ref)
    }

    /// `device` has these messages. Returns the seqs whose entry changed.
    pub fn acknowledge(&mut self, device: &DeviceId, seqs: &Ranges) -> Vec<u64> {
        let mut changed = Vec::new();
        for (_, entry) in self.entries.iter_mut().filter(|(seq, _)| seqs.contains(**seq)) {
            if let Some(at) = entry.waiting.iter().position(|d| d == device) {
                let mut waiting = core::mem::take(&mut entry.waiting).into_vec();
                waiting.remove(at);
                entry.waiting = List::first(waiting);
                changed.push(entry.seq);
            }
        }
        changed
    }

    /// Messages that are on this device only.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.entries.values().filter(|e| e.kind != MessageType::Receipt && e.only_here()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(client_ref: u8) -> Draft {
        Draft {
            kind: MessageType::Text,
            body: Bytes::new(b"x".to_vec()).unwrap(),
            parents: Vec::new(),
            client_ref: [client_ref; 16],
        }
    }

    #[test]
    fn a_chain_links_and_states_follow_what_is_known() {
        let (topic, me) = (TopicUid([1; 32]), DeviceId([2; 32]));
        let mut outbox = Outbox::default();
        let first = outbox.compose(draft(1), &topic, &me, UnixMillis(5)).clone();
        let second = outbox.compose(draft(2), &topic, &me, UnixMillis(5)).clone();
        assert_eq!((first.seq, second.seq), (1, 2));
        assert_eq!(second.composed.as_ref().unwrap().prev, first.id);
        assert!(second.order > first.order, "same millisecond, still in order");
        assert_eq!(outbox.find_ref(&[2; 16]).unwrap().id, second.id);

        let (a, b) = (DeviceId([3; 32]), DeviceId([4; 32]));
        let entry = outbox.entries.get_mut(&1).unwrap();
        assert_eq!((entry.state(false), entry.state(true)), (State::Queued, State::Sending));
        let packet = Bytes::default();
        let rs = Secret([0; 32]);
        entry.set_sealed(
            Sealed { rs, period: 1, lane: 1, epoch: EpochId([0; 32]), packet },
            alloc::vec![a, b],
        );
        entry.nodes = 1;
        assert_eq!(entry.state(true), State::Stored { nodes: 1 });
        let mut seqs = Ranges::default();
        seqs.insert(1, 1);
        assert_eq!(outbox.acknowledge(&a, &seqs), [1]);
        assert_eq!(outbox.acknowledge(&a, &seqs), [0u64; 0]);
        assert_eq!(outbox.acknowledge(&b, &seqs), [1]);
        assert_eq!(outbox.entries[&1].state(true), State::Delivered);
    }
}
