//! From a link to a member, and every way it must not go.

use super::admission::{AdmitError, Admitted, InviteError, Minted};
use super::control::ControlObject;
use super::invite::{Denial, InviteLink, InviteRecord, RendezvousObject, SealedRequest};
use super::tests::{NOW, Peer, device, name, rng};
use super::welcome::{JoinError, Joined, Joining, Pieces, SeqHead, WelcomePart};
use super::*;
use crate::id::MessageId;
use crate::identity::DeviceSecrets;
use crate::limits::{DAY_MS, HOUR_MS};
use crate::time::UnixMillis;
use crate::wire::{List, Wire};
use alloc::vec::Vec;

fn mint(admin: &mut Peer) -> (Minted, InviteRecord) {
    let mut rng = rng(900 + admin.log.dag().len() as u64);
    let minted = admin.log.mint_invite(&mut rng, &admin.me, NOW.plus(7 * DAY_MS), NOW).unwrap();
    admin.save();
    let RendezvousObject::Record { record } = minted.record.clone() else { panic!("a record") };
    (minted, *record)
}

fn ask(seed: u64, me: &DeviceSecrets, minted: &Minted, record: &InviteRecord) -> Joining {
    let link = InviteLink::parse(&minted.invite.link.to_text()).unwrap();
    let joining = Joining::new(&mut rng(seed), me, link, record.clone(), name("Guest")).unwrap();
    assert_eq!(Joining::from_bytes(&joining.to_bytes()).unwrap(), joining);
    joining
}

fn admit(admin: &mut Peer, minted: &Minted, request: &SealedRequest) -> Result<Admitted, AdmitError> {
    let heads =
        [SeqHead { device: admin.me.device_id(), seq: 4, id: MessageId([4; 32]), heard: List::default() }]
            .into();
    let result = admin.log.admit(&mut rng(901), &admin.me, &minted.invite, request, heads, NOW);
    admin.save();
    result
}

fn parts(admitted: &Admitted) -> Vec<WelcomePart> {
    let objects = admitted.welcome.iter();
    let parts = objects.map(|object| match RendezvousObject::from_bytes(&object.to_bytes()).unwrap() {
        RendezvousObject::Welcome { part } => part,
        other => panic!("{other:?}"),
    });
    parts.collect()
}

fn collect(joining: &Joining, parts: &[WelcomePart]) -> Option<Vec<u8>> {
    let mut pieces = Pieces::default();
    parts.iter().rev().find_map(|part| joining.collect(&mut pieces, part.clone()))
}

fn join(joining: &Joining, me: &DeviceSecrets, admitted: &Admitted) -> Result<Joined, JoinError> {
    joining.join(me, &collect(joining, &parts(admitted)).unwrap(), NOW)
}

/// An admin, and a guest let in by a link.
fn joined(seed: u64, kind: TopicKind) -> (Peer, Peer, Minted) {
    let mut admin = Peer::founder(seed, kind);
    let me = device(seed + 1);
    let (minted, record) = mint(&mut admin);
    let joining = ask(seed, &me, &minted, &record);
    let admitted = admit(&mut admin, &minted, &joining.request).unwrap();
    let joined = join(&joining, &me, &admitted).unwrap();
    assert_eq!((joined.heads[0].seq, joined.made), (4, NOW));
    let mut guest = Peer { me, log: joined.log, disk: Default::default() };
    guest.save();
    (admin, guest, minted)
}

#[test]
fn a_link_makes_a_member() {
    for kind in [TopicKind::Dm, TopicKind::Room] {
        let (mut admin, guest, _) = joined(100, kind);
        assert_eq!(admin.log.roster(), guest.log.roster());
        assert_eq!(admin.log.current_epoch(), guest.log.current_epoch());
        assert_eq!(guest.log.my_leaf().unwrap().name, name("Guest"));
        assert!(
            guest.log.my_leaf().unwrap().role == Role::Member
                && admin.log.my_leaf().unwrap().role == Role::Owner
        );
        let sealed = admin.log.seal_key(&admin.me).unwrap();
        assert_eq!(guest.log.open_key(&sealed.header()).unwrap().key.key, sealed.key.key);
    }
}

#[test]
fn a_member_follows_what_comes_after_the_welcome() {
    let (mut admin, mut guest, _) = joined(110, TopicKind::Room);
    let (minted, record) = mint(&mut admin);
    let third = device(112);
    let joining = ask(113, &third, &minted, &record);
    let admitted = admit(&mut admin, &minted, &joining.request).unwrap();
    minted.control.iter().chain(&admitted.control).rev().for_each(|object| drop(guest.absorb(object)));
    let third = join(&joining, &third, &admitted).unwrap().log;
    assert_eq!(guest.log.current_epoch(), admin.log.current_epoch());
    assert_eq!(third.current_epoch(), admin.log.current_epoch());
    let objects = guest.commit(114);
    let mut third = Peer { me: device(112), log: third, disk: Default::default() };
    third.save();
    objects.iter().for_each(|object| drop((admin.absorb(object), third.absorb(object))));
    assert_eq!(third.log.current_epoch(), guest.log.current_epoch());
    assert_eq!(admin.log.current_epoch(), guest.log.current_epoch());
}

