//! The operations of one topic and the rules by which they count.
//!
//! An operation is judged by its own past alone, so every replica that has its past judges it alike; what a
//! set of operations *means* (the roster) is a pure function of the set. Spec: docs/spec/topics.md §2–§4.

use super::ops::{Name, OpBody, Role, SignedOp, TopicKind};
use super::past::Places;
use super::roster::{Leaf, Roster};
use crate::id::{DeviceId, EndpointId, OpId, TopicUid};
use crate::identity::DeviceCert;
use crate::limits::MAX_LEAVES;
use crate::time::UnixMillis;
use alloc::collections::BTreeSet;
use alloc::{sync::Arc, vec::Vec};
use core::cell::OnceCell;
use litemap::LiteMap;

/// Operations one topic may have.
pub const MAX_OPS: usize = 16_384;

/// Grants given at the same time of which one has to count; of more the lowest.
const MAX_GRANTS: usize = 8;

/// Why an operation does not count. Final for all but [`OpError::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpError {
    /// A parent is missing: try again when it has come.
    Unknown,
    /// Parents out of order or before one another, or a second `Create`.
    Shape,
    /// Not signed by its author, or a certificate that does not verify.
    Signature,
    /// Its author had no right to do this, by the operation's own past.
    NotAllowed,
    /// [`MAX_OPS`] reached.
    Full,
}

/// What [`Dag::insert`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    New,
    Known,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub op: SignedOp,
    pub id: OpId,
    /// Everything before it.
    pub past: Places,
    /// The certificate in a `Create` or `Add`, shared by all rosters.
    joins: Option<(Arc<DeviceCert>, Name)>,
    /// Its author's identity.
    pub by: EndpointId,
    /// The operation by which its author was a member; none for `Create`.
    pub joined: Option<usize>,
    /// Those that made its author an admin, of which one suffices; none for the owner and for plain members.
    pub grants: Vec<usize>,
    /// Steps from the owner to its author's right; 0 for the owner.
    pub rank: u32,
}

impl Node {
    /// The operations without which this one does not count.
    pub(super) fn rests_on(&self) -> impl Iterator<Item = usize> + '_ {
        self.joined.iter().chain(&self.grants).copied()
    }
}

/// What its past says of an operation that is allowed.
struct Standing {
    by: EndpointId,
    /// Whom it is about.
    subject: EndpointId,
    joined: Option<usize>,
    grants: Vec<usize>,
    rank: u32,
}

/// All operations of one topic that hold, in an order in which parents come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dag {
    pub(super) nodes: Vec<Node>,
    pub(super) by_id: LiteMap<OpId, usize>,
    heads: BTreeSet<OpId>,
    /// Joining operations, leavings and removals, and changes of role, by whom they are about.
    joins: LiteMap<EndpointId, Vec<usize>>,
    pub(super) leaves: LiteMap<EndpointId, Vec<usize>>,
    pub(super) roles: LiteMap<EndpointId, Vec<usize>>,
    /// What needed an admin's right, by author.
    pub(super) acts: LiteMap<EndpointId, Vec<usize>>,
    mints: LiteMap<[u8; 32], Vec<usize>>,
    pub(super) uses: LiteMap<[u8; 32], Vec<usize>>,
    pub(super) recalls: LiteMap<[u8; 32], Vec<usize>>,
    /// `Add`s by the `InviteUse` they name.
    pub(super) adds: LiteMap<OpId, Vec<usize>>,
    /// Operations that another, concurrent one may make void.
    pub(super) contested: BTreeSet<usize>,
    now: Now,
}

/// What counts of all that is known, once it was asked for; no part of what the operations are.
#[derive(Clone, Debug, Default)]
struct Now(OnceCell<Places>);

impl PartialEq for Now {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Now {}

impl Dag {
    /// A topic with nothing but its `Create`.
    ///
    /// # Errors
    /// [`OpError::Shape`] when `create` is another operation or has parents, [`OpError::Signature`].
    pub fn new(create: SignedOp) -> Result<Self, OpError> {
        let OpBody::Create { cert, .. } = &create.body else { return Err(OpError::Shape) };
        if !create.parents.is_empty() {
            return Err(OpError::Shape);
        }
        if cert.device != create.author || !cert.verify() || !create.verify() {
            return Err(OpError::Signature);
        }
        let mut dag = Self {
            nodes: Vec::new(),
            by_id: LiteMap::new(),
            heads: BTreeSet::new(),
            joins: LiteMap::new(),
            leaves: LiteMap::new(),
            roles: LiteMap::new(),
            acts: LiteMap::new(),
            mints: LiteMap::new(),
            uses: LiteMap::new(),
            recalls: LiteMap::new(),
            adds: LiteMap::new(),
            contested: BTreeSet::new(),
            now: Now::default(),
        };
        let by = cert.identity;
        let standing = Standing { by, subject: by, joined: None, grants: Vec::new(), rank: 0 };
        let id = create.id();
        dag.push(create, id, Places::default(), standing);
        Ok(dag)
    }

