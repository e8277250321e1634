//! A client as a whole, between a hostile node, hostile peers and a disk that restarts it: it never fails,
//! answers every command once, starts again from whatever it wrote, and shows no message that its person did
//! not write, since nobody else is in the conversation.

use super::script::{LOG, Script};
use harbor_proto::endpoint::{
    Command, CommandId, Endpoint, Event, Format, Input, LinkId, Name, Output, Reply, RtcId, Setup, Table,
    TopicKind, Write,
};
use harbor_proto::id::{EndpointId, HarborId, PacketId, TopicUid};
use harbor_proto::limits::HOUR_MS;
use harbor_proto::machine::Machine;
use harbor_proto::time::{Instant, UnixMillis};
use harbor_proto::wire::link::{Arrival, LINK_VERSION, Refusal, Slot, Tail, ToClient, ToNode};
use harbor_proto::wire::{Bytes, Text, Wire};
use harbor_proto::work::Solver;
use std::collections::{BTreeMap, BTreeSet};

const HOUR: u32 = 497_000;
const STEPS: usize = 150;
/// Greatest price a hostile node may ask for without the run taking for ever.
const MAX_BITS: u8 = 6;
const LINK: LinkId = LinkId(0);

type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

struct Shell {
    endpoint: Endpoint,
    now: Instant,
    unix: u64,
    records: Records,
    starts: u8,
    me: Option<EndpointId>,
    topics: Vec<TopicUid>,
    code: Option<Text<512>>,
    /// Bodies the person sent.
    written: BTreeSet<Vec<u8>>,
    commands: BTreeSet<CommandId>,
    next_command: u64,
    slots: BTreeMap<Slot, HarborId>,
    requests: Vec<u32>,
    /// Every packet the endpoint let go, for a node to play back.
    packets: Vec<Vec<u8>>,
    rtc: BTreeSet<RtcId>,
}

fn setup(starts: u8) -> Setup {
    Setup { entropy: [starts; 32], nodes: 1, direct: true }
}

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

impl Shell {
    fn new() -> Self {
        let endpoint = Endpoint::restore(setup(0), []).expect("nothing to restore");
        let mut shell = Self {
            endpoint,
            now: Instant(0),
            unix: u64::from(HOUR) * HOUR_MS,
            records: Records::new(),
            starts: 0,
            me: None,
            topics: Vec::new(),
            code: None,
            written: BTreeSet::new(),
            commands: BTreeSet::new(),
            next_command: 0,
            slots: BTreeMap::new(),
            requests: Vec::new(),
            packets: Vec::new(),
            rtc: BTreeSet::new(),
        };
        shell.tell_clock();
        shell.command(Command::SetName { name: name("Ana") });
        shell.command(Command::CreateTopic { kind: TopicKind::Room, title: name("Room") });
        shell.link_up();
        assert!(shell.me.is_some() && shell.topics.len() == 1 && !shell.slots.is_empty(), "it began");
        shell
    }

    fn tell_clock(&mut self) {
        self.input(Input::Clock(UnixMillis(self.unix)));
    }

    fn link_up(&mut self) {
        self.input(Input::LinkUp { link: LINK });
        self.welcome(0);
    }

    fn welcome(&mut self, store_bits: u8) {
        let hour = u32::try_from(self.unix / HOUR_MS).unwrap_or(HOUR);
        let (version, node, challenge) = (LINK_VERSION, EndpointId([5; 32]), [7; 32]);
        self.frame(&ToClient::Welcome { version, node, challenge, log: LOG, hour, store_bits });
    }

    fn frame(&mut self, frame: &ToClient) {
        self.input(Input::LinkFrame { link: LINK, bytes: frame.to_bytes() });
    }

    fn command(&mut self, command: Command) {
        self.next_command += 1;
        let id = CommandId(self.next_command);
        self.commands.insert(id);
        self.input(Input::Command { id, command });
    }

