//! Messages over time: an edit, a deletion or a reaction meets its message.
//!
//! Spec: docs/spec/messages.md §5. History is not loaded: the message is looked up on the disk, and what is said
//! about it waits, durably, until the answer comes or, where the message is not here yet, until it comes itself.
//! One look-up at a time for a message, so that no answer is older than what was written since.

use super::conversation::key;
use super::{
    Body, Command, CommandError, CommandId, Endpoint, Event, Format, LookId, Message, Output, Reply, Table,
};
use crate::delivery::amend::{ReplyBody, Subject, Waiting, is_emoji, is_text};
use crate::delivery::outbox::Draft;
use crate::delivery::{Amendment, Change, SenderChain};
use crate::id::{MessageId, TopicUid};
use crate::limits::OUTBOX_MESSAGES;
use crate::wire::{Bytes, Wire};
use alloc::vec::Vec;

/// A message being looked up.
#[derive(Debug)]
pub(super) struct LookUp {
    id: LookId,
    at: (TopicUid, MessageId),
    asked: Vec<Asked>,
}

/// A command that waits for the message it is about.
#[derive(Debug)]
struct Asked {
    id: CommandId,
    change: Change,
}

impl Endpoint {
    /// Takes a command to change a message; the answer comes when the message was looked up.
    pub(super) fn ask_to_amend(&mut self, id: CommandId, command: Command) -> Result<(), CommandError> {
        let (uid, target, change) = match command {
            Command::Edit { topic, id, body } => {
                let body = Bytes::new(body.into_vec()).ok_or(CommandError::BadInput)?;
                (topic, id, Change::Edit { body })
            }
            Command::React { topic, id, emoji, on } if is_emoji(&emoji) => {
                (topic, id, Change::React { emoji, on })
            }
            Command::Delete { topic, id } => (topic, id, Change::Delete),
            _ => return Err(CommandError::BadInput),
        };
        let talk = self.talks.get(&uid).ok_or(CommandError::NotFound)?;
        if !talk.is_active() {
            return Err(CommandError::Unauthorized);
        }
        self.look_up(&uid, &target).asked.push(Asked { id, change });
        Ok(())
    }

    /// Has the message looked up, unless it is being looked up already.
    fn look_up(&mut self, uid: &TopicUid, target: &MessageId) -> &mut LookUp {
        let at = self.looks.iter().position(|look| look.at == (*uid, *target));
        let at = at.unwrap_or_else(|| {
            let look = LookId(self.next_look);
            self.next_look += 1;
            self.looks.push(LookUp { id: look, at: (*uid, *target), asked: Vec::new() });
            self.out(Output::Look { look, topic: *uid, id: *target });
            self.looks.len() - 1
        });
        &mut self.looks[at]
    }

    /// What waits since before the restart: its message may have been there, and the crash came before the answer.
    pub(super) fn look_again(&mut self) {
        let waiting: Vec<_> = self
            .talks
            .iter()
            .flat_map(|(uid, talk)| talk.amendments.targets().into_iter().map(|target| (*uid, target)))
            .collect();
        for (uid, target) in waiting {
            self.look_up(&uid, &target);
        }
    }

