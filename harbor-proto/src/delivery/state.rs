//! How far a message has got, and by which way.
//!
//! Spec: docs/spec/delivery.md §1.

crate::wire_enum! {
    /// How a message travels or travelled.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Path {
        /// Browser to browser.
        Direct = 1,
        /// Through a node, live.
        Relayed = 2,
        /// Waited on a node.
        Stored = 3,
    }
}

crate::wire_enum! {
    /// How far an own message has got.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum State {
        /// On this device only; no way out at the moment.
        Queued = 1,
        /// On its way.
        Sending = 2,
        /// On disk at this many nodes.
        Stored = 3 { nodes: u8 },
        /// On every other member's device.
        Delivered = 4,
        /// Refused for good; `Retry` tries again.
        Failed = 5,
    }
}
