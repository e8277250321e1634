//! Invites given, looked at and accepted: what happens in their rendezvous mailboxes.
//!
//! Spec: docs/spec/invites.md. A door is read from its beginning in every run; nothing of it is remembered but
//! the invite or the request itself.

use super::commands::Later;
use super::conversation::{Conversation, Meta, Post, PostKey, PostKind};
use super::receive::Fate;
use super::{CommandError, CommandId, Endpoint, Invite, Preview, Reply, Table, Timer, TopicState, Write};
use crate::crypto::kdf::{Context, derive};
use crate::id::{HarborId, TopicUid};
use crate::limits::{INVITE_MS, MAX_TTL_HOURS};
use crate::packet::{Header, MailboxKeys, Packet};
use crate::time::UnixMillis;
use crate::topic::TopicLog;
use crate::topic::admission::{AdmitError, InviteError};
use crate::topic::invite::{self, Denial, InviteLink, InviteRecord, RendezvousObject, SealedRequest};
use crate::topic::welcome::{Joined, Joining, Pieces, SeqHead, WelcomePart};
use crate::wire::{Bytes, List, Range, Text, Wire};
use alloc::collections::BTreeSet;
use alloc::{boxed::Box, sync::Arc, vec::Vec};
use litemap::LiteMap;

/// How long a node may take to show an invite, ms.
const LOOK_MS: u64 = 15_000;
/// Requests of one invite that are looked at; whoever has the link can write more, at their own cost.
const MAX_REQUESTS: usize = 32;

crate::wire_enum! {
    /// What is kept of a door, in `Table::Invite` under its mailbox.
    #[derive(Debug)]
    pub(super) enum DoorRecord {
        Given = 1 { invite: invite::Invite },
        Joining = 2 { joining: Box<Joining> },
    }
}

/// What a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Preview,
    Join,
}

#[derive(Debug)]
enum Purpose {
    /// An invite of ours.
    Given {
        invite: Box<invite::Invite>,
        requests: LiteMap<[u8; 32], SealedRequest>,
        answered: BTreeSet<[u8; 32]>,
        read: bool,
    },
    /// Somebody's invite that is being looked at; `read` when a node has shown all it has.
    Looking { callers: Vec<(CommandId, Wanted)>, record: Option<Box<InviteRecord>>, used: bool, read: bool },
    /// Our request, waiting for the welcome.
    Joining { joining: Box<Joining>, pieces: Pieces },
}

#[derive(Debug)]
pub(super) struct Door {
    link: InviteLink,
    keys: Arc<MailboxKeys>,
    purpose: Purpose,
}

impl Door {
    fn new(link: InviteLink, purpose: Purpose) -> Self {
        Self { keys: Arc::new(link.mailbox()), link, purpose }
    }

    fn given(invite: invite::Invite) -> Self {
        let link = invite.link.clone();
        let (requests, answered) = (LiteMap::new(), BTreeSet::new());
        Self::new(link, Purpose::Given { invite: Box::new(invite), requests, answered, read: false })
    }

    fn joining(joining: Box<Joining>) -> Self {
        Self::new(joining.link.clone(), Purpose::Joining { joining, pieces: Pieces::default() })
    }

    /// The conversation it belongs to, once that is known.
    fn uid(&self) -> Option<TopicUid> {
        match &self.purpose {
            Purpose::Given { invite, .. } => Some(invite.uid),
            Purpose::Joining { joining, .. } => Some(joining.record.uid),
            Purpose::Looking { .. } => None,
        }
    }
}

impl Endpoint {
    pub(super) fn restore_door(&mut self, _key: &[u8], value: &[u8]) -> Option<()> {
        let door = match DoorRecord::from_bytes(value).ok()? {
            DoorRecord::Given { invite } => Door::given(invite),
            DoorRecord::Joining { joining } => Door::joining(joining),
        };
        self.doors.insert(door.keys.id(), door);
        Some(())
    }

