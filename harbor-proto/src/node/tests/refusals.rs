//! Every refusal: its reason, its counter, and that the link lives on.

use super::*;

/// A, with the mailbox open in slot 3.
fn opened() -> (World, MailboxKeys) {
    let keys = mailbox(1);
    let mut world = World::with_two_links(config());
    world.open(A, 3, &keys);
    world.take(A);
    (world, keys)
}

/// Stores `packet` and checks the refusal, that nothing was written and that a good packet still is.
fn assert_store_refused(packet: Vec<u8>, why: Refusal) {
    let (mut world, keys) = opened();
    world.store(A, 7, 3, packet);
    assert_eq!(world.take(A), [ToClient::Refused { req: 7, why }]);
    assert_eq!(world.node.counters().refused[why.index()], 1);
    assert_eq!(world.node.counters().refused.iter().sum::<u64>(), 1);
    assert!(world.disk.rows.is_empty());
    world.store(A, 8, 3, good(&keys, 99));
    assert_eq!(world.take(A), [ToClient::Stored { req: 8 }]);
    assert!(world.gone.is_empty());
}

fn assert_slot_refused(world: &mut World, slot: Slot, why: Refusal) {
    assert_eq!(world.take(A), [ToClient::SlotRefused { slot, why }]);
    assert_eq!(world.node.counters().refused[why.index()], 1);
    world.frame(A, &ToNode::Ping { token: 1 });
    assert_eq!(world.take(A), [ToClient::Pong { token: 1 }]);
}

#[test]
fn a_tampered_packet_is_refused() {
    for at in [40, 90, 160, 180, 500, 1023] {
        let mut packet = good(&mailbox(1), 1);
        packet[at] ^= 1;
        // The stamp covers all but the signature: solve it again, as a tamperer would.
        stamp(&mut packet, HOUR, 4);
        assert_store_refused(packet, Refusal::BadSignature);
    }
    let mut packet = good(&mailbox(1), 1);
    packet[500] ^= 1;
    let (mut world, _) = opened();
    world.store(A, 7, 3, packet);
    assert!(matches!(world.take(A)[..], [ToClient::Refused { req: 7, .. }]));
}

#[test]
fn a_packet_without_the_write_keys_signature_is_refused() {
    let mut packet = good(&mailbox(1), 1);
    packet[88..152].fill(0);
    assert_store_refused(packet, Refusal::BadSignature);
    let mut packet = good(&mailbox(1), 1);
    let other = good(&mailbox(2), 1);
    packet[88..152].copy_from_slice(&other[88..152]);
    assert_store_refused(packet, Refusal::BadSignature);
}

#[test]
fn a_packet_for_another_mailbox_is_refused() {
    assert_store_refused(good(&mailbox(2), 1), Refusal::BadSlot);
}

#[test]
fn a_missing_stamp_is_refused_with_the_price() {
    let mut packet = good(&mailbox(1), 1);
    set_stamp(&mut packet, Stamp::default());
    assert_store_refused(packet.clone(), Refusal::StampMissing { bits: 4 });
    stamp(&mut packet, HOUR, 3);
    assert_store_refused(packet.clone(), Refusal::StampMissing { bits: 4 });
    set_stamp(&mut packet, Stamp { nonce: 12345, hour: HOUR, bits: 60 });
    assert_store_refused(packet, Refusal::StampMissing { bits: 4 });
}

#[test]
fn a_stamp_of_another_packet_is_refused() {
    let mut packet = good(&mailbox(1), 1);
    let other = good(&mailbox(1), 2);
    stamp(&mut packet, HOUR, 12);
    let mut copied = other;
    copied[72..88].copy_from_slice(&packet[72..88]);
    assert_store_refused(copied, Refusal::StampMissing { bits: 4 });
}

