//! What operations are allowed, one rule at a time.

use super::dag::*;
use super::ops::{Name, OpBody, Role, SignedOp, TopicKind};
use crate::crypto::rng::Rng;
use crate::id::OpId;
use crate::identity::DeviceSecrets;
use crate::time::UnixMillis;
use alloc::boxed::Box;
use alloc::vec::Vec;

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

fn device(seed: u8) -> DeviceSecrets {
    DeviceSecrets::generate(&mut Rng::new([seed; 32]), NOW)
}

fn create(me: &DeviceSecrets, kind: TopicKind) -> SignedOp {
    let (cert, name) = (Box::new(me.cert().clone()), Name::default());
    let title = Name::default();
    SignedOp::sign(me, [], OpBody::Create { kind, title, nonce: [1; 32], created: NOW, cert, name })
}

fn adding(who: &DeviceSecrets) -> OpBody {
    OpBody::Add { cert: Box::new(who.cert().clone()), name: Name::default(), invite_use: None }
}

/// A topic of `kind` by device 1, with devices 2.. to `members` in it.
fn topic(kind: TopicKind, members: u8) -> (DeviceSecrets, Dag) {
    let admin = device(1);
    let mut dag = Dag::new(create(&admin, kind)).unwrap();
    for member in 2..=members {
        push(&mut dag, &admin, adding(&device(member))).unwrap();
    }
    (admin, dag)
}

fn push(dag: &mut Dag, by: &DeviceSecrets, body: OpBody) -> Result<OpId, OpError> {
    let op = SignedOp::sign(by, dag.heads(), body);
    dag.insert(op.clone()).map(|_| op.id())
}

#[test]
fn only_admins_add_and_only_members_leave() {
    let (_, mut dag) = topic(TopicKind::Room, 2);
    let (member, stranger) = (device(2), device(9));
    assert_eq!(push(&mut dag, &member, adding(&stranger)), Err(OpError::NotAllowed));
    assert_eq!(push(&mut dag, &stranger, adding(&stranger)), Err(OpError::NotAllowed));
    assert_eq!(push(&mut dag, &stranger, OpBody::Leave), Err(OpError::NotAllowed));
    let mint = OpBody::InviteMint { invite: [1; 32], expires: NOW, kem_hash: [2; 32] };
    assert_eq!(push(&mut dag, &member, mint), Err(OpError::NotAllowed));
    push(&mut dag, &member, OpBody::Leave).unwrap();
    assert_eq!(push(&mut dag, &member, OpBody::Leave), Err(OpError::NotAllowed));
    assert!(dag.roster().get(&member.device_id()).is_none());
}

#[test]
fn who_left_can_be_added_again_but_not_at_the_same_time() {
    let (admin, mut dag) = topic(TopicKind::Room, 2);
    let member = device(2);
    let before: Vec<OpId> = dag.heads().collect();
    push(&mut dag, &member, OpBody::Leave).unwrap();
    // An Add that had not seen the Leave does not undo it.
    let blind = SignedOp::sign(&admin, before, adding(&device(2)));
    assert_eq!(dag.insert(blind), Err(OpError::NotAllowed), "a member there already");
    push(&mut dag, &admin, adding(&member)).unwrap();
    assert!(dag.roster().get(&member.device_id()).is_some());
    let (head, mut other) = (dag.heads().collect::<Vec<_>>(), dag.clone());
    push(&mut dag, &member, OpBody::Leave).unwrap();
    other.insert(dag.ops().last().unwrap().clone()).unwrap();
    push(&mut other, &admin, adding(&device(3))).unwrap();
    assert!(other.roster().get(&member.device_id()).is_none());
    assert!(other.roster_at(&head).unwrap().get(&member.device_id()).is_some(), "a roster has its time");
}

#[test]
fn an_admin_who_left_adds_nobody() {
    let (admin, mut dag) = topic(TopicKind::Room, 2);
    push(&mut dag, &admin, OpBody::Leave).unwrap();
    assert_eq!(push(&mut dag, &admin, adding(&device(3))), Err(OpError::NotAllowed));
    assert_eq!(dag.roster().len(), 1);
}

#[test]
fn a_dm_has_two() {
    let (admin, mut dag) = topic(TopicKind::Dm, 2);
    assert_eq!(push(&mut dag, &admin, adding(&device(3))), Err(OpError::NotAllowed));
    push(&mut dag, &device(2), OpBody::Leave).unwrap();
    push(&mut dag, &admin, adding(&device(3))).unwrap();
}

#[test]
fn an_invite_is_spent_once_and_adds_one() {
    let (admin, mut dag) = topic(TopicKind::Room, 1);
    let mint = |dag: &mut Dag| {
        push(dag, &admin, OpBody::InviteMint { invite: [1; 32], expires: NOW, kem_hash: [2; 32] })
    };
    let spend = OpBody::InviteUse { invite: [1; 32], request: [3; 32] };
    assert_eq!(push(&mut dag, &admin, spend.clone()), Err(OpError::NotAllowed), "not announced");
    mint(&mut dag).unwrap();
    assert_eq!(mint(&mut dag), Err(OpError::NotAllowed), "announced before");
    let used = push(&mut dag, &admin, spend.clone()).unwrap();
    assert_eq!(push(&mut dag, &admin, spend), Err(OpError::NotAllowed));
    let by = |who: u8, used: OpId| OpBody::Add {
        cert: Box::new(device(who).cert().clone()),
        name: Name::default(),
        invite_use: Some(used),
    };
    assert_eq!(push(&mut dag, &admin, by(2, OpId([7; 32]))), Err(OpError::NotAllowed));
    push(&mut dag, &admin, by(2, used)).unwrap();
    assert_eq!(push(&mut dag, &admin, by(3, used)), Err(OpError::NotAllowed));
    assert_eq!(dag.invite_used(&[1; 32]), Some([3; 32]));
}

