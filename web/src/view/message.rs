//! One message.

use super::actions::{self, Actions, Press};
use super::avatar;
use super::icon::{self, Icon, icon};
use super::path;
use crate::model::chat::{Chat, Row};
use crate::model::linkify::{Piece, linkify};
use crate::model::{app, browser, look, name_or, when};
use crate::text;
use harbor_wasm::proto::endpoint::{Format, Message, State};
use harbor_wasm::proto::id::{EndpointId, MessageId};
use harbor_wasm::proto::limits::MAX_EMOJI;
use harbor_wasm::proto::wire::Text;
use leptos::prelude::*;

/// Where a message stands among its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// The first of several by one author.
    pub(crate) first: bool,
    /// The last of them.
    pub(crate) last: bool,
    /// Authors are named: there is more than one other.
    pub(crate) named: bool,
}

pub(crate) fn message(chat: Chat, row: &Row, shape: Shape, actions: Actions) -> AnyView {
    let signal = row.message.clone();
    let key = look::hex(&row.key);
    if row.notice {
        return view! {
            <li class="notice" data-key=key data-testid="notice">{body(&signal.get_untracked())}</li>
        }
        .into_any();
    }
    let mine = row.mine;
    let first = signal.get_untracked();
    let author = name_or(&first.author_name, text::SOMEONE);
    let named = shape.named && !mine;
    let state = {
        let m = signal.clone();
        move || m.with(|m| m.state.map(state_name))
    };
    let via = {
        let m = signal.clone();
        move || m.with(|m| m.path.map(path::name))
    };
    let seq = {
        let m = signal.clone();
        move || m.with(|m| m.seq)
    };
    let deleted = {
        let m = signal.clone();
        move || m.with(Message::is_deleted)
    };
    let (gone, shown, reacted) = (deleted.clone(), signal.clone(), signal.clone());
    let answers = first.reply_to;
    view! {
        <li
            class="row"
            class:mine=mine
            class:first=shape.first
            class:last=shape.last
            class:named=named
            class:deleted=deleted
            data-key=key
            data-testid="message"
            data-mine=if mine { "true" } else { "false" }
            data-state=state
            data-path=via
            data-seq=seq
        >
            {(named && shape.first).then(|| avatar::person(&author, row.author.as_bytes()))}
            <div class="bubble">
                {if named && shape.first {
                    view! { <p class=format!("author ink-{}", look::hue(row.author.as_bytes())) dir="auto">{author.clone()}</p> }.into_any()
                } else {
                    // Who is heard by a screen reader even where a look at the shape tells it.
                    let who = if mine { text::YOU.to_owned() } else { author.clone() };
                    view! { <span class="unseen">{who}": "</span> }.into_any()
                }}
                {answers.map(|id| move || (!gone()).then(|| quote(chat, id)))}
                <p class="body" dir="auto" data-testid="message-body">{move || shown.with(body)}</p>
                {meta(chat, signal.clone(), mine)}
            </div>
            {actions.button(row)}
            {move || reacted.with(|m| chips(chat, m))}
        </li>
    }
    .into_any()
}

/// What the message answers.
fn quote(chat: Chat, id: MessageId) -> AnyView {
    let quoted = chat.quote(id);
    let inside = move || {
        let (who, what) = match quoted.get() {
            Some(m) => m.with(|m| {
                let who = if m.mine { text::YOU.to_owned() } else { name_or(&m.author_name, text::SOMEONE) };
                (who, excerpt(m))
            }),
            None => (String::new(), text::message::QUOTE_GONE.to_owned()),
        };
        cited(who, what)
    };
    let go = move || {
        if let Some(row) = chat.row(id) {
            browser::scroll_to(&format!("[data-key=\"{}\"]", look::hex(&row.key)));
        }
    };
    let press = Press { class: "quote", testid: "quote", ..Press::default() };
    actions::press(press, inside.into_any(), Box::new(go))
}

/// Who said what, in two lines.
pub(crate) fn cited(who: String, what: String) -> AnyView {
    view! { <b dir="auto">{who}</b><span dir="auto">{what}</span> }.into_any()
}

/// A message in a line.
pub(crate) fn excerpt(message: &Message) -> String {
    match message.format {
        _ if message.is_deleted() => text::message::DELETED.into(),
        Format::Bytes => text::message::BYTES.into(),
        _ => look::preview(&String::from_utf8_lossy(&message.body), 120),
    }
}