    pub(super) fn door_mailboxes(&self) -> Vec<(HarborId, Arc<MailboxKeys>)> {
        self.doors.iter().map(|(id, door)| (*id, Arc::clone(&door.keys))).collect()
    }

    fn open_door(&mut self, door: Door, record: Option<&DoorRecord>) {
        let id = door.keys.id();
        if let Some(record) = record {
            self.put(Table::Invite, id.0.to_vec(), record);
            self.step.strict = true;
        }
        self.doors.insert(id, door);
        self.replan = true;
    }

    fn close_door(&mut self, id: &HarborId) -> Option<Door> {
        let door = self.doors.remove(id)?;
        if !matches!(door.purpose, Purpose::Looking { .. }) {
            self.delete(Table::Invite, id.0.to_vec());
        }
        self.timers.remove(&Timer::Door(*id));
        self.replan = true;
        Some(door)
    }

    /// Leaves an object in the mailbox of a link, on behalf of a conversation.
    fn leave_at(&mut self, uid: &TopicUid, link: &InviteLink, object: &RendezvousObject) {
        let Some(content) = Bytes::new(object.to_bytes()) else { return };
        let post = Post {
            rs: derive(Context::InviteRouting, &[&link.secret.0]),
            period: Some(0),
            kind: PostKind::Rendezvous,
            key: PostKey(link.content_key()),
            ttl_hours: link.expires_hour.saturating_sub(self.unix().hours()).clamp(1, MAX_TTL_HOURS),
            content,
        };
        self.post(uid, post);
    }

    pub(super) fn invite(&mut self, uid: &TopicUid, expires_in_ms: u64) -> Result<Reply, CommandError> {
        let unix = self.unix();
        let life = if expires_in_ms == 0 { INVITE_MS.0 } else { expires_in_ms.min(INVITE_MS.1) };
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?;
        let talk = self.talks.get_mut(uid).filter(|t| t.is_active()).ok_or(CommandError::NotFound)?;
        let log = talk.log.as_mut().ok_or(CommandError::NotFound)?;
        let minted =
            log.mint_invite(&mut self.rng, &me.secrets, unix.plus(life), unix).map_err(|e| match e {
                InviteError::NotAdmin => CommandError::Unauthorized,
                InviteError::Full => CommandError::QuotaExceeded,
            })?;
        let link = minted.invite.link.clone();
        self.flush_log(uid);
        self.publish(uid, &minted.control);
        self.leave_at(uid, &link, &minted.record);
        let record = DoorRecord::Given { invite: minted.invite.clone() };
        self.open_door(Door::given(minted.invite), Some(&record));
        let code = Text::new(link.to_text()).ok_or(CommandError::Crashed)?;
        Ok(Reply::Invite { invite: Invite { topic: *uid, code, expires: link.expires() } })
    }

    /// Those of this device for a conversation that may still let somebody in.
    pub(super) fn open_invites(&self, uid: &TopicUid) -> Vec<Invite> {
        let Some(log) = self.talks.get(uid).and_then(|t| t.log.as_ref()) else { return Vec::new() };
        let mut open: Vec<Invite> = Vec::new();
        for door in self.doors.values() {
            let Purpose::Given { invite, .. } = &door.purpose else { continue };
            if invite.uid == *uid
                && log.invite_open(invite, self.unix())
                && let Some(code) = Text::new(door.link.to_text())
            {
                open.push(Invite { topic: *uid, code, expires: door.link.expires() });
            }
        }
        open.sort_unstable_by_key(|invite| invite.expires);
        open
    }

