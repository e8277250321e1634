//! The bytes of identities, topics, epochs and invites, frozen. `topics.test.mjs` reads the same file in
//! JavaScript: it verifies every signature, opens the boxes, the request and the welcome, and derives the keys.

#[path = "vectors/frozen.rs"]
mod frozen;

use frozen::{frozen, hex, ramp};
use harbor_proto::crypto::rng::Rng;
use harbor_proto::crypto::{Secret, hash};
use harbor_proto::id::{DeviceId, EndpointId, MessageId};
use harbor_proto::identity::{DeviceSecrets, safety_number};
use harbor_proto::limits::DAY_MS;
use harbor_proto::packet::ContentKey;
use harbor_proto::time::UnixMillis;
use harbor_proto::topic::admission::{Admitted, Minted};
use harbor_proto::topic::control::{ControlObject, control_key, signal_key};
use harbor_proto::topic::invite::{Denial, RendezvousObject};
use harbor_proto::topic::ops::{Cut, OpBody, SignedOp};
use harbor_proto::topic::ratchet::Chain;
use harbor_proto::topic::welcome::{Joining, Pieces, SeqHead};
use harbor_proto::topic::{Name, Role, TopicKind, TopicLog};
use harbor_proto::wire::{List, Range, Wire};
use serde_json::{Value, json};

const NOW: UnixMillis = UnixMillis(1_795_000_000_000);

fn name(text: &str) -> Name {
    Name::new(text).expect("short")
}

fn device(from: u8) -> DeviceSecrets {
    DeviceSecrets::generate(&mut Rng::new(ramp(from)), NOW)
}

fn shown_device(me: &DeviceSecrets) -> Value {
    json!({
        "seed": hex(me.seed().0), "device_secret": hex(me.device().secret().0), "kem_seed": hex(me.kem().seed().0),
        "at_rest": hex(me.to_bytes()), "cert": hex(me.cert().to_bytes()),
    })
}

fn shown_key(key: &ContentKey) -> Value {
    json!({ "key": hex(key.key.0), "commitment": hex(key.commitment) })
}

#[test]
fn identities() {
    let (a, b) = (EndpointId(ramp(1)), EndpointId(ramp(200)));
    let safety: Vec<Value> = [(a, b), (b, a), (a, a)]
        .iter()
        .map(|(a, b)| json!({ "a": hex(a.0), "b": hex(b.0), "digits": safety_number(a, b) }))
        .collect();
    let devices: Vec<Value> = [1, 2].iter().map(|n| shown_device(&device(*n))).collect();
    frozen!("identity", json!({ "devices": devices, "safety": safety }));
}

#[test]
fn chains() {
    let (es, leaf) = (Secret(ramp(9)), DeviceId(ramp(77)));
    let mut chain = Chain::new(&es, &leaf);
    let places: Vec<Value> = (0..4)
        .map(|at| {
            let (counter, key) = chain.take_next().expect("far from the end");
            assert_eq!(counter, at);
            let (key, token) = key.expand();
            json!({ "counter": counter, "key": shown_key(&key), "token": hex(token) })
        })
        .collect();
    let rs = Secret(ramp(30));
    frozen!(
        "chain",
        json!({
            "es": hex(es.0), "leaf": hex(leaf.0), "places": places, "at_rest": hex(chain.to_bytes()),
            "rs": hex(rs.0), "control": shown_key(&control_key(&rs)),
            "day": 20_775, "signal": shown_key(&signal_key(&rs, 20_775)),
        })
    );
}

