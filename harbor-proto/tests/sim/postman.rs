//! A plain client that talks to nodes by the real [`Uplink`] and knows nothing of topics: a topic's uid serves
//! as routing secret of one mailbox, a body as content. It makes nodes and links sweat without the endpoint.

use crate::world::Client;
use harbor_proto::crypto::Secret;
use harbor_proto::crypto::rng::Rng;
use harbor_proto::delivery::Amended;
use harbor_proto::endpoint::{
    Body, Command, CommandId, Event, Format, Input, LinkId, Message, Name, Output, Path, Reply, Setup,
    StampId, State, Table, Write,
};
use harbor_proto::id::{EndpointId, HarborId, MessageId, PacketId, TopicUid};
use harbor_proto::machine::Machine;
use harbor_proto::packet::{ContentKey, Draft, Header, Kind, MailboxKeys, Packet, set_stamp};
use harbor_proto::time::{Instant, UnixMillis, WallClock};
use harbor_proto::uplink::{Event as Heard, Reading, Uplink, Want};
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Cursor, Refusal};
use harbor_proto::work::Stamp;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Mailboxes every postman reads.
pub(crate) const TOPICS: u8 = 3;
const RETRY_MS: u64 = 700;

pub(crate) fn topic(n: u8) -> TopicUid {
    TopicUid([n; 32])
}

fn keys(uid: &TopicUid) -> Arc<MailboxKeys> {
    Arc::new(MailboxKeys::derive(&Secret(uid.0), 1, 1))
}

fn content_key() -> ContentKey {
    ContentKey { key: Secret([1; 32]), commitment: [2; 16] }
}

struct Outgoing {
    packet: Vec<u8>,
    stamped: bool,
    /// Links on which it is under way.
    under_way: BTreeSet<LinkId>,
    stored: BTreeSet<LinkId>,
    retry_at: Instant,
}

pub(crate) struct Postman {
    rng: Rng,
    me: EndpointId,
    wall: WallClock,
    now: Instant,
    running: bool,
    links: BTreeMap<LinkId, Uplink>,
    topics: BTreeMap<HarborId, (TopicUid, Arc<MailboxKeys>)>,
    outbox: BTreeMap<PacketId, Outgoing>,
    stamps: BTreeMap<StampId, (PacketId, u32, u8)>,
    next_stamp: u64,
    seen: BTreeSet<PacketId>,
    outputs: VecDeque<Output>,
}

pub(crate) fn start(setup: Setup, records: Vec<(Table, Vec<u8>, Vec<u8>)>) -> Client {
    let mut rng = Rng::new(setup.entropy);
    let topics: BTreeMap<_, _> =
        (0..TOPICS).map(|n| (keys(&topic(n)).id(), (topic(n), keys(&topic(n))))).collect();
    let mut cursors = BTreeMap::new();
    let (mut outbox, mut seen, mut me) = (BTreeMap::new(), BTreeSet::new(), None);
    for (table, key, value) in records {
        match table {
            Table::Outbox => {
                let id = PacketId::from_bytes(&key).expect("own record");
                let (under_way, stored) = (BTreeSet::new(), BTreeSet::new());
                outbox.insert(
                    id,
                    Outgoing { packet: value, stamped: false, under_way, stored, retry_at: Instant(0) },
                );
            }
            Table::Cursor => {
                cursors.insert(key, Cursor::from_bytes(&value).expect("own record"));
            }
            Table::Peer => {
                seen.insert(PacketId::from_bytes(&key).expect("own record"));
            }
            Table::Meta => me = Some(EndpointId::from_bytes(&value).expect("own record")),
            _ => {}
        }
    }
    let links = (0..setup.nodes).map(|n| {
        let mut uplink = Uplink::new(Rng::new(rng.array()), Instant(0));
        let wants = topics.iter().map(|(id, (_, keys))| Want {
            keys: Arc::clone(keys),
            reading: Some(if n % 2 == 0 { Reading::Watch } else { Reading::PullOnce }),
            cursor: cursors.get(&cursor_key(LinkId(n), id)).copied().unwrap_or_default(),
        });
        uplink.want(wants.collect(), Instant(0));
        (LinkId(n), uplink)
    });
    let links = links.collect();
    let mut outputs = VecDeque::new();
    let me = me.unwrap_or_else(|| {
        let me = EndpointId(rng.array());
        let put = Write::Put { table: Table::Meta, key: vec![0], value: me.to_bytes() };
        outputs.push_back(Output::Persist { writes: vec![put], strict: true });
        me
    });
    let (wall, now) = (WallClock::default(), Instant(0));
    let (stamps, next_stamp, running) = (BTreeMap::new(), 0, false);
    Box::new(Postman {
        rng,
        me,
        wall,
        now,
        running,
        links,
        topics,
        outbox,
        stamps,
        next_stamp,
        seen,
        outputs,
    })
}

