//! The epochs a device knows of one topic, the keys of those it could open, and the routing secrets they brought.
//!
//! Spec: docs/spec/epochs.md §4–§6.

use super::epoch::{EpochHeader, EpochSecrets};
use super::ratchet::{Chain, PeekError, Peeked};
use super::records::{RecordChange, Shelf, chain_key, epoch_key};
use super::roster::Roster;
use crate::crypto::{Secret, hash};
use crate::id::{DeviceId, EndpointId, EpochId, TopicUid};
use crate::limits::DAY_MS;
use crate::packet::{ContentKey, Header};
use crate::time::UnixMillis;
use crate::wire::Wire;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use litemap::LiteMap;

/// How long keys and routing secrets are kept after something newer took their place, ms.
pub const KEEP_MS: u64 = 30 * DAY_MS;
/// Epochs remembered in one topic; beyond, those of the lowest generation go first.
pub(super) const MAX_EPOCHS: usize = 4096;
/// Routing secrets remembered in one topic; beyond, the one longest out of use goes first.
pub(super) const MAX_ROUTES: usize = 64;

crate::wire_struct! {
    /// A routing secret and when this device held it for current.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Route {
        pub rs: Secret,
        /// When it was learnt.
        pub from: UnixMillis,
        /// When another took its place; `None` while in use.
        pub until: Option<UnixMillis>,
    }
}

impl Route {
    /// False from [`KEEP_MS`] after it went out of use.
    #[must_use]
    pub fn kept(&self, now: UnixMillis) -> bool {
        self.until.is_none_or(|until| until.plus(KEEP_MS) > now)
    }
}

/// Why a packet's header gives no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The epoch is not known or not opened yet: keep the packet and try again after [`super::Change::Opened`].
    UnknownEpoch,
    /// The epoch's keys were dropped; it will never open.
    Dropped,
    /// No such leaf in the epoch, or no such place in its chain, or a commitment to another key.
    Forged,
    /// Opened before.
    Used,
    /// Sent by this very device.
    Own,
}

/// The key of one received message and whose it is. Changes nothing until [`super::TopicLog::accept`].
#[derive(Clone, Debug)]
pub struct OpenKey {
    pub key: ContentKey,
    pub epoch: EpochId,
    pub leaf: u16,
    pub counter: u32,
    /// The device whose signature the content must carry.
    pub author: DeviceId,
    pub identity: EndpointId,
    /// Deletes the packet from a node; of use in a DM only.
    pub delete_token: [u8; 16],
    peeked: Peeked,
}

/// Where an opened epoch's keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Keys {
    /// Nothing used yet: all chains follow from es, so 32 bytes stand for them.
    Whole(Secret),
    /// One chain per leaf; es is erased.
    Chains(Vec<Chain>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Open {
    rs: Secret,
    /// A message was sent or received in it.
    used: bool,
    leaves: Vec<(DeviceId, EndpointId)>,
    keys: Keys,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    header: EpochHeader,
    since: UnixMillis,
    superseded: Option<UnixMillis>,
    dropped: bool,
    open: Option<Open>,
}

crate::wire_struct! {
    #[derive(Debug)]
    struct OpenRecord {
        rs: Secret,
        used: bool,
        /// None once there are chain records.
        es: Option<Secret>,
    }
}

crate::wire_struct! {
    #[derive(Debug)]
    pub(super) struct EpochRecord {
        header: EpochHeader,
        since: UnixMillis,
        superseded: Option<UnixMillis>,
        dropped: bool,
        open: Option<OpenRecord>,
    }
}

impl EpochRecord {
    pub(super) fn header(&self) -> &EpochHeader {
        &self.header
    }

    pub(super) fn has_keys(&self) -> bool {
        self.open.is_some()
    }
}

/// The epochs of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Keyring {
    uid: TopicUid,
    me: DeviceId,
    epochs: LiteMap<EpochId, Box<Entry>>,
    routes: Vec<Route>,
    /// Which devices were given each routing secret (by its BLAKE3); follows from the opened epochs.
    holders: LiteMap<[u8; 32], BTreeSet<DeviceId>>,
    current: Option<EpochId>,
}

