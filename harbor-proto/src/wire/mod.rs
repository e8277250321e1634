//! The codec: one value, one byte form. Big-endian, length-prefixed, bounded, no trailing bytes.
//!
//! Spec: docs/spec/encoding.md.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

mod bounded;
pub mod link;

pub use bounded::{Bytes, List, Range, Text};

/// Why bytes are not a value. Carries the name of the field that was being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The input ended early.
    Short(&'static str),
    /// A length, tag or number lies outside its bounds.
    Bad(&'static str),
    /// Bytes are left after the value.
    Trailing(&'static str),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(what) => write!(f, "{what}: input ends early"),
            Self::Bad(what) => write!(f, "{what}: value out of bounds"),
            Self::Trailing(what) => write!(f, "{what}: bytes left over"),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A value with exactly one byte form.
pub trait Wire: Sized {
    /// Appends the byte form to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Reads one value.
    ///
    /// # Errors
    /// The sender's fault: the bytes are no value of this type.
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// The byte form alone.
    #[must_use]
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }

    /// Reads a value that fills `bytes` to the end.
    ///
    /// # Errors
    /// As [`Wire::decode`], and [`DecodeError::Trailing`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let value = Self::decode(&mut r)?;
        r.finish(core::any::type_name::<Self>())?;
        Ok(value)
    }
}

/// Reads values from the front of a slice. Never allocates more than the input holds.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader over all of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `n` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`].
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        if n > self.rest.len() {
            return Err(DecodeError::Short("bytes"));
        }
        let (head, rest) = self.rest.split_at(n);
        self.rest = rest;
        Ok(head)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Short`].
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let head = self.take(N)?;
        let mut out = [0; N];
        out.copy_from_slice(head);
        Ok(out)
    }

    /// Everything that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    /// How much is left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Fails unless all was read.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`].
    pub fn finish(self, what: &'static str) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(what)) }
    }
}

macro_rules! wire_int {
    ($($t:ty),*) => {$(
        impl Wire for $t {
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_be_bytes());
            }
            fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(<$t>::from_be_bytes(r.array()?))
            }
        }
    )*};
}
wire_int!(u8, u16, u32, u64);

impl Wire for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(r)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Bad("bool")),
        }
    }
}

impl<const N: usize> Wire for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        r.array()
    }
}

impl<T: Wire> Wire for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if bool::decode(r)? { Some(T::decode(r)?) } else { None })
    }
}

impl<T: Wire> Wire for Box<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        (**self).encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(r).map(Box::new)
    }
}

impl Wire for crate::time::UnixMillis {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
    fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u64::decode(r).map(Self)
    }
}

/// UTF-8 from a reader's bytes.
pub(crate) fn utf8(bytes: &[u8]) -> Result<String, DecodeError> {
    core::str::from_utf8(bytes).map(String::from).map_err(|_| DecodeError::Bad("text"))
}

/// Declares a struct whose wire form is its fields in order.
#[macro_export]
macro_rules! wire_struct {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$fmeta:meta])* $fvis:vis $field:ident : $ty:ty),* $(,)? }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$fmeta])* $fvis $field: $ty),* }
        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut ::alloc::vec::Vec<u8>) {
                let _ = &out;
                $($crate::wire::Wire::encode(&self.$field, out);)*
            }
            fn decode(r: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::DecodeError> {
                let _ = &r;
                Ok(Self { $($field: <$ty as $crate::wire::Wire>::decode(r)?),* })
            }
        }
    };
}

/// Declares an enum whose wire form is a tag byte and the fields of the variant in order.
#[macro_export]
macro_rules! wire_enum {
    ($(#[$meta:meta])* $vis:vis enum $name:ident {
        $($(#[$vmeta:meta])* $variant:ident = $tag:literal $({ $($(#[$fmeta:meta])* $field:ident : $ty:ty),* $(,)? })?),* $(,)?
    }) => {
        $(#[$meta])*
        $vis enum $name { $($(#[$vmeta])* $variant $({ $($(#[$fmeta])* $field: $ty),* })?),* }
        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut ::alloc::vec::Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),* })? => {
                        out.push($tag);
                        $($($crate::wire::Wire::encode($field, out);)*)?
                    })*
                }
            }
            fn decode(r: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::DecodeError> {
                match <u8 as $crate::wire::Wire>::decode(r)? {
                    $($tag => Ok(Self::$variant $({ $($field: <$ty as $crate::wire::Wire>::decode(r)?),* })?),)*
                    _ => Err($crate::wire::DecodeError::Bad(stringify!($name))),
                }
            }
        }
    };
}
