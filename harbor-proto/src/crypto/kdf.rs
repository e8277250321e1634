//! Key derivation: BLAKE3 `derive_key`, and the only list of its contexts.
//!
//! Spec: docs/spec/encoding.md §3. A context is part of the protocol: changing one changes every key.

use super::Secret;

macro_rules! contexts {
    ($($(#[$doc:meta])* $name:ident = $text:literal),* $(,)?) => {
        /// What a key is derived for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Context { $($(#[$doc])* $name),* }
        impl Context {
            /// All contexts, for the frozen vectors.
            pub const ALL: &'static [Context] = &[$(Context::$name),*];
            /// The text given to BLAKE3.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$name => concat!("harbor.v1 ", $text)),* }
            }
        }
    };
}

contexts! {
    /// Identity key from the seed.
    Identity = "identity",
    /// Header key of a mailbox, from rs.
    Header = "hdr",
    /// Offset of a topic's week, from rs.
    WeekOffset = "week",
    /// Write key of a mailbox, from rs, period and lane.
    Write = "write",
    /// Read key of a mailbox, from rs, period and lane.
    Read = "read",
    /// The secret part of a TopicID, from rs, period and lane.
    TopicTail = "tid",
    /// Content keys of control packets, from rs.
    Control = "ctl",
    /// Content keys of signalling packets, from rs.
    Signal = "sig",
    /// What an epoch's header commits to: es and rs.
    EpochCommit = "epoch-commit",
    /// Key of one device's box of an epoch.
    EpochBox = "epoch-box",
    /// First chain key of a device in an epoch.
    Chain = "chain",
    /// Next chain key and message key.
    Step = "step",
    /// AEAD key, key commitment and delete token from a message key.
    Message = "message",
    /// Delete token of a message in a group, known to its author alone.
    DeleteToken = "delete-token",
    /// Routing secret of an invite's rendezvous mailbox.
    InviteRouting = "invite-rs",
    /// Content key of the invite record.
    InviteRecord = "invite-record",
    /// Name of an invite among members.
    InviteId = "invite-id",
    /// MAC key of a join request.
    InviteMac = "invite-mac",
    /// Key sealing a join request or a welcome to an X-Wing key.
    Sealed = "sealed",
    /// Safety number of two identities.
    SafetyNumber = "safety-number",
    /// Records at rest.
    AtRest = "at-rest",
}

/// 32 bytes for `context` from the parts, which must be fixed-width or length-prefixed.
#[must_use]
pub fn derive(context: Context, parts: &[&[u8]]) -> Secret {
    let mut out = Secret([0; 32]);
    derive_into(context, parts, &mut out.0);
    out
}

/// As [`derive`], any length: the extended output of BLAKE3.
pub fn derive_into(context: Context, parts: &[&[u8]], out: &mut [u8]) {
    let mut hasher = blake3::Hasher::new_derive_key(context.text());
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize_xof().fill(out);
}

/// Key of the hash behind work stamps; public, it only separates that hash from all others.
pub const STAMP_KEY: [u8; 32] = *b"harbor.v1 work stamp ...........";
