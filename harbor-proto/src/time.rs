//! Time as the core sees it: handed in by the caller, never read.

/// Milliseconds on a monotonic clock with an origin of the caller's choice. Never goes back within one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The instant `ms` milliseconds later; saturates at the end of time.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Milliseconds since 1970-01-01 UTC, as the device's owner believes it to be. Only for what goes on the
/// wire or is shown to a person; it may jump in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// Whole seconds since 1970.
    #[must_use]
    pub fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// Whole hours since 1970, the unit of packet expiry and stamp windows (docs/spec/packet.md §1).
    #[must_use]
    pub fn hours(self) -> u32 {
        u32::try_from(self.0 / 3_600_000).unwrap_or(u32::MAX)
    }

    /// The time `ms` milliseconds later.
    #[must_use]
    pub fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// Translates the monotonic clock to wall time by the latest correspondence the shell reported.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClock {
    at: Instant,
    unix: UnixMillis,
}

impl WallClock {
    /// Records that `unix` was the wall time at `now`.
    pub fn set(&mut self, now: Instant, unix: UnixMillis) {
        *self = Self { at: now, unix };
    }

    /// Wall time at `now`.
    #[must_use]
    pub fn at(&self, now: Instant) -> UnixMillis {
        self.unix.plus(now.since(self.at))
    }
}
