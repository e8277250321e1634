//! Invites: the link somebody is given, and what is said in its rendezvous mailbox.
//!
//! Spec: docs/spec/invites.md §1–§3.

use super::control::content_key;
use super::ops::{Name, TopicKind};
use super::welcome::WelcomePart;
use crate::crypto::kdf::{Context, derive};
use crate::crypto::rng::Rng;
use crate::crypto::sign::{self, SIGNATURE};
use crate::crypto::{Secret, aead, hash, kem};
use crate::id::{EndpointId, TopicUid};
use crate::identity::{DeviceCert, DeviceSecrets, signed_bytes};
use crate::limits::HOUR_MS;
use crate::packet::{ContentKey, MailboxKeys};
use crate::time::UnixMillis;
use crate::wire::{Bytes, Wire};
use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;

const LINK_VERSION: u8 = 1;
const LINK_DOMAIN: &[u8] = b"harbor.v1 invite link\0";
const RECORD_DOMAIN: &[u8] = b"harbor.v1 invite record\0";
const REQUEST_DOMAIN: &[u8] = b"harbor.v1 join request\0";
const DENIED_DOMAIN: &[u8] = b"harbor.v1 join denied\0";
/// Longest text form of a link, characters.
pub const MAX_LINK_TEXT: usize = 150;
/// Bytes of a link's checksum.
const CHECKSUM: usize = 4;

crate::wire_struct! {
    /// What an invite link carries after `#`. Whoever has it can ask to be let in, once.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InviteLink {
        /// Everything else of the invite follows from it.
        pub secret: Secret,
        /// Whose signature the invite record must carry.
        pub inviter: EndpointId,
        /// Hour since 1970 from which it is over.
        pub expires_hour: u32,
    }
}

impl fmt::Debug for InviteLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteLink(..)")
    }
}

impl InviteLink {
    /// base64url without padding of version 1, secret 32, inviter 32, expiry 4, checksum 4.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut bytes = alloc::vec![LINK_VERSION];
        self.encode(&mut bytes);
        let check = hash(&[LINK_DOMAIN, &bytes]);
        bytes.extend_from_slice(&check[..CHECKSUM]);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// `None` when the text was cut off, changed, or is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LINK_TEXT {
            return None;
        }
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (body, check) = bytes.split_last_chunk::<CHECKSUM>()?;
        if hash(&[LINK_DOMAIN, body])[..CHECKSUM] != *check {
            return None;
        }
        let (version, body) = body.split_first()?;
        (*version == LINK_VERSION).then(|| Self::from_bytes(body).ok()).flatten()
    }

    /// When it is over.
    #[must_use]
    pub fn expires(&self) -> UnixMillis {
        UnixMillis(u64::from(self.expires_hour) * HOUR_MS)
    }

    /// True when it is over.
    #[must_use]
    pub fn expired(&self, now: UnixMillis) -> bool {
        now >= self.expires()
    }

    /// The mailbox in which the record, the request and the welcome are left; it has no weeks.
    #[must_use]
    pub fn mailbox(&self) -> MailboxKeys {
        MailboxKeys::derive(&derive(Context::InviteRouting, &[&self.secret.0]), 0, 0)
    }

    /// Opens the packets of that mailbox.
    #[must_use]
    pub fn content_key(&self) -> ContentKey {
        content_key(Context::InviteRecord, &[&self.secret.0])
    }

    /// The invite's name in membership operations.
    #[must_use]
    pub fn id(&self) -> [u8; 32] {
        derive(Context::InviteId, &[&self.secret.0]).0
    }
}

crate::wire_struct! {
    /// What an admin keeps of an invite it gave, until it is used or over.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Invite {
        pub uid: TopicUid,
        pub link: InviteLink,
        /// Seed of the X-Wing key requests are sealed to.
        pub kem_seed: Secret,
    }
}