    /// Somebody, perhaps oneself, says something about a message.
    pub(super) fn amend(&mut self, uid: &TopicUid, amendment: Amendment) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let (id, target) = (amendment.stamp.id, amendment.target);
        let record = amendment.clone();
        let gone = talk.amendments.insert(amendment);
        self.put(Table::Pending, key::amendment(uid, &id), &record);
        self.forget_amendments(uid, gone);
        self.look_up(uid, &target);
    }

    fn forget_amendments(&mut self, uid: &TopicUid, ids: impl IntoIterator<Item = MessageId>) {
        for id in ids {
            self.delete(Table::Pending, key::amendment(uid, &id));
        }
    }

    /// A message that has just come, with what was said about it before. Its body is on no disk yet.
    pub(super) fn catch_up(&mut self, uid: &TopicUid, message: &mut Message) {
        // An answer that is on its way does not know of it.
        if let Some(at) = self.looks.iter().position(|look| look.at == (*uid, message.id)) {
            let asked = self.looks.swap_remove(at).asked;
            if !asked.is_empty() {
                self.look_up(uid, &message.id).asked = asked;
            }
        }
        self.apply_waiting(uid, message);
    }

    /// True when something of what waited changed the message.
    fn apply_waiting(&mut self, uid: &TopicUid, message: &mut Message) -> bool {
        let waiting = self.talks.get_mut(uid).map(|t| &mut t.amendments);
        let waiting = waiting.map(|w| Waiting::take(w, &message.id)).unwrap_or_default();
        let mut changed = false;
        for amendment in &waiting {
            changed |= apply(message, amendment);
        }
        self.forget_amendments(uid, waiting.into_iter().map(|a| a.stamp.id));
        changed
    }

    pub(super) fn on_found(&mut self, look: LookId, uid: &TopicUid, id: MessageId, found: Option<Message>) {
        let Some(at) = self.looks.iter().position(|l| l.id == look) else { return };
        let asked = self.looks.swap_remove(at).asked;
        let message = found.filter(|m| m.format != Format::Notice && m.id == id && m.topic == *uid);
        let Some(mut message) = message else {
            return asked.into_iter().for_each(|a| self.reply(a.id, Err(CommandError::NotFound)));
        };
        let mut changed = self.apply_waiting(uid, &mut message);
        for Asked { id, change } in asked {
            let answer = self.amend_own(uid, &mut message, change);
            changed |= answer == Ok(true);
            self.reply(id, answer.map(|_| Reply::Done));
        }
        if changed {
            self.put_amended(uid, message);
        }
    }

    /// Says it to the members. `Ok(false)` when it is so already: a command may be given twice.
    fn amend_own(
        &mut self,
        uid: &TopicUid,
        message: &mut Message,
        change: Change,
    ) -> Result<bool, CommandError> {
        let me = self.profile().ok_or(CommandError::NotInitialized)?.id;
        let amended = &message.amended;
        let so_already = match &change {
            Change::Delete => amended.deleted,
            Change::Edit { body } => !amended.deleted && message.body[..] == body[..],
            Change::React { emoji, on } => !amended.deleted && amended.has(&me, emoji) == *on,
        };
        if message.author != me && !matches!(change, Change::React { .. }) {
            return Err(CommandError::Unauthorized);
        }
        if so_already {
            return Ok(false);
        }
        if amended.deleted {
            return Err(CommandError::NotFound);
        }
        if let Change::Edit { body } = &change
            && message.format == Format::Text
            && !is_text(body)
        {
            return Err(CommandError::BadInput);
        }
        let talk = self.talks.get(uid).ok_or(CommandError::NotFound)?;
        if !talk.is_active() {
            return Err(CommandError::Unauthorized);
        }
        if talk.outbox.entries.len() >= OUTBOX_MESSAGES {
            return Err(CommandError::QuotaExceeded);
        }
        let parents = talk.senders.values().filter_map(SenderChain::head).collect();
        // One that never left would lie in the outbox for good, and could be tried again.
        let failed = talk.outbox.entries.get(&message.seq).is_some_and(|entry| entry.failed);
        let forget = failed && message.mine && matches!(change, Change::Delete);
        let (kind, body) = change.to_body(message.id);
        if forget {
            self.forget_entry(uid, message.seq);
        }
        let seq = self.compose(uid, Draft { kind, body, parents, client_ref: [0; 16] });
        let entry = &self.talks[uid].outbox.entries[&seq];
        let content = entry.content(Vec::new()).expect("just composed");
        let amendment = Amendment::read(&content, entry.id, me).expect("just made");
        Ok(apply(message, &amendment))
    }

    /// Writes the message over what it was, wherever that is kept, and shows it.
    fn put_amended(&mut self, uid: &TopicUid, mut message: Message) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        if let Some(last) = talk.meta.last.as_mut().filter(|last| last.id == message.id) {
            *last = super::receive::excerpt(&message);
            self.save_meta(uid);
            self.changed.insert(*uid);
        }
        self.put(Table::Message, key::message(uid, &message.order), &message);
        if message.mine {
            let entry = self.talks[uid].outbox.entries.get(&message.seq);
            // An entry that is gone has reached everybody, or nobody waits for it any longer.
            message.state = entry.map(|e| e.state(self.way_out(uid))).or(message.state);
        }
        self.event(Event::Amended { message });
    }

    /// A message of ours that answers another.
    pub(super) fn reply_body(to: MessageId, format: Format, body: &Body) -> Result<Body, CommandError> {
        let body = Bytes::new(body.to_vec()).ok_or(CommandError::BadInput)?;
        let text = format == Format::Text;
        let bytes = ReplyBody { to, text, body }.to_bytes();
        Bytes::new(bytes).ok_or(CommandError::BadInput)
    }
}

fn apply(message: &mut Message, amendment: &Amendment) -> bool {
    let subject = Subject {
        author: &message.author,
        text: message.format == Format::Text,
        body: &mut message.body,
        reply_to: &mut message.reply_to,
    };
    message.amended.apply(subject, amendment)
}
