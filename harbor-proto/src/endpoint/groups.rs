//! What follows from changes in a topic's log: members, epochs, and what must be told to others.
//!
//! Spec: docs/spec/topics.md §5, docs/spec/epochs.md §5.

use super::conversation::{Post, PostKey, PostKind, key};
use super::{CommandError, Endpoint, Format, Message, Reply, Table, Timer, TopicState};
use crate::crypto::rng::Rng;
use crate::delivery::outbox::order_key;
use crate::delivery::{Amended, Clock, SenderChain};
use crate::id::{EndpointId, MessageId, TopicUid};
use crate::identity::DeviceSecrets;
use crate::limits::MAX_TTL_HOURS;
use crate::time::UnixMillis;
use crate::topic::control::{ControlObject, control_key, pack};
use crate::topic::ops::{Cut, Name};
use crate::topic::roster::Leaf;
use crate::topic::{Change, CommitReason, Role, RosterError, TopicLog};
use crate::wire::Bytes;
use alloc::{format, vec::Vec};

/// Longest wait before a needed epoch is committed, ms; shorter where few could commit at once.
const JITTER_MS: u64 = 30_000;
/// Wait per member, ms.
const JITTER_PER_MEMBER_MS: u64 = 300;

/// What an operation on the roster gave: objects to publish, and what changed here.
type Acted = Result<(Vec<ControlObject>, Vec<Change>), RosterError>;

impl Endpoint {
    /// Persists what the topic's log changed.
    pub(super) fn flush_log(&mut self, uid: &TopicUid) {
        let log = self.talks.get_mut(uid).and_then(|t| t.log.as_mut());
        if let Some(records) = log.map(crate::topic::TopicLog::take_records) {
            self.record(records);
        }
    }

    /// Objects of a control packet.
    pub(super) fn absorb(&mut self, uid: &TopicUid, objects: Vec<ControlObject>) {
        let now = self.unix();
        for object in objects {
            let Some(me) = &self.me else { return };
            let Some(log) = self.talks.get_mut(uid).and_then(|t| t.log.as_mut()) else { return };
            let changes = log.absorb(&me.secrets, object, now);
            self.apply(uid, changes, true);
        }
    }

    /// Carries the consequences of changes through. `news`: they are worth a line in the history.
    pub(super) fn apply(&mut self, uid: &TopicUid, changes: Vec<Change>, news: bool) {
        self.flush_log(uid);
        for change in changes {
            match change {
                Change::Joined(leaf) => {
                    self.members_changed(uid);
                    if news && !self.is_me(&leaf.identity) {
                        self.notice(uid, leaf.identity, &leaf.name, "joined");
                    }
                }
                Change::Left(leaf) => {
                    self.stop_waiting_for_strangers(uid);
                    self.members_changed(uid);
                    if news && !self.is_me(&leaf.identity) {
                        self.notice(uid, leaf.identity, &leaf.name, "left");
                    }
                }
                Change::Removed(leaf) => self.on_removed(uid, &leaf, news),
                Change::Role(leaf) => self.on_role(uid, &leaf, news),
                Change::Opened(_) => self.retry_pending(uid),
                Change::Current(Some(_)) => self.epoch_changed(uid),
                Change::Current(None) => self.want_commit(uid),
                Change::Route(_) => self.replan = true,
                Change::Refused(_) => {}
            }
        }
        if !self.doors.is_empty() {
            self.close_dead_doors(uid);
        }
        self.changed.insert(*uid);
        self.dirty.insert(*uid);
    }

    /// An admin takes a member out; what was accepted of theirs until now is all that will be.
    pub(super) fn remove(&mut self, uid: &TopicUid, who: &EndpointId) -> Result<Reply, CommandError> {
        let talk = self.talks.get(uid).ok_or(CommandError::NotFound)?;
        let leaves = talk.log.as_ref().map(|log| log.roster().leaves()).unwrap_or_default();
        let devices = leaves.iter().filter(|leaf| leaf.identity == *who);
        let heard = |device| talk.senders.get(device).map(SenderChain::heard).unwrap_or_default();
        let cut = devices.map(|leaf| Cut { device: leaf.device, heard: heard(&leaf.device) }).collect();
        self.change_roster(uid, |log, rng, me, now| log.remove(rng, me, who, cut, now))
    }

