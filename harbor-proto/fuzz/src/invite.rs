//! Invite links as people paste them: cut off, changed, or something else.

use harbor_proto::crypto::Secret;
use harbor_proto::id::EndpointId;
use harbor_proto::topic::invite::{InviteLink, MAX_LINK_TEXT};

/// As text; and as 68 bytes of a link, then changes (place, character) to its text.
pub fn run(input: &[u8]) {
    if let Some(link) = core::str::from_utf8(input).ok().and_then(InviteLink::parse) {
        assert_eq!(link.to_text().as_bytes(), input, "one link, one text");
    }
    let mut bytes = [0; 68];
    let len = input.len().min(68);
    bytes[..len].copy_from_slice(&input[..len]);
    let (secret, rest) = bytes.split_first_chunk::<32>().expect("68 bytes");
    let (inviter, hours) = rest.split_first_chunk::<32>().expect("36 bytes");
    let expires_hour = u32::from_be_bytes([hours[0], hours[1], hours[2], hours[3]]);
    let link = InviteLink { secret: Secret(*secret), inviter: EndpointId(*inviter), expires_hour };
    let text = link.to_text();
    assert!(text.len() <= MAX_LINK_TEXT);
    assert!(InviteLink::parse(&text).as_ref() == Some(&link));
    let mut changed = text.clone().into_bytes();
    for change in input[len..].chunks_exact(2) {
        let at = usize::from(change[0]) % changed.len();
        changed[at] = change[1];
    }
    if let Some(other) = core::str::from_utf8(&changed).ok().and_then(InviteLink::parse) {
        assert!(changed == text.as_bytes() && other == link, "a changed link is noticed");
    }
}
