//! What has arrived from one device in one topic: dedup, gaps, and what it has of ours.
//!
//! Spec: docs/spec/delivery.md §3.

use super::ranges::Ranges;
use crate::id::MessageId;
use crate::limits::{HEARD_RANGES, INBOX_RUNS};
use crate::time::UnixMillis;
use crate::wire::{List, Range};
use alloc::vec::Vec;

crate::wire_struct! {
    /// Messages `lo..=hi` of a chain, all here; the ends remember their hashes, so that runs join only
    /// where `prev` fits.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Run {
        lo: u64,
        hi: u64,
        before_lo: MessageId,
        last: MessageId,
    }
}

crate::wire_struct! {
    /// One sender's chain as this device has it, and what the sender said it has of ours.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct SenderChain {
        runs: List<Run, INBOX_RUNS>,
        /// Below this, `runs` claims more than was heard: gaps given up, and what was sent before this device joined.
        unsure_to: u64,
        /// What was heard up to there.
        heard: List<Range, HEARD_RANGES>,
        /// Latest clock reading shown, so that one sender's messages never swap places.
        clock: u64,
        /// Two messages claimed one place.
        pub forked: bool,
        /// Our own messages that this device has acknowledged.
        pub has: Ranges,
        /// Messages arrived that it has not been told of.
        pub owes_receipt: bool,
        /// When a receipt for it was last stored on a node.
        pub receipt_stored: UnixMillis,
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Not seen before; order it by this clock reading.
    New { order: u64 },
    /// Seen before: acknowledge, do not show.
    Duplicate,
}

impl SenderChain {
    /// Takes the message `(seq, id)` whose predecessor is `prev` and whose clock shows `clock`.
    pub fn accept(&mut self, seq: u64, id: MessageId, prev: MessageId, clock: u64) -> Accepted {
        if let Some(run) = self.runs.iter().find(|r| r.lo <= seq && seq <= r.hi) {
            self.forked |= run.hi == seq && run.last != id;
            return Accepted::Duplicate;
        }
        let newest = self.runs.last().is_none_or(|r| seq > r.hi);
        let order = if newest { clock.max(self.clock.saturating_add(1)) } else { clock };
        self.clock = self.clock.max(order);
        self.insert(Run { lo: seq, hi: seq, before_lo: prev, last: id });
        Accepted::New { order }
    }

    /// For a new member: what the sender sent up to `(seq, id)` is not for this device and not missing. `heard` is what
    /// of it was heard by whoever let it in.
    pub fn begin_after(&mut self, seq: u64, id: MessageId, heard: List<Range, HEARD_RANGES>) {
        let newest = self.runs.last().map_or(0, |r| r.hi);
        if newest < seq {
            (self.unsure_to, self.heard) = (seq, heard);
            let lo = self.runs.first().map_or(seq, |r| r.lo);
            self.runs = List::first([Run { lo, hi: seq, before_lo: MessageId::default(), last: id }]);
        }
    }

    fn insert(&mut self, mut new: Run) {
        let mut runs = core::mem::take(&mut self.runs).into_vec();
        let at = runs.partition_point(|r| r.lo < new.lo);
        if at < runs.len() && new.hi.checked_add(1) == Some(runs[at].lo) {
            let after = runs.remove(at);
            self.forked |= after.before_lo != new.last;
            (new.hi, new.last) = (after.hi, after.last);
        }
        if at > 0 && runs[at - 1].hi.checked_add(1) == Some(new.lo) {
            let before = runs.remove(at - 1);
            self.forked |= new.before_lo != before.last;
            (new.lo, new.before_lo) = (before.lo, before.before_lo);
        }
        let at = runs.partition_point(|r| r.lo < new.lo);
        runs.insert(at, new);
        if runs.len() > INBOX_RUNS {
            // The oldest gap is given up: what is missing there will not come any more.
            self.heard = heard(&self.heard, self.unsure_to, &runs[..1]);
            self.unsure_to = self.unsure_to.max(runs[1].lo - 1);
            let first = runs.remove(0);
            (runs[0].lo, runs[0].before_lo) = (first.lo, first.before_lo);
        }
        self.runs = List::new(runs).expect("cut to the bound");
    }

    /// Messages between the first and the last one here that have not arrived.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.runs.windows(2).map(|w| w[1].lo - w[0].hi - 1).fold(0, u64::saturating_add)
    }

    /// The places that were really heard, lowest first: what is beyond the bound is left out, and so are gaps, given up
    /// or not, which a sender could make at will by claiming places far ahead.
    #[must_use]
    pub fn heard(&self) -> List<Range, HEARD_RANGES> {
        heard(&self.heard, self.unsure_to, &self.runs)
    }

    /// What to tell the sender is here.
    #[must_use]
    pub fn seen(&self) -> Ranges {
        let mut seen = Ranges::default();
        for run in self.runs.iter() {
            seen.insert(run.lo, run.hi);
        }
        seen
    }

    /// The newest message here, to be a parent of the next own one.
    #[must_use]
    pub fn head(&self) -> Option<MessageId> {
        self.runs.last().map(|r| r.last)
    }

    /// Everything the sender is known to have sent, by number.
    #[must_use]
    pub fn runs(&self) -> Vec<(u64, u64)> {
        self.runs.iter().map(|r| (r.lo, r.hi)).collect()
    }
}

