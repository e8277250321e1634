//! Who somebody is: an identity, its devices, and the certificate that ties them together.
//!
//! Spec: docs/spec/identity.md.

use crate::crypto::kdf::{Context, derive, derive_into};
use crate::crypto::kem;
use crate::crypto::rng::Rng;
use crate::crypto::sign::{self, Keypair, SIGNATURE};
use crate::crypto::{Secret, hash};
use crate::id::{DeviceId, EndpointId};
use crate::time::UnixMillis;
use crate::wire::{DecodeError, Reader, Wire};
use alloc::{string::String, vec::Vec};
use core::fmt;

/// First bytes of everything signed for a [`DeviceCert`].
const CERT_DOMAIN: &[u8] = b"harbor.v1 device cert\0";
/// Digits of a safety number.
pub const SAFETY_DIGITS: usize = 60;

/// What a signature covers: its domain, then `value`'s bytes without the `tail` bytes of signatures at the end.
pub(crate) fn signed_bytes(domain: &[u8], value: &impl Wire, tail: usize) -> Vec<u8> {
    let mut out = domain.to_vec();
    value.encode(&mut out);
    out.truncate(out.len() - tail);
    out
}

crate::wire_struct! {
    /// Says that a device speaks for an identity. Signed by both keys: without the device's own signature an
    /// identity could claim somebody else's device. Spec: docs/spec/identity.md §2.
    #[derive(Clone, PartialEq, Eq)]
    pub struct DeviceCert {
        /// IK: the identity.
        pub identity: EndpointId,
        /// DK: signs what the device says.
        pub device: DeviceId,
        /// LK: the X-Wing key to which epochs and welcomes are sealed.
        pub kem: [u8; kem::PUBLIC],
        /// When it was made, by the device's clock.
        pub created: UnixMillis,
        /// By IK.
        pub signature: [u8; SIGNATURE],
        /// By DK, over the same bytes.
        pub device_signature: [u8; SIGNATURE],
    }
}

impl DeviceCert {
    /// True when both keys signed it.
    #[must_use]
    pub fn verify(&self) -> bool {
        let bytes = signed_bytes(CERT_DOMAIN, self, 2 * SIGNATURE);
        sign::verify(&self.identity.0, &bytes, &self.signature)
            && sign::verify(&self.device.0, &bytes, &self.device_signature)
    }

    /// True when something can be sealed to LK; costs an encapsulation.
    #[must_use]
    pub fn can_receive(&self) -> bool {
        kem::encapsulate(&self.kem, &mut Rng::new([0; 32])).is_some()
    }

    /// `BLAKE3(LK.pub)`: names the key in epoch boxes.
    #[must_use]
    pub fn kem_hash(&self) -> [u8; 32] {
        hash(&[&self.kem])
    }
}

impl fmt::Debug for DeviceCert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceCert(..)")
    }
}

/// Everything secret about this device, and its certificate.
///
/// Its wire form is for storage at rest only: seed, DK secret, LK seed, creation time.
#[derive(Clone)]
pub struct DeviceSecrets {
    seed: Secret,
    identity: Keypair,
    device: Keypair,
    kem: kem::SecretKey,
    cert: DeviceCert,
}

impl DeviceSecrets {
    /// A new identity with its first device.
    #[must_use]
    pub fn generate(rng: &mut Rng, now: UnixMillis) -> Self {
        Self::from_parts(rng.secret(), &rng.secret(), rng.secret(), now)
    }

    fn from_parts(seed: Secret, device: &Secret, kem: Secret, created: UnixMillis) -> Self {
        let identity = Keypair::from_secret(&derive(Context::Identity, &[&seed.0]));
        let device = Keypair::from_secret(device);
        let kem = kem::SecretKey::from_seed(kem);
        let mut cert = DeviceCert {
            identity: EndpointId(identity.public()),
            device: DeviceId(device.public()),
            kem: kem.public(),
            created,
            signature: [0; SIGNATURE],
            device_signature: [0; SIGNATURE],
        };
        let bytes = signed_bytes(CERT_DOMAIN, &cert, 2 * SIGNATURE);
        cert.signature = identity.sign(&bytes);
        cert.device_signature = device.sign(&bytes);
        Self { seed, identity, device, kem, cert }
    }

