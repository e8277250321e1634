//! Admins who act at the same time, against each other too: every order of arrival leads to the same end, and to which.

use super::dag::{Dag, Inserted, OpError};
use super::ops::{Name, OpBody, Role, SignedOp, TopicKind};
use super::tests::{NOW, device, rng, shuffle};
use crate::id::{EndpointId, OpId};
use crate::identity::DeviceSecrets;
use crate::wire::List;
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

/// A room: people by number, 0 being the owner, and what they know in common.
struct Room {
    people: Vec<DeviceSecrets>,
    dag: Dag,
}

impl Room {
    /// `admins` people made admins by the owner, then plain members up to `people`.
    fn new(seed: u64, admins: usize, people: usize) -> Self {
        let people: Vec<DeviceSecrets> = (0..people as u64).map(|n| device(seed * 100 + n)).collect();
        let owner = &people[0];
        let (cert, name, title) = (Box::new(owner.cert().clone()), Name::default(), Name::default());
        let body = OpBody::Create { kind: TopicKind::Room, title, nonce: [1; 32], created: NOW, cert, name };
        let dag = Dag::new(SignedOp::sign(owner, [], body)).unwrap();
        let mut room = Self { people, dag };
        for who in 1..room.people.len() {
            room.act(0, room.adding(who));
            if who <= admins {
                room.act(0, room.role(who, Role::Admin));
            }
        }
        room
    }

    fn id(&self, who: usize) -> EndpointId {
        self.people[who].endpoint_id()
    }

    fn adding(&self, who: usize) -> OpBody {
        let cert = Box::new(self.people[who].cert().clone());
        OpBody::Add { cert, name: Name::default(), invite_use: None }
    }

    fn removing(&self, who: usize) -> OpBody {
        OpBody::Remove { who: self.id(who), cut: List::default() }
    }

    fn role(&self, who: usize, role: Role) -> OpBody {
        OpBody::SetRole { who: self.id(who), role }
    }

    /// On top of everything.
    fn act(&mut self, by: usize, body: OpBody) -> SignedOp {
        let op = self.sign(by, &self.dag.heads().collect::<Vec<_>>(), body);
        self.dag.insert(op.clone()).unwrap();
        op
    }

    fn sign(&self, by: usize, after: &[OpId], body: OpBody) -> SignedOp {
        SignedOp::sign(&self.people[by], after.iter().copied(), body)
    }

    /// The people in the room with their roles, after these arrived on top of what all know.
    fn with(&self, ops: &[SignedOp]) -> Vec<(usize, Role)> {
        let mut dag = self.dag.clone();
        for op in ops {
            dag.insert(op.clone()).unwrap();
        }
        let place = |id: &EndpointId| (0..self.people.len()).find(|who| self.id(*who) == *id).unwrap();
        let mut found: Vec<(usize, Role)> =
            dag.roster().leaves().iter().map(|leaf| (place(&leaf.identity), leaf.role)).collect();
        found.sort_unstable();
        found
    }

    /// As [`Room::with`] in every order in which parents come first.
    fn agreed(&self, ops: &[SignedOp]) -> Vec<(usize, Role)> {
        let end = self.with(ops);
        for seed in 0..12 {
            let mut left = ops.to_vec();
            shuffle(&mut left, &mut rng(seed));
            let mut order: Vec<SignedOp> = Vec::new();
            let mut dag = self.dag.clone();
            while !left.is_empty() {
                left.retain(|op| match dag.insert(op.clone()) {
                    Ok(_) => {
                        order.push(op.clone());
                        false
                    }
                    Err(why) => {
                        assert_eq!(why, OpError::Unknown);
                        true
                    }
                });
            }
            assert_eq!(self.with(&order), end);
        }
        end
    }

    fn heads(&self) -> Vec<OpId> {
        self.dag.heads().collect()
    }
}

fn names(end: &[(usize, Role)]) -> Vec<usize> {
    end.iter().map(|(who, _)| *who).collect()
}

