//! Who was taken out stays out, whatever they kept and whatever order things arrive in.

use super::control::ControlObject;
use super::dag::OpError;
use super::ops::{Cut, OpBody, SignedOp};
use super::tests::{NOW, Peer, device, rng, shuffle};
use super::*;
use crate::id::EndpointId;
use crate::wire::{List, Range};
use alloc::boxed::Box;
use alloc::vec::Vec;

fn identity(peer: &Peer) -> EndpointId {
    peer.me.endpoint_id()
}

/// A room of a founder and `others`, all of whom know everything.
fn room(seed: u64, others: u64) -> Vec<Peer> {
    let mut founder = Peer::founder(seed, TopicKind::Room);
    let mut peers: Vec<Peer> = (1..=others).map(|n| Peer::newcomer(seed + n, &founder.log)).collect();
    let mut all: Vec<ControlObject> = peers.iter().flat_map(|peer| founder.add(&peer.me)).collect();
    all.extend(founder.commit(seed + 50));
    for peer in &mut peers {
        all.iter().for_each(|object| drop(peer.absorb(object)));
    }
    peers.insert(0, founder);
    peers
}

/// With everything up to `seq` heard.
fn remove(peers: &mut [Peer], by: usize, who: usize, seq: u64) -> Result<Vec<ControlObject>, RosterError> {
    let heard = List::first([Range { lo: 1, hi: seq }]);
    let (id, cut) = (identity(&peers[who]), Cut { device: peers[who].me.device_id(), heard });
    let admin = &mut peers[by];
    let (objects, _) = admin.log.remove(&mut rng(77), &admin.me, &id, [cut].into(), NOW)?;
    admin.save();
    Ok(objects)
}

#[test]
fn only_admins_remove_and_nobody_themselves() {
    let mut peers = room(100, 2);
    assert_eq!(remove(&mut peers, 1, 2, 0), Err(RosterError::NotAllowed));
    assert_eq!(remove(&mut peers, 0, 0, 0), Err(RosterError::NotAllowed));
    remove(&mut peers, 0, 2, 0).unwrap();
    assert_eq!(remove(&mut peers, 0, 2, 0), Err(RosterError::NotMember));
    // A member who signs one all the same is not believed.
    let forged = OpBody::Remove { who: identity(&peers[0]), cut: List::default() };
    let forged = SignedOp::sign(&peers[1].me, peers[1].log.dag().heads(), forged);
    let changes = peers[2].absorb(&ControlObject::Op { op: Box::new(forged) });
    assert_eq!(changes, [Change::Refused(Refused::Op(OpError::NotAllowed))]);
}

#[test]
fn in_a_dm_nobody_is_removed() {
    let mut founder = Peer::founder(110, TopicKind::Dm);
    let other = device(111);
    founder.add(&other);
    let removed = founder.log.remove(&mut rng(1), &founder.me, &other.endpoint_id(), Vec::new(), NOW);
    assert_eq!(removed.unwrap_err(), RosterError::NotAllowed);
}

#[test]
fn the_removed_are_told_and_open_nothing_from_then_on() {
    let mut peers = room(120, 2);
    let before = peers[0].log.current_rs().cloned().unwrap();
    let objects = remove(&mut peers, 0, 2, 0).unwrap();
    for object in &objects {
        peers[1].absorb(object);
    }
    let told: Vec<Change> = objects.iter().flat_map(|object| peers[2].absorb(object)).collect();
    assert!(told.iter().any(|c| matches!(c, Change::Removed(leaf) if leaf.identity == identity(&peers[2]))));
    let epoch = peers[0].log.current_epoch().unwrap();
    assert_eq!(peers[1].log.current_epoch(), Some(epoch));
    assert!(!peers[2].log.ring.opened(&epoch));
    assert_eq!(peers[2].log.current_epoch(), None);
    let after = peers[0].log.current_rs().cloned().unwrap();
    assert_ne!(after, before, "a removal changes the mailbox");
    assert!(peers[2].log.routes(NOW).all(|route| route.rs != after));
    let (admin, member) = peers.split_at_mut(1);
    let sealed = admin[0].log.seal_key(&admin[0].me).unwrap();
    assert!(member[0].log.open_key(&sealed.header()).is_ok());
    assert!(member[1].log.open_key(&sealed.header()).is_err());
}

#[test]
fn what_is_said_beyond_the_cut_does_not_count_however_it_is_dated() {
    let mut peers = room(130, 2);
    // With old keys in an old epoch, which the others still hold.
    let kept = peers[2].log.clone();
    let mut liar = kept;
    let sealed = liar.seal_key(&peers[2].me).unwrap();
    assert!(!peers[1].log.refuses(&peers[1].log.open_key(&sealed.header()).unwrap(), 9));
    for object in remove(&mut peers, 0, 2, 4).unwrap() {
        peers[1].absorb(&object);
    }
    let key = peers[1].log.open_key(&sealed.header()).unwrap();
    assert!(!peers[1].log.refuses(&key, 4), "on its way before the removal was known");
    assert!(peers[1].log.refuses(&key, 5));
}

