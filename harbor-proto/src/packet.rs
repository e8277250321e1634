//! The sealed packet and the keys of the mailbox it goes to.
//!
//! Spec: docs/spec/packet.md (bytes), docs/spec/mailbox.md (keys and opening).
//!
//! ```text
//!   0   4  version, kind, size bucket, flags (0)
//!   4  32  HarborID
//!  36   4  expiry, hours since 1970
//!  40  32  BLAKE3(delete token)
//!  72  16  work stamp                              not covered by PacketID or the signature
//!  88  64  W signature over bytes 0–71 and BLAKE3(body)
//! 152  24  nonce                                   body from here
//! 176  48  header under hk: epoch 8, leaf 2, counter 4, commitment 16, zero 2, tag 16
//! 224   …  content: length 4, content, zeros, tag 16
//! ```

mod keys;

pub use keys::{MailboxKeys, day, harbor_id, week};

use crate::crypto::aead::{self, OpenError, TAG};
use crate::crypto::{Secret, hash, sign};
use crate::id::{HarborId, PacketId};
use crate::limits::PACKET_SIZES;
use crate::work::{STAMP, Stamp};
use alloc::{vec, vec::Vec};

/// Version of this layout, byte 0.
pub const VERSION: u8 = 1;
const FIXED: usize = 72;
const SIGNATURE_AT: usize = 88;
const BODY: usize = 152;
const HEADER_AT: usize = 176;
const CONTENT_AT: usize = 224;
/// Largest content of one packet, bytes.
pub const MAX_CONTENT: usize = PACKET_SIZES[3] - CONTENT_AT - TAG - 4;

/// What the content is read as; visible to nodes and not the same as the verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// A message under a ratchet key.
    Message = 1,
    /// Membership operations and epochs under `KDF("ctl", rs)`.
    Control = 2,
    /// Presence, WebRTC signalling, live receipts: passed, never stored.
    Signal = 3,
    /// Invite records, join requests and welcomes.
    Rendezvous = 4,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Message,
            2 => Self::Control,
            3 => Self::Signal,
            4 => Self::Rendezvous,
            _ => return None,
        })
    }
}

/// Which key opens the content; sealed under the mailbox's header key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// First 8 bytes of the EpochId; zero where no ratchet is used.
    pub epoch: [u8; 8],
    /// Sender's leaf in the epoch.
    pub leaf: u16,
    /// Step of the sender's chain.
    pub counter: u32,
    /// Commits to the content key.
    pub commitment: [u8; 16],
}

impl Header {
    fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        out[..8].copy_from_slice(&self.epoch);
        out[8..10].copy_from_slice(&self.leaf.to_be_bytes());
        out[10..14].copy_from_slice(&self.counter.to_be_bytes());
        out[14..30].copy_from_slice(&self.commitment);
        out
    }

    fn from_bytes(b: &[u8]) -> Option<Self> {
        let b: &[u8; 32] = b.try_into().ok()?;
        if b[30..] != [0, 0] {
            return None;
        }
        let mut header = Self { leaf: u16::from_be_bytes([b[8], b[9]]), ..Self::default() };
        header.epoch.copy_from_slice(&b[..8]);
        header.counter = u32::from_be_bytes([b[10], b[11], b[12], b[13]]);
        header.commitment.copy_from_slice(&b[14..30]);
        Some(header)
    }
}

/// A key for one packet's content, and what the packet says of it.
#[derive(Clone, Debug)]
pub struct ContentKey {
    pub key: Secret,
    pub commitment: [u8; 16],
}

/// Everything that goes into a packet.
#[derive(Debug)]
pub struct Draft<'a> {
    pub mailbox: &'a MailboxKeys,
    pub kind: Kind,
    pub expiry_hour: u32,
    pub delete_hash: [u8; 32],
    /// `commitment` is taken from `key`.
    pub header: Header,
    pub key: &'a ContentKey,
    /// Fresh for every packet.
    pub nonce: [u8; aead::NONCE],
    pub content: &'a [u8],
}

