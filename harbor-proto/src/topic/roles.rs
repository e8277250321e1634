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

/// Why nobody's role changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleError {
    /// Only admins give roles, only in rooms, and there is one owner.
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
    /// [`RoleError`]; nothing changed.
    pub fn set_role(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        who: &EndpointId,
        role: Role,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), RoleError> {
        let admin = self.my_leaf().is_some_and(|leaf| leaf.role.is_admin());
        if !admin || self.kind() != TopicKind::Room || self.dag().owner() == *who || role == Role::Owner {
            return Err(RoleError::NotAllowed);
        }
        let theirs = self.roster().leaves().iter().find(|leaf| leaf.identity == *who);
        if theirs.ok_or(RoleError::NotMember)?.role == role {
            return Ok((Vec::new(), Vec::new()));
        }
        let op = OpBody::SetRole { who: *who, role };
        let (mut objects, mut changes) = self.author_all(me, [op], now).map_err(|_| RoleError::Full)?;
        let (epoch, more) = self.commit_epoch(rng, me, now).ok_or(RoleError::Full)?;
        objects.extend(epoch);
        changes.extend(more);
        Ok((objects, changes))
    }
}
