//! Packets kept durably, acknowledged after the sync that covers them, and given out again.

use crate::disk::{Plain, fdatasyncs};
use crate::figures::{grouped, median, percentile, span, table};
use crate::link::{self, Link, frame};
use crate::process::{Server, here};
use crate::row;
use harbor_proto::packet::MailboxKeys;
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Cursor, Tail, ToClient, ToNode};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

const LINKS: usize = 4;
/// Mailboxes of one link.
const MAILBOXES: usize = 64;
const BUFFER: usize = 1 << 18;
/// Packets of one pull, and pulls under way on one link.
const PAGE: usize = 32;
const PULLS: usize = 4;

/// How stores follow one another, on all links together.
#[derive(Clone, Copy)]
enum Pace {
    /// So many are under way; each answer makes room for another.
    UnderWay(usize),
    /// So many a second, whether or not the earlier ones are answered; each is timed from when it was due.
    PerSecond(u32),
}

/// A packet size, a pace, and how many packets are stored.
const LOADS: [(usize, Pace, usize); 11] = [
    (1024, Pace::UnderWay(32), 16_000),
    (1024, Pace::UnderWay(64), 24_000),
    (1024, Pace::UnderWay(128), 40_000),
    (1024, Pace::UnderWay(256), 60_000),
    (1024, Pace::UnderWay(1024), 60_000),
    (1024, Pace::PerSecond(5_000), 50_000),
    (1024, Pace::PerSecond(10_000), 100_000),
    (1024, Pace::PerSecond(12_000), 120_000),
    (4096, Pace::UnderWay(64), 16_000),
    (4096, Pace::UnderWay(256), 24_000),
    (4096, Pace::PerSecond(10_000), 60_000),
];

/// One link's mailboxes and what it stores, in order: (mailbox, packet).
struct Load {
    boxes: Vec<MailboxKeys>,
    packets: Vec<(usize, Vec<u8>)>,
}

/// `share` of the packets, for a quick look.
pub fn run(share: f64) {
    let sizes = [1024, 4096];
    for size in sizes {
        of_size(size, share);
    }
}

fn folder() -> tempfile::TempDir {
    let target = here().join("target");
    std::fs::create_dir_all(&target).expect("a folder");
    // Not in /tmp, which may be memory.
    tempfile::tempdir_in(target).expect("a folder")
}

fn of_size(size: usize, share: f64) {
    println!("## Durable stores of {size} bytes: {LINKS} links, {} mailboxes\n", LINKS * MAILBOXES);
    let dir = folder();
    let mut syncs = fdatasyncs(dir.path(), 2.0 * share.max(0.1));
    let (sync_rate, single, batched) = alone(dir.path(), size, share);
    let mut rows = vec![row![
        "who",
        "stores/s",
        "p50",
        "p99",
        "p50 in fdatasyncs",
        "p99 in fdatasyncs",
        "CPU per store",
        "against SQLite, one per commit",
        "stores per fdatasync of the disk"
    ]];
    let mut pulled = String::new();
    for (_, pace, count) in LOADS.iter().filter(|(of, ..)| *of == size) {
        let count = (*count as f64 * share) as usize / LINKS;
        let before = fdatasyncs(dir.path(), share);
        let one = harbor(size, *pace, count, share);
        let after = fdatasyncs(dir.path(), share);
        let mut around: Vec<Duration> = before.into_iter().chain(after).collect();
        let unit = percentile(&mut around, 50).as_secs_f64();
        rows.push(row![
            match pace {
                Pace::UnderWay(count) => format!("Harbor, {count} under way"),
                Pace::PerSecond(rate) => format!("Harbor, {} a second due", grouped(f64::from(*rate))),
            },
            grouped(one.per_sec),
            span(one.p50),
            span(one.p99),
            format!("{:.1}", one.p50.as_secs_f64() / unit),
            format!("{:.1}", one.p99.as_secs_f64() / unit),
            format!("{:.0} µs", one.cpu_each * 1e6),
            format!("{:.1} ×", one.per_sec / single),
            format!("{:.1}", one.per_sec * unit)
        ]);
        syncs.extend(around);
        pulled = one.pulled;
    }
    for (who, rate) in [("SQLite, one per commit", single), ("SQLite, 1,000 per commit", batched)] {
        let against = format!("{:.1} ×", rate / single);
        rows.push(row![who, grouped(rate), "", "", "", "", "", against, format!("{:.1}", rate / sync_rate)]);
    }
    table(&rows);
    let (p50, p99) = (percentile(&mut syncs, 50), percentile(&mut syncs, 99));
    println!(
        "fdatasync here, in the same run: {} a second, p50 {}, p99 {}",
        grouped(sync_rate),
        span(p50),
        span(p99)
    );
    println!("{pulled}");
    println!(
        "After the last acknowledgement each node was killed (-9) and started again; every packet came back,"
    );
    println!("byte for byte and in order.\n");
}

