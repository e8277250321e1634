//! A client under test: the endpoint, its records, and everything that came out of it.

use super::script::LOG;
use harbor_proto::endpoint::{
    Command, CommandId, Endpoint, Event, Input, LinkId, Message, Output, Reply, RtcId, Setup, Table, Write,
};
use harbor_proto::id::{EndpointId, HarborId, TopicUid};
use harbor_proto::limits::HOUR_MS;
use harbor_proto::machine::Machine;
use harbor_proto::time::{Instant, UnixMillis};
use harbor_proto::wire::link::{Cursor, LINK_VERSION, Request, Slot, ToClient, ToNode};
use harbor_proto::wire::{Text, Wire};
use harbor_proto::work::Solver;
use std::collections::{BTreeMap, BTreeSet};

/// The hour in which every run begins.
pub const HOUR: u32 = 497_000;
/// Greatest price a hostile node may ask for without the run taking for ever.
pub const MAX_BITS: u8 = 6;
pub const LINK: LinkId = LinkId(0);

pub type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// What the client asked of its node and was not told yet.
#[derive(Clone, Debug)]
pub enum Asked {
    Store { req: Request, packet: Vec<u8> },
    Pull { req: Request, mailbox: HarborId, after: Cursor },
    Pass { mailbox: HarborId, packet: Vec<u8> },
    Ping { token: u32 },
}

pub struct Client {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub unix: u64,
    pub records: Records,
    /// Mixed into its randomness, so that no two starts are alike.
    pub starts: u8,
    pub name: u8,
    pub direct: bool,
    pub me: Option<EndpointId>,
    pub topics: Vec<TopicUid>,
    pub code: Option<Text<512>>,
    pub commands: BTreeSet<CommandId>,
    pub next_command: u64,
    pub slots: BTreeMap<Slot, HarborId>,
    /// Slots that watch, and the last number given to them.
    pub watches: BTreeMap<Slot, u64>,
    pub asked: Vec<Asked>,
    pub dialed: bool,
    pub rtc: BTreeSet<RtcId>,
    pub rtc_sent: Vec<Vec<u8>>,
    /// Bodies of own messages, by their place in the own chain.
    pub sent: BTreeMap<u64, Vec<u8>>,
    /// Events since the target last looked.
    pub events: Vec<Event>,
}

impl Client {
    /// A client on what it wrote in an earlier run, or on nothing; its clock is set.
    pub fn start(name: u8, starts: u8, direct: bool, records: Records, unix: u64) -> Self {
        let mut client = Self {
            endpoint: restored(name, starts, direct, &records),
            now: Instant(0),
            unix,
            records,
            starts,
            name,
            direct,
            me: None,
            topics: Vec::new(),
            code: None,
            commands: BTreeSet::new(),
            next_command: 0,
            slots: BTreeMap::new(),
            watches: BTreeMap::new(),
            asked: Vec::new(),
            dialed: false,
            rtc: BTreeSet::new(),
            rtc_sent: Vec::new(),
            sent: BTreeMap::new(),
            events: Vec::new(),
        };
        client.tell_clock();
        client.command(Command::Profile);
        client.command(Command::Topics);
        client
    }

    pub fn tell_clock(&mut self) {
        self.input(Input::Clock(UnixMillis(self.unix)));
    }

    pub fn link_up(&mut self, store_bits: u8) {
        self.input(Input::LinkUp { link: LINK });
        let hour = u32::try_from(self.unix / HOUR_MS).unwrap_or(HOUR);
        let (version, node, challenge) = (LINK_VERSION, EndpointId([5; 32]), [7; 32]);
        self.frame(&ToClient::Welcome { version, node, challenge, log: LOG, hour, store_bits });
    }

    pub fn link_down(&mut self) {
        self.slots.clear();
        self.watches.clear();
        self.asked.clear();
        self.input(Input::LinkDown { link: LINK });
    }

    pub fn frame(&mut self, frame: &ToClient) {
        self.input(Input::LinkFrame { link: LINK, bytes: frame.to_bytes() });
    }