#[test]
fn changed_operations_and_those_of_other_topics_are_refused() {
    let (admin, dag) = topic(TopicKind::Room, 2);
    let op = SignedOp::sign(&admin, dag.heads(), adding(&device(3)));
    let forged = SignedOp { signature: [0; 64], ..op.clone() };
    assert_eq!(dag.clone().insert(forged), Err(OpError::Signature));
    let other = SignedOp { author: device(2).device_id(), ..op.clone() };
    assert_eq!(dag.clone().insert(other), Err(OpError::NotAllowed));
    let mut elsewhere = Dag::new(create(&device(7), TopicKind::Room)).unwrap();
    assert_eq!(elsewhere.insert(op.clone()), Err(OpError::Unknown));
    assert_eq!(dag.clone().insert(create(&device(7), TopicKind::Room)), Err(OpError::Shape));
    assert_eq!(Dag::new(op).unwrap_err(), OpError::Shape);
    let stolen = SignedOp::sign(&device(7), [], create(&admin, TopicKind::Room).body);
    assert_eq!(Dag::new(stolen).unwrap_err(), OpError::Signature);
}

#[test]
fn an_admin_cannot_add_a_device_nobody_vouches_for() {
    let (admin, mut dag) = topic(TopicKind::Room, 1);
    let mut cert = device(2).cert().clone();
    cert.kem[0] ^= 1;
    let body = OpBody::Add { cert: Box::new(cert), name: Name::default(), invite_use: None };
    assert_eq!(push(&mut dag, &admin, body), Err(OpError::Signature));
}

#[test]
fn parents_come_in_one_order() {
    let (admin, mut dag) = topic(TopicKind::Room, 3);
    let base: Vec<OpId> = dag.heads().collect();
    for member in [2, 3] {
        let leave = SignedOp::sign(&device(member), base.clone(), OpBody::Leave);
        dag.insert(leave).unwrap();
    }
    let mut heads: Vec<OpId> = dag.heads().collect();
    assert_eq!(heads.len(), 2);
    heads.reverse();
    let mut op = SignedOp::sign(&admin, heads.clone(), OpBody::Leave);
    assert!(op.parents.is_sorted(), "signing sorts");
    op.parents = crate::wire::List::new(heads.clone()).unwrap();
    assert_eq!(dag.insert(op), Err(OpError::Shape));
    // Nor does one lie before another.
    heads.push(base[0]);
    let op = SignedOp::sign(&admin, heads, OpBody::Leave);
    assert_eq!(dag.insert(op), Err(OpError::Shape));
}

#[test]
fn only_admins_give_roles_and_nobody_touches_the_owner() {
    let (owner, mut dag) = topic(TopicKind::Room, 4);
    let role = |who: u8, role| OpBody::SetRole { who: device(who).endpoint_id(), role };
    let of = |dag: &Dag, who: u8| dag.roster().get(&device(who).device_id()).map(|leaf| leaf.role);
    assert_eq!(push(&mut dag, &device(2), role(2, Role::Admin)), Err(OpError::NotAllowed));
    assert_eq!(push(&mut dag, &owner, role(2, Role::Owner)), Err(OpError::NotAllowed));
    assert_eq!(push(&mut dag, &owner, role(2, Role::Member)), Err(OpError::NotAllowed), "nothing new");
    assert_eq!(push(&mut dag, &owner, role(9, Role::Admin)), Err(OpError::NotAllowed), "a stranger");
    push(&mut dag, &owner, role(2, Role::Admin)).unwrap();
    assert_eq!(
        (of(&dag, 1), of(&dag, 2), of(&dag, 3)),
        (Some(Role::Owner), Some(Role::Admin), Some(Role::Member))
    );
    for taken in [role(1, Role::Member), role(1, Role::Admin)] {
        assert_eq!(push(&mut dag, &device(2), taken), Err(OpError::NotAllowed));
    }
    let remove =
        |who: u8| OpBody::Remove { who: device(who).endpoint_id(), cut: crate::wire::List::default() };
    assert_eq!(push(&mut dag, &device(2), remove(1)), Err(OpError::NotAllowed));
    push(&mut dag, &device(2), adding(&device(5))).unwrap();
    push(&mut dag, &device(2), role(3, Role::Admin)).unwrap();
    push(&mut dag, &device(3), role(2, Role::Member)).unwrap();
    assert_eq!(push(&mut dag, &device(2), remove(5)), Err(OpError::NotAllowed));
    push(&mut dag, &device(3), role(3, Role::Member)).unwrap();
    assert_eq!(of(&dag, 3), Some(Role::Member), "an admin may step back");
    // Whoever comes back comes back as a plain member.
    push(&mut dag, &owner, role(4, Role::Admin)).unwrap();
    push(&mut dag, &owner, remove(4)).unwrap();
    push(&mut dag, &owner, adding(&device(4))).unwrap();
    assert_eq!(of(&dag, 4), Some(Role::Member));
    push(&mut dag, &owner, role(4, Role::Admin)).unwrap();
    assert_eq!(of(&dag, 4), Some(Role::Admin));
    let (admin, mut dm) = topic(TopicKind::Dm, 2);
    assert_eq!(push(&mut dm, &admin, role(2, Role::Admin)), Err(OpError::NotAllowed));
}
