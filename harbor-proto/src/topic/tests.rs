//! Whole topics: several devices, every order of arrival, restarts at every step.

use super::control::ControlObject;
use super::epoch::EpochBoxes;
use super::ops::OpBody;
use super::*;
use crate::crypto::rng::Rng;
use crate::identity::DeviceSecrets;
use crate::limits::{DAY_MS, HOUR_MS, ROTATE_AT_COUNTER};
use crate::time::UnixMillis;
use crate::wire::{List, Wire};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

pub(super) const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

pub(super) fn rng(seed: u64) -> Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Rng::new(bytes)
}

pub(super) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(super) fn device(seed: u64) -> DeviceSecrets {
    DeviceSecrets::generate(&mut rng(seed), NOW)
}

/// A device's records, as the endpoint would keep them.
#[derive(Clone, Default)]
pub(super) struct Disk(pub(super) BTreeMap<(Shelf, Vec<u8>), Vec<u8>>);

impl Disk {
    pub(super) fn write(&mut self, changes: Vec<RecordChange>) {
        for change in changes {
            match change {
                RecordChange::Put { shelf, key, value } => self.0.insert((shelf, key), value),
                RecordChange::Delete { shelf, key } => self.0.remove(&(shelf, key)),
            };
        }
    }

    pub(super) fn restore(&self) -> TopicLog {
        TopicLog::restore(self.0.iter().map(|((shelf, key), value)| (*shelf, &key[..], &value[..]))).unwrap()
    }

    fn holds(&self, secret: &[u8]) -> bool {
        self.0.values().any(|value| value.windows(secret.len()).any(|w| w == secret))
    }
}

/// One device with its log and its disk; every step is followed by a comparison of the two.
pub(super) struct Peer {
    pub(super) me: DeviceSecrets,
    pub(super) log: TopicLog,
    pub(super) disk: Disk,
}

impl Peer {
    pub(super) fn founder(seed: u64, kind: TopicKind) -> Self {
        let me = device(seed);
        let log = TopicLog::create(&mut rng(seed), &me, kind, name("Title"), name("Founder"), NOW);
        let mut peer = Self { me, log, disk: Disk::default() };
        peer.save();
        peer
    }

    /// A device that knows only the Create and the first epoch, as if everything else were still on its way.
    pub(super) fn newcomer(seed: u64, founder: &TopicLog) -> Self {
        let me = device(seed);
        let create = founder.dag().ops().next().unwrap().clone();
        let mut log = TopicLog::begin(me.device_id(), create).unwrap();
        let first = founder.ring.recent(NOW)[0].clone();
        let boxes = EpochBoxes { epoch: first.id(), boxes: List::default() };
        log.adopt(&me, Vec::new(), [first].into(), &boxes, NOW).unwrap();
        let mut peer = Self { me, log, disk: Disk::default() };
        peer.save();
        peer
    }

    pub(super) fn save(&mut self) {
        self.disk.write(self.log.take_records());
        assert!(self.disk.restore() == self.log, "what is on disk is what is alive");
    }

    pub(super) fn absorb(&mut self, object: &ControlObject) -> Vec<Change> {
        let changes = self.log.absorb(&self.me, object.clone(), NOW);
        self.save();
        changes
    }

    pub(super) fn add(&mut self, other: &DeviceSecrets) -> Vec<ControlObject> {
        let cert = Box::new(other.cert().clone());
        let body = OpBody::Add { cert, name: name("Member"), invite_use: None };
        let objects = self.log.author_all(&self.me, [body], NOW).unwrap().0;
        self.save();
        objects
    }

    pub(super) fn leave(&mut self) -> Vec<ControlObject> {
        let objects = self.log.leave(&self.me, NOW).unwrap().0;
        self.save();
        objects
    }

    pub(super) fn commit(&mut self, seed: u64) -> Vec<ControlObject> {
        let objects = self.log.commit_epoch(&mut rng(seed), &self.me, NOW).unwrap().0;
        self.save();
        objects
    }
}