    /// An admin makes a member an admin, or a plain member again.
    pub(super) fn set_role(
        &mut self,
        uid: &TopicUid,
        who: &EndpointId,
        role: Role,
    ) -> Result<Reply, CommandError> {
        self.change_roster(uid, |log, rng, me, now| log.set_role(rng, me, who, role, now))
    }

    fn change_roster(
        &mut self,
        uid: &TopicUid,
        act: impl FnOnce(&mut TopicLog, &mut Rng, &DeviceSecrets, UnixMillis) -> Acted,
    ) -> Result<Reply, CommandError> {
        let unix = self.unix();
        let talk = self.talks.get_mut(uid).filter(|t| t.is_active()).ok_or(CommandError::NotFound)?;
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?;
        let log = talk.log.as_mut().ok_or(CommandError::NotFound)?;
        let acted = act(log, &mut self.rng, &me.secrets, unix);
        let (objects, changes) = acted.map_err(|why| match why {
            RosterError::NotAllowed => CommandError::Unauthorized,
            RosterError::NotMember => CommandError::NotFound,
            RosterError::Full => CommandError::QuotaExceeded,
        })?;
        self.apply(uid, changes, true);
        self.publish(uid, &objects);
        Ok(Reply::Done)
    }

    fn on_role(&mut self, uid: &TopicUid, leaf: &Leaf, news: bool) {
        self.members_changed(uid);
        let mine = self.is_me(&leaf.identity);
        if news {
            let (you, name) = (Name::new("You").unwrap_or_default(), &leaf.name);
            let what = match (mine, leaf.role.is_admin()) {
                (true, true) => "are an admin now",
                (true, false) => "are no longer an admin",
                (false, true) => "is an admin now",
                (false, false) => "is no longer an admin",
            };
            self.notice(uid, leaf.identity, if mine { &you } else { name }, what);
        }
    }

    fn on_removed(&mut self, uid: &TopicUid, leaf: &Leaf, news: bool) {
        self.stop_waiting_for_strangers(uid);
        if self.is_me(&leaf.identity) {
            return self.end(uid, TopicState::Removed);
        }
        self.members_changed(uid);
        if news {
            self.notice(uid, leaf.identity, &leaf.name, "was removed");
        }
    }

    fn is_me(&self, identity: &EndpointId) -> bool {
        self.me.as_ref().is_some_and(|me| me.secrets.endpoint_id() == *identity)
    }

    fn members_changed(&mut self, uid: &TopicUid) {
        self.tell_members(uid);
        self.want_commit(uid);
    }

    /// Another epoch is the one to send in. What lies in a mailbox of an older routing secret unread is sealed
    /// again, or somebody who left could still hold it back.
    fn epoch_changed(&mut self, uid: &TopicUid) {
        self.replan = true;
        self.tell_reachable(uid);
        let Some(talk) = self.talks.get(uid) else { return };
        let Some(rs) = talk.log.as_ref().and_then(|log| log.current_rs()) else { return };
        let stale = |e: &crate::delivery::Entry| {
            e.nodes == 0 && e.sealed.as_ref().is_some_and(|sealed| sealed.rs != *rs) && !e.waiting.is_empty()
        };
        let stale: Vec<u64> = talk.outbox.entries.values().filter(|e| stale(e)).map(|e| e.seq).collect();
        for seq in stale {
            self.seal_again(uid, seq);
        }
    }

    /// Everybody must learn these objects: they go to the mailboxes of every routing secret still read.
    pub(super) fn publish(&mut self, uid: &TopicUid, objects: &[ControlObject]) {
        let unix = self.unix();
        let contents = pack(objects);
        let Some(talk) = self.talks.get(uid) else { return };
        let Some(log) = &talk.log else { return };
        let routes: Vec<_> = log.routes(unix).map(|route| route.rs.clone()).collect();
        for rs in routes {
            for content in &contents {
                let post = Post {
                    key: PostKey(control_key(&rs)),
                    rs: rs.clone(),
                    period: None,
                    kind: PostKind::Control,
                    ttl_hours: MAX_TTL_HOURS,
                    content: Bytes::new(content.clone()).expect("pack keeps them below a packet"),
                };
                self.post(uid, post);
            }
        }
    }

