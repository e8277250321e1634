//! Hybrid logical clock: wall time where clocks agree, causality where they do not.
//!
//! Spec: docs/spec/messages.md §3; after Kulkarni et al. 2014, "Logical Physical Clocks". A reading is
//! milliseconds since 1970 shifted left by 16 bits, plus a counter.

use crate::time::UnixMillis;

/// How far ahead of our own clock a peer's reading may pull us, ms.
const MAX_AHEAD_MS: u64 = 5 * 60_000;

/// The clock of one topic on one device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock(u64);

impl Clock {
    /// A clock that has already shown `reading`.
    #[must_use]
    pub fn resume(reading: u64) -> Self {
        Self(reading)
    }

    /// The reading for an own message: later than every reading given or seen before.
    pub fn tick(&mut self, now: UnixMillis) -> u64 {
        self.0 = (now.0 << 16).max(self.0.saturating_add(1));
        self.0
    }

    /// Takes note of a peer's reading and returns the one to order its message by.
    pub fn observe(&mut self, reading: u64, now: UnixMillis) -> u64 {
        let reading = reading.min(now.plus(MAX_AHEAD_MS).0 << 16);
        self.0 = self.0.max(reading);
        reading
    }

    /// The latest reading.
    #[must_use]
    pub fn latest(self) -> u64 {
        self.0
    }
}

/// Wall time in a reading.
#[must_use]
pub fn wall_time(reading: u64) -> UnixMillis {
    UnixMillis(reading >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_later_than_what_it_answers_even_when_our_clock_is_slow() {
        let mut clock = Clock::default();
        let theirs = clock.observe(60_000 << 16, UnixMillis(1_000));
        assert!(clock.tick(UnixMillis(1_001)) > theirs);
    }

    #[test]
    fn a_peer_cannot_pull_our_clock_far_ahead() {
        let mut clock = Clock::default();
        clock.observe(u64::MAX, UnixMillis(1_000));
        assert_eq!(wall_time(clock.tick(UnixMillis(1_000))), UnixMillis(1_000 + MAX_AHEAD_MS));
    }
}