#[test]
fn a_one_time_invite_lets_in_one() {
    let (mut admin, _, minted) = joined(120, TopicKind::Room);
    let RendezvousObject::Record { record } = &minted.record else { panic!("a record") };
    let late = ask(123, &device(122), &minted, record);
    let roster = admin.log.roster().clone();
    assert_eq!(admit(&mut admin, &minted, &late.request).unwrap_err(), AdmitError::Denied(Denial::Used));
    assert_eq!(*admin.log.roster(), roster);
    let RendezvousObject::Denied { denied } = TopicLog::deny(&admin.me, &late.request, Denial::Used) else {
        panic!("a no")
    };
    assert!(denied.verify(record) && denied.request == late.request.hash());
    let mut forged = denied.clone();
    forged.why = Denial::Full;
    assert!(!forged.verify(record));
}

#[test]
fn the_same_request_twice_is_answered_once() {
    let mut admin = Peer::founder(130, TopicKind::Room);
    let (minted, record) = mint(&mut admin);
    let joining = ask(131, &device(132), &minted, &record);
    admit(&mut admin, &minted, &joining.request).unwrap();
    assert_eq!(admit(&mut admin, &minted, &joining.request).unwrap_err(), AdmitError::Again);
}

#[test]
fn an_invite_that_is_over_or_has_no_room_is_denied() {
    let mut admin = Peer::founder(140, TopicKind::Dm);
    let (first, record) = mint(&mut admin);
    let second = admin.log.mint_invite(&mut rng(5), &admin.me, NOW.plus(DAY_MS), NOW).unwrap();
    let RendezvousObject::Record { record: other } = second.record.clone() else { panic!("a record") };
    let late = ask(141, &device(142), &first, &record);
    let result = admin.log.admit(
        &mut rng(6),
        &admin.me,
        &first.invite,
        &late.request,
        Vec::new(),
        NOW.plus(8 * DAY_MS),
    );
    assert_eq!(result.unwrap_err(), AdmitError::Denied(Denial::Expired));
    admit(&mut admin, &first, &late.request).unwrap();
    let third = ask(143, &device(144), &second, &other);
    assert_eq!(admit(&mut admin, &second, &third.request).unwrap_err(), AdmitError::Denied(Denial::Full));
    let minted = admin.log.mint_invite(&mut rng(7), &admin.me, NOW, NOW);
    assert_eq!(minted.unwrap_err(), InviteError::Full);
}

#[test]
fn only_admins_invite_and_admit() {
    let (mut admin, mut guest, _) = joined(150, TopicKind::Room);
    let minted = guest.log.mint_invite(&mut rng(1), &guest.me, NOW.plus(DAY_MS), NOW);
    assert_eq!(minted.unwrap_err(), InviteError::NotAdmin);
    let (minted, record) = mint(&mut admin);
    minted.control.iter().for_each(|object| drop(guest.absorb(object)));
    let joining = ask(151, &device(152), &minted, &record);
    assert_eq!(admit(&mut guest, &minted, &joining.request).unwrap_err(), AdmitError::NotAdmin);
}

#[test]
fn links_that_were_cut_off_or_changed_are_recognised() {
    let link = InviteLink {
        secret: crate::crypto::Secret([7; 32]),
        inviter: device(1).endpoint_id(),
        expires_hour: 9,
    };
    let text = link.to_text();
    assert!(text.len() <= 100, "{} characters", text.len());
    assert_eq!(InviteLink::parse(&text), Some(link.clone()));
    for end in 0..text.len() {
        assert_eq!(InviteLink::parse(&text[..end]), None);
    }
    for at in 0..text.len() {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(InviteLink::parse(core::str::from_utf8(&changed).unwrap()), None, "{at}");
    }
    for junk in ["", "#", "é", &"A".repeat(10_000), &(text.clone() + "A"), &(text + "AAAA")] {
        assert_eq!(InviteLink::parse(junk), None);
    }
    assert!(!link.expired(UnixMillis(9 * HOUR_MS - 1)) && link.expired(UnixMillis(9 * HOUR_MS)));
}

#[test]
fn a_record_of_another_inviter_or_changed_anywhere_is_refused() {
    let mut admin = Peer::founder(160, TopicKind::Room);
    let (minted, record) = mint(&mut admin);
    let link = &minted.invite.link;
    assert!(record.verify(link));
    let bytes = record.to_bytes();
    for at in (0..bytes.len()).step_by(29).chain(bytes.len() - 64..bytes.len()) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let holds = InviteRecord::from_bytes(&changed).is_ok_and(|record| record.verify(link));
        assert!(!holds, "byte {at}");
    }
    // Somebody else with the link puts up a record of its own.
    let mut mallory = Peer::founder(161, TopicKind::Room);
    let (_, other) = mint(&mut mallory);
    assert!(!other.verify(link));
    let other = InviteRecord { invite: link.id(), expires_hour: link.expires_hour, ..other };
    assert!(!other.clone().signed(&mallory.me).verify(link));
    assert!(Joining::new(&mut rng(1), &device(2), link.clone(), other, name("x")).is_none());
}

