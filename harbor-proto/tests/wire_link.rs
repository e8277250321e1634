//! Frames between client and node: one value has one byte form, and every shorter or longer input is refused.
//! Values come from a seeded generator; `WIRE_SEED` chooses others.
#![cfg(not(target_arch = "wasm32"))]

use harbor_proto::crypto::rng::Rng;
use harbor_proto::id::{EndpointId, HarborId};
use harbor_proto::wire::link::{Arrival, Cursor, Opening, Refusal, Tail, ToClient, ToNode};
use harbor_proto::wire::{Bytes, DecodeError, List, Text, Wire};
use std::fmt::Debug;

const VALUES: usize = 2000;

fn rng() -> Rng {
    let seed = std::env::var("WIRE_SEED").map_or(0, |seed| seed.parse::<u8>().expect("below 256"));
    Rng::new([seed; 32])
}

fn signature(rng: &mut Rng) -> [u8; 64] {
    rng.array()
}

fn u32_of(rng: &mut Rng) -> u32 {
    // Small, huge and in between alike.
    u32::from_be_bytes(rng.array()) >> rng.below(32)
}

fn u16_of(rng: &mut Rng) -> u16 {
    u16::from_be_bytes(rng.array()) >> rng.below(16)
}

fn cursor(rng: &mut Rng) -> Cursor {
    Cursor { log: rng.array(), seq: u64::from_be_bytes(rng.array()) >> rng.below(64) }
}

fn tail(rng: &mut Rng) -> Tail {
    let mut packet = vec![0; usize::try_from(rng.below(200)).unwrap()];
    rng.fill(&mut packet);
    Tail(packet)
}

fn refusal(rng: &mut Rng) -> Refusal {
    match rng.below(14) {
        0 => Refusal::Malformed,
        1 => Refusal::BadOpening,
        2 => Refusal::BadSignature,
        3 => Refusal::StampMissing { bits: rng.array::<1>()[0] },
        4 => Refusal::StampStale { hour: u32_of(rng) },
        5 => Refusal::BadExpiry,
        6 => Refusal::TooLarge,
        7 => Refusal::BadProof,
        8 => Refusal::Full,
        9 => Refusal::NodeFull,
        10 => Refusal::RateLimited { after_ms: u32_of(rng) },
        11 => Refusal::BadSlot,
        12 => Refusal::TooMany,
        _ => Refusal::Unavailable,
    }
}

fn to_node(rng: &mut Rng) -> ToNode {
    let (slot, req) = (u16_of(rng), u32_of(rng));
    match rng.below(7) {
        0 => ToNode::Open {
            slot,
            mailbox: HarborId(rng.array()),
            opening: Opening { write_key: rng.array(), read_key: rng.array(), tail_cv: rng.array() },
            write_proof: (rng.below(2) == 0).then(|| signature(rng)),
        },
        1 => ToNode::Shut { slot },
        2 => ToNode::Store { req, slot, packet: tail(rng) },
        3 => ToNode::Pass { slot, packet: tail(rng) },
        4 => ToNode::Watch { slot, after: cursor(rng), proof: signature(rng) },
        5 => ToNode::Pull { req, slot, after: cursor(rng), max: u16_of(rng), proof: signature(rng) },
        _ => ToNode::Ping { token: req },
    }
}

fn to_client(rng: &mut Rng) -> ToClient {
    let (slot, req) = (u16_of(rng), u32_of(rng));
    match rng.below(11) {
        0 => ToClient::Welcome {
            version: rng.array::<1>()[0],
            node: EndpointId(rng.array()),
            challenge: rng.array(),
            log: rng.array(),
            hour: u32_of(rng),
            store_bits: rng.array::<1>()[0],
        },
        1 => ToClient::Stored { req },
        2 => ToClient::Refused { req, why: refusal(rng) },
        3 => ToClient::SlotRefused { slot, why: refusal(rng) },
        4 => {
            let arrival = [Arrival::Backlog, Arrival::Stored, Arrival::Passed];
            let arrival = arrival[usize::try_from(rng.below(3)).unwrap()];
            ToClient::Item { slot, arrival, cursor: cursor(rng).seq, packet: tail(rng) }
        }
        5 => ToClient::Watching { slot, cursor: cursor(rng) },
        6 => ToClient::Lagged { slot },
        7 => ToClient::PullItem { req, cursor: cursor(rng).seq, packet: tail(rng) },
        8 => ToClient::PullEnd { req, cursor: cursor(rng), more: rng.below(2) == 0 },
        9 => ToClient::Pong { token: req },
        _ => ToClient::Bye { after_ms: req },
    }
}

