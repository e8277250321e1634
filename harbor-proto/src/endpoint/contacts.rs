//! The people behind the keys: what this person has made sure of.
//!
//! Spec: docs/spec/identity.md §3.

use super::{CommandError, Endpoint, Reply, Table};
use crate::id::{EndpointId, TopicUid};
use crate::identity::safety_number;
use crate::wire::Text;
use alloc::vec::Vec;

/// In `Table::Meta`: followed by the EndpointID of somebody whose safety number was compared. The value is empty.
pub(super) const VERIFIED: &[u8] = b"verified/";

impl Endpoint {
    pub(super) fn safety_number(&self, who: &EndpointId) -> Result<Reply, CommandError> {
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?.secrets.endpoint_id();
        if me == *who {
            return Err(CommandError::BadInput);
        }
        let digits = Text::new(safety_number(&me, who)).ok_or(CommandError::Crashed)?;
        Ok(Reply::SafetyNumber { digits })
    }

    /// Only of somebody who is in a conversation: there is nobody else to compare with.
    pub(super) fn set_verified(&mut self, who: &EndpointId, verified: bool) -> Result<Reply, CommandError> {
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?.secrets.endpoint_id();
        let shared = self.shared_with(who);
        if me == *who || (verified && shared.is_empty()) {
            return Err(CommandError::NotFound);
        }
        let key = [VERIFIED, &who.0].concat();
        if verified {
            self.verified.insert(*who);
            self.put(Table::Meta, key, &[0u8; 0]);
        } else if self.verified.remove(who) {
            self.delete(Table::Meta, key);
        }
        self.step.strict = true;
        self.changed.extend(shared);
        Ok(Reply::Done)
    }

    /// Conversations that `who` is in.
    fn shared_with(&self, who: &EndpointId) -> Vec<TopicUid> {
        let shared = self
            .talks
            .iter()
            .filter(|(_, talk)| talk.log.as_ref().is_some_and(|log| log.roster().has_identity(who)));
        shared.map(|(uid, _)| *uid).collect()
    }
}
