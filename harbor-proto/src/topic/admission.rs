//! The admin's side of invites: giving them, and letting people in.
//!
//! Spec: docs/spec/invites.md §2–§4.

use super::control::ControlObject;
use super::dag::{MAX_OPS, OpError};
use super::invite::{
    Denial, Denied, Invite, InviteLink, InviteRecord, JoinRequest, RendezvousObject, SealedRequest,
};
use super::log::{Change, TopicLog};
use super::ops::{OpBody, TopicKind};
use super::roster::Leaf;
use super::welcome::{SeqHead, Welcome};
use crate::crypto::rng::Rng;
use crate::crypto::sign::SIGNATURE;
use crate::crypto::{hash, kem};
use crate::identity::DeviceSecrets;
use crate::limits::MAX_LEAVES;
use crate::time::UnixMillis;
use crate::wire::List;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A fresh invite and what to do with it.
#[derive(Debug)]
pub struct Minted {
    /// To keep, until used or over.
    pub invite: Invite,
    /// To store in the mailbox of the link.
    pub record: RendezvousObject,
    /// To publish in the topic.
    pub control: Vec<ControlObject>,
}

/// Somebody was let in.
#[derive(Debug)]
pub struct Admitted {
    pub member: Leaf,
    /// To publish in the topic.
    pub control: Vec<ControlObject>,
    /// To store in the mailbox of the link.
    pub welcome: Vec<RendezvousObject>,
    pub changes: Vec<Change>,
}

/// Why no invite was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteError {
    /// Only admins invite.
    NotAdmin,
    /// A DM has its other person, or the topic is full.
    Full,
}

/// Why a request did not let anybody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmitError {
    /// It does not open or does not prove what it must: ignore it.
    Forged,
    /// This very request was answered before: ignore it.
    Again,
    /// Only admins admit: leave it to one.
    NotAdmin,
    /// Tell the asker.
    Denied(Denial),
}

impl TopicLog {
    /// No room for one more; what it takes to let somebody in and out again is left in reserve.
    fn full(&self) -> bool {
        let most = match self.kind() {
            TopicKind::Dm => 2,
            TopicKind::Room => MAX_LEAVES,
        };
        self.roster().len() >= most || self.dag().len() + 4 > MAX_OPS
    }

    /// Makes a one-time invite that is over at `expires` (rounded up to the hour).
    ///
    /// # Errors
    /// [`InviteError`].
    pub fn mint_invite(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        expires: UnixMillis,
        now: UnixMillis,
    ) -> Result<Minted, InviteError> {
        let leaf =
            self.my_leaf().filter(|leaf| leaf.role.is_admin()).cloned().ok_or(InviteError::NotAdmin)?;
        if self.full() {
            return Err(InviteError::Full);
        }
        let expires_hour = expires.plus(crate::limits::HOUR_MS - 1).hours();
        let link = InviteLink { secret: rng.secret(), inviter: me.endpoint_id(), expires_hour };
        let kem_seed = rng.secret();
        let kem = kem::SecretKey::from_seed(kem_seed.clone()).public();
        let mint = OpBody::InviteMint { invite: link.id(), expires: link.expires(), kem_hash: hash(&[&kem]) };
        let (control, _) = self.author_all(me, [mint], now).map_err(|_| InviteError::Full)?;
        let record = InviteRecord {
            uid: self.uid(),
            kind: self.kind(),
            title: self.title().clone(),
            cert: me.cert().clone(),
            name: leaf.name,
            kem,
            invite: link.id(),
            expires_hour,
            signature: [0; SIGNATURE],
        };
        let record = RendezvousObject::Record { record: Box::new(record.signed(me)) };
        Ok(Minted { invite: Invite { uid: self.uid(), link, kem_seed }, record, control })
    }

    /// Takes an invite back: the operation to publish, and what to store in the mailbox of the link, so that whoever
    /// follows it knows at once.
    ///
    /// # Errors
    /// [`OpError::NotAllowed`] when not an admin, or when the invite was used or taken back before.
    pub fn revoke_invite(
        &mut self,
        me: &DeviceSecrets,
        invite: &Invite,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, RendezvousObject), OpError> {
        let revoke = OpBody::InviteRevoke { invite: invite.link.id() };
        let (control, _) = self.author_all(me, [revoke], now)?;
        Ok((control, Self::taken_back(me, invite)))
    }