#[test]
fn what_an_admin_did_while_being_removed_is_void() {
    let room = Room::new(1, 2, 4);
    let (now, mut more) = (room.heads(), Room::new(1, 2, 6));
    more.dag = room.dag.clone();
    let removal = more.sign(1, &now, more.removing(2));
    let deeds = [
        more.sign(2, &now, more.adding(4)),
        more.sign(2, &now, more.removing(3)),
        more.sign(2, &now, more.role(3, Role::Admin)),
    ];
    for deed in &deeds {
        assert_eq!(names(&more.agreed(&[removal.clone(), deed.clone()])), [0, 1, 3], "{deed:?}");
        assert_eq!(more.agreed(&[removal.clone(), deed.clone()])[2], (3, Role::Member));
    }
    // What it had done before, as the remover knew, stands.
    let before = more.sign(2, &now, more.adding(4));
    let after = more.sign(1, &[before.id()], more.removing(2));
    assert_eq!(names(&more.agreed(&[before, after])), [0, 1, 3, 4]);
}

#[test]
fn who_was_let_in_or_promoted_by_a_void_deed_did_nothing_either() {
    let mut room = Room::new(2, 2, 6);
    room.dag = Room::new(2, 2, 4).dag;
    let now = room.heads();
    let removal = room.sign(0, &now, room.removing(2));
    let promoted = room.sign(2, &now, room.role(3, Role::Admin));
    let by_promoted = room.sign(3, &[promoted.id()], room.adding(4));
    let let_in = room.sign(2, &now, room.adding(5));
    let made = room.sign(2, &[let_in.id()], room.role(5, Role::Admin));
    let by_let_in = room.sign(5, &[made.id()], room.removing(1));
    assert_eq!(names(&room.agreed(&[promoted.clone(), by_promoted.clone()])), [0, 1, 2, 3, 4]);
    let all = [removal, promoted, by_promoted, let_in, made, by_let_in];
    assert_eq!(names(&room.agreed(&all)), [0, 1, 3]);
}

#[test]
fn of_two_admins_who_remove_each_other_the_one_nearer_to_the_owner_stays() {
    for seed in 10..16 {
        let mut room = Room::new(seed, 1, 4);
        room.act(1, room.role(2, Role::Admin));
        let now = room.heads();
        let ops = [room.sign(1, &now, room.removing(2)), room.sign(2, &now, room.removing(1))];
        assert_eq!(names(&room.agreed(&ops)), [0, 1, 3]);
        let demoting = [room.sign(1, &now, room.removing(2)), room.sign(2, &now, room.role(1, Role::Member))];
        assert_eq!(room.agreed(&demoting)[1], (1, Role::Admin));
    }
}

#[test]
fn of_two_equals_who_remove_each_other_one_stays_by_the_lower_hash() {
    let mut stayed = BTreeSet::new();
    for seed in 20..32 {
        let mut room = Room::new(seed, 2, 6);
        room.dag = Room::new(seed, 2, 4).dag;
        let now = room.heads();
        let ops = [(1, room.removing(2)), (2, room.removing(1)), (1, room.adding(4)), (2, room.adding(5))];
        let ops = ops.map(|(by, body)| room.sign(by, &now, body));
        let winner = if ops[0].id() < ops[1].id() { 1 } else { 2 };
        assert_eq!(names(&room.agreed(&ops)), [0, winner, 3, winner + 3], "and what the other did is void");
        stayed.insert(winner);
    }
    assert_eq!(stayed.len(), 2, "neither by its place");
}

#[test]
fn three_in_a_ring_do_not_all_go() {
    for seed in 40..52 {
        let room = Room::new(seed, 3, 5);
        let now = room.heads();
        let ring: Vec<SignedOp> =
            [(1, 2), (2, 3), (3, 1)].map(|(by, who)| room.sign(by, &now, room.removing(who))).into();
        // The lowest hash prevails; whom it removes did nothing, and so the third does.
        let first = (0..3).min_by_key(|at| ring[*at].id()).unwrap();
        let gone = [(first + 1) % 3 + 1, first + 1];
        let stayed: Vec<usize> = (0..5).filter(|who| !gone.contains(who)).collect();
        assert_eq!(names(&room.agreed(&ring)), stayed, "seed {seed}");
    }
}

#[test]
fn a_concurrent_removal_prevails_over_an_add_and_the_lesser_role_over_the_greater() {
    let room = Room::new(60, 2, 5);
    let now = room.heads();
    let mut without = Room::new(60, 2, 4);
    let out = without.act(0, without.removing(3));
    let back = without.sign(1, &[out.id()], without.adding(3));
    let again = without.sign(2, &[out.id()], without.adding(3));
    assert_eq!(names(&without.agreed(&[back.clone(), again])), [0, 1, 2, 3]);
    let removed = without.sign(0, &[back.id()], without.removing(3));
    let promoted = without.sign(1, &[back.id()], without.role(3, Role::Admin));
    assert_eq!(names(&without.agreed(&[back, removed, promoted])), [0, 1, 2]);
    let up = room.sign(0, &now, room.role(3, Role::Admin));
    let twice = room.sign(1, &now, room.role(3, Role::Admin));
    assert_eq!(room.agreed(&[up.clone(), twice.clone()])[3], (3, Role::Admin));
    let down = room.sign(2, &[up.id()], room.role(3, Role::Member));
    assert_eq!(room.agreed(&[up, twice, down])[3], (3, Role::Member));
}

