use super::*;
use crate::testing::Heard;
use std::collections::BTreeMap;
use wasm_bindgen_test::wasm_bindgen_test;

const OFFERER: RtcId = RtcId(1);
const ANSWERER: RtcId = RtcId(2);

/// What both ends report, signalling excepted.
#[derive(Debug, PartialEq)]
enum Seen {
    Up(RtcId),
    Down(RtcId),
    Frame(RtcId, Vec<u8>),
}

/// Both ends in one page.
struct Pair {
    peers: Rc<Peers>,
    seen: Heard<Seen>,
}

/// Signals go straight across, except that each description is overtaken by its first candidate.
fn pair() -> Pair {
    let seen = Heard::new();
    let sees = seen.clone();
    let held: RefCell<BTreeMap<RtcId, String>> = RefCell::default();
    let peers = Rc::new_cyclic(|weak: &Weak<Peers>| {
        let weak = weak.clone();
        Peers::new(
            Vec::new(),
            Rc::new(move |input| match input {
                Input::RtcUp { rtc } => sees.add(Seen::Up(rtc)),
                Input::RtcDown { rtc } => sees.add(Seen::Down(rtc)),
                Input::RtcFrame { rtc, bytes } => sees.add(Seen::Frame(rtc, bytes)),
                Input::RtcDescription { rtc, sdp } => drop(held.borrow_mut().insert(rtc, sdp)),
                Input::RtcCandidate { rtc, candidate, mid } => {
                    let peers = weak.upgrade().expect("the test holds them");
                    peers.candidate(other(rtc), candidate, mid);
                    let held = held.borrow_mut().remove(&rtc);
                    if let Some(sdp) = held {
                        peers.remote(other(rtc), sdp);
                    }
                }
                other => panic!("a connection reported {other:?}"),
            }),
        )
    });
    Pair { peers, seen }
}

fn other(rtc: RtcId) -> RtcId {
    if rtc == OFFERER { ANSWERER } else { OFFERER }
}

async fn connect(pair: &Pair) {
    pair.peers.open(ANSWERER, false);
    pair.peers.open(OFFERER, true);
    for end in [OFFERER, ANSWERER] {
        pair.seen.wait(|s| (*s == Seen::Up(end)).then_some(())).await;
    }
}

async fn frame(seen: &Heard<Seen>, at: RtcId) -> Vec<u8> {
    seen.wait(|s| match s {
        Seen::Frame(rtc, bytes) if *rtc == at => Some(bytes.clone()),
        _ => None,
    })
    .await
}

#[wasm_bindgen_test]
async fn two_ends_connect_and_frames_arrive_in_order_both_ways() {
    let pair = pair();
    connect(&pair).await;
    // Far more than the browser buffers at once.
    let sent: Vec<Vec<u8>> = (0..200u8).map(|n| vec![n; 60_000]).collect();
    for bytes in &sent {
        pair.peers.send(OFFERER, bytes.clone());
    }
    pair.peers.send(ANSWERER, vec![7]);
    assert_eq!(frame(&pair.seen, OFFERER).await, [7]);
    for bytes in &sent {
        assert!(frame(&pair.seen, ANSWERER).await == *bytes, "in order, complete");
    }
}

#[wasm_bindgen_test]
async fn closing_one_end_is_down_at_the_other_once() {
    let pair = pair();
    connect(&pair).await;
    pair.peers.close(OFFERER);
    pair.seen.wait(|s| (*s == Seen::Down(ANSWERER)).then_some(())).await;
    pair.peers.send(ANSWERER, vec![1]);
    assert_eq!(pair.seen.len(), 0, "the closer hears nothing, the other no second time");
}

#[wasm_bindgen_test]
async fn a_description_that_is_none_is_down() {
    let pair = pair();
    pair.peers.open(ANSWERER, false);
    pair.peers.remote(ANSWERER, "not a description".into());
    pair.seen.wait(|s| (*s == Seen::Down(ANSWERER)).then_some(())).await;
}

#[wasm_bindgen_test]
async fn a_browser_without_webrtc_is_down_at_once() {
    let real = reflect::global("RTCPeerConnection");
    js_sys::eval("globalThis.RTCPeerConnection = undefined").unwrap();
    let pair = pair();
    pair.peers.open(OFFERER, true);
    js_sys::Reflect::set(&js_sys::global(), &"RTCPeerConnection".into(), &real).unwrap();
    assert!(possible());
    pair.seen.wait(|s| (*s == Seen::Down(OFFERER)).then_some(())).await;
}
