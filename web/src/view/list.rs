//! The conversations, and how to begin one.

use super::avatar;
use super::dialog::Dialog;
use super::icon::{self, icon};
use super::start::{Brand, Wrong};
use crate::model::route::Route;
use crate::model::{app, browser, last_ms, look, name_or, title_of, when};
use crate::text;
use harbor_wasm::proto::endpoint::{Format, Topic, TopicKind, TopicState};
use harbor_wasm::proto::id::TopicUid;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

#[component]
pub(crate) fn List() -> impl IntoView {
    let app = app();
    let order = app.order();
    view! {
        <section class="list" aria-label=text::list::HEADING>
            {move || {
                if app.route.with(|r| *r == Route::Home) {
                    view! { <h1 class="unseen">{text::list::HEADING}</h1> }.into_any()
                } else {
                    view! { <h2 class="unseen">{text::list::HEADING}</h2> }.into_any()
                }
            }}
            <header class="bar">
                <Brand/>
                <a class="icon-button" href=Route::Settings.hash() aria-label=text::list::SETTINGS title=text::list::SETTINGS data-testid="settings-link">
                    {icon(icon::SETTINGS)}
                </a>
            </header>
            <New/>
            <nav class="topics" aria-label=text::list::HEADING>
                <ul>
                    <For each=move || order.get() key=|uid| *uid children=move |uid| view! { <TopicRow uid/> }/>
                </ul>
                <Show when=move || order.with(Vec::is_empty)>
                    <div class="empty small">
                        {icon(icon::CHAT)}
                        <h2>{text::list::EMPTY}</h2>
                        <p>{text::list::EMPTY_HINT}</p>
                    </div>
                </Show>
            </nav>
            <Me/>
        </section>
    }
}

/// The two buttons that begin a conversation.
#[component]
fn New() -> impl IntoView {
    let app = app();
    let asking = RwSignal::new(false);
    let busy = RwSignal::new(false);
    let new_dm = move |_| {
        busy.set(true);
        spawn_local(async move {
            if let Err(sentence) = app.create(TopicKind::Dm, "").await {
                app.trouble.set(Some(sentence));
            }
            let _ = busy.try_set(false);
        });
    };
    view! {
        <div class="new">
            <button class="button" data-testid="new-dm" disabled=busy on:click=new_dm>
                {icon(icon::CHAT)}{text::list::NEW_DM}
            </button>
            <button class="button" data-testid="new-room" on:click=move |_| asking.set(true)>
                {icon(icon::ROOM)}{text::list::NEW_ROOM}
            </button>
        </div>
        <Show when=move || asking.get()>
            <NewRoom close=move || asking.set(false)/>
        </Show>
    }
}

#[component]
fn NewRoom(close: impl Fn() + Copy + Send + Sync + 'static) -> impl IntoView {
    let app = app();
    let title = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let trouble = RwSignal::new(None);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if title.with_untracked(|t| t.trim().is_empty()) {
            return trouble.set(Some(text::room::EMPTY));
        }
        busy.set(true);
        spawn_local(async move {
            match app.create(TopicKind::Room, &title.get_untracked()).await {
                Ok(()) => close(),
                Err(sentence) => {
                    let _ = trouble.try_set(Some(sentence));
                    let _ = busy.try_set(false);
                }
            }
        });
    };
    view! {
        <Dialog heading=text::room::HEADING close>
            <p>{text::room::LEAD}</p>
            <form on:submit=submit novalidate>
                <div class="field">
                    <label for="room-title">{text::room::TITLE}</label>
                    <input
                        id="room-title"
                        type="text"
                        autocomplete="off"
                        maxlength="64"
                        dir="auto"
                        autofocus
                        placeholder=text::room::PLACEHOLDER
                        data-testid="room-title"
                        aria-describedby="room-trouble"
                        aria-invalid=move || trouble.get().is_some().then_some("true")
                        prop:value=title
                        on:input=move |event| {
                            title.set(event_target_value(&event));
                            trouble.set(None);
                        }
                    />
                    <Wrong id="room-trouble" trouble/>
                </div>
                <div class="actions">
                    <button class="button quiet" type="button" on:click=move |_| close()>{text::CANCEL}</button>
                    <button class="button primary" type="submit" data-testid="create-button" disabled=busy>
                        {text::room::CREATE}
                    </button>
                </div>
            </form>
        </Dialog>
    }
}

