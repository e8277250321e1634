//! The core's values as plain JavaScript objects; `js/src/raw.ts` names their types.

use crate::Page;
use harbor_proto::delivery::amend::Emoji;
use harbor_proto::endpoint::{
    Event, Format, Invite, Member, Message, Path, Profile, Reply, Role, State, Status, Topic, TopicKind,
    TopicState,
};
use harbor_proto::id::EndpointId;
use harbor_proto::time::UnixMillis;
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;

/// A value as JavaScript sees it.
pub(super) trait ToJs {
    fn to_js(&self) -> JsValue;
}

pub(super) fn hex(bytes: &[u8]) -> JsValue {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n)]);
    JsValue::from(bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect::<String>())
}

pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: &u8| char::from(*c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = text.as_bytes().chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    });
    pairs.collect()
}

fn object<const N: usize>(fields: [(&str, JsValue); N]) -> JsValue {
    let out = js_sys::Object::new();
    for (name, value) in fields {
        if !value.is_undefined() {
            js_sys::Reflect::set(&out, &name.into(), &value).expect("a fresh object takes every field");
        }
    }
    out.into()
}

fn list<T: ToJs>(items: &[T]) -> JsValue {
    items.iter().map(ToJs::to_js).collect::<Array>().into()
}

/// Whole numbers up to 2^53 are exact in JavaScript; clocks and counters stay far below.
#[expect(clippy::cast_precision_loss, reason = "see above")]
fn number(n: u64) -> JsValue {
    JsValue::from(n as f64)
}

fn time(at: UnixMillis) -> JsValue {
    number(at.0)
}

impl<T: ToJs> ToJs for Option<T> {
    fn to_js(&self) -> JsValue {
        self.as_ref().map_or(JsValue::UNDEFINED, ToJs::to_js)
    }
}

impl ToJs for Reply {
    fn to_js(&self) -> JsValue {
        match self {
            Self::Done => JsValue::UNDEFINED,
            Self::Profile { profile } => profile.to_js(),
            Self::Topic { topic } => topic.to_js(),
            Self::Topics { topics } => list(topics),
            Self::Invite { invite } => invite.to_js(),
            // Nobody here asks for one.
            Self::Preview { .. } => JsValue::UNDEFINED,
            Self::Sent { message } => message.to_js(),
            Self::Status { status } => status.to_js(),
            Self::SafetyNumber { digits } => digits.as_str().into(),
        }
    }
}

impl ToJs for Event {
    fn to_js(&self) -> JsValue {
        let event = |kind: &str, name: &str, value: JsValue| object([("type", kind.into()), (name, value)]);
        match self {
            Self::Topic { topic } => event("topic", "topic", topic.to_js()),
            Self::TopicGone { topic } => event("topicGone", "id", hex(&topic.0)),
            Self::Message { message } => event("message", "message", message.to_js()),
            Self::State { topic, seq, order, state, path } => object([
                ("type", "state".into()),
                ("topic", hex(&topic.0)),
                ("seq", number(*seq)),
                ("order", hex(order)),
                ("state", state_name(*state).into()),
                ("nodes", state_nodes(*state)),
                ("path", path.to_js()),
            ]),
            Self::Status { status } => event("status", "status", status.to_js()),
            Self::Profile { profile } => event("profile", "profile", profile.to_js()),
            Self::Amended { message } => event("amended", "message", message.to_js()),
        }
    }
}

impl ToJs for Page {
    fn to_js(&self) -> JsValue {
        object([("messages", list(&self.messages)), ("more", self.more.into())])
    }
}

impl ToJs for Profile {
    fn to_js(&self) -> JsValue {
        object([("id", hex(&self.id.0)), ("name", self.name.as_str().into())])
    }
}

impl ToJs for Topic {
    fn to_js(&self) -> JsValue {
        let (state, why) = match self.state {
            TopicState::Joining => ("joining", JsValue::UNDEFINED),
            TopicState::Active => ("active", JsValue::UNDEFINED),
            TopicState::Left => ("left", JsValue::UNDEFINED),
            TopicState::Removed => ("removed", JsValue::UNDEFINED),
            TopicState::Failed { why } => ("failed", why.code().into()),
        };
        object([
            ("id", hex(&self.uid.0)),
            ("kind", kind_name(self.kind).into()),
            ("title", self.title.as_str().into()),
            ("state", state.into()),
            ("why", why),
            ("admin", self.admin.into()),
            ("members", list(&self.members)),
            ("unread", self.unread.into()),
            ("missing", self.missing.into()),
            ("created", time(self.created)),
        ])
    }
}