#[test]
fn a_removed_admin_cannot_spend_old_invites_against_those_who_came_by_them() {
    let mut room = Room::new(70, 2, 5);
    room.dag = Room::new(70, 2, 4).dag;
    let invite = [7; 32];
    room.act(1, OpBody::InviteMint { invite, expires: NOW, kem_hash: [2; 32] });
    let before = room.heads();
    let used = room.act(1, OpBody::InviteUse { invite, request: [1; 32] });
    let OpBody::Add { cert, name, .. } = room.adding(4) else { panic!("an add") };
    room.act(1, OpBody::Add { cert, name, invite_use: Some(used.id()) });
    room.act(0, room.removing(2));
    // Dated back to before the use, with as low a hash as it takes.
    let rival = (0..64).map(|n| room.sign(2, &before, OpBody::InviteUse { invite, request: [n; 32] }));
    let rival = rival.min_by_key(SignedOp::id).unwrap();
    assert!(rival.id() < used.id());
    assert_eq!(names(&room.agreed(&[rival])), [0, 1, 3, 4]);
}

#[test]
fn an_invite_taken_back_lets_nobody_in_be_it_at_the_same_time() {
    let mut room = Room::new(80, 2, 4);
    room.dag = Room::new(80, 2, 3).dag;
    let invite = [7; 32];
    let revoke = OpBody::InviteRevoke { invite };
    let spend = OpBody::InviteUse { invite, request: [1; 32] };
    let refused = |room: &Room, by, body: &OpBody| {
        let op = room.sign(by, &room.heads(), body.clone());
        room.dag.clone().insert(op)
    };
    assert_eq!(refused(&room, 1, &revoke), Err(OpError::NotAllowed), "never given");
    room.act(1, OpBody::InviteMint { invite, expires: NOW, kem_hash: [2; 32] });
    let now = room.heads();
    let used = room.sign(1, &now, spend.clone());
    let OpBody::Add { cert, name, .. } = room.adding(3) else { panic!("an add") };
    let added = room.sign(1, &[used.id()], OpBody::Add { cert, name, invite_use: Some(used.id()) });
    let recalled = room.sign(2, &now, revoke.clone());
    assert_eq!(names(&room.agreed(&[used.clone(), added.clone()])), [0, 1, 2, 3]);
    assert_eq!(names(&room.agreed(&[used.clone(), added.clone(), recalled.clone()])), [0, 1, 2]);
    // Unless whoever took it back was being removed.
    let removal = room.sign(0, &now, room.removing(2));
    assert_eq!(names(&room.agreed(&[used.clone(), added.clone(), recalled.clone(), removal])), [0, 1, 3]);
    let mut after = Room::new(80, 2, 4);
    after.dag = room.dag.clone();
    after.dag.insert(recalled).unwrap();
    assert_eq!(refused(&after, 1, &spend), Err(OpError::NotAllowed));
    assert_eq!(refused(&after, 1, &revoke), Err(OpError::NotAllowed), "taken back before");
    room.dag.insert(used).unwrap();
    room.dag.insert(added).unwrap();
    assert_eq!(refused(&room, 2, &revoke), Err(OpError::NotAllowed), "who is in stays in");
}

