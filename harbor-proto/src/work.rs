//! Work stamps: what a stored packet costs its sender.
//!
//! Spec: docs/spec/packet.md §4.

use crate::crypto::kdf::STAMP_KEY;
use crate::id::PacketId;

/// Bytes of a stamp in a packet: nonce 8, hour 4, bits 1, zero 3.
pub const STAMP: usize = 16;

/// Proof that its sender spent about 2^bits hashes on one packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    pub nonce: u64,
    /// Hour since 1970 in which it counts, ± [`crate::limits::STAMP_WINDOW_HOURS`].
    pub hour: u32,
    /// Leading zero bits it claims.
    pub bits: u8,
}

impl Stamp {
    /// The byte form.
    #[must_use]
    pub fn to_bytes(self) -> [u8; STAMP] {
        let mut out = [0; STAMP];
        out[..8].copy_from_slice(&self.nonce.to_be_bytes());
        out[8..12].copy_from_slice(&self.hour.to_be_bytes());
        out[12] = self.bits;
        out
    }

    /// Reads the byte form; `None` when the padding is not zero.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; STAMP]) -> Option<Self> {
        let [n @ .., h0, h1, h2, h3, bits, 0, 0, 0] = *bytes else { return None };
        Some(Self { nonce: u64::from_be_bytes(n), hour: u32::from_be_bytes([h0, h1, h2, h3]), bits })
    }

    /// True when the hash for `packet` really has the claimed number of leading zero bits.
    #[must_use]
    pub fn holds(&self, packet: &PacketId) -> bool {
        Puzzle::new(packet, self.hour, self.bits).solves(self.nonce)
    }
}

/// The hash input of one stamp with the nonce left open.
#[derive(Clone, Debug)]
struct Puzzle {
    input: [u8; 45],
    bits: u8,
}

impl Puzzle {
    fn new(packet: &PacketId, hour: u32, bits: u8) -> Self {
        let mut input = [0; 45];
        input[..32].copy_from_slice(&packet.0);
        input[32..36].copy_from_slice(&hour.to_be_bytes());
        input[36] = bits;
        Self { input, bits }
    }

    fn solves(&self, nonce: u64) -> bool {
        let mut input = self.input;
        input[37..].copy_from_slice(&nonce.to_be_bytes());
        let hash = blake3::keyed_hash(&STAMP_KEY, &input);
        let [b0, b1, b2, b3, b4, b5, b6, b7, ..] = *hash.as_bytes();
        u64::from_be_bytes([b0, b1, b2, b3, b4, b5, b6, b7]).leading_zeros() >= u32::from(self.bits)
    }
}

/// Searches a nonce in steps, so that the caller decides how long it may take at a time.
#[derive(Clone, Debug)]
pub struct Solver {
    puzzle: Puzzle,
    next: u64,
}

impl Solver {
    /// A search from nonce 0. `bits` above 63 are never found.
    #[must_use]
    pub fn new(packet: &PacketId, hour: u32, bits: u8) -> Self {
        Self { puzzle: Puzzle::new(packet, hour, bits), next: 0 }
    }

    /// The same search from `nonce` on: a worker that keeps no state goes on where its last step ended.
    #[must_use]
    pub fn starting_at(mut self, nonce: u64) -> Self {
        self.next = nonce;
        self
    }

    /// Tries `tries` more nonces.
    pub fn step(&mut self, tries: u32) -> Option<u64> {
        for _ in 0..tries {
            let nonce = self.next;
            self.next = self.next.wrapping_add(1);
            if self.puzzle.solves(nonce) {
                return Some(nonce);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_solved_stamp_holds_and_any_change_breaks_it() {
        let packet = PacketId([7; 32]);
        let nonce = Solver::new(&packet, 490_000, 12).step(1 << 20).expect("4096 tries expected");
        let stamp = Stamp { nonce, hour: 490_000, bits: 12 };
        assert!(stamp.holds(&packet));
        assert!(!Stamp { bits: 40, ..stamp }.holds(&packet));
        assert!(!Stamp { hour: 490_001, bits: 40, ..stamp }.holds(&packet));
        assert_eq!(Stamp::from_bytes(&stamp.to_bytes()), Some(stamp));
        let mut padded = stamp.to_bytes();
        padded[15] = 1;
        assert_eq!(Stamp::from_bytes(&padded), None);
    }

    #[test]
    fn a_search_that_goes_on_finds_what_one_step_would_have() {
        let search = Solver::new(&PacketId([7; 32]), 490_000, 12);
        let nonce = search.clone().step(1 << 20).expect("4096 tries expected");
        let found = (0..1 << 14).find_map(|i| search.clone().starting_at(i * 64).step(64));
        assert_eq!(found, Some(nonce));
    }
}