/// The content does not fit the largest packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Draft<'_> {
    /// Seals and signs the packet, in the smallest size that fits, with an empty stamp.
    ///
    /// # Errors
    /// [`TooLarge`] above [`MAX_CONTENT`].
    pub fn seal(&self) -> Result<Vec<u8>, TooLarge> {
        let needed = CONTENT_AT + 4 + self.content.len() + TAG;
        let bucket = PACKET_SIZES.iter().position(|size| *size >= needed).ok_or(TooLarge)?;
        let mut p = vec![0; PACKET_SIZES[bucket]];
        p[..4].copy_from_slice(&[VERSION, self.kind as u8, u8::try_from(bucket).map_err(|_| TooLarge)?, 0]);
        p[4..36].copy_from_slice(&self.mailbox.id().0);
        p[36..40].copy_from_slice(&self.expiry_hour.to_be_bytes());
        p[40..FIXED].copy_from_slice(&self.delete_hash);
        p[BODY..HEADER_AT].copy_from_slice(&self.nonce);
        let (fixed, body) = p.split_at_mut(BODY);
        let (header, content) = body[HEADER_AT - BODY..].split_at_mut(CONTENT_AT - HEADER_AT);
        header[..32].copy_from_slice(&Header { commitment: self.key.commitment, ..self.header }.to_bytes());
        aead::seal_in_place(self.mailbox.header_key(), &self.nonce, &fixed[..FIXED], header);
        let len = u32::try_from(self.content.len()).map_err(|_| TooLarge)?;
        content[..4].copy_from_slice(&len.to_be_bytes());
        content[4..4 + self.content.len()].copy_from_slice(self.content);
        aead::seal_in_place(&self.key.key, &self.nonce, &content_aad(&fixed[..FIXED], header), content);
        let signature = self.mailbox.write_key().sign(&signed_bytes(&p));
        p[SIGNATURE_AT..BODY].copy_from_slice(&signature);
        Ok(p)
    }
}

fn content_aad(fixed: &[u8], header: &[u8]) -> [u8; FIXED + CONTENT_AT - HEADER_AT] {
    let mut aad = [0; FIXED + CONTENT_AT - HEADER_AT];
    aad[..FIXED].copy_from_slice(fixed);
    aad[FIXED..].copy_from_slice(header);
    aad
}

fn signed_bytes(packet: &[u8]) -> [u8; FIXED + 32] {
    let mut out = [0; FIXED + 32];
    out[..FIXED].copy_from_slice(&packet[..FIXED]);
    out[FIXED..].copy_from_slice(&hash(&[&packet[BODY..]]));
    out
}

/// Writes the stamp into a sealed packet.
///
/// # Panics
/// When `packet` is shorter than any packet.
pub fn set_stamp(packet: &mut [u8], stamp: Stamp) {
    packet[FIXED..SIGNATURE_AT].copy_from_slice(&stamp.to_bytes());
}

/// A packet's bytes, known to have its shape and nothing more.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    bytes: &'a [u8],
    kind: Kind,
}

impl<'a> Packet<'a> {
    /// `None` when version, kind, flags, size or stamp padding are not those of a packet.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let [VERSION, kind, bucket, 0, ..] = *bytes else { return None };
        let kind = Kind::from_byte(kind)?;
        if PACKET_SIZES.get(usize::from(bucket)) != Some(&bytes.len()) {
            return None;
        }
        let packet = Self { bytes, kind };
        Stamp::from_bytes(&packet.array(FIXED)).map(|_| packet)
    }

    /// All of it.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What the content is read as.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The mailbox it is for.
    #[must_use]
    pub fn mailbox(&self) -> HarborId {
        HarborId(self.array(4))
    }

    /// Hour since 1970 from which nodes may drop it.
    #[must_use]
    pub fn expiry_hour(&self) -> u32 {
        u32::from_be_bytes(self.array(36))
    }

    /// BLAKE3 of the token that deletes it.
    #[must_use]
    pub fn delete_hash(&self) -> [u8; 32] {
        self.array(40)
    }

    /// The stamp, unchecked.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp::from_bytes(&self.array(FIXED)).expect("parse checked the padding")
    }

    /// What recognises this packet on every path: all but stamp and signature.
    #[must_use]
    pub fn id(&self) -> PacketId {
        PacketId(hash(&[&self.bytes[..FIXED], &self.bytes[BODY..]]))
    }

    /// True when the mailbox's write key signed it.
    #[must_use]
    pub fn signed_by(&self, write_key: &sign::PublicKey) -> bool {
        write_key.verify(&signed_bytes(self.bytes), &self.array(SIGNATURE_AT))
    }

    /// Opens the header.
    ///
    /// # Errors
    /// [`OpenError`] when `hk` is not this mailbox's or bytes were changed.
    pub fn open_header(&self, hk: &Secret) -> Result<Header, OpenError> {
        let mut header: [u8; CONTENT_AT - HEADER_AT] = self.array(HEADER_AT);
        let plain = aead::open_in_place(hk, &self.array(BODY), &self.bytes[..FIXED], &mut header)?;
        Header::from_bytes(plain).ok_or(OpenError)
    }

    /// Opens the content with a key whose commitment is the header's.
    ///
    /// # Errors
    /// [`OpenError`] when the commitment is another, the key does not fit or the padding is not zero.
    pub fn open_content(&self, header: &Header, key: &ContentKey) -> Result<Vec<u8>, OpenError> {
        if header.commitment != key.commitment {
            return Err(OpenError);
        }
        let mut buffer = self.bytes[CONTENT_AT..].to_vec();
        let aad = content_aad(&self.bytes[..FIXED], &self.bytes[HEADER_AT..CONTENT_AT]);
        let plain = aead::open_in_place(&key.key, &self.array(BODY), &aad, &mut buffer)?;
        let (len, rest) = plain.split_first_chunk::<4>().ok_or(OpenError)?;
        let len = u32::from_be_bytes(*len) as usize;
        if len > rest.len() || rest[len..].iter().any(|b| *b != 0) {
            return Err(OpenError);
        }
        Ok(rest[..len].to_vec())
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes[at..at + N].try_into().expect("parse checked the length")
    }
}

