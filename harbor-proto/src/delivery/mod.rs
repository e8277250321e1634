//! Getting messages to every member once: outbox, inbox, receipts, and where packets are read and written.
//!
//! Spec: docs/spec/messages.md, docs/spec/delivery.md.

pub mod amend;
pub mod clock;
pub mod content;
pub mod inbox;
pub mod outbox;
pub mod parcel;
pub mod plan;
pub mod ranges;
pub mod state;

pub use amend::{Amended, Amendment, Change};
pub use clock::Clock;
pub use content::{Binding, Content, MessageType, Receipt};
pub use inbox::{Accepted, SenderChain};
pub use outbox::{Entry, Outbox};
pub use parcel::{Parcel, Verdict};
pub use ranges::Ranges;
pub use state::{Path, State};
