//! What a node decides about a mailbox: admission, quota, expiry and who is watching.
//!
//! Spec: docs/spec/mailbox.md. A mailbox is a name and two public keys to a node; nothing here knows what a
//! topic is. Links are named by a key type of the caller's choice.

mod admission;
mod quota;
mod watch;

pub use admission::{Admission, Admitted, check_opening, check_pass};
pub use quota::{Quota, admit};
pub use watch::{AfterPage, Push, WatchLists, Watcher, WatcherLimit};
