//! Sequences whose greatest length is part of their type.

use super::{DecodeError, Reader, Wire, utf8};
use alloc::{string::String, vec::Vec};
use core::ops::Deref;

/// At most `MAX` bytes, after a u32 length.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Bytes<MAX> {
    /// `None` when longer than `MAX`.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() <= MAX).then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> Deref for Bytes<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> Wire for Bytes<MAX> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_len(self.0.len(), out);
        out.extend_from_slice(&self.0);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = decode_len(r, MAX)?;
        Ok(Self(r.take(len)?.to_vec()))
    }
}

/// UTF-8 text of at most `MAX` bytes, after a u32 length.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// `None` when longer than `MAX` bytes.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (text.len() <= MAX).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Wire for Text<MAX> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_len(self.0.len(), out);
        out.extend_from_slice(self.0.as_bytes());
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = decode_len(r, MAX)?;
        utf8(r.take(len)?).map(Self)
    }
}

/// At most `MAX` values, after a u32 count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T, const MAX: usize> List<T, MAX> {
    /// `None` when longer than `MAX`.
    #[must_use]
    pub fn new(items: Vec<T>) -> Option<Self> {
        (items.len() <= MAX).then_some(Self(items))
    }

    /// The first `MAX` of `items`; the rest is dropped.
    #[must_use]
    pub fn first(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }

    /// The items.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Wire, const MAX: usize> Wire for List<T, MAX> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_len(self.0.len(), out);
        for item in &self.0 {
            item.encode(out);
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = decode_len(r, MAX)?;
        // Every item takes at least one byte, so a lying count cannot reserve more than the input holds.
        let mut items = Vec::with_capacity(len.min(r.remaining()));
        for _ in 0..len {
            items.push(T::decode(r)?);
        }
        Ok(Self(items))
    }
}

fn encode_len(len: usize, out: &mut Vec<u8>) {
    u32::try_from(len).expect("bounded by MAX, far below u32::MAX").encode(out);
}

fn decode_len(r: &mut Reader<'_>, max: usize) -> Result<usize, DecodeError> {
    let len = u32::decode(r)? as usize;
    if len > max { Err(DecodeError::Bad("length")) } else { Ok(len) }
}

crate::wire_struct! {
    /// All numbers from `lo` to `hi`.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Range {
        pub lo: u64,
        pub hi: u64,
    }
}
