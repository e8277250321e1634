//! What a node can do, printed. Not part of the tests; with an optimised program:
//!
//! ```sh
//! cargo build --release -p harbor-server
//! HARBOR_BIN=$PWD/target/release/harbor cargo test --release -p harbor-server --test measure -- --ignored --nocapture --test-threads 1
//! ```
//! Numbers for comparison with others come from the benches.

mod support;

use harbor_proto::packet::MailboxKeys;
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Cursor, Tail, ToClient, ToNode, Verb};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};
use support::{Node, OPEN, PATIENCE, packets};

/// A link that costs next to nothing: no library, a mask of zeros, frames made beforehand.
struct Bare {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    node: harbor_proto::id::EndpointId,
    challenge: [u8; 32],
}

fn framed(frame: &ToNode) -> Vec<u8> {
    let payload = frame.to_bytes();
    let mut out = vec![0x82];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&payload);
    out
}

impl Bare {
    fn connect(node: &Node) -> Self {
        let mut writer = TcpStream::connect(&node.address).expect("it listens");
        writer.set_nodelay(true).expect("set");
        writer.set_read_timeout(Some(PATIENCE)).expect("set");
        let request = "GET /link HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        writer.write_all(request.as_bytes()).expect("sent");
        let mut reader = BufReader::with_capacity(1 << 18, writer.try_clone().expect("cloned"));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a line");
        }
        let mut link =
            Self { reader, writer, node: harbor_proto::id::EndpointId([0; 32]), challenge: [0; 32] };
        let first = ToClient::from_bytes(&link.payload()).expect("a frame");
        let ToClient::Welcome { node, challenge, .. } = first else { panic!("{first:?}") };
        (link.node, link.challenge) = (node, challenge);
        link
    }

    fn payload(&mut self) -> Vec<u8> {
        let mut head = [0; 2];
        self.reader.read_exact(&mut head).expect("a frame");
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.reader.read_exact(&mut len).expect("a frame");
                usize::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.reader.read_exact(&mut len).expect("a frame");
                usize::try_from(u64::from_be_bytes(len)).expect("small")
            }
            len => usize::from(len),
        };
        let mut payload = vec![0; len];
        self.reader.read_exact(&mut payload).expect("a frame");
        payload
    }

    /// Waits for the next frame.
    fn has_more(&mut self) -> bool {
        self.reader.fill_buf().is_ok_and(|bytes| !bytes.is_empty())
    }

    fn send(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).expect("sent");
    }

    fn open(&mut self, keys: &MailboxKeys) {
        let proof = keys.prove(&self.node, &self.challenge, Verb::Pass, &Cursor::default());
        let open =
            ToNode::Open { slot: 0, mailbox: keys.id(), opening: keys.opening(), write_proof: Some(proof) };
        self.send(&framed(&open));
    }

    fn watch(&mut self, keys: &MailboxKeys) {
        let after = Cursor::default();
        let proof = keys.prove(&self.node, &self.challenge, Verb::Watch, &after);
        self.send(&framed(&ToNode::Watch { slot: 0, after, proof }));
        let answer = ToClient::from_bytes(&self.payload()).expect("a frame");
        assert!(matches!(answer, ToClient::Watching { .. }), "{answer:?}");
    }
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) * percent / 100]
}

#[test]
#[ignore = "prints a measurement"]
fn passed_messages_per_cpu_second() {
    for (window, count) in [(1, 20_000), (200, 300_000)] {
        let dir = tempfile::tempdir().expect("temp");
        let node = Node::start(dir.path(), &OPEN);
        let keys = packets::mailbox(1);
        let (mut from, mut to) = (Bare::connect(&node), Bare::connect(&node));
        from.open(&keys);
        to.open(&keys);
        to.watch(&keys);
        let frame = framed(&ToNode::Pass { slot: 0, packet: Tail(packets::signal(&keys, 1)) });
        let (cpu, start) = (node.cpu(), Instant::now());
        let (mut sent, mut times, mut under_way) = (0, Vec::new(), VecDeque::new());
        while times.len() < count {
            // Half a window at a time, as a busy peer's socket would hand it over.
            if under_way.len() <= window / 2 {
                let more = (window - under_way.len()).min(count - sent);
                from.send(&frame.repeat(more));
                under_way.extend(std::iter::repeat_n(Instant::now(), more));
                sent += more;
            }
            assert!(to.has_more(), "after {}: {}", times.len(), node.counters());
            assert!(to.payload().len() > 1024);
            times.push(under_way.pop_front().expect("one per item").elapsed());
        }
        let (cpu, wall) = (node.cpu() - cpu, start.elapsed());
        println!(
            "pass, window {window}: {:.0}/s, {:.0} per CPU second, p50 {:?}, p99 {:?}",
            count as f64 / wall.as_secs_f64(),
            count as f64 / cpu.as_secs_f64(),
            percentile(&mut times, 50),
            percentile(&mut times, 99)
        );
    }
}