    /// Says to whoever follows the link that it leads nowhere any more.
    #[must_use]
    pub fn taken_back(me: &DeviceSecrets, invite: &Invite) -> RendezvousObject {
        RendezvousObject::Denied { denied: Denied::new(me, invite.link.id(), Denial::Used) }
    }

    /// True when the invite may still let somebody in.
    #[must_use]
    pub fn invite_open(&self, invite: &Invite, now: UnixMillis) -> bool {
        let id = invite.link.id();
        let admin = self.my_leaf().is_some_and(|leaf| leaf.role.is_admin());
        let spent = self.dag().invite_used(&id).is_some() || self.dag().invite_revoked(&id);
        admin && !spent && !invite.link.expired(now)
    }

    /// Answers a request: spends the invite, adds the asker, commits an epoch and seals the welcome. Persist
    /// the records before sending any of it. `heads` goes to the new member as it is.
    ///
    /// # Errors
    /// [`AdmitError`]; nothing changed. A denial goes back by [`TopicLog::deny`].
    pub fn admit(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        invite: &Invite,
        request: &SealedRequest,
        heads: Vec<SeqHead>,
        now: UnixMillis,
    ) -> Result<Admitted, AdmitError> {
        let asked = request.open(invite).filter(|_| invite.uid == self.uid()).ok_or(AdmitError::Forged)?;
        self.my_leaf().filter(|leaf| leaf.role.is_admin()).ok_or(AdmitError::NotAdmin)?;
        let hash = request.hash();
        match self.dag().invite_used(&invite.link.id()) {
            Some(used) if used == hash => return Err(AdmitError::Again),
            Some(_) => return Err(AdmitError::Denied(Denial::Used)),
            None if self.dag().invite_revoked(&invite.link.id()) => {
                return Err(AdmitError::Denied(Denial::Used));
            }
            None if invite.link.expired(now) => return Err(AdmitError::Denied(Denial::Expired)),
            None => {}
        }
        if self.roster().has_identity(&asked.cert.identity) {
            return Err(AdmitError::Denied(Denial::Member));
        }
        if self.full() {
            return Err(AdmitError::Denied(Denial::Full));
        }
        let (control, changes) = self.let_in(rng, me, invite.link.id(), hash, &asked, now)?;
        let boxes = control.iter().find_map(|object| match object {
            ControlObject::Boxes { boxes } => boxes.only_for(&asked.cert),
            _ => None,
        });
        let welcome = Welcome {
            request: hash,
            uid: self.uid(),
            made: now,
            ops: List::first(self.dag().ops().cloned()),
            headers: List::first(self.ring.recent(now).into_iter().cloned()),
            boxes: boxes.ok_or(AdmitError::Forged)?,
            heads: List::first(heads),
        };
        let parts = welcome.seal(rng, me, &asked.cert).ok_or(AdmitError::Denied(Denial::Full))?;
        let member = self.roster().get(&asked.cert.device).cloned().ok_or(AdmitError::Forged)?;
        let welcome = parts.into_iter().map(|part| RendezvousObject::Welcome { part }).collect();
        Ok(Admitted { member, control, welcome, changes })
    }

    /// InviteUse, Add and an epoch for the new roster.
    fn let_in(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        invite: [u8; 32],
        request: [u8; 32],
        asked: &JoinRequest,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), AdmitError> {
        let full = |_: OpError| AdmitError::Denied(Denial::Full);
        let (mut control, mut changes) =
            self.author_all(me, [OpBody::InviteUse { invite, request }], now).map_err(full)?;
        let invite_use = control.iter().find_map(|object| match object {
            ControlObject::Op { op } => Some(op.id()),
            _ => None,
        });
        let (cert, name) = (Box::new(asked.cert.clone()), asked.name.clone());
        let (added, more) =
            self.author_all(me, [OpBody::Add { cert, name, invite_use }], now).map_err(full)?;
        let (epoch, rest) = self.commit_epoch(rng, me, now).ok_or(AdmitError::NotAdmin)?;
        control.extend(added.into_iter().chain(epoch));
        changes.extend(more.into_iter().chain(rest));
        Ok((control, changes))
    }

    /// A signed no, to store in the mailbox of the link.
    #[must_use]
    pub fn deny(me: &DeviceSecrets, request: &SealedRequest, why: Denial) -> RendezvousObject {
        RendezvousObject::Denied { denied: Denied::new(me, request.hash(), why) }
    }
}