    pub(super) fn revoke_invite(&mut self, uid: &TopicUid, code: &str) -> Result<Reply, CommandError> {
        let unix = self.unix();
        let link = InviteLink::parse(code).ok_or(CommandError::BadInvite)?;
        let id = link.mailbox().id();
        let Some(Door { purpose: Purpose::Given { invite, .. }, .. }) = self.doors.get(&id) else {
            return Err(CommandError::NotFound);
        };
        let invite = invite.clone();
        let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?;
        let log = self.talks.get_mut(uid).and_then(|t| t.log.as_mut()).filter(|log| log.uid() == invite.uid);
        let log = log.ok_or(CommandError::NotFound)?;
        if !log.invite_open(&invite, unix) {
            return Err(CommandError::InviteUsed);
        }
        let revoked = log.revoke_invite(&me.secrets, &invite, unix);
        let (objects, notice) = revoked.map_err(|_| CommandError::QuotaExceeded)?;
        self.flush_log(uid);
        self.leave_at(uid, &link, &notice);
        self.publish(uid, &objects);
        self.close_door(&id);
        self.changed.insert(*uid);
        Ok(Reply::Done)
    }

    /// Invites of this device that another admin took back, or that died with its own right to invite: whoever follows
    /// one is told instead of waiting.
    pub(super) fn close_dead_doors(&mut self, uid: &TopicUid) {
        let Some(log) = self.talks.get(uid).and_then(|t| t.log.as_ref()) else { return };
        let admin = log.my_leaf().is_some_and(|leaf| leaf.role.is_admin());
        let dead = |invite: &invite::Invite| {
            let id = invite.link.id();
            log.dag().invite_used(&id).is_none() && (!admin || log.dag().invite_revoked(&id))
        };
        let doors = self.doors.iter().filter_map(|(id, door)| match &door.purpose {
            Purpose::Given { invite, .. } if invite.uid == *uid && dead(invite) => {
                Some((*id, invite.clone()))
            }
            _ => None,
        });
        for (id, invite) in doors.collect::<Vec<_>>() {
            let Some(me) = &self.me else { return };
            let notice = TopicLog::taken_back(&me.secrets, &invite);
            self.leave_at(uid, &invite.link, &notice);
            self.close_door(&id);
        }
    }

    pub(super) fn preview(&mut self, id: CommandId, code: &str) -> Later {
        self.look(id, code, Wanted::Preview)
    }

    pub(super) fn accept_invite(&mut self, id: CommandId, code: &str) -> Later {
        if self.me.is_none() {
            return Err(CommandError::NotInitialized).into();
        }
        self.look(id, code, Wanted::Join)
    }

    fn look(&mut self, id: CommandId, code: &str, wanted: Wanted) -> Later {
        let Some(link) = InviteLink::parse(code.trim()) else { return Err(CommandError::BadInvite).into() };
        if link.expired(self.unix()) {
            return Err(CommandError::InviteExpired).into();
        }
        let mailbox = link.mailbox().id();
        match self.doors.get_mut(&mailbox) {
            Some(Door { purpose: Purpose::Looking { callers, .. }, .. }) => callers.push((id, wanted)),
            Some(door) => {
                let uid = door.uid().expect("all but doors being looked at have one");
                return self.known_door(&uid, &link, wanted).into();
            }
            None => {
                let callers = Vec::from([(id, wanted)]);
                self.open_door(
                    Door::new(link, Purpose::Looking { callers, record: None, used: false, read: false }),
                    None,
                );
                self.at(Timer::Door(mailbox), self.now.plus(LOOK_MS));
            }
        }
        Later(None)
    }

    /// An invite we gave, or have accepted already.
    fn known_door(&self, uid: &TopicUid, link: &InviteLink, wanted: Wanted) -> Result<Reply, CommandError> {
        let topic = self.view(uid).ok_or(CommandError::NotFound)?;
        if wanted == Wanted::Join {
            return Ok(Reply::Topic { topic });
        }
        let inviter_name = self.name_of(uid, &link.inviter);
        let (kind, title, expires) = (topic.kind, topic.title, link.expires());
        let already = Some(*uid);
        Ok(Reply::Preview {
            preview: Preview { inviter: link.inviter, inviter_name, kind, title, expires, already },
        })
    }