pub(super) fn shuffle<T>(items: &mut [T], rng: &mut Rng) {
    for at in (1..items.len()).rev() {
        let other = usize::try_from(rng.below(at as u64 + 1)).unwrap();
        items.swap(at, other);
    }
}

/// A founder, members, and everything they published, with concurrent leaves and commits among it.
pub(super) fn lively(seed: u64) -> (Vec<Peer>, Vec<ControlObject>) {
    let mut founder = Peer::founder(seed, TopicKind::Room);
    let mut all = Vec::new();
    let mut peers: Vec<Peer> = (1..5).map(|n| Peer::newcomer(seed + n, &founder.log)).collect();
    for peer in &peers {
        all.extend(founder.add(&peer.me));
    }
    all.extend(founder.commit(seed + 10));
    for peer in &mut peers {
        all.iter().for_each(|object| drop(peer.absorb(object)));
    }
    let shared = all.clone();
    // Concurrently: one leaves, two commit, the founder adds a sixth and commits.
    all.extend(peers[0].leave());
    all.extend(peers[1].commit(seed + 11));
    all.extend(peers[2].commit(seed + 12));
    all.extend(founder.add(&device(seed + 20)));
    all.extend(founder.commit(seed + 13));
    assert!(all.len() > shared.len() + 5);
    peers.insert(0, founder);
    (peers, all)
}

#[test]
fn any_order_of_arrival_converges() {
    for seed in 0..12 {
        let (mut peers, mut all) = lively(1000 * (seed + 1));
        let mut order = rng(seed);
        for peer in &mut peers {
            shuffle(&mut all, &mut order);
            for object in all.iter().chain(&all.clone()) {
                peer.absorb(object);
            }
            assert_eq!(peer.log.waiting_len(), 0);
        }
        let first = &peers[0].log;
        assert_eq!(first.roster().len(), 5, "five joined after the founder, one left");
        for peer in &peers {
            assert_eq!(peer.log.roster().hash(), first.roster().hash());
            assert_eq!(peer.log.dag().heads().collect::<Vec<_>>(), first.dag().heads().collect::<Vec<_>>());
            assert_eq!(peer.log.current_epoch(), None, "nobody has an epoch for exactly this roster");
        }
        // A merge commit by any of them is what all of them then use, the one who left excepted.
        let merge = peers[2].commit(seed + 99);
        let expected = peers[2].log.current_epoch();
        assert!(expected.is_some());
        for (at, peer) in peers.iter_mut().enumerate() {
            shuffle(&mut all, &mut order);
            merge.iter().for_each(|object| drop(peer.absorb(object)));
            assert_eq!(peer.log.current_epoch(), if at == 1 { None } else { expected });
        }
    }
}

#[test]
fn a_newcomer_given_everything_backwards_ends_where_the_others_are() {
    let (peers, all) = lively(77_000);
    let mut late = Peer::newcomer(77_001 + 900, &peers[0].log);
    all.iter().rev().for_each(|object| drop(late.absorb(object)));
    let mut orderly = Peer::newcomer(77_001 + 901, &peers[0].log);
    all.iter().for_each(|object| drop(orderly.absorb(object)));
    assert_eq!(late.log.roster().hash(), orderly.log.roster().hash());
    assert_eq!(late.log.waiting_len(), 0);
}

pub(super) fn pair(seed: u64, kind: TopicKind) -> (Peer, Peer) {
    let mut a = Peer::founder(seed, kind);
    let mut b = Peer::newcomer(seed + 1, &a.log);
    let mut objects = a.add(&b.me);
    objects.extend(a.commit(seed + 2));
    objects.iter().for_each(|object| drop(b.absorb(object)));
    assert_eq!(a.log.current_epoch(), b.log.current_epoch());
    (a, b)
}

