//! The operations of one topic and the rules by which they count.
//!
//! An operation is judged by its own past alone, so every replica that has its past judges it alike; what a
//! set of operations *means* (the roster) is a pure function of the set. Spec: docs/spec/topics.md §2–§4.

use super::ops::{Name, OpBody, SignedOp, TopicKind};
use super::roster::{Leaf, Roster};
use crate::id::{DeviceId, EndpointId, OpId, TopicUid};
use crate::identity::DeviceCert;
use crate::limits::MAX_LEAVES;
use crate::time::UnixMillis;
use alloc::collections::BTreeSet;
use alloc::{sync::Arc, vec, vec::Vec};
use litemap::LiteMap;

/// Operations one topic may have.
pub const MAX_OPS: usize = 16_384;

/// Why an operation does not count. Final for all but [`OpError::Unknown`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpError {
    /// A parent is missing: try again when it has come.
    Unknown,
    /// Parents out of order, or a second `Create`.
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
struct Node {
    op: SignedOp,
    id: OpId,
    parents: Vec<usize>,
    /// The certificate in a `Create` or `Add`, shared by all rosters.
    joins: Option<(Arc<DeviceCert>, Name)>,
}

/// A set of operations by index; always closed under "parent of".
type Closure = Vec<bool>;

/// All operations of one topic that hold, in an order in which parents come first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dag {
    nodes: Vec<Node>,
    by_id: LiteMap<OpId, usize>,
    heads: BTreeSet<OpId>,
    /// Joining operations, and leavings and removals, by whom they are about.
    joins: LiteMap<EndpointId, Vec<usize>>,
    leaves: LiteMap<EndpointId, Vec<usize>>,
    mints: LiteMap<[u8; 32], Vec<usize>>,
    uses: LiteMap<[u8; 32], Vec<usize>>,
    /// `Add`s by the `InviteUse` they name.
    adds: LiteMap<OpId, Vec<usize>>,
}

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
            mints: LiteMap::new(),
            uses: LiteMap::new(),
            adds: LiteMap::new(),
        };
        let creator = cert.identity;
        let id = create.id();
        dag.push(create, id, Vec::new(), creator);
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
        let parents = self.indices(&op.parents).ok_or(OpError::Unknown)?;
        if self.nodes.len() >= MAX_OPS {
            return Err(OpError::Full);
        }
        let past = self.closure(&parents);
        let subject = self.judge(&op, &past)?;
        if !op.verify() || !certified(&op) {
            return Err(OpError::Signature);
        }
        self.push(op, id, parents, subject);
        Ok(Inserted::New)
    }

    /// As [`Dag::insert`] for an operation from this device's own records: its signatures were checked when it
    /// came, and a thousand of them would make a start slow.
    pub(super) fn insert_trusted(&mut self, op: SignedOp) -> Result<(), OpError> {
        let parents = self.indices(&op.parents).ok_or(OpError::Unknown)?;
        let subject = self.judge(&op, &self.closure(&parents))?;
        let id = op.id();
        self.push(op, id, parents, subject);
        Ok(())
    }

    /// Whom the operation is about, when its past allows it.
    fn judge(&self, op: &SignedOp, past: &Closure) -> Result<EndpointId, OpError> {
        let author = self.member(&op.author, past).ok_or(OpError::NotAllowed)?;
        let (allowed, subject) = match &op.body {
            OpBody::Create { .. } => return Err(OpError::Shape),
            OpBody::Leave => (true, author.identity),
            OpBody::Remove { who, .. } => {
                let other = self.kind() == TopicKind::Room && *who != author.identity;
                (author.admin && other && self.roster_of(past).has_identity(who), *who)
            }
            OpBody::InviteMint { invite, .. } => {
                (author.admin && self.live(&self.mints, invite, past).is_empty(), author.identity)
            }
            OpBody::InviteUse { invite, .. } => {
                let minted = !self.live(&self.mints, invite, past).is_empty();
                let unused = self.live(&self.uses, invite, past).is_empty();
                (author.admin && minted && unused, author.identity)
            }
            OpBody::Add { cert, invite_use, .. } => {
                (author.admin && self.may_join(cert, invite_use.as_ref(), past), cert.identity)
            }
        };
        if allowed { Ok(subject) } else { Err(OpError::NotAllowed) }
    }

    fn may_join(&self, cert: &DeviceCert, invite_use: Option<&OpId>, past: &Closure) -> bool {
        let used = invite_use.is_none_or(|id| {
            let there = self
                .by_id
                .get(id)
                .is_some_and(|at| past[*at] && matches!(self.nodes[*at].op.body, OpBody::InviteUse { .. }));
            there && self.live(&self.adds, id, past).is_empty()
        });
        let roster = self.roster_of(past);
        let room = match self.kind() {
            TopicKind::Room => roster.len() < MAX_LEAVES,
            TopicKind::Dm => roster.leaves().iter().all(|leaf| leaf.admin),
        };
        used && room && roster.get(&cert.device).is_none()
    }

    fn push(&mut self, op: SignedOp, id: OpId, parents: Vec<usize>, subject: EndpointId) {
        let at = self.nodes.len();
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
            OpBody::Leave | OpBody::Remove { .. } => self.leaves.entry(subject).or_default().push(at),
        }
        if joins.is_some() {
            self.joins.entry(subject).or_default().push(at);
        }
        for parent in op.parents.iter() {
            self.heads.remove(parent);
        }
        self.heads.insert(id);
        self.by_id.insert(id, at);
        self.nodes.push(Node { op, id, parents, joins });
    }

    fn indices(&self, ids: &[OpId]) -> Option<Vec<usize>> {
        ids.iter().map(|id| self.by_id.get(id).copied()).collect()
    }

    fn closure(&self, tips: &[usize]) -> Closure {
        let mut set = vec![false; self.nodes.len()];
        for tip in tips {
            set[*tip] = true;
        }
        for at in (0..set.len()).rev() {
            if set[at] {
                for parent in &self.nodes[at].parents {
                    set[*parent] = true;
                }
            }
        }
        set
    }

    fn live<K: Ord>(&self, index: &LiteMap<K, Vec<usize>>, key: &K, set: &Closure) -> Vec<usize> {
        index.get(key).into_iter().flatten().copied().filter(|at| set[*at]).collect()
    }

    /// Of concurrent operations that exclude each other the one with the lowest hash counts.
    fn wins<K: Ord>(&self, index: &LiteMap<K, Vec<usize>>, key: &K, at: usize, set: &Closure) -> bool {
        self.live(index, key, set).iter().all(|other| self.nodes[at].id <= self.nodes[*other].id)
    }

    /// True when `at` joins somebody within `set`: its invite was not lost to another use, and every leaving and
    /// removal of that identity lies in its past (a concurrent one prevails).
    fn holds(&self, at: usize, identity: &EndpointId, set: &Closure) -> bool {
        if let OpBody::Add { invite_use: Some(id), .. } = &self.nodes[at].op.body {
            let Some(used) = self.by_id.get(id) else { return false };
            let OpBody::InviteUse { invite, .. } = &self.nodes[*used].op.body else { return false };
            if !self.wins(&self.uses, invite, *used, set) || !self.wins(&self.adds, id, at, set) {
                return false;
            }
        }
        let leaves = self.live(&self.leaves, identity, set);
        if leaves.is_empty() {
            return true;
        }
        let past = self.closure(&self.nodes[at].parents);
        leaves.iter().all(|leave| past[*leave])
    }

    fn leaf(&self, at: usize) -> Option<Leaf> {
        let node = self.nodes.get(at)?;
        let (cert, name) = node.joins.clone()?;
        Some(Leaf {
            device: cert.device,
            identity: cert.identity,
            cert,
            name,
            admin: at == 0,
            joined: node.id,
        })
    }

    fn member(&self, device: &DeviceId, set: &Closure) -> Option<Leaf> {
        self.joins
            .iter()
            .flat_map(|(identity, joins)| joins.iter().map(move |at| (identity, *at)))
            .filter(|(_, at)| set[*at] && self.joining(*at).is_some_and(|cert| cert.device == *device))
            .filter(|(identity, at)| self.holds(*at, identity, set))
            .min_by_key(|(_, at)| self.nodes[*at].id)
            .and_then(|(_, at)| self.leaf(at))
    }

    fn joining(&self, at: usize) -> Option<&DeviceCert> {
        self.nodes[at].joins.as_ref().map(|(cert, _)| &**cert)
    }

    fn roster_of(&self, set: &Closure) -> Roster {
        let mut found: LiteMap<DeviceId, usize> = LiteMap::new();
        for (identity, joins) in &self.joins {
            for at in joins.iter().copied().filter(|at| set[*at]) {
                let Some(cert) = self.joining(at) else { continue };
                if self.holds(at, identity, set) {
                    let best = found.entry(cert.device).or_insert(at);
                    if self.nodes[at].id < self.nodes[*best].id {
                        *best = at;
                    }
                }
            }
        }
        Roster::new(found.values().filter_map(|at| self.leaf(*at)).collect())
    }

    /// True when a removal of this identity is known, undone or not.
    pub(super) fn ever_removed(&self, identity: &EndpointId) -> bool {
        let about = self.leaves.get(identity).into_iter().flatten();
        about.into_iter().any(|at| matches!(self.nodes[*at].op.body, OpBody::Remove { .. }))
    }

    /// How far the chain of `device` counts in the membership that began with `joined`, when a removal ended that
    /// membership; of several the least.
    pub(super) fn cut(&self, joined: &OpId, device: &DeviceId) -> Option<u64> {
        let at = *self.by_id.get(joined)?;
        let past = self.closure(&self.nodes[at].parents);
        let about = self.leaves.get(&self.joining(at)?.identity)?.iter().filter(|leave| !past[**leave]);
        let cuts = about.filter_map(|leave| match &self.nodes[*leave].op.body {
            OpBody::Remove { cut, .. } => {
                let named = cut.iter().filter(|cut| cut.device == *device).map(|cut| cut.seq);
                Some(named.min().unwrap_or(0))
            }
            _ => None,
        });
        cuts.min()
    }

    /// Who is in the topic as `frontier` and everything before it say; `None` when one of them is unknown.
    #[must_use]
    pub fn roster_at(&self, frontier: &[OpId]) -> Option<Roster> {
        let tips = self.indices(frontier)?;
        Some(self.roster_of(&self.closure(&tips)))
    }

    /// Who is in the topic as far as this device knows.
    #[must_use]
    pub fn roster(&self) -> Roster {
        self.roster_of(&vec![true; self.nodes.len()])
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
        let uses = self.uses.get(invite)?.iter().map(|at| &self.nodes[*at]);
        uses.min_by_key(|node| node.id).and_then(|node| match &node.op.body {
            OpBody::InviteUse { request, .. } => Some(*request),
            _ => None,
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rng::Rng;
    use crate::identity::DeviceSecrets;
    use alloc::boxed::Box;

    const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

    fn device(seed: u8) -> DeviceSecrets {
        DeviceSecrets::generate(&mut Rng::new([seed; 32]), NOW)
    }

    fn create(me: &DeviceSecrets, kind: TopicKind) -> SignedOp {
        let (cert, name) = (Box::new(me.cert().clone()), Name::default());
        let title = Name::default();
        SignedOp::sign(me, [], OpBody::Create { kind, title, nonce: [1; 32], created: NOW, cert, name })
    }

    fn adding(who: &DeviceSecrets) -> OpBody {
        OpBody::Add { cert: Box::new(who.cert().clone()), name: Name::default(), invite_use: None }
    }

    /// A topic of `kind` by device 1, with devices 2.. to `members` in it.
    fn topic(kind: TopicKind, members: u8) -> (DeviceSecrets, Dag) {
        let admin = device(1);
        let mut dag = Dag::new(create(&admin, kind)).unwrap();
        for member in 2..=members {
            push(&mut dag, &admin, adding(&device(member))).unwrap();
        }
        (admin, dag)
    }

    fn push(dag: &mut Dag, by: &DeviceSecrets, body: OpBody) -> Result<OpId, OpError> {
        let op = SignedOp::sign(by, dag.heads(), body);
        dag.insert(op.clone()).map(|_| op.id())
    }

    #[test]
    fn only_admins_add_and_only_members_leave() {
        let (_, mut dag) = topic(TopicKind::Room, 2);
        let (member, stranger) = (device(2), device(9));
        assert_eq!(push(&mut dag, &member, adding(&stranger)), Err(OpError::NotAllowed));
        assert_eq!(push(&mut dag, &stranger, adding(&stranger)), Err(OpError::NotAllowed));
        assert_eq!(push(&mut dag, &stranger, OpBody::Leave), Err(OpError::NotAllowed));
        let mint = OpBody::InviteMint { invite: [1; 32], expires: NOW, kem_hash: [2; 32] };
        assert_eq!(push(&mut dag, &member, mint), Err(OpError::NotAllowed));
        push(&mut dag, &member, OpBody::Leave).unwrap();
        assert_eq!(push(&mut dag, &member, OpBody::Leave), Err(OpError::NotAllowed));
        assert!(dag.roster().get(&member.device_id()).is_none());
    }

    #[test]
    fn who_left_can_be_added_again_but_not_at_the_same_time() {
        let (admin, mut dag) = topic(TopicKind::Room, 2);
        let member = device(2);
        let before: Vec<OpId> = dag.heads().collect();
        push(&mut dag, &member, OpBody::Leave).unwrap();
        // An Add that had not seen the Leave does not undo it.
        let blind = SignedOp::sign(&admin, before, adding(&device(2)));
        assert_eq!(dag.insert(blind), Err(OpError::NotAllowed), "a member there already");
        push(&mut dag, &admin, adding(&member)).unwrap();
        assert!(dag.roster().get(&member.device_id()).is_some());
        let (head, mut other) = (dag.heads().collect::<Vec<_>>(), dag.clone());
        push(&mut dag, &member, OpBody::Leave).unwrap();
        other.insert(dag.ops().last().unwrap().clone()).unwrap();
        push(&mut other, &admin, adding(&device(3))).unwrap();
        assert!(other.roster().get(&member.device_id()).is_none());
        assert!(other.roster_at(&head).unwrap().get(&member.device_id()).is_some(), "a roster has its time");
    }

    #[test]
    fn an_admin_who_left_adds_nobody() {
        let (admin, mut dag) = topic(TopicKind::Room, 2);
        push(&mut dag, &admin, OpBody::Leave).unwrap();
        assert_eq!(push(&mut dag, &admin, adding(&device(3))), Err(OpError::NotAllowed));
        assert_eq!(dag.roster().len(), 1);
    }

    #[test]
    fn a_dm_has_two() {
        let (admin, mut dag) = topic(TopicKind::Dm, 2);
        assert_eq!(push(&mut dag, &admin, adding(&device(3))), Err(OpError::NotAllowed));
        push(&mut dag, &device(2), OpBody::Leave).unwrap();
        push(&mut dag, &admin, adding(&device(3))).unwrap();
    }

    #[test]
    fn an_invite_is_spent_once_and_adds_one() {
        let (admin, mut dag) = topic(TopicKind::Room, 1);
        let mint = |dag: &mut Dag| {
            push(dag, &admin, OpBody::InviteMint { invite: [1; 32], expires: NOW, kem_hash: [2; 32] })
        };
        let spend = OpBody::InviteUse { invite: [1; 32], request: [3; 32] };
        assert_eq!(push(&mut dag, &admin, spend.clone()), Err(OpError::NotAllowed), "not announced");
        mint(&mut dag).unwrap();
        assert_eq!(mint(&mut dag), Err(OpError::NotAllowed), "announced before");
        let used = push(&mut dag, &admin, spend.clone()).unwrap();
        assert_eq!(push(&mut dag, &admin, spend), Err(OpError::NotAllowed));
        let by = |who: u8, used: OpId| OpBody::Add {
            cert: Box::new(device(who).cert().clone()),
            name: Name::default(),
            invite_use: Some(used),
        };
        assert_eq!(push(&mut dag, &admin, by(2, OpId([7; 32]))), Err(OpError::NotAllowed));
        push(&mut dag, &admin, by(2, used)).unwrap();
        assert_eq!(push(&mut dag, &admin, by(3, used)), Err(OpError::NotAllowed));
        assert_eq!(dag.invite_used(&[1; 32]), Some([3; 32]));
    }

    #[test]
    fn changed_operations_and_those_of_other_topics_are_refused() {
        let (admin, dag) = topic(TopicKind::Room, 2);
        let op = SignedOp::sign(&admin, dag.heads(), adding(&device(3)));
        let forged = SignedOp { signature: [0; 64], ..op.clone() };
        assert_eq!(dag.clone().insert(forged), Err(OpError::Signature));
        let other = SignedOp { author: device(2).device_id(), ..op.clone() };
        assert_eq!(dag.clone().insert(other), Err(OpError::NotAllowed));
        let mut elsewhere = Dag::new(create(&device(7), TopicKind::Room)).unwrap();
        assert_eq!(elsewhere.insert(op.clone()), Err(OpError::Unknown));
        assert_eq!(dag.clone().insert(create(&device(7), TopicKind::Room)), Err(OpError::Shape));
        assert_eq!(Dag::new(op).unwrap_err(), OpError::Shape);
        let stolen = SignedOp::sign(&device(7), [], create(&admin, TopicKind::Room).body);
        assert_eq!(Dag::new(stolen).unwrap_err(), OpError::Signature);
    }

    #[test]
    fn an_admin_cannot_add_a_device_nobody_vouches_for() {
        let (admin, mut dag) = topic(TopicKind::Room, 1);
        let mut cert = device(2).cert().clone();
        cert.kem[0] ^= 1;
        let body = OpBody::Add { cert: Box::new(cert), name: Name::default(), invite_use: None };
        assert_eq!(push(&mut dag, &admin, body), Err(OpError::Signature));
    }

    #[test]
    fn parents_come_in_one_order() {
        let (admin, mut dag) = topic(TopicKind::Room, 3);
        let base: Vec<OpId> = dag.heads().collect();
        for member in [2, 3] {
            let leave = SignedOp::sign(&device(member), base.clone(), OpBody::Leave);
            dag.insert(leave).unwrap();
        }
        let mut heads: Vec<OpId> = dag.heads().collect();
        assert_eq!(heads.len(), 2);
        heads.reverse();
        let mut op = SignedOp::sign(&admin, heads.clone(), OpBody::Leave);
        assert!(op.parents.is_sorted(), "signing sorts");
        op.parents = crate::wire::List::new(heads).unwrap();
        assert_eq!(dag.insert(op), Err(OpError::Shape));
    }
}
