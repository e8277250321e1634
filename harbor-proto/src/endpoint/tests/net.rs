//! Endpoints around one real node, in one thread on a virtual clock, with everything working at once.

use crate::endpoint::*;
use crate::id::{EndpointId, HarborId, MessageId, TopicUid};
use crate::limits::MAX_TTL_HOURS;
use crate::machine::Machine;
use crate::node::{self, Append, Appended, ConnId, Node, NodeConfig, Page, Quota, Rate, SourceId};
use crate::time::{Instant, UnixMillis};
use crate::wire::Wire;
use crate::work::Solver;
use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

pub(super) const START: u64 = 1_780_000_000_000;

#[derive(Default)]
pub(super) struct Peer {
    pub(super) endpoint: Option<Endpoint>,
    pub(super) records: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    pub(super) replies: BTreeMap<u64, Result<Reply, CommandError>>,
    pub(super) events: Vec<Event>,
    conn: Option<ConnId>,
    rtc: BTreeMap<u32, (usize, u32)>,
    commands: u64,
    runs: u8,
}

pub(super) struct Net {
    pub(super) now: u64,
    /// Wall time over virtual time.
    pub(super) skew: u64,
    pub(super) node: Node,
    pub(super) disk: Vec<(HarborId, crate::id::PacketId, Vec<u8>)>,
    pub(super) peers: Vec<Peer>,
    pub(super) node_up: bool,
    pub(super) rtc_works: bool,
    /// Answers of disks that are being waited for, oldest first; `None`: disks answer at once.
    pub(super) slow_looks: Option<Vec<(usize, Input)>>,
    next_conn: u64,
    queue: VecDeque<(usize, Input)>,
}

impl Net {
    pub(super) fn new(peers: usize) -> Self {
        let mut net = Self {
            now: 1_000,
            skew: START,
            node: new_node(),
            disk: Vec::new(),
            peers: (0..peers).map(|_| Peer::default()).collect(),
            node_up: true,
            rtc_works: true,
            slow_looks: None,
            next_conn: 0,
            queue: VecDeque::new(),
        };
        net.node_clock();
        for n in 0..peers {
            net.start(n);
        }
        net
    }

    /// Wall time jumps for everybody.
    pub(super) fn skip(&mut self, ms: u64) {
        self.skew += ms;
        self.node_clock();
        let unix = UnixMillis(self.now + self.skew);
        for n in 0..self.peers.len() {
            self.input(n, Input::Clock(unix));
        }
        self.run();
    }

    fn node_clock(&mut self) {
        let unix = UnixMillis(self.now + self.skew);
        self.node.handle_input(node::Input::Clock(unix), Instant(self.now));
    }

    pub(super) fn start(&mut self, n: usize) {
        let peer = &mut self.peers[n];
        peer.runs += 1;
        let mut entropy = [u8::try_from(n).unwrap(); 32];
        entropy[1] = peer.runs;
        let setup = Setup { entropy, nodes: 1, direct: true };
        let records = peer
            .records
            .iter()
            .map(|((table, key), value)| (Table::from_bytes(&[*table]).unwrap(), key.clone(), value.clone()));
        peer.endpoint = Some(Endpoint::restore(setup, records).expect("its own records"));
        let unix = UnixMillis(self.now + self.skew);
        self.input(n, Input::Clock(unix));
        self.run();
    }

    /// The process is gone: only the records stay.
    pub(super) fn kill(&mut self, n: usize) {
        self.peers[n].endpoint = None;
        self.drop_link(n);
        for (other, theirs) in std::mem::take(&mut self.peers[n].rtc).into_values() {
            if self.peers[other].rtc.remove(&theirs).is_some() {
                self.input(other, Input::RtcDown { rtc: RtcId(theirs) });
            }
        }
        self.run();
    }