#[test]
fn what_one_seals_the_other_opens_once() {
    for kind in [TopicKind::Dm, TopicKind::Room] {
        let (mut a, mut b) = pair(5, kind);
        let sealed: Vec<SealKey> = (0..3).map(|_| a.log.seal_key(&a.me).unwrap()).collect();
        a.save();
        for at in [2, 0, 1] {
            let header = sealed[at].header();
            let open = b.log.open_key(&header).unwrap();
            assert_eq!(open.key.key, sealed[at].key.key);
            assert_eq!(open.author, a.me.device_id());
            assert_eq!(open.delete_token == sealed[at].delete_token, kind == TopicKind::Dm);
            let twice = open.clone();
            assert!(b.log.accept(open));
            assert!(!b.log.accept(twice));
            b.save();
            assert_eq!(b.log.open_key(&header).unwrap_err(), KeyError::Used);
        }
        assert_eq!(a.log.open_key(&sealed[0].header()).unwrap_err(), KeyError::Own);
    }
}

#[test]
fn trap_a_forged_header_consumes_no_key() {
    let (mut a, mut b) = pair(15, TopicKind::Room);
    let good = a.log.seal_key(&a.me).unwrap();
    let before = b.log.clone();
    for counter in [0, 1, 1999, 2000, u32::MAX] {
        let forged = crate::packet::Header { counter, commitment: [9; 16], ..good.header() };
        assert_eq!(b.log.open_key(&forged).unwrap_err(), KeyError::Forged);
    }
    let no_leaf = crate::packet::Header { leaf: 9, ..good.header() };
    assert_eq!(b.log.open_key(&no_leaf).unwrap_err(), KeyError::Forged);
    assert!(b.log == before);
    // Even the right commitment uses nothing up before the signature verified.
    let _unverified = b.log.open_key(&good.header()).unwrap();
    assert!(b.log == before && b.log.accept(b.log.open_key(&good.header()).unwrap()));
}

#[test]
fn keys_that_were_used_are_on_no_disk() {
    let (mut a, mut b) = pair(25, TopicKind::Room);
    let es = b.log.clone();
    let mk = a.log.seal_key(&a.me).unwrap();
    a.save();
    assert!(b.log.accept(b.log.open_key(&mk.header()).unwrap()));
    b.save();
    assert!(es.whole_secrets().iter().any(|es| !b.disk.holds(es)), "es went with the first use");
    for peer in [&a, &b] {
        assert!(peer.log.whole_secrets().iter().all(|es| peer.disk.holds(es)));
        assert!(!peer.disk.holds(&mk.key.key.0));
    }
}

#[test]
fn the_own_chain_asks_for_an_epoch_in_time_and_ends() {
    let (mut a, _) = pair(35, TopicKind::Room);
    let mut at = 0;
    while a.log.needs_commit(NOW).is_none() {
        at = a.log.seal_key(&a.me).unwrap().counter;
    }
    assert_eq!(a.log.needs_commit(NOW), Some(CommitReason::Counter));
    assert!((ROTATE_AT_COUNTER - 110..ROTATE_AT_COUNTER).contains(&at));
    a.save();
    a.commit(36);
    assert_eq!(a.log.needs_commit(NOW), None);
    assert_eq!(a.log.seal_key(&a.me).unwrap().counter, 0);
}

#[test]
fn epochs_age_by_use_and_routing_secrets_by_time() {
    let (mut a, _) = pair(45, TopicKind::Room);
    assert_eq!(a.log.needs_commit(NOW.plus(2 * DAY_MS)), None, "unused for two days");
    assert_eq!(a.log.needs_commit(NOW.plus(7 * DAY_MS)), Some(CommitReason::Age));
    let _ = a.log.seal_key(&a.me).unwrap();
    assert_eq!(a.log.needs_commit(NOW.plus(24 * HOUR_MS - 1)), None);
    assert_eq!(a.log.needs_commit(NOW.plus(24 * HOUR_MS)), Some(CommitReason::Age));
    let before = a.log.current_rs().cloned();
    a.log.commit_epoch(&mut rng(1), &a.me, NOW.plus(29 * DAY_MS)).unwrap();
    assert_eq!(a.log.current_rs().cloned(), before, "carried on below 30 days");
    a.log.commit_epoch(&mut rng(2), &a.me, NOW.plus(30 * DAY_MS)).unwrap();
    assert_ne!(a.log.current_rs().cloned(), before);
    assert_eq!(a.log.routes(NOW.plus(59 * DAY_MS)).count(), 2);
    assert_eq!(a.log.routes(NOW.plus(60 * DAY_MS)).count(), 1);
}