fn cursor_key(link: LinkId, mailbox: &HarborId) -> Vec<u8> {
    [&link.0.to_be_bytes()[..], &mailbox.0].concat()
}

impl Postman {
    fn send(&mut self, id: CommandId, uid: &TopicUid, body: &Body) {
        let keys = keys(uid);
        let draft = Draft {
            mailbox: &keys,
            kind: Kind::Message,
            expiry_hour: self.wall.at(self.now).hours() + 336,
            delete_hash: [0; 32],
            header: Header::default(),
            key: &content_key(),
            nonce: self.rng.array(),
            content: &[&self.me.0[..], body].concat(),
        };
        let packet = draft.seal().expect("fits");
        let packet_id = Packet::parse(&packet).expect("a packet").id();
        let message = self.message(uid, packet_id, self.me, body.to_vec(), State::Queued);
        let writes = vec![
            Write::Put { table: Table::Outbox, key: packet_id.to_bytes(), value: packet.clone() },
            self.line(&message),
            Write::Put { table: Table::Peer, key: packet_id.to_bytes(), value: vec![] },
        ];
        self.seen.insert(packet_id);
        self.outputs.push_back(Output::Persist { writes, strict: true });
        self.outputs.push_back(Output::Reply { id, result: Ok(Reply::Sent { message }) });
        let (under_way, stored) = (BTreeSet::new(), BTreeSet::new());
        self.outbox
            .insert(packet_id, Outgoing { packet, stamped: false, under_way, stored, retry_at: Instant(0) });
    }

    fn message(
        &self,
        uid: &TopicUid,
        id: PacketId,
        author: EndpointId,
        body: Vec<u8>,
        state: State,
    ) -> Message {
        let mut order = [0; 16];
        order.copy_from_slice(&id.0[..16]);
        Message {
            topic: *uid,
            order,
            id: MessageId(id.0),
            seq: 1,
            author,
            author_name: Name::default(),
            mine: author == self.me,
            sent_at: UnixMillis(0),
            received_at: None,
            format: Format::Text,
            body: Body::new(body).expect("short"),
            state: Some(state),
            path: Some(Path::Stored),
            client_ref: [0; 16],
            reply_to: None,
            amended: Amended::default(),
        }
    }

    fn line(&self, message: &Message) -> Write {
        let key = [&message.topic.0[..], &message.order[..]].concat();
        Write::Put { table: Table::Message, key, value: message.to_bytes() }
    }

    fn on_item(&mut self, link: LinkId, mailbox: HarborId, cursor: Option<Cursor>, bytes: &[u8]) {
        let mut writes = Vec::new();
        if let Some(cursor) = cursor {
            let key = cursor_key(link, &mailbox);
            writes.push(Write::Put { table: Table::Cursor, key, value: cursor.to_bytes() });
        }
        let packet = Packet::parse(bytes).expect("nodes hand on packets only");
        if self.seen.insert(packet.id()) {
            let (uid, keys) = self.topics[&mailbox].clone();
            let header = packet.open_header(keys.header_key()).expect("sealed for this mailbox");
            let content = packet.open_content(&header, &content_key()).expect("sealed by a postman");
            let author = EndpointId(content[..32].try_into().expect("32 bytes"));
            let message = self.message(&uid, packet.id(), author, content[32..].to_vec(), State::Delivered);
            writes.push(self.line(&message));
            writes.push(Write::Put { table: Table::Peer, key: packet.id().to_bytes(), value: vec![] });
            self.outputs.push_back(Output::Persist { writes, strict: false });
            self.outputs.push_back(Output::Event(Event::Message { message }));
        } else if !writes.is_empty() {
            self.outputs.push_back(Output::Persist { writes, strict: false });
        }
    }

    fn on_stored(&mut self, link: LinkId, id: PacketId) {
        let nodes = self.links.len();
        let Some(out) = self.outbox.get_mut(&id) else { return };
        out.under_way.remove(&link);
        out.stored.insert(link);
        if out.stored.len() == nodes {
            self.outbox.remove(&id);
            let delete = Write::Delete { table: Table::Outbox, key: id.to_bytes() };
            self.outputs.push_back(Output::Persist { writes: vec![delete], strict: false });
        }
    }

