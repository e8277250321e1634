//! A conversation as a file: for programs as JSON, for people as a page that loads nothing and runs nothing.
//!
//! Fields of the JSON: docs/spec/at-rest.md §7.

use super::when::{self, Local};
use super::{App, Outcome, browser, look, name_or, said, title_of};
use crate::text;
use harbor_wasm::proto::delivery::amend::Emoji;
use harbor_wasm::proto::endpoint::{Format, Message, Path, Role, State, Topic, TopicKind, TopicState};
use harbor_wasm::proto::id::EndpointId;
use html_escape::encode_safe;
use serde::Serialize;
use std::fmt::Write;

/// Messages that are read and written at a time.
const PAGE: u32 = 100;

/// The form of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Html,
    Json,
}

impl App {
    /// Saves what this device has of a conversation as a file.
    pub(crate) async fn export(self, topic: &Topic, form: Form) -> Outcome<()> {
        let client = self.client().ok_or(text::export::FAILED)?;
        let (mut parts, mut count, mut before) = (Vec::new(), 0, None);
        // From the newest page to the oldest, as history is read; each goes to the browser at once, which may keep it
        // on disk.
        loop {
            let page = client.history(topic.uid, before, PAGE).await.map_err(said)?;
            before = page.messages.first().map(|m| m.order);
            count += page.messages.iter().filter(|m| m.format != Format::Notice).count();
            let written = match form {
                Form::Html => html_page(&page.messages, browser::local),
                Form::Json => json_page(&page.messages, page.more),
            };
            parts.push(browser::blob(&written).ok_or(text::export::FAILED)?);
            if !page.more || before.is_none() {
                break;
            }
        }
        let now = browser::now_ms();
        let (head, tail, kind) = match form {
            Form::Html => (html_head(topic, browser::local(now), count), HTML_TAIL, "text/html"),
            Form::Json => (json_head(topic, now), JSON_TAIL, "application/json"),
        };
        parts.push(browser::blob(&head).ok_or(text::export::FAILED)?);
        parts.reverse();
        parts.push(browser::blob(tail).ok_or(text::export::FAILED)?);
        browser::save(&file_name(topic, form, now), kind, &parts).ok_or(text::export::FAILED)
    }
}

fn file_name(topic: &Topic, form: Form, now: u64) -> String {
    let letters = title_of(topic)
        .chars()
        .map(|c| if c.is_alphanumeric() { c } else { '-' })
        .take(40)
        .collect::<String>();
    let ending = if form == Form::Html { "html" } else { "json" };
    format!("harbor-{}-{}.{ending}", letters.trim_matches('-'), &when::iso(now)[..10])
}

// ---- for programs ------------------------------------------------------------------------------------------

const JSON_TAIL: &str = "\n]}\n";

#[derive(Serialize)]
struct Head<'a> {
    format: &'static str,
    version: u8,
    exported_at: String,
    conversation: Conversation<'a>,
}

#[derive(Serialize)]
struct Conversation<'a> {
    id: String,
    kind: &'static str,
    title: &'a str,
    state: &'static str,
    created_at: String,
    missing: u32,
    members: Vec<Person<'a>>,
}

#[derive(Serialize)]
struct Person<'a> {
    id: String,
    name: &'a str,
    me: bool,
    role: &'static str,
    verified: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    id: String,
    seq: u64,
    author: String,
    author_name: &'a str,
    mine: bool,
    sent_at: String,
    received_at: Option<String>,
    kind: &'static str,
    text: Option<&'a str>,
    bytes: Option<String>,
    state: Option<&'static str>,
    nodes: Option<u8>,
    path: Option<&'static str>,
    reply_to: Option<String>,
    edited_at: Option<String>,
    deleted: bool,
    reactions: Vec<Reacted>,
}

#[derive(Serialize)]
struct Reacted {
    emoji: String,
    by: Vec<String>,
}

/// All that comes before the first message.
fn json_head(topic: &Topic, now: u64) -> String {
    let members = topic.members.iter().map(|m| Person {
        id: look::hex(m.id.as_bytes()),
        name: m.name.as_str(),
        me: m.me,
        role: match m.role {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Member => "member",
        },
        verified: m.verified,
    });
    let conversation = Conversation {
        id: look::hex(&topic.uid.0),
        kind: if topic.kind == TopicKind::Dm { "dm" } else { "room" },
        title: topic.title.as_str(),
        state: match topic.state {
            TopicState::Joining => "joining",
            TopicState::Active => "active",
            TopicState::Left => "left",
            TopicState::Failed { .. } => "failed",
            TopicState::Removed => "removed",
        },
        created_at: when::iso(topic.created.0),
        missing: topic.missing,
        members: members.collect(),
    };
    let head = Head { format: "harbor-history", version: 1, exported_at: when::iso(now), conversation };
    let mut out = json(&head);
    // The object stays open for its last field.
    out.pop();
    out + ",\"messages\":["
}