#[test]
fn of_two_cuts_the_lower_counts_and_a_device_not_named_said_nothing() {
    let mut peers = room(140, 2);
    let sealed = peers[2].log.clone().seal_key(&peers[2].me).unwrap();
    // The founder on two copies of its disk, at once.
    let twin = peers[0].disk.clone();
    let high = remove(&mut peers, 0, 2, 8).unwrap();
    peers[0].log = twin.restore();
    peers[0].disk = twin;
    let low = remove(&mut peers, 0, 2, 3).unwrap();
    for object in high.iter().chain(&low) {
        peers[1].absorb(object);
    }
    let key = peers[1].log.open_key(&sealed.header()).unwrap();
    assert_eq!((peers[1].log.refuses(&key, 3), peers[1].log.refuses(&key, 4)), (false, true));

    let mut peers = room(150, 2);
    let sealed = peers[2].log.clone().seal_key(&peers[2].me).unwrap();
    let id = identity(&peers[2]);
    let unnamed = {
        let admin = &mut peers[0];
        admin.log.remove(&mut rng(1), &admin.me, &id, Vec::new(), NOW)
    };
    for object in unnamed.unwrap().0 {
        peers[1].absorb(&object);
    }
    let key = peers[1].log.open_key(&sealed.header()).unwrap();
    assert!(peers[1].log.refuses(&key, 1));
}

#[test]
fn who_is_added_again_is_heard_again_and_the_time_between_stays_cut_off() {
    let mut peers = room(160, 2);
    let old = peers[2].log.clone().seal_key(&peers[2].me).unwrap();
    let mut all = remove(&mut peers, 0, 2, 4).unwrap();
    let back = peers[2].me.cert().clone();
    let body = OpBody::Add { cert: Box::new(back), name: Name::default(), invite_use: None };
    let admin = &mut peers[0];
    all.extend(admin.log.author_all(&admin.me, [body], NOW).unwrap().0);
    all.extend(admin.commit(161));
    for peer in &mut peers[1..] {
        all.iter().for_each(|object| drop(peer.absorb(object)));
    }
    let (head, tail) = peers.split_at_mut(2);
    let new = tail[0].log.seal_key(&tail[0].me).unwrap();
    let member = &head[1].log;
    assert!(!member.refuses(&member.open_key(&new.header()).unwrap(), 9));
    assert!(member.refuses(&member.open_key(&old.header()).unwrap(), 5));
}

#[test]
fn who_was_let_in_by_a_void_act_is_not_heard_whatever_epoch_it_was_given() {
    let mut peers = room(170, 2);
    let (id, mut stranger) = (identity(&peers[2]), Peer::newcomer(179, &peers[0].log));
    let admin = &mut peers[0];
    let mut known = admin.log.set_role(&mut rng(1), &admin.me, &id, Role::Admin, NOW).unwrap().0;
    admin.save();
    for peer in &mut peers[1..] {
        known.iter().for_each(|object| drop(peer.absorb(object)));
    }
    let heads: Vec<_> = peers[2].log.dag().heads().collect();
    known = remove(&mut peers, 0, 2, 4).unwrap();
    known.iter().for_each(|object| drop(peers[1].absorb(object)));
    // Out, it lets somebody in as of before, and gives all an epoch of old members and the stranger.
    let liar = &mut peers[2];
    let (cert, name) = (Box::new(stranger.me.cert().clone()), Name::default());
    let op = SignedOp::sign(&liar.me, heads, OpBody::Add { cert, name, invite_use: None });
    liar.absorb(&ControlObject::Op { op: Box::new(op.clone()) });
    let mut given = liar.commit(171);
    given.insert(0, ControlObject::Op { op: Box::new(op) });
    given.iter().for_each(|object| drop(peers[1].absorb(object)));
    let epoch = peers[2].log.current_epoch().unwrap();
    let member = &peers[1].log;
    assert!(member.ring.opened(&epoch), "it was a member as of then");
    assert!(member.roster().get(&stranger.me.device_id()).is_none());
    let ops = peers[2].log.dag().ops().map(|op| ControlObject::Op { op: Box::new(op.clone()) });
    let headers = peers[2].log.ring.recent(NOW).into_iter();
    let headers = headers.map(|header| ControlObject::Epoch { header: Box::new(header.clone()) });
    ops.chain(headers).chain(given).for_each(|object| drop(stranger.absorb(&object)));
    let sealed = stranger.log.seal_key(&stranger.me).unwrap();
    assert_eq!(sealed.epoch, epoch);
    assert!(member.refuses(&member.open_key(&sealed.header()).unwrap(), 1));
}

#[test]
fn removals_converge_in_any_order() {
    for seed in 0..20 {
        let mut peers = room(1000 + 100 * seed, 4);
        let mut all = remove(&mut peers, 0, 3, 2).unwrap();
        // At the same time one leaves, and two who know of none of it make epochs, the removed one included.
        all.extend(peers[2].leave());
        all.extend(peers[1].commit(seed + 1));
        all.extend(peers[3].commit(seed + 2));
        let mut ends = Vec::new();
        for peer in &mut peers {
            shuffle(&mut all, &mut rng(seed));
            for object in all.iter().chain(all.iter().take(3)) {
                peer.absorb(object);
            }
            ends.push((peer.log.roster().clone(), peer.log.dag().heads().collect::<Vec<_>>()));
        }
        assert!(ends.windows(2).all(|two| two[0] == two[1]), "seed {seed}");
        assert_eq!(ends[0].0.len(), 3, "the founder and the two who stayed");
    }
}
