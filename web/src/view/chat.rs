//! One conversation: its head, its messages, and where to write.

use super::avatar;
use super::composer::Composer;
use super::details::Details;
use super::icon::{self, icon};
use super::invite::Invite;
use super::log::Log;
use super::path;
use crate::model::chat::Chat;
use crate::model::sentence::joining;
use crate::model::{app, title_of};
use crate::text;
use harbor_wasm::proto::endpoint::{Topic, TopicKind, TopicState};
use harbor_wasm::proto::id::TopicUid;
use leptos::prelude::*;
use std::sync::Arc;

/// What of a conversation decides which parts it shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unknown,
    Waiting,
    Failed(&'static str),
    /// With a sentence where nothing can be written any more.
    Open {
        over: Option<&'static str>,
    },
}

fn stage(topic: Option<&Topic>) -> Stage {
    match topic.map(|t| t.state) {
        None => Stage::Unknown,
        Some(TopicState::Joining) => Stage::Waiting,
        Some(TopicState::Failed { why }) => Stage::Failed(joining(why.code())),
        Some(TopicState::Active) => Stage::Open { over: None },
        Some(TopicState::Left) => Stage::Open { over: Some(text::chat::LEFT) },
        Some(TopicState::Removed) => Stage::Open { over: Some(text::chat::REMOVED) },
    }
}

#[component]
pub(crate) fn ChatView(uid: TopicUid) -> impl IntoView {
    let app = app();
    let topic = app.topic(uid);
    let stage = Memo::new(move |_| topic.with(|t| stage(t.as_deref())));
    let inviting = RwSignal::new(false);
    let detailed = RwSignal::new(false);
    view! {
        <section class="chat" data-testid="chat">
            <Head topic inviting detailed/>
            {move || match stage.get() {
                Stage::Unknown => view! { <Gone/> }.into_any(),
                Stage::Waiting => view! { <Waiting/> }.into_any(),
                Stage::Failed(why) => view! { <Failed uid why/> }.into_any(),
                Stage::Open { over } => view! { <Open uid topic over inviting/> }.into_any(),
            }}
            <Show when=move || inviting.get()>
                <Invite uid close=move || inviting.set(false)/>
            </Show>
            <Show when=move || detailed.get()>
                <Details uid topic close=move || detailed.set(false)/>
            </Show>
        </section>
    }
}

/// May somebody be invited, and by me?
fn can_invite(topic: &Topic) -> bool {
    let full = topic.kind == TopicKind::Dm && topic.members.len() >= 2;
    topic.state == TopicState::Active && topic.admin && !full
}

#[component]
fn Head(
    topic: Memo<Option<Arc<Topic>>>,
    inviting: RwSignal<bool>,
    detailed: RwSignal<bool>,
) -> impl IntoView {
    let app = app();
    let known = move || topic.with(Option::is_some);
    let invitable = move || topic.with(|t| t.as_deref().is_some_and(can_invite));
    view! {
        <header class="bar">
            <button class="icon-button back" aria-label=text::BACK data-testid="back-button" on:click=move |_| app.go_back()>
                {icon(icon::BACK)}
            </button>
            {move || topic.get().map(|t| view! {
                {avatar::topic(&t)}
                <div class="head-names">
                    <h1 dir="auto" data-testid="topic-title">{title_of(&t)}</h1>
                    <p class="head-sub">
                        {(t.state == TopicState::Active).then(|| path::topic(&t.members)).flatten()}
                        {subtitle(&t)}
                    </p>
                </div>
            })}
            <Show when=invitable>
                <button class="button head-invite" data-testid="invite-button" aria-label=text::chat::INVITE on:click=move |_| inviting.set(true)>
                    {icon(icon::INVITE)}<span class="wide-only">{text::chat::INVITE}</span>
                </button>
            </Show>
            <Show when=known>
                <button class="icon-button" aria-label=text::chat::DETAILS title=text::chat::DETAILS data-testid="details-button" on:click=move |_| detailed.set(true)>
                    {icon(icon::MORE)}
                </button>
            </Show>
        </header>
    }
}

