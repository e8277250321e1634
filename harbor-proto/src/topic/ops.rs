//! Signed membership operations.
//!
//! Spec: docs/spec/topics.md §1.

use crate::crypto::hash;
use crate::crypto::sign::{self, SIGNATURE};
use crate::id::{DeviceId, EndpointId, OpId, TopicUid};
use crate::identity::{DeviceCert, DeviceSecrets, signed_bytes};
use crate::limits::{HEARD_RANGES, MAX_NAME};
use crate::time::UnixMillis;
use crate::wire::{List, Range, Text, Wire};
use alloc::{boxed::Box, vec::Vec};
use core::fmt;

/// A display name or a title.
pub type Name = Text<MAX_NAME>;
/// Operations one operation may follow directly.
pub const MAX_OP_PARENTS: usize = 16;

const OP_DOMAIN: &[u8] = b"harbor.v1 op\0";

crate::wire_enum! {
    /// Two people, or a room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum TopicKind { Dm = 1, Room = 2 }
}

crate::wire_enum! {
    /// What a member may do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Role {
        Member = 1,
        /// Adds, invites, removes, and makes others admins.
        Admin = 2,
        /// The topic's maker: an admin whom nobody can remove or make less.
        Owner = 3,
    }
}

impl Role {
    /// True for the owner too.
    #[must_use]
    pub fn is_admin(self) -> bool {
        self >= Self::Admin
    }
}

/// Devices of one identity that a removal may name.
pub const MAX_CUTS: usize = 64;

crate::wire_struct! {
    /// The places in a device's chain that count after its removal.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Cut {
        pub device: DeviceId,
        pub heard: List<Range, HEARD_RANGES>,
    }
}

crate::wire_enum! {
    /// What an operation does. Its author, parents and signature are around it, in [`SignedOp`].
    #[derive(Clone, PartialEq, Eq)]
    pub enum OpBody {
        /// Makes the topic; its author is the first member and its owner.
        Create = 1 {
            kind: TopicKind,
            title: Name,
            /// Random, so that two topics of the same title are two.
            nonce: [u8; 32],
            created: UnixMillis,
            cert: Box<DeviceCert>,
            name: Name,
        },
        /// Makes a device a member. By an admin.
        Add = 2 {
            cert: Box<DeviceCert>,
            name: Name,
            /// The [`OpBody::InviteUse`] that led here, so that a one-time invite admits one.
            invite_use: Option<OpId>,
        },
        /// Announces a one-time invite. By an admin.
        InviteMint = 3 {
            /// `KDF("invite-id", invite secret)`: tells nothing about the secret.
            invite: [u8; 32],
            expires: UnixMillis,
            /// BLAKE3 of the X-Wing key to which requests are sealed.
            kem_hash: [u8; 32],
        },
        /// Spends an invite on one request. By an admin.
        InviteUse = 4 {
            invite: [u8; 32],
            /// Hash of the sealed join request.
            request: [u8; 32],
        },
        /// The author's identity leaves with all its devices.
        Leave = 5,
        /// Takes an identity out with all its devices. By an admin, in a room, of somebody else.
        Remove = 6 {
            who: EndpointId,
            /// How far each of its devices' chains count; a device that is not named said nothing that counts.
            cut: List<Cut, MAX_CUTS>,
        },
        /// Makes a member an admin or a plain member. By an admin, in a room; never of or to owner.
        SetRole = 7 { who: EndpointId, role: Role },
        /// Takes an unused invite back. By an admin.
        InviteRevoke = 8 { invite: [u8; 32] },
    }
}

impl OpBody {
    /// True for what only an admin does.
    #[must_use]
    pub fn needs_admin(&self) -> bool {
        !matches!(self, Self::Create { .. } | Self::Leave)
    }
}

impl fmt::Debug for OpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create { .. } => "Create",
            Self::Add { .. } => "Add",
            Self::InviteMint { .. } => "InviteMint",
            Self::InviteUse { .. } => "InviteUse",
            Self::Leave => "Leave",
            Self::Remove { .. } => "Remove",
            Self::SetRole { .. } => "SetRole",
            Self::InviteRevoke { .. } => "InviteRevoke",
        })
    }
}

crate::wire_struct! {
    /// An operation as it travels. Bound to its topic by its parents, which lead back to `Create`.
    #[derive(Clone, PartialEq, Eq)]
    pub struct SignedOp {
        /// The heads its author knew, in ascending order; empty in `Create` alone.
        pub parents: List<OpId, MAX_OP_PARENTS>,
        pub author: DeviceId,
        pub body: OpBody,
        /// By the author's DK.
        pub signature: [u8; SIGNATURE],
    }
}

impl SignedOp {
    /// Signs `body` as this device, after `parents` (the first [`MAX_OP_PARENTS`] of them, sorted).
    #[must_use]
    pub fn sign(me: &DeviceSecrets, parents: impl IntoIterator<Item = OpId>, body: OpBody) -> Self {
        let mut parents: Vec<OpId> = parents.into_iter().collect();
        parents.sort_unstable();
        let parents = List::first(parents);
        let mut op = Self { parents, author: me.device_id(), body, signature: [0; SIGNATURE] };
        op.signature = me.device().sign(&signed_bytes(OP_DOMAIN, &op, SIGNATURE));
        op
    }

    /// BLAKE3 of all its bytes.
    #[must_use]
    pub fn id(&self) -> OpId {
        OpId(hash(&[&self.to_bytes()]))
    }

    /// The topic this operation makes, when it is a `Create`.
    #[must_use]
    pub fn creates(&self) -> Option<TopicUid> {
        matches!(self.body, OpBody::Create { .. }).then(|| TopicUid(self.id().0))
    }

    /// True when the author signed it.
    #[must_use]
    pub fn verify(&self) -> bool {
        sign::verify(&self.author.0, &signed_bytes(OP_DOMAIN, self, SIGNATURE), &self.signature)
    }
}

impl fmt::Debug for SignedOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedOp({:?}, {:?})", self.body, self.id())
    }
}