    pub(super) fn on_rendezvous(&mut self, packet: &Packet<'_>, header: &Header) -> Fate {
        let id = packet.mailbox();
        let Some(door) = self.doors.get_mut(&id) else { return Fate::Refused };
        let opened = packet.open_content(header, &door.link.content_key());
        let object = opened.ok().and_then(|bytes| RendezvousObject::from_bytes(&bytes).ok());
        let Some(object) = object else { return Fate::Refused };
        match (&mut door.purpose, object) {
            (Purpose::Looking { record, .. }, RendezvousObject::Record { record: found })
                if found.verify(&door.link) =>
            {
                *record = Some(found);
            }
            (Purpose::Looking { used, record: Some(record), .. }, RendezvousObject::Welcome { part })
                if part.verify(record) =>
            {
                *used = true;
            }
            (Purpose::Looking { used, record: Some(record), .. }, RendezvousObject::Denied { denied })
                if denied.request == door.link.id() && denied.verify(record) =>
            {
                *used = true;
            }
            (Purpose::Given { requests, read, .. }, RendezvousObject::Request { request }) => {
                if requests.len() < MAX_REQUESTS {
                    requests.insert(request.hash(), *request);
                }
                if *read {
                    self.answer_requests(&id);
                }
            }
            // Others with the link can write here as well: only our own no counts as an answer.
            (Purpose::Given { answered, .. }, RendezvousObject::Denied { denied })
                if self.me.as_ref().is_some_and(|me| denied.said_by(me.secrets.cert())) =>
            {
                answered.insert(denied.request);
            }
            (Purpose::Joining { .. }, RendezvousObject::Welcome { part }) => self.on_welcome(&id, part),
            (Purpose::Joining { joining, .. }, RendezvousObject::Denied { denied })
                if [joining.request.hash(), door.link.id()].contains(&denied.request)
                    && denied.verify(&joining.record) =>
            {
                self.joining_failed(&id, why(denied.why));
            }
            _ => {}
        }
        self.looked_late(&id);
        Fate::Kept
    }

    pub(super) fn on_door_read(&mut self, id: &HarborId) {
        match self.doors.get_mut(id).map(|door| &mut door.purpose) {
            // A link may be quicker than what it leads to, which its inviter's device still stamps and stores.
            Some(Purpose::Looking { record: None, used: false, read, .. }) => *read = true,
            Some(Purpose::Looking { .. }) => self.looked(id),
            Some(Purpose::Given { read, .. }) => {
                *read = true;
                self.answer_requests(id);
            }
            Some(Purpose::Joining { .. }) | None => {}
        }
    }

    /// What was missing when the mailbox had been read has come.
    fn looked_late(&mut self, id: &HarborId) {
        let purpose = self.doors.get(id).map(|door| &door.purpose);
        if let Some(Purpose::Looking { read: true, record, used, .. }) = purpose
            && (record.is_some() || *used)
        {
            self.looked(id);
        }
    }

    /// Lets in whoever asked first, and tells the others.
    fn answer_requests(&mut self, id: &HarborId) {
        let Some(Door { purpose: Purpose::Given { requests, answered, invite, .. }, .. }) =
            self.doors.get_mut(id)
        else {
            return;
        };
        let invite = invite.clone();
        let open: Vec<_> = requests.iter().filter(|(hash, _)| !answered.contains(*hash)).collect();
        let open: Vec<_> = open.into_iter().map(|(hash, request)| (*hash, request.clone())).collect();
        answered.extend(open.iter().map(|(hash, _)| *hash));
        for (_, request) in open {
            self.answer(&invite, &request);
        }
    }

    fn answer(&mut self, invite: &invite::Invite, request: &SealedRequest) {
        let unix = self.unix();
        let (uid, link) = (invite.uid, invite.link.clone());
        let heads = self.seq_heads(&uid);
        let Some(me) = &self.me else { return };
        let Some(log) = self.talks.get_mut(&uid).and_then(|t| t.log.as_mut()) else { return };
        match log.admit(&mut self.rng, &me.secrets, invite, request, heads, unix) {
            Ok(admitted) => {
                self.apply(&uid, admitted.changes, true);
                for object in &admitted.welcome {
                    self.leave_at(&uid, &link, object);
                }
                self.publish(&uid, &admitted.control);
            }
            Err(AdmitError::Denied(why)) => {
                let denied = TopicLog::deny(&me.secrets, request, why);
                self.leave_at(&uid, &link, &denied);
            }
            Err(AdmitError::Forged | AdmitError::Again | AdmitError::NotAdmin) => {}
        }
    }

