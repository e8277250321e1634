//! The packet: any bytes are refused or read, and nothing opens that its author did not seal.

use harbor_proto::crypto::{Secret, sign};
use harbor_proto::mailbox::{Admission, check_pass};
use harbor_proto::packet::{ContentKey, Draft, Header, Kind, MailboxKeys, Packet};
use std::sync::OnceLock;

struct Fixture {
    keys: MailboxKeys,
    write: sign::PublicKey,
    content: ContentKey,
    /// Good packets of three sizes.
    good: Vec<Vec<u8>>,
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let keys = MailboxKeys::derive(&Secret([1; 32]), 7, 1);
        let content = ContentKey { key: Secret([2; 32]), commitment: [3; 16] };
        let write = sign::PublicKey::from_bytes(&keys.opening().write_key).expect("a derived key");
        let seal = |len: usize| {
            let header = Header { epoch: [4; 8], leaf: 5, counter: 6, commitment: [0; 16] };
            let (expiry_hour, delete_hash, nonce) = (497_010, [7; 32], [8; 24]);
            let text = vec![9; len];
            let key = &content;
            let mailbox = &keys;
            let kind = Kind::Message;
            Draft { mailbox, kind, expiry_hour, delete_hash, header, key, nonce, content: &text }
                .seal()
                .expect("fits")
        };
        let good = [0, 1000, 5000].map(seal).to_vec();
        Fixture { keys, write, content, good }
    })
}

fn read(bytes: &[u8], keys: &Fixture) -> Option<Vec<u8>> {
    let packet = Packet::parse(bytes)?;
    assert_eq!(packet.bytes(), bytes);
    let _ = (packet.id(), packet.stamp().holds(&packet.id()), packet.delete_hash());
    let header = packet.open_header(keys.keys.header_key());
    let opened = header.and_then(|header| packet.open_content(&header, &keys.content));
    opened.ok().filter(|_| packet.signed_by(&keys.write))
}

/// As it is; and as a list of changes (place u16, xor u8) to a good packet.
pub fn run(input: &[u8]) {
    let fixture = fixture();
    assert_eq!(read(input, fixture), None, "nobody guesses keys");
    let rules = Admission { hour: 497_000, bits: 0, max_ttl_hours: 720 };
    let _ = rules.check(input, &fixture.keys.id());
    let _ = check_pass(input, &fixture.keys.id());

    let Some((&which, changes)) = input.split_first() else { return };
    let good = &fixture.good[usize::from(which) % fixture.good.len()];
    let mut bytes = good.clone();
    for change in changes.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % bytes.len();
        bytes[at] ^= change[2];
    }
    // The stamp (72–87) may be changed by anybody, as long as its padding stays.
    let same = bytes[..72] == good[..72] && bytes[88..] == good[88..] && bytes[85..88] == [0; 3];
    assert_eq!(read(&bytes, fixture).is_some(), same, "opens if and only if nothing was changed");
    if let Ok(admitted) = rules.check(&bytes, &fixture.keys.id()) {
        assert_eq!(admitted.packet.bytes(), bytes);
        assert_eq!(admitted.packet.signed_by(&fixture.write), same);
    }
}