#[test]
fn leaving_brings_a_new_routing_secret_and_shuts_the_leaver_out() {
    let (mut a, mut b) = pair(55, TopicKind::Room);
    let before = a.log.current_rs().cloned().unwrap();
    let leave = b.leave();
    assert_eq!(b.log.needs_commit(NOW), None, "who left rotates nothing");
    assert_eq!(b.log.seal_key(&b.me).unwrap_err(), SealError::NotMember);
    let changes = a.absorb(&leave[0]);
    assert!(
        changes.iter().any(|change| matches!(change, Change::Left(leaf) if leaf.device == b.me.device_id()))
    );
    assert_eq!(a.log.needs_commit(NOW), Some(CommitReason::NoEpoch));
    assert_eq!(a.log.seal_key(&a.me).unwrap_err(), SealError::NoEpoch);
    let epoch = a.commit(56);
    assert_ne!(a.log.current_rs().cloned().unwrap(), before);
    assert_eq!(a.log.routes(NOW).count(), 2, "the old mailbox is still read");
    epoch.iter().for_each(|object| drop(b.absorb(object)));
    assert_eq!(b.log.current_epoch(), None);
    assert_eq!(b.log.routes(NOW).count(), 1);
    b.log.erase_keys();
    b.save();
    assert!(!b.disk.holds(&before.0), "nothing of the keys stays with who left");
}

#[test]
fn keys_go_thirty_days_after_their_epoch() {
    let (mut a, mut b) = pair(65, TopicKind::Room);
    let sealed = a.log.seal_key(&a.me).unwrap();
    let _ = b.log.seal_key(&b.me).unwrap();
    a.save();
    let epoch = a.commit(66);
    epoch.iter().for_each(|object| drop(b.absorb(object)));
    b.log.expire(NOW.plus(30 * DAY_MS - 1));
    assert!(b.log.open_key(&sealed.header()).is_ok());
    b.log.expire(NOW.plus(30 * DAY_MS));
    b.save();
    assert_eq!(b.log.open_key(&sealed.header()).unwrap_err(), KeyError::Dropped);
    assert!(b.log.seal_key(&b.me).is_ok(), "the epoch in use stays");
}

#[test]
fn an_epoch_for_a_thousand_devices_fits_its_packets() {
    let mut founder = Peer::founder(5000, TopicKind::Room);
    let members: Vec<DeviceSecrets> = (5001..6000).map(device).collect();
    let bodies = members.iter().map(|me| OpBody::Add {
        cert: Box::new(me.cert().clone()),
        name: name("A member with a name of a usual length"),
        invite_use: None,
    });
    let mut objects = founder.log.author_all(&founder.me, bodies, NOW).unwrap().0;
    let epoch = founder.log.commit_epoch(&mut rng(1), &founder.me, NOW).unwrap().0;
    assert_eq!(epoch.len(), 1 + 1000_usize.div_ceil(52));
    objects.extend(epoch.iter().cloned());
    let bytes: usize = epoch.iter().map(|object| object.to_bytes().len()).sum();
    assert!((1_200_000..1_220_000).contains(&bytes), "{bytes}");
    let packed = control::pack(&objects);
    assert!(packed.iter().all(|content| content.len() <= crate::packet::MAX_CONTENT));
    let read: Vec<ControlObject> = packed
        .iter()
        .flat_map(|content| control::ControlContent::from_bytes(content).unwrap().into_vec())
        .collect();
    assert_eq!(read, objects);
    let mut last = Peer { me: members[998].clone(), ..Peer::newcomer(5999, &founder.log) };
    for object in &read {
        last.log.absorb(&last.me, object.clone(), NOW);
    }
    last.save();
    assert_eq!(last.log.current_epoch(), founder.log.current_epoch());
    let sealed = founder.log.seal_key(&founder.me).unwrap();
    assert!(last.log.accept(last.log.open_key(&sealed.header()).unwrap()));
    last.save();
}
