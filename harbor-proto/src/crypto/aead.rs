//! XChaCha20-Poly1305. It does not commit to its key: callers check a commitment where keys are ambiguous.

use super::Secret;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Key, Tag, XChaCha20Poly1305, XNonce};

/// Bytes of an authentication tag.
pub const TAG: usize = 16;
/// Bytes of a nonce.
pub const NONCE: usize = 24;

/// The tag does not fit: other key, other nonce, other associated data, or changed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenError;

fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&Key::from(key.0))
}

/// Encrypts `buffer[..len - TAG]` in place and writes the tag behind it.
///
/// # Panics
/// When `buffer` is shorter than a tag.
pub fn seal_in_place(key: &Secret, nonce: &[u8; NONCE], aad: &[u8], buffer: &mut [u8]) {
    let (text, tag) = buffer.split_at_mut(buffer.len() - TAG);
    let made = cipher(key)
        .encrypt_inout_detached(&XNonce::from(*nonce), aad, text.into())
        .expect("far below the cipher's length limit");
    tag.copy_from_slice(&made);
}

/// Decrypts what [`seal_in_place`] made and returns the plaintext part of `buffer`.
///
/// # Errors
/// [`OpenError`]; `buffer` is then to be thrown away.
pub fn open_in_place<'a>(
    key: &Secret,
    nonce: &[u8; NONCE],
    aad: &[u8],
    buffer: &'a mut [u8],
) -> Result<&'a mut [u8], OpenError> {
    let len = buffer.len().checked_sub(TAG).ok_or(OpenError)?;
    let (text, tag) = buffer.split_at_mut(len);
    let tag = Tag::try_from(&*tag).map_err(|_| OpenError)?;
    cipher(key)
        .decrypt_inout_detached(&XNonce::from(*nonce), aad, (&mut *text).into(), &tag)
        .map_err(|_| OpenError)?;
    Ok(text)
}

/// A sealed copy of `plain`: ciphertext and tag.
#[must_use]
pub fn seal(key: &Secret, nonce: &[u8; NONCE], aad: &[u8], plain: &[u8]) -> alloc::vec::Vec<u8> {
    let mut out = alloc::vec![0; plain.len() + TAG];
    out[..plain.len()].copy_from_slice(plain);
    seal_in_place(key, nonce, aad, &mut out);
    out
}

/// The plaintext of what [`seal`] made.
///
/// # Errors
/// [`OpenError`].
pub fn open(
    key: &Secret,
    nonce: &[u8; NONCE],
    aad: &[u8],
    sealed: &[u8],
) -> Result<alloc::vec::Vec<u8>, OpenError> {
    let mut buffer = sealed.to_vec();
    let len = open_in_place(key, nonce, aad, &mut buffer)?.len();
    buffer.truncate(len);
    Ok(buffer)
}
