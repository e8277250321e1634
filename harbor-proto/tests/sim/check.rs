//! What must hold at every step, whatever goes wrong, and what must come true once nothing does.

use crate::disk::{NodeDisk, Records};
use harbor_proto::crypto::Secret;
use harbor_proto::crypto::kdf::{Context, derive};
use harbor_proto::delivery::outbox::Entry;
use harbor_proto::endpoint::{
    Command, CommandError, DirectFrame, Event, Message, Reply, State, Table, Write,
};
use harbor_proto::id::{EndpointId, HarborId, MessageId, PacketId, TopicUid};
use harbor_proto::node::Disconnect;
use harbor_proto::packet::{Kind, MailboxKeys, Packet};
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Request, ToNode};
use std::collections::{BTreeMap, BTreeSet};

/// A message somebody asked to be sent; every body in a world is another one.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) device: usize,
    pub(crate) topic: TopicUid,
}

/// One line of a device's history.
#[derive(Debug)]
struct Line {
    key: Vec<u8>,
    id: MessageId,
}

#[derive(Default)]
pub(crate) struct Check {
    /// Mailboxes by slot of each link, and packets by request, as the node heard them.
    slots: BTreeMap<(u64, u16), HarborId>,
    stores: BTreeMap<(u64, Request), (HarborId, PacketId, u32)>,
    /// Packets a node said are stored, and until which hour.
    promised: BTreeMap<(usize, HarborId, PacketId), u32>,
    pub(crate) said: BTreeMap<Vec<u8>, Said>,
    /// Texts that somebody put in the place of an own message's.
    edits: BTreeMap<Vec<u8>, usize>,
    /// Messages that no longer concern whoever joins or leaves from here on, or that are shown as said no more.
    closed: BTreeSet<Vec<u8>>,
    /// By device and body.
    history: BTreeMap<(usize, Vec<u8>), Line>,
    /// What was shown to a person, over all runs of a device.
    shown: BTreeMap<(usize, MessageId), Vec<u8>>,
    who: BTreeMap<EndpointId, usize>,
    /// Header keys of the mailboxes that somebody sealed a message for.
    header_keys: BTreeMap<HarborId, Secret>,
    /// Lanes of the mailboxes that somebody sealed a message for.
    pub(crate) mailboxes: BTreeMap<HarborId, u8>,
    /// Every place in a ratchet that left a device, and the packet it was used for.
    used: BTreeMap<(HarborId, [u8; 8], u16, u32), PacketId>,
    /// The devices are postmen, whose packets have no place in a ratchet.
    pub(crate) no_ratchets: bool,
    /// Highest counter used.
    pub(crate) highest_counter: u32,
    pub(crate) disconnects: Vec<Disconnect>,
    pub(crate) direct_opened: u64,
    pub(crate) stored_replies: u64,
    pub(crate) direct_frames: u64,
}

impl Check {
    pub(crate) fn node_hears(&mut self, channel: u64, bytes: &[u8]) {
        match ToNode::from_bytes(bytes) {
            Ok(ToNode::Open { slot, mailbox, .. }) => {
                self.slots.insert((channel, slot), mailbox);
            }
            Ok(ToNode::Store { req, slot, packet }) => {
                let (Some(mailbox), Some(packet)) =
                    (self.slots.get(&(channel, slot)), Packet::parse(&packet.0))
                else {
                    return;
                };
                self.stores.insert((channel, req), (*mailbox, packet.id(), packet.expiry_hour()));
            }
            _ => {}
        }
    }

    /// Stored means stored: the packet is on the disk at the moment the node says so.
    pub(crate) fn stored(&mut self, node: usize, channel: u64, req: Request, disk: &NodeDisk) {
        let (mailbox, id, expiry) = self.stores.remove(&(channel, req)).expect("an answer to a question");
        assert!(disk.has(&mailbox, &id), "a node says stored and has nothing on disk");
        self.stored_replies += 1;
        self.promised.insert((node, mailbox, id), expiry);
    }

