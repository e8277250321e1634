//! Which operations count where concurrent ones exclude each other.
//!
//! Each was allowed by its own past. Together they may not be: somebody was taken out, or made a plain member again,
//! who was using an admin's right at the same time. A pure function of a set of operations, like the roster, so every
//! order of arrival leads to the same end. Spec: docs/spec/topics.md §4.

use super::dag::Dag;
use super::ops::{OpBody, Role};
use super::past::Places;
use crate::id::{EndpointId, OpId};
use alloc::vec::Vec;
use litemap::LiteMap;

/// In this order: what needs all of several is the least of them, what needs one of several the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Void,
    Open,
    Counts,
}

/// By place; what is not in it counts.
type Verdicts = LiteMap<usize, Verdict>;

fn of(verdicts: &Verdicts, at: usize) -> Verdict {
    verdicts.get(&at).copied().unwrap_or(Verdict::Counts)
}

impl Dag {
    /// The operations of `set` that count.
    pub(super) fn counted(&self, set: &Places) -> Places {
        let mut counted = set.clone();
        let contested = self.contested.iter().copied().filter(|at| set.has(*at));
        let mut verdicts: Verdicts = contested.map(|at| (at, Verdict::Open)).collect();
        let Some(first) = verdicts.keys().next().copied() else { return counted };
        // Whatever rests on something open is open as well; what it rests on comes before it.
        for at in first..self.nodes.len() {
            if set.has(at) && self.nodes[at].rests_on().any(|before| verdicts.contains_key(&before)) {
                verdicts.insert(at, Verdict::Open);
            }
        }
        let rivals = verdicts.keys().map(|at| (*at, self.rivals(*at, set))).collect();
        while self.settle(&mut verdicts, &rivals) {}
        for (at, _) in verdicts.into_iter().filter(|(_, verdict)| *verdict == Verdict::Void) {
            counted.remove(at);
        }
        counted
    }

    /// One round; false when everything was decided before.
    fn settle(&self, verdicts: &mut Verdicts, rivals: &LiteMap<usize, Vec<usize>>) -> bool {
        let open = verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Open);
        let open: Vec<usize> = open.map(|(at, _)| *at).collect();
        let mut decided = false;
        for at in &open {
            let worst = rivals[at].iter().map(|rival| of(verdicts, *rival)).max().unwrap_or(Verdict::Void);
            let verdict = match (self.footing(*at, verdicts), worst) {
                (Verdict::Void, _) | (_, Verdict::Counts) => Verdict::Void,
                (Verdict::Counts, Verdict::Void) => Verdict::Counts,
                _ => continue,
            };
            verdicts.insert(*at, verdict);
            decided = true;
        }
        if !decided {
            // They exclude each other in a ring: one prevails, and it goes on from there.
            let stuck = open.iter().filter(|at| self.footing(**at, verdicts) == Verdict::Counts);
            let first = stuck.min_by_key(|at| self.precedence(**at)).copied();
            decided = first.is_some_and(|first| verdicts.insert(first, Verdict::Counts).is_some());
        }
        decided
    }

    /// Removals before all else, then whose right came in fewer steps from the owner, then the lower OpID.
    fn precedence(&self, at: usize) -> (bool, u32, OpId) {
        (self.revokes(at).is_none(), self.nodes[at].rank, self.nodes[at].id)
    }

    /// Whether its author was a member and had the right to it, by what is decided so far.
    fn footing(&self, at: usize, verdicts: &Verdicts) -> Verdict {
        let node = &self.nodes[at];
        let granted = node.grants.iter().map(|grant| of(verdicts, *grant)).max();
        let joined = node.joined.map(|join| of(verdicts, join));
        granted.unwrap_or(Verdict::Counts).min(joined.unwrap_or(Verdict::Counts))
    }

    /// Whom the operation deprives of an admin's right.
    pub(super) fn revokes(&self, at: usize) -> Option<EndpointId> {
        match &self.nodes[at].op.body {
            OpBody::Remove { who, .. } => Some(*who),
            OpBody::SetRole { who, role: Role::Member } if *who != self.nodes[at].by => Some(*who),
            _ => None,
        }
    }

    /// Those of `set` that make the operation void when they count.
    pub(super) fn rivals(&self, at: usize, set: &Places) -> Vec<usize> {
        let node = &self.nodes[at];
        let mut rivals = Vec::new();
        if node.op.body.needs_admin() {
            let about =
                [&self.leaves, &self.roles].into_iter().filter_map(|index| index.get(&node.by)).flatten();
            let concurrent = |other: &usize| !node.past.has(*other) && !self.nodes[*other].past.has(at);
            rivals.extend(
                about.copied().filter(|r| set.has(*r) && concurrent(r) && self.revokes(*r).is_some()),
            );
        }
        if let OpBody::Add { invite_use: Some(id), .. } = &node.op.body {
            // A one-time invite lets in one, of several uses, and of several who came by one use, the lowest; and nobody
            // when it was taken back at the same time (judged by its past, no revocation follows a use).
            let spent = self.by_id.get(id).map(|used| &self.nodes[*used]);
            let invite = spent.and_then(|used| match &used.op.body {
                OpBody::InviteUse { invite, .. } => Some(invite),
                _ => None,
            });
            let uses = invite.and_then(|invite| self.uses.get(invite)).into_iter().flatten();
            rivals.extend(uses.copied().filter(|other| set.has(*other) && self.nodes[*other].id < *id));
            let recalls = invite.and_then(|invite| self.recalls.get(invite)).into_iter().flatten();
            let unseen = |recall: &usize| !node.past.has(*recall);
            rivals.extend(recalls.copied().filter(|recall| set.has(*recall) && unseen(recall)));
            let adds = self.adds.get(id).into_iter().flatten();
            rivals.extend(adds.copied().filter(|other| set.has(*other) && self.nodes[*other].id < node.id));
        }
        rivals
    }

    /// Notes which operations the newest one made contested, or whether it is so itself.
    pub(super) fn contest(&mut self, newest: usize) {
        let mut concerned = alloc::vec![newest];
        if let Some(who) = self.revokes(newest) {
            concerned.extend(self.acts.get(&who).into_iter().flatten());
        }
        let invite = match &self.nodes[newest].op.body {
            OpBody::InviteUse { invite, .. } | OpBody::InviteRevoke { invite } => Some(*invite),
            OpBody::Add { invite_use: Some(id), .. } => self.by_id.get(id).and_then(|used| {
                let OpBody::InviteUse { invite, .. } = &self.nodes[*used].op.body else { return None };
                Some(*invite)
            }),
            _ => None,
        };
        let uses = invite.and_then(|invite| self.uses.get(&invite)).into_iter().flatten();
        concerned.extend(uses.filter_map(|used| self.adds.get(&self.nodes[*used].id)).flatten());
        let all = Places::all(self.nodes.len());
        let contested = concerned.into_iter().filter(|at| !self.rivals(*at, &all).is_empty());
        let contested: Vec<usize> = contested.collect();
        self.contested.extend(contested);
    }
}
