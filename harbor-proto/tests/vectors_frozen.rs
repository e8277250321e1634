//! Our own bytes, frozen: keys, mailboxes, packets, frames, records. A codec that changed on both ends passes
//! every round trip; it does not pass here. `check.test.mjs` recomputes the same files in JavaScript from
//! independent implementations.

#[path = "vectors/frozen.rs"]
mod frozen;

use frozen::{frozen, hex, ramp};
use harbor_proto::crypto::kdf::{Context, STAMP_KEY, derive, derive_into};
use harbor_proto::crypto::rng::Rng;
use harbor_proto::crypto::{Secret, hash, kem, sign};
use harbor_proto::id::{EndpointId, HarborId, PacketId};
use harbor_proto::packet::{
    ContentKey, Draft, Header, Kind, MAX_CONTENT, MailboxKeys, Packet, day, harbor_id, set_stamp, week,
};
use harbor_proto::time::UnixMillis;
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Arrival, Cursor, Refusal, Tail, ToClient, ToNode, Verb, proof_bytes};
use harbor_proto::work::{Solver, Stamp};
use serde_json::{Value, json};

#[test]
fn every_kdf_context() {
    let contexts: Vec<Value> = Context::ALL
        .iter()
        .map(|&c| {
            let mut long = [0; 80];
            derive_into(c, &[&ramp::<32>(1), b"parts"], &mut long);
            assert_eq!(derive(c, &[&ramp::<32>(1), b"parts"]).0, long[..32]);
            json!({ "context": c.text(), "input": hex([&ramp::<32>(1)[..], b"parts"].concat()), "output": hex(long) })
        })
        .collect();
    let mut rng = Rng::new(ramp(7));
    let drawn: Vec<String> = (0..3).map(|_| hex(rng.array::<48>())).collect();
    frozen!("kdf", json!({ "contexts": contexts, "rng": { "seed": hex(ramp::<32>(7)), "draws": drawn } }));
}

#[test]
fn contexts_are_all_different() {
    let mut texts: Vec<&str> = Context::ALL.iter().map(|c| c.text()).collect();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), Context::ALL.len());
}

#[test]
fn mailboxes_and_their_openings() {
    let places = [(0u32, 0u8), (0, 1), (2950, 1), (2950, 8), (20_000, 9), (u32::MAX, 255)];
    let mailboxes: Vec<Value> =
        places.iter().map(|&(period, lane)| mailbox(&ramp(3), period, lane)).collect();
    let at = [0, 1_700_000_000_000, 1_795_000_000_123, 4_102_444_800_000].map(UnixMillis);
    let weeks: Vec<Value> = [ramp::<32>(3), [0xff; 32]]
        .iter()
        .flat_map(|rs| {
            at.map(|t| json!({ "rs": hex(rs), "unix_ms": t.0, "week": week(&Secret(*rs), t), "day": day(t) }))
        })
        .collect();
    frozen!("mailbox", json!({ "mailboxes": mailboxes, "periods": weeks }));
}

fn mailbox(rs: &[u8; 32], period: u32, lane: u8) -> Value {
    let keys = MailboxKeys::derive(&Secret(*rs), period, lane);
    let opening = keys.opening();
    assert_eq!(harbor_id(&opening), keys.id());
    let (node, challenge) = (EndpointId(ramp(0x20)), ramp(0x40));
    let proofs: Vec<Value> = [Verb::Pass, Verb::Watch, Verb::Pull]
        .into_iter()
        .map(|verb| {
            let after = Cursor { log: ramp(0x60), seq: 0x0102_0304_0506_0708 };
            let proof = keys.prove(&node, &challenge, verb, &after);
            json!({
                "verb": verb as u8, "after": hex(after.to_bytes()),
                "signed": hex(proof_bytes(&node, &challenge, &keys.id(), verb, &after)), "proof": hex(proof),
            })
        })
        .collect();
    json!({
        "rs": hex(rs), "period": period, "lane": lane,
        "harbor_id": hex(keys.id().0), "opening": hex(opening.to_bytes()),
        "header_key": hex(keys.header_key().0), "write_secret": hex(keys.write_key().secret().0),
        "node": hex(node.0), "challenge": hex(challenge), "proofs": proofs,
    })
}

