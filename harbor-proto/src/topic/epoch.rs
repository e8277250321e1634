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
        /// 1 + the greatest of the parents', 1 without any.
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
    /// Not one more than any parent's.
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
    /// One known parent of exactly the generation before is enough: nobody can claim more generations than
    /// there were epochs, a lower claim only makes the epoch less preferred, and a parent that never comes (of a
    /// fork older than this device's membership) holds nothing up.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn check(
        &self,
        dag: &Dag,
        generation: impl Fn(&EpochId) -> Option<u32>,
    ) -> Result<Roster, HeaderError> {
        let follows = |before: Option<u32>| before.and_then(|g| g.checked_add(1)) == Some(self.generation);
        let parents = || self.parents.iter().map(&generation);
        let placed = if self.parents.is_empty() { self.generation == 1 } else { parents().any(follows) };
        if !placed {
            let waits = parents().any(|known| known.is_none());
            return Err(if waits { HeaderError::Unknown } else { HeaderError::Generation });
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
        if !self.frontier.iter().all(|op| dag.contains(op)) {
            return Err(HeaderError::Unknown);
        }
        let bytes = signed_bytes(EPOCH_DOMAIN, self, SIGNATURE);
        if !sign::verify(&self.committer.0, &bytes, &self.signature) {
            return Err(HeaderError::Signature);
        }
        let roster = dag.roster_at(&self.frontier).ok_or(HeaderError::Unknown)?;
        if roster.get(&self.committer).is_none() {
            return Err(HeaderError::Committer);
        }
        if roster.hash() != self.roster_hash {
            return Err(HeaderError::Roster);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMillis;
    use crate::topic::ops::{Name, OpBody, SignedOp, TopicKind};
    use alloc::boxed::Box;

    fn device(seed: u8) -> DeviceSecrets {
        DeviceSecrets::generate(&mut Rng::new([seed; 32]), UnixMillis(1))
    }

    fn room() -> (DeviceSecrets, DeviceSecrets, Dag) {
        let (admin, member) = (device(1), device(2));
        let (kind, created) = (TopicKind::Room, UnixMillis(1));
        let (cert, name, title) = (Box::new(admin.cert().clone()), Name::default(), Name::default());
        let body = OpBody::Create { kind, title, nonce: [1; 32], created, cert, name };
        let mut dag = Dag::new(SignedOp::sign(&admin, [], body)).unwrap();
        let (cert, name) = (Box::new(member.cert().clone()), Name::default());
        let add = OpBody::Add { cert, name, invite_use: None };
        dag.insert(SignedOp::sign(&admin, dag.heads(), add)).unwrap();
        (admin, member, dag)
    }

    fn committed(by: &DeviceSecrets, dag: &Dag) -> Committed {
        commit(&mut Rng::new([5; 32]), by, dag, &[], Secret([6; 32])).unwrap()
    }

    fn resign(by: &DeviceSecrets, mut header: EpochHeader) -> EpochHeader {
        header.signature = by.device().sign(&signed_bytes(EPOCH_DOMAIN, &header, SIGNATURE));
        header
    }

    #[test]
    fn every_device_opens_its_own_box_and_no_other() {
        let (admin, member, dag) = room();
        let made = committed(&admin, &dag);
        assert_eq!(made.header.check(&dag, |_| None).unwrap(), dag.roster());
        for me in [&admin, &member] {
            assert_eq!(made.header.open(me, &made.boxes[0]).unwrap(), made.secrets);
        }
        assert_eq!(made.header.open(&device(3), &made.boxes[0]), None);
        let only = made.boxes[0].only_for(member.cert()).unwrap();
        assert_eq!((only.boxes.len(), made.header.open(&admin, &only)), (1, None));
    }

    #[test]
    fn trap_a_ghost_in_the_roster_is_refused() {
        let (admin, member, dag) = room();
        let mut wider = dag.clone();
        let (cert, name) = (Box::new(device(9).cert().clone()), Name::default());
        wider
            .insert(SignedOp::sign(&admin, dag.heads(), OpBody::Add { cert, name, invite_use: None }))
            .unwrap();
        // The ghost is in the committer's roster hash and has a box, but not in the operations it cites.
        let ghostly = committed(&member, &wider).header;
        let header = EpochHeader { frontier: List::new(dag.heads().collect()).unwrap(), ..ghostly };
        assert_eq!(resign(&member, header).check(&dag, |_| None), Err(HeaderError::Roster));
    }

    #[test]
    fn changed_headers_are_refused() {
        let (admin, member, dag) = room();
        let good = committed(&admin, &dag).header;
        let refused = |header: EpochHeader| resign(&admin, header).check(&dag, |_| Some(4)).unwrap_err();
        let unsigned = EpochHeader { commitment: [0; 32], ..good.clone() };
        assert_eq!(unsigned.check(&dag, |_| None), Err(HeaderError::Signature));
        let lent = EpochHeader { committer: member.device_id(), ..good.clone() };
        assert_eq!(lent.check(&dag, |_| None), Err(HeaderError::Signature));
        let stranger = EpochHeader { committer: device(9).device_id(), ..good.clone() };
        assert_eq!(resign(&device(9), stranger).check(&dag, |_| None), Err(HeaderError::Committer));
        for generation in [0, 2, u32::MAX] {
            assert_eq!(refused(EpochHeader { generation, ..good.clone() }), HeaderError::Generation);
        }
        let parents = List::new([EpochId([1; 32])].into()).unwrap();
        let child = EpochHeader { parents: parents.clone(), ..good.clone() };
        assert_eq!(refused(child.clone()), HeaderError::Generation);
        assert_eq!(child.check(&dag, |_| None), Err(HeaderError::Unknown));
        assert_eq!(child.check(&dag, |_| Some(u32::MAX)), Err(HeaderError::Generation));
        let uid = TopicUid([0; 32]);
        assert_eq!(refused(EpochHeader { uid, ..good.clone() }), HeaderError::Shape);
        let frontier = List::new([OpId([3; 32])].into()).unwrap();
        assert_eq!(refused(EpochHeader { frontier, ..good.clone() }), HeaderError::Unknown);
        assert_eq!(refused(EpochHeader { frontier: List::default(), ..good }), HeaderError::Shape);
    }

    #[test]
    fn a_generation_follows_from_one_known_parent_and_never_from_a_claim() {
        let (admin, _, dag) = room();
        let (known, other) = (EpochId([1; 32]), EpochId([2; 32]));
        let child = |generation| {
            let parents = List::new([known, other].into()).unwrap();
            resign(&admin, EpochHeader { parents, generation, ..committed(&admin, &dag).header })
        };
        let one_known = |id: &EpochId| (*id == known).then_some(4);
        assert!(child(5).check(&dag, one_known).is_ok(), "the other may never come");
        for generation in [1, 4, 6, u32::MAX] {
            assert_eq!(child(generation).check(&dag, one_known), Err(HeaderError::Unknown));
            assert_eq!(child(generation).check(&dag, |_| Some(4)), Err(HeaderError::Generation));
        }
    }

    #[test]
    fn a_box_with_other_secrets_than_the_header_commits_to_does_not_count() {
        let (admin, member, dag) = room();
        let made = committed(&admin, &dag);
        let id = made.header.id();
        let other = EpochSecrets { es: Secret([8; 32]), ..made.secrets.clone() };
        let forged = seal_box(&mut Rng::new([1; 32]), &id, member.cert(), &other).unwrap();
        let mut boxes = made.boxes[0].clone().boxes.into_vec();
        boxes.insert(0, forged.clone());
        let only = EpochBoxes { epoch: id, boxes: List::new([forged].into()).unwrap() };
        assert_eq!(made.header.open(&member, &only), None);
        let boxes = EpochBoxes { epoch: id, boxes: List::new(boxes).unwrap() };
        assert_eq!(made.header.open(&member, &boxes).unwrap(), made.secrets, "the forged box is passed over");
    }

    #[test]
    fn a_box_belongs_to_one_epoch() {
        let (admin, member, dag) = room();
        let made = committed(&admin, &dag);
        let other = resign(&admin, EpochHeader { parents: List::default(), ..made.header.clone() });
        let later = commit(&mut Rng::new([9; 32]), &admin, &dag, &[(made.header.id(), 1)], Secret([6; 32]));
        let later = later.unwrap();
        let moved = EpochBoxes { epoch: later.header.id(), ..made.boxes[0].clone() };
        assert_eq!(later.header.open(&member, &moved), None);
        assert_eq!(other.id(), made.header.id(), "signing is deterministic");
    }

    #[test]
    fn trap_a_box_with_a_weak_x25519_share_is_refused() {
        let (admin, member, dag) = room();
        let made = committed(&admin, &dag);
        let mut boxes = made.boxes[0].only_for(member.cert()).unwrap().boxes.into_vec();
        // The X25519 part is the ciphertext's end; all zeros is the point every key agrees on.
        boxes[0].ciphertext[kem::CIPHERTEXT - 32..].fill(0);
        assert!(member.kem().decapsulate(&boxes[0].ciphertext).is_none());
        let boxes = EpochBoxes { epoch: made.header.id(), boxes: List::new(boxes).unwrap() };
        assert_eq!(made.header.open(&member, &boxes), None);
    }
}
