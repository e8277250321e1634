//! What devices of a topic tell each other to find and reach each other.
//!
//! Spec: docs/spec/signalling.md §2. Sealed to the members, signed by the device: the DTLS fingerprint in a
//! description is therefore the device's own word.

use crate::crypto::sign;
use crate::id::{DeviceId, TopicUid};
use crate::wire::link::Signature;
use crate::wire::{Bytes, Text, Wire};
use alloc::vec::Vec;

/// Name of one run of an endpoint: when it started (8 bytes, ms since 1970), then 8 random bytes.
pub type Session = [u8; 16];

crate::wire_struct! {
    /// One run of one device.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Address {
        pub device: DeviceId,
        pub session: Session,
    }
}

crate::wire_enum! {
    /// What is told.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum Body {
        /// "I am here." Answered once per session with `reply` set. `direct`: I make direct connections.
        Announce = 1 { reply: bool, direct: bool },
        /// `name` numbers the offerer's connections and rises.
        Offer = 2 { name: u32, sdp: Text<16384> },
        Answer = 3 { name: u32, sdp: Text<16384> },
        Candidate = 4 { name: u32, candidate: Text<1024>, mid: Text<64> },
        /// Something of the owner's, not about connections: live receipts.
        App = 5 { bytes: Bytes<8192> },
    }
}

crate::wire_struct! {
    /// A signed signal.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Signal {
        pub from: DeviceId,
        pub session: Session,
        /// `None`: for everybody.
        pub to: Option<Address>,
        pub body: Body,
        pub signature: Signature,
    }
}

impl Signal {
    /// A signed signal for `topic` on `day`.
    #[must_use]
    pub fn new(
        key: &sign::Keypair,
        session: Session,
        to: Option<Address>,
        body: Body,
        topic: &TopicUid,
        day: u32,
    ) -> Self {
        let from = DeviceId(key.public());
        let mut signal = Self { from, session, to, body, signature: [0; 64] };
        signal.signature = key.sign(&signal.signed_bytes(topic, day));
        signal
    }

    /// True when `from` signed it for `topic` and `day`.
    #[must_use]
    pub fn verify(&self, topic: &TopicUid, day: u32) -> bool {
        sign::verify(&self.from.0, &self.signed_bytes(topic, day), &self.signature)
    }

    fn signed_bytes(&self, topic: &TopicUid, day: u32) -> Vec<u8> {
        let mut bytes = b"harbor.v1 signal".to_vec();
        topic.encode(&mut bytes);
        day.encode(&mut bytes);
        self.encode(&mut bytes);
        bytes.truncate(bytes.len() - sign::SIGNATURE);
        bytes
    }
}