    /// The 32 bytes behind the recovery phrase.
    #[must_use]
    pub fn seed(&self) -> &Secret {
        &self.seed
    }

    /// IK, derived from the seed.
    #[must_use]
    pub fn identity(&self) -> &Keypair {
        &self.identity
    }

    /// DK.
    #[must_use]
    pub fn device(&self) -> &Keypair {
        &self.device
    }

    /// LK.
    #[must_use]
    pub fn kem(&self) -> &kem::SecretKey {
        &self.kem
    }

    /// The certificate of this device.
    #[must_use]
    pub fn cert(&self) -> &DeviceCert {
        &self.cert
    }

    /// The identity's public name.
    #[must_use]
    pub fn endpoint_id(&self) -> EndpointId {
        self.cert.identity
    }

    /// The device's public name.
    #[must_use]
    pub fn device_id(&self) -> DeviceId {
        self.cert.device
    }
}

impl fmt::Debug for DeviceSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceSecrets(..)")
    }
}

impl Wire for DeviceSecrets {
    fn encode(&self, out: &mut Vec<u8>) {
        self.seed.encode(out);
        self.device.secret().encode(out);
        self.kem.seed().encode(out);
        self.cert.created.encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (seed, device, kem) = (Secret::decode(r)?, Secret::decode(r)?, Secret::decode(r)?);
        Ok(Self::from_parts(seed, &device, kem, UnixMillis::decode(r)?))
    }
}

/// The safety number of two identities: [`SAFETY_DIGITS`] digits, the same on both sides.
/// Spec: docs/spec/identity.md §3.
#[must_use]
pub fn safety_number(a: &EndpointId, b: &EndpointId) -> String {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let mut bytes = [0; SAFETY_DIGITS / 5 * 8];
    derive_into(Context::SafetyNumber, &[&low.0, &high.0], &mut bytes);
    let groups = bytes.chunks_exact(8).map(|chunk| {
        let number = chunk.iter().fold(0, |n, b| n << 8 | u64::from(*b));
        alloc::format!("{:05}", number % 100_000)
    });
    groups.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(seed: u8) -> DeviceSecrets {
        DeviceSecrets::generate(&mut Rng::new([seed; 32]), UnixMillis(1_000))
    }

    #[test]
    fn a_certificate_verifies_and_no_changed_one_does() {
        let cert = secrets(1).cert().clone();
        assert!(cert.verify());
        let bytes = cert.to_bytes();
        for at in (0..bytes.len()).step_by(37).chain(bytes.len() - 128..bytes.len()) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(!DeviceCert::from_bytes(&changed).unwrap().verify(), "byte {at}");
        }
    }

    #[test]
    fn nobody_can_claim_another_ones_device() {
        let (mallory, victim) = (secrets(1), secrets(2));
        let mut cert = DeviceCert { device: victim.device_id(), ..mallory.cert().clone() };
        let bytes = signed_bytes(CERT_DOMAIN, &cert, 2 * SIGNATURE);
        cert.signature = mallory.identity().sign(&bytes);
        cert.device_signature = mallory.device().sign(&bytes);
        assert!(!cert.verify());
    }

    #[test]
    fn secrets_come_back_from_storage() {
        let before = secrets(3);
        let after = DeviceSecrets::from_bytes(&before.to_bytes()).unwrap();
        assert_eq!(before.cert(), after.cert());
        assert_eq!(before.to_bytes(), after.to_bytes());
    }

    #[test]
    fn both_sides_see_one_safety_number() {
        let (a, b, c) = (secrets(1).endpoint_id(), secrets(2).endpoint_id(), secrets(3).endpoint_id());
        let number = safety_number(&a, &b);
        assert_eq!(number, safety_number(&b, &a));
        assert_ne!(number, safety_number(&a, &c));
        assert_eq!(number.len(), SAFETY_DIGITS);
        assert!(number.bytes().all(|d| d.is_ascii_digit()));
    }

    #[test]
    fn debug_output_keeps_secrets() {
        let me = secrets(4);
        assert_eq!(alloc::format!("{me:?} {:?}", me.cert()), "DeviceSecrets(..) DeviceCert(..)");
    }
}
