//! The welcome: everything a new member needs, sealed to its device and bound to its request.
//!
//! Spec: docs/spec/invites.md §4.

use super::dag::MAX_OPS;
use super::epoch::{EpochBoxes, EpochHeader};
use super::invite::{InviteLink, InviteRecord, SealedRequest, sealing_key};
use super::keyring::MAX_EPOCHS;
use super::log::TopicLog;
use super::ops::{OpBody, SignedOp};
use crate::crypto::rng::Rng;
use crate::crypto::sign::{self, SIGNATURE};
use crate::crypto::{aead, kem};
use crate::id::{DeviceId, MessageId, TopicUid};
use crate::identity::{DeviceCert, DeviceSecrets, signed_bytes};
use crate::limits::{HEARD_RANGES, MAX_LEAVES};
use crate::time::UnixMillis;
use crate::wire::{Bytes, List, Range, Reader, Wire};
use alloc::vec::Vec;
use core::fmt;
use litemap::LiteMap;

const PART_DOMAIN: &[u8] = b"harbor.v1 welcome part\0";
/// Bytes of a welcome in one packet.
pub const PART: usize = 60 << 10;
/// Parts of the largest welcome (about 7.5 MiB: 1,500 members with their histories of coming and going).
pub const MAX_PARTS: u16 = 128;

crate::wire_struct! {
    /// How far a device's messages have got, so that a new member knows where it came in.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SeqHead {
        pub device: DeviceId,
        pub seq: u64,
        pub id: MessageId,
        /// What of it the admin heard.
        pub heard: List<Range, HEARD_RANGES>,
    }
}

crate::wire_struct! {
    /// What is inside.
    #[derive(Clone, PartialEq, Eq)]
    pub struct Welcome {
        pub request: [u8; 32],
        pub uid: TopicUid,
        /// When it was made, by the admin's clock: mailboxes must be read from a little before.
        pub made: UnixMillis,
        /// All operations, parents first.
        pub ops: List<SignedOp, MAX_OPS>,
        /// Epoch headers of the last 30 days, parents first; the last is the one the member can open.
        pub headers: List<EpochHeader, MAX_EPOCHS>,
        /// The member's box.
        pub boxes: EpochBoxes,
        pub heads: List<SeqHead, MAX_LEAVES>,
    }
}

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Welcome({} ops, {} headers)", self.ops.len(), self.headers.len())
    }
}

crate::wire_struct! {
    /// A piece of a sealed welcome, signed so that nobody else with the link can spoil it.
    #[derive(Clone, PartialEq, Eq)]
    pub struct WelcomePart {
        pub request: [u8; 32],
        pub index: u16,
        pub count: u16,
        pub bytes: Bytes<PART>,
        /// By the inviting device.
        pub signature: [u8; SIGNATURE],
    }
}

impl fmt::Debug for WelcomePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WelcomePart({} of {})", self.index, self.count)
    }
}

impl Welcome {
    /// Seals it to `to` and cuts it to pieces. `None` when `to` holds no usable key or it is too large.
    pub(super) fn seal(
        &self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        to: &DeviceCert,
    ) -> Option<Vec<WelcomePart>> {
        let (ciphertext, shared) = kem::encapsulate(&to.kem, rng)?;
        let key = sealing_key(&shared, b"welcome\0", &self.request);
        let mut sealed = ciphertext.to_vec();
        sealed.extend(aead::seal(&key, &[0; aead::NONCE], &[], &self.to_bytes()));
        let count = u16::try_from(sealed.len().div_ceil(PART)).ok().filter(|n| *n <= MAX_PARTS)?;
        let pieces = (0..count).zip(sealed.chunks(PART));
        pieces.map(|(index, piece)| WelcomePart::signed(me, self.request, index, count, piece)).collect()
    }

    fn open(me: &DeviceSecrets, request: &[u8; 32], sealed: &[u8]) -> Option<Self> {
        let mut r = Reader::new(sealed);
        let shared = me.kem().decapsulate(&r.array().ok()?)?;
        let key = sealing_key(&shared, b"welcome\0", request);
        let plain = aead::open(&key, &[0; aead::NONCE], &[], r.rest()).ok()?;
        Self::from_bytes(&plain).ok().filter(|welcome| welcome.request == *request)
    }
}

impl WelcomePart {
    fn signed(me: &DeviceSecrets, request: [u8; 32], index: u16, count: u16, bytes: &[u8]) -> Option<Self> {
        let bytes = Bytes::new(bytes.to_vec())?;
        let mut part = Self { request, index, count, bytes, signature: [0; SIGNATURE] };
        part.signature = me.device().sign(&signed_bytes(PART_DOMAIN, &part, SIGNATURE));
        Some(part)
    }

