//! An endpoint from the records it wrote.

use super::contacts::VERIFIED;
use super::conversation::{Conversation, Meta, Post, key};
use super::mail::{Mail, ReadState};
use super::{Endpoint, LinkId, Me, Setup, Step, Table, TopicState};
use crate::crypto::rng::Rng;
use crate::delivery::Amendment;
use crate::delivery::outbox::{Entry, Head};
use crate::id::{DeviceId, EndpointId, HarborId, PacketId, TopicUid};
use crate::time::{Instant, WallClock};
use crate::topic::TopicLog;
use crate::topic::records::Shelf;
use crate::uplink::Uplink;
use crate::wire::Wire;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::fmt;
use litemap::LiteMap;

/// The records are not those of an endpoint: damaged, mixed up, or of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError(pub Table);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "records of {:?} cannot be read", self.0)
    }
}

impl core::error::Error for RestoreError {}

type Record = (Table, Vec<u8>, Vec<u8>);
type LogRecord = (Shelf, Vec<u8>, Vec<u8>);

impl Endpoint {
    /// An endpoint as its records left it; none for the first start. History (`Message`, `State`, `Place`) is not needed
    /// and ignored. Nothing runs before the first [`super::Input::Clock`].
    ///
    /// # Errors
    /// [`RestoreError`]: the disk's fault.
    pub fn restore(setup: Setup, records: impl IntoIterator<Item = Record>) -> Result<Self, RestoreError> {
        let mut endpoint = Self::empty(setup);
        let mut logs: LiteMap<TopicUid, Vec<LogRecord>> = LiteMap::new();
        let mut rest = Vec::new();
        for (table, key, value) in records {
            let shelf = match table {
                Table::Topic => Shelf::Topic,
                Table::Log => Shelf::Log,
                Table::Chain => Shelf::Chain,
                Table::Meta => {
                    endpoint.restore_meta(&key, &value).ok_or(RestoreError(table))?;
                    continue;
                }
                _ => {
                    rest.push((table, key, value));
                    continue;
                }
            };
            let uid = key.first_chunk::<32>().copied().map(TopicUid).ok_or(RestoreError(table))?;
            logs.entry(uid).or_default().push((shelf, key, value));
        }
        for (uid, records) in logs {
            let records = records.iter().map(|(shelf, key, value)| (*shelf, &key[..], &value[..]));
            let log = TopicLog::restore(records).map_err(|_| RestoreError(Table::Log))?;
            endpoint.talks.get_mut(&uid).ok_or(RestoreError(Table::Topic))?.log = Some(log);
        }
        for (table, key, value) in rest {
            endpoint.restore_record(table, &key, &value).ok_or(RestoreError(table))?;
        }
        endpoint.resume_sending();
        Ok(endpoint)
    }

    fn empty(setup: Setup) -> Self {
        let mut rng = Rng::new(setup.entropy);
        let mut links = LiteMap::new();
        for n in 0..setup.nodes {
            links.insert(LinkId(n), Uplink::new(Rng::new(rng.array()), Instant(0)));
        }
        Self {
            now: Instant(0),
            wall: WallClock::default(),
            running: false,
            rng,
            me: None,
            direct: (true, setup.direct),
            hidden: false,
            verified: BTreeSet::new(),
            talks: LiteMap::new(),
            links,
            peering: None,
            mail: Mail::default(),
            doors: LiteMap::new(),
            shipments: LiteMap::new(),
            next_tag: 1,
            sent: LiteMap::new(),
            silent: LiteMap::new(),
            timers: LiteMap::new(),
            looks: Vec::new(),
            next_look: 1,
            dirty: BTreeSet::new(),
            changed: BTreeSet::new(),
            replan: true,
            status: None,
            step: Step::default(),
            outputs: VecDeque::new(),
        }
    }

    fn restore_meta(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"me" => self.me = Some(Me::from_bytes(value).ok()?),
            b"direct" => self.direct.0 = bool::from_bytes(value).ok()?,
            _ if key.starts_with(VERIFIED) => {
                self.verified.insert(EndpointId(key[VERIFIED.len()..].try_into().ok()?));
            }
            _ => {
                let uid = TopicUid(key.strip_prefix(b"topic/")?.try_into().ok()?);
                self.talks.insert(uid, Conversation::new(Meta::from_bytes(value).ok()?, None));
            }
        }
        Some(())
    }

    fn restore_record(&mut self, table: Table, key: &[u8], value: &[u8]) -> Option<()> {
        match table {
            Table::Outbox => self.restore_outbox(key, value),
            Table::Peer => {
                let (uid, device) = key::split(key)?;
                let chain = Wire::from_bytes(value).ok()?;
                self.talks.get_mut(&uid)?.senders.insert(DeviceId(device), chain);
                Some(())
            }
            Table::Pending if key.len() > 64 => {
                let (uid, _) = key::split(&key[..64])?;
                self.talks.get_mut(&uid)?.amendments.insert(Amendment::from_bytes(value).ok()?);
                Some(())
            }
            Table::Pending => {
                let (uid, packet) = key::split(key)?;
                self.talks.get_mut(&uid)?.pending.insert(PacketId(packet), value.to_vec());
                Some(())
            }
            Table::Cursor => {
                let (mailbox, link) = key.split_first_chunk::<32>()?;
                let link = LinkId(u32::from_be_bytes(link.try_into().ok()?));
                self.mail.read.insert((HarborId(*mailbox), link), ReadState::from_bytes(value).ok()?);
                Some(())
            }
            Table::Invite => self.restore_door(key, value),
            _ => Some(()),
        }
    }

    fn restore_outbox(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        let (uid, is_post, n) = key::split_outbox(key)?;
        let talk = self.talks.get_mut(&uid)?;
        if is_post {
            talk.posts.insert(n, Post::from_bytes(value).ok()?);
            talk.next_post = talk.next_post.max(n + 1);
        } else if n == 0 {
            talk.outbox.head = Head::from_bytes(value).ok()?;
        } else {
            talk.outbox.entries.insert(n, Box::new(Entry::from_bytes(value).ok()?));
        }
        Some(())
    }

    /// What was not confirmed before the restart is sent again: the same packet where there is one.
    fn resume_sending(&mut self) {
        for (uid, talk) in &mut self.talks {
            let unsent = talk.outbox.entries.values().filter(|e| e.only_here());
            talk.todo.extend(unsent.map(|e| e.seq));
            for entry in talk.outbox.entries.values() {
                let packet = entry.sealed.as_ref().and_then(|s| crate::packet::Packet::parse(&s.packet));
                if let Some(packet) = packet {
                    self.sent.insert(packet.id(), (*uid, entry.seq));
                }
            }
            self.dirty.insert(*uid);
            if talk.meta.state != TopicState::Joining {
                self.changed.insert(*uid);
            }
        }
    }
}