fn kind_name(kind: TopicKind) -> &'static str {
    match kind {
        TopicKind::Dm => "dm",
        TopicKind::Room => "room",
    }
}

const ROLES: [(Role, &str); 3] = [(Role::Owner, "owner"), (Role::Admin, "admin"), (Role::Member, "member")];

fn role_name(role: Role) -> &'static str {
    ROLES.iter().find(|(one, _)| *one == role).map_or("member", |(_, name)| name)
}

/// A role by its name.
pub(super) fn role(name: &str) -> Option<Role> {
    ROLES.iter().find(|(_, one)| *one == name).map(|(role, _)| *role)
}

impl ToJs for Member {
    fn to_js(&self) -> JsValue {
        object([
            ("id", hex(&self.id.0)),
            ("name", self.name.as_str().into()),
            ("me", self.me.into()),
            ("role", role_name(self.role).into()),
            ("verified", self.verified.into()),
            ("path", self.path.to_js()),
        ])
    }
}

impl ToJs for Path {
    fn to_js(&self) -> JsValue {
        JsValue::from(match self {
            Self::Direct => "direct",
            Self::Relayed => "relay",
            Self::Stored => "stored",
        })
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Sending => "sending",
        State::Stored { .. } => "stored",
        State::Delivered => "delivered",
        State::Failed => "failed",
    }
}

fn state_nodes(state: State) -> JsValue {
    if let State::Stored { nodes } = state { nodes.into() } else { JsValue::UNDEFINED }
}

impl ToJs for Message {
    fn to_js(&self) -> JsValue {
        let (kind, data) = match self.format {
            Format::Text => ("text", String::from_utf8_lossy(&self.body).as_ref().into()),
            Format::Bytes => ("bytes", Uint8Array::from(&self.body[..]).into()),
            Format::Notice => ("notice", String::from_utf8_lossy(&self.body).as_ref().into()),
        };
        object([
            ("topic", hex(&self.topic.0)),
            ("order", hex(&self.order)),
            ("id", hex(&self.id.0)),
            ("seq", number(self.seq)),
            ("author", hex(&self.author.0)),
            ("authorName", self.author_name.as_str().into()),
            ("mine", self.mine.into()),
            ("sentAt", time(self.sent_at)),
            ("receivedAt", self.received_at.map_or(JsValue::UNDEFINED, time)),
            ("kind", kind.into()),
            ("data", data),
            ("state", self.state.map_or(JsValue::UNDEFINED, |s| state_name(s).into())),
            ("nodes", self.state.map_or(JsValue::UNDEFINED, state_nodes)),
            ("path", self.path.to_js()),
            ("replyTo", self.reply_to.map_or(JsValue::UNDEFINED, |id| hex(&id.0))),
            ("editedAt", self.edited_at().map_or(JsValue::UNDEFINED, time)),
            ("deleted", self.is_deleted().into()),
            ("reactions", self.reactions().iter().map(reaction).collect::<Array>().into()),
        ])
    }
}

/// `[emoji, ids]`, an entry of a Map.
fn reaction((emoji, who): &(Emoji, Vec<EndpointId>)) -> Array {
    Array::of2(&emoji.as_str().into(), &who.iter().map(|id| hex(&id.0)).collect::<Array>())
}

impl ToJs for Invite {
    fn to_js(&self) -> JsValue {
        object([("code", self.code.as_str().into()), ("expires", time(self.expires))])
    }
}

impl ToJs for Status {
    fn to_js(&self) -> JsValue {
        object([
            ("linked", self.linked.into()),
            ("nodes", self.nodes.into()),
            ("peers", self.peers.into()),
            ("queued", self.queued.into()),
            ("synced", self.synced.into()),
            ("direct", self.direct_enabled.into()),
        ])
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::*;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn hex_goes_both_ways_and_refuses_what_is_none() {
        let bytes: Vec<u8> = (0..=255).collect();
        let text = hex(&bytes).as_string().unwrap();
        assert_eq!(&text[..8], "00010203");
        assert_eq!(unhex(&text), Some(bytes));
        assert_eq!((unhex("0"), unhex("0g"), unhex("é0")), (None, None, None));
    }
}