impl Keyring {
    pub(super) fn new(uid: TopicUid, me: DeviceId, routes: Vec<Route>) -> Self {
        Self { uid, me, epochs: LiteMap::new(), routes, holders: LiteMap::new(), current: None }
    }

    pub(super) fn routes(&self) -> &[Route] {
        &self.routes
    }

    pub(super) fn current(&self) -> Option<EpochId> {
        self.current
    }

    pub(super) fn header(&self, id: &EpochId) -> Option<&EpochHeader> {
        self.epochs.get(id).map(|entry| &entry.header)
    }

    pub(super) fn generation(&self, id: &EpochId) -> Option<u32> {
        self.header(id).map(|header| header.generation)
    }

    /// True when the box was opened, even if the keys are gone since.
    pub(super) fn opened(&self, id: &EpochId) -> bool {
        self.epochs.get(id).is_some_and(|entry| entry.open.is_some() || entry.dropped)
    }

    /// Headers not long out of use, oldest generation first: what a new member needs to place later epochs.
    pub(super) fn recent(&self, now: UnixMillis) -> Vec<&EpochHeader> {
        let kept = |id: &EpochId, e: &Entry| {
            self.current == Some(*id) || e.superseded.unwrap_or(e.since).plus(KEEP_MS) > now
        };
        let kept = self.epochs.iter().filter(|(id, e)| kept(id, e));
        let mut headers: Vec<&EpochHeader> = kept.map(|(_, entry)| &entry.header).collect();
        headers.sort_by_key(|header| header.generation);
        headers
    }

    /// Epochs that no other follows, best first.
    pub(super) fn heads(&self) -> Vec<(EpochId, u32)> {
        let mut followed = BTreeSet::new();
        for entry in self.epochs.values() {
            for parent in entry.header.parents.iter() {
                followed.insert(*parent);
            }
        }
        let known = self.epochs.iter().filter(|(id, _)| !followed.contains(*id));
        let mut heads: Vec<(EpochId, u32)> = known.map(|(id, e)| (*id, e.header.generation)).collect();
        heads.sort_unstable_by_key(|(id, generation)| (core::cmp::Reverse(*generation), *id));
        heads
    }

    /// Remembers a checked header.
    pub(super) fn insert(&mut self, header: EpochHeader, now: UnixMillis, out: &mut Vec<RecordChange>) {
        let id = header.id();
        let entry = Entry { header, since: now, superseded: None, dropped: false, open: None };
        self.epochs.insert(id, Box::new(entry));
        self.put_epoch(&id, out);
        if self.epochs.len() > MAX_EPOCHS {
            let spare =
                self.epochs.iter().filter(|(other, _)| **other != id && self.current != Some(**other));
            if let Some(lowest) = spare.min_by_key(|(id, e)| (e.header.generation, **id)).map(|(id, _)| *id) {
                self.drop_keys(&lowest, out);
                self.epochs.remove(&lowest);
                self.recount_holders();
                out.push(RecordChange::Delete { shelf: Shelf::Log, key: epoch_key(&self.uid, &lowest) });
            }
        }
    }

    /// Takes the secrets of a known epoch whose roster is `roster`. True when they brought a new routing secret.
    pub(super) fn unlock(
        &mut self,
        id: &EpochId,
        secrets: EpochSecrets,
        roster: &Roster,
        now: UnixMillis,
        out: &mut Vec<RecordChange>,
    ) -> bool {
        let leaves: Vec<_> = roster.leaves().iter().map(|leaf| (leaf.device, leaf.identity)).collect();
        self.hold(&secrets.rs, &leaves);
        let Some(entry) = self.epochs.get_mut(id) else { return false };
        let known = self.routes.iter().any(|route| route.rs == secrets.rs);
        if !known {
            self.routes.push(Route { rs: secrets.rs.clone(), from: now, until: None });
        }
        entry.open = Some(Open { rs: secrets.rs, used: false, leaves, keys: Keys::Whole(secrets.es) });
        self.put_epoch(id, out);
        !known
    }