    pub(super) fn drop_link(&mut self, n: usize) {
        if let Some(conn) = self.peers[n].conn.take() {
            self.node.handle_input(node::Input::Closed { conn }, Instant(self.now));
            self.input(n, Input::LinkDown { link: LinkId(0) });
        }
    }

    pub(super) fn cut_rtc(&mut self) {
        for n in 0..self.peers.len() {
            for (ours, _) in std::mem::take(&mut self.peers[n].rtc) {
                self.input(n, Input::RtcDown { rtc: RtcId(ours) });
            }
        }
    }

    /// Connections stay open and carry nothing any more.
    pub(super) fn swallow_rtc(&mut self) {
        for peer in &mut self.peers {
            for (other, _) in peer.rtc.values_mut() {
                *other = usize::MAX;
            }
        }
    }

    pub(super) fn input(&mut self, n: usize, input: Input) {
        self.queue.push_back((n, input));
    }

    pub(super) fn command(&mut self, n: usize, command: Command) -> u64 {
        self.peers[n].commands += 1;
        let id = self.peers[n].commands;
        self.input(n, Input::Command { id: CommandId(id), command });
        self.run();
        id
    }

    pub(super) fn ask(&mut self, n: usize, command: Command) -> Result<Reply, CommandError> {
        let id = self.command(n, command);
        self.peers[n].replies.remove(&id).expect("answered at once")
    }

    /// Lets everything happen that happens now.
    pub(super) fn run(&mut self) {
        loop {
            let mut busy = false;
            while let Some((n, input)) = self.queue.pop_front() {
                busy = true;
                let now = Instant(self.now);
                if let Some(endpoint) = &mut self.peers[n].endpoint {
                    endpoint.handle_input(input, now);
                }
                self.drain(n);
            }
            busy |= self.drain_node();
            for n in 0..self.peers.len() {
                busy |= self.drain(n);
            }
            if !busy {
                return;
            }
        }
    }

