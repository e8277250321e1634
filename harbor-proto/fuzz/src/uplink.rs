//! A client's link under a hostile node: nothing it sends makes the client fail, loop or ask without end.

use super::script::{LOG, Script};
use harbor_proto::crypto::Secret;
use harbor_proto::crypto::rng::Rng;
use harbor_proto::id::EndpointId;
use harbor_proto::packet::MailboxKeys;
use harbor_proto::time::Instant;
use harbor_proto::uplink::{Event, Reading, Uplink, Want};
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Arrival, LINK_VERSION, Refusal, Tail, ToClient, ToNode};
use std::sync::{Arc, OnceLock};

const STEPS: usize = 200;

fn mailboxes() -> &'static [Arc<MailboxKeys>] {
    static KEYS: OnceLock<Vec<Arc<MailboxKeys>>> = OnceLock::new();
    KEYS.get_or_init(|| (0..4).map(|n| Arc::new(MailboxKeys::derive(&Secret([n; 32]), 1, 1))).collect())
}

fn refusal(script: &mut Script<'_>) -> Refusal {
    let tag = 1 + script.byte() % 14;
    let bytes = [tag, script.byte(), script.byte(), script.byte(), script.byte()];
    let len = match tag {
        4 => 2,
        5 | 11 => 5,
        _ => 1,
    };
    Refusal::from_bytes(&bytes[..len]).expect("every tag is a refusal")
}

fn frame(script: &mut Script<'_>) -> Vec<u8> {
    let req = u32::from(script.byte() % 8);
    let slot = script.slot();
    let frame = match script.byte() % 11 {
        0 => ToClient::Welcome {
            version: LINK_VERSION + u8::from(script.byte() == 255),
            node: EndpointId([5; 32]),
            challenge: [script.byte(); 32],
            log: if script.byte() == 255 { [1; 16] } else { LOG },
            hour: u32::from_be_bytes([0, 7, script.byte(), script.byte()]),
            store_bits: script.byte(),
        },
        1 => ToClient::Stored { req },
        2 => ToClient::Refused { req, why: refusal(script) },
        3 => ToClient::SlotRefused { slot, why: refusal(script) },
        4 => {
            let arrivals = [Arrival::Backlog, Arrival::Stored, Arrival::Passed];
            let arrival = arrivals[script.below(3)];
            ToClient::Item { slot, arrival, cursor: u64::from(script.byte()), packet: Tail(vec![1; 9]) }
        }
        5 => ToClient::Watching { slot, cursor: script.cursor() },
        6 => ToClient::Lagged { slot },
        7 => ToClient::PullItem { req, cursor: u64::from(script.byte()), packet: Tail(vec![1; 9]) },
        8 => ToClient::PullEnd { req, cursor: script.cursor(), more: script.byte() & 1 == 0 },
        9 => ToClient::Pong { token: req },
        _ => ToClient::Bye { after_ms: u32::from_be_bytes([0, script.byte(), script.byte(), 0]) },
    };
    frame.to_bytes()
}

fn wants(script: &mut Script<'_>) -> Vec<Want> {
    let which = script.byte();
    let keys = mailboxes().iter().enumerate().filter(|(at, _)| which & (1 << at) != 0);
    keys.map(|(at, keys)| {
        let reading = match which >> (4 + at % 3) & 3 {
            0 => None,
            1 => Some(Reading::PullOnce),
            _ => Some(Reading::Watch),
        };
        Want { keys: Arc::clone(keys), reading, cursor: script.cursor() }
    })
    .collect()
}

/// What the client does is bounded by what was done to it, and is always a frame.
fn drain(uplink: &mut Uplink) {
    let mut events = 0;
    while let Some(event) = uplink.poll() {
        events += 1;
        assert!(events <= 64, "one input, an answer of some events");
        if let Event::Send(bytes) = event {
            ToNode::from_bytes(&bytes).expect("a client sends frames");
        }
    }
}

fn step(uplink: &mut Uplink, now: &mut Instant, script: &mut Script<'_>) {
    match script.byte() % 12 {
        0 => uplink.opened(*now),
        1 => uplink.closed(*now),
        2 => uplink.network(script.byte() & 1 == 0, *now),
        3 => uplink.want(wants(script), *now),
        4 => {
            let mailbox = mailboxes()[script.below(4)].id();
            uplink.store(u64::from(script.byte()), &mailbox, vec![0; 16]);
        }
        5 => {
            uplink.pass(&mailboxes()[script.below(4)].id(), vec![0; 16]);
        }
        6 => {
            *now = now.plus(u64::from(script.byte()) * 100);
            uplink.timeout(*now);
        }
        7 => uplink.frame(script.bytes(), *now),
        _ => uplink.frame(&frame(script), *now),
    }
}

/// Each step takes a byte that says what happens, and the bytes it wants.
pub fn run(input: &[u8]) {
    let mut now = Instant(0);
    let mut uplink = Uplink::new(Rng::new([1; 32]), now);
    let mut script = Script(input);
    for _ in 0..STEPS {
        if script.is_at_end() {
            break;
        }
        step(&mut uplink, &mut now, &mut script);
        drain(&mut uplink);
        if uplink.next_timeout().is_some_and(|due| due <= now) {
            uplink.timeout(now);
            drain(&mut uplink);
            assert!(uplink.next_timeout().is_none_or(|due| due > now), "timers move on");
        }
    }
}