/// The reactions under a message; a click puts the own one there or takes it away.
fn chips(chat: Chat, message: &Message) -> Option<AnyView> {
    let reactions = message.reactions();
    if reactions.is_empty() {
        return None;
    }
    let me = app().profile.with_untracked(|p| p.as_ref().map(|p| p.id)).unwrap_or_default();
    let chip = |(emoji, who): (Text<MAX_EMOJI>, Vec<EndpointId>)| {
        let (own, n, message) = (who.contains(&me), who.len(), message.clone());
        let shown = look::clean(emoji.as_str());
        let class = if own { "chip own" } else { "chip" };
        let label = text::message::reacted(&shown, n, own);
        let press = Press { class, testid: "reaction", label, pressed: Some(own), hides: false };
        let act = move || chat.react(&message, emoji.as_str());
        actions::press(press, view! { <bdi>{shown}</bdi>{n.to_string()} }.into_any(), Box::new(act))
    };
    Some(view! { <div class="chips">{reactions.into_iter().map(chip).collect::<Vec<_>>()}</div> }.into_any())
}

/// What was written, as text and links; never as markup.
fn body(message: &Message) -> AnyView {
    if message.is_deleted() {
        return view! { <em>{text::message::DELETED}</em> }.into_any();
    }
    if message.format == Format::Bytes {
        return view! { <em>{text::message::BYTES}</em> }.into_any();
    }
    let text = String::from_utf8_lossy(&message.body);
    let pieces = linkify(&text).into_iter().map(|piece| match piece {
        Piece::Text(text) => text.to_owned().into_any(),
        Piece::Link(url) => {
            view! { <a href=url.to_owned() target="_blank" rel="noopener noreferrer">{url.to_owned()}</a> }
                .into_any()
        }
    });
    pieces.collect_view().into_any()
}

/// When it was sent, how far it got, and which way it took.
fn meta(chat: Chat, signal: ArcRwSignal<Message>, mine: bool) -> impl IntoView {
    let app = app();
    let sent = signal.with_untracked(|m| m.sent_at.0);
    let at = browser::local(sent);
    let state = {
        let m = signal.clone();
        move || m.with(|m| m.state)
    };
    // While an own message is on its way, its way may still change.
    let path = {
        let m = signal.clone();
        move || m.with(|m| m.path.filter(|_| !is_under_way(m.state)))
    };
    let edited = {
        let m = signal.clone();
        move || m.with(Message::edited_at)
    };
    let seq = move || signal.with(|m| m.seq);
    view! {
        <div class="meta">
            {move || edited().map(|at| view! {
                <span title=when::full(browser::local(at.0), browser::local(app.now.get())) data-testid="edited">{text::message::EDITED}</span>
            })}
            <time title=move || when::full(at, browser::local(app.now.get()))>{when::clock(at)}</time>
            {move || path().map(|p| view! {
                <span class=format!("via {}", path::name(p)) title=path::was(p)>
                    {icon(path::symbol(p))}<span class="word">{path::word(p)}</span>
                </span>
            })}
            {mine.then_some(move || state().map(|s| {
                let failed = s == State::Failed;
                view! {
                    <span class=format!("state {}", state_name(s)) data-testid="message-state">
                        {icon(state_icon(s))}<span class="word">{text::message::state(s)}</span>
                    </span>
                    {
                        let seq = seq.clone();
                        failed.then(move || view! {
                            <button class="retry" type="button" data-testid="retry-button" on:click=move |_| chat.retry(seq())>
                                {text::message::RETRY}
                            </button>
                        })
                    }
                }
            }))}
        </div>
    }
}

fn is_under_way(state: Option<State>) -> bool {
    matches!(state, Some(State::Queued | State::Sending | State::Failed))
}

/// The value of `data-state`.
fn state_name(state: State) -> &'static str {
    match state {
        State::Queued => "queued",
        State::Sending => "sending",
        State::Stored { .. } => "stored",
        State::Delivered => "delivered",
        State::Failed => "failed",
    }
}

fn state_icon(state: State) -> Icon {
    match state {
        State::Queued => icon::CLOCK,
        State::Sending => icon::UP,
        State::Stored { .. } => icon::NODE,
        State::Delivered => icon::CHECKS,
        State::Failed => icon::ALERT,
    }
}
