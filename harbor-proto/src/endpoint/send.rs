//! Own messages: sealed when there is a way out, sent by the best one, shown for what is known of them.
//!
//! Spec: docs/spec/delivery.md §2, §4.

use super::conversation::key;
use super::shipping::{Cargo, SHIPPING};
use super::{Endpoint, Output, Path, RtcId, Table, Timer};
use crate::crypto::hash;
use crate::delivery::outbox::Sealed;
use crate::delivery::plan::{Reading, places};
use crate::delivery::{Binding, MessageType, Ranges};
use crate::id::{DeviceId, TopicUid};
use crate::limits::{DEFAULT_TTL_HOURS, DIRECT_ACK_MS};
use crate::packet::{Draft, Kind, Packet, week};
use crate::topic::KEEP_MS;
use crate::uplink::Uplink;
use crate::wire::{Bytes, Wire};
use alloc::vec::Vec;

/// How often a message is sealed again because a node calls it expired.
const RESEALS: u8 = 3;
/// How long a connection with something unacknowledged may stay silent, ms.
const SILENT_MS: u64 = 10_000;

impl Endpoint {
    /// Sends everything of a conversation that can be sent now.
    pub(super) fn dispatch(&mut self, uid: &TopicUid) {
        self.ship_posts(uid);
        let Some(talk) = self.talks.get(uid) else { return };
        if !talk.is_active() || talk.todo.is_empty() || self.others(uid).is_empty() || !self.way_out(uid) {
            return;
        }
        let todo: Vec<u64> = talk.todo.iter().copied().collect();
        for seq in todo {
            if self.shipments.len() >= SHIPPING || !self.sealed_for_now(uid, seq) {
                break;
            }
            self.talks.get_mut(uid).expect("found above").todo.remove(&seq);
            self.route(uid, seq);
        }
    }

    /// True when something can leave this device for the topic's members.
    pub(super) fn way_out(&self, uid: &TopicUid) -> bool {
        let linked = self.links.values().any(|l| l.greeting().is_some());
        linked || self.others(uid).iter().any(|device| self.is_direct(device))
    }

    /// Devices of the other members.
    pub(super) fn others(&self, uid: &TopicUid) -> Vec<DeviceId> {
        let me = self.me.as_ref().map(|me| me.secrets.device_id());
        let log = self.talks.get(uid).and_then(|t| t.log.as_ref());
        let leaves = log.map(|log| log.roster().leaves()).unwrap_or_default();
        leaves.iter().map(|leaf| leaf.device).filter(|device| Some(*device) != me).collect()
    }

    pub(super) fn is_direct(&self, device: &DeviceId) -> bool {
        self.peering.as_ref().is_some_and(|p| p.is_open(device))
    }

    pub(super) fn is_present(&self, device: &DeviceId) -> bool {
        self.peering.as_ref().is_some_and(|p| p.is_present(device, self.now))
    }

    /// True when the entry has a packet that may be written today, sealing it if need be. False when no epoch
    /// can be sent in yet.
    fn sealed_for_now(&mut self, uid: &TopicUid, seq: u64) -> bool {
        let now = self.unix();
        let Some(talk) = self.talks.get(uid) else { return false };
        let Some(entry) = talk.outbox.entries.get(&seq) else { return true };
        if let Some(sealed) = &entry.sealed {
            let current = |p: &crate::delivery::plan::Place| {
                p.reading == Reading::Watch && p.period == sealed.period && p.lane == 1
            };
            let route = talk.log.as_ref().and_then(|log| log.current_rs());
            let week_runs = places(&sealed.rs, now, now, |_| 1).iter().any(current);
            if week_runs && route == Some(&sealed.rs) {
                return true;
            }
        }
        self.seal(uid, seq)
    }