#[component]
fn TopicRow(uid: TopicUid) -> impl IntoView {
    let app = app();
    let topic = app.topic(uid);
    let here = move || app.route.with(|r| *r == Route::Topic(uid));
    let row = move |topic: Arc<Topic>| {
        let unread = topic.unread;
        view! {
            {avatar::topic(&topic)}
            <span class="topic-title" dir="auto">{title_of(&topic)}</span>
            <span class="topic-time">{
                let at = last_ms(&topic);
                move || when::list_time(browser::local(at), browser::local(app.now.get()))
            }</span>
            <span class="topic-last" dir="auto">{last_line(&topic)}</span>
            {(unread > 0).then(|| view! {
                <span class="count" data-testid="unread-count">
                    <span aria-hidden="true">{if unread > 99 { "99+".into() } else { unread.to_string() }}</span>
                    <span class="unseen">{text::list::unread(unread)}</span>
                </span>
            })}
        }
    };
    view! {
        <li>
            <a
                class="topic"
                class:is-unread=move || topic.with(|t| t.as_ref().is_some_and(|t| t.unread > 0))
                href=Route::Topic(uid).hash()
                aria-current=move || here().then_some("page")
                data-testid="topic-row"
                data-unread=move || topic.with(|t| t.as_ref().map_or(0, |t| t.unread))
            >
                {move || topic.get().map(row)}
            </a>
        </li>
    }
}

/// The beginning of the newest message, and who wrote it where that is not plain.
fn last_line(topic: &Topic) -> String {
    match topic.state {
        TopicState::Joining => return text::list::JOINING.into(),
        TopicState::Failed { .. } => return text::list::FAILED.into(),
        TopicState::Left => return text::list::LEFT.into(),
        TopicState::Removed => return text::list::REMOVED.into(),
        TopicState::Active => {}
    }
    let Some(last) = &topic.last else { return text::list::NO_MESSAGES.into() };
    let body = match last.format {
        _ if last.is_deleted() => text::message::DELETED.into(),
        Format::Bytes => text::message::BYTES.into(),
        Format::Text | Format::Notice => look::preview(&String::from_utf8_lossy(&last.body), 80),
    };
    if last.format == Format::Notice {
        body
    } else if last.mine {
        format!("{}: {body}", text::YOU)
    } else if topic.kind == TopicKind::Room {
        format!("{}: {body}", name_or(&last.author_name, text::SOMEONE))
    } else {
        body
    }
}

/// Who I am, and whether everything is here.
#[component]
fn Me() -> impl IntoView {
    let app = app();
    view! {
        <footer class="me">
            {move || app.profile.get().map(|p| {
                let name = look::clean(p.name.as_str());
                view! {
                    {avatar::person(&name, p.id.as_bytes())}
                    <span class="me-name" dir="auto" data-testid="my-name">{name.clone()}</span>
                }
            })}
            <Sync/>
        </footer>
    }
}

/// "All synced", "3 missing", or what stands in the way of knowing.
#[component]
fn Sync() -> impl IntoView {
    let app = app();
    let state = Memo::new(move |_| {
        let missing = app.missing();
        app.status.with(|status| match status {
            _ if app.offline.get() => ("offline", text::status::OFFLINE.to_owned()),
            None => ("connecting", text::status::CONNECTING.to_owned()),
            Some(s) if s.linked == 0 => ("connecting", text::status::CONNECTING.to_owned()),
            Some(s) if !s.synced => ("catching-up", text::status::CATCHING_UP.to_owned()),
            Some(_) if missing > 0 => ("missing", text::status::missing(missing)),
            Some(_) => ("synced", text::status::SYNCED.to_owned()),
        })
    });
    view! {
        <span
            class="sync"
            data-testid="sync-state"
            data-sync=move || state.get().0
            title=move || (state.get().0 == "missing").then_some(text::status::MISSING_HINT)
        >
            {move || state.get().1}
        </span>
    }
}
