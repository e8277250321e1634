//! Two and three members talk while everything around them fails.

use crate::group::Group;
use crate::traffic::DEVICE;
use crate::world::{Faults, HOUR, MINUTE, SECOND};
use harbor_proto::endpoint::{Command, Input};

pub(crate) const ROUGH: Faults =
    Faults { breaks: 100, replays: 10, stalls: 10, crashes: 60, outages: 100, dials: 20 };

pub(crate) fn trouble(group: &mut Group) {
    let (device, other) = (group.somebody(), group.somebody());
    let world = &mut group.world;
    let node = usize::try_from(world.rng.below(world.stations.len() as u64)).expect("few");
    match world.between(0, 18) {
        0 => world.crash_device(device),
        1 | 2 => world.start_device(device),
        3 => world.crash_station(node),
        4 | 5 => world.start_station(node),
        6 => world.part(device, node),
        7 if device != other => world.part(device, other + DEVICE),
        8 => world.heal(),
        9 => {
            let online = world.chance(1, 2);
            world.network(device, online);
        }
        10 => {
            // Mostly by minutes, sometimes by most of a day: further off than a day nobody is promised anything.
            let most = if world.chance(1, 4) { 20 * HOUR } else { HOUR };
            let skew = i64::try_from(world.between(0, 2 * most)).expect("hours");
            world.jump_clock(device, skew - i64::try_from(most).expect("hours"));
        }
        11 => {
            let broken = world.chance(1, 3);
            world.stations[node].disk.broken = broken;
        }
        12 => {
            let hidden = world.chance(1, 2);
            world.tell(device, Input::Visibility { hidden });
        }
        15 => {
            let enabled = world.chance(1, 2);
            world.command(device, Command::SetDirect { enabled });
        }
        13 => world.sleep(device),
        14 => world.wake(device),
        _ => {}
    }
}

/// Mostly moments, now and then hours.
pub(crate) fn pause(group: &mut Group) -> u64 {
    match group.world.between(0, 20) {
        0 => group.world.between(MINUTE, 3 * HOUR),
        1..5 => group.world.between(SECOND, MINUTE),
        _ => group.world.between(1, 3 * SECOND),
    }
}

fn scenario(seed: u64, members: usize) -> String {
    let nodes = 1 + seed % 2;
    let direct = seed % 4 < 3;
    let mut group = Group::new(seed, nodes, members, direct);
    group.world.faults = ROUGH;
    for _ in 0..group.world.between(8, 20) {
        for _ in 0..group.world.between(0, 4) {
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
fn two_who_talk() {
    crate::seeds(30, |seed| scenario(seed, 2));
}

#[test]
fn three_who_talk() {
    crate::seeds(15, |seed| scenario(seed, 3));
}

#[test]
fn a_seed_is_one_conversation() {
    assert_eq!(scenario(5, 3), scenario(5, 3));
    assert_ne!(scenario(5, 3), scenario(6, 3));
}
