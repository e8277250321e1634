//! Topics: who is in them, the keys they share, and how somebody gets in.
//!
//! [`TopicLog`] ties the parts together; it does no IO. Spec: docs/spec/topics.md, epochs.md, invites.md.

pub mod admission;
pub mod control;
pub mod dag;
pub mod epoch;
pub mod invite;
mod keyring;
mod log;
pub mod ops;
mod past;
pub mod ratchet;
pub mod records;
mod removal;
mod resolve;
mod restore;
mod roles;
pub mod roster;
mod waiting;
pub mod welcome;

pub use keyring::{KEEP_MS, KeyError, OpenKey, Route};
pub use log::{Change, CommitReason, Refused, SealError, SealKey, TopicLog};
pub use ops::{Name, Role, TopicKind};
pub use records::{RecordChange, Shelf};
pub use restore::BadRecords;
pub use roles::RosterError;

#[cfg(test)]
mod dag_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod invite_tests;
#[cfg(test)]
mod removal_tests;
#[cfg(test)]
mod resolve_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_tests;
