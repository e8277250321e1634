//! What travels in control packets.
//!
//! Spec: docs/spec/topics.md §5.

use super::epoch::{EpochBoxes, EpochHeader};
use super::ops::SignedOp;
use crate::crypto::Secret;
use crate::crypto::kdf::{Context, derive_into};
use crate::packet::{ContentKey, MAX_CONTENT};
use crate::wire::{List, Wire};
use alloc::{boxed::Box, vec::Vec};
use zeroize::Zeroize;

crate::wire_enum! {
    /// One thing every member must learn. Any order and any number of repetitions lead to the same state.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum ControlObject {
        Op = 1 { op: Box<SignedOp> },
        Epoch = 2 { header: Box<EpochHeader> },
        Boxes = 3 { boxes: EpochBoxes },
    }
}

/// The content of one control packet.
pub type ControlContent = List<ControlObject, 256>;

/// The contents of as few control packets as hold `objects`, in order.
#[must_use]
pub fn pack(objects: &[ControlObject]) -> Vec<Vec<u8>> {
    let (mut out, mut group, mut size): (Vec<Vec<u8>>, Vec<ControlObject>, usize) = Default::default();
    for object in objects {
        let len = object.to_bytes().len();
        if !group.is_empty() && (4 + size + len > MAX_CONTENT || group.len() == 256) {
            out.push(ControlContent::first(core::mem::take(&mut group)).to_bytes());
            size = 0;
        }
        size += len;
        group.push(object.clone());
    }
    if !group.is_empty() {
        out.push(ControlContent::first(group).to_bytes());
    }
    out
}

/// A content key and its commitment, derived together.
pub(super) fn content_key(context: Context, parts: &[&[u8]]) -> ContentKey {
    let mut out = [0; 48];
    derive_into(context, parts, &mut out);
    let mut key = ContentKey { key: Secret([0; 32]), commitment: [0; 16] };
    key.key.0.copy_from_slice(&out[..32]);
    key.commitment.copy_from_slice(&out[32..]);
    out.zeroize();
    key
}

/// Opens the control packets of a routing secret's mailboxes.
#[must_use]
pub fn control_key(rs: &Secret) -> ContentKey {
    content_key(Context::Control, &[&rs.0])
}

/// Opens the signalling packets of one day ([`crate::packet::day`]).
#[must_use]
pub fn signal_key(rs: &Secret, day: u32) -> ContentKey {
    content_key(Context::Signal, &[&rs.0, &day.to_be_bytes()])
}
