//! What the fuzzers run: plain functions over bytes that panic when a promise is broken. libFuzzer drives
//! them (`cargo fuzz run NAME` in `harbor-proto`), and `harbor-proto/tests/fuzz_replay.rs` replays the corpus
//! and some thousands of mutations of it in every `cargo test`.
#![forbid(unsafe_code)]
// Also compiled as a module of the replaying test, where nothing is reachable from outside.
#![allow(unreachable_pub)]

pub mod at_rest;
mod client;
pub mod endpoint;
pub mod invite;
pub mod node;
pub mod packet;
mod script;
pub mod uplink;
pub mod wire;

/// A target's body: panics when a promise is broken.
pub type Body = fn(&[u8]);

/// Every target: its name, which is that of its corpus folder, and its body.
pub const TARGETS: &[(&str, Body)] = &[
    ("wire", wire::run),
    ("packet", packet::run),
    ("at_rest", at_rest::run),
    ("invite", invite::run),
    ("node", node::run),
    ("uplink", uplink::run),
    ("endpoint", endpoint::run),
];