    /// Takes an operation whose past is here.
    ///
    /// # Errors
    /// [`OpError`]; the operation was not taken.
    pub fn insert(&mut self, op: SignedOp) -> Result<Inserted, OpError> {
        let id = op.id();
        if self.by_id.contains_key(&id) {
            return Ok(Inserted::Known);
        }
        if op.parents.is_empty() || !op.parents.is_sorted_by(|a, b| a < b) {
            return Err(OpError::Shape);
        }
        let past = self.before(&op.parents).ok_or(OpError::Unknown)?;
        if !self.are_heads(&op.parents) {
            return Err(OpError::Shape);
        }
        if self.nodes.len() >= MAX_OPS {
            return Err(OpError::Full);
        }
        let standing = self.judge(&op, &past)?;
        if !op.verify() || !certified(&op) {
            return Err(OpError::Signature);
        }
        self.push(op, id, past, standing);
        Ok(Inserted::New)
    }

    /// As [`Dag::insert`] for an operation from this device's own records: its signatures were checked when it
    /// came, and a thousand of them would make a start slow.
    pub(super) fn insert_trusted(&mut self, op: SignedOp) -> Result<(), OpError> {
        let past = self.before(&op.parents).ok_or(OpError::Unknown)?;
        let standing = self.judge(&op, &past)?;
        let id = op.id();
        self.push(op, id, past, standing);
        Ok(())
    }

    /// Its standing, when its past allows it.
    fn judge(&self, op: &SignedOp, past: &Places) -> Result<Standing, OpError> {
        let counted = self.counted(past);
        let (joined, identity) = self.member(&op.author, &counted).ok_or(OpError::NotAllowed)?;
        let (role, grants) = self.role(&identity, &counted);
        let (allowed, subject) = match &op.body {
            OpBody::Create { .. } => return Err(OpError::Shape),
            OpBody::Leave => (true, identity),
            OpBody::Remove { who, .. } => {
                let other = *who != identity && !self.owns(who);
                (other && self.is_room() && self.has_member(who, &counted), *who)
            }
            OpBody::SetRole { who, role } => {
                let known = self.is_room() && !self.owns(who) && self.has_member(who, &counted);
                (known && *role != Role::Owner && self.role(who, &counted).0 != *role, *who)
            }
            OpBody::InviteMint { invite, .. } => {
                (self.live(&self.mints, invite, past).next().is_none(), identity)
            }
            OpBody::InviteUse { invite, .. } | OpBody::InviteRevoke { invite } => {
                let in_past = |index| self.live(index, invite, past).next().is_some();
                let open = !in_past(&self.uses) && !in_past(&self.recalls);
                (in_past(&self.mints) && open, identity)
            }
            OpBody::Add { cert, invite_use, .. } => {
                (self.may_join(cert, invite_use.as_ref(), past, &counted), cert.identity)
            }
        };
        if !allowed || (op.body.needs_admin() && !role.is_admin()) {
            return Err(OpError::NotAllowed);
        }
        let steps = grants.iter().map(|grant| self.nodes[*grant].rank.saturating_add(1)).min();
        let rank = if role == Role::Owner { 0 } else { steps.unwrap_or(u32::MAX) };
        Ok(Standing { by: identity, subject, joined: Some(joined), grants, rank })
    }

    fn may_join(&self, cert: &DeviceCert, used: Option<&OpId>, past: &Places, counted: &Places) -> bool {
        let used = used.is_none_or(|id| {
            let is_use = |at: usize| matches!(self.nodes[at].op.body, OpBody::InviteUse { .. });
            let there = self.by_id.get(id).is_some_and(|at| past.has(*at) && is_use(*at));
            there && self.live(&self.adds, id, past).next().is_none()
        });
        let present = self.present(counted);
        let room = match self.kind() {
            TopicKind::Room => present.len() < MAX_LEAVES,
            TopicKind::Dm => {
                present.iter().all(|(_, at)| self.joining(*at).is_some_and(|c| self.owns(&c.identity)))
            }
        };
        used && room && present.iter().all(|(device, _)| *device != cert.device)
    }

