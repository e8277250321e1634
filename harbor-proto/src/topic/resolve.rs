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
        while self.settle(&mut verdicts, set) {}
        for (at, _) in verdicts.into_iter().filter(|(_, verdict)| *verdict == Verdict::Void) {
            // Who left is out in any case; void is then only what that leaving takes from its author's other acts.
            if self.nodes[at].op.body != OpBody::Leave {
                counted.remove(at);
            }
        }
        counted
    }

    /// One round; false when everything was decided before.
    fn settle(&self, verdicts: &mut Verdicts, set: &Places) -> bool {
        let open = verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Open);
        let open: Vec<usize> = open.map(|(at, _)| *at).collect();
        let mut decided = false;
        for at in &open {
            let footing = self.footing(*at, verdicts);
            let worst = match footing {
                Verdict::Void => Verdict::Void,
                _ => self.worst_rival(*at, verdicts, set),
            };
            let verdict = match (footing, worst) {
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

    fn worst_rival(&self, at: usize, verdicts: &Verdicts, set: &Places) -> Verdict {
        let mut worst = Verdict::Void;
        for rival in self.rivals(at).filter(|rival| set.has(*rival)) {
            worst = worst.max(of(verdicts, rival));
            if worst == Verdict::Counts {
                break;
            }
        }
        worst
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

    /// Whose right as an admin the operation ends.
    fn revokes(&self, at: usize) -> Option<EndpointId> {
        match &self.nodes[at].op.body {
            OpBody::Remove { who, .. } | OpBody::SetRole { who, role: Role::Member } => Some(*who),
            OpBody::Leave => Some(self.nodes[at].by),
            _ => None,
        }
    }

    /// True when `at`, if it counts, makes `other` void because it ends the right by which that was done. An end that its
    /// author made itself yields to one that somebody else made, or whoever is put out could date one back and so undo
    /// what the others had seen.
    fn revokes_act(&self, at: usize, other: usize) -> bool {
        let (end, act) = (&self.nodes[at], &self.nodes[other]);
        let own = end.by == act.by;
        let subject = act.op.body.needs_admin() || act.op.body == OpBody::Leave;
        let is_end = self.revokes(other) == Some(act.by);
        subject && !(own && is_end) && self.revokes(at) == Some(act.by) && self.concurrent(at, other)
    }

    fn concurrent(&self, one: usize, other: usize) -> bool {
        one != other && !self.nodes[one].past.has(other) && !self.nodes[other].past.has(one)
    }

    /// The invite an operation is about: used, taken back, or the way somebody came.
    fn invite(&self, at: usize) -> Option<&[u8; 32]> {
        match &self.nodes[at].op.body {
            OpBody::InviteUse { invite, .. } | OpBody::InviteRevoke { invite } => Some(invite),
            OpBody::Add { invite_use: Some(id), .. } => {
                self.by_id.get(id).and_then(|used| self.invite(*used))
            }
            _ => None,
        }
    }

    /// True when `at`, if it counts, makes the `Add` at `other` void: a one-time invite lets in one, of several uses, and
    /// of several who came by one use, the lowest; and nobody when it was taken back at the same time (judged by its past,
    /// no revocation follows a use).
    fn outdoes(&self, at: usize, other: usize) -> bool {
        let OpBody::Add { invite_use: Some(used), .. } = &self.nodes[other].op.body else { return false };
        match &self.nodes[at].op.body {
            OpBody::InviteUse { .. } => self.nodes[at].id < *used && self.invite(at) == self.invite(other),
            OpBody::InviteRevoke { .. } => {
                !self.nodes[other].past.has(at) && self.invite(at) == self.invite(other)
            }
            OpBody::Add { invite_use, .. } => {
                invite_use.as_ref() == Some(used) && self.nodes[at].id < self.nodes[other].id
            }
            _ => false,
        }
    }

    /// Everything that makes the operation void when it counts.
    fn rivals(&self, at: usize) -> impl Iterator<Item = usize> + '_ {
        let by = &self.nodes[at].by;
        let ends = [&self.leaves, &self.roles].into_iter().filter_map(move |index| index.get(by)).flatten();
        let ends = ends.copied().filter(move |end| self.revokes_act(*end, at));
        let used = match &self.nodes[at].op.body {
            OpBody::Add { invite_use, .. } => invite_use.as_ref(),
            _ => None,
        };
        let invite = used.and_then(|_| self.invite(at));
        let spent =
            [&self.uses, &self.recalls].into_iter().filter_map(move |index| index.get(invite?)).flatten();
        let shared = used.and_then(|used| self.adds.get(used)).into_iter().flatten();
        ends.chain(spent.chain(shared).copied().filter(move |other| self.outdoes(*other, at)))
    }

    /// Notes which operations the newest one made contested, and whether it is so itself.
    pub(super) fn contest(&mut self, newest: usize) {
        if self.rivals(newest).next().is_some() {
            self.contested.insert(newest);
        }
        let mut lost: Vec<usize> = Vec::new();
        if let Some(who) = self.revokes(newest) {
            let acts = self.acts.get(&who).into_iter().flatten();
            let leavings = self.leaves.get(&who).into_iter().flatten();
            lost.extend(acts.chain(leavings).copied().filter(|act| self.revokes_act(newest, *act)));
        }
        if let Some(invite) = self.invite(newest) {
            let uses = self.uses.get(invite).into_iter().flatten();
            let adds = uses.filter_map(|used| self.adds.get(&self.nodes[*used].id)).flatten();
            lost.extend(adds.copied().filter(|add| self.outdoes(newest, *add)));
        }
        self.contested.extend(lost);
    }
}
