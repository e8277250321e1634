//! Making somebody an admin, and a plain member again.
//!
//! Spec: docs/spec/topics.md §1, §3.

use super::control::ControlObject;
use super::log::{Change, TopicLog};
use super::ops::{OpBody, Role, TopicKind};
use crate::crypto::rng::Rng;
use crate::id::EndpointId;
use crate::identity::DeviceSecrets;
use crate::time::UnixMillis;
use alloc::vec::Vec;

/// Why a member was not removed, or given another role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RosterError {
    /// Only admins do, only in rooms, and never to the owner; nobody removes themselves: that is leaving.
    NotAllowed,
    /// Nobody of that identity is in it.
    NotMember,
    /// The topic has all the operations it may have.
    Full,
}

impl TopicLog {
    /// Gives `who` a role, and commits an epoch for the roster that says so. Nothing happens when it is theirs already.
    ///
    /// # Errors
    /// [`RosterError`]; nothing changed.
    pub fn set_role(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        who: &EndpointId,
        role: Role,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), RosterError> {
        let admin = self.my_leaf().is_some_and(|leaf| leaf.role.is_admin());
        if !admin || self.kind() != TopicKind::Room || self.dag().owner() == *who || role == Role::Owner {
            return Err(RosterError::NotAllowed);
        }
        let theirs = self.roster().leaves().iter().find(|leaf| leaf.identity == *who);
        if theirs.ok_or(RosterError::NotMember)?.role == role {
            return Ok((Vec::new(), Vec::new()));
        }
        self.author_with_epoch(rng, me, OpBody::SetRole { who: *who, role }, now)
    }

    /// An operation on the roster and the epoch for the roster it leads to, in one step.
    pub(super) fn author_with_epoch(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        body: OpBody,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), RosterError> {
        let (mut objects, mut changes) = self.author_all(me, [body], now).map_err(|_| RosterError::Full)?;
        // Without an epoch (there are more heads than a frontier names) the operation must still reach everybody.
        if let Some((epoch, more)) = self.commit_epoch(rng, me, now) {
            objects.extend(epoch);
            changes.extend(more);
        }
        Ok((objects, changes))
    }
}
