//! A crash at every single write. Not as WebAssembly: it is the same code, and some hundred worlds.
#![cfg(not(target_arch = "wasm32"))]

use crate::group::Group;
use crate::world::{HOUR, MINUTE, SECOND};

/// Both talk; the device crashes at its `n`-th transaction. False when there were fewer.
fn talk_and_crash(seed: u64, device: usize, n: u64) -> bool {
    let mut group = Group::new(seed, 1, 2, seed.is_multiple_of(2));
    group.world.devices[device].crash_at_persist = Some(n);
    for _ in 0..4 {
        group.say(0);
        group.say(1);
        let pause = group.world.between(1, 4 * SECOND);
        group.world.run_for(pause);
    }
    group.world.run_for(MINUTE);
    let crashed = group.world.devices[device].crash_at_persist.is_none();
    group.world.run_for(2 * MINUTE);
    group.settle(3 * HOUR);
    crashed
}

#[test]
fn a_crash_at_every_write_of_a_conversation_loses_nothing() {
    for (seed, device) in [(1, 0), (2, 1), (3, 1), (4, 0)] {
        let crashes = (1..200).take_while(|n| talk_and_crash(seed, device, *n)).count();
        assert!(crashes > 12, "only {crashes} writes to crash at");
    }
}

/// The founder invites while its device crashes at its `n`-th write, or the newcomer's does.
fn join_and_crash(seed: u64, device: usize, n: u64) -> bool {
    let mut group = Group::alone(seed, 2);
    group.world.devices[device].crash_at_persist = Some(n);
    group.join_whatever_happens(1);
    let crashed = group.world.devices[device].crash_at_persist.is_none();
    group.world.devices[device].crash_at_persist = None;
    group.say(0);
    group.say(1);
    group.settle(3 * HOUR);
    crashed
}

#[test]
fn a_crash_at_every_write_of_a_join_lets_the_newcomer_in() {
    for (seed, device) in [(1, 0), (2, 1)] {
        let crashes = (1..100).take_while(|n| join_and_crash(seed, device, *n)).count();
        assert!(crashes > 3, "only {crashes} writes to crash at");
    }
}
