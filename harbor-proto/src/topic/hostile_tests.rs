//! What a member, a node or a bad disk may do to a topic without harm.

use super::control::ControlObject;
use super::epoch::{EpochBoxes, EpochHeader};
use super::invite::RendezvousObject;
use super::ops::{OpBody, SignedOp};
use super::tests::{NOW, Peer, lively, pair, rng};
use super::waiting::{MAX_WAITING, MAX_WAITING_BYTES};
use super::*;
use crate::crypto::Secret;
use crate::crypto::rng::Rng;
use crate::id::{EpochId, OpId};
use crate::limits::DAY_MS;
use crate::wire::{List, Wire};
use alloc::boxed::Box;
use alloc::vec::Vec;

fn index(rng: &mut Rng, bound: usize) -> usize {
    usize::try_from(rng.below(bound as u64)).unwrap()
}

fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        let at = index(rng, bytes.len());
        match rng.below(4) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = 0xff,
            2 => bytes.truncate(at.max(1)),
            _ => bytes.insert(at, 0),
        }
    }
}

#[test]
fn damaged_objects_change_nothing_that_matters() {
    let (mut peers, all) = lively(31_000);
    let mut rng = rng(31);
    let peer = &mut peers[1];
    for object in &all {
        peer.absorb(object);
    }
    let (roster, epochs) = (peer.log.roster().clone(), peer.log.ring.clone());
    let mut decoded = 0;
    for _ in 0..600 {
        let mut bytes = all[index(&mut rng, all.len())].to_bytes();
        damage(&mut rng, &mut bytes);
        let Ok(object) = ControlObject::from_bytes(&bytes) else { continue };
        decoded += usize::from(!all.contains(&object));
        let _ = peer.log.absorb(&peer.me, object, NOW);
    }
    peer.save();
    assert!(decoded > 100, "{decoded} damaged objects could still be read");
    assert_eq!(*peer.log.roster(), roster);
    assert!(peer.log.ring == epochs);
}

#[test]
fn damaged_rendezvous_objects_and_records_never_panic() {
    let mut admin = Peer::founder(32_000, TopicKind::Room);
    let minted = admin.log.mint_invite(&mut rng(1), &admin.me, NOW.plus(DAY_MS), NOW).unwrap();
    admin.save();
    let RendezvousObject::Record { record } = &minted.record else { panic!("a record") };
    let mut rng = rng(32);
    let good = minted.record.to_bytes();
    for _ in 0..500 {
        let mut bytes = good.clone();
        damage(&mut rng, &mut bytes);
        if let Ok(RendezvousObject::Record { record: read }) = RendezvousObject::from_bytes(&bytes) {
            assert!(read == *record || !read.verify(&minted.invite.link));
        }
    }
    let records: Vec<_> = admin.disk.0.clone().into_iter().collect();
    for _ in 0..500 {
        let mut records = records.clone();
        let at = index(&mut rng, records.len());
        damage(&mut rng, &mut records[at].1);
        let all = records.iter().map(|((shelf, key), value)| (*shelf, &key[..], &value[..]));
        let _ = TopicLog::restore(all);
    }
    assert!(TopicLog::restore([]).is_err());
}

#[test]
fn what_waits_is_bounded_and_the_oldest_goes() {
    let (mut a, b) = pair(33_000, TopicKind::Room);
    let orphan = |n: u64, ids: usize| {
        let parents = (0..ids as u64).map(|i| {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&(n * 100 + i).to_be_bytes());
            OpId(id)
        });
        ControlObject::Op { op: Box::new(SignedOp::sign(&b.me, parents, OpBody::Leave)) }
    };
    for n in 1..=(MAX_WAITING as u64 + 20) {
        let _ = a.log.absorb(&a.me, orphan(n, 1), NOW);
        let _ = a.log.absorb(&a.me, orphan(n, 1), NOW);
    }
    assert_eq!(a.log.waiting_len(), MAX_WAITING);
    a.save();
    let header = |n: u32| {
        let frontier =
            (0..1024_u32).map(|i| OpId(crate::crypto::hash(&[&n.to_be_bytes(), &i.to_be_bytes()])));
        let header = EpochHeader {
            uid: a.log.uid(),
            parents: List::default(),
            frontier: {
                let mut ids: Vec<_> = frontier.collect();
                ids.sort_unstable();
                List::new(ids).unwrap()
            },
            generation: 1,
            committer: b.me.device_id(),
            roster_hash: [0; 32],
            commitment: [0; 32],
            signature: [0; 64],
        };
        ControlObject::Epoch { header: Box::new(header) }
    };
    let large: Vec<_> = (0..80).map(header).collect();
    assert!(large.iter().map(|object| object.to_bytes().len()).sum::<usize>() > MAX_WAITING_BYTES);
    for object in large {
        let _ = a.log.absorb(&a.me, object, NOW);
    }
    a.save();
    assert!(a.log.waiting_len() < 80);
}