#[test]
fn a_stale_stamp_is_refused_with_the_nodes_hour() {
    for hour in [HOUR - 3, HOUR + 3, 0] {
        let mut packet = good(&mailbox(1), 1);
        stamp(&mut packet, hour, 4);
        assert_store_refused(packet, Refusal::StampStale { hour: HOUR });
    }
    for hour in [HOUR - 2, HOUR + 2] {
        let (mut world, keys) = opened();
        let mut packet = good(&keys, 1);
        stamp(&mut packet, hour, 4);
        world.store(A, 1, 3, packet);
        assert_eq!(world.take(A), [ToClient::Stored { req: 1 }]);
    }
}

#[test]
fn an_oversized_packet_is_refused() {
    let mut packet = good(&mailbox(1), 1);
    packet.resize((64 << 10) + 1, 0);
    assert_store_refused(packet, Refusal::TooLarge);
}

#[test]
fn a_frame_that_no_packet_could_fill_ends_the_link() {
    let (mut world, _) = opened();
    world.store(A, 7, 3, vec![0; 66 << 10]);
    assert_eq!(world.gone.get(&A), Some(&Disconnect::Protocol));
}

#[test]
fn an_expired_or_too_long_lived_packet_is_refused() {
    let keys = mailbox(1);
    for expiry in [0, HOUR - 1, HOUR, HOUR + MAX_TTL_HOURS + 3, u32::MAX] {
        assert_store_refused(packet(&keys, 1, Kind::Message, expiry, 4), Refusal::BadExpiry);
    }
    for expiry in [HOUR + 1, HOUR + MAX_TTL_HOURS + 2] {
        let (mut world, keys) = opened();
        world.store(A, 1, 3, packet(&keys, 1, Kind::Control, expiry, 4));
        assert_eq!(world.take(A), [ToClient::Stored { req: 1 }]);
    }
}

#[test]
fn what_is_no_packet_is_refused() {
    assert_store_refused(vec![], Refusal::Malformed);
    assert_store_refused(vec![1; 1024], Refusal::Malformed);
    assert_store_refused(good(&mailbox(1), 1)[..1000].to_vec(), Refusal::Malformed);
}

#[test]
fn a_signal_packet_is_never_stored() {
    assert_store_refused(packet(&mailbox(1), 1, Kind::Signal, HOUR + 1, 4), Refusal::Malformed);
}

#[test]
fn a_pull_not_signed_by_the_read_key_is_refused() {
    let (mut world, keys) = opened();
    let proofs = [
        [0; 64],
        world.proof(A, &mailbox(2), Verb::Pull, &start()),
        world.proof(A, &keys, Verb::Watch, &start()),
        world.proof(A, &keys, Verb::Store, &start()),
        world.proof(A, &keys, Verb::Pull, &at(1)),
        world.proof(B, &keys, Verb::Pull, &start()),
        keys.prove(&EndpointId([6; 32]), &world.challenge[&A], Verb::Pull, &start()),
    ];
    for (n, proof) in (1..).zip(proofs) {
        world.frame(A, &ToNode::Pull { req: 7, slot: 3, after: start(), max: 9, proof });
        assert_eq!(world.take(A), [ToClient::Refused { req: 7, why: Refusal::BadProof }]);
        assert_eq!(world.node.counters().refused[Refusal::BadProof.index()], n);
    }
    assert_eq!(world.node.counters().pulls, 0);
    world.pull(A, 8, 3, &keys, start(), 9);
    assert_eq!(world.take(A), [ToClient::PullEnd { req: 8, cursor: start(), more: false }]);
}

#[test]
fn a_watch_not_signed_by_the_read_key_is_refused() {
    let (mut world, keys) = opened();
    let proof = world.proof(A, &keys, Verb::Pull, &start());
    world.frame(A, &ToNode::Watch { slot: 3, after: start(), proof });
    assert_slot_refused(&mut world, 3, Refusal::BadProof);
    assert_eq!(world.node.load().watches, 0);
}