crate::wire_struct! {
    /// What an invite leads to, left in its mailbox by the inviter.
    #[derive(Clone, PartialEq, Eq)]
    pub struct InviteRecord {
        pub uid: TopicUid,
        pub kind: TopicKind,
        pub title: Name,
        /// The inviting device.
        pub cert: DeviceCert,
        pub name: Name,
        /// Requests are sealed to this X-Wing key.
        pub kem: [u8; kem::PUBLIC],
        pub invite: [u8; 32],
        pub expires_hour: u32,
        /// By the inviting device.
        pub signature: [u8; SIGNATURE],
    }
}

impl fmt::Debug for InviteRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InviteRecord({:?})", self.uid)
    }
}

impl InviteRecord {
    pub(super) fn signed(mut self, me: &DeviceSecrets) -> Self {
        self.signature = me.device().sign(&signed_bytes(RECORD_DOMAIN, &self, SIGNATURE));
        self
    }

    /// True when the identity in `link` says so, for exactly this link.
    #[must_use]
    pub fn verify(&self, link: &InviteLink) -> bool {
        self.invite == link.id()
            && self.expires_hour == link.expires_hour
            && self.cert.identity == link.inviter
            && self.cert.verify()
            && sign::verify(
                &self.cert.device.0,
                &signed_bytes(RECORD_DOMAIN, self, SIGNATURE),
                &self.signature,
            )
    }
}

crate::wire_struct! {
    /// Who asks to be let in. Travels sealed, in a [`SealedRequest`].
    #[derive(Clone, PartialEq, Eq)]
    pub struct JoinRequest {
        pub cert: DeviceCert,
        pub name: Name,
        pub nonce: [u8; 16],
        /// By a key from the invite secret: the asker has the link.
        pub mac: [u8; 32],
        /// By the asking device, over the same and the invite's id: nobody asks in another's name.
        pub signature: [u8; SIGNATURE],
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinRequest(..)")
    }
}

impl JoinRequest {
    fn mac(&self, link: &InviteLink, invite_kem: &[u8; 32]) -> [u8; 32] {
        let covered = signed_bytes(b"", self, SIGNATURE + 32);
        derive(Context::InviteMac, &[&link.secret.0, invite_kem, &covered]).0
    }

    fn covered(&self, link: &InviteLink) -> Vec<u8> {
        let domain = [REQUEST_DOMAIN, &link.id()].concat();
        signed_bytes(&domain, self, SIGNATURE)
    }

    fn holds(&self, link: &InviteLink, invite_kem: &[u8; 32]) -> bool {
        bool::from(self.mac(link, invite_kem).ct_eq(&self.mac))
            && self.cert.verify()
            && self.cert.can_receive()
            && sign::verify(&self.cert.device.0, &self.covered(link), &self.signature)
    }
}

/// Longest sealed request, bytes: certificate, name and what surrounds them.
const MAX_REQUEST: usize = 2048;

crate::wire_struct! {
    /// A join request, readable by the holder of the invite's X-Wing key alone.
    #[derive(Clone, PartialEq, Eq)]
    pub struct SealedRequest {
        pub ciphertext: [u8; kem::CIPHERTEXT],
        pub sealed: Bytes<MAX_REQUEST>,
    }
}

impl fmt::Debug for SealedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedRequest(..)")
    }
}

/// Key for what is sealed to an X-Wing key; `label` is 8 bytes and says what it is.
pub(super) fn sealing_key(shared: &Secret, label: &[u8; 8], bound: &[u8; 32]) -> Secret {
    derive(Context::Sealed, &[&shared.0, label, bound])
}

impl SealedRequest {
    /// Asks to be let in. `None` when the record's X-Wing key is none.
    #[must_use]
    pub fn new(
        rng: &mut Rng,
        me: &DeviceSecrets,
        link: &InviteLink,
        record: &InviteRecord,
        name: Name,
    ) -> Option<Self> {
        let (cert, nonce) = (me.cert().clone(), rng.array());
        let mut request = JoinRequest { cert, name, nonce, mac: [0; 32], signature: [0; SIGNATURE] };
        request.mac = request.mac(link, &hash(&[&record.kem]));
        request.signature = me.device().sign(&request.covered(link));
        let (ciphertext, shared) = kem::encapsulate(&record.kem, rng)?;
        let key = sealing_key(&shared, b"request\0", &link.id());
        let sealed = aead::seal(&key, &[0; aead::NONCE], &[], &request.to_bytes());
        Some(Self { ciphertext, sealed: Bytes::new(sealed)? })
    }