    /// Where each sender stands, for a new member: what comes later is for it too.
    fn seq_heads(&self, uid: &TopicUid) -> Vec<SeqHead> {
        let Some(talk) = self.talks.get(uid) else { return Vec::new() };
        let theirs = talk.senders.iter().filter_map(|(device, chain)| {
            Some(SeqHead {
                device: *device,
                seq: chain.runs().last()?.1,
                id: chain.head()?,
                heard: chain.heard(),
            })
        });
        let unsealed = talk.outbox.entries.values().find(|e| e.sealed.is_none());
        let (seq, id) = match unsealed.and_then(|e| e.composed.as_ref().map(|c| (e.seq - 1, c.prev))) {
            Some(before) => before,
            None => (talk.outbox.head.seq, talk.outbox.head.last),
        };
        let heard = List::first([Range { lo: 1, hi: seq }]);
        let mine = self.me.as_ref().map(|me| SeqHead { device: me.secrets.device_id(), seq, id, heard });
        theirs.chain(mine).filter(|head| head.seq > 0).collect()
    }

    /// An invite was looked at to the end: answer whoever asked.
    fn looked(&mut self, id: &HarborId) {
        let Some(door) = self.close_door(id) else { return };
        let Purpose::Looking { callers, record, used, .. } = door.purpose else { return };
        let member = |uid| self.talks.get(uid).is_some_and(Conversation::is_active);
        let found = match record {
            // To a member it still says where it led.
            Some(record) if !used || member(&record.uid) => Ok(record),
            _ if used => Err(CommandError::InviteUsed),
            _ => Err(CommandError::BadInvite),
        };
        for (caller, wanted) in callers {
            let result = match &found {
                Err(why) => Err(*why),
                Ok(record) if wanted == Wanted::Preview => Ok(Reply::Preview { preview: self.shown(record) }),
                Ok(record) => self.join(&door.link, record),
            };
            self.reply(caller, result);
        }
    }

    fn shown(&self, record: &InviteRecord) -> Preview {
        let member = self.talks.get(&record.uid).is_some_and(Conversation::is_active);
        Preview {
            inviter: record.cert.identity,
            inviter_name: record.name.clone(),
            kind: record.kind,
            title: record.title.clone(),
            expires: UnixMillis(u64::from(record.expires_hour) * crate::limits::HOUR_MS),
            already: member.then_some(record.uid),
        }
    }

    fn join(&mut self, link: &InviteLink, record: &InviteRecord) -> Result<Reply, CommandError> {
        let unix = self.unix();
        let uid = record.uid;
        let again = |t: &Conversation| matches!(t.meta.state, TopicState::Active | TopicState::Joining);
        if self.talks.get(&uid).is_none_or(|t| !again(t)) {
            let me = self.me.as_ref().ok_or(CommandError::NotInitialized)?;
            let joining =
                Joining::new(&mut self.rng, &me.secrets, link.clone(), record.clone(), me.name.clone());
            let joining = Box::new(joining.ok_or(CommandError::BadInvite)?);
            let (kind, title, state) = (record.kind, record.title.clone(), TopicState::Joining);
            let meta = Meta { kind, title, state, created: unix, unread: 0, last: None, complete: unix };
            self.begin_joining(&uid, meta);
            let request = RendezvousObject::Request { request: Box::new(joining.request.clone()) };
            let record = DoorRecord::Joining { joining: joining.clone() };
            self.open_door(Door::joining(joining), Some(&record));
            self.leave_at(&uid, link, &request);
        }
        Ok(Reply::Topic { topic: self.view(&uid).ok_or(CommandError::NotFound)? })
    }