    pub(crate) fn expired(&mut self, node: usize, hour: u32) {
        self.promised.retain(|(n, ..), expiry| *n != node || *expiry > hour);
    }

    pub(crate) fn node_crashed(&self, node: usize, disk: &NodeDisk) {
        for (n, mailbox, id) in self.promised.keys().filter(|(n, ..)| *n == node) {
            assert!(disk.has(mailbox, id), "node {n} lost a packet it said was stored");
        }
    }

    pub(crate) fn commanded(&mut self, device: usize, command: &Command) {
        if let Command::Send { topic, body, .. } = command {
            self.said.entry(body.to_vec()).or_insert(Said { device, topic: *topic });
        }
        if let Command::Edit { id, .. } | Command::Delete { id, .. } = command {
            let now =
                self.history.iter().filter(|(_, line)| line.id == *id).map(|((_, body), _)| body.clone());
            self.closed.extend(now);
        }
        if let Command::Edit { body, .. } = command {
            self.edits.insert(body.to_vec(), device);
        }
    }

    pub(crate) fn replied(&mut self, device: usize, result: &Result<Reply, CommandError>) {
        if let Ok(Reply::Profile { profile: Some(profile) }) = result {
            self.who.insert(profile.id, device);
        }
    }

    pub(crate) fn event(&mut self, device: usize, event: &Event) {
        if let Event::Message { message } = event {
            self.genuine(device, message);
            let key = key(message);
            let before = self.shown.insert((device, message.id), key.clone());
            assert!(before.is_none_or(|k| k == key), "device {device} shows a message in two places");
        }
    }

    /// Nothing is shown that its author did not say, there.
    fn genuine(&self, device: usize, message: &Message) {
        if message.seq == 0 {
            return;
        }
        if message.is_deleted() || message.edited_at().is_some() {
            let author = self.edits.get(&message.body[..]);
            assert_eq!(message.is_deleted(), message.body.is_empty(), "a deletion leaves nothing");
            assert!(message.is_deleted() || self.who.get(&message.author) == author, "somebody else's edit");
            return;
        }
        let said = self.said.get(&message.body[..]).expect("a message nobody wrote");
        assert_eq!(said.topic, message.topic, "a message in a topic it was not written to");
        assert_eq!(message.mine, said.device == device, "an author is taken for another");
        if let Some(author) = self.who.get(&message.author) {
            assert_eq!(*author, said.device, "a message under another's name");
        }
    }

    /// No message is in a history twice.
    pub(crate) fn persists(&mut self, device: usize, writes: &[Write]) {
        for write in writes {
            if let Write::Put { table: Table::Outbox, value, .. } = write {
                self.note_sealed(value);
            }
            if let Write::Put { table: Table::Message, key, value } = write {
                let message = Message::from_bytes(value).expect("history is readable");
                self.genuine(device, &message);
                self.keep(device, key.clone(), &message);
            }
        }
    }

    fn keep(&mut self, device: usize, at: Vec<u8>, message: &Message) {
        if message.seq == 0 {
            return;
        }
        assert_eq!(at, key(message), "a message under a key that is not its own");
        if message.is_deleted() || message.edited_at().is_some() {
            return;
        }
        let line = Line { key: at, id: message.id };
        if let Some(before) = self.history.insert((device, message.body.to_vec()), line) {
            assert!(
                before.key == key(message) && before.id == message.id,
                "device {device} keeps a message twice"
            );
        }
    }

    /// After a crash only what the disk kept counts.
    pub(crate) fn device_restarted(&mut self, device: usize, records: &Records) {
        self.history.retain(|(d, _), _| *d != device);
        self.shown.retain(|(d, _), key| *d != device || records.contains_key(&(Table::Message, key.clone())));
        for ((table, key), value) in records {
            if *table == Table::Message {
                let message = Message::from_bytes(value).expect("history is readable");
                self.keep(device, key.clone(), &message);
            }
        }
    }

    pub(crate) fn device_sends(&mut self, bytes: &[u8]) {
        if let Ok(ToNode::Store { packet, .. } | ToNode::Pass { packet, .. }) = ToNode::from_bytes(bytes) {
            self.leaves(&packet.0);
        }
    }

