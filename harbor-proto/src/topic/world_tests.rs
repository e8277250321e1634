//! Random small worlds: members and two copies of the admin act on what they happen to know, objects arrive in
//! any order and more than once. In the end everybody agrees, and a single commit brings all back together.

use super::control::ControlObject;
use super::invite::Invite;
use super::ops::OpBody;
use super::tests::{NOW, Peer, device, name, rng};
use super::welcome::Joining;
use super::*;
use crate::crypto::rng::Rng;
use crate::limits::DAY_MS;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Places 0 and 1 are copies of the admin's device, as after a restored backup; the others are guests.
struct World {
    rng: Rng,
    peers: Vec<Peer>,
    published: Vec<ControlObject>,
    invites: Vec<(Invite, super::invite::InviteRecord)>,
    fresh: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let founder = Peer::founder(seed * 1000, TopicKind::Room);
        let copy = Peer { me: founder.me.clone(), log: founder.disk.restore(), disk: founder.disk.clone() };
        let guests = (1..5).map(|n| Peer::newcomer(seed * 1000 + n, &founder.log)).collect::<Vec<_>>();
        let peers = [founder, copy].into_iter().chain(guests).collect();
        Self { rng: rng(seed), peers, published: Vec::new(), invites: Vec::new(), fresh: seed * 1000 + 500 }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap()
    }

    fn deliver(&mut self, at: usize) {
        for _ in 0..self.below(24) {
            if self.published.is_empty() {
                return;
            }
            let which = self.below(self.published.len());
            let object = self.published[which].clone();
            self.peers[at].absorb(&object);
        }
    }

    fn step(&mut self) {
        let at = self.below(self.peers.len());
        match self.below(10) {
            0..5 => self.deliver(at),
            5 => self.add(at),
            6 => self.invite(at),
            7 if at > 1 => {
                let peer = &mut self.peers[at];
                if let Ok((objects, _)) = peer.log.leave(&peer.me, NOW) {
                    self.published.extend(objects);
                }
            }
            _ => self.commit(at),
        }
        self.peers[at].save();
    }

    fn commit(&mut self, at: usize) {
        self.fresh += 1;
        let peer = &mut self.peers[at];
        if peer.log.needs_commit(NOW).is_some() {
            let (objects, _) = peer.log.commit_epoch(&mut rng(self.fresh), &peer.me, NOW).unwrap();
            self.published.extend(objects);
        }
    }

    /// One of the admin's copies adds a guest, or back one who left.
    fn add(&mut self, at: usize) {
        let guest = 2 + self.below(self.peers.len() - 2);
        let cert = Box::new(self.peers[guest].me.cert().clone());
        let body = OpBody::Add { cert, name: name("Guest"), invite_use: None };
        let peer = &mut self.peers[at];
        if let Ok((objects, _)) = peer.log.author_all(&peer.me, [body], NOW) {
            assert!(at < 2, "only the admin adds");
            self.published.extend(objects);
        }
    }

    /// The admin gives an invite, or answers a request for one that the other copy may have answered too.
    fn invite(&mut self, at: usize) {
        self.fresh += 1;
        let mut rng = rng(self.fresh);
        let peer = &mut self.peers[at % 2];
        if self.invites.is_empty() {
            let minted = peer.log.mint_invite(&mut rng, &peer.me, NOW.plus(DAY_MS), NOW).unwrap();
            let super::invite::RendezvousObject::Record { record } = minted.record else {
                panic!("a record")
            };
            self.invites.push((minted.invite, *record));
            self.published.extend(minted.control);
            peer.save();
            return;
        }
        let (invite, record) = &self.invites[0];
        let guest = device(self.fresh);
        let joining =
            Joining::new(&mut rng, &guest, invite.link.clone(), record.clone(), name("Invited")).unwrap();
        let answer = peer.log.admit(&mut rng, &peer.me, invite, &joining.request, Vec::new(), NOW);
        if let Ok(admitted) = answer {
            self.published.extend(admitted.control);
        }
        peer.save();
    }

    fn deliver_everything(&mut self) {
        for at in 0..self.peers.len() {
            let mut order: Vec<usize> = (0..self.published.len()).collect();
            for place in (1..order.len()).rev() {
                let other = self.below(place + 1);
                order.swap(place, other);
            }
            for which in order {
                let object = self.published[which].clone();
                self.peers[at].absorb(&object);
            }
            assert_eq!(self.peers[at].log.waiting_len(), 0, "everything found its place");
        }
    }
}

#[test]
fn random_worlds_converge() {
    let (mut left, mut invited, mut forks) = (0, 0, 0);
    for seed in 1..=14 {
        let mut world = World::new(seed);
        for _ in 0..70 {
            world.step();
        }
        world.deliver_everything();
        let first = world.peers[0].log.clone();
        for peer in &world.peers {
            assert_eq!(peer.log.roster(), first.roster(), "seed {seed}");
            assert!(peer.log.dag().heads().eq(first.dag().heads()), "seed {seed}");
        }
        forks += usize::from(first.dag().heads().count() > 1 || first.ring.heads().len() > 1);
        left += first.dag().ops().filter(|op| op.body == OpBody::Leave).count();
        let invited_here = first.roster().leaves().iter().filter(|leaf| leaf.name == name("Invited")).count();
        assert!(invited_here <= 1, "a one-time invite lets in one");
        invited += invited_here;
        world.commit(0);
        world.commit(1);
        world.deliver_everything();
        let chosen = world.peers[0].log.current_epoch();
        assert!(chosen.is_some());
        for peer in world.peers.iter().filter(|peer| peer.log.my_leaf().is_some()) {
            assert_eq!(peer.log.current_epoch(), chosen, "seed {seed}");
            assert_eq!(peer.log.needs_commit(NOW), None);
        }
    }
    assert!(left > 5 && invited > 5 && forks > 3, "{left} left, {invited} invited, {forks} forks");
}
