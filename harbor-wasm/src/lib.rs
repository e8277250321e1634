//! Harbor in a browser: carries out what the protocol core ([`harbor_proto::endpoint`]) decides.
//!
//! Every rule lives in the core; this crate moves bytes between it and WebSockets, WebRTC data channels,
//! IndexedDB, timers and other tabs. [`Client`] is the whole of its face.

mod client;

pub use client::{Client, OpenError, Options, Page, Subscription};
pub use harbor_proto as proto;
