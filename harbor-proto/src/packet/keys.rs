//! The keys of a mailbox, and the opening that shows a node it may be used.
//!
//! Spec: docs/spec/mailbox.md §1–§3.

use crate::crypto::kdf::{Context, derive, derive_into};
use crate::crypto::{Secret, sign::Keypair};
use crate::id::{EndpointId, HarborId};
use crate::limits::WEEK_SECS;
use crate::time::UnixMillis;
use crate::wire::link::{Cursor, Opening, Signature, Verb, proof_bytes};
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_root};
use core::fmt;

const CHUNK: usize = 1024;

/// What members derive for one mailbox: (rs, period, lane).
#[derive(Clone)]
pub struct MailboxKeys {
    id: HarborId,
    hk: Secret,
    write: Keypair,
    read: Keypair,
    opening: Opening,
}

impl fmt::Debug for MailboxKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxKeys({:?})", self.id)
    }
}

impl MailboxKeys {
    /// Derives all of them; costs two Ed25519 key generations, so keep the result.
    #[must_use]
    pub fn derive(rs: &Secret, period: u32, lane: u8) -> Self {
        let place = (period.to_be_bytes(), [lane]);
        let parts: [&[u8]; 3] = [&rs.0, &place.0, &place.1];
        let write = Keypair::from_secret(&derive(Context::Write, &parts));
        let read = Keypair::from_secret(&derive(Context::Read, &parts));
        let tail = derive(Context::TopicTail, &parts);
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(CHUNK as u64).update(&tail.0);
        let opening = Opening {
            write_key: write.public(),
            read_key: read.public(),
            tail_cv: hasher.finalize_non_root(),
        };
        let hk = derive(Context::Header, &[&rs.0]);
        Self { id: harbor_id(&opening), hk, write, read, opening }
    }

    /// The mailbox's public name.
    #[must_use]
    pub fn id(&self) -> HarborId {
        self.id
    }

    /// Shown to a node on [`crate::wire::link::ToNode::Open`].
    #[must_use]
    pub fn opening(&self) -> Opening {
        self.opening
    }

    /// Seals packet headers.
    #[must_use]
    pub fn header_key(&self) -> &Secret {
        &self.hk
    }

    /// W: signs packets.
    #[must_use]
    pub fn write_key(&self) -> &Keypair {
        &self.write
    }

    /// Proof for one verb on one link (docs/spec/link.md §3): W signs `Pass`, R signs `Watch` and `Pull`.
    #[must_use]
    pub fn prove(&self, node: &EndpointId, challenge: &[u8; 32], verb: Verb, after: &Cursor) -> Signature {
        let key = match verb {
            Verb::Pass | Verb::Store => &self.write,
            Verb::Watch | Verb::Pull => &self.read,
        };
        key.sign(&proof_bytes(node, challenge, &self.id, verb, after))
    }
}

/// The HarborID an opening belongs to: `BLAKE3(W ‖ R ‖ 0^960 ‖ t)` rebuilt from its second chunk's value.
/// The first chunk is hashed here from the keys; a value for it is never taken from anybody.
#[must_use]
pub fn harbor_id(opening: &Opening) -> HarborId {
    let mut first = [0; CHUNK];
    first[..32].copy_from_slice(&opening.write_key);
    first[32..64].copy_from_slice(&opening.read_key);
    let left = blake3::Hasher::new().update(&first).finalize_non_root();
    HarborId(*merge_subtrees_root(&left, &opening.tail_cv, Mode::Hash).as_bytes())
}

/// The week of a topic that contains `at`; weeks of different routing secrets begin at different times.
#[must_use]
pub fn week(rs: &Secret, at: UnixMillis) -> u32 {
    let mut offset = [0; 8];
    derive_into(Context::WeekOffset, &[&rs.0], &mut offset);
    let shifted = at.secs().saturating_add(u64::from_be_bytes(offset) % WEEK_SECS);
    u32::try_from(shifted / WEEK_SECS).unwrap_or(u32::MAX)
}

/// The day that contains `at`: the period of signalling mailboxes.
#[must_use]
pub fn day(at: UnixMillis) -> u32 {
    u32::try_from(at.secs() / 86_400).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_opening_rebuilds_the_hash_of_the_topic_id() {
        let rs = Secret([3; 32]);
        let keys = MailboxKeys::derive(&rs, 2900, 1);
        let mut topic_id = alloc::vec![0; 1056];
        topic_id[..32].copy_from_slice(&keys.opening().write_key);
        topic_id[32..64].copy_from_slice(&keys.opening().read_key);
        topic_id[1024..]
            .copy_from_slice(&derive(Context::TopicTail, &[&rs.0, &2900u32.to_be_bytes(), &[1]]).0);
        assert_eq!(keys.id().0, *blake3::hash(&topic_id).as_bytes());
    }

    #[test]
    fn period_and_lane_give_unrelated_mailboxes() {
        let rs = Secret([3; 32]);
        let id = |period, lane| MailboxKeys::derive(&rs, period, lane).id();
        assert_ne!(id(1, 1), id(2, 1));
        assert_ne!(id(1, 1), id(1, 2));
    }

    #[test]
    fn weeks_are_seven_days_long() {
        let rs = Secret([9; 32]);
        let start = (0..=WEEK_SECS)
            .find(|s| week(&rs, UnixMillis((s + 1) * 1000)) > week(&rs, UnixMillis(s * 1000)))
            .expect("a week ends within a week");
        let at = |s: u64| week(&rs, UnixMillis((start + 1 + s) * 1000));
        assert_eq!(at(0), at(WEEK_SECS - 1));
        assert_eq!(at(0) + 1, at(WEEK_SECS));
    }
}
