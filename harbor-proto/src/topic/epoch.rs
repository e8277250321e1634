//! Epochs: an independent group secret for one exact roster, sealed to each of its devices.
//!
//! Spec: docs/spec/epochs.md §1–§3.

use super::dag::Dag;
use super::roster::Roster;
use crate::crypto::kdf::{Context, derive};
use crate::crypto::rng::Rng;
use crate::crypto::sign::{self, SIGNATURE};
use crate::crypto::{Secret, aead, hash, kem};
use crate::id::{DeviceId, EpochId, OpId, TopicUid};
use crate::identity::{DeviceCert, DeviceSecrets, signed_bytes};
use crate::limits::BOXES_PER_PACKET;
use crate::wire::{List, Wire};
use alloc::vec::Vec;
use core::fmt;

/// Epochs one epoch may follow directly.
pub const MAX_EPOCH_PARENTS: usize = 4;
/// Operations a frontier may name.
pub const MAX_FRONTIER: usize = 1024;

const EPOCH_DOMAIN: &[u8] = b"harbor.v1 epoch\0";
const SECRETS: usize = 64;

crate::wire_struct! {
    /// What all members see of an epoch. `EpochId` is BLAKE3 of these bytes.
    #[derive(Clone, PartialEq, Eq)]
    pub struct EpochHeader {
        pub uid: TopicUid,
        /// The epochs its committer knew as best, ascending.
        pub parents: List<EpochId, MAX_EPOCH_PARENTS>,
        /// The operations that, with all before them, give the roster; ascending.
        pub frontier: List<OpId, MAX_FRONTIER>,
        /// 1 + the greatest of the parents'.
        pub generation: u32,
        pub committer: DeviceId,
        pub roster_hash: [u8; 32],
        /// `KDF("epoch-commit", es || rs)`: one header, one pair of secrets.
        pub commitment: [u8; 32],
        /// By the committer's DK.
        pub signature: [u8; SIGNATURE],
    }
}

impl fmt::Debug for EpochHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochHeader({:?}, generation {})", self.id(), self.generation)
    }
}

crate::wire_struct! {
    /// es and rs, sealed to one device.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct EpochBox {
        /// First 8 bytes of `BLAKE3(LK.pub)`.
        pub label: [u8; 8],
        pub ciphertext: [u8; kem::CIPHERTEXT],
        pub sealed: [u8; SECRETS + aead::TAG],
    }
}

crate::wire_struct! {
    /// Boxes of one epoch; each opens without the others.
    #[derive(Clone, PartialEq, Eq)]
    pub struct EpochBoxes {
        pub epoch: EpochId,
        pub boxes: List<EpochBox, BOXES_PER_PACKET>,
    }
}

impl EpochBoxes {
    /// Only the boxes for this device; `None` without any. What waits for a header then stays small.
    #[must_use]
    pub fn only_for(&self, cert: &DeviceCert) -> Option<Self> {
        let mine = label(cert);
        let boxes = List::first(self.boxes.iter().filter(|b| b.label == mine).cloned());
        (!boxes.is_empty()).then_some(Self { epoch: self.epoch, boxes })
    }
}

impl fmt::Debug for EpochBoxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochBoxes({:?}, {})", self.epoch, self.boxes.len())
    }
}

/// The two secrets of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochSecrets {
    /// Where all chains begin; erased once they have.
    pub es: Secret,
    /// Where mailboxes and control keys come from; shared by epochs until somebody leaves.
    pub rs: Secret,
}

impl EpochSecrets {
    fn commitment(&self) -> [u8; 32] {
        derive(Context::EpochCommit, &[&self.es.0, &self.rs.0]).0
    }
}

/// Why a header does not count. Final for all but [`HeaderError::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// A parent or an operation of the frontier is missing: try again when it has come.
    Unknown,
    /// Another topic's, or lists out of order.
    Shape,
    /// Not signed by its committer.
    Signature,
    /// The committer is not in the roster.
    Committer,
    /// Not 1 + the greatest of its parents'.
    Generation,
    /// The roster is not what the frontier says: somebody was slipped in or left out.
    Roster,
}

fn label(cert: &DeviceCert) -> [u8; 8] {
    let mut out = [0; 8];
    out.copy_from_slice(&cert.kem_hash()[..8]);
    out
}

fn box_key(shared: &Secret, epoch: &EpochId, cert: &DeviceCert) -> Secret {
    derive(Context::EpochBox, &[&shared.0, &epoch.0, &cert.kem_hash()])
}

impl EpochHeader {
    /// BLAKE3 of the bytes, signature included.
    #[must_use]
    pub fn id(&self) -> EpochId {
        EpochId(hash(&[&self.to_bytes()]))
    }

