//! The node as a whole: bytes become clients, frames, a disk and a clock. The shell around it is an honest
//! one, so its promises can be checked at every step: an acknowledgement means that the packet is on disk, a
//! watch gives every packet of the log once and in order, what is held is counted.

use super::script::{LOG, Script};
use harbor_proto::crypto::Secret;
use harbor_proto::id::{EndpointId, HarborId, PacketId};
use harbor_proto::limits::{HOUR_MS, LINK_QUEUE_HARD};
use harbor_proto::machine::Machine;
use harbor_proto::mailbox::admit;
use harbor_proto::node::{
    Append, AppendError, Appended, ConnId, Disconnect, Input, JobId, Node, NodeConfig, Output, Page, Quota,
    Rate, SourceId,
};
use harbor_proto::packet::{ContentKey, Draft, Header, Kind, MailboxKeys, Packet, set_stamp};
use harbor_proto::time::{Instant, UnixMillis};
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Arrival, Cursor, Refusal, Slot, Tail, ToClient, ToNode, Verb};
use harbor_proto::work::Stamp;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

const HOUR: u32 = 497_000;
const NODE: EndpointId = EndpointId([5; 32]);
const MAILBOX: Quota = Quota { packets: 12, bytes: 1 << 20 };
/// Clients at once.
const CLIENTS: u8 = 4;
/// Inputs of one run: more say nothing new.
const STEPS: usize = 300;

fn config() -> NodeConfig {
    NodeConfig {
        id: NODE,
        log: LOG,
        store_bits: 0,
        max_ttl_hours: 720,
        mailbox: MAILBOX,
        total_bytes: 2 << 20,
        links_per_source: 3,
        watches_per_source: 6,
        requests: Rate { burst: 150, every_ms: 1000 },
        packets: Rate { burst: 60, every_ms: 1000 },
        pass_bytes_per_sec: 1 << 20,
    }
}

struct Fixture {
    mailboxes: Vec<MailboxKeys>,
    /// Eight packets per mailbox, the last of 64 KiB.
    packets: Vec<Vec<u8>>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let mailboxes: Vec<_> = (0..3).map(|n| MailboxKeys::derive(&Secret([n; 32]), 1, 1)).collect();
        let packets = (0..24u8).map(|n| packet(&mailboxes[usize::from(n % 3)], n)).collect();
        Fixture { mailboxes, packets }
    })
}

fn packet(mailbox: &MailboxKeys, n: u8) -> Vec<u8> {
    let content = vec![n; if n >= 21 { 60_000 } else { 4 }];
    let key = ContentKey { key: Secret([1; 32]), commitment: [2; 16] };
    let mut packet = Draft {
        mailbox,
        kind: if n < 3 { Kind::Signal } else { Kind::Message },
        expiry_hour: HOUR + 24,
        delete_hash: [0; 32],
        header: Header::default(),
        key: &key,
        nonce: [n; 24],
        content: &content,
    }
    .seal()
    .expect("fits");
    set_stamp(&mut packet, Stamp { nonce: 0, hour: HOUR, bits: 0 });
    packet
}

enum Work {
    Append(Append),
    Appended(JobId, Result<Appended, AppendError>),
    Read { job: JobId, mailbox: HarborId, after: u64, most: usize, bytes: usize },
    ReadDone(JobId, Result<Page, AppendError>),
}

/// What a client believes: for every slot that watches, the mailbox and the last number it got.
#[derive(Default)]
struct Client {
    challenge: [u8; 32],
    queued: usize,
    slots: BTreeMap<Slot, usize>,
    watches: BTreeMap<Slot, (HarborId, u64)>,
    stores: BTreeMap<u32, (HarborId, PacketId)>,
}

type Rows = Vec<(u64, PacketId, Arc<[u8]>)>;