    /// BLAKE3 of the sealed bytes: what the answer is bound to.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&[&self.to_bytes()])
    }

    /// The request, when it opens with the invite's key and proves what it must.
    #[must_use]
    pub fn open(&self, invite: &Invite) -> Option<JoinRequest> {
        let secret = kem::SecretKey::from_seed(invite.kem_seed.clone());
        let key = sealing_key(&secret.decapsulate(&self.ciphertext)?, b"request\0", &invite.link.id());
        let plain = aead::open(&key, &[0; aead::NONCE], &[], &self.sealed).ok()?;
        let request = JoinRequest::from_bytes(&plain).ok()?;
        request.holds(&invite.link, &hash(&[&secret.public()])).then_some(request)
    }
}

crate::wire_enum! {
    /// Why a request was turned down.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Denial {
        /// The invite's time was over.
        Expired = 1,
        /// It was spent on another request, or taken back.
        Used = 2,
        /// There is no room for one more.
        Full = 3,
        /// The identity is a member already.
        Member = 4,
    }
}

crate::wire_struct! {
    /// The inviter's no.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Denied {
        /// Hash of the sealed request; the invite's id for all requests, when it was taken back.
        pub request: [u8; 32],
        pub why: Denial,
        /// By the inviting device.
        pub signature: [u8; SIGNATURE],
    }
}

impl Denied {
    /// Signs a no.
    #[must_use]
    pub fn new(me: &DeviceSecrets, request: [u8; 32], why: Denial) -> Self {
        let mut denied = Self { request, why, signature: [0; SIGNATURE] };
        denied.signature = me.device().sign(&signed_bytes(DENIED_DOMAIN, &denied, SIGNATURE));
        denied
    }

    /// True when the device of `record` said so.
    #[must_use]
    pub fn verify(&self, record: &InviteRecord) -> bool {
        self.said_by(&record.cert)
    }

    /// True when this device said so.
    #[must_use]
    pub fn said_by(&self, cert: &DeviceCert) -> bool {
        let bytes = signed_bytes(DENIED_DOMAIN, self, SIGNATURE);
        sign::verify(&cert.device.0, &bytes, &self.signature)
    }
}

crate::wire_enum! {
    /// Content of a packet in a rendezvous mailbox.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum RendezvousObject {
        Record = 1 { record: Box<InviteRecord> },
        Request = 2 { request: Box<SealedRequest> },
        Welcome = 3 { part: WelcomePart },
        Denied = 4 { denied: Denied },
    }
}

/// A request by `me` with somebody else's certificate, right in everything but the device's signature.
#[cfg(test)]
pub(super) fn forge_request(
    me: &DeviceSecrets,
    cert: &DeviceCert,
    link: &InviteLink,
    record: &InviteRecord,
) -> SealedRequest {
    let mut rng = Rng::new([77; 32]);
    let (cert, name) = (cert.clone(), Name::default());
    let mut request = JoinRequest { cert, name, nonce: [1; 16], mac: [0; 32], signature: [0; SIGNATURE] };
    request.mac = request.mac(link, &hash(&[&record.kem]));
    request.signature = me.device().sign(&request.covered(link));
    let (ciphertext, shared) = kem::encapsulate(&record.kem, &mut rng).expect("a key");
    let key = sealing_key(&shared, b"request\0", &link.id());
    let sealed = Bytes::new(aead::seal(&key, &[0; aead::NONCE], &[], &request.to_bytes()));
    SealedRequest { ciphertext, sealed: sealed.expect("short") }
}
