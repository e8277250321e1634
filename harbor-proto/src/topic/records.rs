//! What a topic keeps on the device.
//!
//! Spec: docs/spec/at-rest.md names the tables; keys and values are private to this crate.

use crate::id::{EpochId, OpId, TopicUid};
use alloc::vec::Vec;

/// The endpoint's table a record belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelf {
    /// One record per topic, key = uid.
    Topic,
    /// Operations, epochs and objects that wait, key = uid and more.
    Log,
    /// Chains, key = uid, epoch, leaf.
    Chain,
}

/// A change to persist. All changes of one call belong in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordChange {
    Put { shelf: Shelf, key: Vec<u8>, value: Vec<u8> },
    Delete { shelf: Shelf, key: Vec<u8> },
}

/// Kinds of `Log` records, the byte after the uid.
pub(super) const OP: u8 = 1;
pub(super) const EPOCH: u8 = 2;
pub(super) const WAITING: u8 = 3;

pub(super) fn log_key(uid: &TopicUid, kind: u8, id: &[u8; 32]) -> Vec<u8> {
    [&uid.0[..], &[kind], id].concat()
}

pub(super) fn op_key(uid: &TopicUid, id: &OpId) -> Vec<u8> {
    log_key(uid, OP, &id.0)
}

pub(super) fn epoch_key(uid: &TopicUid, id: &EpochId) -> Vec<u8> {
    log_key(uid, EPOCH, &id.0)
}

pub(super) fn chain_key(uid: &TopicUid, epoch: &EpochId, leaf: u16) -> Vec<u8> {
    [&uid.0[..], &epoch.0, &leaf.to_be_bytes()].concat()
}

pub(super) fn parse_chain_key(key: &[u8]) -> Option<(EpochId, u16)> {
    let (_, rest) = key.split_first_chunk::<32>()?;
    let (epoch, leaf) = rest.split_first_chunk::<32>()?;
    Some((EpochId(*epoch), u16::from_be_bytes(leaf.try_into().ok()?)))
}
