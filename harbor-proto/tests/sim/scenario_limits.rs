//! Where numbers end: full lanes, and counters that must not be reached.

use crate::group::{Group, shown};
use crate::world::{HOUR, MINUTE, SECOND};
use harbor_proto::limits::{LANES, MAILBOX_BYTES, MAX_BODY, ROTATE_AT_COUNTER};

#[test]
fn a_full_lane_moves_the_writer_on_and_the_reader_follows() {
    let mut group = Group::new(11, 1, 2, false);
    group.world.crash_device(1);
    let fit = MAILBOX_BYTES / (64 << 10);
    for _ in 0..fit + 20 {
        group.say_much(0, MAX_BODY - 32);
        group.world.run_for(2 * SECOND);
    }
    group.world.run_for(10 * MINUTE);
    let full: Vec<u64> = (1..=LANES).map(|lane| group.packets_in_lane(lane)).filter(|n| *n > 0).collect();
    assert!(full.len() >= 2, "one lane took it all: {full:?}");
    group.world.crash_device(0);
    group.world.start_device(1);
    group.world.run_for(10 * MINUTE);
    assert_eq!(shown(&group.world, 1, &group.topic).len() as u64, fit + 20);
    group.settle(3 * HOUR);
}

#[test]
fn a_new_epoch_comes_before_counter_1000() {
    let mut group = Group::new(12, 1, 2, true);
    for n in 0..1100 {
        group.say(0);
        group.world.run_for(if n % 100 == 0 { 2 * MINUTE } else { 20 });
    }
    group.settle(3 * HOUR);
    assert!(group.world.check.highest_counter > 500, "{}", group.world.check.highest_counter);
    assert!(group.world.check.highest_counter < ROTATE_AT_COUNTER, "{}", group.world.check.highest_counter);
}
