//! What the person or the application asks for.

use super::conversation::{Conversation, Meta, key};
use super::{
    Command, CommandError, CommandId, Endpoint, Event, Format, Me, Message, Name, Output, Reply, Table,
    Topic, TopicKind, TopicState, Write,
};
use crate::delivery::amend::is_text;
use crate::delivery::outbox::Draft;
use crate::delivery::{Amended, MessageType, SenderChain, State};
use crate::id::{MessageId, TopicUid};
use crate::identity::DeviceSecrets;
use crate::limits::OUTBOX_MESSAGES;
use crate::topic::TopicLog;
use crate::wire::List;
use alloc::vec::Vec;

type Answer = Result<Reply, CommandError>;

impl Endpoint {
    pub(super) fn on_command(&mut self, id: CommandId, command: Command) {
        let answer =
            if self.running { self.command(id, command) } else { Err(CommandError::NotInitialized).into() };
        if let Some(result) = answer.0 {
            self.reply(id, result);
        }
    }

    pub(super) fn reply(&mut self, id: CommandId, result: Answer) {
        self.out(Output::Reply { id, result });
    }

    fn command(&mut self, id: CommandId, command: Command) -> Later {
        let answer = match command {
            Command::SetName { name } => self.set_name(name),
            Command::Profile => Ok(Reply::Profile { profile: self.profile() }),
            Command::CreateTopic { kind, title } => self.create_topic(kind, title),
            Command::Topics => Ok(Reply::Topics { topics: self.topics() }),
            Command::Invite { topic, expires_in_ms } => self.invite(&topic, expires_in_ms),
            Command::Preview { code } => return self.preview(id, code.as_str()),
            Command::Accept { code } => return self.accept_invite(id, code.as_str()),
            Command::Send { topic, client_ref, format, body } => {
                self.send(&topic, client_ref, None, format, body)
            }
            Command::Retry { topic, seq } => self.retry(&topic, seq),
            Command::MarkSeen { topic } => self.mark_seen(&topic),
            Command::Leave { topic } => self.leave(&topic),
            Command::Remove { topic, who } => self.remove(&topic, &who),
            Command::RevokeInvite { topic, code } => self.revoke_invite(&topic, code.as_str()),
            Command::SetRole { topic, who, role } => self.set_role(&topic, &who, role),
            Command::SafetyNumber { who } => self.safety_number(&who),
            Command::SetVerified { who, verified } => self.set_verified(&who, verified),
            Command::Forget { topic } => self.forget(&topic),
            Command::SetDirect { enabled } => self.set_direct(enabled),
            Command::Status => Ok(Reply::Status { status: self.current_status() }),
            Command::Reply { topic, client_ref, to, format, body } => {
                self.send(&topic, client_ref, Some(to), format, body)
            }
            Command::Edit { .. } | Command::Delete { .. } | Command::React { .. } => {
                return Later(self.ask_to_amend(id, command).err().map(Err));
            }
        };
        answer.into()
    }

    fn topics(&self) -> List<Topic, 65536> {
        List::first(self.talks.keys().filter_map(|uid| self.view(uid)))
    }

    fn set_name(&mut self, name: Name) -> Answer {
        if name.as_str().trim().is_empty() {
            return Err(CommandError::BadInput);
        }
        let unix = self.unix();
        let me = match self.me.take() {
            Some(me) => Me { name, ..me },
            None => Me { secrets: DeviceSecrets::generate(&mut self.rng, unix), name },
        };
        self.put(Table::Meta, b"me".to_vec(), &me);
        self.step.strict = true;
        self.me = Some(me);
        self.start_peering();
        let profile = self.profile().ok_or(CommandError::NotInitialized)?;
        self.event(Event::Profile { profile: profile.clone() });
        Ok(Reply::Profile { profile: Some(profile) })
    }