/// One message a line; `older`: some lie before these.
fn json_page(messages: &[Message], older: bool) -> String {
    let mut out = String::new();
    for (at, message) in messages.iter().enumerate() {
        out.push_str(if at == 0 && !older { "\n" } else { ",\n" });
        out += &json(&line(message));
    }
    out
}

fn line(m: &Message) -> Line<'_> {
    let text = std::str::from_utf8(&m.body).ok().filter(|_| m.format != Format::Bytes);
    Line {
        id: look::hex(&m.id.0),
        seq: m.seq,
        author: look::hex(m.author.as_bytes()),
        author_name: m.author_name.as_str(),
        mine: m.mine,
        sent_at: when::iso(m.sent_at.0),
        received_at: m.received_at.map(|at| when::iso(at.0)),
        kind: match m.format {
            Format::Text => "text",
            Format::Bytes => "bytes",
            Format::Notice => "notice",
        },
        text,
        bytes: text.is_none().then(|| look::hex(&m.body)),
        state: m.state.map(|s| match s {
            State::Queued => "queued",
            State::Sending => "sending",
            State::Stored { .. } => "stored",
            State::Delivered => "delivered",
            State::Failed => "failed",
        }),
        nodes: m.state.and_then(|s| if let State::Stored { nodes } = s { Some(nodes) } else { None }),
        path: m.path.map(|p| match p {
            Path::Direct => "direct",
            Path::Relayed => "relayed",
            Path::Stored => "stored",
        }),
        reply_to: m.reply_to.map(|id| look::hex(&id.0)),
        edited_at: m.edited_at().map(|at| when::iso(at.0)),
        deleted: m.is_deleted(),
        reactions: m.reactions().into_iter().map(reacted).collect(),
    }
}

fn reacted((emoji, by): (Emoji, Vec<EndpointId>)) -> Reacted {
    let by = by.iter().map(|who| look::hex(who.as_bytes())).collect();
    Reacted { emoji: emoji.as_str().to_owned(), by }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and truths have a JSON form")
}

// ---- for people --------------------------------------------------------------------------------------------

const HTML_TAIL: &str = "</ol></main></body></html>\n";

