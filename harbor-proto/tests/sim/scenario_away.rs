//! Coming back: after an hour, after nine days and a change of week, after sleep.

use crate::group::{Group, shown};
use crate::world::{DAY, Faults, HOUR, MINUTE, SECOND};

/// One is away while the other writes and leaves as well; then the first returns alone.
fn they_never_meet(seed: u64, away_ms: u64) -> String {
    let mut group = Group::new(seed, 1, 2, seed.is_multiple_of(2));
    let before = group.say(0);
    group.world.run_for(10 * SECOND);
    group.world.crash_device(1);
    let mut said = vec![before];
    for _ in 0..3 {
        said.push(group.say(0));
        let pause = group.world.between(SECOND, away_ms / 4);
        group.world.run_for(pause);
    }
    group.world.run_for(MINUTE);
    group.world.crash_device(0);
    group.world.run_for(away_ms / 4);
    group.world.start_device(1);
    group.world.run_for(2 * MINUTE);
    let said: Vec<String> = said.into_iter().map(|s| String::from_utf8_lossy(&s).into_owned()).collect();
    assert_eq!(shown(&group.world, 1, &group.topic), said, "in order, once, from the node alone");
    let answer = group.say(1);
    group.world.run_for(MINUTE);
    group.world.crash_device(1);
    group.world.start_device(0);
    group.world.run_for(2 * MINUTE);
    let last = shown(&group.world, 0, &group.topic).pop();
    assert_eq!(last.as_deref().map(str::as_bytes), Some(&answer[..]));
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

#[test]
fn who_was_away_for_an_hour_reads_it_all() {
    crate::seeds(3, |seed| they_never_meet(seed, HOUR));
}

#[test]
fn who_was_away_for_nine_days_reads_it_all() {
    crate::seeds(2, |seed| they_never_meet(seed, 9 * DAY));
}

/// Written offline before the week ends, sent after it: the packet is for the new week.
fn written_offline(seed: u64) -> String {
    let mut group = Group::new(seed, 1, 2, false);
    group.world.network(0, false);
    for _ in 0..3 {
        group.say(0);
        let pause = group.world.between(HOUR, 3 * DAY);
        group.world.run_for(pause);
    }
    group.say(1);
    group.world.run_for(HOUR);
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

#[test]
fn what_was_written_offline_arrives_in_another_week() {
    crate::seeds(2, written_offline);
}

/// Laptops: hours and days of sleep at any moment, and clocks that only know of it afterwards.
fn sleepers(seed: u64) -> String {
    let mut group = Group::new(seed, 1, 2, seed.is_multiple_of(2));
    group.world.faults = Faults { breaks: 20, ..Faults::default() };
    for _ in 0..6 {
        let (speaker, sleeper) = (group.somebody(), group.somebody());
        group.say(speaker);
        let moment = group.world.between(0, 5 * SECOND);
        group.world.run_for(moment);
        group.world.sleep(sleeper);
        group.say(1 - sleeper);
        let longest = if group.world.chance(1, 4) { 5 * DAY } else { 10 * HOUR };
        let night = group.world.between(MINUTE, longest);
        group.world.run_for(night);
        group.world.wake(sleeper);
        let day = group.world.between(SECOND, 5 * MINUTE);
        group.world.run_for(day);
    }
    group.settle(3 * HOUR);
    group.world.trace.hash()
}

#[test]
fn who_sleeps_misses_nothing() {
    crate::seeds(3, sleepers);
}
