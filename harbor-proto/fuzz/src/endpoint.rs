//! Two members of a conversation between a hostile node, hostile direct connections and restarts. Whatever is
//! dropped, repeated, changed, held back or made up: neither fails, every command is answered once, each
//! starts again from whatever it wrote, a person sees only what the other one wrote and sees it once, and
//! "Delivered" is true.

use super::client::{Asked, Client, HOUR, LINK, MAX_BITS, Records};
use super::script::{LOG, Script};
use harbor_proto::endpoint::{Command, Event, Format, Input, Message, Name, RtcId, State, Table, TopicKind};
use harbor_proto::id::{EndpointId, HarborId, MessageId, PacketId};
use harbor_proto::limits::HOUR_MS;
use harbor_proto::packet::Packet;
use harbor_proto::wire::link::{Arrival, Cursor, Refusal, Slot, Tail, ToClient};
use harbor_proto::wire::{Bytes, Text, Wire};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const STEPS: usize = 120;
/// Steps of an honest node after which nothing may be left to do.
const QUIET: usize = 4000;

type Log = BTreeMap<HarborId, Vec<(u64, Vec<u8>)>>;

/// The two as they are when both are in the room.
#[derive(Clone)]
struct Snapshot {
    records: [Records; 2],
    sent: [BTreeMap<u64, Vec<u8>>; 2],
    log: Log,
    unix: u64,
    past: Past,
}

/// What was said and seen so far.
#[derive(Clone, Default)]
struct Past {
    /// Who wrote which body.
    written: BTreeMap<Vec<u8>, usize>,
    /// Bodies of the other one that a person saw, by side; and since the device was last rolled back.
    seen: [BTreeSet<Vec<u8>>; 2],
    shown: [BTreeSet<Vec<u8>>; 2],
    /// The device forgot what it said, and says other things in their place.
    rolled_back: [bool; 2],
    /// A message came that was edited or deleted already: what it first said was not seen there.
    veiled: [bool; 2],
    ids: [Option<EndpointId>; 2],
    sends: u32,
}

struct World {
    clients: [Client; 2],
    log: Log,
    seq: u64,
    /// Everything either let go, for a node or peer to play back.
    packets: Vec<Vec<u8>>,
    /// Frames of data channels that were carried, by sender.
    old_frames: [Vec<Vec<u8>>; 2],
    /// Direct connections that browsers have worked on.
    tried: [BTreeSet<RtcId>; 2],
    past: Past,
}

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

fn snapshot() -> &'static Snapshot {
    static SNAPSHOT: OnceLock<Snapshot> = OnceLock::new();
    SNAPSHOT.get_or_init(|| {
        let unix = u64::from(HOUR) * HOUR_MS;
        let clients = [0, 1].map(|side| Client::start(side, 0, false, Records::new(), unix));
        let mut world = World::new(clients, Log::new(), Past::default());
        for (side, who) in ["Ana", "Ben"].into_iter().enumerate() {
            world.clients[side].command(Command::SetName { name: name(who) });
        }
        world.clients[0].command(Command::CreateTopic { kind: TopicKind::Room, title: name("Room") });
        world.honest();
        let topic = world.clients[0].topics[0];
        world.clients[0].command(Command::Invite { topic, expires_in_ms: 48 * HOUR_MS });
        world.honest();
        let code = world.clients[0].code.clone().expect("an invite");
        world.clients[1].command(Command::Accept { code });
        world.honest();
        for side in 0..2 {
            world.send(side, b"hello");
        }
        world.honest();
        assert!(world.past.shown.iter().all(|shown| shown.len() == 1), "both are in and heard each other");
        let World { clients: [ana, ben], log, past, .. } = world;
        Snapshot {
            unix: ana.unix,
            records: [ana.records, ben.records],
            sent: [ana.sent, ben.sent],
            log,
            past,
        }
    })
}

impl World {
    fn new(clients: [Client; 2], log: Log, past: Past) -> Self {
        let seq = log.values().flatten().map(|row| row.0).max().unwrap_or(0);
        let packets = log.values().flatten().map(|row| row.1.clone()).collect();
        Self { clients, log, seq, packets, old_frames: Default::default(), tried: Default::default(), past }
    }

