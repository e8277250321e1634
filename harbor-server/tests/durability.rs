//! A packet that was acknowledged is on disk, whatever happens to the process or to the disk.

mod support;

use harbor_proto::packet::{MailboxKeys, Packet};
use harbor_proto::wire::link::{Refusal, Tail, ToClient, ToNode};
use std::collections::{HashMap, HashSet};
use std::process::Command;
use support::client::Client;
use support::{Node, OPEN, harbor, packets, until};

/// Times the process is killed; the promise is made for any number.
const KILLS: u32 = 50;
/// Stores that wait for an answer at any moment of the load, per client.
const WINDOW: usize = 200;
const MAILBOXES: u16 = 4;

/// Sends packets until the link breaks and gives back those that were acknowledged.
async fn load(
    mut client: Client,
    boxes: Vec<MailboxKeys>,
    first: u64,
    stop_at: usize,
    killer: impl FnOnce(),
) -> Vec<Vec<u8>> {
    for (slot, keys) in (0..).zip(&boxes) {
        client.open(slot, keys).await;
    }
    let mut sent: HashMap<u32, Vec<u8>> = HashMap::new();
    let mut acknowledged = Vec::new();
    let mut killer = Some(killer);
    let mut next = 0u32;
    loop {
        while sent.len() < WINDOW {
            let slot = u16::try_from(next % u32::from(MAILBOXES)).expect("small");
            let packet = packets::message(&boxes[usize::from(slot)], first + u64::from(next));
            let frame = ToNode::Store { req: next, slot, packet: Tail(packet.clone()) };
            if client.feed(&frame).await.is_err() {
                break;
            }
            sent.insert(next, packet);
            next += 1;
        }
        let _ = client.flush().await;
        match client.next().await {
            Ok(ToClient::Stored { req }) => acknowledged.push(sent.remove(&req).expect("asked once")),
            Ok(other) => panic!("{other:?} during the load"),
            Err(_) => return acknowledged,
        }
        // The kill falls somewhere into the stores that are under way; what the node had already answered
        // is still read from the socket and counts.
        if acknowledged.len() >= stop_at
            && let Some(kill) = killer.take()
        {
            kill();
        }
    }
}

/// True when the mailboxes hold every one of `packets`, each once.
async fn find(node: &Node, boxes: &[MailboxKeys], packets: &[Vec<u8>]) -> usize {
    let mut client = Client::connect(node).await;
    let mut found = HashSet::new();
    for (slot, keys) in (0..).zip(boxes) {
        client.open(slot, keys).await;
        let stored = client.pull_all(slot, keys).await;
        assert!(stored.is_sorted_by(|a, b| a.0 < b.0), "log order");
        for (_, packet) in stored {
            let id = Packet::parse(&packet).expect("a packet").id();
            assert!(found.insert(id), "a packet is there twice");
        }
    }
    packets.iter().filter(|packet| found.contains(&Packet::parse(packet).expect("a packet").id())).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_kills_lose_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("temp");
    let mut node = Node::start(dir.path(), &OPEN);
    let (mut total, mut last_seq) = (0, 0);
    for round in 0..KILLS {
        let boxes: Vec<MailboxKeys> =
            (0..u32::from(MAILBOXES)).map(|i| packets::mailbox(round * u32::from(MAILBOXES) + i)).collect();
        let client = Client::connect(&node).await;
        // Another point of the load every time, from the first answer on.
        let stop_at = 1 + (round as usize * 97) % 400;
        let pid = node.pid().to_string();
        let kill = || assert!(Command::new("kill").args(["-9", &pid]).status().expect("kill runs").success());
        let acknowledged = load(client, boxes.clone(), u64::from(round) << 32, stop_at, kill).await;
        node.kill();
        node = Node::start(dir.path(), &OPEN);
        let found = find(&node, &boxes, &acknowledged).await;
        assert_eq!(found, acknowledged.len(), "round {round} lost acknowledged packets");
        total += found;
        last_seq = check_numbers(&node, &boxes, last_seq).await;
    }
    println!("{KILLS} kills: {total} packets acknowledged, {total} found again, 0 lost, 0 twice");
}

/// Log numbers only grow over all restarts. Returns the greatest.
async fn check_numbers(node: &Node, boxes: &[MailboxKeys], before: u64) -> u64 {
    let mut client = Client::connect(node).await;
    let mut last = before;
    for (slot, keys) in (0..).zip(boxes) {
        client.open(slot, keys).await;
        for (seq, _) in client.pull_all(slot, keys).await {
            assert!(seq > before, "a number was given twice");
            last = last.max(seq);
        }
    }
    last
}

#[tokio::test]
async fn many_packets_share_one_commit_and_duplicates_take_no_room() {
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &OPEN);
    let mut client = Client::connect(&node).await;
    let keys = packets::mailbox(1);
    client.open(0, &keys).await;
    for round in 0..2 {
        for req in 0..500 {
            let packet = Tail(packets::message(&keys, u64::from(req)));
            client.feed(&ToNode::Store { req, slot: 0, packet }).await.expect("fed");
        }
        client.flush().await.expect("sent");
        let mut answered = HashSet::new();
        while answered.len() < 500 {
            let ToClient::Stored { req } = client.frame().await else { panic!("not stored") };
            assert!(answered.insert(req), "answered once");
        }
        let (commits, committed, new) =
            (node.count("commits"), node.count("committed"), node.count("stored_new"));
        println!("round {round}: {committed} acknowledgements by {commits} commits");
        assert!(commits * 4 <= committed, "{commits} commits for {committed} packets");
        assert_eq!(new, 500);
        assert_eq!(node.count("stored_bytes"), 500 * 1024);
    }
    assert_eq!(client.pull_all(0, &keys).await.len(), 500);
}

