//! Nothing a client does makes the node grow without end.

use super::*;
use crate::limits::{LINK_QUEUE_HARD, LINK_QUEUE_SOFT, LINK_REQUESTS, LINK_SLOTS, NODE_READS};

#[test]
fn a_slow_watcher_is_told_once_and_its_watch_ends() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    for conn in [A, B] {
        world.open(conn, 3, &keys);
    }
    world.watch(B, 3, &keys, start());
    world.take(B);
    world.flowing = false;
    let most = u32::try_from(LINK_QUEUE_SOFT / 1024).unwrap() + 20;
    for n in 0..most {
        world.store(A, n, 3, good(&keys, n));
        world.flush(A);
    }
    let got = world.take(B);
    let lagged = got.iter().filter(|frame| **frame == ToClient::Lagged { slot: 3 }).count();
    assert_eq!((lagged, got.last()), (1, Some(&ToClient::Lagged { slot: 3 })));
    assert!(world.queued[&B] <= LINK_QUEUE_SOFT + 3);
    assert_eq!((world.node.counters().lagged, world.node.load().watches), (1, 0));
    // From its cursor it misses nothing, page by page as the socket takes them.
    let Some(ToClient::Item { cursor, .. }) = got.get(got.len() - 2) else { panic!("items came first") };
    world.watch(B, 3, &keys, at(*cursor));
    assert_eq!(world.take(B), []);
    world.flowing = true;
    world.flush(B);
    let rest = world.take(B);
    assert_eq!(rest.len() as u64, u64::from(most) - cursor + 1);
    assert_eq!(rest.last(), Some(&ToClient::Watching { slot: 3, cursor: at(u64::from(most)) }));
}

#[test]
fn a_slow_reader_loses_passed_packets_and_keeps_its_link() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(NodeConfig { pass_bytes_per_sec: 1 << 30, ..config() });
    for conn in [A, B] {
        world.open(conn, 3, &keys);
    }
    world.watch(B, 3, &keys, start());
    world.flowing = false;
    for _ in 0..2000 {
        world.pass(A, 3, good(&keys, 1));
    }
    assert!(world.queued[&B] <= LINK_QUEUE_SOFT);
    let counters = world.node.counters();
    assert_eq!(counters.pass_delivered + counters.pass_dropped, 2000);
    assert!(counters.pass_dropped > 900);
    assert!(world.gone.is_empty());
}

#[test]
fn who_asks_and_does_not_read_is_cut_off() {
    let mut world = World::with_two_links(config());
    world.flowing = false;
    for token in 0..20_000 {
        world.frame(A, &ToNode::Ping { token });
    }
    assert_eq!(world.gone.get(&A), Some(&Disconnect::Slow));
    assert_eq!(world.gone.get(&B), None);
}

#[test]
fn pages_are_read_only_as_fast_as_the_link_takes_them() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    for n in 0..1000 {
        world.store(A, n, 3, good(&keys, n));
    }
    world.flowing = false;
    world.open(B, 3, &keys);
    for slot in 0..40 {
        world.open(B, 10 + slot, &keys);
        world.watch(B, 10 + slot, &keys, start());
    }
    for req in 0..100 {
        world.pull(B, req, 3, &keys, start(), u16::MAX);
    }
    let mut total = 0;
    while world.queued.get(&B).is_some_and(|queued| *queued > 0) {
        assert!(world.queued[&B] < LINK_QUEUE_SOFT, "{}", world.queued[&B]);
        total += world.queued[&B];
        world.flush(B);
    }
    assert!(total > 40 * 1000 * 1024);
    let ends = world.take(B);
    assert_eq!(ends.iter().filter(|f| matches!(f, ToClient::PullEnd { .. })).count(), 100);
    assert_eq!(ends.iter().filter(|f| matches!(f, ToClient::Watching { .. })).count(), 40);
}