    /// Lets `ms` pass.
    pub(super) fn pass_time(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            self.run();
            let timeouts = self.peers.iter().filter_map(|p| p.endpoint.as_ref()?.poll_timeout());
            let next = timeouts.chain(self.node.poll_timeout()).map(|at| at.0).min().unwrap_or(u64::MAX);
            if next > end {
                self.now = end;
                return;
            }
            self.now = self.now.max(next);
            let now = Instant(self.now);
            self.node.handle_timeout(now);
            for peer in &mut self.peers {
                if let Some(endpoint) = &mut peer.endpoint {
                    endpoint.handle_timeout(now);
                }
            }
        }
    }

    fn drain(&mut self, n: usize) -> bool {
        let mut busy = false;
        while let Some(output) = self.peers[n].endpoint.as_mut().and_then(Endpoint::poll_output) {
            busy = true;
            self.carry_out(n, output);
        }
        busy
    }

    fn carry_out(&mut self, n: usize, output: Output) {
        match output {
            Output::Persist { writes, .. } => writes.into_iter().for_each(|w| self.peers[n].write(w)),
            Output::Dial { link } => self.dial(n, link),
            Output::Hangup { .. } => self.drop_link(n),
            Output::LinkSend { bytes, .. } => {
                if let Some(conn) = self.peers[n].conn {
                    self.node.handle_input(node::Input::Frame { conn, bytes }, Instant(self.now));
                }
            }
            Output::RtcOpen { rtc, offerer } => {
                if offerer {
                    let sdp = format!("offer {n} {}", rtc.0);
                    self.input(n, Input::RtcDescription { rtc, sdp });
                }
            }
            Output::RtcRemote { rtc, sdp } => self.remote(n, rtc, &sdp),
            Output::RtcSend { rtc, bytes } => {
                let end =
                    self.peers[n].rtc.get(&rtc.0).copied().filter(|(other, _)| *other < self.peers.len());
                if let Some((other, theirs)) = end {
                    self.input(other, Input::RtcFrame { rtc: RtcId(theirs), bytes });
                }
            }
            Output::RtcClose { rtc } => {
                let end = self.peers[n].rtc.remove(&rtc.0).filter(|(other, _)| *other < self.peers.len());
                if let Some((other, theirs)) = end {
                    self.peers[other].rtc.remove(&theirs);
                    self.input(other, Input::RtcDown { rtc: RtcId(theirs) });
                }
            }
            Output::Solve { stamp, packet, hour, bits } => {
                let nonce = Solver::new(&packet, hour, bits).step(u32::MAX).expect("cheap");
                self.input(n, Input::Solved { stamp, nonce });
            }
            Output::Reply { id, result } => {
                self.peers[n].replies.insert(id.0, result);
            }
            Output::Event(event) => self.peers[n].events.push(event),
            Output::Look { look, topic, id } => {
                let message = self.peers[n].find(&topic, &id).map(Box::new);
                let found = Input::Found { look, topic, id, message };
                match &mut self.slow_looks {
                    Some(held) => held.push((n, found)),
                    None => self.input(n, found),
                }
            }
            Output::RtcCandidate { .. } | Output::CancelSolve { .. } => {}
        }
    }

    fn dial(&mut self, n: usize, link: LinkId) {
        if !self.node_up {
            return self.input(n, Input::LinkDown { link });
        }
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.peers[n].conn = Some(conn);
        self.input(n, Input::LinkUp { link });
        let entropy = [7; 32];
        let source = SourceId(n as u64);
        self.node.handle_input(node::Input::Connected { conn, source, entropy }, Instant(self.now));
    }

    fn remote(&mut self, n: usize, rtc: RtcId, sdp: &str) {
        let parts: Vec<&str> = sdp.split(' ').collect();
        let (other, theirs) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
        if parts[0] == "offer" {
            let sdp: String = format!("answer {n} {}", rtc.0);
            self.input(n, Input::RtcDescription { rtc, sdp: sdp.to_string() });
        } else if self.rtc_works {
            self.peers[n].rtc.insert(rtc.0, (other, theirs));
            self.peers[other].rtc.insert(theirs, (n, rtc.0));
            self.input(n, Input::RtcUp { rtc });
            self.input(other, Input::RtcUp { rtc: RtcId(theirs) });
        }
    }

    fn drain_node(&mut self) -> bool {
        let mut busy = false;
        while let Some(output) = self.node.poll_output() {
            busy = true;
            let now = Instant(self.now);
            match output {
                node::Output::Send { conn, bytes } => {
                    self.node.handle_input(node::Input::Sent { conn, bytes: bytes.len() }, now);
                    if let Some(n) = self.peers.iter().position(|p| p.conn == Some(conn)) {
                        self.input(n, Input::LinkFrame { link: LinkId(0), bytes });
                    }
                }
                node::Output::Disconnect { conn, why } => {
                    let n = self.peers.iter().position(|p| p.conn == Some(conn));
                    panic!("the node threw out {n:?}: {why:?}");
                }
                node::Output::Append(packet) => match packet.verify() {
                    Ok(append) => self.append(append),
                    Err(fact) => self.node.handle_input(fact, now),
                },
                node::Output::Read { job, mailbox, after, max_packets, .. } => {
                    let result = Ok(self.page(&mailbox, after, max_packets));
                    self.node.handle_input(node::Input::ReadDone { job, result }, now);
                }
                node::Output::Expire { hour } => self.expire(hour),
            }
        }
        busy
    }

    fn append(&mut self, append: Append) {
        let known = self.disk.iter().position(|(m, id, _)| *m == append.mailbox && *id == append.packet_id);
        let duplicate = known.is_some();
        let at = known.unwrap_or_else(|| {
            self.disk.push((append.mailbox, append.packet_id, append.bytes.to_vec()));
            self.disk.len() - 1
        });
        let result = Ok(Appended { seq: at as u64 + 1, duplicate });
        self.node.handle_input(node::Input::Appended { job: append.job, result }, Instant(self.now));
    }

    fn expire(&mut self, hour: u32) {
        for (_, _, packet) in &mut self.disk {
            let old = crate::packet::Packet::parse(packet).is_some_and(|p| p.expiry_hour() <= hour);
            if old {
                *packet = vec![];
            }
        }
        self.node.handle_input(node::Input::Usage { bytes: 0 }, Instant(self.now));
    }

    fn page(&self, mailbox: &HarborId, after: u64, max: u32) -> Page {
        let all = self.disk.iter().enumerate().map(|(at, (m, _, p))| (at as u64 + 1, m, p));
        let mut items: Vec<_> = all
            .filter(|(seq, m, p)| *m == mailbox && *seq > after && !p.is_empty())
            .map(|(seq, _, p)| (seq, p.clone()))
            .collect();
        let more = items.len() > max as usize;
        items.truncate(max as usize);
        Page { items, more }
    }

    pub(super) fn topic(&mut self, n: usize, uid: &crate::id::TopicUid) -> Topic {
        let Ok(Reply::Topics { topics }) = self.ask(n, Command::Topics) else { panic!() };
        topics.iter().find(|t| t.uid == *uid).expect("the topic").clone()
    }

    /// The texts of a peer's history in order, own ones with their state.
    pub(super) fn history(
        &self,
        n: usize,
        uid: &crate::id::TopicUid,
    ) -> Vec<(String, Option<State>, Option<Path>)> {
        let peer = &self.peers[n];
        let messages = peer.records.range((Table::Message.to_bytes()[0], uid.0.to_vec())..);
        messages
            .take_while(|((table, key), _)| *table == Table::Message.to_bytes()[0] && key.starts_with(&uid.0))
            .map(|((_, key), value)| {
                let message = Message::from_bytes(value).unwrap();
                let state = peer.records.get(&(Table::State.to_bytes()[0], key.clone()));
                let state = state.map(|s| MessageState::from_bytes(s).unwrap());
                let text = String::from_utf8(message.body.to_vec()).unwrap();
                match state {
                    Some(s) => (text, Some(s.state), s.path),
                    None => (text, message.state, message.path),
                }
            })
            .collect()
    }
}

