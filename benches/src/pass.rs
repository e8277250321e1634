//! Messages handed from one client to another who is there, per CPU second of the server that does it.

use crate::figures::{grouped, median, percentile, span, table};
use crate::link::{self, Link, frame};
use crate::process::Server;
use crate::row;
use crate::socket::{Socket, TEXT, framed};
use harbor_proto::wire::link::{Arrival, Tail, ToNode, item_bytes};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Characters of a signal: an SDP of a data channel, or what is left of one.
const TEXT_LEN: usize = 700;
/// Different messages of one pair, again and again.
const RING: usize = 64;
/// Bytes a client reads at once.
const BUFFER: usize = 1 << 18;

/// (pairs of clients, messages under way for each)
const LOADS: [(usize, usize); 3] = [(1, 1), (1, 200), (200, 1)];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Harbor,
    PeerJs,
    YWebrtc,
}

const KINDS: [(Kind, &str); 3] =
    [(Kind::Harbor, "Harbor"), (Kind::PeerJs, "PeerJS"), (Kind::YWebrtc, "y-webrtc")];

/// One who sends and one who gets it.
struct Pair {
    from: Socket,
    to: Socket,
    /// Frames to send, and what the other has to get for each.
    ring: Vec<(Vec<u8>, Vec<u8>)>,
    sent: usize,
    got: usize,
}

#[derive(Default)]
struct Run {
    per_sec: f64,
    per_cpu_sec: f64,
    p50: Duration,
    p99: Duration,
}

/// Rounds of `seconds` for every load and server, in turns.
pub fn run(seconds: f64, rounds: usize) {
    println!(
        "## Passing: {TEXT_LEN} characters from one client to another, {rounds} rounds of {seconds} s\n"
    );
    let mut rows =
        vec![row!["load", "server", "passed/s", "per CPU second", "p50", "p99", "Harbor against it"]];
    for (pairs, window) in LOADS {
        let mut runs: Vec<Vec<Run>> = KINDS.iter().map(|_| Vec::new()).collect();
        for _ in 0..rounds {
            for ((kind, _), runs) in KINDS.iter().zip(&mut runs) {
                runs.push(measure(*kind, pairs, window, seconds));
            }
        }
        let load = match (pairs, window) {
            (1, window) => format!("1 pair, window {window}"),
            (pairs, window) => format!("{pairs} pairs, window {window} each"),
        };
        let middle = |runs: &[Run], of: fn(&Run) -> f64| median(&runs.iter().map(of).collect::<Vec<_>>());
        let cpu = |run: &Run| run.per_cpu_sec;
        let p99 = |run: &Run| run.p99.as_secs_f64();
        for ((_, name), theirs) in KINDS.iter().zip(&runs) {
            let (faster, slower) =
                (middle(&runs[0], cpu) / middle(theirs, cpu), middle(&runs[0], p99) / middle(theirs, p99));
            rows.push(row![
                load,
                name,
                grouped(middle(theirs, |run| run.per_sec)),
                grouped(middle(theirs, cpu)),
                span(Duration::from_secs_f64(middle(theirs, |run| run.p50.as_secs_f64()))),
                span(Duration::from_secs_f64(middle(theirs, p99))),
                if *name == "Harbor" {
                    String::new()
                } else {
                    format!("{faster:.1} × per CPU second, {slower:.2} × its p99")
                }
            ]);
        }
    }
    table(&rows);
    println!("Every message was compared byte for byte with what its receiver had to get.\n");
}

/// Text that no other place in a ring has; what JSON would escape is not in it.
fn text(pair: usize, n: usize) -> String {
    let mut text = format!("v=0 {pair} {n} ");
    while text.len() < TEXT_LEN {
        text.push(char::from(b'a' + (text.len() * 7 + n) as u8 % 26));
    }
    text
}

fn measure(kind: Kind, pairs: usize, window: usize, seconds: f64) -> Run {
    let data = tempfile::tempdir().expect("a folder");
    let server = match kind {
        Kind::Harbor => Server::harbor(data.path()),
        Kind::PeerJs => Server::node("peerjs.mjs"),
        Kind::YWebrtc => Server::node("y-webrtc.mjs"),
    };
    let mut pairs: Vec<Pair> = (0..pairs).map(|n| pair(kind, &server.address, n)).collect();
    // Compilers that learn while running get the time to.
    drive(&mut pairs, window, seconds / 4.0);
    let (cpu, start) = (server.cpu(), Instant::now());
    let mut times = drive(&mut pairs, window, seconds);
    let (wall, cpu) = (start.elapsed(), server.cpu().saturating_sub(cpu));
    let count = times.len() as f64;
    Run {
        per_sec: count / wall.as_secs_f64(),
        per_cpu_sec: count / cpu.as_secs_f64(),
        p50: percentile(&mut times, 50),
        p99: percentile(&mut times, 99),
    }
}