    /// Chooses the epoch to send in: for exactly this roster, opened, of the greatest generation, then the lowest
    /// id. True when the choice changed.
    pub(super) fn choose(
        &mut self,
        roster: &Roster,
        roster_hash: &[u8; 32],
        now: UnixMillis,
        out: &mut Vec<RecordChange>,
    ) -> bool {
        let before = self.current;
        self.select(roster, roster_hash);
        let Some(current) = self.current else { return before.is_some() };
        let fresh = |entry: &Entry| entry.open.is_some();
        let mut touched = Vec::new();
        for (id, entry) in self.epochs.iter_mut().filter(|(_, entry)| fresh(entry)) {
            let superseded = (*id != current).then_some(entry.superseded.unwrap_or(now));
            if entry.superseded != superseded {
                entry.superseded = superseded;
                touched.push(*id);
            }
        }
        for id in touched {
            self.put_epoch(&id, out);
        }
        self.time_routes(now);
        before != self.current
    }

    /// The choice alone, without its consequences in time.
    pub(super) fn select(&mut self, roster: &Roster, roster_hash: &[u8; 32]) {
        let eligible = self.epochs.iter().filter(|(_, entry)| {
            entry.header.roster_hash == *roster_hash
                && entry
                    .open
                    .as_ref()
                    .is_some_and(|open| self.leaf_of(open).is_some() && !self.exposed(&open.rs, roster))
        });
        let best = eligible.min_by_key(|(id, e)| (core::cmp::Reverse(e.header.generation), **id));
        self.current = best.map(|(id, _)| *id);
    }

    fn time_routes(&mut self, now: UnixMillis) {
        let Some(rs) = self.current_rs().cloned() else { return };
        for route in &mut self.routes {
            route.until = if route.rs == rs { None } else { Some(route.until.unwrap_or(now)) };
        }
        while self.routes.len() > MAX_ROUTES {
            let oldest = (0..self.routes.len()).min_by_key(|at| {
                let route = &self.routes[*at];
                (route.until.is_none(), route.until, *at)
            });
            self.routes.remove(oldest.expect("more than none"));
        }
    }

    /// The routing secret of the epoch to send in.
    pub(super) fn current_rs(&self) -> Option<&Secret> {
        self.epochs.get(&self.current?)?.open.as_ref().map(|open| &open.rs)
    }

    /// The routing secret the next epoch would carry on: that of the best epoch opened.
    pub(super) fn best_rs(&self) -> Option<&Secret> {
        let open = self.epochs.iter().filter_map(|(id, e)| e.open.as_ref().map(|o| (id, e, o)));
        let best = open.min_by_key(|(id, e, _)| (core::cmp::Reverse(e.header.generation), **id));
        self.current_rs().or(best.map(|(_, _, open)| &open.rs))
    }

    /// True when a device outside of `roster` was ever given `rs`.
    pub(super) fn exposed(&self, rs: &Secret, roster: &Roster) -> bool {
        let devices = self.holders.get(&hash(&[&rs.0]));
        devices.into_iter().flatten().any(|device| roster.get(device).is_none())
    }

    fn hold(&mut self, rs: &Secret, leaves: &[(DeviceId, EndpointId)]) {
        let devices = self.holders.entry(hash(&[&rs.0])).or_default();
        devices.extend(leaves.iter().map(|(device, _)| *device));
    }

    /// Forgets who held routing secrets that no opened epoch carries any more.
    fn recount_holders(&mut self) {
        self.holders.clear();
        let open = self.epochs.values().filter_map(|entry| entry.open.as_ref());
        let held: Vec<_> = open.map(|open| (open.rs.clone(), open.leaves.clone())).collect();
        for (rs, leaves) in held {
            self.hold(&rs, &leaves);
        }
    }

    /// Age in ms and use of the epoch to send in, and this device's next place in it.
    pub(super) fn wear(&self, now: UnixMillis) -> Option<(u64, bool, u32)> {
        let entry = self.epochs.get(&self.current?)?;
        let open = entry.open.as_ref()?;
        let counter = match &open.keys {
            Keys::Whole(_) => 0,
            Keys::Chains(chains) => chains.get(self.leaf_of(open)?)?.counter(),
        };
        Some((now.0.saturating_sub(entry.since.0), open.used, counter))
    }

    fn leaf_of(&self, open: &Open) -> Option<usize> {
        open.leaves.binary_search_by_key(&self.me, |(device, _)| *device).ok()
    }

