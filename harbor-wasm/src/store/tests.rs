use super::*;
use crate::testing::fresh_namespace;
use harbor_proto::delivery::Amended;
use harbor_proto::endpoint::{Format, Message, MessageState, Path, State};
use harbor_proto::id::{EndpointId, MessageId, TopicUid};
use harbor_proto::time::UnixMillis;
use harbor_proto::wire::{Bytes, Text};
use wasm_bindgen_test::wasm_bindgen_test;

fn put(table: Table, key: &[u8], value: &[u8]) -> Write {
    Write::Put { table, key: key.to_vec(), value: value.to_vec() }
}

fn message(topic: TopicUid, n: u64) -> Message {
    Message {
        topic,
        order: order(n),
        id: MessageId([0; 32]),
        seq: n,
        author: EndpointId([1; 32]),
        author_name: Text::new("Ana").unwrap(),
        mine: true,
        sent_at: UnixMillis(n),
        received_at: None,
        format: Format::Text,
        body: Bytes::new(format!("secret number {n}").into_bytes()).unwrap(),
        state: Some(State::Queued),
        path: None,
        client_ref: [0; 16],
        reply_to: None,
        amended: Amended::default(),
    }
}

fn order(n: u64) -> [u8; 16] {
    (u128::from(n) << 64).to_be_bytes()
}

fn put_message(message: &Message) -> Write {
    put(Table::Message, &[&message.topic.0[..], &message.order].concat(), &message.to_bytes())
}

fn seqs(page: &crate::Page) -> Vec<u64> {
    page.messages.iter().map(|m| m.seq).collect()
}

#[wasm_bindgen_test]
async fn records_come_back_after_reopening_and_deletions_hold() {
    let ns = fresh_namespace();
    let store = Store::open(&ns).await.unwrap();
    let owner = store.claim().await.unwrap();
    let writes = [
        put(Table::Topic, b"a", b"one"),
        put(Table::Topic, b"a\xff", b"two"),
        put(Table::Topic, b"b", b"three"),
        put(Table::Meta, b"", b"identity"),
        put(Table::Outbox, b"\xff\xff", b"last"),
    ];
    store.write(owner, &writes, true).await.unwrap();
    let gone = [
        Write::DeletePrefix { table: Table::Topic, prefix: b"a".to_vec() },
        Write::DeletePrefix { table: Table::Chain, prefix: Vec::new() },
        Write::Delete { table: Table::Outbox, key: b"\xff\xff".to_vec() },
        put(Table::Topic, b"a", b"again"),
    ];
    store.write(owner, &gone, false).await.unwrap();
    drop(store);
    let records = Store::open(&ns).await.unwrap().load().await.unwrap();
    let expected = vec![
        (Table::Meta, b"".to_vec(), b"identity".to_vec()),
        (Table::Topic, b"a".to_vec(), b"again".to_vec()),
        (Table::Topic, b"b".to_vec(), b"three".to_vec()),
    ];
    assert_eq!(records, expected);
    Store::erase(&ns).await.unwrap();
}

#[wasm_bindgen_test]
async fn loading_goes_through_every_chunk() {
    let store = Store::open(&fresh_namespace()).await.unwrap();
    let owner = store.claim().await.unwrap();
    let count = LOAD_CHUNK * 2 + 1;
    let writes: Vec<Write> = (0..count).map(|n| put(Table::Log, &n.to_be_bytes(), &[1])).collect();
    store.write(owner, &writes, false).await.unwrap();
    assert_eq!(store.load().await.unwrap().len(), count as usize);
}

#[wasm_bindgen_test]
async fn an_old_owner_cannot_write() {
    let ns = fresh_namespace();
    let (old, new) = (Store::open(&ns).await.unwrap(), Store::open(&ns).await.unwrap());
    let first = old.claim().await.unwrap();
    let second = new.claim().await.unwrap();
    assert!(second > first);
    let refused = old.write(first, &[put(Table::Chain, b"c", b"old")], true).await;
    assert_eq!(refused, Err(StoreError::Superseded));
    new.write(second, &[put(Table::Chain, b"c", b"new")], true).await.unwrap();
    assert_eq!(old.load().await.unwrap(), vec![(Table::Chain, b"c".to_vec(), b"new".to_vec())]);
}

