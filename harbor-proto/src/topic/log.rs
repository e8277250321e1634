//! One topic on one device: its operations, its epochs, its keys.
//!
//! Every method that changes something also queues the records to persist; drain them with
//! [`TopicLog::take_records`] and write them in one transaction before anything that depends on them leaves the
//! device. Spec: docs/spec/topics.md §5, epochs.md §5.

use super::control::ControlObject;
use super::dag::{Dag, Inserted, OpError};
use super::epoch::{self, EpochBoxes, EpochHeader, HeaderError, MAX_EPOCH_PARENTS};
use super::keyring::{KEEP_MS, KeyError, Keyring, OpenKey, Route};
use super::ops::{Name, OpBody, SignedOp, TopicKind};
use super::records::RecordChange;
use super::roster::{Leaf, Roster};
use super::waiting::Waiting;
use crate::crypto::Secret;
use crate::crypto::kdf::{Context, derive};
use crate::crypto::rng::Rng;
use crate::id::{DeviceId, EpochId, TopicUid};
use crate::identity::DeviceSecrets;
use crate::limits::{DAY_MS, ROTATE_AT_COUNTER};
use crate::packet::{ContentKey, Header};
use crate::time::UnixMillis;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Rosters up to this many devices change epochs daily while in use, larger ones weekly.
pub(super) const DAILY_LEAVES: usize = 64;
/// How far below [`ROTATE_AT_COUNTER`] an own counter asks for a new epoch.
const COUNTER_MARGIN: u32 = 100;

/// What a call changed, for the composer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A device came in.
    Joined(Leaf),
    /// A device went.
    Left(Leaf),
    /// An admin took a device's identity out.
    Removed(Leaf),
    /// A device's identity has another role.
    Role(Leaf),
    /// An epoch's box was opened: packets that waited for it can be tried again.
    Opened(EpochId),
    /// Another epoch is the one to send in; `None`: a commit is needed.
    Current(Option<EpochId>),
    /// There are mailboxes of a new routing secret to read.
    Route(Secret),
    /// An object was refused; only worth counting.
    Refused(Refused),
}

/// Why an object was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    Op(OpError),
    Header(HeaderError),
}

/// Why a new epoch is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitReason {
    /// No epoch for exactly this roster was opened, or its routing secret is known to somebody who left.
    NoEpoch,
    /// The own chain comes near its end.
    Counter,
    /// The epoch or its routing secret is old.
    Age,
}

/// Why nothing can be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// Not, or no longer, a member.
    NotMember,
    /// No eligible epoch: one must be committed or received first.
    NoEpoch,
    /// The own chain of this epoch has ended; a new epoch must be committed.
    Exhausted,
}

/// A place in the own chain, used up, and its key.
#[derive(Clone, Debug)]
pub struct SealKey {
    pub epoch: EpochId,
    pub leaf: u16,
    pub counter: u32,
    pub key: ContentKey,
    /// Its BLAKE3 goes into the packet.
    pub delete_token: [u8; 16],
    /// Whose mailboxes the packet is for.
    pub rs: Secret,
}

impl SealKey {
    /// What the packet says of it.
    #[must_use]
    pub fn header(&self) -> Header {
        let mut epoch = [0; 8];
        epoch.copy_from_slice(&self.epoch.0[..8]);
        Header { epoch, leaf: self.leaf, counter: self.counter, commitment: self.key.commitment }
    }
}

enum Tried {
    Taken,
    Known,
    Waits(ControlObject),
    Refused(Refused),
}

/// One topic on one device. See the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicLog {
    pub(super) me: DeviceId,
    pub(super) dag: Dag,
    roster: Roster,
    pub(super) roster_hash: [u8; 32],
    /// Operations the roster was computed from.
    counted: usize,
    pub(super) ring: Keyring,
    pub(super) waiting: Waiting,
    pub(super) out: Vec<RecordChange>,
}

