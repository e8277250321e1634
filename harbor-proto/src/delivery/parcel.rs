//! A sealed packet on its way to a node's disk: stamp, send, and what to do when it is refused.
//!
//! Spec: docs/spec/delivery.md §4.

use crate::id::PacketId;
use crate::packet::set_stamp;
use crate::time::Instant;
use crate::wire::link::Refusal;
use crate::work::Stamp;
use alloc::vec::Vec;

/// What a node asks for a stored packet now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The node's hour, by which it judges stamps.
    pub hour: u32,
    /// Leading zero bits.
    pub bits: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Needs a stamp.
    Bare,
    Solving(Quote),
    Stamped(Quote),
    InFlight(Quote),
    /// The node asked for patience.
    Resting(Instant),
}

/// A packet that is to be stored.
#[derive(Clone, Debug)]
pub struct Parcel {
    pub id: PacketId,
    bytes: Vec<u8>,
    stage: Stage,
    refusals: u32,
}

/// What the parcel needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Solve a stamp for this quote.
    Solve(Quote),
    /// Send it: [`Parcel::send`].
    Send,
    /// Nothing before this instant.
    Wait(Instant),
    /// Something is under way.
    Nothing,
}

/// What a refusal means for the parcel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on by itself: another stamp, or later.
    Again,
    /// This mailbox is full: seal it for the next lane.
    NextLane,
    /// Its time is over: seal it anew.
    Reseal,
    /// No node will ever take it.
    Dead,
}

impl Parcel {
    /// A packet as sealed.
    #[must_use]
    pub fn new(id: PacketId, bytes: Vec<u8>) -> Self {
        Self { id, bytes, stage: Stage::Bare, refusals: 0 }
    }

    /// What to do now, given what the node asks.
    #[must_use]
    pub fn step(&self, quote: Quote, now: Instant) -> Step {
        let fits = |had: Quote| had.bits >= quote.bits && had.hour.abs_diff(quote.hour) <= 1;
        match self.stage {
            Stage::Bare => Step::Solve(quote),
            Stage::Solving(_) | Stage::InFlight(_) => Step::Nothing,
            Stage::Stamped(had) if fits(had) => Step::Send,
            Stage::Stamped(_) => Step::Solve(quote),
            Stage::Resting(until) if now < until => Step::Wait(until),
            Stage::Resting(_) => Step::Solve(quote),
        }
    }

    /// A solver was started.
    pub fn solving(&mut self, quote: Quote) {
        self.stage = Stage::Solving(quote);
    }

    /// A solver finished.
    pub fn solved(&mut self, nonce: u64) {
        if let Stage::Solving(quote) = self.stage {
            set_stamp(&mut self.bytes, Stamp { nonce, hour: quote.hour, bits: quote.bits });
            self.stage = Stage::Stamped(quote);
        }
    }

    /// The stamped bytes, now on their way.
    pub fn send(&mut self) -> Vec<u8> {
        if let Stage::Stamped(quote) = self.stage {
            self.stage = Stage::InFlight(quote);
        }
        self.bytes.clone()
    }

    /// The link went down: what was under way is to be sent again, with the stamp it has.
    pub fn link_lost(&mut self) {
        if let Stage::InFlight(quote) = self.stage {
            self.stage = Stage::Stamped(quote);
        }
    }

    /// The node said no.
    pub fn refused(&mut self, why: Refusal, now: Instant) -> Verdict {
        self.refusals += 1;
        let rest = |ms: u64| Stage::Resting(now.plus(ms));
        let (stage, verdict) = match why {
            Refusal::StampMissing { .. } | Refusal::StampStale { .. } if self.refusals < 8 => {
                (Stage::Bare, Verdict::Again)
            }
            Refusal::RateLimited { after_ms } => {
                (rest(u64::from(after_ms).clamp(100, 60_000)), Verdict::Again)
            }
            // The slot is opened anew; opening it may have been one frame too many for the minute.
            Refusal::BadSlot => (rest(100 << self.refusals.min(9)), Verdict::Again),
            Refusal::Full => (Stage::Bare, Verdict::NextLane),
            Refusal::BadExpiry => (Stage::Bare, Verdict::Reseal),
            Refusal::NodeFull | Refusal::TooMany | Refusal::Unavailable => {
                (rest(1_000 << self.refusals.min(6)), Verdict::Again)
            }
            _ => (Stage::Bare, Verdict::Dead),
        };
        self.stage = stage;
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTE: Quote = Quote { hour: 100, bits: 3 };

    fn stamped() -> Parcel {
        let mut parcel = Parcel::new(PacketId([1; 32]), alloc::vec![0; 1024]);
        assert_eq!(parcel.step(QUOTE, Instant(0)), Step::Solve(QUOTE));
        parcel.solving(QUOTE);
        assert_eq!(parcel.step(QUOTE, Instant(0)), Step::Nothing);
        parcel.solved(7);
        parcel
    }

    #[test]
    fn a_stamp_that_became_too_cheap_or_old_is_solved_again() {
        let parcel = stamped();
        assert_eq!(parcel.step(QUOTE, Instant(0)), Step::Send);
        let dearer = Quote { bits: 4, ..QUOTE };
        assert_eq!(parcel.step(dearer, Instant(0)), Step::Solve(dearer));
        let later = Quote { hour: 102, ..QUOTE };
        assert_eq!(parcel.step(later, Instant(0)), Step::Solve(later));
    }

    #[test]
    fn refusals_lead_on_or_end() {
        let mut parcel = stamped();
        parcel.send();
        assert_eq!(parcel.refused(Refusal::RateLimited { after_ms: 300 }, Instant(5)), Verdict::Again);
        assert_eq!(parcel.step(QUOTE, Instant(5)), Step::Wait(Instant(305)));
        assert_eq!(parcel.step(QUOTE, Instant(305)), Step::Solve(QUOTE));
        assert_eq!(parcel.refused(Refusal::Full, Instant(5)), Verdict::NextLane);
        assert_eq!(parcel.refused(Refusal::BadSignature, Instant(5)), Verdict::Dead);
        let mut liar = stamped();
        let again =
            |p: &mut Parcel| p.refused(Refusal::StampMissing { bits: 1 }, Instant(0)) == Verdict::Again;
        assert!((0..20).filter(|_| again(&mut liar)).count() < 10, "a node that never accepts is given up");
    }

    #[test]
    fn a_lost_link_sends_again_without_new_work() {
        let mut parcel = stamped();
        parcel.send();
        assert_eq!(parcel.step(QUOTE, Instant(0)), Step::Nothing);
        parcel.link_lost();
        assert_eq!(parcel.step(QUOTE, Instant(0)), Step::Send);
    }
}