    /// The next own place in the current epoch. `None` without one, or when the chain has ended.
    pub(super) fn take_next(
        &mut self,
        out: &mut Vec<RecordChange>,
    ) -> Option<(EpochId, u16, u32, super::ratchet::MessageKey)> {
        let id = self.current?;
        let leaf = self.leaf_of(self.epochs.get(&id)?.open.as_ref()?)?;
        let (counter, key) = self.chains(&id, out)?.get_mut(leaf)?.take_next()?;
        let leaf = u16::try_from(leaf).ok()?;
        self.put_chain(&id, leaf, out);
        Some((id, leaf, counter, key))
    }

    /// The key a received header points to. Epochs whose ids begin alike are told apart by the commitment.
    pub(super) fn peek(&self, header: &Header) -> Result<OpenKey, KeyError> {
        let epochs = self.epochs.as_slice();
        let low = epochs.partition_point(|(id, _)| id.0[..8] < header.epoch[..]);
        let mut why = KeyError::UnknownEpoch;
        for (id, entry) in epochs[low..].iter().take_while(|(id, _)| id.0[..8] == header.epoch) {
            match &entry.open {
                Some(open) => match self.peek_in(id, open, header) {
                    Err(error) => why = error,
                    found => return found,
                },
                None if entry.dropped => why = KeyError::Dropped,
                None => {}
            }
        }
        Err(why)
    }

    fn peek_in(&self, id: &EpochId, open: &Open, header: &Header) -> Result<OpenKey, KeyError> {
        let leaf = usize::from(header.leaf);
        let (author, identity) = *open.leaves.get(leaf).ok_or(KeyError::Forged)?;
        if author == self.me {
            return Err(KeyError::Own);
        }
        let peeked = match &open.keys {
            Keys::Whole(es) => Chain::new(es, &author).peek(header.counter),
            Keys::Chains(chains) => chains.get(leaf).ok_or(KeyError::Forged)?.peek(header.counter),
        };
        let peeked = peeked.map_err(|why| match why {
            PeekError::Used => KeyError::Used,
            PeekError::TooFar => KeyError::Forged,
        })?;
        let (key, delete_token) = peeked.key().expand();
        if key.commitment != header.commitment {
            return Err(KeyError::Forged);
        }
        let (leaf, counter) = (header.leaf, header.counter);
        Ok(OpenKey { key, epoch: *id, leaf, counter, author, identity, delete_token, peeked })
    }

    /// Uses up the key; false when that was done before.
    pub(super) fn accept(&mut self, key: OpenKey, out: &mut Vec<RecordChange>) -> bool {
        let (id, leaf) = (key.epoch, key.leaf);
        let Some(chain) = self.chains(&id, out).and_then(|chains| chains.get_mut(usize::from(leaf))) else {
            return false;
        };
        let fresh = chain.advance(key.peeked);
        if fresh {
            self.put_chain(&id, leaf, out);
        }
        fresh
    }

    /// The chains of an opened epoch; the first use makes them and erases es.
    fn chains(&mut self, id: &EpochId, out: &mut Vec<RecordChange>) -> Option<&mut Vec<Chain>> {
        let open = self.epochs.get_mut(id)?.open.as_mut()?;
        if let Keys::Whole(es) = &open.keys {
            let chains: Vec<Chain> = open.leaves.iter().map(|(device, _)| Chain::new(es, device)).collect();
            let count = u16::try_from(chains.len()).ok()?;
            open.keys = Keys::Chains(chains);
            open.used = true;
            self.put_epoch(id, out);
            for leaf in 0..count {
                self.put_chain(id, leaf, out);
            }
        }
        match &mut self.epochs.get_mut(id)?.open.as_mut()?.keys {
            Keys::Chains(chains) => Some(chains),
            Keys::Whole(_) => None,
        }
    }

    /// Drops what is out of use for [`KEEP_MS`]. True when a route went.
    pub(super) fn expire(&mut self, now: UnixMillis, out: &mut Vec<RecordChange>) -> bool {
        let old = |e: &Entry| e.open.is_some() && e.superseded.is_some_and(|at| at.plus(KEEP_MS) <= now);
        let due: Vec<EpochId> = self.epochs.iter().filter(|(_, e)| old(e)).map(|(id, _)| *id).collect();
        for id in due {
            self.drop_keys(&id, out);
            self.put_epoch(&id, out);
        }
        self.recount_holders();
        let before = self.routes.len();
        self.routes.retain(|route| route.kept(now));
        before != self.routes.len()
    }