impl TopicLog {
    /// A new topic with its first epoch; `me` is its only member and its owner.
    ///
    /// # Panics
    /// Never: a topic made here is sound.
    #[must_use]
    pub fn create(
        rng: &mut Rng,
        me: &DeviceSecrets,
        kind: TopicKind,
        title: Name,
        name: Name,
        now: UnixMillis,
    ) -> Self {
        let cert = Box::new(me.cert().clone());
        let body = OpBody::Create { kind, title, nonce: rng.array(), created: now, cert, name };
        let create = SignedOp::sign(me, [], body);
        let mut log = Self::begin(me.device_id(), create).expect("just signed");
        log.commit_epoch(rng, me, now).expect("the creator is a member");
        log
    }

    /// A topic of which only the `Create` is known.
    pub(super) fn begin(me: DeviceId, create: SignedOp) -> Result<Self, OpError> {
        let dag = Dag::new(create.clone())?;
        let mut log = Self::assemble(me, dag, Vec::new());
        log.put_topic();
        log.put_op(create);
        Ok(log)
    }

    pub(super) fn assemble(me: DeviceId, dag: Dag, routes: Vec<Route>) -> Self {
        let (uid, roster) = (dag.uid(), dag.roster());
        let (roster_hash, counted) = (roster.hash(), dag.len());
        let ring = Keyring::new(uid, me, routes);
        Self { me, dag, roster, roster_hash, counted, ring, waiting: Waiting::new(uid), out: Vec::new() }
    }

    /// The changes to persist since the last call, in order.
    #[must_use]
    pub fn take_records(&mut self) -> Vec<RecordChange> {
        core::mem::take(&mut self.out)
    }

