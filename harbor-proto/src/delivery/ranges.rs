//! Sets of sequence numbers that are nearly always one run.

use crate::limits::RECEIPT_RANGES;
use crate::wire::{DecodeError, List, Range, Reader, Wire};
use alloc::vec::Vec;

/// Sorted, disjoint, not touching ranges. Bounded: the oldest gap is closed when there are too many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(Vec<Range>);

impl Ranges {
    /// True when `n` is in the set.
    #[must_use]
    pub fn contains(&self, n: u64) -> bool {
        self.0.iter().any(|r| r.lo <= n && n <= r.hi)
    }

    /// Adds every number from `lo` to `hi`; nothing when `lo > hi`.
    pub fn insert(&mut self, lo: u64, hi: u64) {
        if lo > hi {
            return;
        }
        let touches = |r: &Range| r.lo <= hi.saturating_add(1) && lo <= r.hi.saturating_add(1);
        let (joined, mut kept): (Vec<Range>, Vec<Range>) = self.0.iter().partition(|r| touches(r));
        let lo = joined.iter().fold(lo, |lo, r| lo.min(r.lo));
        let hi = joined.iter().fold(hi, |hi, r| hi.max(r.hi));
        let at = kept.partition_point(|r| r.lo < lo);
        kept.insert(at, Range { lo, hi });
        if kept.len() > RECEIPT_RANGES {
            let first = kept.remove(0);
            kept[0].lo = first.lo;
        }
        self.0 = kept;
    }

    /// Adds everything in `other`.
    pub fn merge(&mut self, other: &Ranges) {
        for r in &other.0 {
            self.insert(r.lo, r.hi);
        }
    }

    /// The ranges.
    #[must_use]
    pub fn as_slice(&self) -> &[Range] {
        &self.0
    }
}

impl Wire for Ranges {
    fn encode(&self, out: &mut Vec<u8>) {
        List::<Range, RECEIPT_RANGES>::first(self.0.iter().copied()).encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let ranges = List::<Range, RECEIPT_RANGES>::decode(r)?.into_vec();
        let ordered = ranges.windows(2).all(|w| w[0].hi.saturating_add(1) < w[1].lo);
        let sane = ranges.iter().all(|r| r.lo <= r.hi);
        if ordered && sane { Ok(Self(ranges)) } else { Err(DecodeError::Bad("ranges")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_set_under_any_order() {
        let mut rng = crate::crypto::rng::Rng::new([1; 32]);
        for _ in 0..200 {
            let mut ranges = Ranges::default();
            let mut set = alloc::collections::BTreeSet::new();
            for _ in 0..6 {
                let (a, b) = (rng.below(40), rng.below(4));
                ranges.insert(a, a + b);
                set.extend(a..=a + b);
            }
            assert!((0..50).all(|n| ranges.contains(n) == set.contains(&n)), "{ranges:?}");
            assert_eq!(Ranges::from_bytes(&ranges.to_bytes()), Ok(ranges));
        }
    }

    #[test]
    fn too_many_gaps_give_up_the_oldest() {
        let mut ranges = Ranges::default();
        for n in 0..=RECEIPT_RANGES as u64 {
            ranges.insert(n * 10, n * 10);
        }
        assert_eq!(ranges.as_slice().len(), RECEIPT_RANGES);
        assert!(ranges.contains(5) && !ranges.contains(15));
        ranges.insert(0, u64::MAX);
        assert_eq!(ranges.as_slice(), [Range { lo: 0, hi: u64::MAX }]);
    }

    #[test]
    fn overlapping_ranges_are_no_ranges() {
        let bad = List::<Range, 8>::first([Range { lo: 1, hi: 5 }, Range { lo: 6, hi: 7 }]);
        assert!(Ranges::from_bytes(&bad.to_bytes()).is_err());
    }
}
