use super::*;
use crate::testing::Heard;
use harbor_proto::work::Stamp;
use wasm_bindgen_test::wasm_bindgen_test;

const PACKET: PacketId = PacketId([0xa7; 32]);
const HOUR: u32 = 500_000;

fn stamps() -> (Stamps, Heard<(StampId, u64)>) {
    let heard = Heard::new();
    let solved = heard.clone();
    let feed: Feed = Rc::new(move |input| match input {
        Input::Solved { stamp, nonce } => solved.add((stamp, nonce)),
        other => panic!("a search reported {other:?}"),
    });
    (Stamps::new(feed), heard)
}

async fn solves_the_second_after_the_first_was_cancelled(stamps: &Stamps, heard: &Heard<(StampId, u64)>) {
    stamps.solve(StampId(1), PACKET, HOUR, 8);
    let nonce = heard.wait(|(id, nonce)| (id.0 == 1).then_some(*nonce)).await;
    assert!(Stamp { nonce, hour: HOUR, bits: 8 }.holds(&PACKET));
    // Nobody finds 64 zero bits: only the cancellation lets the next one run.
    stamps.solve(StampId(2), PACKET, HOUR, 64);
    stamps.solve(StampId(3), PACKET, HOUR, 14);
    stamps.solve(StampId(4), PACKET, HOUR, 10);
    stamps.cancel(StampId(2));
    for (id, bits) in [(3, 14), (4, 10)] {
        let nonce = heard.wait(|(found, nonce)| (found.0 == id).then_some(*nonce)).await;
        assert!(Stamp { nonce, hour: HOUR, bits }.holds(&PACKET));
    }
}

#[wasm_bindgen_test]
async fn a_worker_solves_and_forgets_what_was_cancelled() {
    let (stamps, heard) = stamps();
    solves_the_second_after_the_first_was_cancelled(&stamps, &heard).await;
    assert!(matches!(*stamps.inner.place.borrow(), Place::Worker(_)), "a worker did it");
}

#[wasm_bindgen_test]
async fn without_workers_the_page_does_it_in_slices() {
    let real = reflect::global("Worker");
    js_sys::eval("globalThis.Worker = undefined").unwrap();
    let (stamps, heard) = stamps();
    stamps.inner.start_worker();
    js_sys::Reflect::set(&js_sys::global(), &"Worker".into(), &real).unwrap();
    solves_the_second_after_the_first_was_cancelled(&stamps, &heard).await;
    assert!(matches!(*stamps.inner.place.borrow(), Place::Here(_)));
}

#[wasm_bindgen_test]
async fn a_worker_that_fails_to_start_is_replaced() {
    let broken = "return new Worker(URL.createObjectURL(new Blob(['throw 1'])))";
    SPAWNER.set(Some(Function::new_no_args(broken)));
    let (stamps, heard) = stamps();
    stamps.solve(StampId(1), PACKET, HOUR, 8);
    heard.wait(|(id, _)| (id.0 == 1).then_some(())).await;
    SPAWNER.set(None);
    assert!(matches!(*stamps.inner.place.borrow(), Place::Here(_)));
}