    fn seal(&mut self, uid: &TopicUid, seq: u64) -> bool {
        let unix = self.unix();
        let hour = self.packet_hour();
        let receipts = self.receipts_to_carry(uid);
        let others = self.others(uid);
        let Some(me) = &self.me else { return false };
        let Some(talk) = self.talks.get_mut(uid) else { return false };
        let Some(log) = &mut talk.log else { return false };
        let Ok(key) = log.seal_key(&me.secrets) else {
            self.want_commit(uid);
            return false;
        };
        let period = week(&key.rs, unix);
        let lane = talk.lane(period);
        let keys = self.mail.keys(&key.rs, period, lane);
        let entry = talk.outbox.entries.get_mut(&seq).expect("the caller found it");
        let Some(mut content) = entry.content(receipts) else { return true };
        let device = me.secrets.device_id();
        let binding =
            Binding { topic: uid, device: &device, epoch: &key.epoch, leaf: key.leaf, counter: key.counter };
        content.sign(&binding, me.secrets.device());
        let draft = Draft {
            mailbox: &keys,
            kind: Kind::Message,
            expiry_hour: hour + DEFAULT_TTL_HOURS,
            delete_hash: hash(&[&key.delete_token]),
            header: key.header(),
            key: &key.key,
            nonce: self.rng.array(),
            content: &content.to_bytes(),
        };
        let packet = draft.seal().expect("the bounds of content keep it below the largest packet");
        let packet = Bytes::new(packet).expect("no packet is larger");
        let (rs, epoch, counter) = (key.rs, key.epoch, key.counter);
        let waiting = if entry.kind == MessageType::Receipt { Vec::new() } else { others };
        entry.set_sealed(Sealed { rs, period, lane, epoch, packet }, waiting);
        let entry = entry.clone();
        self.flush_log(uid);
        self.put(Table::Outbox, key::entry(uid, seq), &entry);
        self.receipts_carried(uid);
        self.after_key_use(uid, counter);
        true
    }

    /// Sends a sealed entry: directly where everybody is, else through the nodes.
    fn route(&mut self, uid: &TopicUid, seq: u64) {
        let Some(entry) = self.talks.get(uid).and_then(|t| t.outbox.entries.get(&seq)) else { return };
        let Some(sealed) = entry.sealed.clone() else { return };
        let (kind, waiting) = (entry.kind, entry.waiting.to_vec());
        if let Some(id) = Packet::parse(&sealed.packet).map(|p| p.id()) {
            self.sent.insert(id, (*uid, seq));
        }
        let direct: Vec<DeviceId> = waiting.iter().copied().filter(|d| self.is_direct(d)).collect();
        for device in &direct {
            self.send_direct(device, &sealed.packet);
        }
        let all_direct = !waiting.is_empty()
            && direct.len() == waiting.len()
            && !direct.iter().any(|device| self.silent.contains_key(device));
        if all_direct && !self.hidden && kind != MessageType::Receipt {
            self.set_path(uid, seq, Path::Direct);
            self.at(Timer::DirectAck(*uid, seq), self.now.plus(DIRECT_ACK_MS));
        } else {
            self.through_nodes(uid, seq);
        }
        self.state_changed(uid, seq, false);
    }

    /// Stores the packet, and passes it as well to those who are there: what is stored needs a stamp first.
    fn through_nodes(&mut self, uid: &TopicUid, seq: u64) {
        let Some(entry) = self.talks.get(uid).and_then(|t| t.outbox.entries.get(&seq)) else { return };
        let Some(sealed) = entry.sealed.clone() else { return };
        let waiting = entry.waiting.to_vec();
        let keys = self.mail.keys(&sealed.rs, sealed.period, sealed.lane);
        let relayed =
            waiting.iter().any(|d| self.silent.contains_key(d) || (self.is_present(d) && !self.is_direct(d)));
        if relayed {
            self.pass(&keys.id(), &sealed.packet);
            self.timers.insert(Timer::DirectAck(*uid, seq), self.now.plus(DIRECT_ACK_MS));
        }
        self.set_path(uid, seq, if relayed { Path::Relayed } else { Path::Stored });
        self.ship(Cargo::Message { uid: *uid, seq }, &keys, &sealed.packet);
    }