    fn push(&mut self, op: SignedOp, id: OpId, past: Places, standing: Standing) {
        let at = self.nodes.len();
        let Standing { by, subject, joined, grants, rank } = standing;
        let mut joins = None;
        match &op.body {
            OpBody::Create { cert, name, .. } => joins = Some((Arc::new((**cert).clone()), name.clone())),
            OpBody::Add { cert, name, invite_use } => {
                joins = Some((Arc::new((**cert).clone()), name.clone()));
                if let Some(id) = invite_use {
                    self.adds.entry(*id).or_default().push(at);
                }
            }
            OpBody::InviteMint { invite, .. } => self.mints.entry(*invite).or_default().push(at),
            OpBody::InviteUse { invite, .. } => self.uses.entry(*invite).or_default().push(at),
            OpBody::InviteRevoke { invite } => self.recalls.entry(*invite).or_default().push(at),
            OpBody::Leave | OpBody::Remove { .. } => self.leaves.entry(subject).or_default().push(at),
            OpBody::SetRole { .. } => self.roles.entry(subject).or_default().push(at),
        }
        if joins.is_some() {
            self.joins.entry(subject).or_default().push(at);
        }
        if op.body.needs_admin() {
            self.acts.entry(by).or_default().push(at);
        }
        for parent in op.parents.iter() {
            self.heads.remove(parent);
        }
        self.heads.insert(id);
        self.by_id.insert(id, at);
        self.nodes.push(Node { op, id, past, joins, by, joined, grants, rank });
        self.contest(at);
        self.now = Now::default();
    }

    /// The operations with these names and everything before them; `None` when one is unknown.
    fn before(&self, ids: &[OpId]) -> Option<Places> {
        let mut set = Places::default();
        for id in ids {
            let at = *self.by_id.get(id)?;
            set.add_all(&self.nodes[at].past);
            set.add(at);
        }
        Some(set)
    }

    /// True when none of them lies before another: they are the heads of some set, and one set has one such list, so that
    /// nobody can say the same thing in a thousand ways.
    fn are_heads(&self, ids: &[OpId]) -> bool {
        let places = || ids.iter().filter_map(|id| self.by_id.get(id).copied());
        places().all(|one| places().all(|other| !self.nodes[one].past.has(other)))
    }