    fn send(&mut self, side: usize, text: &[u8]) {
        let Some(topic) = self.clients[side].topics.first().copied() else { return };
        self.past.sends += 1;
        let body = [&self.past.sends.to_be_bytes()[..], text].concat();
        self.past.written.insert(body.clone(), side);
        let mut client_ref = [0; 16];
        client_ref[..4].copy_from_slice(&self.past.sends.to_be_bytes());
        let body = Bytes::new(body).expect("short");
        self.clients[side].command(Command::Send { topic, client_ref, format: Format::Bytes, body });
    }

    /// Looks at everything that was shown.
    fn check(&mut self) {
        for side in 0..2 {
            self.past.ids[side] = self.clients[side].me.or(self.past.ids[side]);
            for event in core::mem::take(&mut self.clients[side].events) {
                self.check_event(side, &event);
            }
        }
    }

    fn check_author(&self, side: usize, message: &Message) {
        let author = usize::from(message.mine == (side == 1));
        assert_eq!(Some(message.author), self.past.ids[author], "a stranger speaks");
        if message.is_deleted() {
            assert!(message.body.is_empty(), "a deletion leaves nothing");
        } else {
            let wrote = self.past.written.get(&message.body[..]);
            assert_eq!(wrote, Some(&author), "a message that its author did not write");
        }
    }

    /// Says something about any message, be it the other's.
    fn amend(&mut self, side: usize, script: &mut Script<'_>) {
        let Some(topic) = self.clients[side].topics.first().copied() else { return };
        let places =
            self.clients.iter().flat_map(|c| c.records.keys()).filter(|(table, _)| *table == Table::Place);
        let ids: Vec<_> =
            places.filter_map(|(_, key)| key.last_chunk::<32>().copied().map(MessageId)).collect();
        let Some(&id) = ids.get(script.below(ids.len())) else { return };
        let command = match script.byte() % 4 {
            0 => Command::Delete { topic, id },
            1 => {
                self.past.sends += 1;
                let body = [&self.past.sends.to_be_bytes()[..], script.bytes()].concat();
                self.past.written.insert(body.clone(), side);
                Command::Edit { topic, id, body: Bytes::new(body).expect("short") }
            }
            n => {
                let emoji = Text::new(char::from(b'a' + script.byte() % 8).to_string()).expect("short");
                Command::React { topic, id, emoji, on: n == 2 }
            }
        };
        self.clients[side].command(command);
    }

    fn check_event(&mut self, side: usize, event: &Event) {
        match event {
            Event::Amended { message } => self.check_author(side, message),
            Event::Message { message } if message.format != Format::Notice => {
                self.check_author(side, message);
                if message.is_deleted() || message.edited_at().is_some() {
                    self.past.veiled[side] = true;
                } else if !message.mine {
                    assert!(self.past.shown[side].insert(message.body.to_vec()), "a message shown twice");
                    self.past.seen[side].insert(message.body.to_vec());
                }
            }
            // Receipts go by number: who says two things under one number is told of either.
            Event::State { state: State::Delivered, seq, .. }
                if !self.past.rolled_back[side] && !self.past.veiled[1 - side] =>
            {
                let body = &self.clients[side].sent[seq];
                assert!(
                    self.past.seen[1 - side].contains(body),
                    "delivered, and the other one has not seen it"
                );
            }
            Event::Topic { topic } => {
                assert!(
                    topic.members.iter().all(|member| self.past.ids.contains(&Some(member.id))),
                    "nobody else was let in"
                );
            }
            _ => {}
        }
    }