    /// Recomputes everything the header says; the roster it is for. `generation` gives the generation of a known
    /// epoch.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn check(
        &self,
        dag: &Dag,
        generation: impl Fn(&EpochId) -> Option<u32>,
    ) -> Result<Roster, HeaderError> {
        let mut greatest = 0;
        for parent in self.parents.iter() {
            greatest = greatest.max(generation(parent).ok_or(HeaderError::Unknown)?);
        }
        if greatest.checked_add(1) != Some(self.generation) {
            return Err(HeaderError::Generation);
        }
        self.check_apart_from_generation(dag)
    }

    /// As [`EpochHeader::check`] for a device that joined later and takes the generation from its inviter.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn check_apart_from_generation(&self, dag: &Dag) -> Result<Roster, HeaderError> {
        let ascending = self.parents.is_sorted_by(|a, b| a < b) && self.frontier.is_sorted_by(|a, b| a < b);
        if self.uid != dag.uid() || !ascending || self.frontier.is_empty() || self.generation == 0 {
            return Err(HeaderError::Shape);
        }
        let roster = dag.roster_at(&self.frontier).ok_or(HeaderError::Unknown)?;
        if roster.get(&self.committer).is_none() {
            return Err(HeaderError::Committer);
        }
        if roster.hash() != self.roster_hash {
            return Err(HeaderError::Roster);
        }
        let bytes = signed_bytes(EPOCH_DOMAIN, self, SIGNATURE);
        if !sign::verify(&self.committer.0, &bytes, &self.signature) {
            return Err(HeaderError::Signature);
        }
        Ok(roster)
    }

    /// The secrets in this device's box, when `boxes` holds it. A box that opens to other secrets than the
    /// header commits to does not count, so nobody can spoil an epoch by adding boxes.
    #[must_use]
    pub fn open(&self, me: &DeviceSecrets, boxes: &EpochBoxes) -> Option<EpochSecrets> {
        let id = self.id();
        let mine = label(me.cert());
        let boxes = boxes.boxes.iter().filter(|b| boxes.epoch == id && b.label == mine);
        boxes.filter_map(|b| self.open_box(me, &id, b)).next()
    }

    fn open_box(&self, me: &DeviceSecrets, id: &EpochId, sealed: &EpochBox) -> Option<EpochSecrets> {
        let shared = me.kem().decapsulate(&sealed.ciphertext)?;
        let mut buffer = Secrets(sealed.sealed);
        let key = box_key(&shared, id, me.cert());
        let plain = aead::open_in_place(&key, &[0; aead::NONCE], &[], &mut buffer.0).ok()?;
        let (es, rs) = plain.split_at(32);
        let secrets = EpochSecrets { es: Secret(es.try_into().ok()?), rs: Secret(rs.try_into().ok()?) };
        (secrets.commitment() == self.commitment).then_some(secrets)
    }
}

/// A box's plaintext while it is open; erased afterwards.
#[derive(zeroize::ZeroizeOnDrop)]
struct Secrets([u8; SECRETS + aead::TAG]);

/// What a committer publishes, and keeps.
#[derive(Clone, Debug)]
pub struct Committed {
    pub header: EpochHeader,
    pub boxes: Vec<EpochBoxes>,
    pub secrets: EpochSecrets,
}

/// A new epoch for the roster at the heads of `dag`, after `parents` (with their generations), with a fresh es.
/// `None` when this device is not in the roster or the generation would overflow.
#[must_use]
pub fn commit(
    rng: &mut Rng,
    me: &DeviceSecrets,
    dag: &Dag,
    parents: &[(EpochId, u32)],
    rs: Secret,
) -> Option<Committed> {
    let frontier = List::new(dag.heads().collect())?;
    let roster = dag.roster();
    roster.get(&me.device_id())?;
    let mut ids: Vec<EpochId> = parents.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    let secrets = EpochSecrets { es: rng.secret(), rs };
    let mut header = EpochHeader {
        uid: dag.uid(),
        parents: List::new(ids)?,
        frontier,
        generation: parents.iter().map(|(_, g)| *g).max().unwrap_or(0).checked_add(1)?,
        committer: me.device_id(),
        roster_hash: roster.hash(),
        commitment: secrets.commitment(),
        signature: [0; SIGNATURE],
    };
    header.signature = me.device().sign(&signed_bytes(EPOCH_DOMAIN, &header, SIGNATURE));
    let boxes = seal_boxes(rng, &header.id(), &roster, &secrets);
    Some(Committed { header, boxes, secrets })
}

/// A device whose certificate holds no usable key gets no box: that is its owner's doing.
fn seal_boxes(rng: &mut Rng, id: &EpochId, roster: &Roster, secrets: &EpochSecrets) -> Vec<EpochBoxes> {
    let boxes: Vec<EpochBox> =
        roster.leaves().iter().filter_map(|leaf| seal_box(rng, id, &leaf.cert, secrets)).collect();
    let packs = boxes.chunks(BOXES_PER_PACKET);
    packs.map(|pack| EpochBoxes { epoch: *id, boxes: List::first(pack.iter().cloned()) }).collect()
}

/// es and rs for one device. The key is used once, hence the zero nonce.
fn seal_box(rng: &mut Rng, id: &EpochId, cert: &DeviceCert, secrets: &EpochSecrets) -> Option<EpochBox> {
    let (ciphertext, shared) = kem::encapsulate(&cert.kem, rng)?;
    let mut sealed = [0; SECRETS + aead::TAG];
    sealed[..32].copy_from_slice(&secrets.es.0);
    sealed[32..SECRETS].copy_from_slice(&secrets.rs.0);
    aead::seal_in_place(&box_key(&shared, id, cert), &[0; aead::NONCE], &[], &mut sealed);
    Some(EpochBox { label: label(cert), ciphertext, sealed })
}
