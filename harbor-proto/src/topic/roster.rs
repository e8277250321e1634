//! Who is in a topic: a pure function of a set of operations.
//!
//! Spec: docs/spec/topics.md §3.

use super::ops::{Name, Role};
use crate::crypto::hash;
use crate::id::{DeviceId, EndpointId, OpId};
use crate::identity::DeviceCert;
use crate::wire::Wire;
use alloc::{sync::Arc, vec::Vec};
use core::fmt;

/// One device of a member.
#[derive(Clone, PartialEq, Eq)]
pub struct Leaf {
    pub device: DeviceId,
    pub identity: EndpointId,
    pub cert: Arc<DeviceCert>,
    pub name: Name,
    pub role: Role,
    /// The operation by which it is a member.
    pub joined: OpId,
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Leaf({:?})", self.joined)
    }
}

/// The devices of a topic in ascending order of their DeviceId; a device's place is its leaf number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster(Vec<Leaf>);

impl Roster {
    /// Sorts; the caller gives each device once.
    pub(super) fn new(mut leaves: Vec<Leaf>) -> Self {
        leaves.sort_unstable_by_key(|leaf| leaf.device);
        Self(leaves)
    }

    /// All devices, by leaf number.
    #[must_use]
    pub fn leaves(&self) -> &[Leaf] {
        &self.0
    }

    /// Number of devices.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nobody is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The leaf number of a device.
    #[must_use]
    pub fn position(&self, device: &DeviceId) -> Option<u16> {
        self.0.binary_search_by_key(device, |leaf| leaf.device).ok().and_then(|at| u16::try_from(at).ok())
    }

    /// The leaf of a device.
    #[must_use]
    pub fn get(&self, device: &DeviceId) -> Option<&Leaf> {
        self.position(device).and_then(|at| self.0.get(usize::from(at)))
    }

    /// True when a device of `identity` is in it.
    #[must_use]
    pub fn has_identity(&self, identity: &EndpointId) -> bool {
        self.0.iter().any(|leaf| leaf.identity == *identity)
    }

    /// What an epoch header commits to: device, identity, role and joining operation of every leaf. The
    /// operation's hash covers certificate and name.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        let mut bytes = b"harbor.v1 roster\0".to_vec();
        for leaf in &self.0 {
            bytes.extend_from_slice(&leaf.device.0);
            bytes.extend_from_slice(&leaf.identity.0);
            leaf.role.encode(&mut bytes);
            bytes.extend_from_slice(&leaf.joined.0);
        }
        hash(&[&bytes])
    }
}
