//! Ed25519, verified strictly: no small-order keys, no malleable signatures.

use super::Secret;
use core::fmt;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

/// Bytes of a signature.
pub const SIGNATURE: usize = 64;

/// A signing key and its public half.
#[derive(Clone)]
pub struct Keypair(SigningKey);

impl Keypair {
    /// From the 32-byte secret of RFC 8032.
    #[must_use]
    pub fn from_secret(secret: &Secret) -> Self {
        Self(SigningKey::from_bytes(&secret.0))
    }

    /// The 32-byte secret.
    #[must_use]
    pub fn secret(&self) -> Secret {
        Secret(self.0.to_bytes())
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// Signs `message`, whose first bytes must say what it is.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; SIGNATURE] {
        self.0.sign(message).to_bytes()
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keypair(..)")
    }
}

/// A public key ready to verify with; making one costs a point decompression.
#[derive(Clone)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// `None` when the bytes are no point on the curve, or one of small order.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak()).map(Self)
    }

    /// True when `signature` is by this key over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; SIGNATURE]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

/// Verifies with a key that is used only once.
#[must_use]
pub fn verify(key: &[u8; 32], message: &[u8], signature: &[u8; SIGNATURE]) -> bool {
    PublicKey::from_bytes(key).is_some_and(|key| key.verify(message, signature))
}