/// A room of two, made by an invite: every object on the way, and what both can send with.
#[test]
fn a_topic_from_create_to_welcome() {
    let (admin, guest) = (device(1), device(2));
    let mut rng = Rng::new(ramp(3));
    let mut log = TopicLog::create(&mut rng, &admin, TopicKind::Room, name("Rosas ñ"), name("Ana"), NOW);
    let minted = log.mint_invite(&mut rng, &admin, NOW.plus(7 * DAY_MS), NOW).expect("an admin");
    let RendezvousObject::Record { record } = minted.record.clone() else { panic!("a record") };
    let joining = Joining::new(&mut rng, &guest, minted.invite.link.clone(), *record, name("Bo"))
        .expect("a good record");
    let heard = List::first([Range { lo: 1, hi: 7 }]);
    let head = SeqHead { device: admin.device_id(), seq: 7, id: MessageId(ramp(90)), heard };
    let admitted = log
        .admit(&mut rng, &admin, &minted.invite, &joining.request, vec![head], NOW)
        .expect("a good request");
    let joined = join(&joining, &guest, &admitted);
    let sealed = log.seal_key(&admin).expect("an epoch");
    let opened = joined.open_key(&sealed.header()).expect("the same epoch");
    assert_eq!(opened.key.key, sealed.key.key);
    let ops: Vec<String> = log.dag().ops().map(|op| hex(op.to_bytes())).collect();
    let places = log.roster().leaves().iter().map(|leaf| hex(leaf.device.0));
    frozen!(
        "topic",
        json!({
            "uid": hex(log.uid().0), "ops": ops, "roster": places.collect::<Vec<_>>(),
            "roster_hash": hex(log.roster().hash()), "epoch": shown_epoch(&admitted),
            "invite": shown_invite(&minted), "request": hex(joining.request.to_bytes()),
            "request_hash": hex(joining.request.hash()),
            "welcome": admitted.welcome.iter().map(|part| hex(part.to_bytes())).collect::<Vec<_>>(),
            "denied": hex(TopicLog::deny(&admin, &joining.request, Denial::Used).to_bytes()),
            "sealed": {
                "rs": hex(sealed.rs.0), "leaf": sealed.leaf, "counter": sealed.counter,
                "key": shown_key(&sealed.key), "delete_token": hex(sealed.delete_token),
            },
        })
    );
}

/// What changes who a member is: made an admin, and taken out with a cut.
#[test]
fn roles_and_removal() {
    let (admin, guest) = (device(1), device(2));
    let mut rng = Rng::new(ramp(4));
    let mut log = TopicLog::create(&mut rng, &admin, TopicKind::Room, name("Rosas"), name("Ana"), NOW);
    let cert = Box::new(guest.cert().clone());
    let add = OpBody::Add { cert, name: name("Bo"), invite_use: None };
    let add = SignedOp::sign(&admin, log.dag().heads(), add);
    log.absorb(&admin, ControlObject::Op { op: Box::new(add) }, NOW);
    let who = guest.endpoint_id();
    log.set_role(&mut rng, &admin, &who, Role::Admin, NOW).expect("the owner may");
    let leaves = log.roster().leaves().iter().map(|leaf| {
        let (device, identity) = (hex(leaf.device.0), hex(leaf.identity.0));
        json!({ "device": device, "identity": identity, "role": leaf.role.to_bytes()[0], "joined": hex(leaf.joined.0) })
    });
    let (leaves, roster_hash) = (leaves.collect::<Vec<_>>(), log.roster().hash());
    let heard = List::first([Range { lo: 1, hi: 41 }, Range { lo: 44, hi: 44 }]);
    let cut = vec![Cut { device: guest.device_id(), heard }];
    log.remove(&mut rng, &admin, &who, cut, NOW).expect("the owner may");
    let ops: Vec<String> = log.dag().ops().map(|op| hex(op.to_bytes())).collect();
    frozen!("roles", json!({ "ops": ops, "leaves": leaves, "roster_hash": hex(roster_hash) }));
}

fn join(joining: &Joining, guest: &DeviceSecrets, admitted: &Admitted) -> TopicLog {
    let mut pieces = Pieces::default();
    let whole = admitted.welcome.iter().find_map(|object| match object {
        RendezvousObject::Welcome { part } => joining.collect(&mut pieces, part.clone()),
        other => panic!("{other:?}"),
    });
    joining.join(guest, &whole.expect("all parts"), NOW).expect("a sound welcome").log
}

fn shown_epoch(admitted: &Admitted) -> Value {
    let objects = admitted.control.iter().filter(|object| !matches!(object, ControlObject::Op { .. }));
    let shown: Vec<String> = objects.map(|object| hex(object.to_bytes())).collect();
    let [header, boxes] = &shown[..] else { panic!("a header and one pack of boxes") };
    json!({ "header": header, "boxes": boxes })
}

fn shown_invite(minted: &Minted) -> Value {
    let link = &minted.invite.link;
    json!({
        "secret": hex(link.secret.0), "text": link.to_text(), "id": hex(link.id()),
        "mailbox": hex(link.mailbox().id().0), "content_key": shown_key(&link.content_key()),
        "kem_seed": hex(minted.invite.kem_seed.0), "record": hex(minted.record.to_bytes()),
        "record_blake3": hex(hash(&[&minted.record.to_bytes()])),
    })
}
