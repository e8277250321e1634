use super::*;
use crate::testing::{Fake, Heard, fresh_namespace};
use crate::{Client, Options};
use harbor_proto::endpoint::{CommandId, Input, Output, Status, Table, Write};
use wasm_bindgen_test::wasm_bindgen_test;

fn options(namespace: &str) -> Options {
    Options { namespace: namespace.into(), nodes: vec!["ws://127.0.0.1:9/link".into()], ..Options::default() }
}

fn status(queued: u32) -> Status {
    Status { linked: 0, nodes: 1, peers: 0, queued, synced: false, direct_enabled: true }
}

/// A tab whose machine answers every command as `rule` says.
async fn tab(namespace: &str, rule: impl Fn(CommandId, Command) -> Vec<Output> + 'static) -> Client {
    let rule = Rc::new(rule);
    Client::open_with(options(namespace), move |_, _| {
        let rule = rule.clone();
        Some(Fake::core(move |input| match input {
            Input::Command { id, command } => rule(id, command),
            _ => Vec::new(),
        }))
    })
    .await
    .unwrap()
}

fn says(queued: u32) -> impl Fn(CommandId, Command) -> Vec<Output> {
    move |id, _| vec![Output::Reply { id, result: Ok(Reply::Status { status: status(queued) }) }]
}

fn never(_: CommandId, _: Command) -> Vec<Output> {
    Vec::new()
}

fn persists(id: CommandId, _: Command) -> Vec<Output> {
    let write = Write::Put { table: Table::Outbox, key: vec![1], value: vec![1] };
    vec![Output::Persist { writes: vec![write], strict: true }, Output::Reply { id, result: Ok(Reply::Done) }]
}

async fn asks(client: &Client) -> Result<Reply, CommandError> {
    client.request(Command::Status).await
}

fn answer(queued: u32) -> Result<Reply, CommandError> {
    Ok(Reply::Status { status: status(queued) })
}

#[wasm_bindgen_test]
async fn the_second_tab_works_through_the_first() {
    let ns = fresh_namespace();
    let event = Event::Status { status: status(9) };
    let told = event.clone();
    let one = tab(&ns, move |id, _| {
        vec![Output::Event(told.clone()), Output::Reply { id, result: Err(CommandError::BadInput) }]
    })
    .await;
    let two = tab(&ns, says(2)).await;
    assert!(one.is_owner() && !two.is_owner());
    let events = Heard::new();
    let (by_one, by_two) = (events.clone(), events.clone());
    let _one = one.subscribe(move |e| by_one.add((1, e.clone())));
    let _two = two.subscribe(move |e| by_two.add((2, e.clone())));
    assert_eq!(asks(&two).await, Err(CommandError::BadInput));
    for tab in [1, 2] {
        assert_eq!(events.wait(|(who, e)| (*who == tab).then(|| e.clone())).await, event);
    }
    assert_eq!(asks(&one).await, Err(CommandError::BadInput));
}

#[wasm_bindgen_test]
async fn when_the_owner_closes_another_takes_over_with_what_was_asked() {
    let ns = fresh_namespace();
    let (one, two, three) = (tab(&ns, never).await, tab(&ns, says(2)).await, tab(&ns, says(3)).await);
    let wait = futures_util::future::join(asks(&two), asks(&three));
    drop(one);
    let (by_two, by_three) = wait.await;
    assert_eq!((by_two, by_three), (answer(2), answer(2)), "in turn: the second tab owns now");
    assert!(two.is_owner() && !three.is_owner());
    two.close();
    assert_eq!(asks(&two).await, Err(CommandError::Crashed), "closed is closed");
    assert_eq!(asks(&three).await, answer(3));
}

/// A tab that got the lock and was frozen then.
const FROZEN: &str = "new Promise((granted) => navigator.locks.request(name, () => {
    granted();
    return new Promise(() => {});
}).catch(() => {}))";

#[wasm_bindgen_test]
async fn an_owner_that_does_not_answer_is_replaced() {
    let ns = fresh_namespace();
    let freeze = js_sys::Function::new_with_args("name", &format!("return {FROZEN}"));
    let granted = freeze.call1(&wasm_bindgen::JsValue::NULL, &format!("harbor-{ns}").into()).unwrap();
    let granted: js_sys::Promise = wasm_bindgen::JsCast::unchecked_into(granted);
    wasm_bindgen_futures::JsFuture::from(granted).await.unwrap();
    let one = tab(&ns, says(1)).await;
    assert!(one.is_owner());
    assert_eq!(asks(&one).await, answer(1));
}