/// The disk's syncs a second, and SQLite's rows a second with one and with 1,000 in a commit.
fn alone(dir: &Path, size: usize, share: f64) -> (f64, f64, f64) {
    let keys: Vec<MailboxKeys> = (0..MAILBOXES).map(link::mailbox).collect();
    let packets: Vec<Vec<u8>> = (0..4096).map(|n| link::message(&keys[n % MAILBOXES], n, size)).collect();
    let seconds = 4.0 * share.max(0.1);
    let rate = |times: &[Duration]| times.len() as f64 / times.iter().sum::<Duration>().as_secs_f64();
    let first = rate(&fdatasyncs(dir, seconds / 2.0));
    let mut plain = Plain::new(dir);
    let single = plain.inserts(&packets, 1, seconds);
    let batched = plain.inserts(&packets, 1000, seconds / 2.0);
    let names: Vec<Vec<u8>> = keys.iter().map(|keys| keys.id().0.to_vec()).collect();
    let pages = plain.pages(&names, PAGE, seconds / 2.0);
    println!("SQLite alone, one thread: {} pages of {PAGE} packets a second", grouped(pages));
    (median(&[first, rate(&fdatasyncs(dir, seconds / 2.0))]), single, batched)
}

struct Stored {
    per_sec: f64,
    cpu_each: f64,
    p50: Duration,
    p99: Duration,
    pulled: String,
}

fn harbor(size: usize, pace: Pace, each: usize, share: f64) -> Stored {
    let data = folder();
    let mut server = Server::harbor(data.path());
    let loads = in_threads((0..LINKS).collect(), |link| load(link, size, each));
    let started: Vec<(Link, Load)> = loads.into_iter().map(|load| (connect(&server, &load), load)).collect();
    let (cpu, start) = (server.cpu(), Instant::now());
    let done = in_threads(started, |(link, load)| {
        let times = match pace {
            Pace::UnderWay(count) => store_all(link, &load, count / LINKS),
            Pace::PerSecond(rate) => store_steadily(link, &load, f64::from(rate) / LINKS as f64),
        };
        (times, load)
    });
    let (wall, cpu) = (start.elapsed(), server.cpu().saturating_sub(cpu));
    server.kill();
    let server = Server::harbor(data.path());
    let (mut times, loads): (Vec<_>, Vec<_>) = done.into_iter().unzip();
    let mut times: Vec<Duration> = times.iter_mut().flat_map(std::mem::take).collect();
    in_threads(loads.iter().collect(), |load| pull_all(connect(&server, load), load));
    let count = times.len() as f64;
    Stored {
        per_sec: count / wall.as_secs_f64(),
        cpu_each: cpu.as_secs_f64() / count,
        p50: percentile(&mut times, 50),
        p99: percentile(&mut times, 99),
        pulled: pulls(&server, &loads, 3.0 * share.max(0.1)),
    }
}

fn in_threads<T: Send, R: Send>(items: Vec<T>, act: impl Fn(T) -> R + Sync) -> Vec<R> {
    let act = &act;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items.into_iter().map(|item| scope.spawn(move || act(item))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn load(link: usize, size: usize, each: usize) -> Load {
    let boxes: Vec<MailboxKeys> = (0..MAILBOXES).map(|n| link::mailbox(link * MAILBOXES + n)).collect();
    let packets = (0..each).map(|n| {
        let to = n % MAILBOXES;
        (to, link::message(&boxes[to], link * each + n, size))
    });
    Load { packets: packets.collect(), boxes }
}

fn connect(server: &Server, load: &Load) -> Link {
    let mut link = Link::connect(&server.address, BUFFER);
    for (slot, keys) in (0..).zip(&load.boxes) {
        link.open(slot, keys);
    }
    link
}

/// Stores everything with `window` under way; how long each took.
fn store_all(mut link: Link, load: &Load, window: usize) -> Vec<Duration> {
    let frames = store_frames(load);
    let mut sent: Vec<Instant> = Vec::with_capacity(frames.len());
    let mut times = Vec::with_capacity(frames.len());
    let mut seen = vec![false; frames.len()];
    while times.len() < frames.len() {
        let more = (window - (sent.len() - times.len())).min(frames.len() - sent.len());
        // Answers come in bunches, one per commit; what they make room for is sent in one piece.
        if more > 0 && !link.socket.has_buffered() {
            let now = Instant::now();
            link.socket.send(&frames[sent.len()..sent.len() + more].concat());
            sent.resize(sent.len() + more, now);
        }
        times.push(sent[stored(&mut link, &mut seen)].elapsed());
    }
    times
}

/// Stores everything at `rate` a second from a thread that waits for nothing; how long after each was due its answer came.
fn store_steadily(mut link: Link, load: &Load, rate: f64) -> Vec<Duration> {
    let frames = store_frames(load);
    let mut seen = vec![false; frames.len()];
    let (start, mut sender) = (Instant::now(), link.socket.sender());
    let due = |n: usize| start + Duration::from_secs_f64(n as f64 / rate);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut next = 0;
            while next < frames.len() {
                std::thread::sleep(due(next).saturating_duration_since(Instant::now()));
                let first = next;
                while next < frames.len() && due(next) <= Instant::now() {
                    next += 1;
                }
                sender.write_all(&frames[first..next].concat()).expect("sent");
            }
        });
        (0..frames.len()).map(|_| due(stored(&mut link, &mut seen)).elapsed()).collect()
    })
}

