//! Packets that arrive, whichever way.
//!
//! Spec: docs/spec/delivery.md §3. Nothing is shown that its author did not sign for this place; nothing is
//! shown twice; a key is used up only after the signature verified.

use super::conversation::key;
use super::mail::Holder;
use super::{Endpoint, Format, Message, Path, Table};
use crate::crypto::Secret;
use crate::delivery::amend::ReplyBody;
use crate::delivery::clock::wall_time;
use crate::delivery::outbox::order_key;
use crate::delivery::plan::{CONTROL_LANE, Place, SIGNAL_LANE};
use crate::delivery::{Accepted, Amended, Amendment, Binding, Clock, Content, MessageType};
use crate::id::{DeviceId, MessageId, PacketId, TopicUid};
use crate::packet::{Header, Kind, Packet};
use crate::peering::Signal;
use crate::topic::control::{ControlContent, control_key, signal_key};
use crate::topic::{KeyError, OpenKey};
use crate::wire::{Bytes, List, Wire};

/// Bytes of a message's body that the list of conversations keeps.
const EXCERPT: usize = 280;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Dealt with, and on disk with the present step.
    Kept,
    /// Was here before.
    Duplicate,
    /// Waits for its epoch.
    Waits,
    /// Nothing to this endpoint, or forged.
    Refused,
}

impl Endpoint {
    pub(super) fn receive(&mut self, bytes: &[u8], path: Path) -> Fate {
        let Some(packet) = Packet::parse(bytes) else { return Fate::Refused };
        let Some(held) = self.mail.held.get(&packet.mailbox()).cloned() else { return Fate::Refused };
        let Ok(header) = packet.open_header(held.keys.header_key()) else { return Fate::Refused };
        match held.holder {
            Holder::Door => self.on_rendezvous(&packet, &header),
            Holder::Topic { uid, rs, place } => match (packet.kind(), place.lane) {
                (Kind::Message, 1..SIGNAL_LANE) => self.on_message(&uid, &packet, &header, path),
                (Kind::Control, CONTROL_LANE) => self.on_control(&uid, &rs, &packet, &header),
                (Kind::Signal, SIGNAL_LANE) => self.on_signal_packet(&uid, &rs, place, &packet, &header),
                _ => Fate::Refused,
            },
        }
    }

    fn on_control(&mut self, uid: &TopicUid, rs: &Secret, packet: &Packet<'_>, header: &Header) -> Fate {
        let Ok(content) = packet.open_content(header, &control_key(rs)) else { return Fate::Refused };
        let Ok(objects) = ControlContent::from_bytes(&content) else { return Fate::Refused };
        self.absorb(uid, objects.into_vec());
        Fate::Kept
    }

    fn on_signal_packet(
        &mut self,
        uid: &TopicUid,
        rs: &Secret,
        place: Place,
        packet: &Packet<'_>,
        header: &Header,
    ) -> Fate {
        let key = signal_key(rs, place.period);
        let Ok(content) = packet.open_content(header, &key) else { return Fate::Refused };
        let Ok(signal) = Signal::from_bytes(&content) else { return Fate::Refused };
        if !self.others(uid).contains(&signal.from) || !signal.verify(uid, place.period) {
            return Fate::Refused;
        }
        self.on_signal(uid, signal);
        Fate::Kept
    }

    fn on_message(&mut self, uid: &TopicUid, packet: &Packet<'_>, header: &Header, path: Path) -> Fate {
        let Some(log) = self.talks.get(uid).and_then(|t| t.log.as_ref()) else { return Fate::Refused };
        match log.open_key(header) {
            Ok(key) => self.open_message(uid, packet, header, key, path),
            Err(KeyError::UnknownEpoch) => self.keep_pending(uid, packet),
            Err(KeyError::Used | KeyError::Own) => Fate::Duplicate,
            Err(KeyError::Dropped | KeyError::Forged) => Fate::Refused,
        }
    }

    fn open_message(
        &mut self,
        uid: &TopicUid,
        packet: &Packet<'_>,
        header: &Header,
        key: OpenKey,
        path: Path,
    ) -> Fate {
        let Ok(bytes) = packet.open_content(header, &key.key) else { return Fate::Refused };
        let Ok(content) = Content::from_bytes(&bytes) else { return Fate::Refused };
        let binding = Binding {
            topic: uid,
            device: &key.author,
            epoch: &key.epoch,
            leaf: key.leaf,
            counter: key.counter,
        };
        if content.seq == 0 || !content.verify(&binding) {
            return Fate::Refused;
        }
        let (author, identity) = (key.author, key.identity);
        let log = self.talks.get_mut(uid).and_then(|t| t.log.as_mut()).expect("the key came from it");
        if log.refuses(&key, content.seq) {
            return Fate::Refused;
        }
        if !log.accept(key) {
            return Fate::Duplicate;
        }
        let strict = self.step.strict;
        self.flush_log(uid);
        if path == Path::Stored {
            // The node has it still, and the cursor that says it was read is in the same transaction: what the
            // power takes, the next pull brings. What came otherwise is acknowledged, and so must be on the disk.
            self.step.strict = strict;
        }
        let fate = self.accept(uid, &author, &content, path, identity);
        self.on_receipts(uid, &author, &content.receipts);
        fate
    }

