//! Invites given, looked at and accepted: the rendezvous mailboxes.
use super::commands::Later;
use super::receive::Fate;
use super::*;
use crate::packet::{Header, MailboxKeys, Packet};
use alloc::sync::Arc;

#[derive(Debug)]
pub(super) enum Door {}

impl Endpoint {
    pub(super) fn on_rendezvous(&mut self, _p: &Packet<'_>, _h: &Header) -> Fate {
        Fate::Refused
    }
    pub(super) fn on_door_read(&mut self, _m: &HarborId) {}
    pub(super) fn on_door_timeout(&mut self, _m: &HarborId) {}
    pub(super) fn close_expired_doors(&mut self) {}
    pub(super) fn close_doors_of(&mut self, _uid: &TopicUid) {}
    pub(super) fn give_up_joining(&mut self, _uid: &TopicUid) {}
    pub(super) fn door_mailboxes(&self) -> Vec<(HarborId, Arc<MailboxKeys>)> {
        Vec::new()
    }
    pub(super) fn invite(&mut self, _t: &TopicUid, _e: u64) -> Result<Reply, CommandError> {
        Err(CommandError::NotFound)
    }
    pub(super) fn preview(&mut self, _id: CommandId, _c: &str) -> Later {
        Later(None)
    }
    pub(super) fn accept_invite(&mut self, _id: CommandId, _c: &str) -> Later {
        Later(None)
    }
    pub(super) fn restore_door(&mut self, _k: &[u8], _v: &[u8]) -> Option<()> {
        Some(())
    }
}