#[test]
fn an_opening_that_does_not_hash_to_the_harbor_id_is_refused() {
    let (mut world, _) = opened();
    let keys = mailbox(4);
    let good = keys.opening();
    let mut n = 0;
    for opening in [
        Opening { write_key: mailbox(5).opening().write_key, ..good },
        Opening { read_key: mailbox(5).opening().read_key, ..good },
        Opening { tail_cv: [0; 32], ..good },
    ] {
        world.frame(A, &ToNode::Open { slot: 8, mailbox: keys.id(), opening, write_proof: None });
        n += 1;
        assert_eq!(world.take(A), [ToClient::SlotRefused { slot: 8, why: Refusal::BadOpening }]);
        assert_eq!(world.node.counters().refused[Refusal::BadOpening.index()], n);
    }
    world.pull(A, 1, 8, &keys, start(), 1);
    assert_eq!(world.take(A), [ToClient::Refused { req: 1, why: Refusal::BadSlot }]);
    world.open(A, 8, &keys);
    assert_eq!(world.take(A), []);
}

#[test]
fn an_opening_with_keys_of_small_order_is_refused() {
    let (mut world, _) = opened();
    let good = mailbox(4).opening();
    let mut weak = [0; 32];
    weak[0] = 1;
    for opening in [Opening { write_key: weak, ..good }, Opening { read_key: weak, ..good }] {
        let mailbox = crate::packet::harbor_id(&opening);
        world.frame(A, &ToNode::Open { slot: 8, mailbox, opening, write_proof: None });
        assert_eq!(world.take(A), [ToClient::SlotRefused { slot: 8, why: Refusal::BadOpening }]);
    }
}

#[test]
fn a_pass_without_the_write_keys_proof_is_refused() {
    let (mut world, _) = opened();
    let keys = mailbox(4);
    let (mailbox, opening) = (keys.id(), keys.opening());
    let read = world.proof(A, &keys, Verb::Watch, &Cursor::default());
    let open = |write_proof| ToNode::Open { slot: 8, mailbox, opening, write_proof };
    world.frame(A, &open(Some(read)));
    assert_slot_refused(&mut world, 8, Refusal::BadProof);
    world.frame(A, &open(None));
    world.pass(A, 8, good(&keys, 1));
    assert_eq!(world.take(A), [ToClient::SlotRefused { slot: 8, why: Refusal::BadProof }]);
    // The proof may follow later.
    world.open(A, 8, &keys);
    world.pass(A, 8, good(&keys, 1));
    assert_eq!(world.take(A), []);
}

#[test]
fn a_slot_is_of_one_mailbox_until_it_is_shut() {
    let (mut world, _) = opened();
    let other = mailbox(2);
    world.open(A, 3, &other);
    assert_slot_refused(&mut world, 3, Refusal::BadSlot);
    world.frame(A, &ToNode::Shut { slot: 3 });
    world.open(A, 3, &other);
    world.store(A, 1, 3, good(&other, 1));
    assert_eq!(world.take(A), [ToClient::Stored { req: 1 }]);
    world.pass(A, 9, good(&other, 1));
    assert_eq!(world.take(A), [ToClient::SlotRefused { slot: 9, why: Refusal::BadSlot }]);
}

#[test]
fn a_passed_packet_must_have_its_shape_and_place() {
    let (mut world, keys) = opened();
    let mut wrong_size = good(&keys, 1);
    wrong_size.push(0);
    let cases = [
        (vec![0; (64 << 10) + 1], Refusal::TooLarge),
        (wrong_size, Refusal::Malformed),
        (good(&mailbox(2), 1), Refusal::BadSlot),
    ];
    for (packet, why) in cases {
        world.pass(A, 3, packet);
        assert_slot_refused(&mut world, 3, why);
    }
}

#[test]
fn a_full_mailbox_and_a_full_node_refuse() {
    let (mut world, keys) = opened();
    world.disk.full = true;
    world.store(A, 1, 3, good(&keys, 1));
    assert_eq!(world.take(A), [ToClient::Refused { req: 1, why: Refusal::Full }]);
    world.disk.full = false;
    world.input(Input::Usage { bytes: (1 << 30) - 1024 });
    world.store(A, 2, 3, good(&keys, 2));
    world.store(A, 3, 3, good(&keys, 3));
    let refused = ToClient::Refused { req: 3, why: Refusal::NodeFull };
    assert_eq!(world.take(A), [ToClient::Stored { req: 2 }, refused]);
}