    /// Takes an object from a control packet. Objects whose dependencies are missing wait; repetitions are
    /// harmless.
    pub fn absorb(&mut self, me: &DeviceSecrets, object: ControlObject, now: UnixMillis) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.take(me, object, now, &mut changes) {
            self.retry(me, now, &mut changes);
        }
        self.refresh(now, &mut changes);
        changes
    }

    fn retry(&mut self, me: &DeviceSecrets, now: UnixMillis, changes: &mut Vec<Change>) {
        loop {
            let mut progress = false;
            for (place, object) in self.waiting.objects() {
                match self.attempt(me, object, now, changes) {
                    Tried::Waits(_) => continue,
                    Tried::Taken => progress = true,
                    Tried::Known => {}
                    Tried::Refused(why) => changes.push(Change::Refused(why)),
                }
                self.waiting.remove(place, &mut self.out);
            }
            if !progress {
                return;
            }
        }
    }

    /// True when it was news.
    fn take(
        &mut self,
        me: &DeviceSecrets,
        object: ControlObject,
        now: UnixMillis,
        changes: &mut Vec<Change>,
    ) -> bool {
        match self.attempt(me, object, now, changes) {
            Tried::Taken => return true,
            Tried::Known => {}
            Tried::Waits(object) => self.waiting.push(object, &mut self.out),
            Tried::Refused(why) => changes.push(Change::Refused(why)),
        }
        false
    }

    fn attempt(
        &mut self,
        me: &DeviceSecrets,
        object: ControlObject,
        now: UnixMillis,
        changes: &mut Vec<Change>,
    ) -> Tried {
        match object {
            ControlObject::Op { op } => match self.insert_op((*op).clone()) {
                Ok(Inserted::New) => Tried::Taken,
                Ok(Inserted::Known) => Tried::Known,
                Err(OpError::Unknown) => Tried::Waits(ControlObject::Op { op }),
                Err(why) => Tried::Refused(Refused::Op(why)),
            },
            ControlObject::Epoch { header } => {
                if self.ring.header(&header.id()).is_some() {
                    return Tried::Known;
                }
                match header.check(&self.dag, |id| self.ring.generation(id)) {
                    Ok(_) => {
                        self.ring.insert(*header, now, &mut self.out);
                        Tried::Taken
                    }
                    Err(HeaderError::Unknown) => Tried::Waits(ControlObject::Epoch { header }),
                    Err(why) => Tried::Refused(Refused::Header(why)),
                }
            }
            ControlObject::Boxes { boxes } => self.open_boxes(me, boxes, now, changes),
        }
    }

    fn open_boxes(
        &mut self,
        me: &DeviceSecrets,
        boxes: EpochBoxes,
        now: UnixMillis,
        changes: &mut Vec<Change>,
    ) -> Tried {
        let id = boxes.epoch;
        if self.ring.opened(&id) {
            return Tried::Known;
        }
        let Some(mine) = boxes.only_for(me.cert()) else { return Tried::Known };
        let Some(header) = self.ring.header(&id) else {
            return Tried::Waits(ControlObject::Boxes { boxes: mine });
        };
        let Some(secrets) = header.open(me, &mine) else { return Tried::Known };
        let Some(roster) = self.dag.roster_at(&header.frontier) else { return Tried::Known };
        self.unlock(&id, secrets, &roster, now, changes);
        Tried::Taken
    }

    fn unlock(
        &mut self,
        id: &EpochId,
        secrets: epoch::EpochSecrets,
        roster: &Roster,
        now: UnixMillis,
        changes: &mut Vec<Change>,
    ) {
        let rs = secrets.rs.clone();
        if self.ring.unlock(id, secrets, roster, now, &mut self.out) {
            changes.push(Change::Route(rs));
            self.put_topic();
        }
        changes.push(Change::Opened(*id));
    }

    fn insert_op(&mut self, op: SignedOp) -> Result<Inserted, OpError> {
        let inserted = self.dag.insert(op.clone())?;
        if inserted == Inserted::New {
            self.put_op(op);
        }
        Ok(inserted)
    }

    /// Recomputes what follows from operations and epochs.
    fn refresh(&mut self, now: UnixMillis, changes: &mut Vec<Change>) {
        if self.counted != self.dag.len() {
            self.recount(changes);
        }
        let routes = self.ring.routes().to_vec();
        if self.ring.choose(&self.roster, &self.roster_hash, now, &mut self.out) {
            changes.push(Change::Current(self.ring.current()));
        }
        if self.ring.routes() != routes {
            self.put_topic();
        }
    }

    /// Recomputes the roster after operations came.
    fn recount(&mut self, changes: &mut Vec<Change>) {
        let roster = self.dag.roster();
        let missing_in = |other: &Roster, leaf: &&Leaf| other.get(&leaf.device).is_none();
        let left = self.roster.leaves().iter().filter(|leaf| missing_in(&roster, leaf));
        changes.extend(left.map(|leaf| match self.dag.put_out(&leaf.joined) {
            true => Change::Removed(leaf.clone()),
            false => Change::Left(leaf.clone()),
        }));
        let joined = roster.leaves().iter().filter(|leaf| missing_in(&self.roster, leaf));
        changes.extend(joined.cloned().map(Change::Joined));
        let role_before = |leaf: &Leaf| self.roster.get(&leaf.device).map(|before| before.role);
        let changed = |leaf: &&Leaf| role_before(leaf).is_some_and(|role| role != leaf.role);
        changes.extend(roster.leaves().iter().filter(changed).cloned().map(Change::Role));
        self.counted = self.dag.len();
        self.roster_hash = roster.hash();
        self.roster = roster;
    }

    /// Signs an operation of this device and takes it in.
    ///
    /// # Errors
    /// [`OpError::NotAllowed`] and [`OpError::Full`].
    pub(super) fn author(&mut self, me: &DeviceSecrets, body: OpBody) -> Result<ControlObject, OpError> {
        let op = SignedOp::sign(me, self.dag.heads(), body);
        self.insert_op(op.clone())?;
        Ok(ControlObject::Op { op: Box::new(op) })
    }

    /// As [`TopicLog::author`], with what follows from it.
    pub(super) fn author_all(
        &mut self,
        me: &DeviceSecrets,
        bodies: impl IntoIterator<Item = OpBody>,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), OpError> {
        let mut objects = Vec::new();
        for body in bodies {
            objects.push(self.author(me, body)?);
        }
        let mut changes = Vec::new();
        self.refresh(now, &mut changes);
        Ok((objects, changes))
    }

    /// Leaves: the operation to publish. Keys stay until [`TopicLog::erase_keys`], so that it can be sealed.
    ///
    /// # Errors
    /// [`OpError::NotAllowed`] when not a member.
    pub fn leave(
        &mut self,
        me: &DeviceSecrets,
        now: UnixMillis,
    ) -> Result<(Vec<ControlObject>, Vec<Change>), OpError> {
        self.author_all(me, [OpBody::Leave], now)
    }

    /// Erases every key and routing secret, for a topic that was left.
    pub fn erase_keys(&mut self) {
        self.ring.erase(&mut self.out);
        self.put_topic();
    }

    /// Why this device should commit a new epoch, after a jitter of 0–30 s and unless one arrives meanwhile.
    #[must_use]
    pub fn needs_commit(&self, now: UnixMillis) -> Option<CommitReason> {
        self.roster.get(&self.me)?;
        let Some((age, used, counter)) = self.ring.wear(now) else { return Some(CommitReason::NoEpoch) };
        let rs = self.ring.current_rs()?;
        let daily = used && self.roster.len() <= DAILY_LEAVES;
        if counter >= ROTATE_AT_COUNTER - COUNTER_MARGIN {
            Some(CommitReason::Counter)
        } else if age >= 7 * DAY_MS || (daily && age >= DAY_MS) || self.route_is_old(rs, now) {
            Some(CommitReason::Age)
        } else {
            None
        }
    }

    fn route_is_old(&self, rs: &Secret, now: UnixMillis) -> bool {
        self.ring.routes().iter().any(|route| route.rs == *rs && route.from.plus(KEEP_MS) <= now)
    }

    /// A new epoch for the roster as it is now, citing the best heads. It carries the routing secret on unless
    /// that is old or known to somebody who is no longer in the roster. `None` when not a member.
    ///
    /// Publish the objects in the mailboxes of every [`TopicLog::routes`], old ones included.
    pub fn commit_epoch(
        &mut self,
        rng: &mut Rng,
        me: &DeviceSecrets,
        now: UnixMillis,
    ) -> Option<(Vec<ControlObject>, Vec<Change>)> {
        let kept = self.ring.best_rs().cloned();
        let kept = kept.filter(|rs| !self.ring.exposed(rs, &self.roster) && !self.route_is_old(rs, now));
        let rs = kept.unwrap_or_else(|| rng.secret());
        let mut parents = self.ring.heads();
        parents.truncate(MAX_EPOCH_PARENTS);
        let committed = epoch::commit(rng, me, &self.dag, &parents, rs)?;
        let id = committed.header.id();
        let mut changes = Vec::new();
        self.ring.insert(committed.header.clone(), now, &mut self.out);
        let roster = self.roster.clone();
        self.unlock(&id, committed.secrets, &roster, now, &mut changes);
        self.refresh(now, &mut changes);
        let mut objects = alloc::vec![ControlObject::Epoch { header: Box::new(committed.header) }];
        objects.extend(committed.boxes.into_iter().map(|boxes| ControlObject::Boxes { boxes }));
        Some((objects, changes))
    }

    /// Uses up the next own place. The records this queues must be durable before the packet leaves.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn seal_key(&mut self, me: &DeviceSecrets) -> Result<SealKey, SealError> {
        self.roster.get(&self.me).ok_or(SealError::NotMember)?;
        let rs = self.ring.current_rs().cloned().ok_or(SealError::NoEpoch)?;
        let (epoch, leaf, counter, key) = self.ring.take_next(&mut self.out).ok_or(SealError::Exhausted)?;
        let (key, shared_token) = key.expand();
        let delete_token = match self.kind() {
            TopicKind::Dm => shared_token,
            TopicKind::Room => own_token(me, &epoch, counter),
        };
        Ok(SealKey { epoch, leaf, counter, key, delete_token, rs })
    }

    /// The key a received packet's header points to, for [`crate::packet::Packet::open_content`]. Changes
    /// nothing: call [`TopicLog::accept`] once the author's signature verified.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn open_key(&self, header: &Header) -> Result<OpenKey, KeyError> {
        self.ring.peek(header)
    }

    /// Uses up a key whose message's signature verified. False when it was used before: drop the message.
    pub fn accept(&mut self, key: OpenKey) -> bool {
        self.ring.accept(key, &mut self.out)
    }

    /// Drops keys and routing secrets whose time is over; call it daily and at start.
    pub fn expire(&mut self, now: UnixMillis) {
        if self.ring.expire(now, &mut self.out) {
            self.put_topic();
        }
    }

    /// Takes what an inviter sent: operations, headers and the own box (docs/spec/invites.md §4).
    pub(super) fn adopt(
        &mut self,
        me: &DeviceSecrets,
        ops: impl IntoIterator<Item = SignedOp>,
        headers: Vec<EpochHeader>,
        boxes: &EpochBoxes,
        now: UnixMillis,
    ) -> Result<(), Refused> {
        for op in ops {
            self.insert_op(op).map_err(Refused::Op)?;
        }
        for header in headers {
            let checked = match header.check(&self.dag, |id| self.ring.generation(id)) {
                Err(HeaderError::Unknown) => header.check_apart_from_generation(&self.dag),
                checked => checked,
            };
            checked.map_err(Refused::Header)?;
            self.ring.insert(header, now, &mut self.out);
        }
        let mut changes = Vec::new();
        self.open_boxes(me, boxes.clone(), now, &mut changes);
        self.refresh(now, &mut changes);
        Ok(())
    }

    /// The topic's name among members.
    #[must_use]
    pub fn uid(&self) -> TopicUid {
        self.dag.uid()
    }

    /// Two people or a room.
    #[must_use]
    pub fn kind(&self) -> TopicKind {
        self.dag.kind()
    }

    /// The title given at creation.
    #[must_use]
    pub fn title(&self) -> &Name {
        self.dag.created().0
    }

    /// When it was made, by the creator's clock.
    #[must_use]
    pub fn created(&self) -> UnixMillis {
        self.dag.created().1
    }

    /// The operations.
    #[must_use]
    pub fn dag(&self) -> &Dag {
        &self.dag
    }

    /// Who is in it, as far as this device knows.
    #[must_use]
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// This device's leaf; `None` when it is not, or no longer, a member.
    #[must_use]
    pub fn my_leaf(&self) -> Option<&Leaf> {
        self.roster.get(&self.me)
    }

    /// The epoch to send in.
    #[must_use]
    pub fn current_epoch(&self) -> Option<EpochId> {
        self.ring.current()
    }

    /// The routing secret of the epoch to send in.
    #[must_use]
    pub fn current_rs(&self) -> Option<&Secret> {
        self.ring.current_rs()
    }

    /// Every routing secret that was current in the last 30 days: read their mailboxes.
    pub fn routes(&self, now: UnixMillis) -> impl Iterator<Item = &Route> {
        self.ring.routes().iter().filter(move |route| route.kept(now))
    }
}

#[cfg(test)]
impl TopicLog {
    pub(super) fn waiting_len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn whole_secrets(&self) -> Vec<[u8; 32]> {
        self.ring.whole_secrets()
    }
}

fn own_token(me: &DeviceSecrets, epoch: &EpochId, counter: u32) -> [u8; 16] {
    let secret = me.device().secret();
    let derived = derive(Context::DeleteToken, &[&secret.0, &epoch.0, &counter.to_be_bytes()]);
    let mut token = [0; 16];
    token.copy_from_slice(&derived.0[..16]);
    token
}