    fn create_topic(&mut self, kind: TopicKind, title: Name) -> Answer {
        if kind == TopicKind::Room && title.as_str().trim().is_empty() {
            return Err(CommandError::BadInput);
        }
        let unix = self.unix();
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?;
        let log = TopicLog::create(&mut self.rng, &me.secrets, kind, title.clone(), me.name.clone(), unix);
        let uid = log.uid();
        let state = TopicState::Active;
        let meta = Meta { kind, title, state, created: unix, unread: 0, last: None, complete: unix };
        self.talks.insert(uid, Conversation::new(meta, Some(log)));
        self.flush_log(&uid);
        self.save_meta(&uid);
        self.tell_members(&uid);
        self.replan = true;
        self.changed.insert(uid);
        Ok(Reply::Topic { topic: self.view(&uid).ok_or(CommandError::NotFound)? })
    }

    fn send(
        &mut self,
        uid: &TopicUid,
        client_ref: [u8; 16],
        reply_to: Option<MessageId>,
        format: Format,
        body: super::Body,
    ) -> Answer {
        let (kind, wire) = match (format, reply_to) {
            (Format::Text, _) if !is_text(&body) => return Err(CommandError::BadInput),
            (Format::Notice, _) => return Err(CommandError::BadInput),
            (_, Some(to)) => (MessageType::Reply, Self::reply_body(to, format, &body)?),
            (Format::Text, None) => (MessageType::Text, body.clone()),
            (Format::Bytes, None) => (MessageType::Bytes, body.clone()),
        };
        let say = Say { client_ref, reply_to, format, body };
        let talk = self.talks.get(uid).ok_or(CommandError::NotFound)?;
        if !talk.is_active() {
            return Err(CommandError::Unauthorized);
        }
        if let Some(message) = self.sent_before(uid, &say) {
            return Ok(Reply::Sent { message });
        }
        if talk.outbox.entries.len() >= OUTBOX_MESSAGES {
            return Err(CommandError::QuotaExceeded);
        }
        let heads = talk.senders.values().filter_map(SenderChain::head).collect();
        let seq = self.compose(uid, Draft { kind, body: wire, parents: heads, client_ref });
        let message = self.own_message(uid, seq, say).ok_or(CommandError::NotFound)?;
        self.show(uid, message.clone());
        Ok(Reply::Sent { message })
    }

    /// Gives a message its place, durably, and has it sent when there is a way out.
    pub(super) fn compose(&mut self, uid: &TopicUid, draft: Draft) -> u64 {
        let unix = self.unix();
        let device = self.me.as_ref().expect("there is a topic, so there is an identity").secrets.device_id();
        let talk = self.talks.get_mut(uid).expect("the caller found it");
        let entry = talk.outbox.compose(draft, uid, &device, unix).clone();
        let head = talk.outbox.head.clone();
        talk.todo.insert(entry.seq);
        self.put(Table::Outbox, key::entry(uid, 0), &head);
        self.put(Table::Outbox, key::entry(uid, entry.seq), &entry);
        self.step.strict = true;
        self.dirty.insert(*uid);
        entry.seq
    }

    fn own_message(&self, uid: &TopicUid, seq: u64, say: Say) -> Option<Message> {
        let entry = self.talks.get(uid)?.outbox.entries.get(&seq)?;
        let profile = self.profile()?;
        Some(Message {
            topic: *uid,
            order: entry.order,
            id: entry.id,
            seq,
            author: profile.id,
            author_name: profile.name,
            mine: true,
            sent_at: entry.sent_at,
            received_at: None,
            format: say.format,
            body: say.body,
            state: Some(State::Queued),
            path: entry.path,
            client_ref: say.client_ref,
            reply_to: say.reply_to,
            amended: Amended::default(),
        })
    }

    /// A command repeated after another tab took over is the same message.
    fn sent_before(&self, uid: &TopicUid, say: &Say) -> Option<Message> {
        let recent = self.talks.get(uid)?.outbox.find_ref(&say.client_ref)?;
        let profile = self.profile()?;
        let entry = self.talks.get(uid)?.outbox.entries.get(&recent.seq);
        Some(Message {
            topic: *uid,
            order: recent.order,
            id: recent.id,
            seq: recent.seq,
            author: profile.id,
            author_name: profile.name,
            mine: true,
            sent_at: recent.sent_at,
            received_at: None,
            format: say.format,
            body: say.body.clone(),
            // An entry that is gone has reached everybody.
            state: Some(entry.map_or(State::Delivered, |e| e.state(self.way_out(uid)))),
            path: entry.and_then(|e| e.path),
            client_ref: say.client_ref,
            reply_to: say.reply_to,
            amended: Amended::default(),
        })
    }