#[test]
fn slots_watches_links_and_requests_are_capped() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(NodeConfig { watches_per_source: 2, ..config() });
    let (mailbox, opening) = (keys.id(), keys.opening());
    for slot in 0..=u16::try_from(LINK_SLOTS).unwrap() {
        world.frame(A, &ToNode::Open { slot, mailbox, opening, write_proof: None });
    }
    let why = Refusal::TooMany;
    assert_eq!(world.take(A)[1..], [ToClient::SlotRefused { slot: 2048, why }]);
    for slot in 0..3 {
        world.watch(A, slot, &keys, start());
    }
    assert_eq!(world.take(A)[2..], [ToClient::SlotRefused { slot: 2, why }]);
    world.frame(A, &ToNode::Shut { slot: 0 });
    world.watch(A, 2, &keys, start());
    assert_eq!(world.node.load().watches, 2);
    for conn in 3..=9 {
        world.connect(ConnId(conn));
    }
    assert_eq!(world.gone.get(&ConnId(9)), Some(&Disconnect::TooManyLinks));
    world.eager = false;
    world.take(A);
    for req in 0..=u32::try_from(LINK_REQUESTS).unwrap() {
        world.store(A, req, 5, good(&keys, req));
    }
    let why = Refusal::RateLimited { after_ms: 1000 };
    assert_eq!(world.take(A), [ToClient::Refused { req: 512, why }]);
    assert_eq!(world.node.load().jobs, LINK_REQUESTS);
}

#[test]
fn a_crowded_node_gives_every_link_an_eighth() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(NodeConfig { pass_bytes_per_sec: 1 << 30, ..config() });
    for conn in [A, B] {
        world.open(conn, 3, &keys);
    }
    world.watch(B, 3, &keys, start());
    world.flowing = false;
    // As if the other links had taken their shares.
    world.node.queued_bytes += NODE_QUEUE;
    for _ in 0..300 {
        world.pass(A, 3, good(&keys, 1));
    }
    assert!(world.queued[&B] <= LINK_QUEUE_SOFT / 8);
    assert_eq!(world.node.counters().pass_delivered, 126);
    world.node.queued_bytes -= NODE_QUEUE;
    world.pass(A, 3, good(&keys, 1));
    assert_eq!(world.node.counters().pass_delivered, 127);
}

#[test]
fn reads_are_shared_out_in_turn_and_never_more_than_the_node_may_have() {
    let keys = mailbox(1);
    let mut world = World::new(NodeConfig { links_per_source: 1000, ..config() });
    world.eager = false;
    let links = 100u64;
    for conn in 0..links {
        world.connect(ConnId(conn));
        world.open(ConnId(conn), 0, &keys);
        for req in 0..10 {
            world.pull(ConnId(conn), req, 0, &keys, start(), 5);
        }
    }
    assert_eq!(world.work.len(), NODE_READS);
    let mut ends = 0;
    while !world.work.is_empty() {
        world.step(0);
        world.step_answer(0);
        world.input(Input::Usage { bytes: 0 });
        assert!(world.work.len() <= NODE_READS);
    }
    for conn in 0..links {
        let got = world.take(ConnId(conn));
        ends += got.iter().filter(|frame| matches!(frame, ToClient::PullEnd { .. })).count();
    }
    assert_eq!(ends, 1000);
}

#[test]
fn frames_over_the_rate_are_refused_pings_silently_and_shut_is_carried_out() {
    let keys = mailbox(1);
    let rate = Rate { burst: 3, every_ms: 1000 };
    let mut world = World::with_two_links(NodeConfig { requests: rate, ..config() });
    world.open(A, 1, &keys);
    world.open(A, 2, &keys);
    world.watch(A, 1, &keys, start());
    world.take(A);
    assert_eq!(world.node.load().watches, 1);
    world.frame(A, &ToNode::Ping { token: 1 });
    world.frame(A, &ToNode::Shut { slot: 1 });
    assert_eq!(world.take(A), []);
    assert_eq!(world.node.load().watches, 0);
    world.watch(A, 2, &keys, start());
    let why = Refusal::RateLimited { after_ms: 334 };
    assert_eq!(world.take(A), [ToClient::SlotRefused { slot: 2, why }]);
    assert_eq!(world.node.counters().refused[why.index()], 3);
    // Another link of the same address has the same bucket; another address has its own.
    world.frame(B, &ToNode::Ping { token: 1 });
    assert_eq!(world.take(B)[1..], []);
    world.input(Input::Connected { conn: ConnId(9), source: SourceId(9), entropy: [9; 32] });
    world.frame(ConnId(9), &ToNode::Ping { token: 1 });
    assert_eq!(world.take(ConnId(9))[1..], [ToClient::Pong { token: 1 }]);
}