/// One packet of every size and kind. The large ones by hash; their content is a ramp from 0.
#[test]
fn a_sealed_packet_of_every_size() {
    let lengths = [(0, Kind::Message), (780, Kind::Control), (781, Kind::Signal), (4000, Kind::Rendezvous)];
    let packets: Vec<Value> = lengths
        .into_iter()
        .chain([(MAX_CONTENT, Kind::Message)])
        .map(|(len, kind)| packet(len, kind))
        .collect();
    frozen!("packet", json!({ "packets": packets }));
}

fn packet(len: usize, kind: Kind) -> Value {
    let mailbox = MailboxKeys::derive(&Secret(ramp(3)), 2950, 1);
    let header = Header { epoch: ramp(0x11), leaf: 0x0203, counter: 0x0405_0607, commitment: [0; 16] };
    let key = ContentKey { key: Secret(ramp(0x80)), commitment: ramp(0xa0) };
    let content: Vec<u8> = (0..len).map(|i| u8::try_from(i % 256).expect("below 256")).collect();
    let draft = Draft {
        mailbox: &mailbox,
        kind,
        expiry_hour: 500_336,
        delete_hash: ramp(0xc0),
        header,
        key: &key,
        nonce: ramp(0xd0),
        content: &content,
    };
    let mut bytes = draft.seal().expect("fits");
    set_stamp(&mut bytes, Stamp { nonce: 0x1122_3344_5566_7788, hour: 500_000, bits: 18 });
    let parsed = Packet::parse(&bytes).expect("just sealed");
    let opened = parsed.open_header(mailbox.header_key()).expect("own key");
    assert_eq!(parsed.open_content(&opened, &key).expect("own key"), content);
    let mut value = json!({
        "mailbox": { "rs": hex(ramp::<32>(3)), "period": 2950, "lane": 1 },
        "kind": kind as u8, "expiry_hour": 500_336, "delete_hash": hex(ramp::<32>(0xc0)),
        "header": { "epoch": hex(header.epoch), "leaf": header.leaf, "counter": header.counter,
                    "commitment": hex(key.commitment) },
        "key": hex(key.key.0), "nonce": hex(ramp::<24>(0xd0)), "content_len": len,
        "stamp": { "nonce": "1122334455667788", "hour": 500_000, "bits": 18 },
        "len": bytes.len(), "packet_id": hex(parsed.id().0), "blake3": hex(hash(&[&bytes])),
    });
    if bytes.len() == 1024 {
        value["bytes"] = hex(&bytes).into();
    }
    value
}

#[test]
fn work_stamps() {
    let stamps: Vec<Value> = [(1u8, 0u8), (2, 8), (3, 14)]
        .into_iter()
        .map(|(from, bits)| {
            let packet = PacketId(ramp(from));
            let nonce =
                Solver::new(&packet, 500_000, bits).step(1 << 20).expect("far more tries than needed");
            let stamp = Stamp { nonce, hour: 500_000, bits };
            assert!(stamp.holds(&packet));
            json!({ "packet_id": hex(packet.0), "bytes": hex(stamp.to_bytes()), "bits": bits })
        })
        .collect();
    frozen!("stamp", json!({ "key": hex(STAMP_KEY), "stamps": stamps }));
}

#[test]
fn link_frames_of_every_variant() {
    let to_node: Vec<Value> = every_to_node().iter().map(frame).collect();
    let to_client: Vec<Value> = every_to_client().iter().map(frame).collect();
    frozen!("link", json!({ "to_node": to_node, "to_client": to_client }));
}

fn frame<T: Wire + core::fmt::Debug + PartialEq>(frame: &T) -> Value {
    let bytes = frame.to_bytes();
    assert_eq!(&T::from_bytes(&bytes).expect("own bytes"), frame);
    let text = format!("{frame:?}");
    let name = text.split([' ', '(', '{']).next().unwrap_or_default();
    json!({ "frame": name, "bytes": hex(bytes) })
}

fn every_to_node() -> Vec<ToNode> {
    let mailbox = HarborId(ramp(0x30));
    let keys = MailboxKeys::derive(&Secret(ramp(3)), 2950, 1);
    let after = Cursor { log: ramp(0x60), seq: 0x0102_0304_0506_0708 };
    let (slot, req, packet) = (0x0a0b, 0x0c0d_0e0f, Tail(ramp::<9>(0xf0).to_vec()));
    let all = vec![
        ToNode::Open { slot, mailbox, opening: keys.opening(), write_proof: None },
        ToNode::Open { slot, mailbox, opening: keys.opening(), write_proof: Some(ramp(0x70)) },
        ToNode::Shut { slot },
        ToNode::Store { req, slot, packet: packet.clone() },
        ToNode::Pass { slot, packet },
        ToNode::Watch { slot, after, proof: ramp(0x71) },
        ToNode::Pull { req, slot, after, max: 0x0102, proof: ramp(0x72) },
        ToNode::Ping { token: 0xdead_beef },
    ];
    // A new variant must be added above; this match is what tells.
    for frame in &all {
        match frame {
            ToNode::Open { .. } | ToNode::Shut { .. } | ToNode::Store { .. } | ToNode::Pass { .. } => {}
            ToNode::Watch { .. } | ToNode::Pull { .. } | ToNode::Ping { .. } => {}
        }
    }
    all
}

