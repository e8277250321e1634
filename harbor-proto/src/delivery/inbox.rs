//! What has arrived from one device in one topic: dedup, gaps, and what it has of ours.
//!
//! Spec: docs/spec/delivery.md §3.

use super::ranges::Ranges;
use crate::id::MessageId;
use crate::limits::INBOX_RUNS;
use crate::time::UnixMillis;
use crate::wire::List;
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

    /// For a new member: what the sender sent up to `(seq, id)` is not for this device and not missing.
    pub fn begin_after(&mut self, seq: u64, id: MessageId) {
        let newest = self.runs.last().map_or(0, |r| r.hi);
        if newest < seq {
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

    /// How far the chain is here from its first message on without a gap; 0 when its beginning is not here. Unlike the
    /// newest place, a sender cannot move it by claiming one far ahead, be it with its very first message.
    #[must_use]
    pub fn whole_to(&self) -> u64 {
        self.runs.first().filter(|r| r.lo == 1).map_or(0, |r| r.hi)
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

    #[test]
    fn trap_a_place_far_ahead_does_not_move_where_the_chain_is_whole() {
        let mut chain = SenderChain::default();
        assert_eq!(chain.whole_to(), 0);
        chain.accept(u64::MAX, MessageId([1; 32]), MessageId::default(), 1);
        assert_eq!(chain.whole_to(), 0);
        for seq in [1, 2, 900] {
            chain.accept(seq, MessageId([1; 32]), MessageId([1; 32]), seq);
        }
        assert_eq!(chain.whole_to(), 2);
        chain.accept(3, MessageId([1; 32]), MessageId([1; 32]), 3);
        assert_eq!(chain.whole_to(), 3);
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
