//! The bytes of messages, signals and records at rest, frozen. `messages.test.mjs` reads them in JavaScript.

#[path = "vectors/frozen.rs"]
mod frozen;

use frozen::{frozen, hex, ramp};
use harbor_proto::at_rest;
use harbor_proto::crypto::Secret;
use harbor_proto::crypto::rng::Rng;
use harbor_proto::delivery::amend::ReplyBody;
use harbor_proto::delivery::{Binding, Change, Content, MessageType, Ranges, Receipt};
use harbor_proto::id::{DeviceId, EpochId, MessageId, TopicUid};
use harbor_proto::identity::DeviceSecrets;
use harbor_proto::peering::{Address, Body, Signal};
use harbor_proto::time::UnixMillis;
use harbor_proto::wire::{Bytes, List, Text, Wire};
use serde_json::json;

const MADE: UnixMillis = UnixMillis(1_795_000_000_123);

fn device(from: u8) -> DeviceSecrets {
    DeviceSecrets::generate(&mut Rng::new(ramp(from)), MADE)
}

#[test]
fn messages() {
    let author = device(0x41);
    let (topic, device, epoch) = (TopicUid(ramp(5)), author.device_id(), EpochId(ramp(6)));
    let binding = Binding { topic: &topic, device: &device, epoch: &epoch, leaf: 0x0102, counter: 0x0304 };
    let mut seqs = Ranges::default();
    seqs.insert(1, 7);
    seqs.insert(9, 9);
    let kinds = [
        (MessageType::Text, "hello", vec![], vec![]),
        (MessageType::Bytes, "\u{0}\u{1}", vec![MessageId(ramp(8)), MessageId(ramp(9))], vec![]),
        (MessageType::Receipt, "", vec![], vec![Receipt { device: DeviceId(ramp(10)), seqs }]),
    ];
    let target = MessageId(ramp(11));
    let edit = Change::Edit { body: Bytes::new(b"hello!".to_vec()).expect("short") };
    let react = Change::React { emoji: Text::new("👍").expect("short"), on: true };
    let reply = ReplyBody { to: target, text: true, body: Bytes::new(b"yes".to_vec()).expect("short") };
    let later = [edit.to_body(target), Change::Delete.to_body(target), react.to_body(target)];
    let reply = (MessageType::Reply, Bytes::new(reply.to_bytes()).expect("short"));
    let later = later.into_iter().chain([reply]).map(|(kind, body)| (kind, body.to_vec(), vec![], vec![]));
    let kinds =
        kinds.map(|(kind, body, parents, receipts)| (kind, body.as_bytes().to_vec(), parents, receipts));
    let messages: Vec<_> = kinds
        .into_iter()
        .chain(later)
        .map(|(kind, body, parents, receipts)| {
            let mut content = Content {
                kind,
                seq: 3,
                prev: MessageId(ramp(7)),
                parents: List::new(parents).expect("few"),
                clock: 0x0102_0304_0506_0708,
                body: Bytes::new(body).expect("short"),
                receipts: List::new(receipts).expect("few"),
                signature: [0; 64],
            };
            content.sign(&binding, author.device());
            assert!(content.verify(&binding));
            json!({ "kind": format!("{kind:?}"), "bytes": hex(content.to_bytes()),
                "id": hex(content.id(&topic, &device).0) })
        })
        .collect();
    frozen!(
        "message",
        json!({
            "topic": hex(topic.0), "device": hex(device.0), "device_secret": hex(author.device().secret().0),
            "epoch": hex(epoch.0), "leaf": 0x0102, "counter": 0x0304, "messages": messages,
        })
    );
}

#[test]
fn signals() {
    let from = device(1);
    let topic = TopicUid(ramp(5));
    let to = Address { device: DeviceId(ramp(0x50)), session: ramp(0x60) };
    let text = |t: &str| Text::new(t).expect("short");
    let bodies = [
        (None, Body::Announce { reply: false, direct: true }),
        (Some(to), Body::Offer { name: 7, sdp: Text::new("v=0").expect("short") }),
        (Some(to), Body::Answer { name: 7, sdp: Text::new("v=0").expect("short") }),
        (
            Some(to),
            Body::Candidate { name: 7, candidate: Text::new("candidate:1").expect("short"), mid: text("0") },
        ),
        (None, Body::App { bytes: Bytes::new(vec![1, 2, 3]).expect("short") }),
    ];
    let signals = bodies.map(|(to, body)| {
        let signal = Signal::new(from.device(), ramp(0x30), to, body, &topic, 20_775);
        assert!(signal.verify(&topic, 20_775));
        hex(signal.to_bytes())
    });
    frozen!(
        "signal",
        json!({
            "topic": hex(topic.0), "day": 20_775, "device": hex(from.device_id().0), "signals": signals,
        })
    );
}

#[test]
fn records_at_rest() {
    let database = Secret(ramp(0x21));
    let records = [(1u8, &b"me"[..], &b""[..]), (16, &[7; 48][..], &b"a line of history"[..])];
    let records = records.map(|(table, key, value)| {
        let sealed = at_rest::seal(&database, &ramp(0x99), table, key, value);
        assert_eq!(at_rest::open(&database, table, key, &sealed).as_deref(), Ok(value));
        json!({ "table": table, "key": hex(key), "value": hex(value), "sealed": hex(sealed) })
    });
    frozen!("at_rest", json!({ "database_key": hex(database.0), "records": records }));
}