/// Keeps `window` messages of every pair under way for `seconds`; the time each took.
fn drive(pairs: &mut [Pair], window: usize, seconds: f64) -> Vec<Duration> {
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let mut under_way: VecDeque<(usize, Instant)> = VecDeque::new();
    let mut times = Vec::new();
    loop {
        // Half a window at a time, as a busy peer's socket would hand it over; nothing more at the end.
        if Instant::now() < until && under_way.len() <= pairs.len() * window / 2 {
            for (n, pair) in pairs.iter_mut().enumerate() {
                let more = window - (pair.sent - pair.got);
                if more == 0 {
                    continue;
                }
                // Before the send: a server on the same core may answer before it returns.
                let now = Instant::now();
                pair.send(more);
                under_way.extend(std::iter::repeat_n((n, now), more));
            }
        }
        let Some((n, since)) = under_way.pop_front() else { return times };
        pairs[n].receive();
        times.push(since.elapsed());
    }
}

impl Pair {
    fn send(&mut self, count: usize) {
        let frames: Vec<u8> =
            (self.sent..self.sent + count).flat_map(|n| &self.ring[n % self.ring.len()].0).copied().collect();
        self.from.send(&frames);
        self.sent += count;
    }

    fn receive(&mut self) {
        let want = &self.ring[self.got % self.ring.len()].1;
        let got = self.to.message();
        assert!(
            got == want,
            "another message than was sent: {} for {}",
            String::from_utf8_lossy(got),
            String::from_utf8_lossy(want)
        );
        self.got += 1;
    }
}

fn pair(kind: Kind, address: &str, n: usize) -> Pair {
    let (from, to, ring) = match kind {
        Kind::Harbor => harbor_pair(address, n),
        Kind::PeerJs => peerjs_pair(address, n),
        Kind::YWebrtc => y_webrtc_pair(address, n),
    };
    Pair { from, to, ring, sent: 0, got: 0 }
}

type Ends = (Socket, Socket, Vec<(Vec<u8>, Vec<u8>)>);

/// Sealed packets to a mailbox that the other watches.
fn harbor_pair(address: &str, n: usize) -> Ends {
    let keys = link::mailbox(n);
    let (mut from, mut to) = (Link::connect(address, BUFFER), Link::connect(address, BUFFER));
    from.open(0, &keys);
    to.open(0, &keys);
    to.watch(0, &keys);
    let ring = (0..RING).map(|i| {
        let packet = link::signal(&keys, i, &text(n, i));
        let want = item_bytes(0, Arrival::Passed, 0, &packet);
        (frame(&ToNode::Pass { slot: 0, packet: Tail(packet) }), want)
    });
    let ring = ring.collect();
    (from.socket, to.socket, ring)
}

/// Offers from one id to another.
fn peerjs_pair(address: &str, n: usize) -> Ends {
    let connect = |id: &str| {
        let path = format!("/peerjs?key=peerjs&id={id}&token=t{n}");
        let mut socket = Socket::connect(address, &path, BUFFER);
        assert_eq!(socket.message(), br#"{"type":"OPEN"}"#);
        socket
    };
    let (src, dst) = (format!("a{n}"), format!("b{n}"));
    let (from, to) = (connect(&src), connect(&dst));
    let ring = (0..RING).map(|i| {
        let text = text(n, i);
        let sent = format!(r#"{{"type":"OFFER","payload":"{text}","dst":"{dst}"}}"#);
        let want = format!(r#"{{"type":"OFFER","src":"{src}","dst":"{dst}","payload":"{text}"}}"#);
        (framed(TEXT, sent.as_bytes()), want.into_bytes())
    });
    (from, to, ring.collect())
}

/// Publications to a topic that the other, and only the other, has subscribed to.
fn y_webrtc_pair(address: &str, n: usize) -> Ends {
    let from = Socket::connect(address, "/", BUFFER);
    let mut to = Socket::connect(address, "/", BUFFER);
    let topic = format!("room{n}");
    // The pong says that the subscription before it was read.
    let subscribe = format!(r#"{{"type":"subscribe","topics":["{topic}"]}}"#);
    to.send(&framed(TEXT, subscribe.as_bytes()));
    to.send(&framed(TEXT, br#"{"type":"ping"}"#));
    assert_eq!(to.message(), br#"{"type":"pong"}"#);
    let ring = (0..RING).map(|i| {
        let sent = format!(r#"{{"type":"publish","topic":"{topic}","data":"{}""#, text(n, i));
        (framed(TEXT, format!("{sent}}}").as_bytes()), format!(r#"{sent},"clients":1}}"#).into_bytes())
    });
    (from, to, ring.collect())
}