    /// Joining again after leaving: history, chains and the own place in them stay, or peers would take new
    /// messages for old ones.
    fn begin_joining(&mut self, uid: &TopicUid, meta: Meta) {
        match self.talks.get_mut(uid) {
            Some(talk) => {
                let last = talk.meta.last.take();
                talk.meta = Meta { last, ..meta };
                talk.log = None;
            }
            None => {
                self.talks.insert(*uid, Conversation::new(meta, None));
            }
        }
        let prefix = |table| Write::DeletePrefix { table, prefix: uid.0.to_vec() };
        self.step.writes.extend([Table::Topic, Table::Log, Table::Chain].map(prefix));
        self.save_meta(uid);
        self.changed.insert(*uid);
    }

    fn on_welcome(&mut self, id: &HarborId, part: WelcomePart) {
        let unix = self.unix();
        let (Some(me), Some(door)) = (&self.me, self.doors.get_mut(id)) else { return };
        let Purpose::Joining { joining, pieces } = &mut door.purpose else { return };
        let Some(sealed) = joining.collect(pieces, part) else { return };
        match joining.join(&me.secrets, &sealed, unix) {
            Ok(joined) => self.joined(id, joined),
            Err(_) => self.joining_failed(id, CommandError::BadInvite),
        }
    }

    fn joined(&mut self, id: &HarborId, joined: Joined) {
        self.close_door(id);
        let Joined { log, heads, made } = joined;
        let uid = log.uid();
        let Some(talk) = self.talks.get_mut(&uid) else { return };
        talk.meta.state = TopicState::Active;
        talk.meta.created = log.created();
        talk.meta.complete = made.min(talk.meta.complete);
        talk.log = Some(log);
        for head in heads {
            talk.senders.entry(head.device).or_default().begin_after(head.seq, head.id, head.heard);
        }
        self.flush_log(&uid);
        self.save_meta(&uid);
        self.tell_members(&uid);
        self.replan = true;
        self.dirty.insert(uid);
        self.changed.insert(uid);
    }

    fn joining_failed(&mut self, id: &HarborId, why: CommandError) {
        if let Some(uid) = self.close_door(id).and_then(|door| door.uid()) {
            self.end(&uid, TopicState::Failed { why });
        }
    }

    pub(super) fn on_door_timeout(&mut self, id: &HarborId) {
        let Some(Door { purpose: Purpose::Looking { read, .. }, .. }) = self.doors.get(id) else { return };
        let linked = self.links.values().any(|l| l.greeting().is_some());
        let why = match (read, linked) {
            (true, _) => CommandError::BadInvite,
            (false, true) => CommandError::Timeout,
            (false, false) => CommandError::Offline,
        };
        if let Some(Door { purpose: Purpose::Looking { callers, .. }, .. }) = self.close_door(id) {
            for (caller, _) in callers {
                self.reply(caller, Err(why));
            }
        }
    }

    pub(super) fn close_expired_doors(&mut self) {
        let unix = self.unix();
        let over: Vec<HarborId> =
            self.doors.iter().filter(|(_, door)| door.link.expired(unix)).map(|(id, _)| *id).collect();
        for id in over {
            match self.doors.get(&id).map(|door| &door.purpose) {
                Some(Purpose::Joining { .. }) => self.joining_failed(&id, CommandError::InviteExpired),
                Some(Purpose::Given { .. }) => {
                    self.close_door(&id);
                }
                Some(Purpose::Looking { .. }) | None => {}
            }
        }
    }

    pub(super) fn close_doors_of(&mut self, uid: &TopicUid) {
        let theirs: Vec<HarborId> =
            self.doors.iter().filter(|(_, door)| door.uid() == Some(*uid)).map(|(id, _)| *id).collect();
        for id in theirs {
            self.close_door(&id);
        }
    }
}

fn why(denial: Denial) -> CommandError {
    match denial {
        Denial::Expired => CommandError::InviteExpired,
        Denial::Used => CommandError::InviteUsed,
        Denial::Full => CommandError::QuotaExceeded,
        Denial::Member => CommandError::BadInvite,
    }
}
