//! The node with a disk in memory, its slow work answered when a test says so.

mod bounds;
mod races;
mod refusals;
mod verbs;

use super::*;
use crate::crypto::Secret;
use crate::id::{EndpointId, PacketId};
use crate::limits::{MAX_TTL_HOURS, STORE_BITS};
use crate::mailbox::admit;
use crate::packet::{ContentKey, Draft, Header, Kind, MailboxKeys, Packet, set_stamp};
use crate::wire::link::{Arrival, Cursor, Opening, Signature, Tail, ToNode, Verb};
use crate::work::{Solver, Stamp};
use std::collections::{BTreeMap, VecDeque};
use std::{vec, vec::Vec};

pub(super) const HOUR: u32 = 497_000;
pub(super) const LOG: [u8; 16] = [9; 16];
pub(super) const A: ConnId = ConnId(1);
pub(super) const B: ConnId = ConnId(2);

pub(super) fn config() -> NodeConfig {
    NodeConfig {
        id: EndpointId([5; 32]),
        log: LOG,
        store_bits: 4,
        max_ttl_hours: MAX_TTL_HOURS,
        mailbox: Quota { packets: 4000, bytes: 16 << 20 },
        total_bytes: 1 << 30,
        links_per_source: 8,
        watches_per_source: 5000,
        requests: Rate { burst: 100_000, every_ms: 60_000 },
        packets: Rate { burst: 50_000, every_ms: 60_000 },
        pass_bytes_per_sec: 4 << 20,
    }
}

/// A packet of the smallest size for `keys`, stamped with `bits`; `n` makes it another one.
pub(super) fn packet(keys: &MailboxKeys, n: u32, kind: Kind, expiry_hour: u32, bits: u8) -> Vec<u8> {
    sealed(keys, &n.to_be_bytes(), kind, expiry_hour, bits)
}

/// A packet of 64 KiB.
pub(super) fn large(keys: &MailboxKeys, n: u32) -> Vec<u8> {
    let mut content = vec![0; 60_000];
    content[..4].copy_from_slice(&n.to_be_bytes());
    sealed(keys, &content, Kind::Message, HOUR + 24, 4)
}

fn sealed(keys: &MailboxKeys, content: &[u8], kind: Kind, expiry_hour: u32, bits: u8) -> Vec<u8> {
    let mut bytes = Draft {
        mailbox: keys,
        kind,
        expiry_hour,
        delete_hash: [0; 32],
        header: Header::default(),
        key: &ContentKey { key: Secret([1; 32]), commitment: [2; 16] },
        nonce: [3; 24],
        content,
    }
    .seal()
    .unwrap();
    stamp(&mut bytes, HOUR, bits);
    bytes
}

pub(super) fn stamp(packet: &mut [u8], hour: u32, bits: u8) {
    let id = Packet::parse(packet).unwrap().id();
    let nonce = Solver::new(&id, hour, bits).step(1 << 20).unwrap();
    set_stamp(packet, Stamp { nonce, hour, bits });
}

pub(super) fn good(keys: &MailboxKeys, n: u32) -> Vec<u8> {
    packet(keys, n, Kind::Message, HOUR + 24, 4)
}

pub(super) fn mailbox(n: u8) -> MailboxKeys {
    MailboxKeys::derive(&Secret([n; 32]), 1, 1)
}

pub(super) type Row = (u64, PacketId, Vec<u8>);

/// Commits in order; what it did is told to the node when the test says so.
#[derive(Clone, Default)]
pub(super) struct Disk {
    pub(super) rows: BTreeMap<HarborId, Vec<Row>>,
    pub(super) seq: u64,
    /// Pages have no more packets than this, whatever is asked for; 0 means what is asked for.
    pub(super) page: usize,
    pub(super) full: bool,
    pub(super) broken: bool,
}

impl Disk {
    fn append(&mut self, append: &Append, quota: &Quota) -> Result<Appended, AppendError> {
        if self.broken {
            return Err(AppendError::Failed);
        }
        let rows = self.rows.entry(append.mailbox).or_default();
        if let Some((seq, ..)) = rows.iter().find(|(_, id, _)| *id == append.packet_id) {
            return Ok(Appended { seq: *seq, duplicate: true });
        }
        let bytes = rows.iter().map(|row| row.2.len() as u64).sum();
        let used = Quota { packets: u32::try_from(rows.len()).unwrap(), bytes };
        if self.full || !admit(used, append.bytes.len(), quota) {
            return Err(AppendError::Full);
        }
        self.seq += 1;
        rows.push((self.seq, append.packet_id, append.bytes.to_vec()));
        Ok(Appended { seq: self.seq, duplicate: false })
    }

