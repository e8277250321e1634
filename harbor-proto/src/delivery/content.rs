//! What a message packet's content says, and what its signature binds.
//!
//! Spec: docs/spec/messages.md §1–§2.

use super::ranges::Ranges;
use crate::crypto::{hash, sign};
use crate::id::{DeviceId, EpochId, MessageId, TopicUid};
use crate::limits::{MAX_BODY, MAX_PARENTS, MAX_RECEIPTS};
use crate::wire::link::Signature;
use crate::wire::{Bytes, List, Wire};
use alloc::vec::Vec;

crate::wire_enum! {
    /// What the body is.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum MessageType {
        /// UTF-8 text for people.
        Text = 1,
        /// An application's bytes.
        Bytes = 2,
        /// Nothing to show: it carries receipts only.
        Receipt = 3,
        /// Another body for a message of the same author: [`super::amend::EditBody`].
        Edit = 4,
        /// Takes a message of the same author back: [`super::amend::DeleteBody`].
        Delete = 5,
        /// Puts an emoji to a message, or takes it away: [`super::amend::ReactBody`].
        React = 6,
        /// A message that answers another: [`super::amend::ReplyBody`].
        Reply = 7,
    }
}

impl MessageType {
    /// It has a line of its own in the history; what has none changes another line, or nothing.
    #[must_use]
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Text | Self::Bytes | Self::Reply)
    }
}

crate::wire_struct! {
    /// "These messages of that device are safely on mine." Cumulative: a later one includes the earlier.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Receipt {
        pub device: DeviceId,
        pub seqs: Ranges,
    }
}

crate::wire_struct! {
    /// One message of one device's chain.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Content {
        pub kind: MessageType,
        /// Position in the device's chain of this topic, from 1.
        pub seq: u64,
        /// The message before it in that chain; zeros for the first.
        pub prev: MessageId,
        /// What the author had seen last from others.
        pub parents: List<MessageId, MAX_PARENTS>,
        /// Hybrid logical clock reading.
        pub clock: u64,
        pub body: Bytes<MAX_BODY>,
        /// Outside of the MessageID: a message sealed again may carry newer ones.
        pub receipts: List<Receipt, MAX_RECEIPTS>,
        /// By the device, over everything above and its [`Binding`].
        pub signature: Signature,
    }
}

/// Where a content belongs; signed with it, so that it cannot be moved elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    pub topic: &'a TopicUid,
    pub device: &'a DeviceId,
    pub epoch: &'a EpochId,
    pub leaf: u16,
    pub counter: u32,
}

impl Content {
    /// What this message is, whatever packet, epoch or step carries it.
    #[must_use]
    pub fn id(&self, topic: &TopicUid, device: &DeviceId) -> MessageId {
        let mut bytes = b"harbor.v1 message id".to_vec();
        topic.encode(&mut bytes);
        device.encode(&mut bytes);
        self.seq.encode(&mut bytes);
        self.prev.encode(&mut bytes);
        self.parents.encode(&mut bytes);
        self.clock.encode(&mut bytes);
        self.kind.encode(&mut bytes);
        self.body.encode(&mut bytes);
        MessageId(hash(&[&bytes]))
    }

    /// Signs for the place it goes to.
    pub fn sign(&mut self, binding: &Binding<'_>, device: &sign::Keypair) {
        self.signature = device.sign(&self.signed_bytes(binding));
    }

    /// True when the device of `binding` signed it for that place.
    #[must_use]
    pub fn verify(&self, binding: &Binding<'_>) -> bool {
        sign::verify(&binding.device.0, &self.signed_bytes(binding), &self.signature)
    }

    fn signed_bytes(&self, binding: &Binding<'_>) -> Vec<u8> {
        let mut bytes = b"harbor.v1 message".to_vec();
        binding.topic.encode(&mut bytes);
        binding.device.encode(&mut bytes);
        binding.epoch.encode(&mut bytes);
        binding.leaf.encode(&mut bytes);
        binding.counter.encode(&mut bytes);
        self.encode(&mut bytes);
        bytes.truncate(bytes.len() - sign::SIGNATURE);
        bytes
    }
}

const _: () = assert!(
    MAX_BODY + MAX_PARENTS * 32 + MAX_RECEIPTS * (36 + 16 * crate::limits::RECEIPT_RANGES) + 129
        <= crate::packet::MAX_CONTENT
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::Secret;

    #[test]
    fn a_signature_holds_for_one_place_only() {
        let key = sign::Keypair::from_secret(&Secret([5; 32]));
        let (topic, device, epoch) = (TopicUid([1; 32]), DeviceId(key.public()), EpochId([3; 32]));
        let here = Binding { topic: &topic, device: &device, epoch: &epoch, leaf: 1, counter: 2 };
        let mut content = Content {
            kind: MessageType::Text,
            seq: 1,
            prev: MessageId([0; 32]),
            parents: List::default(),
            clock: 9,
            body: Bytes::new(b"hi".to_vec()).unwrap(),
            receipts: List::default(),
            signature: [0; 64],
        };
        content.sign(&here, &key);
        let id = content.id(&topic, &device);
        assert!(content.verify(&here));
        assert!(!content.verify(&Binding { topic: &TopicUid([2; 32]), ..here }));
        assert!(!content.verify(&Binding { epoch: &EpochId([4; 32]), ..here }));
        assert!(!content.verify(&Binding { leaf: 2, ..here }));
        assert!(!content.verify(&Binding { counter: 3, ..here }));
        let moved = Binding { counter: 77, ..here };
        content.sign(&moved, &key);
        assert_eq!(content.id(&topic, &device), id, "sealed again it is the same message");
        assert_eq!(Content::from_bytes(&content.to_bytes()), Ok(content));
    }
}
