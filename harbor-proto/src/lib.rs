//! The Harbor protocol: sans-IO, `no_std`, every rule in one place. Spec: `docs/spec/`.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod at_rest;
pub mod crypto;
pub mod delivery;
pub mod endpoint;
pub mod id;
pub mod identity;
pub mod limits;
pub mod machine;
pub mod mailbox;
pub mod node;
pub mod packet;
pub mod peering;
pub mod time;
pub mod topic;
pub mod uplink;
pub mod wire;
pub mod work;