    pub(super) fn live<'a, K: Ord>(
        &'a self,
        index: &'a LiteMap<K, Vec<usize>>,
        key: &K,
        set: &'a Places,
    ) -> impl Iterator<Item = usize> + 'a {
        index.get(key).into_iter().flatten().copied().filter(|at| set.has(*at))
    }

    /// True when every leaving and removal of that identity lies before `at`: a concurrent one prevails over whatever
    /// joins or promotes it.
    fn outlives(&self, at: usize, identity: &EndpointId, counted: &Places) -> bool {
        self.live(&self.leaves, identity, counted).all(|leaving| self.nodes[at].past.has(leaving))
    }

    fn is_room(&self) -> bool {
        self.kind() == TopicKind::Room
    }

    /// Who made the topic.
    pub(super) fn owner(&self) -> EndpointId {
        self.nodes[0].by
    }

    fn owns(&self, identity: &EndpointId) -> bool {
        self.owner() == *identity
    }

    /// A member's role, and the operations that gave it.
    fn role(&self, identity: &EndpointId, counted: &Places) -> (Role, Vec<usize>) {
        if self.owns(identity) {
            return (Role::Owner, Vec::new());
        }
        let given = self.live(&self.roles, identity, counted);
        let given: Vec<usize> = given.filter(|at| self.outlives(*at, identity, counted)).collect();
        let last = |at: &usize| !given.iter().any(|later| self.nodes[*later].past.has(*at));
        let last: Vec<usize> = given.iter().copied().filter(last).collect();
        let admin = |at: &usize| matches!(self.nodes[*at].op.body, OpBody::SetRole { role: Role::Admin, .. });
        // Of two given at once the lesser counts.
        if last.is_empty() || !last.iter().all(admin) {
            return (Role::Member, Vec::new());
        }
        let mut grants = last;
        grants.sort_unstable_by_key(|at| (self.nodes[*at].rank, self.nodes[*at].id));
        grants.truncate(MAX_GRANTS);
        (Role::Admin, grants)
    }

    /// The operations by which devices of an identity are in, each with its device; several may name one device.
    fn joined<'a>(
        &'a self,
        identity: &'a EndpointId,
        counted: &'a Places,
    ) -> impl Iterator<Item = (usize, DeviceId)> + 'a {
        let holds = |at: &usize| self.outlives(*at, identity, counted);
        let joins = self.live(&self.joins, identity, counted).filter(holds);
        joins.filter_map(|at| self.joining(at).map(|cert| (at, cert.device)))
    }

    fn has_member(&self, identity: &EndpointId, counted: &Places) -> bool {
        self.joined(identity, counted).next().is_some()
    }

    /// The operation by which a device is in, and whose it is.
    fn member(&self, device: &DeviceId, counted: &Places) -> Option<(usize, EndpointId)> {
        let joins = self.joins.keys().flat_map(|identity| {
            self.joined(identity, counted).filter(|(_, of)| of == device).map(|(at, _)| (at, *identity))
        });
        joins.min_by_key(|(at, _)| self.nodes[*at].id)
    }

    pub(super) fn joining(&self, at: usize) -> Option<&DeviceCert> {
        self.nodes[at].joins.as_ref().map(|(cert, _)| &**cert)
    }

    fn leaf(&self, at: usize, role: Role) -> Option<Leaf> {
        let node = self.nodes.get(at)?;
        let (cert, name) = node.joins.clone()?;
        Some(Leaf { device: cert.device, identity: cert.identity, cert, name, role, joined: node.id })
    }

    /// Every device that is in, by DeviceID, with the operation by which it is.
    fn present(&self, counted: &Places) -> Vec<(DeviceId, usize)> {
        let joined = self.joins.keys().flat_map(|identity| self.joined(identity, counted));
        let mut present: Vec<(DeviceId, usize)> = joined.map(|(at, device)| (device, at)).collect();
        present.sort_unstable_by_key(|(device, at)| (*device, self.nodes[*at].id));
        present.dedup_by_key(|(device, _)| *device);
        present
    }

    fn roster_of(&self, counted: &Places) -> Roster {
        let present = self.present(counted);
        let roles: LiteMap<EndpointId, Role> =
            self.joins.keys().map(|id| (*id, self.role(id, counted).0)).collect();
        let leaf = |at: usize| {
            let identity = self.joining(at)?.identity;
            self.leaf(at, roles.get(&identity).copied().unwrap_or(Role::Member))
        };
        Roster::new(present.into_iter().filter_map(|(_, at)| leaf(at)).collect())
    }

    /// Everything known that counts.
    pub(super) fn counted_now(&self) -> &Places {
        self.now.0.get_or_init(|| self.counted(&Places::all(self.nodes.len())))
    }

    /// Who is in the topic as `frontier` and everything before it say; `None` when one of them is unknown.
    #[must_use]
    pub fn roster_at(&self, frontier: &[OpId]) -> Option<Roster> {
        let set = self.before(frontier)?;
        Some(self.roster_of(&self.counted(&set)))
    }

    /// Who is in the topic as far as this device knows.
    #[must_use]
    pub fn roster(&self) -> Roster {
        self.roster_of(self.counted_now())
    }

    /// Operations that no other follows, ascending.
    pub fn heads(&self) -> impl Iterator<Item = OpId> + '_ {
        self.heads.iter().copied()
    }

    /// True when the operation is here.
    #[must_use]
    pub fn contains(&self, id: &OpId) -> bool {
        self.by_id.contains_key(id)
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: &OpId) -> Option<&SignedOp> {
        self.by_id.get(id).map(|at| &self.nodes[*at].op)
    }

    /// All operations, parents first.
    pub fn ops(&self) -> impl Iterator<Item = &SignedOp> {
        self.nodes.iter().map(|node| &node.op)
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Never: there is a `Create`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The topic's name among members.
    #[must_use]
    pub fn uid(&self) -> TopicUid {
        TopicUid(self.nodes[0].id.0)
    }

    /// Two people or a room.
    #[must_use]
    pub fn kind(&self) -> TopicKind {
        match self.nodes[0].op.body {
            OpBody::Create { kind, .. } => kind,
            _ => unreachable!("the first operation is a Create"),
        }
    }

    /// Title, creation time and creator, from `Create`.
    #[must_use]
    pub fn created(&self) -> (&Name, UnixMillis, EndpointId) {
        match &self.nodes[0].op.body {
            OpBody::Create { title, created, cert, .. } => (title, *created, cert.identity),
            _ => unreachable!("the first operation is a Create"),
        }
    }

    /// The request a use of `invite` was spent on, when it was used: the winning one of several.
    #[must_use]
    pub fn invite_used(&self, invite: &[u8; 32]) -> Option<[u8; 32]> {
        let uses = self.live(&self.uses, invite, self.counted_now()).map(|at| &self.nodes[at]);
        uses.min_by_key(|node| node.id).and_then(|node| match &node.op.body {
            OpBody::InviteUse { request, .. } => Some(*request),
            _ => None,
        })
    }

    /// True when `invite` was taken back.
    #[must_use]
    pub fn invite_revoked(&self, invite: &[u8; 32]) -> bool {
        self.live(&self.recalls, invite, self.counted_now()).next().is_some()
    }

    /// The X-Wing key hash announced with `invite`.
    #[must_use]
    pub fn invite_minted(&self, invite: &[u8; 32]) -> Option<[u8; 32]> {
        let at = self.mints.get(invite)?.first()?;
        match &self.nodes[*at].op.body {
            OpBody::InviteMint { kem_hash, .. } => Some(*kem_hash),
            _ => None,
        }
    }
}

/// True when the certificate in an `Add` verifies; other operations have none to check.
fn certified(op: &SignedOp) -> bool {
    match &op.body {
        OpBody::Add { cert, .. } => cert.verify(),
        _ => true,
    }
}