/// `before`, which ends at `unsure_to` at the latest, and what of `runs` lies above.
fn heard(before: &[Range], unsure_to: u64, runs: &[Run]) -> List<Range, HEARD_RANGES> {
    let sure = runs.iter().filter(|run| run.hi > unsure_to);
    let sure = sure.map(|run| Range { lo: run.lo.max(unsure_to.saturating_add(1)), hi: run.hi });
    let mut all: Vec<Range> = Vec::new();
    for range in before.iter().copied().filter(|range| range.hi <= unsure_to).chain(sure) {
        match all.last_mut().filter(|last| last.hi.saturating_add(1) >= range.lo) {
            Some(last) => last.hi = last.hi.max(range.hi),
            None => all.push(range),
        }
    }
    List::first(all)
}

impl Default for Run {
    fn default() -> Self {
        Self { lo: 0, hi: 0, before_lo: MessageId([0; 32]), last: MessageId([0; 32]) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u64) -> MessageId {
        MessageId(crate::crypto::hash(&[&n.to_be_bytes()]))
    }

    fn ranges(chain: &SenderChain) -> Vec<(u64, u64)> {
        chain.heard().iter().map(|range| (range.lo, range.hi)).collect()
    }

    fn take(chain: &mut SenderChain, seqs: impl IntoIterator<Item = u64>) {
        for seq in seqs {
            chain.accept(seq, id(seq), id(seq - 1), seq);
        }
    }

    #[test]
    fn trap_places_far_ahead_leave_no_room_between() {
        let mut chain = SenderChain::default();
        assert_eq!(ranges(&chain), []);
        take(&mut chain, [1, 2, u64::MAX]);
        assert_eq!(ranges(&chain), [(1, 2), (u64::MAX, u64::MAX)]);
        // More gaps than are kept: those given up stay gaps here.
        let mut chain = SenderChain::default();
        take(&mut chain, (1..=4).chain((1..=INBOX_RUNS as u64 + 20).map(|n| n * 1000)));
        let first: Vec<(u64, u64)> = ranges(&chain);
        assert_eq!((first.len(), first[..3].to_vec()), (8, [(1, 4), (1000, 1000), (2000, 2000)].to_vec()));
        assert!(chain.seen().contains(999), "it is not waited for any more");
        take(&mut chain, [5]);
        assert_eq!(ranges(&chain)[0], (1, 4), "nor heard any more");
    }

    #[test]
    fn a_new_member_has_heard_what_its_inviter_had() {
        let mut inviter = SenderChain::default();
        take(&mut inviter, (1..=7).chain([500]));
        let mut chain = SenderChain::default();
        chain.begin_after(500, id(500), inviter.heard());
        take(&mut chain, [501, 502]);
        assert_eq!((ranges(&chain), chain.missing()), ([(1, 7), (500, 502)].to_vec(), 0));
        // Let in again, later: what it had heard itself counts no more than what its inviter had.
        chain.begin_after(600, id(600), List::default());
        assert_eq!(ranges(&chain), []);
        take(&mut chain, [601]);
        assert_eq!(ranges(&chain), [(601, 601)]);
    }

    #[test]
    fn any_order_ends_in_one_run_and_shows_each_once() {
        let mut rng = crate::crypto::rng::Rng::new([2; 32]);
        for _ in 0..100 {
            let mut chain = SenderChain::default();
            let mut left: Vec<u64> = (1..=20).chain(1..=20).collect();
            let mut shown = 0;
            while !left.is_empty() {
                let at = rng.below(left.len() as u64);
                let seq = left.swap_remove(usize::try_from(at).unwrap());
                shown += u32::from(chain.accept(seq, id(seq), id(seq - 1), seq) != Accepted::Duplicate);
            }
            assert_eq!(
                (shown, chain.runs(), chain.missing(), chain.forked),
                (20, alloc::vec![(1, 20)], 0, false)
            );
        }
    }

    #[test]
    fn gaps_count_and_a_wrong_predecessor_is_a_fork() {
        let mut chain = SenderChain::default();
        chain.accept(1, id(1), id(0), 1);
        chain.accept(5, id(5), id(4), 5);
        assert_eq!(chain.missing(), 3);
        chain.accept(2, id(2), id(99), 2);
        assert!(chain.forked);
    }

    #[test]
    fn one_senders_messages_keep_their_order_whatever_its_clock_does() {
        let mut chain = SenderChain::default();
        let Accepted::New { order: first } = chain.accept(1, id(1), id(0), 900) else { panic!() };
        let Accepted::New { order: second } = chain.accept(2, id(2), id(1), 100) else { panic!() };
        assert!(second > first);
    }

    #[test]
    fn a_flood_of_gaps_stays_bounded() {
        let mut chain = SenderChain::default();
        for n in 0..10_000 {
            chain.accept(n * 2 + 1, id(n), id(n), n);
        }
        assert!(chain.runs.len() <= INBOX_RUNS);
        chain.accept(u64::MAX, id(1), id(1), 1);
        assert!(chain.missing() > 0);
    }
}
