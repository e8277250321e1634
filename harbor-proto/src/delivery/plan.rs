//! Which mailboxes a member reads and writes: weeks, lanes and days.
//!
//! Spec: docs/spec/mailbox.md §3.

use crate::crypto::Secret;
use crate::limits::{DAY_MS, LANES, MAILBOX_BYTES, MAILBOX_PACKETS};
use crate::packet::{day, week};
use crate::time::UnixMillis;
use alloc::vec::Vec;

/// Lane of control packets.
pub const CONTROL_LANE: u8 = 0;
/// Lane number of the daily signalling mailbox.
pub const SIGNAL_LANE: u8 = 9;
/// Weeks caught up on at most.
const MAX_WEEKS: u32 = 6;
/// How early and late a signalling day is watched, ms.
const DAY_SLACK_MS: u64 = 2 * 3_600_000;

/// How a mailbox is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reading {
    /// Now and from now on.
    Watch,
    /// Once, to catch up on a week that is over.
    CatchUp,
}

/// A mailbox of one routing secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub period: u32,
    pub lane: u8,
    pub reading: Reading,
}

/// Where to read under one routing secret. `complete` is when everything was last known to be read;
/// `lanes(period)` says how many message lanes of a week are in use (at least 1).
pub fn places(rs: &Secret, now: UnixMillis, complete: UnixMillis, lanes: impl Fn(u32) -> u8) -> Vec<Place> {
    let back = |at: UnixMillis| UnixMillis(at.0.saturating_sub(DAY_MS));
    let live = [back(now), now, now.plus(DAY_MS)].map(|at| week(rs, at));
    let newest = week(rs, now.plus(DAY_MS));
    let oldest = week(rs, back(complete.min(now))).max(newest.saturating_sub(MAX_WEEKS - 1));
    let mut out = Vec::new();
    for period in oldest..=newest {
        let reading = if live.contains(&period) { Reading::Watch } else { Reading::CatchUp };
        for lane in CONTROL_LANE..=lanes(period).clamp(1, LANES) {
            out.push(Place { period, lane, reading });
        }
    }
    let slack = [now.0.saturating_sub(DAY_SLACK_MS), now.0, now.0 + DAY_SLACK_MS];
    let mut days = slack.map(|at| day(UnixMillis(at))).to_vec();
    days.dedup();
    out.extend(days.into_iter().map(|period| Place { period, lane: SIGNAL_LANE, reading: Reading::Watch }));
    out
}

/// True when a reader of a lane holding this much should also read the next one.
#[must_use]
pub fn lane_half_full(packets: u32, bytes: u64) -> bool {
    packets >= MAILBOX_PACKETS / 2 || bytes >= MAILBOX_BYTES / 2
}

/// The lane to write to when `lane` is full; `None` after the last.
#[must_use]
pub fn next_lane(lane: u8) -> Option<u8> {
    (lane < LANES).then_some(lane + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    const WEEK: u64 = 7 * DAY_MS;

    fn at(now: u64, complete: u64) -> Vec<Place> {
        places(&Secret([4; 32]), UnixMillis(now), UnixMillis(complete), |_| 1)
    }

    #[test]
    fn every_week_a_skewed_writer_may_use_is_watched() {
        let rs = Secret([4; 32]);
        for step in 0..200 {
            let now = 50 * WEEK + step * WEEK / 60;
            let watched = at(now, now);
            for skew in [now - DAY_MS, now, now + DAY_MS] {
                let period = week(&rs, UnixMillis(skew));
                for lane in [CONTROL_LANE, 1] {
                    assert!(watched.contains(&Place { period, lane, reading: Reading::Watch }));
                }
            }
        }
    }

    #[test]
    fn nine_days_away_catches_up_every_week_between_and_years_away_six() {
        let now = 50 * WEEK;
        let weeks =
            |complete| at(now, complete).iter().filter(|p| p.lane == 1).map(|p| p.period).collect::<Vec<_>>();
        let missed = weeks(now - 9 * DAY_MS);
        assert!(missed.contains(&week(&Secret([4; 32]), UnixMillis(now - 9 * DAY_MS))));
        assert!(missed.windows(2).all(|w| w[0] + 1 == w[1]), "no week left out");
        assert_eq!(weeks(0).len(), MAX_WEEKS as usize);
    }

    #[test]
    fn lanes_in_use_are_read_and_the_last_one_ends() {
        let used = places(&Secret([4; 32]), UnixMillis(50 * WEEK), UnixMillis(50 * WEEK), |_| 3);
        let lanes: BTreeSet<u8> = used.iter().map(|p| p.lane).collect();
        assert_eq!(lanes, BTreeSet::from([0, 1, 2, 3, SIGNAL_LANE]));
        assert_eq!((next_lane(1), next_lane(LANES)), (Some(2), None));
        assert!(!lane_half_full(2047, 0) && lane_half_full(2048, 0) && lane_half_full(0, MAILBOX_BYTES));
    }
}
