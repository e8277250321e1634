//! What the verbs do when all is well.

use super::*;

#[test]
fn the_first_frame_is_the_welcome() {
    let mut world = World::with_two_links(config());
    let welcome = ToClient::Welcome {
        version: 1,
        node: config().id,
        challenge: [1; 32],
        log: LOG,
        hour: HOUR,
        store_bits: 4,
    };
    assert_eq!(world.take(A), [welcome]);
    world.frame(A, &ToNode::Ping { token: 77 });
    assert_eq!(world.take(A), [ToClient::Pong { token: 77 }]);
    assert_eq!(world.node.counters().links, 2);
}

#[test]
fn a_stored_packet_is_acknowledged_after_its_append_and_pushed_to_watchers() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    for conn in [A, B] {
        world.open(conn, 3, &keys);
        world.watch(conn, 3, &keys, start());
        world.take(conn);
    }
    world.eager = false;
    world.store(A, 7, 3, good(&keys, 1));
    assert_eq!(world.take(A), []);
    world.step(0);
    world.step_answer(0);
    let pushed = item(3, Arrival::Stored, 1, &good(&keys, 1));
    assert_eq!(world.take(A), [pushed.clone(), ToClient::Stored { req: 7 }]);
    assert_eq!(world.take(B), [pushed]);
    assert_eq!(world.node.load().jobs, 0);
}

#[test]
fn a_packet_stored_again_is_acknowledged_and_not_pushed() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    world.open(B, 3, &keys);
    world.watch(B, 3, &keys, start());
    world.store(A, 7, 3, good(&keys, 1));
    world.take(B);
    world.store(A, 8, 3, good(&keys, 1));
    assert_eq!(world.take(A)[1..], [ToClient::Stored { req: 7 }, ToClient::Stored { req: 8 }]);
    assert_eq!(world.take(B), []);
    assert_eq!((world.node.counters().stored, world.node.counters().stored_new), (2, 1));
}

#[test]
fn a_watch_gives_the_backlog_by_pages_then_watching_then_what_is_new() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    for n in 1..=300 {
        world.store(A, n, 3, good(&keys, n));
    }
    world.open(B, 5, &keys);
    world.take(B);
    world.watch(B, 5, &keys, at(20));
    world.store(A, 301, 3, good(&keys, 301));
    let got = world.take(B);
    assert_eq!(got.len(), 282);
    for (n, frame) in (21..=300).zip(&got) {
        assert_eq!(*frame, item(5, Arrival::Backlog, u64::from(n), &good(&keys, n)));
    }
    assert_eq!(got[280], ToClient::Watching { slot: 5, cursor: at(300) });
    assert_eq!(got[281], item(5, Arrival::Stored, 301, &good(&keys, 301)));
}

#[test]
fn a_cursor_of_an_unknown_log_means_from_the_beginning() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    world.store(A, 1, 3, good(&keys, 1));
    world.take(A);
    let foreign = Cursor { log: [1; 16], seq: 900 };
    world.watch(A, 3, &keys, foreign);
    let first = item(3, Arrival::Backlog, 1, &good(&keys, 1));
    assert_eq!(world.take(A), [first, ToClient::Watching { slot: 3, cursor: at(1) }]);
    world.pull(A, 4, 3, &keys, foreign, 10);
    let item = ToClient::PullItem { req: 4, cursor: 1, packet: Tail(good(&keys, 1)) };
    assert_eq!(world.take(A), [item, ToClient::PullEnd { req: 4, cursor: at(1), more: false }]);
}

#[test]
fn a_pull_gives_pages_of_the_asked_size() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    for n in 1..=5 {
        world.store(A, n, 3, good(&keys, n));
    }
    world.take(A);
    world.pull(A, 9, 3, &keys, at(1), 3);
    let got = world.take(A);
    assert_eq!(got.len(), 4);
    assert_eq!(got[3], ToClient::PullEnd { req: 9, cursor: at(4), more: true });
    world.pull(A, 10, 3, &keys, at(5), 3);
    assert_eq!(world.take(A), [ToClient::PullEnd { req: 10, cursor: at(5), more: false }]);
}

#[test]
fn a_pass_reaches_the_other_watchers_and_leaves_nothing_behind() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    for conn in [A, B] {
        world.open(conn, 3, &keys);
        world.watch(conn, 3, &keys, start());
        world.take(conn);
    }
    let mut signal = packet(&keys, 1, Kind::Signal, 0, 0);
    set_stamp(&mut signal, Stamp::default());
    world.pass(A, 3, signal.clone());
    assert_eq!(world.take(A), []);
    assert_eq!(world.take(B), [item(3, Arrival::Passed, 0, &signal)]);
    assert!(world.disk.rows.is_empty());
    assert_eq!((world.node.counters().passed, world.node.counters().pass_delivered), (1, 1));
    assert_eq!(world.node.counters().passed_messages, 0);
    world.pass(A, 3, packet(&keys, 1, Kind::Message, 0, 0));
    assert_eq!(world.take(B).len(), 1);
    assert_eq!((world.node.counters().passed, world.node.counters().passed_messages), (2, 1));
    world.frame(B, &ToNode::Shut { slot: 3 });
    world.pass(A, 3, signal);
    assert_eq!(world.take(B), []);
}

#[test]
fn expiry_is_asked_for_at_start_and_every_hour() {
    let mut world = World::new(config());
    assert_eq!(world.expired, [HOUR]);
    let due = world.node.poll_timeout().unwrap();
    assert_eq!(due, Instant(1000 + HOUR_MS - 5));
    for now in [Instant(due.0 - 1), due, due] {
        world.now = now;
        world.node.handle_timeout(now);
        world.drain();
    }
    assert_eq!(world.expired, [HOUR, HOUR + 1]);
}

#[test]
fn draining_says_bye_lets_appends_finish_and_turns_newcomers_away() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    world.eager = false;
    world.store(A, 7, 3, good(&keys, 1));
    world.take(A);
    world.input(Input::Drain { after_ms: 900 });
    assert_eq!(world.take(B)[1..], [ToClient::Bye { after_ms: 900 }]);
    assert_eq!(world.gone.get(&B), Some(&Disconnect::Draining));
    assert_eq!(world.gone.get(&A), None);
    world.connect(ConnId(3));
    assert_eq!(world.gone.get(&ConnId(3)), Some(&Disconnect::Draining));
    world.step(0);
    world.step_answer(0);
    assert_eq!(world.take(A), [ToClient::Bye { after_ms: 900 }, ToClient::Stored { req: 7 }]);
    assert_eq!(world.gone.get(&A), Some(&Disconnect::Draining));
}