/// What others wrote is data here, whatever it looks like: it is escaped, and should that ever fail, the policy lets
/// nothing run and nothing be loaded.
const HTML_START: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<style>
:root { --ink: #16222d; --soft: #5a6875; --line: #dde4ea; --mine: #e3f0fb; --theirs: #f1f4f7; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eef3; --soft: #9aa8b5; --line: #2c3a46; --mine: #17364f; --theirs: #1c2833; }
  html { background: #0f1820; }
}
body { max-width: 44rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; color: var(--ink); font: 1rem/1.45 system-ui, sans-serif; }
h1 { margin: 0; font-size: 1.5rem; }
p { margin: 0; overflow-wrap: anywhere; }
header { display: grid; gap: .4rem; padding-bottom: 1rem; border-bottom: 1px solid var(--line); }
header p, .who { color: var(--soft); font-size: .875rem; }
ol { display: grid; gap: .6rem; margin: 1rem 0; padding: 0; list-style: none; }
li { justify-self: start; max-width: 85%; padding: .5rem .8rem; border-radius: .9rem; background: var(--theirs); }
li.mine { justify-self: end; background: var(--mine); }
li.notice { justify-self: center; background: none; color: var(--soft); font-size: .875rem; text-align: center; }
.said { white-space: pre-wrap; }
</style>
"#;

/// All that comes before the first message.
fn html_head(topic: &Topic, now: Local, count: usize) -> String {
    let title = title_of(topic);
    let title = encode_safe(&title);
    let names = topic.members.iter().map(|m| name_or(&m.name, text::SOMEONE)).collect::<Vec<_>>().join(", ");
    let made = text::export::made(&when::stamp(now), topic.members.len(), count);
    let missing = if topic.missing > 0 { text::export::missing(topic.missing) } else { String::new() };
    let mut out = HTML_START.to_owned();
    let _ = write!(out, "<title>{title} · Harbor</title></head><body><header><h1 dir=\"auto\">{title}</h1>");
    for line in [&made, &names, &missing, text::export::WARNING] {
        if !line.is_empty() {
            let _ = write!(out, "<p dir=\"auto\">{}</p>", encode_safe(line));
        }
    }
    out + "</header><main><ol>\n"
}

fn html_page(messages: &[Message], local: impl Fn(u64) -> Local) -> String {
    let mut out = String::new();
    for m in messages {
        let said = String::from_utf8_lossy(&m.body);
        let said = match m.format {
            _ if m.is_deleted() => text::message::DELETED.into(),
            Format::Bytes => text::export::BYTES.into(),
            Format::Text | Format::Notice => encode_safe(&said),
        };
        if m.format == Format::Notice {
            let _ = writeln!(out, "<li class=\"notice\"><p dir=\"auto\">{said}</p></li>");
            continue;
        }
        let class = if m.mine { "mine" } else { "theirs" };
        let name = name_or(&m.author_name, text::SOMEONE);
        let (name, iso) = (encode_safe(&name), when::iso(m.sent_at.0));
        let at = when::stamp(local(m.sent_at.0));
        let mut state = m.state.map(|s| format!(" · {}", text::message::state(s))).unwrap_or_default();
        if m.edited_at().is_some() {
            let _ = write!(state, " · {}", text::message::EDITED);
        }
        for (emoji, by) in m.reactions() {
            let _ = write!(state, " · {} {}", encode_safe(emoji.as_str()), by.len());
        }
        let _ = writeln!(
            out,
            "<li class=\"{class}\"><p class=\"who\"><bdi>{name}</bdi> · <time datetime=\"{iso}\">{at}</time>{state}</p>\
             <p class=\"said\" dir=\"auto\">{said}</p></li>"
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use harbor_wasm::proto::endpoint::Member;
    use harbor_wasm::proto::id::{MessageId, TopicUid};
    use harbor_wasm::proto::time::UnixMillis;
    use harbor_wasm::proto::wire::{Bytes, List, Text};

    const NASTY: &str =
        "</p><script>alert(1)</script><img src=x onerror=\"alert('2')\"> & \u{2028}\n\"quoted\"";

    fn message(body: &str, mine: bool) -> Message {
        Message {
            topic: TopicUid([1; 32]),
            order: [0; 16],
            id: MessageId([2; 32]),
            seq: 3,
            author: EndpointId([4; 32]),
            author_name: Text::new("<b>Ana</b>").unwrap(),
            mine,
            sent_at: UnixMillis(1_795_255_200_123),
            received_at: (!mine).then_some(UnixMillis(0)),
            format: Format::Text,
            body: Bytes::new(body.as_bytes().to_vec()).unwrap(),
            state: mine.then_some(State::Stored { nodes: 2 }),
            path: Some(Path::Direct),
            client_ref: [0; 16],
            reply_to: None,
            amended: Default::default(),
        }
    }

    fn topic() -> Topic {
        let member = Member {
            id: EndpointId([4; 32]),
            name: Text::new("<i>Ana").unwrap(),
            me: true,
            role: Role::Owner,
            verified: false,
            path: Path::Direct,
        };
        Topic {
            uid: TopicUid([1; 32]),
            kind: TopicKind::Room,
            title: Text::new("<u>Trip/../ \"x\"").unwrap(),
            state: TopicState::Active,
            admin: true,
            members: List::first([member]),
            invites: List::default(),
            unread: 0,
            missing: 2,
            last: None,
            created: UnixMillis(0),
        }
    }

    #[test]
    fn the_parts_of_the_json_make_one_value_with_every_message_in_order() {
        let (old, new) = ([message("a", true), message(NASTY, false)], [message("c", true)]);
        let whole = [json_head(&topic(), 0), json_page(&old, false), json_page(&new, true), JSON_TAIL.into()]
            .concat();
        let value: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(value["format"], "harbor-history");
        assert_eq!(value["conversation"]["title"], "<u>Trip/../ \"x\"");
        assert_eq!(value["conversation"]["members"][0]["name"], "<i>Ana");
        let texts: Vec<_> =
            value["messages"].as_array().unwrap().iter().map(|m| m["text"].as_str().unwrap()).collect();
        assert_eq!(texts, ["a", NASTY, "c"]);
        let first = &value["messages"][0];
        assert_eq!(
            (&first["sent_at"], &first["state"]),
            (&"2026-11-21T10:00:00.123Z".into(), &"stored".into())
        );
        assert_eq!((first["nodes"].as_u64(), first["received_at"].is_null()), (Some(2), true));
    }

    #[test]
    fn a_conversation_without_messages_is_still_a_value() {
        let whole = [json_head(&topic(), 0), json_page(&[], false), JSON_TAIL.into()].concat();
        let value: serde_json::Value = serde_json::from_str(&whole).unwrap();
        assert_eq!(value["messages"].as_array().map(Vec::len), Some(0));
    }

    #[test]
    fn bytes_are_hex_and_no_text() {
        let app = Message { format: Format::Bytes, ..message("\u{1}ab", true) };
        let value: serde_json::Value = serde_json::from_str(&json(&line(&app))).unwrap();
        assert_eq!(
            (&value["kind"], &value["bytes"], value["text"].is_null()),
            (&"bytes".into(), &"016162".into(), true)
        );
    }

    #[test]
    fn what_others_wrote_is_no_markup() {
        let utc = |ms| Local::new(ms, 0);
        let written =
            html_page(&[message(NASTY, false)], utc) + &html_head(&topic(), utc(0), 1)[HTML_START.len()..];
        for tag in ["<script", "<img", "<b>", "<i>", "<u>", "onerror=\""] {
            assert!(!written.contains(tag), "{tag} in {written}");
        }
        assert!(written.contains("&lt;script&gt;") && written.contains("&lt;img"));
    }

    #[test]
    fn a_title_makes_a_file_name_without_paths() {
        assert_eq!(file_name(&topic(), Form::Json, 0), "harbor-u-Trip------x-1970-01-01.json");
    }
}
