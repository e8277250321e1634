//! Control objects whose dependencies have not come yet.
//!
//! Spec: docs/spec/topics.md §5.

use super::control::ControlObject;
use super::records::{RecordChange, Shelf, WAITING, log_key};
use crate::crypto::hash;
use crate::id::TopicUid;
use crate::wire::Wire;
use alloc::boxed::Box;
use alloc::vec::Vec;
use litemap::LiteMap;

/// Objects that may wait in one topic; beyond, the one that waited longest goes.
pub(super) const MAX_WAITING: usize = 1024;
/// Bytes they may take together.
pub(super) const MAX_WAITING_BYTES: usize = 2 << 20;

crate::wire_struct! {
    #[derive(Debug)]
    struct WaitingRecord { place: u64, object: ControlObject }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Item {
    hash: [u8; 32],
    size: usize,
    object: ControlObject,
}

/// First come, first dropped; duplicates are kept once. Survives restarts, since nodes' cursors move on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    uid: TopicUid,
    items: LiteMap<u64, Box<Item>>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn new(uid: TopicUid) -> Self {
        Self { uid, items: LiteMap::new(), bytes: 0 }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) fn push(&mut self, object: ControlObject, out: &mut Vec<RecordChange>) {
        let bytes = object.to_bytes();
        let hash = hash(&[&bytes]);
        if self.items.values().any(|item| item.hash == hash) {
            return;
        }
        let place = self.items.last().map_or(0, |(last, _)| last + 1);
        let key = log_key(&self.uid, WAITING, &hash);
        self.bytes += bytes.len();
        self.items.insert(place, Box::new(Item { hash, size: bytes.len(), object: object.clone() }));
        let value = WaitingRecord { place, object }.to_bytes();
        out.push(RecordChange::Put { shelf: Shelf::Log, key, value });
        while self.items.len() > MAX_WAITING || self.bytes > MAX_WAITING_BYTES {
            let Some(first) = self.items.keys().next().copied() else { break };
            self.remove(first, out);
        }
    }

    /// What waits, in order of arrival.
    pub(super) fn objects(&self) -> Vec<(u64, ControlObject)> {
        self.items.iter().map(|(place, item)| (*place, item.object.clone())).collect()
    }

    pub(super) fn remove(&mut self, place: u64, out: &mut Vec<RecordChange>) {
        if let Some(item) = self.items.remove(&place) {
            self.bytes -= item.size;
            let key = log_key(&self.uid, WAITING, &item.hash);
            out.push(RecordChange::Delete { shelf: Shelf::Log, key });
        }
    }

    /// Puts one back; false when `value` is no record.
    pub(super) fn restore(&mut self, value: &[u8]) -> bool {
        let Ok(record) = WaitingRecord::from_bytes(value) else { return false };
        let bytes = record.object.to_bytes();
        self.bytes += bytes.len();
        let item = Item { hash: hash(&[&bytes]), size: bytes.len(), object: record.object };
        self.items.insert(record.place, Box::new(item));
        true
    }
}