    fn set_path(&mut self, uid: &TopicUid, seq: u64, path: Path) {
        let entry = self.talks.get_mut(uid).and_then(|t| t.outbox.entries.get_mut(&seq));
        if let Some(entry) = entry {
            entry.path = Some(path);
        }
    }

    pub(super) fn on_direct_timeout(&mut self, uid: &TopicUid, seq: u64) {
        let waits = |e: &crate::delivery::Entry| !e.waiting.is_empty() && e.nodes == 0 && !e.failed;
        let entry = self.talks.get(uid).and_then(|t| t.outbox.entries.get(&seq));
        match entry.map(|e| (e.path, waits(e))) {
            Some((Some(Path::Direct), true)) => {
                self.doubt_silent(uid, seq);
                self.through_nodes(uid, seq);
            }
            // Whoever was thought to be there did not answer: it waits on a node.
            Some((Some(Path::Relayed), _)) => self.set_path(uid, seq, Path::Stored),
            _ => return,
        }
        self.state_changed(uid, seq, true);
    }

    /// A connection that does not answer is not relied on until it does; silent for long, it is given up and
    /// made again.
    fn doubt_silent(&mut self, uid: &TopicUid, seq: u64) {
        let entry = self.talks.get(uid).and_then(|t| t.outbox.entries.get(&seq));
        let waiting = entry.map(|e| e.waiting.to_vec()).unwrap_or_default();
        for device in waiting {
            if self.is_direct(&device) {
                self.silent.entry(device).or_insert(self.now);
                self.at(Timer::Silent(device), self.now.plus(SILENT_MS));
            }
        }
    }

    pub(super) fn on_silent(&mut self, device: &DeviceId) {
        if self.silent.remove(device).is_none() {
            return;
        }
        if let Some(rtc) = self.peering.as_ref().and_then(|p| p.rtc(device)) {
            self.out(Output::RtcClose { rtc: RtcId(rtc) });
            self.with_peering(|p, now| p.rtc_down(rtc, now));
        }
    }

    /// The page may be frozen any moment: nothing waits for a direct acknowledgement any more.
    pub(super) fn store_unacknowledged(&mut self) {
        let waiting: Vec<Timer> =
            self.timers.keys().filter(|t| matches!(t, Timer::DirectAck(..))).copied().collect();
        for timer in waiting {
            self.timers.remove(&timer);
            self.on_timer(timer);
        }
    }

    /// A direct connection closed: what went over it and is not acknowledged is stored.
    pub(super) fn direct_lost(&mut self, device: &DeviceId) {
        let affected: Vec<Timer> = self
            .timers
            .keys()
            .filter(|t| match t {
                Timer::DirectAck(uid, seq) => {
                    let entry = self.talks.get(uid).and_then(|talk| talk.outbox.entries.get(seq));
                    entry.is_some_and(|e| e.waiting.contains(device))
                }
                _ => false,
            })
            .copied()
            .collect();
        for timer in affected {
            self.timers.remove(&timer);
            self.on_timer(timer);
        }
    }