    /// Puts something into the outbox of a conversation.
    pub(super) fn post(&mut self, uid: &TopicUid, post: Post) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let n = talk.next_post;
        talk.next_post += 1;
        talk.posts.insert(n, post.clone());
        self.put(Table::Outbox, key::post(uid, n), &post);
        self.step.strict = true;
        self.dirty.insert(*uid);
    }

    /// A new epoch may be needed: wait a little, another member may be faster.
    pub(super) fn want_commit(&mut self, uid: &TopicUid) {
        let unix = self.unix();
        let Some(log) = self.talks.get(uid).filter(|t| t.is_active()).and_then(|t| t.log.as_ref()) else {
            return;
        };
        if log.needs_commit(unix).is_none() {
            return;
        }
        let members = log.roster().len() as u64;
        let jitter = self.rng.below(JITTER_MS.min(members * JITTER_PER_MEMBER_MS));
        self.at(Timer::Commit(*uid), self.now.plus(jitter));
    }

    pub(super) fn commit_if_needed(&mut self, uid: &TopicUid) {
        let unix = self.unix();
        let log = self.talks.get(uid).filter(|t| t.is_active()).and_then(|t| t.log.as_ref());
        if log.is_some_and(|log| log.needs_commit(unix).is_some()) {
            self.commit(uid);
        }
    }

    pub(super) fn commit(&mut self, uid: &TopicUid) {
        let unix = self.unix();
        let Some(me) = &self.me else { return };
        let Some(log) = self.talks.get_mut(uid).and_then(|t| t.log.as_mut()) else { return };
        if let Some((objects, changes)) = log.commit_epoch(&mut self.rng, &me.secrets, unix) {
            self.apply(uid, changes, false);
            self.publish(uid, &objects);
        }
    }

    /// The own chain moved on: a new epoch comes in time.
    pub(super) fn after_key_use(&mut self, uid: &TopicUid, counter: u32) {
        if counter + 2 >= crate::limits::ROTATE_AT_COUNTER {
            self.commit(uid);
        } else {
            let unix = self.unix();
            let log = self.talks.get(uid).and_then(|t| t.log.as_ref());
            if log.and_then(|log| log.needs_commit(unix)) == Some(CommitReason::Counter)
                && !self.timers.contains_key(&Timer::Commit(*uid))
            {
                self.want_commit(uid);
            }
        }
    }

    /// Time passes: old keys go, old epochs are followed by new ones.
    pub(super) fn age(&mut self, uid: &TopicUid) {
        let unix = self.unix();
        if let Some(log) = self.talks.get_mut(uid).and_then(|t| t.log.as_mut()) {
            log.expire(unix);
            self.flush_log(uid);
            if !self.timers.contains_key(&Timer::Commit(*uid)) {
                self.want_commit(uid);
            }
        }
    }

    /// A line about the conversation itself.
    fn notice(&mut self, uid: &TopicUid, who: EndpointId, name: &Name, what: &str) {
        let unix = self.unix();
        let id = MessageId(self.rng.array());
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let reading = Clock::resume(talk.outbox.head.clock).tick(unix);
        let message = Message {
            topic: *uid,
            order: order_key(reading, &id),
            id,
            seq: 0,
            author: who,
            author_name: name.clone(),
            mine: false,
            sent_at: unix,
            received_at: Some(unix),
            format: Format::Notice,
            body: Bytes::new(format!("{} {what}", name.as_str()).into_bytes()).unwrap_or_default(),
            state: None,
            path: None,
            client_ref: [0; 16],
            reply_to: None,
            amended: Amended::default(),
        };
        self.show(uid, message);
    }

    pub(super) fn save_meta(&mut self, uid: &TopicUid) {
        if let Some(meta) = self.talks.get(uid).map(|t| t.meta.clone()) {
            self.put(Table::Meta, key::meta(uid), &meta);
        }
    }
}
