//! Nodes and links alone: plain clients store and read while links break, nodes crash and disks fail.

use crate::postman::{TOPICS, start, topic};
use crate::world::{DAY, Faults, MINUTE, SECOND, World};
use harbor_proto::endpoint::{Body, Command, Format};
use std::collections::BTreeSet;

const ROUGH: Faults = Faults { breaks: 150, replays: 5, stalls: 10, crashes: 100, outages: 150, dials: 10 };

fn world(seed: u64) -> World {
    let mut world = World::new(seed, start);
    world.check.no_ratchets = true;
    for _ in 0..world.between(1, 4) {
        let strict = world.chance(1, 5);
        world.add_station(strict);
    }
    for _ in 0..world.between(2, 5) {
        world.add_device(false);
    }
    world
}

fn say(world: &mut World, n: u64) {
    let device = world.rng.below(world.devices.len() as u64);
    let device = usize::try_from(device).expect("few");
    let uid = topic(u8::try_from(world.rng.below(TOPICS.into())).expect("few"));
    let body = Body::new(format!("{n} from {device}").into_bytes()).expect("short");
    world.command(device, Command::Send { topic: uid, client_ref: [0; 16], format: Format::Text, body });
}

fn trouble(world: &mut World) {
    let device = usize::try_from(world.rng.below(world.devices.len() as u64)).expect("few");
    let node = usize::try_from(world.rng.below(world.stations.len() as u64)).expect("few");
    match world.between(0, 13) {
        0 => world.crash_device(device),
        1 | 2 => world.start_device(device),
        3 => world.crash_station(node),
        4 | 5 => world.start_station(node),
        6 => world.part(device, node),
        7 => world.heal(),
        8 => {
            let broken = world.chance(1, 2);
            world.stations[node].disk.broken = broken;
        }
        9 => {
            let online = world.chance(1, 2);
            world.network(device, online);
        }
        10 => {
            let skew = world.between(0, 2 * 3_600_000);
            world.skew_station(node, i64::try_from(skew).expect("hours") - 3_600_000);
        }
        11 => {
            let skew = world.between(0, 2 * 3_600_000);
            world.jump_clock(device, i64::try_from(skew).expect("hours") - 3_600_000);
        }
        _ => {}
    }
}

fn all_read(world: &World) -> Vec<(usize, String)> {
    let everybody: BTreeSet<usize> = (0..world.devices.len()).collect();
    (0..TOPICS).flat_map(|n| world.check.missing(&topic(n), &everybody)).collect()
}

fn scenario(seed: u64) -> String {
    let mut world = world(seed);
    world.faults = ROUGH;
    let mut said = 0;
    for _ in 0..world.between(10, 30) {
        for _ in 0..world.between(0, 6) {
            said += 1;
            say(&mut world, said);
        }
        trouble(&mut world);
        let pause = world.between(1, 20 * SECOND);
        world.run_for(pause);
    }
    world.calm();
    for node in 0..world.stations.len() {
        world.skew_station(node, 0);
    }
    let done = world.run_while(10 * MINUTE, |w| !all_read(w).is_empty());
    assert!(done, "never read: {:?}", all_read(&world));
    assert!(world.check.stored_replies > 0);
    world.trace.hash()
}

#[test]
fn what_is_stored_is_read_by_everybody_once_whatever_breaks() {
    crate::seeds(25, scenario);
}

#[test]
fn a_seed_is_one_world() {
    assert_eq!(scenario(7), scenario(7));
    assert_ne!(scenario(7), scenario(8));
}

#[test]
fn packets_expire_and_nobody_is_told_otherwise() {
    let mut world = world(3);
    for n in 0..10 {
        say(&mut world, n);
        world.run_for(SECOND);
    }
    world.run_for(MINUTE);
    assert!(all_read(&world).is_empty());
    assert!(world.stations.iter().all(|s| s.disk.usage() > 0));
    for device in 0..world.devices.len() {
        world.crash_device(device);
    }
    world.run_for(15 * DAY);
    assert!(world.stations.iter().all(|s| s.disk.usage() == 0), "what expired is gone");
}