    /// Erases every key, for a topic that was left.
    pub(super) fn erase(&mut self, out: &mut Vec<RecordChange>) {
        let ids: Vec<EpochId> = self.epochs.keys().copied().collect();
        for id in ids {
            self.drop_keys(&id, out);
            self.put_epoch(&id, out);
        }
        self.routes.clear();
        self.holders.clear();
        self.current = None;
    }

    fn drop_keys(&mut self, id: &EpochId, out: &mut Vec<RecordChange>) {
        let Some(entry) = self.epochs.get_mut(id) else { return };
        let Some(open) = entry.open.take() else { return };
        entry.dropped = true;
        if let Keys::Chains(chains) = &open.keys {
            for leaf in 0..chains.len() {
                let Ok(leaf) = u16::try_from(leaf) else { continue };
                out.push(RecordChange::Delete { shelf: Shelf::Chain, key: chain_key(&self.uid, id, leaf) });
            }
        }
    }

    fn put_epoch(&self, id: &EpochId, out: &mut Vec<RecordChange>) {
        let Some(entry) = self.epochs.get(id) else { return };
        let open = entry.open.as_ref().map(|open| OpenRecord {
            rs: open.rs.clone(),
            used: open.used,
            es: match &open.keys {
                Keys::Whole(es) => Some(es.clone()),
                Keys::Chains(_) => None,
            },
        });
        let record = EpochRecord {
            header: entry.header.clone(),
            since: entry.since,
            superseded: entry.superseded,
            dropped: entry.dropped,
            open,
        };
        let key = epoch_key(&self.uid, id);
        out.push(RecordChange::Put { shelf: Shelf::Log, key, value: record.to_bytes() });
    }

    fn put_chain(&self, id: &EpochId, leaf: u16, out: &mut Vec<RecordChange>) {
        let chains = self.epochs.get(id).and_then(|entry| entry.open.as_ref()).map(|open| &open.keys);
        if let Some(Keys::Chains(chains)) = chains
            && let Some(chain) = chains.get(usize::from(leaf))
        {
            let key = chain_key(&self.uid, id, leaf);
            out.push(RecordChange::Put { shelf: Shelf::Chain, key, value: chain.to_bytes() });
        }
    }

    /// The es of epochs nothing was used of yet.
    #[cfg(test)]
    pub(super) fn whole_secrets(&self) -> Vec<[u8; 32]> {
        let open = self.epochs.values().filter_map(|entry| entry.open.as_ref());
        let whole = open.filter_map(|open| match &open.keys {
            Keys::Whole(es) => Some(es.0),
            Keys::Chains(_) => None,
        });
        whole.collect()
    }

    /// Puts an epoch back from its record and the chains found beside it. False when the records do not fit.
    pub(super) fn restore(
        &mut self,
        record: EpochRecord,
        roster: &Roster,
        chains: &LiteMap<(EpochId, u16), Chain>,
    ) -> bool {
        let id = record.header.id();
        let leaves: Vec<_> = roster.leaves().iter().map(|leaf| (leaf.device, leaf.identity)).collect();
        let open = match record.open {
            None => None,
            Some(open) => {
                let keys = match open.es {
                    Some(es) => Keys::Whole(es),
                    None => {
                        let found = (0..leaves.len())
                            .map(|leaf| chains.get(&(id, u16::try_from(leaf).unwrap_or(u16::MAX))).cloned());
                        let Some(found) = found.collect() else { return false };
                        Keys::Chains(found)
                    }
                };
                self.hold(&open.rs, &leaves);
                Some(Open { rs: open.rs, used: open.used, leaves, keys })
            }
        };
        let (since, superseded, dropped) = (record.since, record.superseded, record.dropped);
        let entry = Entry { header: record.header, since, superseded, dropped, open };
        self.epochs.insert(id, Box::new(entry));
        true
    }
}
