//! Records on a device's disk: what was not sealed for its place is refused.

use harbor_proto::at_rest;
use harbor_proto::crypto::Secret;

/// First byte: table. The rest: a sealed record, and changes (place, xor) to a good one.
pub fn run(input: &[u8]) {
    let key = Secret([1; 32]);
    let Some((&table, rest)) = input.split_first() else { return };
    // A fuzzer that sees every comparison learns to make tags; what opens must then be what sealing makes.
    if let Ok(value) = at_rest::open(&key, table, b"k", rest) {
        let nonce = rest[1..25].try_into().expect("as long as a record");
        assert_eq!(at_rest::seal(&key, nonce, table, b"k", &value), rest, "one record, one form");
    }
    let good = at_rest::seal(&key, &[2; 24], table, b"k", &rest[..rest.len().min(64)]);
    let mut bytes = good.clone();
    for change in rest.chunks_exact(2) {
        let at = usize::from(change[0]) % bytes.len();
        bytes[at] ^= change[1];
    }
    assert_eq!(at_rest::open(&key, table, b"k", &bytes).is_ok(), bytes == good);
}