#[test]
fn boxes_for_others_do_not_wait() {
    let (mut a, _) = pair(34_000, TopicKind::Room);
    let label = [9; 8];
    let stray = super::epoch::EpochBox { label, ciphertext: [0; 1120], sealed: [0; 80] };
    let boxes = EpochBoxes { epoch: EpochId([1; 32]), boxes: List::new([stray].into()).unwrap() };
    let _ = a.log.absorb(&a.me, ControlObject::Boxes { boxes }, NOW);
    assert_eq!(a.log.waiting_len(), 0);
}

#[test]
fn a_member_who_keeps_a_leavers_routing_secret_alive_is_not_followed() {
    let mut founder = Peer::founder(35_000, TopicKind::Room);
    let mut peers: Vec<Peer> = (1..3).map(|n| Peer::newcomer(35_000 + n, &founder.log)).collect();
    let mut objects: Vec<_> = peers.iter().flat_map(|peer| founder.add(&peer.me)).collect();
    objects.extend(founder.commit(1));
    for peer in &mut peers {
        objects.iter().for_each(|object| drop(peer.absorb(object)));
    }
    let rs: Secret = founder.log.current_rs().cloned().unwrap();
    let leave = peers[1].leave();
    leave.iter().for_each(|object| drop((founder.absorb(object), peers[0].absorb(object))));
    // A member commits for the right roster, but with the routing secret the leaver knows.
    let parents = peers[0].log.ring.heads();
    let made =
        super::epoch::commit(&mut rng(2), &peers[0].me, peers[0].log.dag(), &parents, rs.clone()).unwrap();
    founder.absorb(&ControlObject::Epoch { header: Box::new(made.header) });
    founder.absorb(&ControlObject::Boxes { boxes: made.boxes[0].clone() });
    assert_eq!(founder.log.current_epoch(), None);
    assert_eq!(founder.log.needs_commit(NOW), Some(CommitReason::NoEpoch));
    founder.commit(3);
    assert_ne!(founder.log.current_rs().cloned().unwrap(), rs);
}

#[test]
fn trap_an_old_copy_of_the_records_is_a_second_device_with_the_same_keys() {
    // Nothing in the records can tell; that is why ratchets are in no backup and one tab owns them. What a
    // copy costs is bounded: the receiver opens one of two messages under one key and calls the other used.
    let (mut a, mut b) = pair(36_000, TopicKind::Room);
    let mut copy = a.disk.restore();
    let (first, second) = (a.log.seal_key(&a.me).unwrap(), copy.seal_key(&a.me).unwrap());
    assert_eq!(first.key.key, second.key.key);
    assert!(b.log.accept(b.log.open_key(&first.header()).unwrap()));
    assert_eq!(b.log.open_key(&second.header()).unwrap_err(), KeyError::Used);
}

#[test]
fn trap_a_key_of_another_packet_does_not_fit_by_trial() {
    let (mut a, b) = pair(37_000, TopicKind::Room);
    let (one, two) = (a.log.seal_key(&a.me).unwrap(), a.log.seal_key(&a.me).unwrap());
    // The header names place 0 but commits to the key of place 1: refused before any decryption.
    let crossed = crate::packet::Header { commitment: two.key.commitment, ..one.header() };
    assert_eq!(b.log.open_key(&crossed).unwrap_err(), KeyError::Forged);
    let unknown = crate::packet::Header { epoch: [1; 8], ..one.header() };
    assert_eq!(b.log.open_key(&unknown).unwrap_err(), KeyError::UnknownEpoch);
}