    /// Answers what a client asked, as an honest node would; false when it asked nothing.
    fn answer(&mut self, side: usize) -> bool {
        if self.clients[side].asked.is_empty() {
            return false;
        }
        match self.clients[side].asked.remove(0) {
            Asked::Store { req, packet } => {
                self.keep(&packet);
                self.append(packet);
                self.clients[side].frame(&ToClient::Stored { req });
            }
            Asked::Pull { req, mailbox, after } => {
                let rows = self.log.get(&mailbox).cloned().unwrap_or_default();
                let mut seq = if after.log == LOG { after.seq } else { 0 };
                for (cursor, packet) in rows.into_iter().filter(|row| row.0 > seq).collect::<Vec<_>>() {
                    seq = cursor;
                    self.clients[side].frame(&ToClient::PullItem { req, cursor, packet: Tail(packet) });
                }
                let cursor = Cursor { log: LOG, seq };
                self.clients[side].frame(&ToClient::PullEnd { req, cursor, more: false });
            }
            Asked::Ping { token } => self.clients[side].frame(&ToClient::Pong { token }),
            Asked::Pass { mailbox, packet } => {
                self.keep(&packet);
                let other = &mut self.clients[1 - side];
                let slots: Vec<Slot> =
                    other.watches.keys().copied().filter(|slot| other.slots[slot] == mailbox).collect();
                for slot in slots {
                    let (arrival, cursor) = (Arrival::Passed, 0);
                    other.frame(&ToClient::Item { slot, arrival, cursor, packet: Tail(packet.clone()) });
                }
            }
        }
        true
    }

    fn keep(&mut self, packet: &[u8]) {
        self.packets.push(packet.to_vec());
        let surplus = self.packets.len().saturating_sub(96);
        self.packets.drain(..surplus);
    }

    fn append(&mut self, packet: Vec<u8>) {
        let Some(parsed) = Packet::parse(&packet) else { panic!("a client stores packets") };
        let (mailbox, id) = (parsed.mailbox(), parsed.id());
        let rows = self.log.entry(mailbox).or_default();
        if !rows.iter().any(|row| Packet::parse(&row.1).is_some_and(|packet| packet.id() == id)) {
            self.seq += 1;
            rows.push((self.seq, packet));
        }
    }

    /// Gives one watch what it has not got; false when all have everything.
    fn push(&mut self, side: usize) -> bool {
        let client = &mut self.clients[side];
        for (slot, sent) in client.watches.clone() {
            let mailbox = client.slots[&slot];
            let next = self.log.get(&mailbox).and_then(|rows| rows.iter().find(|row| row.0 > sent));
            if let Some((cursor, packet)) = next.cloned() {
                client.watches.insert(slot, cursor);
                let arrival = Arrival::Stored;
                client.frame(&ToClient::Item { slot, arrival, cursor, packet: Tail(packet) });
                return true;
            }
        }
        false
    }

    /// A node that does its work until nothing is left for a minute.
    fn honest(&mut self) {
        let mut quiet_secs = 0;
        for _ in 0..QUIET {
            let mut busy = false;
            for side in 0..2 {
                if core::mem::take(&mut self.clients[side].dialed) {
                    self.clients[side].link_up(0);
                    busy = true;
                }
                busy |= self.answer(side) || self.push(side) || self.carry(side);
                self.announce(side);
            }
            self.check();
            if busy || self.connect() {
                continue;
            }
            quiet_secs += 1;
            if quiet_secs > 60 {
                return;
            }
            self.clients.iter_mut().for_each(|client| client.pass_time(1000));
        }
    }

    /// Says `Watching` on every watch: harmless when said again.
    fn announce(&mut self, side: usize) {
        let client = &mut self.clients[side];
        for (slot, seq) in client.watches.clone() {
            client.frame(&ToClient::Watching { slot, cursor: Cursor { log: LOG, seq } });
        }
    }

    /// A packet somebody made, as it was or with one byte changed.
    fn packet(&self, script: &mut Script<'_>) -> Vec<u8> {
        let at = script.below(self.packets.len());
        let mut packet = self.packets.get(at).cloned().unwrap_or_default();
        let (place, change) = (usize::from(script.u16()), script.byte());
        if change < 96 && !packet.is_empty() {
            let place = place % packet.len();
            packet[place] ^= change;
        }
        packet
    }

