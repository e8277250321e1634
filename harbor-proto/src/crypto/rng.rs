//! The core's randomness: one seed from the shell, stretched with fast key erasure.

use super::Secret;

/// A deterministic generator. Each draw replaces its state first, so past output cannot be recomputed.
#[derive(Clone, Debug)]
pub struct Rng(Secret);

impl Rng {
    /// `seed` must be fresh from the operating system (or a simulator's seed).
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(Secret(seed))
    }

    /// Fills `out`.
    pub fn fill(&mut self, out: &mut [u8]) {
        let mut stream = blake3::Hasher::new_keyed(&self.0.0).finalize_xof();
        stream.fill(&mut self.0.0);
        stream.fill(out);
    }

    /// `N` random bytes.
    #[must_use]
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    /// A random secret.
    #[must_use]
    pub fn secret(&mut self) -> Secret {
        Secret(self.array())
    }

    /// A number below `bound`, or 0 when `bound` is 0. Bias is below 2^-32 for bounds below 2^32.
    #[must_use]
    pub fn below(&mut self, bound: u64) -> u64 {
        u64::from_be_bytes(self.array()).checked_rem(bound).unwrap_or(0)
    }
}
