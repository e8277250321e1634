//! Names of things: 32 bytes each, never to be mixed up.

use core::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, secret) => {
        id!(@base $(#[$doc])* $name);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
    ($(#[$doc:meta])* $name:ident) => {
        id!(@base $(#[$doc])* $name);
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let b = &self.0;
                write!(f, concat!(stringify!($name), "({:02x}{:02x}{:02x}{:02x}..)"), b[0], b[1], b[2], b[3])
            }
        }
    };
    (@base $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 32]);

        impl $name {
            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl $crate::wire::Wire for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                out.extend_from_slice(&self.0);
            }
            fn decode(r: &mut $crate::wire::Reader<'_>) -> Result<Self, $crate::wire::DecodeError> {
                Ok(Self(r.array()?))
            }
        }
    };
}

id!(
    /// An identity's Ed25519 public key. Hidden in debug output: who somebody is must not reach a log.
    EndpointId, secret
);
id!(
    /// `BLAKE3(EndpointID)` of a Harbor Node: its place in the DHT.
    NodeId
);
id!(
    /// The `DK` public key of one device (docs/spec/identity.md §2). Hidden in debug output.
    DeviceId, secret
);
id!(
    /// `BLAKE3(TopicID)`: the name under which a node keeps a mailbox (docs/spec/mailbox.md §1).
    HarborId
);
id!(
    /// `BLAKE3(bytes 0–71 || body)` of a packet: recognises duplicates in transport (docs/spec/packet.md §3).
    PacketId
);
id!(
    /// `BLAKE3(Create operation)`: what members call a topic. Never shown to a node.
    TopicUid, secret
);
id!(
    /// BLAKE3 of a signed membership operation.
    OpId
);
id!(
    /// BLAKE3 of an epoch header.
    EpochId
);
id!(
    /// What a message is, whatever packet carries it (docs/spec/messages.md §2).
    MessageId
);
