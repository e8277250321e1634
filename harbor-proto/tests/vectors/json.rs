//! JSON whose byte strings are lowercase hex.

use data_encoding::HEXLOWER;
use serde_json::Value;

/// The value of one file; a broken file is a broken checkout.
pub(crate) fn parse(text: &str) -> Value {
    serde_json::from_str(text).expect("vector files are JSON")
}

/// The bytes of a hex string.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap_or_else(|| panic!("not a string: {value}"));
    HEXLOWER.decode(text.as_bytes()).expect("lowercase hex")
}

/// As [`bytes`], of exactly this length.
pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap_or_else(|b: Vec<u8>| panic!("{} bytes instead of {N}", b.len()))
}

/// The items of a list that must not be empty, or a test over it would test nothing.
pub(crate) fn items(value: &Value) -> &[Value] {
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(!items.is_empty(), "an empty list of vectors");
    items
}