#[wasm_bindgen_test]
async fn an_owner_whose_lock_was_taken_follows_and_its_questions_go_along() {
    let ns = fresh_namespace();
    let one = tab(&ns, never).await;
    let two = tab(&ns, says(2)).await;
    let wait = asks(&one);
    two.inner_tabs().ask_for_lock(Manner::ByForce).unwrap();
    assert_eq!(wait.await, answer(2));
    assert!(two.is_owner() && !one.is_owner());
}

#[wasm_bindgen_test]
async fn an_owner_that_lost_its_generation_does_not_write_and_starts_again() {
    let ns = fresh_namespace();
    let one = tab(&ns, persists).await;
    let thief = Store::open(&ns).await.unwrap();
    let stolen = thief.claim().await.unwrap();
    assert_eq!(asks(&one).await, Ok(Reply::Done), "carried out once it owned again");
    assert!(thief.write(stolen, &[], true).await.is_err(), "by a newer generation");
    assert_eq!(thief.load().await.unwrap().len(), 1);
}

#[wasm_bindgen_test]
async fn a_full_disk_answers_what_is_open_and_what_comes() {
    let ns = fresh_namespace();
    let (one, two) = (tab(&ns, persists).await, tab(&ns, says(2)).await);
    js_sys::eval(
        "globalThis.tabsRealPut = IDBObjectStore.prototype.put;
         IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };",
    )
    .unwrap();
    assert_eq!(asks(&two).await, Err(CommandError::QuotaExceeded));
    assert_eq!(asks(&one).await, Err(CommandError::QuotaExceeded));
    assert_eq!(asks(&two).await, Err(CommandError::QuotaExceeded));
    js_sys::eval("IDBObjectStore.prototype.put = tabsRealPut").unwrap();
    // It starts again by itself.
    while asks(&two).await == Err(CommandError::QuotaExceeded) {
        browser::sleep(100).await;
    }
    assert_eq!(asks(&two).await, Ok(Reply::Done));
}

#[wasm_bindgen_test]
async fn erased_under_the_page_is_storage_lost() {
    let ns = fresh_namespace();
    let one = tab(&ns, persists).await;
    assert_eq!(asks(&one).await, Ok(Reply::Done));
    Client::erase(&ns).await.unwrap();
    assert_eq!(asks(&one).await, Err(CommandError::StorageLost));
    assert_eq!(asks(&one).await, Err(CommandError::StorageLost));
}

#[wasm_bindgen_test]
async fn every_tab_hears_that_all_is_erased_and_leaves() {
    let ns = fresh_namespace();
    let (one, two) = (tab(&ns, persists).await, tab(&ns, persists).await);
    assert_eq!(asks(&two).await, Ok(Reply::Done));
    Client::erase(&ns).await.unwrap();
    one.erased().await;
    two.erased().await;
    for client in [&one, &two] {
        assert_eq!(asks(client).await, Err(CommandError::StorageLost));
    }
    let fresh = Client::open(options(&ns)).await.unwrap();
    assert_eq!(fresh.request(Command::Profile).await, Ok(Reply::Profile { profile: None }));
}

/// The real endpoint with no node to reach.
#[wasm_bindgen_test]
async fn the_endpoint_comes_back_with_its_topics_and_messages() {
    let ns = fresh_namespace();
    let client = Client::open(options(&ns)).await.unwrap();
    assert_eq!(client.request(Command::Profile).await, Ok(Reply::Profile { profile: None }));
    let name = |text: &str| harbor_proto::wire::Text::new(text).unwrap();
    client.request(Command::SetName { name: name("Ana") }).await.unwrap();
    let kind = harbor_proto::endpoint::TopicKind::Room;
    let created = client.request(Command::CreateTopic { kind, title: name("Garden") }).await;
    let Ok(Reply::Topic { topic }) = created else { panic!("{created:?}") };
    let body = harbor_proto::wire::Bytes::new(b"hello".to_vec()).unwrap();
    let format = harbor_proto::endpoint::Format::Text;
    let send = Command::Send { topic: topic.uid, client_ref: [1; 16], format, body: body.clone() };
    let Ok(Reply::Sent { message }) = client.request(send.clone()).await else { panic!("not sent") };
    drop(client);
    let again = Client::open(options(&ns)).await.unwrap();
    let Ok(Reply::Topics { topics }) = again.request(Command::Topics).await else { panic!("no topics") };
    assert_eq!(
        topics.iter().map(|t| (t.uid, t.title.clone())).collect::<Vec<_>>(),
        [(topic.uid, name("Garden"))]
    );
    let Ok(Reply::Sent { message: same }) = again.request(send).await else { panic!("not sent again") };
    assert_eq!(same.id, message.id, "the same client_ref is the same message");
    let page = again.history(topic.uid, None, 50).await.unwrap();
    let texts = page.messages.iter().filter(|m| m.format == format);
    assert_eq!(texts.map(|m| (m.id, m.body.clone())).collect::<Vec<_>>(), [(message.id, body)]);
}