#[test]
fn an_admin_who_left_or_stepped_back_does_nothing_dated_before_that() {
    let mut room = Room::new(90, 2, 6);
    room.dag = Room::new(90, 2, 4).dag;
    let before = room.heads();
    let deeds = [room.sign(1, &before, room.adding(4)), room.sign(1, &before, room.removing(3))];
    for end in [OpBody::Leave, room.role(1, Role::Member)] {
        let ended = room.sign(1, &before, end);
        let without = room.agreed(core::slice::from_ref(&ended));
        for deed in &deeds {
            assert_eq!(room.agreed(&[ended.clone(), deed.clone()]), without, "{deed:?}");
        }
    }
    // But whoever is put out does not undo what the others had seen, by leaving before it.
    let seen = room.sign(1, &before, room.adding(4));
    let out = room.sign(0, &[seen.id()], room.removing(1));
    let left = room.sign(1, &before, OpBody::Leave);
    assert_eq!(names(&room.agreed(&[seen.clone(), out])), [0, 2, 3, 4]);
    assert_eq!(names(&room.agreed(&[seen.clone(), left.clone()])), [0, 2, 3]);
    let out = room.sign(0, &[seen.id()], room.removing(1));
    assert_eq!(names(&room.agreed(&[seen.clone(), out, left.clone()])), [0, 2, 3, 4]);
    let less = room.sign(0, &[seen.id()], room.role(1, Role::Member));
    assert_eq!(names(&room.agreed(&[seen, less, left])), [0, 2, 3, 4], "it is gone all the same");
}

#[test]
fn a_flood_of_acts_and_ends_that_exclude_each_other_is_settled() {
    let mut room = Room::new(95, 2, 5);
    room.dag = Room::new(95, 2, 4).dag;
    let now = room.heads();
    let cut =
        |n: u64| List::first([super::ops::Cut { device: room.people[3].device_id(), heard: ranges(n) }]);
    let mut ops: Vec<SignedOp> = Vec::new();
    for n in 0..150u64 {
        let mut invite = [9; 32];
        invite[..8].copy_from_slice(&n.to_be_bytes());
        ops.push(room.sign(1, &now, OpBody::Remove { who: room.id(2), cut: cut(n) }));
        ops.push(room.sign(2, &now, OpBody::Remove { who: room.id(1), cut: cut(n) }));
        ops.push(room.sign(2, &now, OpBody::InviteMint { invite, expires: NOW, kem_hash: [2; 32] }));
    }
    let end = room.with(&ops);
    ops.reverse();
    assert_eq!(room.with(&ops), end);
    assert_eq!(end.len(), 3);
}

fn ranges(n: u64) -> List<crate::wire::Range, { crate::limits::HEARD_RANGES }> {
    List::first([crate::wire::Range { lo: 1, hi: n + 1 }])
}

#[test]
fn random_admins_converge() {
    let (mut voids, mut removed) = (0, 0);
    for seed in 100..160 {
        let mut room = Room::new(seed, 3, 8);
        room.dag = Room::new(seed, 3, 6).dag;
        let mut rng = rng(seed);
        let mut below = |n: usize| usize::try_from(rng.below(n as u64)).unwrap();
        // Four who see different parts of it act; what one signed is allowed by what it saw.
        let mut views: Vec<Dag> = (0..4).map(|_| room.dag.clone()).collect();
        let mut all: Vec<SignedOp> = Vec::new();
        for _ in 0..30 {
            let (by, who) = (below(4), 1 + below(7));
            if below(3) == 0 {
                for op in all.clone() {
                    if below(2) == 0 {
                        let _ = views[by].insert(op);
                    }
                }
            }
            let body = match below(6) {
                0 | 1 => room.removing(who),
                2 => room.adding(who),
                3 => room.role(who, Role::Admin),
                4 => room.role(who, Role::Member),
                _ => OpBody::Leave,
            };
            let by_whom = if below(4) == 0 { who } else { by };
            let op = SignedOp::sign(&room.people[by_whom], views[by].heads(), body);
            if by_whom != 0 || op.body != OpBody::Leave {
                let news = views[by].insert(op.clone()) == Ok(Inserted::New);
                // Two who know the same sign the same.
                if news && !all.contains(&op) {
                    all.push(op);
                }
            }
        }
        removed += all.iter().filter(|op| matches!(op.body, OpBody::Remove { .. })).count();
        let end = room.agreed(&all);
        assert_eq!(end[0], (0, Role::Owner), "seed {seed}");
        let mut dag = room.dag.clone();
        all.iter().for_each(|op| assert_eq!(dag.insert(op.clone()), Ok(Inserted::New)));
        let counted = dag.counted_now();
        voids += (0..dag.len()).filter(|at| !counted.has(*at)).count();
        // What a frontier says does not change with what else is known.
        for view in &views {
            let heads: Vec<OpId> = view.heads().take(16).collect();
            assert_eq!(dag.roster_at(&heads), view.roster_at(&heads), "seed {seed}");
        }
    }
    assert!(voids > 30 && removed > 100, "{voids} void, {removed} removals");
}