#[test]
#[ignore = "prints a measurement"]
fn durable_stores_per_second() {
    const LINKS: usize = 4;
    const EACH: usize = 10_000;
    const WINDOW: usize = 256;
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("temp");
    let node = Node::start(dir.path(), &OPEN);
    let mut loads = Vec::new();
    for link in 0..LINKS {
        let boxes: Vec<MailboxKeys> = (0..16).map(|i| packets::mailbox((link * 16 + i) as u32)).collect();
        let mut bare = Bare::connect(&node);
        for (slot, keys) in (0..).zip(&boxes) {
            bare.send(&framed(&ToNode::Open {
                slot,
                mailbox: keys.id(),
                opening: keys.opening(),
                write_proof: None,
            }));
        }
        let frames: Vec<Vec<u8>> = (0..EACH)
            .map(|n| {
                let slot = n % boxes.len();
                let packet = Tail(packets::message(&boxes[slot], (link * EACH + n) as u64));
                framed(&ToNode::Store { req: n as u32, slot: slot as u16, packet })
            })
            .collect();
        loads.push((bare, frames));
    }
    let (cpu, start) = (node.cpu(), Instant::now());
    let threads: Vec<_> =
        loads.into_iter().map(|(bare, frames)| std::thread::spawn(|| store_all(bare, frames))).collect();
    let mut times: Vec<Duration> =
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
    let (wall, count) = (start.elapsed(), (LINKS * EACH) as f64);
    println!(
        "store, {LINKS} links of {WINDOW}: {:.0}/s, {:.0} per CPU second, {:.0} per commit, p50 {:?}, p99 {:?}",
        count / wall.as_secs_f64(),
        count / (node.cpu() - cpu).as_secs_f64(),
        count / node.count("commits") as f64,
        percentile(&mut times, 50),
        percentile(&mut times, 99)
    );

    fn store_all(mut bare: Bare, frames: Vec<Vec<u8>>) -> Vec<Duration> {
        let mut sent: Vec<Instant> = Vec::with_capacity(frames.len());
        let mut times = Vec::with_capacity(frames.len());
        while times.len() < frames.len() {
            let more = (WINDOW - (sent.len() - times.len())).min(frames.len() - sent.len());
            if more > 0 {
                bare.send(&frames[sent.len()..sent.len() + more].concat());
                sent.resize(sent.len() + more, Instant::now());
            }
            let answer = ToClient::from_bytes(&bare.payload()).expect("a frame");
            let ToClient::Stored { req } = answer else { panic!("{answer:?}") };
            times.push(sent[req as usize].elapsed());
        }
        times
    }
}

#[test]
#[ignore = "prints a measurement"]
fn memory_of_an_idle_link() {
    const COUNT: u64 = 8000;
    let _ = rlimit::increase_nofile_limit(u64::MAX);
    let dir = tempfile::tempdir().expect("temp");
    let node = Node::start(dir.path(), &OPEN);
    let mut held: Vec<Bare> = (0..10).map(|_| Bare::connect(&node)).collect();
    let before = node.memory();
    for _ in 0..COUNT {
        let mut link = Bare::connect(&node);
        // The client's own buffer is not what is measured, and 8,000 of them are much.
        link.reader = BufReader::with_capacity(0, link.writer.try_clone().expect("cloned"));
        held.push(link);
    }
    println!("idle link: {} bytes", (node.memory() - before) / COUNT);
}
