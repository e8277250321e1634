//! Appends and pages overtake each other in every way that a disk allows: commits and their answers keep
//! their order, a page shows what was committed when it was read, and answers come whenever they like.

use super::*;
use crate::crypto::rng::Rng;

/// A world with two packets on disk and `pending` stores on their way.
fn prepared(pending: u32, page: usize) -> (World, ToNode) {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    world.open(B, 3, &keys);
    for n in 1..=2 {
        world.store(A, n, 3, good(&keys, n));
    }
    world.eager = false;
    world.disk.page = page;
    for n in 3..3 + pending {
        world.store(A, n, 3, good(&keys, n));
    }
    world.take(A);
    let proof = world.proof(B, &keys, Verb::Watch, &start());
    (world, ToNode::Watch { slot: 3, after: start(), proof })
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Do(usize),
    Answer(usize),
    Watch,
}

/// All that could happen next. Only the oldest append may commit or be answered; reads are free.
fn possible(world: &World, watches_left: u32) -> Vec<Action> {
    let mut actions = Vec::new();
    let (mut may_commit, mut may_answer) = (true, true);
    for (at, work) in world.work.iter().enumerate() {
        match work {
            Work::Append(_) if may_commit => {
                actions.push(Action::Do(at));
                (may_commit, may_answer) = (false, false);
            }
            Work::Appended(..) if may_answer => {
                actions.push(Action::Answer(at));
                may_answer = false;
            }
            Work::Append(_) | Work::Appended(..) => {}
            Work::Read { .. } => actions.push(Action::Do(at)),
            Work::ReadDone(..) => actions.push(Action::Answer(at)),
        }
    }
    if watches_left > 0 {
        actions.push(Action::Watch);
    }
    actions
}

/// What a watch from the beginning must have given: every packet once, in log order, the pushes after
/// `Watching`, which says where the backlog ended.
fn assert_whole(world: &World) {
    let mut next = 1;
    let mut watching = None;
    for frame in &world.got[&B] {
        match frame {
            ToClient::Item { slot: 3, arrival, cursor, packet } => {
                assert_eq!(*cursor, next, "in order, none lost, none twice");
                assert_eq!(packet.0, world.disk.rows[&mailbox(1).id()][usize::try_from(next).unwrap() - 1].2);
                let live = watching.is_some();
                assert_eq!(*arrival, if live { Arrival::Stored } else { Arrival::Backlog });
                next += 1;
            }
            ToClient::Watching { slot: 3, cursor } => {
                assert_eq!(*cursor, at(next - 1));
                assert!(watching.replace(next).is_none());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(next, world.disk.seq + 1);
    assert!(watching.is_some());
}

fn explore(world: &World, watch: &ToNode, watches_left: u32, ends: &mut u32) {
    let actions = possible(world, watches_left);
    if actions.is_empty() {
        assert_whole(world);
        assert_eq!(world.node.load().jobs, 0);
        *ends += 1;
    }
    for action in actions {
        let mut next = world.clone();
        let mut left = watches_left;
        match action {
            Action::Do(at) => next.step(at),
            Action::Answer(at) => next.step_answer(at),
            Action::Watch => {
                left -= 1;
                next.got.remove(&B);
                next.frame(B, watch);
            }
        }
        explore(&next, watch, left, ends);
    }
}

#[test]
fn backlog_and_live_meet_without_loss_doubles_or_disorder_in_every_order() {
    let mut ends = 0;
    for (pending, page) in [(3, 0), (2, 1), (2, 2)] {
        let (world, watch) = prepared(pending, page);
        explore(&world, &watch, 1, &mut ends);
    }
    assert!(ends > 1000);
}

#[test]
fn a_watch_begun_anew_gives_everything_again_in_every_order() {
    let (world, watch) = prepared(2, 0);
    let mut ends = 0;
    explore(&world, &watch, 2, &mut ends);
    assert!(ends > 1000);
}

/// Takes what B got: the cursors of its items go to `seen`; true when it was told that it lags.
fn read_cursors(world: &mut World, seen: &mut Vec<u64>) -> bool {
    let mut lagged = false;
    for frame in world.take(B) {
        match frame {
            ToClient::Item { cursor, .. } => seen.push(cursor),
            ToClient::Lagged { .. } => lagged = true,
            _ => {}
        }
    }
    lagged
}

#[test]
fn a_reader_that_lags_and_watches_again_from_its_cursor_gets_everything_once() {
    let keys = mailbox(1);
    let packets: Vec<Vec<u8>> = (0..90).map(|n| large(&keys, n)).collect();
    let mut lags = 0;
    for seed in 0..12 {
        let mut rng = Rng::new([seed; 32]);
        let mut world = World::with_two_links(config());
        for conn in [A, B] {
            world.open(conn, 3, &keys);
        }
        world.watch(B, 3, &keys, start());
        world.flowing = false;
        let mut seen = Vec::new();
        for (req, packet) in (0..).zip(&packets) {
            world.eager = rng.below(3) == 0;
            world.store(A, req, 3, packet.clone());
            world.flush(A);
            if rng.below(20) == 0 {
                world.flush(B);
            }
            if read_cursors(&mut world, &mut seen) {
                lags += 1;
                world.watch(B, 3, &keys, at(seen.last().copied().unwrap_or(0)));
            }
        }
        world.flowing = true;
        world.eager = true;
        world.flush(A);
        world.flush(B);
        if read_cursors(&mut world, &mut seen) {
            world.watch(B, 3, &keys, at(seen.last().copied().unwrap_or(0)));
            read_cursors(&mut world, &mut seen);
        }
        assert!(seen.iter().copied().eq(1..=90), "seed {seed}: {seen:?}");
    }
    assert!(lags > 5, "{lags}");
}
