//! What the npm package calls: translation only. Ids are lowercase hex, times are numbers, bodies are bytes
//! or strings; a failure is thrown as `{ code }`. The TypeScript layer (`js/src`) makes the API of it.

mod values;

use crate::{Client, Options, Subscription, reflect, set_worker_spawner};
use harbor_proto::endpoint::{Body, Command, CommandError, Format, Name, OrderKey, Reply, TopicKind};
use harbor_proto::id::TopicUid;
use harbor_proto::wire::Text;
use js_sys::{Array, Function, Uint8Array};
use std::cell::RefCell;
use std::collections::BTreeMap;
use values::ToJs;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// A client as JavaScript holds it.
#[wasm_bindgen]
pub struct RawClient {
    client: Client,
    subscriptions: RefCell<BTreeMap<u32, Subscription>>,
}

impl std::fmt::Debug for RawClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawClient(..)")
    }
}

type Thrown<T> = Result<T, JsValue>;

#[wasm_bindgen]
impl RawClient {
    /// `{ nodes: string[], namespace: string, direct: boolean, iceServers: string[], stampWorker?: () => Worker }`
    pub async fn open(options: JsValue) -> Thrown<RawClient> {
        if let Ok(spawner) = reflect::get(&options, "stampWorker").dyn_into::<Function>() {
            set_worker_spawner(spawner);
        }
        let options = Options {
            nodes: strings(&reflect::get(&options, "nodes")),
            namespace: reflect::get(&options, "namespace").as_string().unwrap_or_else(|| "default".into()),
            direct: reflect::get(&options, "direct").as_bool().unwrap_or(true),
            ice_servers: strings(&reflect::get(&options, "iceServers")),
        };
        let client = Client::open(options).await.map_err(|why| thrown(why.code()))?;
        Ok(Self { client, subscriptions: RefCell::default() })
    }

    /// Removes everything kept under a namespace.
    pub async fn erase(namespace: String) -> Thrown<()> {
        Client::erase(&namespace).await.map_err(|why| thrown(why.code()))
    }

    /// Calls `f` with every event, `{ type, ... }`, until [`RawClient::unsubscribe`] with the number returned.
    pub fn subscribe(&self, f: Function) -> u32 {
        let subscription = self.client.subscribe(move |event| {
            // What a listener throws is the listener's affair; the TypeScript layer reports it.
            let _ = f.call1(&JsValue::UNDEFINED, &event.to_js());
        });
        let mut all = self.subscriptions.borrow_mut();
        let id = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(id, subscription);
        id
    }

    pub fn unsubscribe(&self, id: u32) {
        let gone = self.subscriptions.borrow_mut().remove(&id);
        drop(gone);
    }

    #[wasm_bindgen(js_name = isOwner)]
    pub fn is_owner(&self) -> bool {
        self.client.is_owner()
    }

    pub fn close(&self) {
        self.subscriptions.borrow_mut().clear();
        self.client.close();
    }

    /// `{ id, name }`, or undefined before the first name.
    pub async fn profile(&self) -> Thrown<JsValue> {
        self.ask(Command::Profile).await
    }

    #[wasm_bindgen(js_name = setName)]
    pub async fn set_name(&self, name: String) -> Thrown<JsValue> {
        self.ask(Command::SetName { name: text(name)? }).await
    }

    pub async fn status(&self) -> Thrown<JsValue> {
        self.ask(Command::Status).await
    }

    pub async fn topics(&self) -> Thrown<JsValue> {
        self.ask(Command::Topics).await
    }

    #[wasm_bindgen(js_name = createRoom)]
    pub async fn create_room(&self, title: String) -> Thrown<JsValue> {
        let title: Name = text(title)?;
        self.ask(Command::CreateTopic { kind: TopicKind::Room, title }).await
    }