    /// True when the inviting device made it.
    #[must_use]
    pub fn verify(&self, record: &InviteRecord) -> bool {
        let bytes = signed_bytes(PART_DOMAIN, self, SIGNATURE);
        sign::verify(&record.cert.device.0, &bytes, &self.signature)
    }
}

crate::wire_struct! {
    /// A request to join on its way; kept on the device until it is answered.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Joining {
        pub link: InviteLink,
        pub record: InviteRecord,
        pub request: SealedRequest,
    }
}

/// The pieces of a welcome as they come. In memory only: read a rendezvous mailbox from its beginning.
#[derive(Clone, Debug, Default)]
pub struct Pieces(LiteMap<u16, WelcomePart>);

/// What a welcome gave.
#[derive(Debug)]
pub struct Joined {
    pub log: TopicLog,
    pub heads: Vec<SeqHead>,
    /// Read the topic's mailboxes from here on, less the usual day.
    pub made: UnixMillis,
}

/// Why a welcome was refused. All of it is the inviter's doing: the pieces carry its signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinError {
    /// Sealed to somebody else, bound to another request, or damaged.
    Sealed,
    /// For another topic than the record promised.
    Topic,
    /// An operation or an epoch in it is not sound.
    Unsound,
    /// It does not make this device a member by the inviter's hand and this invite.
    NotAdded,
}

impl Joining {
    /// Asks to be let in. `None` when the record is not the link's inviter's, for this link.
    #[must_use]
    pub fn new(
        rng: &mut Rng,
        me: &DeviceSecrets,
        link: InviteLink,
        record: InviteRecord,
        name: super::Name,
    ) -> Option<Self> {
        if !record.verify(&link) {
            return None;
        }
        let request = SealedRequest::new(rng, me, &link, &record, name)?;
        Some(Self { link, record, request })
    }

    /// Takes a piece; the sealed welcome once all are here. Pieces for others and forged ones change nothing.
    #[must_use]
    pub fn collect(&self, pieces: &mut Pieces, part: WelcomePart) -> Option<Vec<u8>> {
        let fits = part.request == self.request.hash() && part.index < part.count && part.count <= MAX_PARTS;
        if !fits || !part.verify(&self.record) {
            return None;
        }
        let count = part.count;
        if pieces.0.values().any(|other| other.count != count) {
            pieces.0.clear();
        }
        pieces.0.insert(part.index, part);
        let whole = pieces.0.len() == usize::from(count);
        whole.then(|| pieces.0.values().flat_map(|part| part.bytes.iter().copied()).collect())
    }

    /// Opens a whole welcome, verifies everything in it, and makes the topic of it.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn join(&self, me: &DeviceSecrets, sealed: &[u8], now: UnixMillis) -> Result<Joined, JoinError> {
        let request = self.request.hash();
        let welcome = Welcome::open(me, &request, sealed).ok_or(JoinError::Sealed)?;
        let mut ops = welcome.ops.into_vec().into_iter();
        let create = ops.next().ok_or(JoinError::Topic)?;
        let mut log = TopicLog::begin(me.device_id(), create).map_err(|_| JoinError::Topic)?;
        let promised = (self.record.uid, self.record.kind, &self.record.title);
        if (log.uid(), log.kind(), log.title()) != promised || welcome.uid != log.uid() {
            return Err(JoinError::Topic);
        }
        log.adopt(me, ops, welcome.headers.into_vec(), &welcome.boxes, now.min(welcome.made))
            .map_err(|_| JoinError::Unsound)?;
        self.was_added(me, &log).ok_or(JoinError::NotAdded)?;
        log.current_epoch().ok_or(JoinError::NotAdded)?;
        Ok(Joined { log, heads: welcome.heads.into_vec(), made: welcome.made })
    }

    /// This device is in the roster by an `Add` of the inviter's that spent this invite on this request.
    fn was_added(&self, me: &DeviceSecrets, log: &TopicLog) -> Option<()> {
        let mine = log.my_leaf().filter(|leaf| *leaf.cert == *me.cert())?;
        let add = log.dag().get(&mine.joined)?;
        let OpBody::Add { invite_use: Some(used), .. } = &add.body else { return None };
        let spent = match &log.dag().get(used)?.body {
            OpBody::InviteUse { invite, request } => (*invite, *request),
            _ => return None,
        };
        let by_inviter = add.author == self.record.cert.device;
        (by_inviter && spent == (self.link.id(), self.request.hash())).then_some(())
    }
}