/// How many there are, and whether all of their messages are here.
fn subtitle(topic: &Topic) -> AnyView {
    let app = app();
    let people = text::chat::members(topic.members.len());
    if topic.state != TopicState::Active {
        return people.into_any();
    }
    let missing = topic.missing;
    if missing > 0 {
        let words = text::status::missing(missing);
        return view! {
            <span class="missing" title=text::status::MISSING_HINT data-testid="topic-sync" data-missing=missing>{words}</span>
            " · "{people}
        }
        .into_any();
    }
    view! {
        {people}
        {move || app.status.with(|s| s.as_ref().is_some_and(|s| s.synced && s.linked > 0)).then(|| view! {
            " · "<span data-testid="topic-sync" data-missing="0">{text::status::SYNCED}</span>
        })}
    }
    .into_any()
}

/// A conversation with its history.
#[component]
fn Open(
    uid: TopicUid,
    topic: Memo<Option<Arc<Topic>>>,
    over: Option<&'static str>,
    inviting: RwSignal<bool>,
) -> impl IntoView {
    let app = app();
    let chat = Chat::open(app, uid);
    view! {
        <Log chat topic>
            <Beginning topic inviting/>
        </Log>
        {match over {
            Some(sentence) => view! { <p class="closed" data-testid="left-note">{sentence}</p> }.into_any(),
            None => view! { <Composer chat/> }.into_any(),
        }}
    }
}

/// What stands where a conversation has no messages yet.
#[component]
fn Beginning(topic: Memo<Option<Arc<Topic>>>, inviting: RwSignal<bool>) -> impl IntoView {
    let alone = Memo::new(move |_| {
        topic.with(|t| t.as_deref().is_some_and(|t| t.members.len() < 2 && can_invite(t)))
    });
    let dm = Memo::new(move |_| topic.with(|t| t.as_deref().is_some_and(|t| t.kind == TopicKind::Dm)));
    view! {
        {move || if alone.get() {
            view! {
                <div class="empty">
                    {icon(icon::INVITE)}
                    <h2>{text::chat::ALONE}</h2>
                    <p>{if dm.get() { text::chat::ALONE_DM } else { text::chat::ALONE_ROOM }}</p>
                    <button class="button primary" data-testid="invite-first" on:click=move |_| inviting.set(true)>
                        {text::chat::MAKE_LINK}
                    </button>
                </div>
            }
            .into_any()
        } else {
            view! {
                <div class="empty">
                    {icon(icon::LOCK)}
                    <h2>{text::chat::SAY_HELLO}</h2>
                    <p>{text::chat::SAY_HELLO_HINT}</p>
                </div>
            }
            .into_any()
        }}
    }
}

#[component]
fn Waiting() -> impl IntoView {
    view! {
        <div class="empty fill" role="status" data-testid="waiting">
            <span class="waiting-mark">{icon(icon::HARBOR)}</span>
            <h2>{text::chat::WAITING}</h2>
            <p>{text::chat::WAITING_HINT}</p>
        </div>
    }
}

#[component]
fn Failed(uid: TopicUid, why: &'static str) -> impl IntoView {
    let app = app();
    let forget = move |_| {
        leptos::task::spawn_local(async move {
            if let Err(sentence) = app.forget(uid).await {
                app.trouble.set(Some(sentence));
            }
        });
    };
    view! {
        <div class="empty fill">
            {icon(icon::ALERT)}
            <h2>{text::chat::FAILED}</h2>
            <p data-testid="error-text">{why}</p>
            <button class="button" data-testid="forget-button" on:click=forget>{text::details::FORGET}</button>
        </div>
    }
}

#[component]
fn Gone() -> impl IntoView {
    view! {
        <div class="empty fill">
            {icon(icon::ALERT)}
            <h2>{text::chat::GONE}</h2>
            <p data-testid="error-text">{text::chat::GONE_HINT}</p>
            <a class="button" href="#/">{text::join::HOME}</a>
        </div>
    }
}
