//! Telling senders what has arrived: at once where they are, seldom on nodes.
//!
//! Spec: docs/spec/delivery.md §5.

use super::conversation::key;
use super::{Endpoint, Table, Timer};
use crate::delivery::outbox::Draft;
use crate::delivery::{MessageType, Receipt, SenderChain};
use crate::id::{DeviceId, TopicUid};
use crate::limits::{MAX_RECEIPTS, RECEIPT_MEMBERS, RECEIPT_STORE_MS};
use crate::time::UnixMillis;
use crate::wire::Bytes;
use alloc::vec::Vec;

/// How long live receipts are gathered, ms.
const GATHER_MS: u64 = 50;
/// How long after the last arrival a receipt is stored for a sender who is not there, ms.
const SETTLE_MS: u64 = 5_000;

impl Endpoint {
    /// A message of `device` arrived other than directly.
    pub(super) fn owe_receipt(&mut self, uid: &TopicUid, device: &DeviceId) {
        if let Some(chain) = self.talks.get_mut(uid).and_then(|t| t.senders.get_mut(device)) {
            chain.owes_receipt = true;
        }
        self.at(Timer::LiveReceipts(*uid), self.now.plus(GATHER_MS));
        self.timers.insert(Timer::StoredReceipt(*uid), self.now.plus(SETTLE_MS));
    }

    /// The device showed itself: tell it where it stands, in every topic shared with it.
    pub(super) fn owe_receipts(&mut self, device: &DeviceId) {
        let shared: Vec<TopicUid> = self
            .talks
            .iter()
            .filter(|(_, t)| t.senders.get(device).is_some_and(|c| !c.runs().is_empty()))
            .map(|(uid, _)| *uid)
            .collect();
        for uid in shared {
            let chain = self.talks.get_mut(&uid).and_then(|t| t.senders.get_mut(device));
            chain.expect("just found").owes_receipt = true;
            self.at(Timer::LiveReceipts(uid), self.now.plus(GATHER_MS));
        }
    }

    fn owed(&self, uid: &TopicUid, to: impl Fn(&DeviceId) -> bool, most: usize) -> Vec<Receipt> {
        let Some(talk) = self.talks.get(uid) else { return Vec::new() };
        let owed = talk.senders.iter().filter(|(device, chain)| chain.owes_receipt && to(device));
        owed.take(most).map(|(device, chain)| Receipt { device: *device, seqs: chain.seen() }).collect()
    }

    /// Receipts for those who are there, over the signalling mailbox.
    pub(super) fn send_live_receipts(&mut self, uid: &TopicUid) {
        let receipts = self.owed(uid, |d| self.is_present(d) || self.is_direct(d), 64);
        if receipts.is_empty() {
            return;
        }
        let devices: Vec<DeviceId> = receipts.iter().map(|r| r.device).collect();
        self.signal_receipts(uid, receipts);
        self.settled(uid, &devices, false);
    }

    /// What the next message carries along.
    pub(super) fn receipts_to_carry(&self, uid: &TopicUid) -> Vec<Receipt> {
        self.owed(uid, |_| true, MAX_RECEIPTS)
    }

    /// The message that carries them is sealed and will be sent.
    pub(super) fn receipts_carried(&mut self, uid: &TopicUid) {
        let devices: Vec<DeviceId> = self.receipts_to_carry(uid).iter().map(|r| r.device).collect();
        self.settled(uid, &devices, true);
    }

    fn settled(&mut self, uid: &TopicUid, devices: &[DeviceId], stored: bool) {
        let unix = self.unix();
        for device in devices {
            let Some(chain) = self.talks.get_mut(uid).and_then(|t| t.senders.get_mut(device)) else {
                continue;
            };
            chain.owes_receipt = false;
            if stored {
                chain.receipt_stored = unix;
            }
            let chain = chain.clone();
            self.put(Table::Peer, key::sender(uid, device), &chain);
        }
    }

    /// A receipt on the nodes, for senders who were not there: at most one an hour, none in large groups.
    pub(super) fn store_receipt(&mut self, uid: &TopicUid) {
        if self.others(uid).len() > RECEIPT_MEMBERS {
            return;
        }
        let unix = self.unix();
        let Some(talk) = self.talks.get(uid).filter(|t| t.is_active()) else { return };
        let owing = talk.senders.values().filter(|c| c.owes_receipt);
        // A clock that was set back does not postpone the next one by as much.
        let last = |c: &SenderChain| if c.receipt_stored > unix { UnixMillis(0) } else { c.receipt_stored };
        let due = |c: &SenderChain| last(c).plus(RECEIPT_STORE_MS);
        let Some(due) = owing.map(due).min() else { return };
        if due > unix {
            self.at(Timer::StoredReceipt(*uid), self.now.plus(due.0 - unix.0));
            return;
        }
        let draft = Draft {
            kind: MessageType::Receipt,
            body: Bytes::default(),
            parents: Vec::new(),
            client_ref: [0; 16],
        };
        self.compose(uid, draft);
    }

    /// Receipts of ours that came from `from`.
    pub(super) fn on_receipts(&mut self, uid: &TopicUid, from: &DeviceId, receipts: &[Receipt]) {
        let Some(me) = self.me.as_ref().map(|me| me.secrets.device_id()) else { return };
        if !self.others(uid).contains(from) {
            return;
        }
        for receipt in receipts.iter().filter(|r| r.device == me) {
            self.acknowledged(uid, from, &receipt.seqs);
        }
    }
}