#[test]
fn a_failed_disk_is_never_acknowledged() {
    let (mut world, keys) = opened();
    world.disk.broken = true;
    world.store(A, 1, 3, good(&keys, 1));
    world.pull(A, 2, 3, &keys, start(), 1);
    world.watch(A, 3, &keys, start());
    let why = Refusal::Unavailable;
    let refused = |req| ToClient::Refused { req, why };
    assert_eq!(world.take(A), [refused(1), refused(2), ToClient::SlotRefused { slot: 3, why }]);
    assert_eq!((world.node.load().watches, world.node.load().jobs), (0, 0));
    assert_eq!(world.node.counters().stored, 0);
    world.disk.broken = false;
    world.watch(A, 3, &keys, start());
    world.store(A, 3, 3, good(&keys, 1));
    assert_eq!(world.take(A).len(), 3);
}

#[test]
fn no_packet_is_taken_before_the_clock_is_known() {
    let keys = mailbox(1);
    let mut world = World::without_clock(config());
    world.connect(A);
    world.open(A, 3, &keys);
    world.store(A, 1, 3, good(&keys, 1));
    let refused = ToClient::Refused { req: 1, why: Refusal::Unavailable };
    assert_eq!(world.take(A)[1..], [refused]);
}

#[test]
fn rates_refuse_with_the_time_to_wait() {
    let keys = mailbox(1);
    let rate = Rate { burst: 2, every_ms: 1000 };
    let mut world = World::with_two_links(NodeConfig { packets: rate, ..config() });
    world.open(A, 3, &keys);
    world.take(A);
    for req in 1..=3 {
        world.store(A, req, 3, good(&keys, req));
    }
    let limited = Refusal::RateLimited { after_ms: 501 };
    assert_eq!(world.take(A)[2..], [ToClient::Refused { req: 3, why: limited }]);
    world.pass(A, 3, good(&keys, 1));
    assert_eq!(world.take(A), [ToClient::SlotRefused { slot: 3, why: limited }]);
    world.now = world.now.plus(501);
    world.store(A, 3, 3, good(&keys, 3));
    assert_eq!(world.take(A), [ToClient::Stored { req: 3 }]);
}

#[test]
fn a_refusal_flood_ends_the_link_and_a_few_mistakes_do_not() {
    let (mut world, keys) = opened();
    for _ in 0..64 {
        world.store(A, 1, 3, vec![0; 10]);
    }
    assert!(world.gone.is_empty());
    world.now = world.now.plus(60_000);
    for _ in 0..64 {
        world.store(A, 1, 3, vec![0; 10]);
    }
    world.store(A, 2, 3, good(&keys, 1));
    assert!(world.gone.is_empty());
    assert_eq!(world.take(A).pop(), Some(ToClient::Stored { req: 2 }));
    world.store(A, 1, 3, vec![0; 10]);
    assert_eq!(world.gone.get(&A), Some(&Disconnect::Refused(Refusal::Malformed)));
    world.take(A);
    world.frame(A, &ToNode::Ping { token: 1 });
    world.input(Input::Closed { conn: A });
    assert_eq!(world.take(A), []);
}

#[test]
fn an_undecodable_frame_ends_the_link() {
    for bytes in [vec![], vec![0], vec![99, 1], vec![7, 0, 0, 0], vec![7, 0, 0, 0, 0, 0], vec![3, 0, 0]] {
        let (mut world, _) = opened();
        world.input(Input::Frame { conn: A, bytes });
        assert_eq!(world.gone.get(&A), Some(&Disconnect::Protocol));
        assert_eq!(world.node.counters().disconnects, 1);
    }
}

#[test]
fn the_price_of_a_real_node_is_what_the_spec_says() {
    assert_eq!(STORE_BITS, 18);
}