#[test]
fn a_request_changed_anywhere_or_made_without_the_link_is_forged() {
    let mut admin = Peer::founder(170, TopicKind::Room);
    let (minted, record) = mint(&mut admin);
    let joining = ask(171, &device(172), &minted, &record);
    let bytes = joining.request.to_bytes();
    for at in (0..bytes.len()).step_by(97) {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let opened = SealedRequest::from_bytes(&changed).ok().and_then(|r| r.open(&minted.invite));
        assert!(opened.is_none(), "byte {at}");
    }
    let guess = InviteLink { secret: crate::crypto::Secret([0; 32]), ..minted.invite.link.clone() };
    let request = SealedRequest::new(&mut rng(1), &device(172), &guess, &record, name("x")).unwrap();
    assert_eq!(admit(&mut admin, &minted, &request).unwrap_err(), AdmitError::Forged);
}

#[test]
fn a_welcome_for_another_request_is_refused() {
    let mut admin = Peer::founder(180, TopicKind::Room);
    let me = device(182);
    let (minted, record) = mint(&mut admin);
    let (first, second) = (ask(181, &me, &minted, &record), ask(183, &me, &minted, &record));
    assert_ne!(first.request.hash(), second.request.hash());
    let admitted = admit(&mut admin, &minted, &first.request).unwrap();
    assert_eq!(collect(&second, &parts(&admitted)), None);
    // Even with the pieces relabelled by the inviter itself, it opens for its own request alone.
    let sealed = collect(&first, &parts(&admitted)).unwrap();
    assert_eq!(second.join(&me, &sealed, NOW).unwrap_err(), JoinError::Sealed);
    assert_eq!(first.join(&device(184), &sealed, NOW).unwrap_err(), JoinError::Sealed);
    assert!(first.join(&me, &sealed, NOW).is_ok());
}

#[test]
fn pieces_changed_or_forged_change_nothing() {
    let mut admin = Peer::founder(190, TopicKind::Room);
    let me = device(192);
    let (minted, record) = mint(&mut admin);
    let joining = ask(191, &me, &minted, &record);
    let admitted = admit(&mut admin, &minted, &joining.request).unwrap();
    let part = parts(&admitted).remove(0);
    for at in 0..part.bytes.len().min(200) {
        let mut bytes = part.bytes.to_vec();
        bytes[at] ^= 1;
        let changed = WelcomePart { bytes: crate::wire::Bytes::new(bytes).unwrap(), ..part.clone() };
        assert_eq!(joining.collect(&mut Pieces::default(), changed), None);
    }
    let other = WelcomePart { index: 1, count: 2, ..part.clone() };
    assert_eq!(joining.collect(&mut Pieces::default(), other), None);
    assert!(joining.collect(&mut Pieces::default(), part).is_some());
}

#[test]
fn a_request_in_anothers_name_is_forged() {
    let mut admin = Peer::founder(200, TopicKind::Room);
    let (minted, record) = mint(&mut admin);
    let (mallory, victim) = (device(201), device(202));
    // Mallory has the link and the victim's certificate, but not its device key.
    let request = super::invite::forge_request(&mallory, victim.cert(), &minted.invite.link, &record);
    assert_eq!(admit(&mut admin, &minted, &request).unwrap_err(), AdmitError::Forged);
}

#[test]
fn of_concurrent_uses_of_an_invite_the_lowest_hash_wins_everywhere() {
    // One admin's device restored from a copy: both copies admit somebody by the same invite.
    let mut one = Peer::founder(210, TopicKind::Room);
    let (minted, record) = mint(&mut one);
    let mut two = Peer { me: one.me.clone(), log: one.log.clone(), disk: Default::default() };
    two.log = one.disk.restore();
    let (a, b) = (ask(1, &device(211), &minted, &record), ask(2, &device(212), &minted, &record));
    let first = admit_unsaved(&mut one, &minted, &a.request);
    let second = admit_unsaved(&mut two, &minted, &b.request);
    second.iter().for_each(|object| drop(one.log.absorb(&one.me, object.clone(), NOW)));
    first.iter().for_each(|object| drop(two.log.absorb(&two.me, object.clone(), NOW)));
    assert_eq!(one.log.roster(), two.log.roster());
    assert_eq!(one.log.roster().len(), 2, "one of the two came in");
    assert_eq!(one.log.needs_commit(NOW), Some(CommitReason::NoEpoch));
    let before: Vec<_> = one.log.routes(NOW).map(|route| route.rs.clone()).collect();
    one.log.commit_epoch(&mut rng(3), &one.me, NOW).unwrap();
    assert!(!before.contains(one.log.current_rs().unwrap()), "who lost knew the routing secret");
}

fn admit_unsaved(admin: &mut Peer, minted: &Minted, request: &SealedRequest) -> Vec<ControlObject> {
    admin.log.admit(&mut rng(902), &admin.me, &minted.invite, request, Vec::new(), NOW).unwrap().control
}