    pub async fn invite(&self, topic: String, expires_in_ms: f64) -> Thrown<JsValue> {
        self.ask(Command::Invite { topic: uid(&topic)?, expires_in_ms: millis(expires_in_ms) }).await
    }

    pub async fn preview(&self, code: String) -> Thrown<JsValue> {
        self.ask(Command::Preview { code: invite_code(code)? }).await
    }

    pub async fn accept(&self, code: String) -> Thrown<JsValue> {
        self.ask(Command::Accept { code: invite_code(code)? }).await
    }

    /// `data` is a string or a Uint8Array; `client_ref` 16 bytes, the same for the same message.
    pub async fn send(&self, topic: String, client_ref: Vec<u8>, data: JsValue) -> Thrown<JsValue> {
        let (format, body) = match data.as_string() {
            Some(text) => (Format::Text, text.into_bytes()),
            None => (Format::Bytes, Uint8Array::new(&data).to_vec()),
        };
        let client_ref = client_ref.try_into().map_err(|_| bad_input())?;
        let body = Body::new(body).ok_or_else(bad_input)?;
        self.ask(Command::Send { topic: uid(&topic)?, client_ref, format, body }).await
    }

    pub async fn retry(&self, topic: String, seq: f64) -> Thrown<JsValue> {
        self.ask(Command::Retry { topic: uid(&topic)?, seq: millis(seq) }).await
    }

    #[wasm_bindgen(js_name = markSeen)]
    pub async fn mark_seen(&self, topic: String) -> Thrown<JsValue> {
        self.ask(Command::MarkSeen { topic: uid(&topic)? }).await
    }

    pub async fn leave(&self, topic: String) -> Thrown<JsValue> {
        self.ask(Command::Leave { topic: uid(&topic)? }).await
    }

    pub async fn forget(&self, topic: String) -> Thrown<JsValue> {
        self.ask(Command::Forget { topic: uid(&topic)? }).await
    }

    #[wasm_bindgen(js_name = setDirect)]
    pub async fn set_direct(&self, enabled: bool) -> Thrown<JsValue> {
        self.ask(Command::SetDirect { enabled }).await
    }

    /// `{ messages, more }`, oldest first, the page just before the order key `before`.
    pub async fn history(&self, topic: String, before: Option<String>, limit: u32) -> Thrown<JsValue> {
        let before = match before {
            Some(hex) => Some(
                OrderKey::try_from(values::unhex(&hex).ok_or_else(bad_input)?).map_err(|_| bad_input())?,
            ),
            None => None,
        };
        let page = self.client.history(uid(&topic)?, before, limit).await.map_err(failed)?;
        Ok(page.to_js())
    }

    async fn ask(&self, command: Command) -> Thrown<JsValue> {
        let reply: Reply = self.client.request(command).await.map_err(failed)?;
        Ok(reply.to_js())
    }
}

fn thrown(code: &str) -> JsValue {
    reflect::object(&[("code", &code.into())]).into()
}

fn failed(why: CommandError) -> JsValue {
    thrown(why.code())
}

fn bad_input() -> JsValue {
    failed(CommandError::BadInput)
}

fn text<const MAX: usize>(value: String) -> Thrown<Text<MAX>> {
    Text::new(value).ok_or_else(bad_input)
}

fn invite_code(value: String) -> Thrown<Text<512>> {
    Text::new(value).ok_or_else(|| failed(CommandError::BadInvite))
}

fn uid(hex: &str) -> Thrown<TopicUid> {
    let bytes = values::unhex(hex).and_then(|bytes| bytes.try_into().ok());
    bytes.map(TopicUid).ok_or_else(|| failed(CommandError::NotFound))
}

/// A count or duration of JavaScript's; nonsense is zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn millis(number: f64) -> u64 {
    number as u64
}

fn strings(value: &JsValue) -> Vec<String> {
    value.dyn_ref::<Array>().map(|all| all.iter().filter_map(|s| s.as_string()).collect()).unwrap_or_default()
}
