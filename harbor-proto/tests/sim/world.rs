//! Virtual time, the one queue of what is going to happen, and everybody in it. The same seed gives the same
//! world, byte for byte: all chance comes from one generator, and nothing iterates over a hash map.

use crate::check::Check;
use crate::device::Device;
use crate::direct::Signalling;
use crate::link::{Channels, End};
use crate::station::Station;
use harbor_proto::crypto::rng::Rng;
use harbor_proto::endpoint::{Input, LinkId, Output, Setup, StampId, Table};
use harbor_proto::id::HarborId;
use harbor_proto::machine::Machine;
use harbor_proto::node::{AppendError, Appended, JobId, Page};
use harbor_proto::time::{Instant, UnixMillis};
use std::collections::BTreeMap;

/// What runs on a device: anything that talks to a shell as an endpoint does.
pub(crate) type Client = Box<dyn Machine<Input = Input, Output = Output>>;
/// Starts one from its records.
pub(crate) type Start = fn(Setup, Vec<(Table, Vec<u8>, Vec<u8>)>) -> Client;

pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;
/// Wall time when the world begins: some Tuesday.
const BEGINNING: u64 = 1_795_000_000_000;

/// Something that is going to happen.
pub(crate) enum Happening {
    Dialed { device: usize, run: u64, link: LinkId },
    Frame { channel: u64, to: End, bytes: Vec<u8> },
    Closed { channel: u64, at: End },
    Commit { node: usize, run: u64 },
    Announce { node: usize, run: u64, answers: Vec<(JobId, Result<Appended, AppendError>)> },
    Read { node: usize, run: u64, job: JobId, mailbox: HarborId, after: u64, most: u32, bytes: usize },
    ReadDone { node: usize, run: u64, job: JobId, result: Result<Page, AppendError> },
    Persisted { device: usize, run: u64 },
    Solved { device: usize, run: u64, stamp: StampId, nonce: u64 },
    Described { device: usize, run: u64, rtc: u32, sdp: String },
    Opened { channel: u64, at: End },
    Failed { device: usize, run: u64, rtc: u32 },
    StationUp { node: usize },
    DeviceUp { device: usize },
}

/// What may go wrong by itself. All of it stops with [`World::calm`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Breaks per 10,000 frames.
    pub(crate) breaks: u64,
    /// Of 100 pushed packets a node sends so many again later.
    pub(crate) replays: u64,
    /// Of 1,000 frames so many are held up for seconds.
    pub(crate) stalls: u64,
    /// Of 10,000 persists so many end in a crash of the device.
    pub(crate) crashes: u64,
    /// Of 10,000 commits so many end in a crash of the node.
    pub(crate) outages: u64,
    /// Of 100 dials so many fail.
    pub(crate) dials: u64,
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) rng: Rng,
    queue: BTreeMap<(u64, u64), Happening>,
    scheduled: u64,
    pub(crate) stations: Vec<Station>,
    pub(crate) devices: Vec<Device>,
    pub(crate) channels: Channels,
    pub(crate) signalling: Signalling,
    pub(crate) faults: Faults,
    /// Pairs (device, node) and, with 1,000 added to the second, (device, device) that cannot reach each other.
    pub(crate) apart: Vec<(usize, usize)>,
    pub(crate) check: Check,
    pub(crate) trace: Trace,
    pub(crate) start: Start,
    pub(crate) steps: u64,
}

/// A hash over everything that happened, and under `SIM_TRACE=1` the story itself.
pub(crate) struct Trace {
    hasher: blake3::Hasher,
    loud: bool,
}

impl Trace {
    fn new() -> Self {
        Self { hasher: blake3::Hasher::new(), loud: std::env::var_os("SIM_TRACE").is_some() }
    }

    pub(crate) fn note(&mut self, now: u64, what: &str, who: u64, bytes: &[u8]) {
        self.hasher.update(&now.to_be_bytes());
        self.hasher.update(what.as_bytes());
        self.hasher.update(&who.to_be_bytes());
        self.hasher.update(&(bytes.len() as u64).to_be_bytes());
        self.hasher.update(bytes);
        if self.loud {
            let line =
                format!("{now:>10} {what} {who} [{}] {:02x?}\n", bytes.len(), &bytes[..bytes.len().min(8)]);
            std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes()).expect("stderr");
        }
    }

    /// A line of the story that is not part of the hash.
    pub(crate) fn tell(&self, now: u64, line: impl FnOnce() -> String) {
        if self.loud {
            let line: String = line().chars().take(150).collect();
            std::io::Write::write_all(&mut std::io::stderr(), format!("{now:>10} {line}\n").as_bytes())
                .expect("stderr");
        }
    }

    pub(crate) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }
}