    fn accept(
        &mut self,
        uid: &TopicUid,
        author: &DeviceId,
        content: &Content,
        path: Path,
        identity: crate::id::EndpointId,
    ) -> Fate {
        let unix = self.unix();
        let id = content.id(uid, author);
        let talk = self.talks.get_mut(uid).expect("the message is of this topic");
        let mut clock = Clock::resume(talk.outbox.head.clock);
        let reading = clock.observe(content.clock, unix);
        talk.outbox.head.clock = clock.latest();
        // Behind the wall clock the next reading is later anyway; ahead of it a restart must remember.
        let ahead = wall_time(clock.latest()) > unix;
        let chain = talk.senders.entry(*author).or_default();
        let accepted = chain.accept(content.seq, id, content.prev, reading);
        let chain = chain.clone();
        let head = talk.outbox.head.clone();
        if ahead {
            self.put(Table::Outbox, key::entry(uid, 0), &head);
        }
        if content.kind != MessageType::Receipt && path != Path::Direct {
            self.owe_receipt(uid, author);
            let chain = self.talks[uid].senders[author].clone();
            self.put(Table::Peer, key::sender(uid, author), &chain);
        } else {
            self.put(Table::Peer, key::sender(uid, author), &chain);
        }
        let Accepted::New { order } = accepted else { return Fate::Duplicate };
        if content.kind.is_shown() {
            let mut message = self.received(uid, content, id, order, identity, path);
            self.catch_up(uid, &mut message);
            let talk = self.talks.get_mut(uid).expect("as above");
            talk.meta.unread = talk.meta.unread.saturating_add(u32::from(!message.is_deleted()));
            self.show(uid, message);
        } else if let Some(amendment) = Amendment::read(content, id, identity) {
            self.amend(uid, amendment);
        }
        self.changed.insert(*uid);
        Fate::Kept
    }

    fn received(
        &self,
        uid: &TopicUid,
        content: &Content,
        id: MessageId,
        order: u64,
        author: crate::id::EndpointId,
        path: Path,
    ) -> Message {
        let (reply_to, says_text, body) = match content.kind {
            MessageType::Reply => match ReplyBody::from_bytes(&content.body) {
                Ok(reply) => {
                    (Some(reply.to), reply.text, Bytes::new(reply.body.into_vec()).unwrap_or_default())
                }
                Err(_) => (None, false, Bytes::default()),
            },
            kind => (None, kind == MessageType::Text, content.body.clone()),
        };
        let text = says_text && core::str::from_utf8(&body).is_ok();
        Message {
            topic: *uid,
            order: order_key(order, &id),
            id,
            seq: content.seq,
            author,
            author_name: self.name_of(uid, &author),
            mine: false,
            sent_at: wall_time(content.clock),
            received_at: Some(self.unix()),
            format: if text { Format::Text } else { Format::Bytes },
            body,
            state: None,
            path: Some(path),
            client_ref: [0; 16],
            reply_to,
            amended: Amended::default(),
        }
    }

    /// Puts a message into the history and on the screen.
    pub(super) fn show(&mut self, uid: &TopicUid, message: Message) {
        self.put(Table::Message, key::message(uid, &message.order), &message);
        if message.format != Format::Notice {
            self.put(Table::Place, key::place(uid, &message.id), &message.order);
        }
        let Some(talk) = self.talks.get_mut(uid) else { return };
        if talk.meta.last.as_ref().is_none_or(|last| last.order < message.order) {
            talk.meta.last = Some(excerpt(&message));
        }
        self.save_meta(uid);
        self.changed.insert(*uid);
        self.event(super::Event::Message { message });
    }

    fn keep_pending(&mut self, uid: &TopicUid, packet: &Packet<'_>) -> Fate {
        let id = packet.id();
        let Some(talk) = self.talks.get_mut(uid) else { return Fate::Refused };
        let Some(dropped) = talk.pending.insert(id, packet.bytes().to_vec()) else { return Fate::Waits };
        self.step.writes.push(super::Write::Put {
            table: Table::Pending,
            key: key::pending(uid, &id),
            value: packet.bytes().to_vec(),
        });
        for id in dropped {
            self.delete(Table::Pending, key::pending(uid, &id));
        }
        Fate::Waits
    }

    /// An epoch was opened: packets that waited may open now.
    pub(super) fn retry_pending(&mut self, uid: &TopicUid) {
        let Some(talk) = self.talks.get(uid) else { return };
        for (id, bytes) in talk.pending.all() {
            if self.receive(&bytes, Path::Stored) != Fate::Waits {
                self.drop_pending(uid, &id);
            }
        }
    }

    fn drop_pending(&mut self, uid: &TopicUid, id: &PacketId) {
        if let Some(talk) = self.talks.get_mut(uid) {
            talk.pending.remove(id);
            self.delete(Table::Pending, key::pending(uid, id));
        }
    }
}

/// What the list of conversations shows of a message; a record of it is written with every message.
pub(super) fn excerpt(message: &Message) -> Message {
    let mut end = message.body.len().min(EXCERPT);
    while message.format != Format::Bytes && end > 0 && core::str::from_utf8(&message.body[..end]).is_err() {
        end -= 1;
    }
    let amended = Amended { reactions: List::default(), ..message.amended };
    let body = Bytes::new(message.body[..end].to_vec()).unwrap_or_default();
    Message { body, amended, ..message.clone() }
}