    fn heard(&mut self, link: LinkId, heard: Heard) {
        match heard {
            Heard::Dial => self.outputs.push_back(Output::Dial { link }),
            Heard::Hangup => self.outputs.push_back(Output::Hangup { link }),
            Heard::Send(bytes) => self.outputs.push_back(Output::LinkSend { link, bytes }),
            Heard::Up => {}
            Heard::Down => self.outbox.values_mut().for_each(|out| {
                out.under_way.remove(&link);
            }),
            Heard::Item { mailbox, cursor, packet, .. } => self.on_item(link, mailbox, cursor, &packet),
            Heard::CaughtUp { mailbox, cursor } => {
                let put = Write::Put {
                    table: Table::Cursor,
                    key: cursor_key(link, &mailbox),
                    value: cursor.to_bytes(),
                };
                self.outputs.push_back(Output::Persist { writes: vec![put], strict: false });
            }
            Heard::Stored { tag } => {
                if let Some(id) = self.tagged(tag) {
                    self.on_stored(link, id);
                }
            }
            Heard::Refused { tag, why } => {
                if let Some(id) = self.tagged(tag) {
                    self.on_refused(link, id, why);
                }
            }
        }
    }

    fn tagged(&self, tag: u64) -> Option<PacketId> {
        self.outbox.keys().find(|id| tag_of(id) == tag).copied()
    }

    fn on_refused(&mut self, link: LinkId, id: PacketId, why: Refusal) {
        let retry_at = self.now.plus(RETRY_MS);
        let Some(out) = self.outbox.get_mut(&id) else { return };
        out.under_way.remove(&link);
        out.retry_at = retry_at;
        match why {
            Refusal::StampStale { .. } | Refusal::StampMissing { .. } => out.stamped = false,
            Refusal::Unavailable | Refusal::RateLimited { .. } | Refusal::Full | Refusal::NodeFull => {}
            // The slot was to be opened in the same breath, and that was one frame too many for the minute.
            Refusal::BadSlot => {}
            _ => panic!("an honest packet was refused: {why:?}"),
        }
    }

    /// Stamps and stores what is due.
    fn work(&mut self) {
        let price = self
            .links
            .values()
            .filter_map(|l| Some((l.node_hour(self.now)?, l.greeting()?.store_bits)))
            .next();
        let Some((hour, bits)) = price else { return };
        for (id, out) in &mut self.outbox {
            if out.retry_at > self.now {
                continue;
            }
            if !out.stamped {
                if !self.stamps.values().any(|(packet, ..)| packet == id) {
                    let stamp = StampId(self.next_stamp);
                    self.next_stamp += 1;
                    self.stamps.insert(stamp, (*id, hour, bits));
                    self.outputs.push_back(Output::Solve { stamp, packet: *id, hour, bits });
                }
                continue;
            }
            let mailbox = Packet::parse(&out.packet).expect("own packet").mailbox();
            for (link, uplink) in &mut self.links {
                if !out.stored.contains(link)
                    && !out.under_way.contains(link)
                    && uplink.store(tag_of(id), &mailbox, out.packet.clone())
                {
                    out.under_way.insert(*link);
                }
            }
        }
    }

    fn settle(&mut self) {
        if !self.running {
            return;
        }
        loop {
            self.work();
            let heard: Vec<(LinkId, Heard)> = self
                .links
                .iter_mut()
                .flat_map(|(id, l)| std::iter::from_fn(|| l.poll()).map(|h| (*id, h)))
                .collect();
            if heard.is_empty() {
                return;
            }
            for (link, heard) in heard {
                self.heard(link, heard);
            }
        }
    }

    fn with(&mut self, link: LinkId, act: impl FnOnce(&mut Uplink, Instant)) {
        if let Some(uplink) = self.links.get_mut(&link) {
            act(uplink, self.now);
        }
    }
}

fn tag_of(id: &PacketId) -> u64 {
    u64::from_be_bytes(id.0[..8].try_into().expect("8 bytes"))
}

impl Machine for Postman {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, input: Input, now: Instant) {
        self.now = now;
        match input {
            Input::Clock(unix) => {
                self.wall.set(now, unix);
                self.running = true;
                self.links.values_mut().for_each(|l| l.timeout(now));
            }
            Input::Command { id, command: Command::Send { topic, body, .. } } => self.send(id, &topic, &body),
            Input::LinkUp { link } => self.with(link, Uplink::opened),
            Input::LinkDown { link } => self.with(link, Uplink::closed),
            Input::LinkFrame { link, bytes } => self.with(link, |l, now| l.frame(&bytes, now)),
            Input::Network { online } => self.links.values_mut().for_each(|l| l.network(online, now)),
            Input::Solved { stamp, nonce } => {
                if let Some((id, hour, bits)) = self.stamps.remove(&stamp)
                    && let Some(out) = self.outbox.get_mut(&id)
                {
                    set_stamp(&mut out.packet, Stamp { nonce, hour, bits });
                    out.stamped = true;
                }
            }
            _ => {}
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.links.values_mut().for_each(|l| l.timeout(now));
        self.settle();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let links = self.links.values().filter_map(Uplink::next_timeout);
        let waiting = self.outbox.values().map(|out| out.retry_at).filter(|at| *at > self.now);
        links.chain(waiting).min()
    }
}
