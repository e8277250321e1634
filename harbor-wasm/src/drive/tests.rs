use super::*;
use crate::testing::{Fake, Heard, fresh_namespace};
use harbor_proto::endpoint::{Status, Table};
use wasm_bindgen_test::wasm_bindgen_test;

struct Bench {
    drive: Rc<Drive>,
    said: Heard<Said>,
    store: Rc<Store>,
}

async fn bench(core: Core) -> Bench {
    let store = Rc::new(Store::open(&fresh_namespace()).await.unwrap());
    let generation = store.claim().await.unwrap();
    let said = Heard::new();
    let hears = said.clone();
    let nodes = vec!["ws://127.0.0.1:9/link".into()];
    let around = Surroundings { store: store.clone(), generation, nodes, ice_servers: Vec::new() };
    let drive = Drive::start(core, around, move |what| hears.add(what));
    Bench { drive, said, store }
}

fn persist(key: u8, strict: bool) -> Output {
    let write = Write::Put { table: Table::Outbox, key: vec![key], value: vec![key] };
    Output::Persist { writes: vec![write], strict }
}

fn done(id: CommandId) -> Output {
    Output::Reply { id, result: Ok(Reply::Done) }
}

async fn reply(said: &Heard<Said>, wanted: u64) -> Result<Reply, CommandError> {
    said.wait(|s| match s {
        Said::Reply { id, result } if id.0 == wanted => Some(result.clone()),
        _ => None,
    })
    .await
}

async fn stopped(said: &Heard<Said>) -> Stop {
    said.wait(|s| if let Said::Stopped(why) = s { Some(*why) } else { None }).await
}

#[wasm_bindgen_test]
async fn the_clock_comes_first_and_again_after_a_jump() {
    let inputs = Heard::new();
    let heard = inputs.clone();
    let b = bench(Fake::core(move |input| {
        heard.add(matches!(input, Input::Clock(_)));
        Vec::new()
    }))
    .await;
    assert!(inputs.wait(|clock| Some(*clock)).await, "the first fact of all is the time");
    b.drive.feed(Input::Network { online: true });
    assert!(!inputs.wait(|clock| Some(*clock)).await, "no jump, no clock");
    js_sys::eval("globalThis.realNow = Date.now; Date.now = () => realNow() + 3600000").unwrap();
    b.drive.feed(Input::Network { online: true });
    js_sys::eval("Date.now = globalThis.realNow").unwrap();
    assert!(inputs.wait(|clock| Some(*clock)).await, "an hour later the machine hears of it first");
    assert!(!inputs.wait(|clock| Some(*clock)).await);
}

#[wasm_bindgen_test]
async fn what_follows_a_persist_waits_for_the_disk() {
    let b = bench(Fake::core(|input| match input {
        Input::Command { id, .. } => vec![persist(1, true), persist(2, false), done(id)],
        _ => Vec::new(),
    }))
    .await;
    b.drive.command(CommandId(7), Command::Status);
    assert_eq!(b.said.len(), 0, "nothing is said before the transaction is complete");
    assert_eq!(reply(&b.said, 7).await, Ok(Reply::Done));
    assert_eq!(b.store.load().await.unwrap().len(), 2);
}

#[wasm_bindgen_test]
async fn persists_of_one_batch_keep_their_order_and_so_does_the_rest() {
    let b = bench(Fake::core(|input| match input {
        Input::Command { id, .. } => {
            let gone = Write::Delete { table: Table::Outbox, key: vec![1] };
            vec![
                persist(1, false),
                done(id),
                Output::Persist { writes: vec![gone], strict: true },
                done(CommandId(id.0 + 1)),
            ]
        }
        _ => Vec::new(),
    }))
    .await;
    b.drive.command(CommandId(1), Command::Status);
    let first = b.said.wait(|s| if let Said::Reply { id, .. } = s { Some(id.0) } else { None }).await;
    assert_eq!(first, 1);
    assert_eq!(reply(&b.said, 2).await, Ok(Reply::Done));
    assert_eq!(b.store.load().await.unwrap(), vec![]);
}

#[wasm_bindgen_test]
async fn a_lost_generation_stops_the_machine_before_it_says_anything() {
    let b = bench(Fake::core(|input| match input {
        Input::Command { id, .. } => vec![persist(1, true), done(id)],
        _ => Vec::new(),
    }))
    .await;
    b.store.claim().await.unwrap();
    b.drive.command(CommandId(1), Command::Status);
    assert_eq!(stopped(&b.said).await, Stop::Storage(StoreError::Superseded));
    b.drive.command(CommandId(2), Command::Status);
    assert_eq!(b.said.len(), 0);
    assert_eq!(b.store.load().await.unwrap(), vec![]);
}

#[wasm_bindgen_test]
async fn alarms_ring() {
    let status = Status { linked: 0, nodes: 0, peers: 0, queued: 0, synced: false, direct_enabled: true };
    let b = bench(Fake::with_alarm(browser::now().plus(30), move |input| match input {
        Input::Network { online: true } => vec![Output::Event(Event::Status { status: status.clone() })],
        _ => Vec::new(),
    }))
    .await;
    b.said.wait(|s| matches!(s, Said::Event(_)).then_some(())).await;
}

#[wasm_bindgen_test]
async fn a_node_that_is_not_there_is_a_link_down_each_time() {
    let downs = Heard::new();
    let heard = downs.clone();
    let b = bench(Fake::core(move |input| match input {
        Input::Command { .. } => {
            vec![
                Output::Dial { link: harbor_proto::endpoint::LinkId(0) },
                Output::Dial { link: harbor_proto::endpoint::LinkId(5) },
            ]
        }
        Input::LinkDown { link } => {
            heard.add(link.0);
            Vec::new()
        }
        _ => Vec::new(),
    }))
    .await;
    b.drive.command(CommandId(1), Command::Status);
    downs.wait(|link| (*link == 0).then_some(())).await;
    downs.wait(|link| (*link == 5).then_some(())).await;
}