const _: () = assert!(FIXED + STAMP == SIGNATURE_AT && SIGNATURE_AT + 64 == BODY);

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(content: &[u8]) -> (MailboxKeys, ContentKey, Vec<u8>) {
        let mailbox = MailboxKeys::derive(&Secret([1; 32]), 5, 1);
        let key = ContentKey { key: Secret([2; 32]), commitment: [3; 16] };
        let header = Header { epoch: [4; 8], leaf: 5, counter: 6, commitment: [0; 16] };
        let draft = Draft {
            mailbox: &mailbox,
            kind: Kind::Message,
            expiry_hour: 500_000,
            delete_hash: [7; 32],
            header,
            key: &key,
            nonce: [8; 24],
            content,
        };
        let bytes = draft.seal().unwrap();
        (mailbox, key, bytes)
    }

    #[test]
    fn what_is_sealed_opens_and_every_flipped_byte_is_refused() {
        let (mailbox, key, bytes) = sealed(b"hello");
        let w = sign::PublicKey::from_bytes(&mailbox.opening().write_key).unwrap();
        let open = |bytes: &[u8]| -> Option<Vec<u8>> {
            let packet = Packet::parse(bytes)?;
            packet.signed_by(&w).then_some(())?;
            let header = packet.open_header(mailbox.header_key()).ok()?;
            packet.open_content(&header, &key).ok()
        };
        assert_eq!(open(&bytes).as_deref(), Some(&b"hello"[..]));
        for at in (0..FIXED).chain(SIGNATURE_AT..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(open(&changed), None, "byte {at}");
        }
    }

    #[test]
    fn sizes_are_the_four_and_no_more() {
        for (len, size) in [(0, 1024), (780, 1024), (781, 4096), (4000, 16384), (MAX_CONTENT, 65536)] {
            assert_eq!(sealed(&vec![1; len]).2.len(), size, "{len}");
        }
        let (mailbox, key, _) = sealed(b"");
        let draft = Draft {
            mailbox: &mailbox,
            kind: Kind::Control,
            expiry_hour: 0,
            delete_hash: [0; 32],
            header: Header::default(),
            key: &key,
            nonce: [0; 24],
            content: &vec![0; MAX_CONTENT + 1],
        };
        assert_eq!(draft.seal(), Err(TooLarge));
    }

    #[test]
    fn the_stamp_is_outside_of_packet_id_and_signature() {
        let (mailbox, _, mut bytes) = sealed(b"x");
        let before = Packet::parse(&bytes).unwrap().id();
        set_stamp(&mut bytes, Stamp { nonce: 1, hour: 2, bits: 3 });
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!(packet.id(), before);
        assert!(packet.signed_by(&sign::PublicKey::from_bytes(&mailbox.opening().write_key).unwrap()));
    }

    #[test]
    fn other_shapes_are_no_packets() {
        let (_, _, bytes) = sealed(b"x");
        assert!(Packet::parse(&bytes[..1023]).is_none());
        for at in [0, 1, 2, 3, 85, 86, 87] {
            let mut changed = bytes.clone();
            changed[at] = 0xff;
            assert!(Packet::parse(&changed).is_none(), "byte {at}");
        }
        assert!(Packet::parse(&[]).is_none());
    }
}