    pub(crate) fn device_sends_peer(&mut self, bytes: &[u8]) {
        self.direct_frames += 1;
        if let Ok(DirectFrame::Packet { packet }) = DirectFrame::from_bytes(bytes) {
            self.leaves(&packet.0);
        }
    }

    /// No place in a ratchet is used for two packets, whatever was lost in between.
    fn leaves(&mut self, packet: &[u8]) {
        let packet = Packet::parse(packet).expect("an own packet");
        if packet.kind() != Kind::Message || self.no_ratchets {
            return;
        }
        let hk = self.header_keys.get(&packet.mailbox()).expect("sealed, written down, then sent");
        let header = packet.open_header(hk).expect("own header");
        let place = (packet.mailbox(), header.epoch, header.leaf, header.counter);
        self.highest_counter = self.highest_counter.max(header.counter);
        let before = self.used.insert(place, packet.id());
        assert!(before.is_none_or(|id| id == packet.id()), "one message key for two packets");
    }

    fn note_sealed(&mut self, value: &[u8]) {
        let Ok(Entry { sealed: Some(sealed), .. }) = Entry::from_bytes(value) else { return };
        if let Some(packet) = Packet::parse(&sealed.packet) {
            let keys = MailboxKeys::derive(&sealed.rs, sealed.period, sealed.lane);
            assert_eq!(keys.id(), packet.mailbox(), "a packet for another mailbox than it says");
            self.mailboxes.insert(keys.id(), sealed.lane);
            self.header_keys.insert(keys.id(), derive(Context::Header, &[&sealed.rs.0]));
        }
    }

    /// Bodies in the history of a device, of this topic.
    pub(crate) fn has(&self, device: usize, body: &[u8]) -> bool {
        self.history.contains_key(&(device, body.to_vec()))
    }

    /// Bodies that are durable with their authors: those must come to everybody.
    pub(crate) fn owed(&self) -> Vec<(&Vec<u8>, &Said)> {
        let open = self.said.iter().filter(|(body, _)| !self.closed.contains(*body));
        open.filter(|(body, said)| self.has(said.device, body)).collect()
    }

    /// What was said so far is for those who were there.
    pub(crate) fn close(&mut self) {
        self.closed = self.said.keys().cloned().collect();
    }

    /// (device, body) pairs still missing among `members` of the topic.
    pub(crate) fn missing(&self, topic: &TopicUid, members: &BTreeSet<usize>) -> Vec<(usize, String)> {
        let owed = self.owed().into_iter().filter(|(_, said)| said.topic == *topic);
        let pairs = owed.flat_map(|(body, _)| members.iter().map(move |m| (*m, body)));
        let absent = pairs.filter(|(member, body)| !self.has(*member, body));
        absent.map(|(member, body)| (member, String::from_utf8_lossy(body).into_owned())).collect()
    }

    /// Own messages of `device` that are not `Delivered`, from its records.
    pub(crate) fn undelivered(&self, device: usize, records: &Records) -> Vec<(String, State)> {
        let own = self.owed().into_iter().filter(|(_, said)| said.device == device);
        let states = own.filter_map(|(body, _)| {
            let line = self.history.get(&(device, body.clone()))?;
            let state = state_of(&line.key, records)?;
            (state != State::Delivered).then(|| (String::from_utf8_lossy(body).into_owned(), state))
        });
        states.collect()
    }
}

fn key(message: &Message) -> Vec<u8> {
    [&message.topic.0[..], &message.order[..]].concat()
}

/// The state a page would show: the record beside the message overrides the message's own.
fn state_of(key: &[u8], records: &Records) -> Option<State> {
    if let Some(value) = records.get(&(Table::State, key.to_vec())) {
        return State::decode(&mut harbor_proto::wire::Reader::new(value)).ok();
    }
    Message::from_bytes(records.get(&(Table::Message, key.to_vec()))?).ok()?.state
}