    fn hostile_frame(&mut self, side: usize, script: &mut Script<'_>) {
        let client = &self.clients[side];
        let at = script.below(client.slots.len());
        let slot = client.slots.keys().nth(at).copied().unwrap_or(0);
        let at = script.below(client.asked.len());
        let req = match client.asked.get(at) {
            Some(Asked::Store { req, .. } | Asked::Pull { req, .. }) => *req,
            _ => u32::from(script.byte()),
        };
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
        self.clients[side].frame(&frame);
    }

    /// The node forgets what it was asked, or keeps a packet and says nothing.
    fn hostile_node(&mut self, side: usize, script: &mut Script<'_>) {
        let asked = &mut self.clients[side].asked;
        if asked.is_empty() {
            return;
        }
        if let Asked::Store { packet, .. } | Asked::Pass { packet, .. } =
            asked.remove(script.below(asked.len()))
        {
            self.keep(&packet);
        }
    }

    fn person(&mut self, side: usize, script: &mut Script<'_>) {
        let Some(topic) = self.clients[side].topics.first().copied() else { return };
        let command = match script.byte() % 16 {
            0 => Command::SetName { name: name("Eve") },
            1 => Command::Invite { topic, expires_in_ms: u64::from(script.u16()) * 60_000 },
            2 => Command::Preview { code: invite_code(&self.clients[side], script) },
            3 => Command::Accept { code: invite_code(&self.clients[side], script) },
            4 => Command::Retry { topic, seq: u64::from(script.byte()) },
            5 => Command::MarkSeen { topic },
            6 => Command::SetDirect { enabled: script.byte() & 1 == 0 },
            7 => Command::Status,
            8 => Command::Topics,
            9 | 10 => return self.amend(side, script),
            _ => return self.send(side, script.bytes()),
        };
        self.clients[side].command(command);
    }

    fn peer(&mut self, side: usize, script: &mut Script<'_>) {
        let own = &self.clients[side].rtc;
        let at = script.below(own.len());
        let rtc = own.iter().nth(at).copied().unwrap_or(RtcId(u32::from(script.byte() % 4)));
        let sent = &self.old_frames[1 - side];
        let input = match script.byte() % 8 {
            0 => Input::RtcUp { rtc },
            1 => Input::RtcDown { rtc },
            2 => Input::RtcDescription { rtc, sdp: "v=0".into() },
            3 => Input::RtcCandidate { rtc, candidate: String::new(), mid: "0".into() },
            4 => Input::RtcFrame { rtc, bytes: script.bytes().to_vec() },
            5 => Input::RtcFrame { rtc, bytes: [&[1][..], &self.packet(script)].concat() },
            6 => {
                let id = PacketId([script.byte(); 32]);
                Input::RtcFrame { rtc, bytes: [&[2, 0, 0, 0, 1][..], &id.0].concat() }
            }
            _ => {
                let at = script.below(sent.len());
                Input::RtcFrame { rtc, bytes: sent.get(at).cloned().unwrap_or_default() }
            }
        };
        self.clients[side].input(input);
    }

    /// Browsers that reach each other at once; false when none is trying to.
    fn connect(&mut self) -> bool {
        let mut tried = false;
        // The offer, then the answer.
        for side in [0, 1, 0, 1] {
            let new: Vec<RtcId> = self.clients[side].rtc.difference(&self.tried[side]).copied().collect();
            for rtc in new {
                tried = true;
                self.tried[side].insert(rtc);
                self.clients[side].input(Input::RtcDescription { rtc, sdp: "v=0".into() });
            }
            while self.answer(side) {}
        }
        if tried && self.clients.iter().all(|client| !client.rtc.is_empty()) {
            for client in &mut self.clients {
                client.rtc.clone().into_iter().for_each(|rtc| client.input(Input::RtcUp { rtc }));
            }
        }
        tried
    }

