//! Taking somebody out of a room, and what of theirs still counts.
//!
//! Spec: docs/spec/topics.md §6.

use super::control::ControlObject;
use super::keyring::OpenKey;
use super::log::{Change, TopicLog};
use super::ops::{Cut, OpBody, TopicKind};
use crate::crypto::rng::Rng;
use crate::id::EndpointId;
use crate::identity::DeviceSecrets;
use crate::time::UnixMillis;
use crate::wire::List;
use alloc::vec::Vec;

/// Why nobody was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoveError {
    /// Only admins remove, only in rooms, and nobody themselves: that is leaving.
    NotAllowed,
    /// Nobody of that identity is in it.
    NotMember,
    /// The topic has all the operations it may have.
    Full,
}

impl TopicLog {
    /// Takes `who` out with all devices and commits an epoch for those who stay, with a new routing secret. `cut`
    /// says how far each of their devices' chains are here without a gap. Publish the objects in every mailbox still
    /// read, so that whoever knows only the old one can follow, `who` included.
    ///
    /// # Errors
    /// [`RemoveError`]; nothing changed.
    pub fn remove(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        who: &EndpointId,
        cut: Vec<Cut>,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), RemoveError> {
        let mine = self.my_leaf().filter(|leaf| leaf.admin).ok_or(RemoveError::NotAllowed)?;
        if self.kind() != TopicKind::Room || mine.identity == *who {
            return Err(RemoveError::NotAllowed);
        }
        if !self.roster().has_identity(who) {
            return Err(RemoveError::NotMember);
        }
        let remove = OpBody::Remove { who: *who, cut: List::first(cut) };
        let (mut objects, mut changes) = self.author_all(me, [remove], now).map_err(|_| RemoveError::Full)?;
        let (epoch, more) = self.commit_epoch(rng, me, now).ok_or(RemoveError::Full)?;
        objects.extend(epoch);
        changes.extend(more);
        Ok((objects, changes))
    }

    /// True when a message at place `seq` of its author's chain does not count, because a removal cut the chain off
    /// before it: whoever kept old keys could else go on talking, and date it back.
    #[must_use]
    pub fn refuses(&self, key: &OpenKey, seq: u64) -> bool {
        if !self.dag().ever_removed(&key.identity) {
            return false;
        }
        let header = self.ring.header(&key.epoch);
        let roster = header.and_then(|header| self.dag().roster_at(&header.frontier));
        let leaf = roster.as_ref().and_then(|roster| roster.get(&key.author));
        leaf.and_then(|leaf| self.dag().cut(&leaf.joined, &leaf.device)).is_some_and(|last| seq > last)
    }
}