    pub fn command(&mut self, command: Command) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.commands.insert(id);
        self.input(Input::Command { id, command });
    }

    pub fn input(&mut self, input: Input) {
        self.endpoint.handle_input(input, self.now);
        self.drain();
    }

    pub fn pass_time(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.unix += ms;
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    /// The page is killed and opened again: what was not written is gone.
    pub fn restart(&mut self) {
        self.starts = self.starts.wrapping_add(1);
        self.endpoint = restored(self.name, self.starts, self.direct, &self.records);
        self.commands.clear();
        self.slots.clear();
        self.watches.clear();
        self.asked.clear();
        self.rtc.clear();
        self.dialed = false;
        self.tell_clock();
    }

    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.endpoint.poll_output() {
            outputs += 1;
            assert!(outputs < 2000, "one input, an answer of some outputs");
            self.carry_out(output);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist { writes, .. } => writes.into_iter().for_each(|write| self.persist(write)),
            Output::LinkSend { bytes, .. } => self.on_link_send(&bytes),
            Output::Dial { .. } => self.dialed = true,
            Output::Hangup { .. } => {
                self.slots.clear();
                self.watches.clear();
                self.asked.clear();
            }
            Output::RtcOpen { rtc, .. } => {
                self.rtc.insert(rtc);
            }
            Output::RtcClose { rtc } => {
                self.rtc.remove(&rtc);
            }
            Output::RtcSend { bytes, .. } => self.rtc_sent.push(bytes),
            Output::Solve { stamp, packet, hour, bits } => {
                let nonce = Solver::new(&packet, hour, bits.min(MAX_BITS)).step(1 << 12);
                self.input(Input::Solved { stamp, nonce: nonce.unwrap_or(0) });
            }
            Output::Reply { id, result } => {
                assert!(self.commands.remove(&id), "a command is answered once");
                self.on_reply(result.ok());
            }
            Output::Look { look, topic, id } => {
                let place = self.records.get(&(Table::Place, [topic.0, id.0].concat()));
                let key = place.map(|order| [&topic.0[..], order].concat());
                let found = key.and_then(|key| self.records.get(&(Table::Message, key)));
                let message = found.map(|m| Box::new(Message::from_bytes(m).expect("what it wrote")));
                self.input(Input::Found { look, topic, id, message });
            }
            Output::Event(event) => self.events.push(event),
            Output::RtcRemote { .. } | Output::RtcCandidate { .. } | Output::CancelSolve { .. } => {}
        }
    }

    fn persist(&mut self, write: Write) {
        match write {
            Write::Put { table, key, value } => {
                self.records.insert((table, key), value);
            }
            Write::Delete { table, key } => {
                self.records.remove(&(table, key));
            }
            Write::DeletePrefix { table, prefix } => {
                self.records.retain(|(t, key), _| *t != table || !key.starts_with(&prefix));
            }
        }
    }

    fn on_link_send(&mut self, bytes: &[u8]) {
        match ToNode::from_bytes(bytes).expect("a client sends frames") {
            ToNode::Open { slot, mailbox, .. } => {
                self.slots.insert(slot, mailbox);
            }
            ToNode::Store { req, packet, .. } => self.asked.push(Asked::Store { req, packet: packet.0 }),
            ToNode::Pass { slot, packet } => {
                let mailbox = self.slots[&slot];
                self.asked.push(Asked::Pass { mailbox, packet: packet.0 });
            }
            ToNode::Pull { req, slot, after, .. } => {
                let mailbox = self.slots[&slot];
                self.asked.push(Asked::Pull { req, mailbox, after });
            }
            ToNode::Shut { slot } => {
                self.slots.remove(&slot);
                self.watches.remove(&slot);
            }
            ToNode::Watch { slot, after, .. } => {
                self.watches.insert(slot, if after.log == LOG { after.seq } else { 0 });
            }
            ToNode::Ping { token } => self.asked.push(Asked::Ping { token }),
        }
    }

    fn on_reply(&mut self, reply: Option<Reply>) {
        match reply {
            Some(Reply::Profile { profile: Some(profile) }) => self.me = Some(profile.id),
            Some(Reply::Topic { topic }) => self.topics.push(topic.uid),
            Some(Reply::Topics { topics }) => self.topics = topics.iter().map(|topic| topic.uid).collect(),
            Some(Reply::Sent { message }) => {
                self.sent.insert(message.seq, message.body.to_vec());
            }
            Some(Reply::Invite { invite }) => self.code = Some(invite.code),
            _ => {}
        }
    }
}

fn restored(name: u8, starts: u8, direct: bool, records: &Records) -> Endpoint {
    let mut entropy = [starts; 32];
    entropy[0] = name;
    let kept = records.iter().filter(|((table, _), _)| !table.is_history());
    let records: Vec<_> = kept.map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
    let setup = Setup { entropy, nodes: 1, direct };
    Endpoint::restore(setup, records).expect("it starts from what it wrote")
}
