//! Real packets for real mailboxes.

use harbor_proto::crypto::Secret;
use harbor_proto::limits::DEFAULT_TTL_HOURS;
use harbor_proto::packet::{ContentKey, Draft, Header, Kind, MailboxKeys, Packet, set_stamp};
use harbor_proto::work::{Solver, Stamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// Hours since 1970.
pub fn hour() -> u32 {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    u32::try_from(secs / 3600).expect("before 491,000")
}

/// The `n`th mailbox of the test.
pub fn mailbox(n: u32) -> MailboxKeys {
    MailboxKeys::derive(&Secret([7; 32]), n, 1)
}

/// A sealed packet that no other number gives, with an empty stamp of this hour.
pub fn sealed(mailbox: &MailboxKeys, n: u64, content: &[u8], kind: Kind, expiry_hour: u32) -> Vec<u8> {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&n.to_be_bytes());
    let draft = Draft {
        mailbox,
        kind,
        expiry_hour,
        delete_hash: [1; 32],
        header: Header::default(),
        key: &ContentKey { key: Secret([2; 32]), commitment: [3; 16] },
        nonce,
        content,
    };
    let mut bytes = draft.seal().expect("it fits");
    set_stamp(&mut bytes, Stamp { nonce: 0, hour: hour(), bits: 0 });
    bytes
}

/// A message of 1 KiB.
pub fn message(mailbox: &MailboxKeys, n: u64) -> Vec<u8> {
    sealed(mailbox, n, &[9; 500], Kind::Message, hour() + DEFAULT_TTL_HOURS)
}

/// A signal of 1 KiB.
pub fn signal(mailbox: &MailboxKeys, n: u64) -> Vec<u8> {
    sealed(mailbox, n, &[9; 500], Kind::Signal, hour() + 1)
}

/// Pays for a packet.
pub fn stamp(packet: &mut [u8], hour: u32, bits: u8) {
    let id = Packet::parse(packet).expect("a packet").id();
    let nonce = Solver::new(&id, hour, bits).step(u32::MAX).expect("found");
    set_stamp(packet, Stamp { nonce, hour, bits });
}
