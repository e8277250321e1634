//! How a packet lies in its row.

use harbor_proto::id::{HarborId, PacketId};
use harbor_proto::packet::Packet;

/// HarborID and expiry, bytes 4–39 of a packet (docs/spec/packet.md §1), have columns of their own. Leaving
/// them out of the body lets four packets of 1 KiB share a 4 KiB page, where otherwise three would.
const OMITTED: std::ops::Range<usize> = 4..40;

/// Bytes that [`strip`] takes away.
pub(super) const OMITTED_LEN: u64 = (OMITTED.end - OMITTED.start) as u64;

/// The body to keep for `packet`.
pub(super) fn strip(packet: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(packet.len() - OMITTED.len());
    body.extend_from_slice(&packet[..OMITTED.start]);
    body.extend_from_slice(&packet[OMITTED.end..]);
    body
}

/// The packet that [`strip`] was given; `None` when the row was damaged.
pub(super) fn restore(body: &[u8], mailbox: &HarborId, expiry: i64) -> Option<Vec<u8>> {
    let (head, rest) = body.split_at_checked(OMITTED.start)?;
    let mut packet = Vec::with_capacity(body.len() + OMITTED.len());
    packet.extend_from_slice(head);
    packet.extend_from_slice(&mailbox.0);
    packet.extend_from_slice(&u32::try_from(expiry).ok()?.to_be_bytes());
    packet.extend_from_slice(rest);
    Some(packet)
}

/// The first 8 bytes of a PacketID as SQLite keeps them.
pub(super) fn tag(id: &PacketId) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id.0[..8]);
    i64::from_be_bytes(first)
}

/// True when the row is the packet called `id`, not merely one whose name begins alike.
pub(super) fn is(id: &PacketId, body: &[u8], mailbox: &HarborId, expiry: i64) -> bool {
    restore(body, mailbox, expiry)
        .and_then(|packet| Packet::parse(&packet).map(|packet| packet.id()))
        .is_some_and(|found| found == *id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_comes_back_whole() {
        let mut packet: Vec<u8> = (0..1024u32).map(|i| (i % 251) as u8).collect();
        packet[36..40].copy_from_slice(&500_000u32.to_be_bytes());
        let mut mailbox = HarborId([0; 32]);
        mailbox.0.copy_from_slice(&packet[4..36]);
        let body = strip(&packet);
        assert_eq!(body.len() as u64 + OMITTED_LEN, packet.len() as u64);
        assert_eq!(restore(&body, &mailbox, 500_000), Some(packet));
        assert_eq!(restore(&[1, 2], &mailbox, 500_000), None);
    }
}