#[wasm_bindgen_test]
async fn two_tabs_that_open_a_new_database_at_once_share_one_key() {
    let ns = fresh_namespace();
    let (one, two) = (Store::open(&ns), Store::open(&ns));
    let (one, two) = futures_util::join!(one, two);
    let (one, two) = (one.unwrap(), two.unwrap());
    let owner = one.claim().await.unwrap();
    one.write(owner, &[put(Table::Topic, b"k", b"v")], true).await.unwrap();
    assert_eq!(two.load().await.unwrap().len(), 1);
}

#[wasm_bindgen_test]
async fn the_disk_shows_no_plaintext() {
    let ns = fresh_namespace();
    let store = Store::open(&ns).await.unwrap();
    let owner = store.claim().await.unwrap();
    let text = b"nobody else reads this";
    let writes = [put(Table::Meta, b"k", text), put_message(&message(TopicUid([3; 32]), 1))];
    store.write(owner, &writes, true).await.unwrap();
    for name in [RECORDS, MESSAGES] {
        let tx = store.begin(&[name], None).unwrap();
        for (_, value) in tx.page(name, disk::after(&[]).unwrap(), 10).await.unwrap() {
            assert!(value.len() > at_rest::OVERHEAD);
            assert!(!value.windows(6).any(|w| text.windows(6).any(|t| t == w) || w == b"secret"));
        }
    }
}

#[wasm_bindgen_test]
async fn a_lost_key_or_a_damaged_record_is_reported_and_erasing_starts_anew() {
    let ns = fresh_namespace();
    let store = Store::open(&ns).await.unwrap();
    let owner = store.claim().await.unwrap();
    store.write(owner, &[put(Table::Topic, b"k", b"v")], true).await.unwrap();

    let tx = store.begin(&[RECORDS], Some(Durability::Strict)).unwrap();
    let key = disk::key(&place(Table::Topic, b"k"));
    tx.store(RECORDS).unwrap().put(&Uint8Array::from(&[1; 60][..]), Some(&key)).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(store.load().await.unwrap_err(), StoreError::Lost);

    let tx = store.begin(&[META], Some(Durability::Strict)).unwrap();
    tx.store(META).unwrap().delete(JsValue::from("key")).unwrap();
    tx.commit().await.unwrap();
    assert_eq!(Store::open(&ns).await.err(), Some(StoreError::Lost));

    Store::erase(&ns).await.unwrap();
    assert_eq!(store.load().await.unwrap_err(), StoreError::Lost, "the old connection was closed");
    assert_eq!(Store::open(&ns).await.unwrap().load().await.unwrap(), vec![]);
}

#[wasm_bindgen_test]
async fn a_database_that_vanished_under_an_identity_is_storage_lost() {
    let ns = fresh_namespace();
    let store = Store::open(&ns).await.unwrap();
    let owner = store.claim().await.unwrap();
    store.write(owner, &[put(Table::Meta, b"", b"identity")], true).await.unwrap();
    drop(store);
    disk::delete(&database_name(&ns)).await.unwrap();
    assert_eq!(Store::open(&ns).await.err(), Some(StoreError::Lost));
    Store::erase(&ns).await.unwrap();
    assert!(Store::open(&ns).await.is_ok());
}

#[wasm_bindgen_test]
async fn history_goes_back_by_pages_with_the_newest_state() {
    let store = Store::open(&fresh_namespace()).await.unwrap();
    let owner = store.claim().await.unwrap();
    let (topic, other) = (TopicUid([0xff; 32]), TopicUid([0xfe; 32]));
    let mut writes: Vec<Write> = (1..=25).map(|n| put_message(&message(topic, n))).collect();
    writes.push(put_message(&message(other, 99)));
    let now = MessageState { state: State::Stored { nodes: 2 }, path: Some(Path::Stored) };
    writes.push(put(Table::State, &[&topic.0[..], &order(24)].concat(), &now.to_bytes()));
    store.write(owner, &writes, false).await.unwrap();

    let newest = store.page(topic, None, 10).await.unwrap();
    assert_eq!((seqs(&newest), newest.more), ((16..=25).collect(), true));
    assert_eq!(newest.messages[8].state, Some(State::Stored { nodes: 2 }));
    assert_eq!(newest.messages[8].path, Some(Path::Stored));
    assert_eq!(newest.messages[9].state, Some(State::Queued));
    let middle = store.page(topic, Some(newest.messages[0].order), 10).await.unwrap();
    assert_eq!((seqs(&middle), middle.more), ((6..=15).collect(), true));
    let oldest = store.page(topic, Some(middle.messages[0].order), 10).await.unwrap();
    assert_eq!((seqs(&oldest), oldest.more), ((1..=5).collect(), false));
    let exact = store.page(topic, Some(order(6)), 5).await.unwrap();
    assert_eq!((seqs(&exact), exact.more), ((1..=5).collect(), false));
    assert_eq!(store.page(TopicUid([1; 32]), None, 10).await.unwrap(), crate::Page::default());
}

