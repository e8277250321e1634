//! Harbor in a browser: carries out what the protocol core ([`harbor_proto::endpoint`]) decides.
//!
//! Every rule lives in the core; this crate moves bytes between it and WebSockets, WebRTC data channels,
//! IndexedDB, timers and other tabs. [`Client`] is the whole of its face.

#[cfg(all(test, target_arch = "wasm32"))]
wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

extern crate alloc;

mod browser;
mod client;
mod drive;
#[cfg(feature = "npm")]
pub mod js;
mod link;
mod reflect;
mod rtc;
mod stamp;
mod store;
mod tabs;
#[cfg(all(test, target_arch = "wasm32"))]
mod testing;

pub use client::{Client, OpenError, Options, Page, Subscription};
pub use harbor_proto as proto;
pub use stamp::{harbor_stamp, set_worker_spawner};
