//! Several conversations of the same people, and people who come and go.

use crate::group::{Group, self_view, shown};
use crate::scenario_talk::{ROUGH, pause, trouble};
use crate::world::{HOUR, MINUTE, SECOND};
use harbor_proto::endpoint::{TopicKind, TopicState};

/// A room of three and two conversations of two, over the same links and connections.
fn several(seed: u64) -> String {
    let mut group = Group::new(seed, 1 + seed % 2, 3, seed % 3 < 2);
    group.another(TopicKind::Dm, 0, &[1]);
    group.another(TopicKind::Room, 2, &[1]);
    group.world.faults = ROUGH;
    for _ in 0..group.world.between(6, 14) {
        for _ in 0..group.world.between(0, 5) {
            group.turn();
            let device = group.somebody();
            group.say(device);
        }
        trouble(&mut group);
        let ms = pause(&mut group);
        group.world.run_for(ms);
    }
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

#[test]
fn several_conversations_do_not_mix() {
    crate::seeds(10, several);
}

/// Everybody is let in while everything fails.
fn rough_joins(seed: u64) -> String {
    let mut group = Group::alone(seed, 3);
    group.world.faults = ROUGH;
    group.join_whatever_happens(1);
    group.join_whatever_happens(2);
    for device in 0..3 {
        group.say(device);
        group.world.run_for(3 * SECOND);
    }
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

#[test]
fn everybody_gets_in_whatever_breaks() {
    crate::seeds(10, rough_joins);
}

/// The third is let in by a new invite, and all three talk.
fn back_again(mut group: Group) -> String {
    group.world.check.close();
    group.join(2);
    for device in 0..3 {
        group.say(device);
        group.world.run_for(SECOND);
    }
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

/// One leaves; nobody waits for it any longer, and by a new invite it is back.
fn coming_and_going(seed: u64) -> String {
    let mut group = Group::new(seed, 1, 3, seed.is_multiple_of(2));
    for device in 0..3 {
        group.say(device);
    }
    group.leave(2);
    group.say(0);
    group.world.run_for(SECOND);
    group.say(1);
    group.world.run_for(2 * MINUTE);
    group.settle(3 * HOUR);
    back_again(group)
}

/// One is taken out while everything fails; it reads nothing more, and by a new invite it is back.
fn thrown_out(seed: u64) -> String {
    let mut group = Group::new(seed, 1 + seed % 2, 3, seed.is_multiple_of(2));
    for device in 0..3 {
        group.say(device);
    }
    group.remove(2);
    group.world.faults = ROUGH;
    let secret = group.say(0);
    group.world.run_for(SECOND);
    group.say(1);
    trouble(&mut group);
    group.world.run_for(2 * MINUTE);
    group.settle(3 * HOUR);
    let removed = self_view(&mut group.world, 2, &group.topic).map(|(state, _)| state);
    assert_eq!(removed, Some(TopicState::Removed));
    let secret = String::from_utf8(secret).expect("text");
    assert!(!shown(&group.world, 2, &group.topic).contains(&secret));
    back_again(group)
}

#[test]
fn who_is_taken_out_reads_nothing_more_and_may_come_back() {
    crate::seeds(10, thrown_out);
}

#[test]
fn who_left_is_not_waited_for_and_may_come_back() {
    crate::seeds(5, coming_and_going);
}
