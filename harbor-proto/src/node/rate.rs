//! Token buckets, kept as the debt of what was spent lately.

use super::Rate;
use crate::time::Instant;

/// A token bucket. Its size and speed are given with every call, so that it costs 16 bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    /// Tokens spent and not yet back, in units of 1/`every_ms` token.
    debt: u64,
    at: Instant,
}

impl Bucket {
    /// Takes `cost` tokens.
    ///
    /// # Errors
    /// Milliseconds until there are enough of them.
    pub(super) fn take(&mut self, rate: Rate, cost: u32, now: Instant) -> Result<(), u32> {
        let full = units(rate, u64::from(rate.burst));
        self.settle(rate, now);
        let debt = self.debt.saturating_add(units(rate, u64::from(cost)));
        if debt > full {
            return Err(wait_ms(debt - full, rate));
        }
        self.debt = debt;
        Ok(())
    }

    /// Takes `cost` tokens if there is at least one, going below zero if need be: for costs that may be
    /// greater than the bucket.
    ///
    /// # Errors
    /// Milliseconds until there is one.
    pub(super) fn overdraw(&mut self, rate: Rate, cost: u64, now: Instant) -> Result<(), u32> {
        let full = units(rate, u64::from(rate.burst));
        self.settle(rate, now);
        if rate.every_ms != 0 && self.debt >= full {
            return Err(wait_ms(self.debt - full, rate));
        }
        self.debt = self.debt.saturating_add(units(rate, cost));
        Ok(())
    }

    /// True when all tokens are back.
    pub(super) fn is_full(&self, rate: Rate, now: Instant) -> bool {
        let mut copy = *self;
        copy.settle(rate, now);
        copy.debt == 0
    }

    fn settle(&mut self, rate: Rate, now: Instant) {
        self.debt = self.debt.saturating_sub(now.since(self.at).saturating_mul(u64::from(rate.burst)));
        self.at = now;
    }
}

fn units(rate: Rate, tokens: u64) -> u64 {
    tokens.saturating_mul(rate.every_ms)
}

fn wait_ms(missing: u64, rate: Rate) -> u32 {
    let ms = missing.checked_div(u64::from(rate.burst)).map_or(u64::MAX, |ms| ms.saturating_add(1));
    u32::try_from(ms).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_tokens_come_back_one_by_one() {
        let rate = Rate { burst: 4, every_ms: 1000 };
        let mut bucket = Bucket::default();
        let mut at = Instant(5000);
        for _ in 0..4 {
            bucket.take(rate, 1, at).unwrap();
        }
        assert_eq!(bucket.take(rate, 1, at), Err(251));
        at = at.plus(250);
        assert_eq!(bucket.take(rate, 1, at), Ok(()));
        assert!(bucket.take(rate, 1, at).is_err());
        assert!(!bucket.is_full(rate, at.plus(999)));
        assert!(bucket.is_full(rate, at.plus(1000)));
    }

    #[test]
    fn an_overdrawn_bucket_pays_back_first() {
        let rate = Rate { burst: 100, every_ms: 1000 };
        let mut bucket = Bucket::default();
        assert_eq!(bucket.overdraw(rate, 300, Instant(0)), Ok(()));
        assert!(bucket.overdraw(rate, 1, Instant(1999)).is_err());
        assert_eq!(bucket.overdraw(rate, 1, Instant(2010)), Ok(()));
    }

    #[test]
    fn zero_and_extreme_rates_do_not_overflow() {
        let none = Rate { burst: 0, every_ms: 10 };
        assert_eq!(Bucket::default().take(none, 1, Instant(9)), Err(u32::MAX));
        let free = Rate { burst: 0, every_ms: 0 };
        assert_eq!(Bucket::default().take(free, 9, Instant(0)), Ok(()));
        assert_eq!(Bucket::default().overdraw(free, 9, Instant(0)), Ok(()));
        let huge = Rate { burst: u32::MAX, every_ms: u64::MAX };
        let mut bucket = Bucket::default();
        let _ = bucket.take(huge, u32::MAX, Instant(u64::MAX));
        let _ = bucket.overdraw(huge, u64::MAX, Instant(u64::MAX));
    }
}