fn store_frames(load: &Load) -> Vec<Vec<u8>> {
    let frames = (0..).zip(&load.packets).map(|(req, (to, packet))| {
        frame(&ToNode::Store { req, slot: *to as u16, packet: Tail(packet.clone()) })
    });
    frames.collect()
}

/// The next answer: which store it is for.
fn stored(link: &mut Link, seen: &mut [bool]) -> usize {
    match ToClient::from_bytes(link.socket.message()).expect("a frame") {
        ToClient::Stored { req } => {
            assert!(!std::mem::replace(&mut seen[req as usize], true), "answered twice");
            req as usize
        }
        other => panic!("not stored: {other:?}"),
    }
}

/// Reads every mailbox page by page and compares it with what was acknowledged.
fn pull_all(mut link: Link, load: &Load) {
    for (to, keys) in load.boxes.iter().enumerate() {
        let mut want = load.packets.iter().filter(|(of, _)| *of == to).map(|(_, packet)| packet);
        let (mut after, mut more) = (Cursor::default(), true);
        while more {
            let pull = link.pull(0, to as u16, keys, after, 128);
            link.socket.send(&pull);
            loop {
                match ToClient::from_bytes(link.socket.message()).expect("a frame") {
                    ToClient::PullItem { packet, .. } => {
                        assert!(Some(&packet.0) == want.next(), "a packet is lost, changed or out of order");
                    }
                    ToClient::PullEnd { cursor, more: rest, .. } => {
                        (after, more) = (cursor, rest);
                        break;
                    }
                    other => panic!("no page: {other:?}"),
                }
            }
        }
        assert!(want.next().is_none(), "an acknowledged packet is lost");
    }
}

/// First pages of all mailboxes in turn on all links, for `seconds`, compared byte for byte.
fn pulls(server: &Server, loads: &[Load], seconds: f64) -> String {
    let ready: Vec<(Link, &Load)> = loads.iter().map(|load| (connect(server, load), load)).collect();
    let (cpu, start) = (server.cpu(), Instant::now());
    let done: usize = in_threads(ready, |(link, load)| pull_pages(link, load, seconds)).into_iter().sum();
    let (wall, cpu) = (start.elapsed().as_secs_f64(), server.cpu().saturating_sub(cpu).as_secs_f64());
    let pages = done as f64 / wall;
    format!(
        "Pulls: {} pages of {PAGE} packets a second ({} packets), {:.0} µs CPU each",
        grouped(pages),
        grouped(pages * PAGE as f64),
        cpu / done as f64 * 1e6
    )
}

fn pull_pages(mut link: Link, load: &Load, seconds: f64) -> usize {
    let first: Vec<Vec<&Vec<u8>>> = (0..MAILBOXES)
        .map(|to| load.packets.iter().filter(|(of, _)| *of == to).map(|(_, p)| p).take(PAGE).collect())
        .collect();
    let frames: Vec<Vec<u8>> = load
        .boxes
        .iter()
        .enumerate()
        .map(|(to, keys)| link.pull(to as u32, to as u16, keys, Cursor::default(), PAGE as u16))
        .collect();
    let start = Instant::now();
    let (mut asked, mut done, mut items) = (0, 0, vec![0; MAILBOXES]);
    while done < asked || start.elapsed().as_secs_f64() < seconds {
        while asked - done < PULLS && start.elapsed().as_secs_f64() < seconds {
            link.socket.send(&frames[asked % MAILBOXES]);
            asked += 1;
        }
        if done == asked {
            break;
        }
        // Pages of different mailboxes come as they are read.
        match ToClient::from_bytes(link.socket.message()).expect("a frame") {
            ToClient::PullItem { req, packet, .. } => {
                let item = &mut items[req as usize];
                assert!(&packet.0 == first[req as usize][*item], "another packet than was stored");
                *item += 1;
            }
            ToClient::PullEnd { req, .. } => {
                assert_eq!(
                    std::mem::take(&mut items[req as usize]),
                    first[req as usize].len(),
                    "a whole page"
                );
                done += 1;
            }
            other => panic!("no page: {other:?}"),
        }
    }
    done
}
