//! What a person sees. Views read [`App`](crate::model::App) and call it; they keep no truth of their own.
#![allow(unreachable_pub, reason = "the component macro writes `pub` into what it makes")]

mod actions;
mod avatar;
mod banner;
mod chat;
mod composer;
mod details;
mod dialog;
mod erase;
mod export;
mod icon;
mod invite;
mod join;
mod list;
mod log;
mod message;
mod path;
mod person;
mod settings;
mod start;

use crate::model::route::Route;
use crate::model::sentence::sentence;
use crate::model::{App, Phase, app, browser, title_of};
use crate::text;
use leptos::prelude::*;

/// Puts the app into the page.
pub(crate) fn mount() {
    browser::remove_splash();
    leptos::mount::mount_to_body(Root);
}

/// What fills the page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Screen {
    Opening,
    Fatal(&'static str),
    Erasing,
    Over(&'static str),
    Start,
    Join,
    Main,
}

fn screen(app: App) -> Screen {
    match (app.phase.get(), app.route.get()) {
        (Phase::Opening, _) => Screen::Opening,
        (Phase::Fatal(code), _) => Screen::Fatal(code),
        (Phase::Erasing, _) => Screen::Erasing,
        (Phase::Over(sentence), _) => Screen::Over(sentence),
        (_, Route::Join(_)) => Screen::Join,
        (Phase::Naming, _) => Screen::Start,
        (Phase::Ready, _) => Screen::Main,
    }
}

#[component]
fn Root() -> impl IntoView {
    let app = App::start();
    provide_context(app);
    keep_title(app);
    let screen = Memo::new(move |_| screen(app));
    view! {
        {move || match screen.get() {
            Screen::Opening => view! { <p class="opening">{text::OPENING}</p> }.into_any(),
            Screen::Fatal(code) => view! { <Fatal code/> }.into_any(),
            Screen::Erasing => view! { <erase::Erasing/> }.into_any(),
            Screen::Over(sentence) => view! { <erase::Over sentence/> }.into_any(),
            Screen::Start => view! { <start::Start/> }.into_any(),
            Screen::Join => view! { <join::Join/> }.into_any(),
            Screen::Main => view! { <Main/> }.into_any(),
        }}
        <banner::Trouble/>
        // One voice for the whole page: the log itself is not live, or everything would be said twice.
        <p class="unseen" role="status" aria-live="polite" data-testid="announcer">{move || app.said.get()}</p>
    }
}

/// Keeps the window's title: what is open, and how much is unread.
fn keep_title(app: App) {
    Effect::new(move || {
        let place = match app.route.get() {
            Route::Topic(uid) => {
                app.topics.with(|all| all.get(&uid).map(|t| title_of(t))).unwrap_or_default()
            }
            Route::Settings => text::settings::HEADING.into(),
            Route::Home | Route::Join(_) => String::new(),
        };
        browser::document().set_title(&text::title(app.unread(), &place));
    });
}

/// The list, and beside it what was picked; on a narrow screen one of the two.
#[component]
fn Main() -> impl IntoView {
    let app = app();
    let at_home = move || app.route.with(|r| *r == Route::Home);
    view! {
        <main class="main" class:at-home=at_home>
            <banner::Offline/>
            <list::List/>
            <div class="pane">
                {move || match app.route.get() {
                    Route::Topic(uid) => view! { <chat::ChatView uid/> }.into_any(),
                    Route::Settings => view! { <settings::Settings/> }.into_any(),
                    Route::Home | Route::Join(_) => view! { <Nothing/> }.into_any(),
                }}
            </div>
        </main>
    }
}

/// The pane while nothing is picked.
#[component]
fn Nothing() -> impl IntoView {
    view! {
        <div class="empty">
            {icon::icon(icon::HARBOR)}
            <h2>{text::list::PICK}</h2>
            <p>{text::list::PICK_HINT}</p>
        </div>
    }
}

/// The app cannot start, and what to do.
#[component]
fn Fatal(code: &'static str) -> impl IntoView {
    view! {
        <main class="stage">
            <section class="card">
                <start::Brand/>
                <h1>{text::fatal::HEADING}</h1>
                <p class="error" role="alert" data-testid="error-text" data-code=code>{sentence(code)}</p>
                <div class="actions start">
                    <button class="button" on:click=|_| browser::reload()>{text::RELOAD}</button>
                    {(code == "storage_lost").then(|| view! { <erase::Erase/> })}
                </div>
            </section>
        </main>
    }
}
