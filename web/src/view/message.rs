//! One message.

use super::avatar;
use super::icon::{self, Icon, icon};
use super::path;
use crate::model::chat::{Chat, Row};
use crate::model::linkify::{Piece, linkify};
use crate::model::{app, browser, name_or, when};
use crate::text;
use harbor_wasm::proto::endpoint::{Format, Message, State};
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

pub(crate) fn message(chat: Chat, row: &Row, shape: Shape) -> AnyView {
    let signal = row.message.clone();
    let key = crate::model::look::hex(&row.key);
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
    view! {
        <li
            class="row"
            class:mine=mine
            class:first=shape.first
            class:last=shape.last
            class:named=named
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
                    view! { <p class=format!("author ink-{}", crate::model::look::hue(row.author.as_bytes())) dir="auto">{author.clone()}</p> }.into_any()
                } else {
                    // Who is heard by a screen reader even where a look at the shape tells it.
                    let who = if mine { text::YOU.to_owned() } else { author.clone() };
                    view! { <span class="unseen">{who}": "</span> }.into_any()
                }}
                <p class="body" dir="auto" data-testid="message-body">{body(&first)}</p>
                {meta(chat, signal, mine)}
            </div>
        </li>
    }
    .into_any()
}

/// What was written, as text and links; never as markup.
fn body(message: &Message) -> AnyView {
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
    let seq = move || signal.with(|m| m.seq);
    view! {
        <div class="meta">
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