    fn read(&self, mailbox: &HarborId, after: u64, most: u32, bytes: usize) -> Result<Page, AppendError> {
        if self.broken {
            return Err(AppendError::Failed);
        }
        let mut page = Page::default();
        let mut room = bytes;
        for (seq, _, packet) in self.rows.get(mailbox).into_iter().flatten().filter(|row| row.0 > after) {
            let most = if self.page == 0 { most as usize } else { self.page };
            let fits = page.items.len() < most && packet.len() <= room;
            if !fits && !page.items.is_empty() {
                page.more = true;
                break;
            }
            room = room.saturating_sub(packet.len());
            page.items.push((*seq, packet.clone()));
        }
        Ok(page)
    }
}

/// A piece of slow work in the world's hands.
#[derive(Clone)]
pub(super) enum Work {
    Append(Append),
    Appended(JobId, Result<Appended, AppendError>),
    Read { job: JobId, mailbox: HarborId, after: u64, max_packets: u32, max_bytes: usize },
    ReadDone(JobId, Result<Page, AppendError>),
}

#[derive(Clone)]
pub(super) struct World {
    pub(super) node: Node,
    pub(super) now: Instant,
    pub(super) disk: Disk,
    pub(super) got: BTreeMap<ConnId, Vec<ToClient>>,
    pub(super) queued: BTreeMap<ConnId, usize>,
    pub(super) challenge: BTreeMap<ConnId, [u8; 32]>,
    pub(super) gone: BTreeMap<ConnId, Disconnect>,
    pub(super) expired: Vec<u32>,
    pub(super) work: VecDeque<Work>,
    /// Work is done as soon as it is asked for.
    pub(super) eager: bool,
    /// Sockets take what is sent to them.
    pub(super) flowing: bool,
}

impl World {
    /// A running node without links.
    pub(super) fn new(config: NodeConfig) -> Self {
        let mut world = Self::without_clock(config);
        world.input(Input::Clock(UnixMillis(u64::from(HOUR) * HOUR_MS + 5)));
        world
    }

    pub(super) fn without_clock(config: NodeConfig) -> Self {
        Self {
            node: Node::new(config, Instant(1000)),
            now: Instant(1000),
            disk: Disk::default(),
            got: BTreeMap::new(),
            queued: BTreeMap::new(),
            challenge: BTreeMap::new(),
            gone: BTreeMap::new(),
            expired: Vec::new(),
            work: VecDeque::new(),
            eager: true,
            flowing: true,
        }
    }

    /// A running node with the links A and B of one address.
    pub(super) fn with_two_links(config: NodeConfig) -> Self {
        let mut world = Self::new(config);
        world.connect(A);
        world.connect(B);
        world
    }

    pub(super) fn connect(&mut self, conn: ConnId) {
        let byte = u8::try_from(conn.0 & 0xff).unwrap();
        self.input(Input::Connected { conn, source: SourceId(1), entropy: [byte; 32] });
    }