/// `open_end`: how many bytes are left to the packet at the end of the frame, which has no length of its own.
fn check<T: Wire + PartialEq + Debug>(value: &T, open_end: Option<usize>, rng: &mut Rng) {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value));
    let closed = bytes.len() - open_end.unwrap_or(0);
    for len in 0..bytes.len() {
        let shorter = T::from_bytes(&bytes[..len]);
        if len < closed {
            assert!(matches!(shorter, Err(DecodeError::Short(_))), "{len} bytes of {value:?}");
        } else {
            assert_ne!(shorter.as_ref(), Ok(value));
        }
    }
    let mut longer = bytes.clone();
    longer.push(rng.array::<1>()[0]);
    match open_end {
        None => assert!(matches!(T::from_bytes(&longer), Err(DecodeError::Trailing(_))), "{value:?}"),
        Some(_) => assert_ne!(T::from_bytes(&longer).as_ref(), Ok(value)),
    }
    // A changed bit is refused or another value, whose form it is.
    let mut changed = bytes;
    let at = usize::try_from(rng.below(changed.len() as u64)).unwrap();
    changed[at] ^= 1 << rng.below(8);
    if let Ok(other) = T::from_bytes(&changed) {
        assert_ne!(&other, value);
        assert_eq!(other.to_bytes(), changed);
    }
}

#[test]
fn frames_to_the_node_have_one_form_each() {
    let mut rng = rng();
    for _ in 0..VALUES {
        let frame = to_node(&mut rng);
        let open_end = match &frame {
            ToNode::Store { packet, .. } | ToNode::Pass { packet, .. } => Some(packet.0.len()),
            _ => None,
        };
        check(&frame, open_end, &mut rng);
    }
}

#[test]
fn frames_to_the_client_have_one_form_each() {
    let mut rng = rng();
    for _ in 0..VALUES {
        let frame = to_client(&mut rng);
        let open_end = match &frame {
            ToClient::Item { packet, .. } | ToClient::PullItem { packet, .. } => Some(packet.0.len()),
            _ => None,
        };
        check(&frame, open_end, &mut rng);
    }
}

#[test]
fn refusals_have_one_form_and_one_name_each() {
    let mut rng = rng();
    for _ in 0..VALUES {
        let why = refusal(&mut rng);
        check(&why, None, &mut rng);
        assert_eq!(why.to_bytes()[0], u8::try_from(why.index()).unwrap() + 1);
        assert_eq!(why.code(), Refusal::CODES[why.index()]);
    }
    let mut codes = Refusal::CODES.to_vec();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), 14);
}

#[test]
fn bounded_sequences_refuse_what_their_type_refuses() {
    let mut rng = rng();
    for len in 0..=8usize {
        let mut bytes = vec![0; len];
        rng.fill(&mut bytes);
        check(&Bytes::<8>::new(bytes.clone()).unwrap(), None, &mut rng);
        check(&List::<u8, 8>::new(bytes).unwrap(), None, &mut rng);
        check(&Text::<8>::new("a".repeat(len)).unwrap(), None, &mut rng);
    }
    assert_eq!(Bytes::<8>::new(vec![0; 9]), None);
    assert_eq!(Bytes::<8>::from_bytes(&Bytes::<9>::new(vec![0; 9]).unwrap().to_bytes()), bad("length"));
    assert_eq!(List::<u8, 8>::from_bytes(&List::<u8, 9>::new(vec![0; 9]).unwrap().to_bytes()), bad("length"));
    assert_eq!(Text::<8>::from_bytes(&Bytes::<8>::new(vec![0xff]).unwrap().to_bytes()), bad("text"));
    assert_eq!(bool::from_bytes(&[2]), bad("bool"));
    assert_eq!(Option::<u8>::from_bytes(&[2, 0]), bad("bool"));
    // A count that lies allocates nothing.
    let lie = [0x7f, 0xff, 0xff, 0xff, 1];
    assert!(matches!(List::<u64, { usize::MAX }>::from_bytes(&lie), Err(DecodeError::Short(_))));
}

fn bad<T>(what: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Bad(what))
}
