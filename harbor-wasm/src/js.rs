//! What the npm package calls: translation only. Ids are lowercase hex, times are numbers, bodies are bytes
//! or strings; a failure is thrown as `{ code }`. The TypeScript layer (`js/src`) makes the API of it.

mod values;

use crate::{Client, Options, Subscription, reflect, set_worker_spawner};
use harbor_proto::endpoint::{Body, Command, CommandError, Format, TopicKind};
use harbor_proto::id::{EndpointId, MessageId, TopicUid};
use harbor_proto::wire::Text;
use js_sys::{Array, Function, Promise, Uint8Array};
use litemap::LiteMap;
use std::cell::RefCell;
use std::pin::Pin;
use values::ToJs;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;

/// A client as JavaScript holds it.
#[wasm_bindgen]
pub struct RawClient {
    client: Client,
    subscriptions: RefCell<LiteMap<u32, Subscription>>,
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
        let id = all.keys().last().map_or(0, |last| last + 1);
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
    pub fn profile(&self) -> Promise {
        self.ask(Ok(Command::Profile))
    }

    #[wasm_bindgen(js_name = setName)]
    pub fn set_name(&self, name: String) -> Promise {
        self.ask(text(name).map(|name| Command::SetName { name }))
    }

    pub fn status(&self) -> Promise {
        self.ask(Ok(Command::Status))
    }

    pub fn topics(&self) -> Promise {
        self.ask(Ok(Command::Topics))
    }

    #[wasm_bindgen(js_name = createRoom)]
    pub fn create_room(&self, title: String) -> Promise {
        self.ask(text(title).map(|title| Command::CreateTopic { kind: TopicKind::Room, title }))
    }

    pub fn invite(&self, topic: &str, expires_in_ms: f64) -> Promise {
        let expires_in_ms = millis(expires_in_ms);
        self.ask(uid(topic).map(|topic| Command::Invite { topic, expires_in_ms }))
    }

    #[wasm_bindgen(js_name = revokeInvite)]
    pub fn revoke_invite(&self, topic: &str, code: String) -> Promise {
        let code = Text::new(code).ok_or(CommandError::BadInvite);
        self.ask(uid(topic).and_then(|topic| Ok(Command::RevokeInvite { topic, code: code? })))
    }

    pub fn accept(&self, code: String) -> Promise {
        let code = Text::new(code).ok_or(CommandError::BadInvite);
        self.ask(code.map(|code| Command::Accept { code }))
    }

    /// `data` is a string or a Uint8Array; `client_ref` 16 bytes, the same for the same message; `reply_to` the
    /// message it answers.
    pub fn send(&self, topic: &str, client_ref: &[u8], data: &JsValue, reply_to: Option<String>) -> Promise {
        self.ask(send(topic, client_ref, data, reply_to))
    }

    pub fn edit(&self, topic: &str, message: &str, data: &JsValue) -> Promise {
        let command =
            || Ok(Command::Edit { topic: uid(topic)?, id: message_id(message)?, body: body(data)?.1 });
        self.ask(command())
    }

    pub fn delete(&self, topic: &str, message: &str) -> Promise {
        let command = || Ok(Command::Delete { topic: uid(topic)?, id: message_id(message)? });
        self.ask(command())
    }

    pub fn react(&self, topic: &str, message: &str, emoji: String, on: bool) -> Promise {
        let command =
            || Ok(Command::React { topic: uid(topic)?, id: message_id(message)?, emoji: text(emoji)?, on });
        self.ask(command())
    }

    pub fn leave(&self, topic: &str) -> Promise {
        self.ask(uid(topic).map(|topic| Command::Leave { topic }))
    }

    pub fn remove(&self, topic: &str, who: &str) -> Promise {
        self.ask(uid(topic).and_then(|topic| Ok(Command::Remove { topic, who: identity(who)? })))
    }

    /// `role` is "admin" or "member".
    #[wasm_bindgen(js_name = setRole)]
    pub fn set_role(&self, topic: &str, who: &str, role: &str) -> Promise {
        let role = values::role(role).ok_or(CommandError::BadInput);
        self.ask(
            uid(topic).and_then(|topic| Ok(Command::SetRole { topic, who: identity(who)?, role: role? })),
        )
    }

    /// 60 digits.
    #[wasm_bindgen(js_name = safetyNumber)]
    pub fn safety_number(&self, who: &str) -> Promise {
        self.ask(identity(who).map(|who| Command::SafetyNumber { who }))
    }

    #[wasm_bindgen(js_name = setVerified)]
    pub fn set_verified(&self, who: &str, verified: bool) -> Promise {
        self.ask(identity(who).map(|who| Command::SetVerified { who, verified }))
    }

    /// `{ messages, more }`, oldest first, the page just before the order key `before`.
    pub fn history(&self, topic: &str, before: Option<String>, limit: u32) -> Promise {
        let (client, topic) = (self.client.clone(), uid(topic));
        let before = before.map(|hex| fixed::<16>(&hex).ok_or(CommandError::BadInput)).transpose();
        promise(Box::pin(async move { Ok(client.history(topic?, before?, limit).await?.to_js()) }))
    }

    fn ask(&self, command: Result<Command, CommandError>) -> Promise {
        let client = self.client.clone();
        promise(Box::pin(async move { Ok(client.request(command?).await?.to_js()) }))
    }
}

/// One function for every call: each `async fn` exported would bring its own copy of the promise machinery.
fn promise(work: Pin<Box<dyn Future<Output = Result<JsValue, CommandError>>>>) -> Promise {
    future_to_promise(async move { work.await.map_err(|why| thrown(why.code())) })
}

fn send(
    topic: &str,
    client_ref: &[u8],
    data: &JsValue,
    reply_to: Option<String>,
) -> Result<Command, CommandError> {
    let client_ref = client_ref.try_into().map_err(|_| CommandError::BadInput)?;
    let (topic, (format, body)) = (uid(topic)?, body(data)?);
    Ok(match reply_to {
        Some(to) => Command::Reply { topic, client_ref, to: message_id(&to)?, format, body },
        None => Command::Send { topic, client_ref, format, body },
    })
}

fn body(data: &JsValue) -> Result<(Format, Body), CommandError> {
    let (format, body) = match data.as_string() {
        Some(text) => (Format::Text, text.into_bytes()),
        None => (Format::Bytes, Uint8Array::new(data).to_vec()),
    };
    Ok((format, Body::new(body).ok_or(CommandError::BadInput)?))
}

fn message_id(hex: &str) -> Result<MessageId, CommandError> {
    fixed(hex).map(MessageId).ok_or(CommandError::NotFound)
}

fn text<const MAX: usize>(value: String) -> Result<Text<MAX>, CommandError> {
    Text::new(value).ok_or(CommandError::BadInput)
}

fn fixed<const N: usize>(hex: &str) -> Option<[u8; N]> {
    values::unhex(hex)?.try_into().ok()
}

fn uid(hex: &str) -> Result<TopicUid, CommandError> {
    fixed(hex).map(TopicUid).ok_or(CommandError::NotFound)
}

fn identity(hex: &str) -> Result<EndpointId, CommandError> {
    fixed(hex).map(EndpointId).ok_or(CommandError::NotFound)
}

fn thrown(code: &str) -> JsValue {
    reflect::object(&[("code", &code.into())]).into()
}

/// A count or duration of JavaScript's; nonsense is zero.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
fn millis(number: f64) -> u64 {
    number as u64
}

fn strings(value: &JsValue) -> Vec<String> {
    value.dyn_ref::<Array>().map(|all| all.iter().filter_map(|s| s.as_string()).collect()).unwrap_or_default()
}