    fn input(&mut self, input: Input) {
        self.endpoint.handle_input(input, self.now);
        self.drain();
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
            Output::RtcOpen { rtc, .. } => {
                self.rtc.insert(rtc);
            }
            Output::RtcClose { rtc } => {
                self.rtc.remove(&rtc);
            }
            Output::Solve { stamp, packet, hour, bits } => {
                let nonce = Solver::new(&packet, hour, bits.min(MAX_BITS)).step(1 << 12);
                self.input(Input::Solved { stamp, nonce: nonce.unwrap_or(0) });
            }
            Output::Reply { id, result } => {
                assert!(self.commands.remove(&id), "a command is answered once");
                self.on_reply(result.ok());
            }
            Output::Event(event) => self.on_event(&event),
            Output::Dial { .. }
            | Output::Hangup { .. }
            | Output::RtcRemote { .. }
            | Output::RtcCandidate { .. }
            | Output::RtcSend { .. }
            | Output::CancelSolve { .. } => {}
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
            ToNode::Store { req, packet, .. } => {
                self.requests.push(req);
                self.packets.push(packet.0);
            }
            ToNode::Pass { packet, .. } => self.packets.push(packet.0),
            ToNode::Pull { req, .. } => self.requests.push(req),
            ToNode::Shut { .. } | ToNode::Watch { .. } | ToNode::Ping { .. } => {}
        }
        // A run that collects more plays back the newest.
        let surplus = self.packets.len().saturating_sub(64);
        self.packets.drain(..surplus);
    }

    fn on_reply(&mut self, reply: Option<Reply>) {
        match reply {
            Some(Reply::Profile { profile: Some(profile) }) => self.me = Some(profile.id),
            Some(Reply::Topic { topic }) => self.topics.push(topic.uid),
            Some(Reply::Invite { invite }) => self.code = Some(invite.code),
            _ => {}
        }
    }

    fn on_event(&mut self, event: &Event) {
        match event {
            Event::Message { message } if message.format != Format::Notice => {
                assert!(message.mine && Some(message.author) == self.me, "nobody else is here");
                assert!(self.written.contains(&message.body[..]), "a message nobody wrote");
            }
            Event::Topic { topic } => {
                assert!(topic.members.iter().all(|member| member.me), "nobody let anybody in");
            }
            _ => {}
        }
    }

    fn slot(&self, script: &mut Script<'_>) -> Slot {
        let at = script.below(self.slots.len());
        self.slots.keys().nth(at).copied().unwrap_or(0)
    }

    fn request(&self, script: &mut Script<'_>) -> u32 {
        let at = script.below(self.requests.len());
        self.requests.get(at).copied().unwrap_or(0)
    }

    /// A packet the endpoint made, as it was or with one byte changed.
    fn packet(&self, script: &mut Script<'_>) -> Vec<u8> {
        let at = script.below(self.packets.len());
        let mut packet = self.packets.get(at).cloned().unwrap_or_default();
        let (place, change) = (usize::from(script.u16()), script.byte());
        if change < 128 && !packet.is_empty() {
            let place = place % packet.len();
            packet[place] ^= change;
        }
        packet
    }

    fn hostile_frame(&mut self, script: &mut Script<'_>) {
        let slot = self.slot(script);
        let req = self.request(script);
        let why = match script.byte() % 14 {
            3 => Refusal::StampMissing { bits: script.byte() % MAX_BITS },
            4 => Refusal::StampStale { hour: HOUR },
            10 => Refusal::RateLimited { after_ms: u32::from(script.u16()) },
            n => Refusal::from_bytes(&[n + 1]).expect("a refusal without fields"),
        };
        let frame = match script.byte() % 12 {
            0 => ToClient::Stored { req },
            1 => ToClient::Refused { req, why },
            2 => ToClient::SlotRefused { slot, why },
            3 => ToClient::Watching { slot, cursor: script.cursor() },
            4 => ToClient::Lagged { slot },
            5 => ToClient::PullItem { req, cursor: script.cursor().seq, packet: Tail(self.packet(script)) },
            6 => ToClient::PullEnd { req, cursor: script.cursor(), more: script.byte() & 1 == 0 },
            7 => ToClient::Pong { token: req },
            8 => ToClient::Bye { after_ms: u32::from(script.u16()) },
            n => {
                let arrival = [Arrival::Backlog, Arrival::Stored, Arrival::Passed][usize::from(n) % 3];
                let cursor = script.cursor().seq;
                ToClient::Item { slot, arrival, cursor, packet: Tail(self.packet(script)) }
            }
        };
        self.frame(&frame);
    }

    fn person(&mut self, script: &mut Script<'_>) {
        let at = script.below(self.topics.len());
        let Some(topic) = self.topics.get(at).copied() else { return };
        let command = match script.byte() % 14 {
            0 => Command::SetName { name: name("Eve") },
            1 => Command::CreateTopic { kind: TopicKind::Dm, title: name("") },
            2 => Command::Invite { topic, expires_in_ms: u64::from(script.u16()) * 60_000 },
            3 => Command::Preview { code: self.invite_code(script) },
            4 => Command::Accept { code: self.invite_code(script) },
            5 => Command::Retry { topic, seq: u64::from(script.byte()) },
            6 => Command::MarkSeen { topic },
            7 => Command::Leave { topic },
            8 => Command::Forget { topic },
            9 => Command::SetDirect { enabled: script.byte() & 1 == 0 },
            10 => Command::Status,
            11 => Command::Topics,
            _ => {
                let body = script.bytes().to_vec();
                self.written.insert(body.clone());
                let body = Bytes::new(body).expect("short");
                Command::Send { topic, client_ref: [script.byte(); 16], format: Format::Bytes, body }
            }
        };
        self.command(command);
    }

    fn invite_code(&self, script: &mut Script<'_>) -> Text<512> {
        let text = core::str::from_utf8(script.bytes()).unwrap_or("");
        let own = self.code.clone().filter(|_| text.is_empty());
        own.unwrap_or_else(|| Text::new(text).expect("short"))
    }

    fn peer(&mut self, script: &mut Script<'_>) {
        let at = script.below(self.rtc.len());
        let rtc = self.rtc.iter().nth(at).copied().unwrap_or(RtcId(u32::from(script.byte() % 4)));
        let input = match script.byte() % 7 {
            0 => Input::RtcUp { rtc },
            1 => Input::RtcDown { rtc },
            2 => Input::RtcDescription { rtc, sdp: "v=0".into() },
            3 => Input::RtcCandidate { rtc, candidate: String::new(), mid: "0".into() },
            4 => Input::RtcFrame { rtc, bytes: script.bytes().to_vec() },
            5 => Input::RtcFrame { rtc, bytes: [&[1][..], &self.packet(script)].concat() },
            _ => {
                let id = PacketId([script.byte(); 32]);
                Input::RtcFrame { rtc, bytes: [&[2, 0, 0, 0, 1][..], &id.0].concat() }
            }
        };
        self.input(input);
    }

    fn restart(&mut self) {
        let kept =
            self.records.iter().filter(|((table, _), _)| !matches!(table, Table::Message | Table::State));
        let records: Vec<_> =
            kept.map(|((table, key), value)| (*table, key.clone(), value.clone())).collect();
        self.starts = self.starts.wrapping_add(1);
        self.endpoint = Endpoint::restore(setup(self.starts), records).expect("it starts from what it wrote");
        self.commands.clear();
        self.slots.clear();
        self.requests.clear();
        self.rtc.clear();
        self.tell_clock();
    }

    fn pass_time(&mut self, ms: u64) {
        self.now = self.now.plus(ms);
        self.unix += ms;
        self.endpoint.handle_timeout(self.now);
        self.drain();
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 => self.restart(),
            1 => self.link_up(),
            2 => self.input(Input::LinkDown { link: LINK }),
            3 => self.input(Input::Network { online: script.byte() & 1 == 0 }),
            4 => self.input(Input::Visibility { hidden: script.byte() & 1 == 0 }),
            5 => self.pass_time(u64::from(script.byte()) * 50),
            6 => self.pass_time(u64::from(script.byte()) * HOUR_MS),
            7 => {
                let bytes = script.bytes().to_vec();
                self.input(Input::LinkFrame { link: LINK, bytes });
            }
            8 | 9 => self.peer(script),
            10 | 11 => self.person(script),
            12 => {
                self.unix = u64::from(HOUR) * HOUR_MS + u64::from(script.byte()) * HOUR_MS;
                self.tell_clock();
            }
            _ => self.hostile_frame(script),
        }
    }
}

/// Each step takes a byte that says what happens, and the bytes it wants.
pub fn run(input: &[u8]) {
    let mut shell = Shell::new();
    let mut script = Script(input);
    for _ in 0..STEPS {
        if script.is_at_end() {
            break;
        }
        shell.step(&mut script);
    }
    shell.restart();
}
