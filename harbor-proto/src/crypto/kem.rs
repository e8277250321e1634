//! X-Wing (X25519 and ML-KEM-768), in the variant that rejects an all-zero X25519 result.

use super::{Secret, rng::Rng};
use core::fmt;
use x_wing::{
    CIPHERTEXT_SIZE, Ciphertext, DecapsulationKeyRejectNonContrib, Decapsulator, ENCAPSULATION_KEY_SIZE,
    EncapsulationKey, KeyExport, TryDecapsulate,
};

/// Bytes of a public key.
pub const PUBLIC: usize = ENCAPSULATION_KEY_SIZE;
/// Bytes of a ciphertext.
pub const CIPHERTEXT: usize = CIPHERTEXT_SIZE;

/// A secret key; 32 bytes from which everything is derived.
#[derive(Clone)]
pub struct SecretKey {
    seed: Secret,
    key: DecapsulationKeyRejectNonContrib,
}

impl SecretKey {
    /// From its seed.
    #[must_use]
    pub fn from_seed(seed: Secret) -> Self {
        let key = DecapsulationKeyRejectNonContrib::from(seed.0);
        Self { seed, key }
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> &Secret {
        &self.seed
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; PUBLIC] {
        self.key.encapsulation_key().to_bytes().into()
    }

    /// The shared secret in `ciphertext`; `None` when it is malformed or not contributory.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &[u8; CIPHERTEXT]) -> Option<Secret> {
        let shared = self.key.try_decapsulate(&Ciphertext::from(*ciphertext)).ok()?;
        Some(Secret(shared.into()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// A fresh shared secret for the owner of `public`; `None` when that is no X-Wing key.
#[must_use]
pub fn encapsulate(public: &[u8; PUBLIC], rng: &mut Rng) -> Option<([u8; CIPHERTEXT], Secret)> {
    let key = EncapsulationKey::try_from(&public[..]).ok()?;
    let (ciphertext, shared) = key.encapsulate_deterministic(&rng.array::<64>().into());
    Some((ciphertext.into(), Secret(shared.into())))
}
