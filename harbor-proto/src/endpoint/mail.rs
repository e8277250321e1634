//! Which mailboxes this endpoint uses now, for what, and how far each is read on each link.

use super::api::LinkId;
use crate::crypto::Secret;
use crate::delivery::plan::Place;
use crate::id::{HarborId, TopicUid};
use crate::packet::MailboxKeys;
use crate::wire::link::Cursor;
use alloc::{sync::Arc, vec::Vec};
use litemap::LiteMap;

/// What a mailbox is to this endpoint.
#[derive(Clone, Debug)]
pub(super) enum Holder {
    /// One of a topic's, under one of its routing secrets.
    Topic { uid: TopicUid, rs: Secret, place: Place },
    /// The rendezvous of an invite given, looked at or accepted.
    Door,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) keys: Arc<MailboxKeys>,
    pub(super) holder: Holder,
}

crate::wire_struct! {
    /// How far a mailbox is read on one link, and how full it has been seen.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(super) struct ReadState {
        pub(super) cursor: Cursor,
        pub(super) packets: u32,
        pub(super) bytes: u64,
    }
}

#[derive(Debug, Default)]
pub(super) struct Mail {
    derived: LiteMap<([u8; 32], u32, u8), Arc<MailboxKeys>>,
    pub(super) held: LiteMap<HarborId, Held>,
    pub(super) read: LiteMap<(HarborId, LinkId), ReadState>,
    /// Weeks that are over and were read to their end in this run.
    pub(super) done: Vec<HarborId>,
}

impl Mail {
    /// The keys of a mailbox, derived once.
    pub(super) fn keys(&mut self, rs: &Secret, period: u32, lane: u8) -> Arc<MailboxKeys> {
        let derive = || Arc::new(MailboxKeys::derive(rs, period, lane));
        Arc::clone(self.derived.entry((rs.0, period, lane)).or_insert_with(derive))
    }

    /// Replaces what is held, and forgets keys nothing uses any more.
    pub(super) fn replace(&mut self, held: LiteMap<HarborId, Held>) {
        self.derived.retain(|_, keys| held.contains_key(&keys.id()));
        self.done.retain(|id| held.contains_key(id));
        self.held = held;
    }

    /// How full a mailbox has been seen on any link.
    pub(super) fn fill(&self, mailbox: &HarborId) -> (u32, u64) {
        let read = self.read.as_slice();
        let low = read.partition_point(|((id, _), _)| id < mailbox);
        read[low..]
            .iter()
            .take_while(|((id, _), _)| id == mailbox)
            .fold((0, 0), |(packets, bytes), (_, r)| (packets.max(r.packets), bytes.max(r.bytes)))
    }
}

/// Key of a [`ReadState`] in `Table::Cursor`.
pub(super) fn cursor_key(mailbox: &HarborId, link: LinkId) -> Vec<u8> {
    [&mailbox.0[..], &link.0.to_be_bytes()].concat()
}