    /// A node calls the packet expired. Clocks differ, so it is sealed anew, but not for ever.
    pub(super) fn packet_expired(&mut self, uid: &TopicUid, seq: u64) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let tries = talk.resealed.entry(seq).or_default();
        *tries += 1;
        if *tries > RESEALS {
            talk.resealed.remove(&seq);
            self.message_failed(uid, seq);
        } else {
            self.seal_again(uid, seq);
        }
    }

    /// What is neither on its way nor waiting to be sent, because a mailbox or a node was full, is tried again.
    pub(super) fn requeue(&mut self, uid: &TopicUid) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let stranded = |seq: &u64| {
            let cargo = Cargo::Message { uid: *uid, seq: *seq };
            let direct = self.timers.contains_key(&Timer::DirectAck(*uid, *seq));
            !direct && !self.shipments.values().any(|s| s.cargo == cargo)
        };
        let unsent = talk.outbox.entries.values().filter(|e| e.only_here()).map(|e| e.seq);
        talk.todo.extend(unsent.filter(stranded).collect::<Vec<u64>>());
    }

    /// Messages no node keeps any longer are not waited for: who was away for so long has missed them.
    pub(super) fn drop_expired(&mut self, uid: &TopicUid) {
        let over = self.unix().0.saturating_sub(KEEP_MS);
        let Some(talk) = self.talks.get(uid) else { return };
        let old = talk.outbox.entries.values().filter(|e| e.nodes > 0 && e.sent_at.0 < over);
        for seq in old.map(|e| e.seq).collect::<Vec<u64>>() {
            self.forget_entry(uid, seq);
        }
    }

    /// The packet of an entry cannot be used any longer; the message goes out in a new one.
    pub(super) fn seal_again(&mut self, uid: &TopicUid, seq: u64) {
        self.cancel(Cargo::Message { uid: *uid, seq });
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let Some(entry) = talk.outbox.entries.get_mut(&seq).filter(|e| e.composed.is_some()) else { return };
        entry.sealed = None;
        let entry = entry.clone();
        talk.todo.insert(seq);
        self.put(Table::Outbox, key::entry(uid, seq), &entry);
        self.dirty.insert(*uid);
    }

    pub(super) fn message_stored(&mut self, uid: &TopicUid, seq: u64) {
        let live = self.links.values().filter(|l| Uplink::greeting(l).is_some()).count().min(3);
        let Some(talk) = self.talks.get_mut(uid) else { return };
        self.dirty.insert(*uid);
        let Some(entry) = talk.outbox.entries.get_mut(&seq) else { return };
        entry.nodes = entry.nodes.saturating_add(1);
        if entry.kind == MessageType::Receipt {
            return self.forget_entry(uid, seq);
        }
        if usize::from(entry.nodes) >= live {
            entry.drop_bytes();
        }
        let entry = entry.clone();
        self.put(Table::Outbox, key::entry(uid, seq), &entry);
        self.state_changed(uid, seq, true);
    }

    pub(super) fn message_failed(&mut self, uid: &TopicUid, seq: u64) {
        self.cancel(Cargo::Message { uid: *uid, seq });
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let Some(entry) = talk.outbox.entries.get_mut(&seq) else { return };
        entry.failed = true;
        let entry = entry.clone();
        self.put(Table::Outbox, key::entry(uid, seq), &entry);
        self.state_changed(uid, seq, true);
    }

    /// A device has these messages of ours.
    pub(super) fn acknowledged(&mut self, uid: &TopicUid, device: &DeviceId, seqs: &Ranges) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        for seq in talk.outbox.acknowledge(device, seqs) {
            let entry = &self.talks[uid].outbox.entries[&seq];
            if entry.waiting.is_empty() && entry.sealed.is_some() {
                self.state_changed(uid, seq, true);
                self.forget_entry(uid, seq);
            } else {
                let entry = entry.clone();
                self.put(Table::Outbox, key::entry(uid, seq), &entry);
            }
        }
    }

    /// The message is where it has to be; its history stays.
    pub(super) fn forget_entry(&mut self, uid: &TopicUid, seq: u64) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        talk.todo.remove(&seq);
        talk.outbox.entries.remove(&seq);
        self.delete(Table::Outbox, key::entry(uid, seq));
        self.timers.remove(&Timer::DirectAck(*uid, seq));
        self.sent.retain(|_, sent| *sent != (*uid, seq));
        self.cancel(Cargo::Message { uid: *uid, seq });
    }

    /// Members that left are not waited for.
    pub(super) fn stop_waiting_for_strangers(&mut self, uid: &TopicUid) {
        let members = self.others(uid);
        let Some(talk) = self.talks.get(uid) else { return };
        let gone: Vec<(u64, DeviceId)> = talk
            .outbox
            .entries
            .values()
            .flat_map(|e| e.waiting.iter().filter(|d| !members.contains(d)).map(|d| (e.seq, *d)))
            .collect();
        for (seq, device) in gone {
            let mut seqs = Ranges::default();
            seqs.insert(seq, seq);
            self.acknowledged(uid, &device, &seqs);
        }
    }
}
