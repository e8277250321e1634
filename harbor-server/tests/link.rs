//! The link of a real node: the five verbs, refusals with their reasons, and peers that misbehave.

mod support;

use futures_util::{SinkExt, StreamExt};
use harbor_proto::limits::{DEFAULT_TTL_HOURS, MAX_FRAME};
use harbor_proto::packet::Kind;
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Arrival, Cursor, Refusal, Tail, ToClient, ToNode};
use std::time::Duration;
use support::client::{Client, Ended};
use support::{Node, OPEN, packets, until};
use tokio_tungstenite::tungstenite::Message;

fn node(sets: &[&str]) -> (tempfile::TempDir, Node) {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &[&OPEN[..], sets].concat());
    (dir, node)
}

#[tokio::test]
async fn what_is_stored_and_passed_reaches_a_watcher_once_and_in_order() {
    let (_dir, node) = node(&[]);
    let keys = packets::mailbox(1);
    let (mut writer, mut reader) = (Client::connect(&node).await, Client::connect(&node).await);
    writer.open(0, &keys).await;
    reader.open(5, &keys).await;
    let before = packets::message(&keys, 0);
    assert_eq!(writer.store(0, &before).await, Ok(()));
    reader.watch(5, &keys, Cursor::default()).await;
    let (arrival, first, packet) = reader.item().await;
    assert_eq!((arrival, packet), (Arrival::Backlog, before));
    assert!(matches!(reader.frame().await, ToClient::Watching { slot: 5, cursor } if cursor.seq == first));

    let stored = packets::message(&keys, 1);
    assert_eq!(writer.store(0, &stored).await, Ok(()));
    let (arrival, second, packet) = reader.item().await;
    assert_eq!((arrival, packet), (Arrival::Stored, stored));
    assert!(second > first);
    let passed = packets::signal(&keys, 2);
    writer.send(&ToNode::Pass { slot: 0, packet: Tail(passed.clone()) }).await;
    let (arrival, _, packet) = reader.item().await;
    assert_eq!((arrival, packet), (Arrival::Passed, passed));
    assert_eq!((node.count("stored"), node.count("passed"), node.count("pass_delivered")), (2, 1, 1));
    assert_eq!(writer.pull_all(0, &keys).await.len(), 2, "what was passed is nowhere on disk");
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_its_count() {
    let (_dir, node) = node(&["limits.store_bits=8"]);
    let (keys, other) = (packets::mailbox(1), packets::mailbox(2));
    let mut client = Client::connect(&node).await;
    client.open(0, &keys).await;
    let hour = packets::hour();
    let paid = |n, kind, expiry, stamped| {
        let mut packet = packets::sealed(&keys, n, b"content", kind, expiry);
        packets::stamp(&mut packet, stamped, 8);
        packet
    };
    let good = paid(1, Kind::Message, hour + 24, hour);
    let mut forged = packets::sealed(&keys, 2, b"content", Kind::Message, hour + 24);
    forged[90] ^= 1;
    packets::stamp(&mut forged, hour, 8);
    let cases = [
        ("stamp_missing", packets::message(&keys, 3)),
        ("stamp_stale", paid(4, Kind::Message, hour + 24, hour - 9)),
        ("bad_expiry", paid(5, Kind::Message, hour - 1, hour)),
        ("bad_signature", forged),
        ("malformed", good[..1000].to_vec()),
        ("too_large", vec![1; (64 << 10) + 1]),
        ("bad_slot", packets::message(&other, 6)),
    ];
    for (name, packet) in cases {
        assert_eq!(client.store(0, &packet).await.map_err(Refusal::code), Err(name));
        assert_eq!(node.count(name), 1, "{name} is counted");
    }
    let mut opening = other.opening();
    opening.tail_cv[0] ^= 1;
    client.send(&ToNode::Open { slot: 3, mailbox: other.id(), opening, write_proof: None }).await;
    assert_eq!(client.frame().await, ToClient::SlotRefused { slot: 3, why: Refusal::BadOpening });
    // A pull that is signed by somebody else's R.
    let proof = [7; 64];
    client.send(&ToNode::Pull { req: 4, slot: 0, after: Cursor::default(), max: 10, proof }).await;
    assert_eq!(client.frame().await, ToClient::Refused { req: 4, why: Refusal::BadProof });
    assert_eq!(client.store(0, &good).await, Ok(()), "the link goes on");
    assert_eq!((node.count("bad_opening"), node.count("bad_proof"), node.count("stored")), (1, 1, 1));
}

#[tokio::test]
async fn what_is_no_frame_ends_the_link_with_the_reason() {
    let (_dir, node) = node(&[]);
    let oversized = vec![0; MAX_FRAME + 1];
    let cases = [
        (Message::text("hello"), 1003, "text"),
        (Message::binary(oversized), 1009, "too large"),
        (Message::binary(vec![99]), 1002, "no such frame"),
        (Message::binary(vec![]), 1002, "empty"),
    ];
    for (message, code, what) in cases {
        let mut client = Client::connect(&node).await;
        client.socket.send(message).await.expect(what);
        assert_eq!(client.ended().await, Ended { code: Some(code), reason: "protocol".into() }, "{what}");
    }
    until("the links to be gone", || (node.count("open_links") == 0).then_some(()));
    assert_eq!(node.count("disconnects"), 4);
}

#[tokio::test]
async fn pings_and_closes_of_the_websocket_are_answered() {
    let (_dir, node) = node(&[]);
    let mut client = Client::connect(&node).await;
    client.socket.send(Message::Ping(b"there?".to_vec().into())).await.expect("sent");
    let answer = client.socket.next().await.expect("open").expect("a frame");
    assert_eq!(answer, Message::Pong(b"there?".to_vec().into()));
    client.send(&ToNode::Ping { token: 5 }).await;
    assert_eq!(client.frame().await, ToClient::Pong { token: 5 });
    client.socket.close(None).await.expect("sent");
    assert_eq!(client.ended().await.code, Some(1000));
    until("the link to be gone", || (node.count("open_links") == 0).then_some(()));
}

#[tokio::test]
async fn a_reader_that_never_reads_does_not_grow_the_node() {
    let (_dir, node) = node(&[]);
    let keys = packets::mailbox(1);
    let (mut writer, mut sleeper) = (Client::connect(&node).await, Client::connect(&node).await);
    writer.open(0, &keys).await;
    sleeper.open(0, &keys).await;
    sleeper.watch(0, &keys, Cursor::default()).await;
    assert!(matches!(sleeper.frame().await, ToClient::Watching { .. }));
    let before = node.memory();
    let big = packets::sealed(&keys, 1, &[5; 40_000], Kind::Signal, packets::hour() + 1);
    let frame = ToNode::Pass { slot: 0, packet: Tail(big) };
    for _ in 0..1600 {
        writer.send(&frame).await;
    }
    writer.send(&ToNode::Ping { token: 1 }).await;
    assert_eq!(writer.frame().await, ToClient::Pong { token: 1 }, "the writer is not held up");
    let grown = node.memory().saturating_sub(before);
    println!("100 MiB passed to a reader that sleeps: the node grew by {} KiB", grown >> 10);
    assert!(grown < 24 << 20, "it grew by {grown} bytes");
    assert!(node.count("pass_dropped") > 0);
    assert!(node.count("queued_bytes") < 8 << 20);
}

#[tokio::test]
async fn a_client_that_never_takes_its_answers_is_not_read_any_more() {
    let (_dir, node) = node(&[]);
    let mut client = Client::connect(&node).await;
    let before = node.memory();
    let ping = Message::binary(ToNode::Ping { token: 1 }.to_bytes());
    // Answers nobody takes fill the sockets, then the outbox; from there on the node does not read either.
    let mut sent = 0u64;
    loop {
        let write = async {
            for _ in 0..1000 {
                client.socket.feed(ping.clone()).await?;
            }
            client.socket.flush().await
        };
        match tokio::time::timeout(Duration::from_secs(2), write).await {
            Ok(Ok(())) => sent += 1000,
            Ok(Err(_)) | Err(_) => break,
        }
        assert!(sent < 20_000_000, "the node read 20 million pings without an answer taken");
    }
    assert!(node.memory().saturating_sub(before) < 24 << 20);
    assert!(Client::try_connect(&node).await.is_ok(), "others are served");
}

#[tokio::test]
async fn too_many_links_of_one_address_are_turned_away() {
    let (_dir, node) = node(&["limits.connections_per_ip=3"]);
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Client::connect(&node).await);
    }
    let refused = Client::try_connect(&node).await.err().expect("turned away");
    assert_eq!(refused, Ended { code: Some(1008), reason: "too_many_links".into() });
    held.pop();
    until("the place to be free", || (node.count("open_links") == 2).then_some(()));
    assert!(Client::try_connect(&node).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_links_cost_little() {
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let (_dir, node) = node(&[]);
    let mut held = Vec::new();
    for _ in 0..50 {
        held.push(Client::connect(&node).await);
    }
    let before = node.memory();
    for _ in 0..1000 {
        held.push(Client::connect(&node).await);
    }
    let each = node.memory().saturating_sub(before) / 1000;
    println!("{each} bytes for an idle link");
    // Unoptimised futures are several times as large; docs/benchmarks.md has the real number.
    assert!(each < 24 << 10, "an idle link takes {each} bytes");
    assert_eq!(node.count("open_links"), 1050);
}

#[tokio::test]
async fn a_signal_drains_answers_what_is_owed_and_ends_with_0() {
    for signal in ["TERM", "INT"] {
        let (_dir, mut node) = node(&["server.shutdown_grace=30s"]);
        let keys = packets::mailbox(1);
        let (mut idle, mut busy) = (Client::connect(&node).await, Client::connect(&node).await);
        busy.open(0, &keys).await;
        for req in 0..100 {
            let packet = Tail(packets::message(&keys, u64::from(req)));
            busy.feed(&ToNode::Store { req, slot: 0, packet }).await.expect("fed");
        }
        busy.flush().await.expect("sent");
        assert!(matches!(busy.frame().await, ToClient::Stored { .. }));
        until("every store to be taken", || {
            (node.count("stored") + node.count("waiting_bytes") > 0).then_some(())
        });
        node.signal(signal);
        assert!(matches!(idle.frame().await, ToClient::Bye { .. }));
        let going = Ended { code: Some(1001), reason: "draining".into() };
        assert_eq!(idle.ended().await, going);
        let mut answered = 1;
        let end = loop {
            match busy.next().await {
                Ok(ToClient::Stored { .. }) => answered += 1,
                Ok(_) => {}
                Err(end) => break end,
            }
        };
        assert_eq!(end, going);
        assert_eq!(node.ended().code(), Some(0), "{}", node.log());
        println!("{answered} of 100 answered before the end");
        assert!(node.log().contains("stopping"));
    }
}

#[tokio::test]
async fn logs_and_data_name_nobody() {
    let (dir, mut node) = node(&["observability.log=trace"]);
    let keys = packets::mailbox(1);
    let mut client = Client::connect(&node).await;
    client.open(0, &keys).await;
    let expiry = packets::hour() + DEFAULT_TTL_HOURS;
    let packet = packets::sealed(&keys, 1, b"meet me at the harbour", Kind::Message, expiry);
    assert_eq!(client.store(0, &packet).await, Ok(()));
    client.watch(0, &keys, Cursor::default()).await;
    client.item().await;
    node.signal("TERM");
    client.ended().await;
    node.ended();
    // What it logged; the lines for whoever started it hold its own address.
    let log: String = node.log().lines().filter(|line| line.starts_with('{')).collect();
    assert!(!log.is_empty());
    let opening = keys.opening();
    for secret in [&keys.id().0, &opening.write_key, &opening.read_key, &keys.header_key().0] {
        let (hex, base64) = (data_encoding::HEXLOWER.encode(secret), data_encoding::BASE64.encode(secret));
        let decimal = format!("{:?}", &secret[..4]).trim_matches(['[', ']']).to_owned();
        for form in [hex[..16].to_owned(), base64[..16].to_owned(), decimal] {
            assert!(!log.contains(&form), "the log holds {form}: {log}");
        }
    }
    assert!(!log.contains("127.0.0.1"), "an address: {log}");
    for file in std::fs::read_dir(dir.path()).expect("the folder").flatten() {
        let bytes = std::fs::read(file.path()).expect("a file");
        for secret in [&opening.write_key, &opening.read_key, &keys.header_key().0] {
            assert!(
                !bytes.windows(16).any(|window| window == &secret[..16]),
                "{:?} holds a key",
                file.path()
            );
        }
    }
}