#[tokio::test]
async fn a_full_mailbox_is_refused_and_stays_as_it_is() {
    let dir = tempfile::tempdir().expect("temp");
    let sets = [&OPEN[..], &["storage.quota_per_mailbox_packets=3"]].concat();
    let node = Node::start(dir.path(), &sets);
    let mut client = Client::connect(&node).await;
    let (full, other) = (packets::mailbox(1), packets::mailbox(2));
    client.open(0, &full).await;
    client.open(1, &other).await;
    for n in 0..3 {
        assert_eq!(client.store(0, &packets::message(&full, n)).await, Ok(()));
    }
    assert_eq!(client.store(0, &packets::message(&full, 3)).await, Err(Refusal::Full));
    assert_eq!(client.store(0, &packets::message(&full, 0)).await, Ok(()), "it is there already");
    assert_eq!(client.store(1, &packets::message(&other, 4)).await, Ok(()));
    assert_eq!(client.pull_all(0, &full).await.len(), 3);
    assert_eq!(node.count("full"), 1);
}

/// The system refuses to let files grow, as on a full disk; later it has room again.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_gives_no_false_acknowledgement() {
    let dir = tempfile::tempdir().expect("temp");
    let mut shell = Command::new("sh");
    // The signal would end the process before it sees the error.
    shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]).arg(harbor().get_program());
    let mut node = Node::spawn(shell, dir.path(), &OPEN);
    let allow = |bytes: &str| {
        let set = Command::new("prlimit")
            .args(["--pid", &node.pid().to_string(), &format!("--fsize={bytes}:")])
            .status();
        assert!(set.expect("prlimit runs").success());
    };
    allow("1500000");
    let keys = packets::mailbox(1);
    let mut client = Client::connect(&node).await;
    client.open(0, &keys).await;
    let (mut acknowledged, mut n) = (Vec::new(), 0);
    let refusal = loop {
        let packet = packets::message(&keys, n);
        match client.store(0, &packet).await {
            Ok(()) => acknowledged.push(packet),
            Err(refusal) => break refusal,
        }
        n += 1;
        assert!(n < 4000, "the disk never filled up");
    };
    assert_eq!(refusal, Refusal::Unavailable);
    let (status, why) = node.get("/readyz");
    assert_eq!((status, why.as_str()), (503, "the database cannot be written\n"));
    assert_eq!(node.get("/healthz").0, 200);

    allow("unlimited");
    until("readiness without anybody storing", || (node.get("/readyz").0 == 200).then_some(()));
    let packet = packets::message(&keys, 1_000_000);
    assert_eq!(client.store(0, &packet).await, Ok(()));
    acknowledged.push(packet);
    assert!(acknowledged.len() > 10, "the disk was full from the start");
    node.kill();
    let node = Node::start(dir.path(), &OPEN);
    assert_eq!(find(&node, &[keys], &acknowledged).await, acknowledged.len());
}

/// More than the node takes onto its way to disk at once: links wait to be read, nothing is forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_large_packets_is_answered_to_the_last() {
    const EACH: u32 = 512;
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &[&OPEN[..], &["storage.quota_per_mailbox=1 GiB"]].concat());
    let before = node.memory();
    let mut links = Vec::new();
    for n in 0..3 {
        let mut client = Client::connect(&node).await;
        let keys = packets::mailbox(n);
        client.open(0, &keys).await;
        links.push(tokio::spawn(async move {
            for req in 0..EACH {
                let content = vec![1; 60_000];
                let expiry = packets::hour() + 24;
                let packet = packets::sealed(
                    &keys,
                    u64::from(req),
                    &content,
                    harbor_proto::packet::Kind::Message,
                    expiry,
                );
                client
                    .feed(&ToNode::Store { req, slot: 0, packet: Tail(packet) })
                    .await
                    .expect("the link is up");
            }
            client.flush().await.expect("the link is up");
            let mut stored = 0;
            for _ in 0..EACH {
                match client.frame().await {
                    ToClient::Stored { .. } => stored += 1,
                    ToClient::Refused { why: Refusal::Unavailable | Refusal::TooMany, .. } => {}
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(
                client.pull_all(0, &keys).await.len(),
                stored,
                "what was acknowledged is what is there"
            );
            stored
        }));
    }
    let mut stored = 0;
    for link in links {
        stored += link.await.expect("no panic");
    }
    let grown = node.memory().saturating_sub(before) >> 20;
    println!("{stored} of {} packets of 64 KiB stored, the node grew by {grown} MiB", 3 * EACH);
    assert!(stored > 100);
    assert!(grown < 256, "it grew by {grown} MiB");
}