struct Shell {
    node: Node,
    now: Instant,
    clients: BTreeMap<ConnId, Client>,
    /// Which connection a client has at the moment.
    conns: BTreeMap<u8, ConnId>,
    next_conn: u64,
    next_req: u32,
    disk: BTreeMap<HarborId, Rows>,
    seq: u64,
    work: VecDeque<Work>,
    /// What came out in answer to the last input.
    answers: Vec<(ConnId, ToClient)>,
}

impl Shell {
    fn new() -> Self {
        Self {
            node: Node::new(config(), Instant(0)),
            now: Instant(0),
            clients: BTreeMap::new(),
            conns: BTreeMap::new(),
            next_conn: 0,
            next_req: 0,
            disk: BTreeMap::new(),
            seq: 0,
            work: VecDeque::new(),
            answers: Vec::new(),
        }
    }

    fn input(&mut self, input: Input) {
        self.answers.clear();
        self.node.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { conn, bytes } => self.on_send(conn, &bytes),
                Output::Disconnect { conn, why } => {
                    let known = self.clients.remove(&conn).is_some();
                    self.conns.retain(|_, c| *c != conn);
                    assert!(known || matches!(why, Disconnect::TooManyLinks | Disconnect::Draining));
                }
                Output::Append(packet) => match packet.verify() {
                    Ok(append) => self.work.push_back(Work::Append(append)),
                    Err(fact) => self.node.handle_input(fact, self.now),
                },
                Output::Read { job, mailbox, after, max_packets, max_bytes } => {
                    let (most, bytes) = (max_packets as usize, max_bytes);
                    self.work.push_back(Work::Read { job, mailbox, after, most, bytes });
                }
                Output::Expire { .. } => {}
            }
        }
        let load = self.node.load();
        assert_eq!(load.jobs, self.work.len());
        assert_eq!(load.queued_bytes, self.clients.values().map(|client| client.queued).sum::<usize>());
        assert_eq!(load.links, self.clients.len());
        assert!(load.watches <= 6 && load.links <= 3 && load.sources <= 1);
    }

    fn on_send(&mut self, conn: ConnId, bytes: &[u8]) {
        let client = self.clients.get_mut(&conn).expect("nothing is sent after a disconnect");
        client.queued += bytes.len();
        assert!(client.queued <= LINK_QUEUE_HARD);
        let frame = ToClient::from_bytes(bytes).expect("the node sends frames");
        match &frame {
            ToClient::Welcome { challenge, .. } => client.challenge = *challenge,
            ToClient::Item { slot, arrival, cursor, packet } => {
                let (mailbox, last) = client.watches.get_mut(slot).expect("watches this slot");
                if *arrival == Arrival::Passed {
                    assert_eq!(*cursor, 0);
                } else {
                    let next = next_row(&self.disk, mailbox, *last).expect("is on disk");
                    assert_eq!((*cursor, &packet.0[..]), (next.0, &next.2[..]), "the next of the log");
                    *last = *cursor;
                }
            }
            ToClient::Watching { slot, cursor } => assert_eq!(client.watches[slot].1, cursor.seq),
            ToClient::Lagged { slot } => assert!(client.watches.remove(slot).is_some()),
            ToClient::Stored { req } => {
                if let Some((mailbox, id)) = client.stores.remove(req) {
                    assert!(self.disk[&mailbox].iter().any(|row| row.1 == id), "acknowledged, so on disk");
                }
            }
            _ => {}
        }
        self.answers.push((conn, frame));
    }

    fn slot_refused(&self, conn: ConnId, slot: Slot) -> Option<Refusal> {
        self.answers.iter().find_map(|(c, frame)| match frame {
            ToClient::SlotRefused { slot: s, why } if *c == conn && *s == slot => Some(*why),
            _ => None,
        })
    }

    fn frame(&mut self, conn: ConnId, frame: &ToNode) {
        self.input(Input::Frame { conn, bytes: frame.to_bytes() });
    }

    fn client(&self, script: &mut Script<'_>) -> Option<ConnId> {
        self.conns.get(&(script.byte() % CLIENTS)).copied()
    }

    fn connect(&mut self, script: &mut Script<'_>) {
        let who = script.byte() % CLIENTS;
        if self.conns.contains_key(&who) {
            return;
        }
        let conn = ConnId(self.next_conn);
        self.next_conn += 1;
        self.conns.insert(who, conn);
        self.clients.insert(conn, Client::default());
        let entropy = [who; 32];
        self.input(Input::Connected { conn, source: SourceId(1), entropy });
    }

    fn close(&mut self, conn: ConnId) {
        self.clients.remove(&conn);
        self.conns.retain(|_, c| *c != conn);
        self.input(Input::Closed { conn });
    }

    fn open(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let (slot, which, flags) = (script.slot(), script.below(3), script.byte());
        let keys = &fixture().mailboxes[which];
        let challenge = self.clients[&conn].challenge;
        let verb = if flags & 2 == 0 { Verb::Pass } else { Verb::Watch };
        let proof = keys.prove(&NODE, &challenge, verb, &Cursor::default());
        let write_proof = (flags & 1 == 0).then_some(proof);
        self.frame(conn, &ToNode::Open { slot, mailbox: keys.id(), opening: keys.opening(), write_proof });
        let refused = self.slot_refused(conn, slot).is_some();
        if let Some(client) = self.clients.get_mut(&conn).filter(|_| !refused) {
            client.slots.insert(slot, which);
        }
    }

    fn watch(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let (slot, after) = (script.slot(), script.cursor());
        let client = &self.clients[&conn];
        let which = client.slots.get(&slot).copied().unwrap_or(0);
        let keys = &fixture().mailboxes[which];
        let proof = keys.prove(&NODE, &client.challenge, Verb::Watch, &after);
        let seq = if after.log == LOG { after.seq } else { 0 };
        let before = self.clients.get_mut(&conn).and_then(|c| c.watches.insert(slot, (keys.id(), seq)));
        self.frame(conn, &ToNode::Watch { slot, after, proof });
        let refused = self.slot_refused(conn, slot);
        let Some(client) = self.clients.get_mut(&conn) else { return };
        match (refused, before) {
            (None, _) => assert!(client.slots.contains_key(&slot)),
            (Some(Refusal::TooMany), _) | (Some(_), None) => {
                client.watches.remove(&slot);
            }
            (Some(_), Some(before)) => {
                client.watches.insert(slot, before);
            }
        }
    }

    fn pull(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let (slot, after, max) = (script.slot(), script.cursor(), u16::from(script.byte()));
        let client = &self.clients[&conn];
        let which = client.slots.get(&slot).copied().unwrap_or(0);
        let proof = fixture().mailboxes[which].prove(&NODE, &client.challenge, Verb::Pull, &after);
        self.next_req += 1;
        self.frame(conn, &ToNode::Pull { req: self.next_req, slot, after, max, proof });
    }

    fn store(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let (slot, packet) = (script.slot(), &fixture().packets[script.below(24)]);
        let parsed = Packet::parse(packet).expect("a packet");
        self.next_req += 1;
        let req = self.next_req;
        if let Some(client) = self.clients.get_mut(&conn) {
            client.stores.insert(req, (parsed.mailbox(), parsed.id()));
        }
        self.frame(conn, &ToNode::Store { req, slot, packet: Tail(packet.clone()) });
    }

    fn changed_store(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let (slot, packet) = (script.slot(), &fixture().packets[script.below(24)]);
        let mut packet = packet.clone();
        let at = usize::from(script.u16()) % packet.len();
        packet[at] ^= script.byte();
        self.next_req += 1;
        self.frame(conn, &ToNode::Store { req: self.next_req, slot, packet: Tail(packet) });
    }

    fn pass(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let (slot, packet) = (script.slot(), fixture().packets[script.below(24)].clone());
        self.frame(conn, &ToNode::Pass { slot, packet: Tail(packet) });
        assert!(
            self.answers.iter().all(|(to, frame)| { *to != conn || !matches!(frame, ToClient::Item { .. }) })
        );
    }

    fn shut(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let slot = script.slot();
        self.frame(conn, &ToNode::Shut { slot });
        if let Some(client) = self.clients.get_mut(&conn) {
            client.watches.remove(&slot);
            client.slots.remove(&slot);
        }
    }

    /// Frames of the input's own making, but for proofs they can do little.
    fn raw(&mut self, conn: ConnId, script: &mut Script<'_>) {
        let mut bytes = script.bytes().to_vec();
        if let Some(tag) = bytes.first_mut() {
            // Open and Shut would change what the client believes.
            *tag = if matches!(*tag, 1 | 2) { 7 } else { *tag };
        }
        self.input(Input::Frame { conn, bytes });
    }

    /// Commits the oldest append that is not committed, or reads a page.
    fn work(&mut self, script: &mut Script<'_>, broken: bool) {
        let at = script.below(self.work.len());
        let at = match self.work.get(at) {
            Some(Work::Append(_)) => self.work.iter().position(|work| matches!(work, Work::Append(_))),
            Some(Work::Read { .. }) => Some(at),
            _ => None,
        };
        let Some(at) = at else { return };
        let done = match &self.work[at] {
            Work::Append(append) if broken => Work::Appended(append.job, Err(AppendError::Failed)),
            Work::Append(append) => Work::Appended(append.job, commit(&mut self.disk, &mut self.seq, append)),
            Work::Read { job, .. } if broken => Work::ReadDone(*job, Err(AppendError::Failed)),
            Work::Read { job, mailbox, after, most, bytes } => {
                let most = 1 + script.below(*most);
                Work::ReadDone(*job, Ok(page(&self.disk, mailbox, *after, most, *bytes)))
            }
            Work::Appended(..) | Work::ReadDone(..) => return,
        };
        self.work[at] = done;
    }

    /// Tells the node what became of a piece of work; appends in commit order.
    fn answer(&mut self, script: &mut Script<'_>) {
        let oldest_append =
            self.work.iter().position(|work| matches!(work, Work::Append(_) | Work::Appended(..)));
        let mut at = script.below(self.work.len());
        if matches!(self.work.get(at), Some(Work::Append(_) | Work::Appended(..))) {
            at = oldest_append.unwrap_or(at);
        }
        match self.work.get(at) {
            Some(Work::Appended(job, result)) => {
                let input = Input::Appended { job: *job, result: *result };
                self.work.remove(at);
                self.input(input);
            }
            Some(Work::ReadDone(job, result)) => {
                let input = Input::ReadDone { job: *job, result: result.clone() };
                let failed = result.is_err();
                self.work.remove(at);
                self.input(input);
                if failed {
                    self.forget_refused_watches();
                }
            }
            _ => {}
        }
    }

    fn forget_refused_watches(&mut self) {
        for (conn, frame) in &self.answers {
            let (ToClient::SlotRefused { slot, .. }, Some(client)) = (frame, self.clients.get_mut(conn))
            else {
                continue;
            };
            client.watches.remove(slot);
        }
    }

    fn flush(&mut self, conn: ConnId, part: usize) {
        let Some(client) = self.clients.get_mut(&conn) else { return };
        let bytes = client.queued * part / 255;
        client.queued -= bytes;
        self.input(Input::Sent { conn, bytes });
    }

    fn pass_time(&mut self, ms: u64) {
        self.answers.clear();
        self.now = self.now.plus(ms);
        self.node.handle_timeout(self.now);
        self.drain();
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let op = script.byte() % 20;
        match op {
            0 => return self.connect(script),
            10 | 11 => return self.work(script, false),
            12 => return self.work(script, true),
            13 | 14 => return self.answer(script),
            15 => return self.pass_time(u64::from(script.byte()) * 20),
            16 => {
                let late = u64::from(script.byte() % 3) * HOUR_MS;
                return self.input(Input::Clock(UnixMillis(u64::from(HOUR) * HOUR_MS + late)));
            }
            17 => {
                return match script.byte() {
                    0 => self.input(Input::Drain { after_ms: 1 }),
                    n => self.input(Input::Usage { bytes: u64::from(n) << 12 }),
                };
            }
            18 => {
                let job = JobId(u64::MAX - u64::from(script.byte()));
                return self.input(Input::ReadDone { job, result: Ok(Page::default()) });
            }
            _ => {}
        }
        let Some(conn) = self.client(script) else { return };
        match op {
            1 => self.close(conn),
            2 => self.open(conn, script),
            3 => self.watch(conn, script),
            4 => self.pull(conn, script),
            5 => self.store(conn, script),
            6 => self.pass(conn, script),
            7 => self.shut(conn, script),
            8 => self.raw(conn, script),
            9 => self.changed_store(conn, script),
            _ => {
                let part = usize::from(script.byte());
                self.flush(conn, part);
            }
        }
    }

    /// Everything that was begun ends, and then every watcher has everything.
    fn settle(&mut self) {
        let conns: Vec<ConnId> = self.clients.keys().copied().collect();
        for _ in 0..10_000 {
            if self.work.is_empty() && self.clients.values().all(|client| client.queued == 0) {
                break;
            }
            for conn in &conns {
                self.flush(*conn, 255);
            }
            self.work(&mut Script(&[]), false);
            self.answer(&mut Script(&[]));
        }
        assert!(self.work.is_empty(), "slow work ends");
        for client in self.clients.values() {
            for (mailbox, last) in client.watches.values() {
                assert!(next_row(&self.disk, mailbox, *last).is_none(), "a watch gives everything");
            }
        }
        for conn in conns {
            self.close(conn);
        }
        self.pass_time(10_000_000);
        assert_eq!(self.node.load(), harbor_proto::node::Load::default());
    }
}