#[test]
fn passed_bytes_are_paid_once_per_receiver() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(NodeConfig { pass_bytes_per_sec: 4096, ..config() });
    for conn in [A, B] {
        world.open(conn, 3, &keys);
    }
    for slot in 10..13 {
        world.open(B, slot, &keys);
        world.watch(B, slot, &keys, start());
    }
    world.take(A);
    world.take(B);
    for _ in 0..3 {
        world.pass(A, 3, good(&keys, 1));
    }
    // 3 KiB, then 3 KiB more on what was left, then nothing until it is paid back.
    let slots = |got: &[ToClient]| got.iter().filter(|f| matches!(f, ToClient::Item { .. })).count();
    assert_eq!(slots(&world.take(B)), 6);
    let refused = world.take(A);
    let why = Refusal::RateLimited { after_ms: 501 };
    assert_eq!(refused, [ToClient::SlotRefused { slot: 3, why }]);
    world.now = world.now.plus(501);
    world.pass(A, 3, good(&keys, 1));
    assert_eq!(slots(&world.take(B)), 3);
}

#[test]
fn an_idle_link_is_small() {
    assert!(core::mem::size_of::<Link>() <= 256, "{}", core::mem::size_of::<Link>());
}

#[test]
fn a_closed_link_leaves_nothing_but_what_it_is_limited_by() {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.eager = false;
    world.flowing = false;
    for slot in 0..20 {
        world.open(A, slot, &keys);
        world.watch(A, slot, &keys, start());
        world.store(A, u32::from(slot), slot, good(&keys, slot.into()));
    }
    world.input(Input::Closed { conn: A });
    world.input(Input::Closed { conn: B });
    world.eager = true;
    world.drain();
    let held = Load { sources: 1, ..Load::default() };
    assert_eq!(world.node.load(), held);
    assert_eq!(world.disk.seq, 20);
    world.now = world.now.plus(120_000);
    world.node.handle_timeout(world.now);
    assert_eq!(world.node.load(), Load::default());
}

#[test]
fn a_silent_link_ends_and_a_pinging_one_does_not() {
    let mut world = World::with_two_links(config());
    for _ in 0..20 {
        world.now = world.now.plus(PING_MS);
        world.frame(A, &ToNode::Ping { token: 0 });
        world.node.handle_timeout(world.now);
        world.drain();
    }
    assert_eq!(world.gone.get(&A), None);
    assert_eq!(world.gone.get(&B), Some(&Disconnect::Silent));
}

#[test]
fn random_frames_keep_every_count_within_its_cap() {
    let keys: Vec<MailboxKeys> = (0..4).map(mailbox).collect();
    let packets: Vec<Vec<u8>> = (0..40).map(|n| good(&keys[usize::try_from(n % 4).unwrap()], n)).collect();
    let mut world = World::new(NodeConfig { watches_per_source: 30, ..config() });
    let mut rng = crate::crypto::rng::Rng::new([7; 32]);
    for round in 0..4000u32 {
        world.eager = rng.below(2) == 0;
        world.flowing = rng.below(2) == 0;
        world.now = world.now.plus(rng.below(50));
        let conn = ConnId(100 + rng.below(6) + u64::from(round / 400) * 10);
        if !world.challenge.contains_key(&conn) {
            world.connect(conn);
            continue;
        }
        let slot = u16::try_from(rng.below(8)).unwrap();
        let key = &keys[usize::from(slot % 4)];
        let packet = packets[usize::try_from(rng.below(40)).unwrap()].clone();
        match rng.below(9) {
            0 | 1 => world.open(conn, slot, key),
            2 => world.watch(conn, slot, key, at(rng.below(30))),
            3 => world.store(conn, round, slot, packet),
            4 => world.pass(conn, slot, packet),
            5 => world.pull(conn, round, slot, key, at(rng.below(30)), 7),
            6 => world.frame(conn, &ToNode::Shut { slot }),
            7 => world.flush(conn),
            _ => world.input(Input::Closed { conn }),
        }
        let load = world.node.load();
        assert!(load.watches <= 30 && load.links <= 8 && load.sources <= 1);
        assert!(load.queued_bytes <= 8 * LINK_QUEUE_HARD);
    }
    world.eager = true;
    world.drain();
    for conn in 100..300 {
        world.input(Input::Closed { conn: ConnId(conn) });
    }
    let load = world.node.load();
    assert_eq!((load.links, load.watches, load.jobs, load.queued_bytes), (0, 0, 0, 0));
}
