//! What an invite link opens: who invites to what, before anything is sent.

use super::avatar;
use super::icon::{self, icon};
use super::start::{Brand, NameField};
use crate::model::look;
use crate::model::route::Route;
use crate::model::{Phase, app, browser, name_or, when};
use crate::text;
use harbor_wasm::proto::endpoint::{Preview, TopicKind};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// How the reading of an invite went.
#[derive(Clone, PartialEq, Eq)]
enum Reading {
    Pending,
    Read(Preview),
    Failed(&'static str),
}

#[component]
pub(crate) fn Join() -> impl IntoView {
    let app = app();
    let code =
        Memo::new(move |_| app.route.with(|r| if let Route::Join(code) = r { code.clone() } else { None }));
    view! {
        <main class="stage">
            <section class="card join">
                <Brand/>
                {move || match code.get() {
                    Some(code) => view! { <Invited code/> }.into_any(),
                    None => view! { <NoCode/> }.into_any(),
                }}
            </section>
        </main>
    }
}

#[component]
fn NoCode() -> impl IntoView {
    view! {
        <h1>{text::join::NO_CODE}</h1>
        <p data-testid="error-text">{text::join::NO_CODE_HINT}</p>
        <a class="button" href="#/">{text::join::HOME}</a>
    }
}

#[component]
fn Invited(code: String) -> impl IntoView {
    let app = app();
    let code = StoredValue::new(code);
    let reading = RwSignal::new(Reading::Pending);
    let read = move || {
        reading.set(Reading::Pending);
        spawn_local(async move {
            let result = app.preview(&code.get_value()).await;
            let _ = reading.try_set(result.map_or_else(Reading::Failed, Reading::Read));
        });
    };
    // A page that has just opened is not linked yet: ask when it is, or when that takes too long; and again when
    // a link comes after a failure for want of one.
    let linked = Memo::new(move |_| app.status.with(|s| s.as_ref().is_some_and(|s| s.linked > 0)));
    let reachable = Memo::new(move |_| (linked.get(), app.offline.get()));
    Effect::new(move |asked: Option<bool>| {
        let (linked, offline) = reachable.get();
        let first = !asked.unwrap_or(false) && (linked || offline);
        let again = linked && reading.with_untracked(|r| *r == Reading::Failed(text::error::OFFLINE));
        if first || again {
            read();
        }
        asked.unwrap_or(false) || first
    });
    // Some nodes of the way need an identity first.
    let needs_name = move || reading.with(|r| *r == Reading::Failed(text::error::NOT_INITIALIZED));
    view! {
        {move || match reading.get() {
            Reading::Pending => view! { <p role="status">{text::join::READING}</p> }.into_any(),
            Reading::Read(preview) => view! { <Offer preview code/> }.into_any(),
            Reading::Failed(_) if needs_name() => view! { <NameFirst read/> }.into_any(),
            Reading::Failed(sentence) => view! {
                <h1>{text::join::BROKEN}</h1>
                <p class="error" role="alert" data-testid="error-text">{sentence}</p>
                <div class="actions start">
                    <button class="button" on:click=move |_| read()>{text::join::RETRY}</button>
                    <a class="button quiet" href="#/">{text::join::HOME}</a>
                </div>
            }.into_any(),
        }}
    }
}

/// Asks for a name before the invite can be read.
#[component]
fn NameFirst(read: impl Fn() + Copy + 'static) -> impl IntoView {
    let app = app();
    let name = RwSignal::new(String::new());
    let trouble = RwSignal::new(None);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if name.with_untracked(|n| n.trim().is_empty()) {
            return trouble.set(Some(text::start::NAME_EMPTY));
        }
        spawn_local(async move {
            match app.set_name(&name.get_untracked()).await {
                Ok(()) => read(),
                Err(sentence) => {
                    let _ = trouble.try_set(Some(sentence));
                }
            }
        });
    };
    view! {
        <h1>{text::start::HEADING}</h1>
        <p class="lead">{text::start::LEAD}</p>
        <form on:submit=submit novalidate>
            <NameField label=text::start::NAME name trouble/>
            <button class="button primary wide" type="submit" data-testid="start-button">{text::start::START}</button>
        </form>
    }
}

#[component]
fn Offer(preview: Preview, code: StoredValue<String>) -> impl IntoView {
    let app = app();
    let inviter = name_or(&preview.inviter_name, text::SOMEONE);
    let title = look::clean(preview.title.as_str());
    let room = preview.kind == TopicKind::Room;
    let until = when::full(browser::local(preview.expires.0), browser::local(app.now.get_untracked()));
    view! {
        {avatar::person(&inviter, preview.inviter.as_bytes())}
        <h1 class="offer">
            <bdi data-testid="join-inviter">{inviter.clone()}</bdi>" "
            {if room { text::join::TO_ROOM } else { text::join::TO_DM }}
            {room.then(|| view! { " "<bdi class="offer-title" data-testid="join-title">{title.clone()}</bdi> })}
        </h1>
        {match preview.already {
            Some(uid) => view! {
                <p>{text::join::ALREADY}</p>
                <button class="button primary wide" data-testid="open-button" on:click=move |_| app.go_instead(Route::Topic(uid))>
                    {text::join::OPEN}
                </button>
            }.into_any(),
            None => view! { <Accept code/><p class="hint">{text::join::expires(&until)}" "{text::join::CHECK}</p> }.into_any(),
        }}
    }
}

/// The button that joins, with a name for who has none yet.
#[component]
fn Accept(code: StoredValue<String>) -> impl IntoView {
    let app = app();
    let name = RwSignal::new(String::new());
    let name_trouble = RwSignal::new(None);
    let trouble = RwSignal::new(None::<&'static str>);
    let busy = RwSignal::new(false);
    let nameless = app.phase.get_untracked() == Phase::Naming;
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if nameless && name.with_untracked(|n| n.trim().is_empty()) {
            return name_trouble.set(Some(text::start::NAME_EMPTY));
        }
        busy.set(true);
        spawn_local(async move {
            let named = if app.phase.get_untracked() == Phase::Naming {
                app.set_name(&name.get_untracked()).await
            } else {
                Ok(())
            };
            let result = match named {
                Ok(()) => app.accept(&code.get_value()).await,
                Err(sentence) => Err(sentence),
            };
            let _ = trouble.try_set(result.err());
            let _ = busy.try_set(false);
        });
    };
    view! {
        <form on:submit=submit novalidate>
            {nameless.then(|| view! { <NameField label=text::join::NAME name trouble=name_trouble/> })}
            {move || trouble.get().map(|t| view! {
                <p class="error" role="alert" data-testid="error-text">{icon(icon::ALERT)}{t}</p>
            })}
            <button class="button primary wide" type="submit" data-testid="join-button" disabled=busy>
                {text::join::JOIN}
            </button>
        </form>
    }
}