fn next_row<'a>(
    disk: &'a BTreeMap<HarborId, Rows>,
    mailbox: &HarborId,
    after: u64,
) -> Option<&'a (u64, PacketId, Arc<[u8]>)> {
    disk.get(mailbox)?.iter().find(|row| row.0 > after)
}

fn commit(
    disk: &mut BTreeMap<HarborId, Rows>,
    seq: &mut u64,
    append: &Append,
) -> Result<Appended, AppendError> {
    let rows = disk.entry(append.mailbox).or_default();
    if let Some(row) = rows.iter().find(|row| row.1 == append.packet_id) {
        return Ok(Appended { seq: row.0, duplicate: true });
    }
    let bytes = rows.iter().map(|row| row.2.len() as u64).sum();
    let used = Quota { packets: u32::try_from(rows.len()).unwrap_or(u32::MAX), bytes };
    if !admit(used, append.bytes.len(), &MAILBOX) {
        return Err(AppendError::Full);
    }
    *seq += 1;
    rows.push((*seq, append.packet_id, Arc::clone(&append.bytes)));
    Ok(Appended { seq: *seq, duplicate: false })
}

fn page(disk: &BTreeMap<HarborId, Rows>, mailbox: &HarborId, after: u64, most: usize, bytes: usize) -> Page {
    let mut page = Page::default();
    let mut room = bytes;
    for (seq, _, packet) in disk.get(mailbox).into_iter().flatten().filter(|row| row.0 > after) {
        if !page.items.is_empty() && (page.items.len() >= most || packet.len() > room) {
            page.more = true;
            break;
        }
        room = room.saturating_sub(packet.len());
        page.items.push((*seq, packet.to_vec()));
    }
    page
}

/// Each step takes a byte that says what happens, and the bytes it wants.
pub fn run(input: &[u8]) {
    let mut shell = Shell::new();
    shell.input(Input::Clock(UnixMillis(u64::from(HOUR) * HOUR_MS)));
    let mut script = Script(input);
    for _ in 0..STEPS {
        if script.is_at_end() {
            break;
        }
        shell.step(&mut script);
    }
    shell.settle();
}
