//! Records on the device's own disk, sealed under the device's database key.
//!
//! Spec: docs/spec/at-rest.md §2.

use crate::crypto::Secret;
use crate::crypto::aead::{self, NONCE, TAG};
use alloc::vec::Vec;

/// Version of the sealed form, its first byte and part of what is authenticated.
pub const VERSION: u8 = 1;
/// Bytes a sealed record has over its content.
pub const OVERHEAD: usize = 1 + NONCE + TAG;

/// The record was not sealed under this key for this place: damaged, moved, or of another database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl core::fmt::Display for Damaged {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("record was not sealed under this key for this place")
    }
}

impl core::error::Error for Damaged {}

/// Seals `value` for its place. `nonce` must be fresh from the operating system for every call.
///
/// ```text
/// off  bytes  field
///   0      1  version, 1
///   1     24  nonce
///  25      n  value, encrypted
/// 25+n    16  tag
/// ```
/// Associated data: version, table, key.
#[must_use]
pub fn seal(database: &Secret, nonce: &[u8; NONCE], table: u8, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + OVERHEAD);
    out.push(VERSION);
    out.extend_from_slice(nonce);
    out.extend_from_slice(value);
    out.extend_from_slice(&[0; TAG]);
    aead::seal_in_place(database, nonce, &place(table, key), &mut out[1 + NONCE..]);
    out
}

/// The value of a record that [`seal`] made for the same place.
///
/// # Errors
/// The disk's fault: [`Damaged`].
pub fn open(database: &Secret, table: u8, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Damaged> {
    let (&version, rest) = sealed.split_first().ok_or(Damaged)?;
    let (nonce, body) = rest.split_first_chunk::<NONCE>().ok_or(Damaged)?;
    if version != VERSION {
        return Err(Damaged);
    }
    aead::open(database, nonce, &place(table, key), body).map_err(|_| Damaged)
}

/// Version and table have one byte each, so the key needs no length.
fn place(table: u8, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + key.len());
    out.extend_from_slice(&[VERSION, table]);
    out.extend_from_slice(key);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed() -> (Secret, Vec<u8>) {
        let database = Secret([7; 32]);
        let record = seal(&database, &[9; NONCE], 4, b"key", b"value");
        (database, record)
    }

    #[test]
    fn a_record_opens_in_its_own_place_only() {
        let (database, record) = sealed();
        assert_eq!(record.len(), 5 + OVERHEAD);
        assert_eq!(open(&database, 4, b"key", &record).unwrap(), b"value");
        assert_eq!(open(&database, 5, b"key", &record), Err(Damaged));
        assert_eq!(open(&database, 4, b"kez", &record), Err(Damaged));
        assert_eq!(open(&Secret([8; 32]), 4, b"key", &record), Err(Damaged));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let (database, record) = sealed();
        for i in 0..record.len() {
            let mut changed = record.clone();
            changed[i] ^= 1;
            assert_eq!(open(&database, 4, b"key", &changed), Err(Damaged), "byte {i}");
            assert_eq!(open(&database, 4, b"key", &record[..i]), Err(Damaged), "length {i}");
        }
    }

    #[test]
    fn the_plaintext_is_not_in_the_record() {
        let (_, record) = sealed();
        assert!(!record.windows(5).any(|w| w == b"value"));
    }
}