impl Peer {
    /// A message of the history, as a shell looks it up.
    pub(super) fn find(&self, topic: &TopicUid, id: &MessageId) -> Option<Message> {
        let get = |table: Table, key: Vec<u8>| self.records.get(&(table.to_bytes()[0], key));
        let order = get(Table::Place, [topic.0, id.0].concat())?;
        let message = get(Table::Message, [&topic.0[..], order].concat())?;
        Some(Message::from_bytes(message).unwrap())
    }

    fn write(&mut self, write: Write) {
        let tag = |table: Table| table.to_bytes()[0];
        match write {
            Write::Put { table, key, value } => {
                self.records.insert((tag(table), key), value);
            }
            Write::Delete { table, key } => {
                self.records.remove(&(tag(table), key));
            }
            Write::DeletePrefix { table, prefix } => {
                self.records.retain(|(t, key), _| *t != tag(table) || !key.starts_with(&prefix));
            }
        }
    }
}

fn new_node() -> Node {
    let config = NodeConfig {
        id: EndpointId([1; 32]),
        log: [2; 16],
        store_bits: 1,
        max_ttl_hours: MAX_TTL_HOURS,
        mailbox: Quota { packets: 4096, bytes: 16 << 20 },
        total_bytes: 1 << 30,
        links_per_source: 32,
        watches_per_source: 10_000,
        requests: Rate { burst: 100_000, every_ms: 1_000 },
        packets: Rate { burst: 100_000, every_ms: 1_000 },
        pass_bytes_per_sec: 1 << 30,
    };
    Node::new(config, Instant(0))
}