#[wasm_bindgen_test]
async fn a_message_is_found_by_its_id_and_the_places_are_no_part_of_pages() {
    let store = Store::open(&fresh_namespace()).await.unwrap();
    let owner = store.claim().await.unwrap();
    let topic = TopicUid([0xff; 32]);
    let (first, second) = (Message { id: MessageId([0xff; 32]), ..message(topic, 1) }, message(topic, 2));
    let at = |m: &Message| put(Table::Place, &[topic.0, m.id.0].concat(), &m.order);
    let now = MessageState { state: State::Delivered, path: None };
    let state = put(Table::State, &[&topic.0[..], &first.order].concat(), &now.to_bytes());
    let writes = [put_message(&first), at(&first), put_message(&second), at(&second), state];
    store.write(owner, &writes, false).await.unwrap();
    let found = store.find(topic, first.id).await.unwrap();
    assert_eq!(found, Some(Message { state: Some(State::Delivered), ..first.clone() }));
    assert_eq!(store.find(topic, MessageId([1; 32])).await.unwrap(), None);
    assert_eq!(seqs(&store.page(topic, None, 10).await.unwrap()), [1, 2]);
    assert_eq!(store.load().await.unwrap(), vec![], "an endpoint does not load them");
    store
        .write(
            owner,
            &[Write::Delete { table: Table::Message, key: [&topic.0[..], &first.order].concat() }],
            true,
        )
        .await
        .unwrap();
    assert_eq!(store.find(topic, first.id).await.unwrap(), None);
}

/// Counts what IndexedDB hands out, so that reading a store whole shows.
const COUNT_READS: &str = "
    globalThis.harborReads = 0;
    for (const name of ['getAll', 'getAllKeys']) {
        const real = IDBObjectStore.prototype[name];
        IDBObjectStore.prototype[name] = function (query, count) {
            const request = real.call(this, query, count);
            request.addEventListener('success', () => { globalThis.harborReads += request.result.length; });
            return request;
        };
    }";

#[wasm_bindgen_test]
async fn fifty_thousand_messages_open_without_being_read() {
    let store = Store::open(&fresh_namespace()).await.unwrap();
    let owner = store.claim().await.unwrap();
    let topic = TopicUid([5; 32]);
    for batch in 0..10 {
        let range = batch * 5000 + 1..=(batch + 1) * 5000;
        let writes: Vec<Write> = range.map(|n| put_message(&message(topic, n))).collect();
        store.write(owner, &writes, false).await.unwrap();
    }
    js_sys::eval(COUNT_READS).unwrap();
    let page = store.page(topic, None, 50).await.unwrap();
    assert_eq!((seqs(&page), page.more), ((49_951..=50_000).collect(), true));
    let page = store.page(topic, Some(order(25_001)), 50).await.unwrap();
    assert_eq!(seqs(&page), (24_951..=25_000).collect::<Vec<_>>());
    let reads = crate::reflect::global("harborReads").as_f64().unwrap();
    assert!(reads > 0.0 && reads <= 200.0, "{reads} keys and values were read for two pages of 50");
}

/// A full disk, as IndexedDB reports it: the request fails and the transaction aborts with its error.
const FULL_DISK: &str = "
    globalThis.harborRealPut = IDBObjectStore.prototype.put;
    IDBObjectStore.prototype.put = function () { throw new DOMException('full', 'QuotaExceededError'); };";

#[wasm_bindgen_test]
async fn a_full_disk_is_told_from_other_failures() {
    let store = Store::open(&fresh_namespace()).await.unwrap();
    let owner = store.claim().await.unwrap();
    js_sys::eval(FULL_DISK).unwrap();
    let full = store.write(owner, &[put(Table::Topic, b"k", b"v")], true).await;
    js_sys::eval("IDBObjectStore.prototype.put = globalThis.harborRealPut;").unwrap();
    assert_eq!(full, Err(StoreError::Quota));
    assert_eq!(store.load().await.unwrap(), vec![]);
    store.write(owner, &[put(Table::Topic, b"k", b"v")], true).await.unwrap();
}