    pub(super) fn input(&mut self, input: Input) {
        self.node.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            while let Some(output) = self.node.poll_output() {
                self.carry_out(output);
            }
            if !self.eager || self.work.is_empty() {
                return;
            }
            self.step(0);
            self.step_answer(0);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Send { conn, bytes } => {
                assert!(!self.gone.contains_key(&conn), "nothing is sent after a disconnect");
                let frame = ToClient::from_bytes(&bytes).unwrap();
                if let ToClient::Welcome { challenge, .. } = frame {
                    self.challenge.insert(conn, challenge);
                }
                self.got.entry(conn).or_default().push(frame);
                if self.flowing {
                    self.node.handle_input(Input::Sent { conn, bytes: bytes.len() }, self.now);
                } else {
                    *self.queued.entry(conn).or_default() += bytes.len();
                }
            }
            Output::Disconnect { conn, why } => {
                assert!(self.gone.insert(conn, why).is_none(), "a link ends once");
            }
            Output::Append(packet) => match packet.verify() {
                Ok(append) => self.work.push_back(Work::Append(append)),
                Err(fact) => self.node.handle_input(fact, self.now),
            },
            Output::Read { job, mailbox, after, max_packets, max_bytes } => {
                self.work.push_back(Work::Read { job, mailbox, after, max_packets, max_bytes });
            }
            Output::Expire { hour } => self.expired.push(hour),
        }
    }

    /// Does the `at`-th piece of work; its answer takes its place.
    pub(super) fn step(&mut self, at: usize) {
        let done = match &self.work[at] {
            Work::Append(append) => {
                let quota = config().mailbox;
                Work::Appended(append.job, self.disk.append(append, &quota))
            }
            Work::Read { job, mailbox, after, max_packets, max_bytes } => {
                Work::ReadDone(*job, self.disk.read(mailbox, *after, *max_packets, *max_bytes))
            }
            Work::Appended(..) | Work::ReadDone(..) => return,
        };
        self.work[at] = done;
    }

    /// Tells the node what became of the `at`-th piece of work.
    pub(super) fn step_answer(&mut self, at: usize) {
        let input = match self.work.remove(at) {
            Some(Work::Appended(job, result)) => Input::Appended { job, result },
            Some(Work::ReadDone(job, result)) => Input::ReadDone { job, result },
            _ => panic!("not done yet"),
        };
        self.node.handle_input(input, self.now);
        while let Some(output) = self.node.poll_output() {
            self.carry_out(output);
        }
    }

    /// The socket takes all that waits.
    pub(super) fn flush(&mut self, conn: ConnId) {
        let bytes = self.queued.remove(&conn).unwrap_or(0);
        self.input(Input::Sent { conn, bytes });
    }

    pub(super) fn frame(&mut self, conn: ConnId, frame: &ToNode) {
        self.input(Input::Frame { conn, bytes: frame.to_bytes() });
    }

    pub(super) fn proof(&self, conn: ConnId, keys: &MailboxKeys, verb: Verb, after: &Cursor) -> Signature {
        keys.prove(&config().id, &self.challenge[&conn], verb, after)
    }

    pub(super) fn open(&mut self, conn: ConnId, slot: Slot, keys: &MailboxKeys) {
        let proof = self.proof(conn, keys, Verb::Pass, &Cursor::default());
        let (mailbox, opening) = (keys.id(), keys.opening());
        self.frame(conn, &ToNode::Open { slot, mailbox, opening, write_proof: Some(proof) });
    }

    pub(super) fn store(&mut self, conn: ConnId, req: Request, slot: Slot, packet: Vec<u8>) {
        self.frame(conn, &ToNode::Store { req, slot, packet: Tail(packet) });
    }

    pub(super) fn pass(&mut self, conn: ConnId, slot: Slot, packet: Vec<u8>) {
        self.frame(conn, &ToNode::Pass { slot, packet: Tail(packet) });
    }

    pub(super) fn watch(&mut self, conn: ConnId, slot: Slot, keys: &MailboxKeys, after: Cursor) {
        let proof = self.proof(conn, keys, Verb::Watch, &after);
        self.frame(conn, &ToNode::Watch { slot, after, proof });
    }

    pub(super) fn pull(
        &mut self,
        conn: ConnId,
        req: Request,
        slot: Slot,
        keys: &MailboxKeys,
        at: Cursor,
        max: u16,
    ) {
        let proof = self.proof(conn, keys, Verb::Pull, &at);
        self.frame(conn, &ToNode::Pull { req, slot, after: at, max, proof });
    }

    /// What the link got since the last call.
    pub(super) fn take(&mut self, conn: ConnId) -> Vec<ToClient> {
        self.got.remove(&conn).unwrap_or_default()
    }
}

pub(super) fn start() -> Cursor {
    Cursor { log: LOG, seq: 0 }
}

pub(super) fn at(seq: u64) -> Cursor {
    Cursor { log: LOG, seq }
}

pub(super) fn item(slot: Slot, arrival: Arrival, cursor: u64, packet: &[u8]) -> ToClient {
    ToClient::Item { slot, arrival, cursor, packet: Tail(packet.to_vec()) }
}
