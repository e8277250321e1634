//! Taking somebody out of a room, and what of theirs still counts.
//!
//! Spec: docs/spec/topics.md §6.

use super::control::ControlObject;
use super::dag::Dag;
use super::keyring::OpenKey;
use super::log::{Change, TopicLog};
use super::ops::{Cut, OpBody, TopicKind};
use super::roles::RosterError;
use crate::crypto::rng::Rng;
use crate::id::{DeviceId, EndpointId, OpId};
use crate::identity::DeviceSecrets;
use crate::time::UnixMillis;
use crate::wire::List;
use alloc::vec::Vec;

impl TopicLog {
    /// Takes `who` out with all devices and commits an epoch for those who stay, with a new routing secret. `cut`
    /// says what of each of their devices' chains was heard. Publish the objects in every mailbox still read, so that
    /// whoever knows only the old one can follow, `who` included.
    ///
    /// # Errors
    /// [`RosterError`]; nothing changed.
    pub fn remove(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        who: &EndpointId,
        cut: Vec<Cut>,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), RosterError> {
        let mine = self.my_leaf().filter(|leaf| leaf.role.is_admin()).ok_or(RosterError::NotAllowed)?;
        if self.kind() != TopicKind::Room || mine.identity == *who || self.dag().owner() == *who {
            return Err(RosterError::NotAllowed);
        }
        if !self.roster().has_identity(who) {
            return Err(RosterError::NotMember);
        }
        self.author_with_epoch(rng, me, OpBody::Remove { who: *who, cut: List::first(cut) }, now)
    }

    /// True when a message at place `seq` of its author's chain does not count, because a removal cut the chain off
    /// before it: whoever kept old keys could else go on talking, and date it back.
    #[must_use]
    pub fn refuses(&self, key: &OpenKey, seq: u64) -> bool {
        if !self.dag().ever_removed(&key.identity) && self.dag().contested.is_empty() {
            return false;
        }
        let header = self.ring.header(&key.epoch);
        let roster = header.and_then(|header| self.dag().roster_at(&header.frontier));
        let leaf = roster.as_ref().and_then(|roster| roster.get(&key.author));
        leaf.is_some_and(|leaf| {
            // Let in by what turned out void, it never was a member, whatever keys it was given.
            !self.dag().counts(&leaf.joined) || self.dag().cuts_off(&leaf.joined, &leaf.device, seq)
        })
    }
}

impl Dag {
    /// True when a removal of this identity is known, undone or not.
    fn ever_removed(&self, identity: &EndpointId) -> bool {
        let about = self.leaves.get(identity).into_iter().flatten();
        about.into_iter().any(|at| matches!(self.nodes[*at].op.body, OpBody::Remove { .. }))
    }

    /// The removals that ended the membership which began with `joined`.
    fn removals(&self, joined: usize) -> Vec<&[Cut]> {
        let Some(identity) = self.joining(joined).map(|cert| cert.identity) else { return Vec::new() };
        let (counted, past) = (self.counted_now(), &self.nodes[joined].past);
        let after = self.live(&self.leaves, &identity, counted).filter(|leaving| !past.has(*leaving));
        let cuts = after.filter_map(|leaving| match &self.nodes[leaving].op.body {
            OpBody::Remove { cut, .. } => Some(&cut[..]),
            _ => None,
        });
        cuts.collect()
    }

    /// True when a removal ended the membership of `device` that began with `joined` and has not heard place `seq` of
    /// its chain.
    fn cuts_off(&self, joined: &OpId, device: &DeviceId, seq: u64) -> bool {
        let heard = |cut: &[Cut]| {
            let named = cut.iter().filter(|cut| cut.device == *device).flat_map(|cut| cut.heard.iter());
            named.into_iter().any(|range| range.lo <= seq && seq <= range.hi)
        };
        let joined = self.by_id.get(joined);
        joined.is_some_and(|at| self.removals(*at).into_iter().any(|cut| !heard(cut)))
    }

    fn counts(&self, op: &OpId) -> bool {
        self.by_id.get(op).is_some_and(|at| self.counted_now().has(*at))
    }

    /// True when the membership that began with `joined` did not end by the member's own leaving alone: by a removal,
    /// or because whoever added it had no right to.
    pub(super) fn put_out(&self, joined: &OpId) -> bool {
        let Some(at) = self.by_id.get(joined).copied() else { return false };
        !self.counted_now().has(at) || !self.removals(at).is_empty()
    }
}