    fn retry(&mut self, uid: &TopicUid, seq: u64) -> Answer {
        let talk = self.talks.get_mut(uid).ok_or(CommandError::NotFound)?;
        let entry = talk.outbox.entries.get_mut(&seq).filter(|e| e.failed).ok_or(CommandError::NotFound)?;
        entry.failed = false;
        self.seal_again(uid, seq);
        self.state_changed(uid, seq, true);
        Ok(Reply::Done)
    }

    fn mark_seen(&mut self, uid: &TopicUid) -> Answer {
        let talk = self.talks.get_mut(uid).ok_or(CommandError::NotFound)?;
        if talk.meta.unread > 0 {
            talk.meta.unread = 0;
            self.save_meta(uid);
            self.changed.insert(*uid);
        }
        Ok(Reply::Done)
    }

    fn leave(&mut self, uid: &TopicUid) -> Answer {
        let unix = self.unix();
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?;
        let talk = self.talks.get_mut(uid).ok_or(CommandError::NotFound)?;
        match (&talk.meta.state, &mut talk.log) {
            (TopicState::Active, Some(log)) => {
                let left = log.leave(&me.secrets, unix).map_err(|_| CommandError::Unauthorized)?;
                self.publish(uid, &left.0);
                self.flush_log(uid);
            }
            (TopicState::Joining, _) => {}
            _ => return Err(CommandError::NotFound),
        }
        self.end(uid, TopicState::Left);
        Ok(Reply::Done)
    }

    /// Nothing more is sent or read in the conversation; its keys go, its history and last words stay.
    pub(super) fn end(&mut self, uid: &TopicUid, state: TopicState) {
        self.close_doors_of(uid);
        let Some(talk) = self.talks.get_mut(uid) else { return };
        talk.meta.state = state;
        let seqs: Vec<u64> = talk.outbox.entries.keys().copied().collect();
        if let Some(log) = &mut talk.log {
            log.erase_keys();
        }
        for seq in seqs {
            self.forget_entry(uid, seq);
        }
        self.flush_log(uid);
        self.save_meta(uid);
        self.tell_members(uid);
        self.replan = true;
        self.changed.insert(*uid);
    }

    fn forget(&mut self, uid: &TopicUid) -> Answer {
        let talk = self.talks.get(uid).ok_or(CommandError::NotFound)?;
        if matches!(talk.meta.state, TopicState::Active | TopicState::Joining) {
            return Err(CommandError::BadInput);
        }
        let posts: Vec<u64> = talk.posts.keys().copied().collect();
        for n in posts {
            self.cancel(super::shipping::Cargo::Post { uid: *uid, n });
        }
        self.talks.remove(uid);
        self.delete(Table::Meta, key::meta(uid));
        let tables = [
            Table::Topic,
            Table::Log,
            Table::Chain,
            Table::Peer,
            Table::Outbox,
            Table::Pending,
            Table::Message,
            Table::State,
            Table::Place,
        ];
        let prefix = |table| Write::DeletePrefix { table, prefix: uid.0.to_vec() };
        self.step.writes.extend(tables.map(prefix));
        self.replan = true;
        self.event(Event::TopicGone { topic: *uid });
        Ok(Reply::Done)
    }

    fn set_direct(&mut self, enabled: bool) -> Answer {
        self.direct.0 = enabled;
        self.put(Table::Meta, b"direct".to_vec(), &enabled);
        let allowed = enabled && self.direct.1;
        self.with_peering(|p, now| p.set_direct(allowed, now));
        Ok(Reply::Done)
    }
}

/// What a person or an application said.
struct Say {
    client_ref: [u8; 16],
    reply_to: Option<MessageId>,
    format: Format,
    body: super::Body,
}

/// An answer now, or one that comes when a node has spoken.
pub(super) struct Later(pub(super) Option<Answer>);

impl From<Answer> for Later {
    fn from(answer: Answer) -> Self {
        Self(Some(answer))
    }
}