impl World {
    pub(crate) fn new(seed: u64, start: Start) -> Self {
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&seed.to_be_bytes());
        Self {
            now: 0,
            rng: Rng::new(entropy),
            queue: BTreeMap::new(),
            scheduled: 0,
            stations: Vec::new(),
            devices: Vec::new(),
            channels: Channels::default(),
            signalling: Signalling::default(),
            faults: Faults::default(),
            apart: Vec::new(),
            check: Check::default(),
            trace: Trace::new(),
            start,
            steps: 0,
        }
    }

    /// A number in `from..to`.
    pub(crate) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.rng.below(to - from)
    }

    pub(crate) fn chance(&mut self, of: u64, in_all: u64) -> bool {
        of > 0 && self.rng.below(in_all) < of
    }

    /// The wall time as a clock that is `skew` ms wrong shows it.
    pub(crate) fn wall(&self, skew: i64) -> UnixMillis {
        UnixMillis((BEGINNING + self.now).saturating_add_signed(skew))
    }

    pub(crate) fn schedule(&mut self, at: u64, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((at.max(self.now), self.scheduled), happening);
    }

    pub(crate) fn run_for(&mut self, ms: u64) {
        self.run_until(self.now + ms);
    }

    pub(crate) fn run_until(&mut self, end: u64) {
        while self.step(end) {}
        self.now = self.now.max(end);
    }

    /// Runs until `done`, at most `ms`; false when it did not come to that.
    pub(crate) fn run_while(&mut self, ms: u64, mut going_on: impl FnMut(&Self) -> bool) -> bool {
        let end = self.now + ms;
        while going_on(self) {
            if !self.step(end) {
                self.now = self.now.max(end);
                return !going_on(self);
            }
        }
        true
    }

    /// One happening or one timer; false when nothing is left before `end`.
    fn step(&mut self, end: u64) -> bool {
        let timer = self.next_timer();
        let queued = self.queue.first_key_value().map(|(key, _)| key.0);
        let timer_first = match (timer, queued) {
            (Some((at, _)), Some(queued)) => at < queued,
            (Some(_), None) => true,
            _ => false,
        };
        let at = if timer_first { timer.map(|(at, _)| at) } else { queued };
        let Some(at) = at.filter(|at| *at <= end) else { return false };
        assert!(at >= self.now, "time went back");
        // A machine whose timer never moves on would keep the world at one instant for ever.
        self.steps = if at == self.now { self.steps + 1 } else { 0 };
        assert!(self.steps < 100_000, "the world spins at {at}: {timer:?}");
        self.now = at;
        if let (true, Some((_, who))) = (timer_first, timer) {
            self.fire(who);
        } else if let Some((_, happening)) = self.queue.pop_first() {
            self.happen(happening);
        }
        true
    }

    fn next_timer(&self) -> Option<(u64, Who)> {
        let devices =
            self.devices.iter().enumerate().filter_map(|(i, d)| Some((d.next_timer()?, Who::Device(i))));
        let nodes =
            self.stations.iter().enumerate().filter_map(|(i, n)| Some((n.next_timer()?, Who::Node(i))));
        devices.chain(nodes).map(|(at, who)| (at.max(self.now), who)).min()
    }

    fn fire(&mut self, who: Who) {
        match who {
            Who::Device(device) => self.device_timeout(device),
            Who::Node(node) => self.node_timeout(node),
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Dialed { device, run, link } => self.on_dialed(device, run, link),
            Happening::Frame { channel, to, bytes } => self.on_frame(channel, to, bytes),
            Happening::Closed { channel, at } => self.on_closed(channel, at),
            Happening::Commit { node, run } => self.on_commit(node, run),
            Happening::Announce { node, run, answers } => self.on_announce(node, run, answers),
            Happening::Read { node, run, job, mailbox, after, most, bytes } => {
                self.on_read(node, run, job, (&mailbox, after, most, bytes));
            }
            Happening::ReadDone { node, run, job, result } => self.on_read_done(node, run, job, result),
            Happening::Persisted { device, run } => self.on_persisted(device, run),
            Happening::Solved { device, run, stamp, nonce } => self.on_solved(device, run, stamp, nonce),
            Happening::Described { device, run, rtc, sdp } => self.on_described(device, run, rtc, sdp),
            Happening::Opened { channel, at } => self.on_opened(channel, at),
            Happening::Failed { device, run, rtc } => self.on_rtc_failed(device, run, rtc),
            Happening::StationUp { node } => self.start_station(node),
            Happening::DeviceUp { device } => self.start_device(device),
        }
    }

    /// No faults from here on: everybody reaches everybody, everything that is down comes up.
    pub(crate) fn calm(&mut self) {
        self.faults = Faults::default();
        self.apart.clear();
        for node in 0..self.stations.len() {
            self.stations[node].disk.broken = false;
            self.start_station(node);
        }
        for device in 0..self.devices.len() {
            self.devices[device].crash_at_persist = None;
            // Presence works with clocks that differ by two hours; further off, receipts wait for them to be set.
            if self.devices[device].skew.unsigned_abs() > HOUR {
                self.jump_clock(device, 0);
            }
            self.wake(device);
            self.start_device(device);
            self.network(device, true);
            self.tell(device, Input::Visibility { hidden: false });
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    Device(usize),
    Node(usize),
}

/// A machine's own clock: its origin is its own affair and changes with every start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clockwork {
    started: u64,
    origin: u64,
}

impl Clockwork {
    pub(crate) fn new(started: u64, origin: u64) -> Self {
        Self { started, origin }
    }

    pub(crate) fn stood_still(&mut self, ms: u64) {
        self.started += ms;
    }

    pub(crate) fn at(&self, now: u64) -> Instant {
        Instant(now - self.started + self.origin)
    }

    /// World time of an instant; one before the start is now at the earliest anyway.
    pub(crate) fn world(&self, instant: Instant) -> u64 {
        (instant.0 + self.started).saturating_sub(self.origin)
    }
}