fn every_to_client() -> Vec<ToClient> {
    let cursor = Cursor { log: ramp(0x60), seq: 0x0102_0304_0506_0708 };
    let (slot, req, packet) = (0x0a0b, 0x0c0d_0e0f, Tail(ramp::<9>(0xf0).to_vec()));
    let welcome = ToClient::Welcome {
        version: 1,
        node: EndpointId(ramp(0x20)),
        challenge: ramp(0x40),
        log: ramp(0x60),
        hour: 500_000,
        store_bits: 18,
    };
    let arrivals = [Arrival::Backlog, Arrival::Stored, Arrival::Passed];
    let items = arrivals.map(|arrival| ToClient::Item { slot, arrival, cursor: 77, packet: packet.clone() });
    let mut all = vec![welcome, ToClient::Stored { req }];
    all.extend(every_refusal().map(|why| ToClient::Refused { req, why }));
    all.push(ToClient::SlotRefused { slot, why: Refusal::BadOpening });
    all.extend(items);
    all.extend([
        ToClient::Watching { slot, cursor },
        ToClient::Lagged { slot },
        ToClient::PullItem { req, cursor: 78, packet },
        ToClient::PullEnd { req, cursor, more: true },
        ToClient::PullEnd { req, cursor, more: false },
        ToClient::Pong { token: 0xdead_beef },
        ToClient::Bye { after_ms: 1500 },
    ]);
    for frame in &all {
        match frame {
            ToClient::Welcome { .. } | ToClient::Stored { .. } | ToClient::Refused { .. } => {}
            ToClient::SlotRefused { .. } | ToClient::Item { .. } | ToClient::Watching { .. } => {}
            ToClient::Lagged { .. } | ToClient::PullItem { .. } | ToClient::PullEnd { .. } => {}
            ToClient::Pong { .. } | ToClient::Bye { .. } => {}
        }
    }
    all
}

fn every_refusal() -> [Refusal; 14] {
    let all = [
        Refusal::Malformed,
        Refusal::BadOpening,
        Refusal::BadSignature,
        Refusal::StampMissing { bits: 20 },
        Refusal::StampStale { hour: 500_001 },
        Refusal::BadExpiry,
        Refusal::TooLarge,
        Refusal::BadProof,
        Refusal::Full,
        Refusal::NodeFull,
        Refusal::RateLimited { after_ms: 1500 },
        Refusal::BadSlot,
        Refusal::TooMany,
        Refusal::Unavailable,
    ];
    assert!(all.iter().enumerate().all(|(i, why)| why.index() == i), "in order and complete");
    all
}

#[test]
fn keys_and_signatures() {
    let pair = sign::Keypair::from_secret(&derive(Context::Identity, &[&ramp::<32>(9)]));
    let secret = kem::SecretKey::from_seed(Secret(ramp(0x31)));
    let (ciphertext, shared) = kem::encapsulate(&secret.public(), &mut Rng::new(ramp(0x51))).expect("a key");
    assert_eq!(secret.decapsulate(&ciphertext), Some(shared.clone()));
    let messages: Vec<Value> = ["", "harbor.v1 message"]
        .iter()
        .map(|m| json!({ "message": hex(m), "signature": hex(pair.sign(m.as_bytes())) }))
        .collect();
    frozen!(
        "keys",
        json!({
            "identity": { "seed": hex(ramp::<32>(9)), "secret": hex(pair.secret().0), "endpoint_id": hex(pair.public()),
                          "node_id": hex(hash(&[&pair.public()])), "signatures": messages },
            "xwing": { "seed": hex(ramp::<32>(0x31)), "public_blake3": hex(hash(&[&secret.public()])),
                       "rng_seed": hex(ramp::<32>(0x51)), "ciphertext": hex(ciphertext), "shared": hex(shared.0) },
        })
    );
}