    /// A data channel that works: everything the other side sent and that was not yet carried.
    fn carry(&mut self, side: usize) -> bool {
        let sent = core::mem::take(&mut self.clients[1 - side].rtc_sent);
        for bytes in &sent {
            if let Some(rtc) = self.clients[side].rtc.last().copied() {
                self.clients[side].input(Input::RtcFrame { rtc, bytes: bytes.clone() });
            }
        }
        let carried = !sent.is_empty();
        self.old_frames[1 - side].extend(sent);
        let surplus = self.old_frames[1 - side].len().saturating_sub(64);
        self.old_frames[1 - side].drain(..surplus);
        carried
    }

    /// A device whose disk was copied and put back: it goes on from the past, as a second one with its keys
    /// would.
    fn roll_back(&mut self, side: usize) {
        let before = snapshot();
        let old = &self.clients[side];
        let name = u8::from(side == 1);
        let (starts, direct, unix) = (old.starts.wrapping_add(50), old.direct, old.unix);
        let mut client = Client::start(name, starts, direct, before.records[side].clone(), unix);
        client.sent.clone_from(&before.sent[side]);
        self.clients[side] = client;
        self.past.shown[side].clone_from(&before.past.shown[side]);
        self.past.rolled_back[side] = true;
        self.tried[side].clear();
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let op = script.byte();
        let side = usize::from(op >> 7);
        match op & 0x7f {
            0 | 1 => {
                self.clients[side].restart();
                self.tried[side].clear();
            }
            2 => self.clients[side].link_up(op & 3),
            3 => self.clients[side].link_down(),
            4 => self.clients[side].input(Input::Network { online: script.byte() & 1 == 0 }),
            5 => self.clients[side].input(Input::Visibility { hidden: script.byte() & 1 == 0 }),
            6..=9 => {
                let ms = u64::from(script.byte()) * 50;
                self.clients.iter_mut().for_each(|client| client.pass_time(ms));
            }
            10 => {
                let ms = u64::from(script.byte()) * HOUR_MS / 2;
                self.clients.iter_mut().for_each(|client| client.pass_time(ms));
            }
            11 => {
                let bytes = script.bytes().to_vec();
                self.clients[side].input(Input::LinkFrame { link: LINK, bytes });
            }
            12 => {
                self.clients[side].unix += u64::from(script.byte()) * HOUR_MS / 4;
                self.clients[side].tell_clock();
            }
            13..=24 => self.peer(side, script),
            25..=39 => self.person(side, script),
            40..=44 => self.hostile_node(side, script),
            45..=60 => {
                let most = script.byte() % 32;
                (0..=most).take_while(|_| self.answer(side)).for_each(drop);
            }
            61..=72 => {
                let most = script.byte() % 32;
                (0..=most).take_while(|_| self.push(side)).for_each(drop);
                self.announce(side);
            }
            73 | 74 => self.honest(),
            75..=77 => {
                self.connect();
            }
            78..=81 => {
                self.carry(side);
            }
            82 => self.roll_back(side),
            _ => self.hostile_frame(side, script),
        }
        self.check();
    }
}

fn invite_code(client: &Client, script: &mut Script<'_>) -> Text<512> {
    let text = core::str::from_utf8(script.bytes()).unwrap_or("");
    let own = client.code.clone().filter(|_| text.is_empty());
    own.unwrap_or_else(|| Text::new(text).expect("short"))
}

/// First byte: what both begin with. Then steps: a byte that says what happens, its highest bit to whom, and
/// the bytes it wants.
pub fn run(input: &[u8]) {
    let before = snapshot();
    let mut script = Script(input);
    let direct = script.byte() & 1 == 0;
    let clients = [0, 1]
        .map(|side| Client::start(side, 1, direct, before.records[usize::from(side)].clone(), before.unix));
    let mut world = World::new(clients, before.log.clone(), before.past.clone());
    for (client, sent) in world.clients.iter_mut().zip(&before.sent) {
        client.sent.clone_from(sent);
        client.link_up(0);
        client.dialed = false;
    }
    world.check();
    for _ in 0..STEPS {
        if script.is_at_end() {
            break;
        }
        world.step(&mut script);
    }
    world.clients.iter_mut().for_each(Client::restart);
    world.check();
}
