//! Erasing everything, and what is shown while it happens and after.

use super::dialog::Confirm;
use super::start::Brand;
use crate::model::{app, browser};
use crate::text;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The button, and the question before it does anything.
#[component]
pub(crate) fn Erase() -> impl IntoView {
    let app = app();
    let asking = RwSignal::new(false);
    let close = move || asking.set(false);
    let erase = move || spawn_local(app.erase());
    view! {
        <button class="button danger" type="button" data-testid="erase-button" on:click=move |_| asking.set(true)>
            {text::erase::ERASE}
        </button>
        <Show when=move || asking.get()>
            <Confirm question=text::erase::ASK hint=text::erase::ASK_HINT yes=text::erase::YES testid="erase-yes" confirm=erase close/>
        </Show>
    }
}

/// The part of the settings that explains it.
#[component]
pub(crate) fn EraseAll() -> impl IntoView {
    view! {
        <section class="panel">
            <h2 class="panel-title">{text::erase::HEADING}</h2>
            <p class="hint">{text::erase::HINT}</p>
            <div class="actions start"><Erase/></div>
        </section>
    }
}

/// While it happens: another tab may be slow to let go.
#[component]
pub(crate) fn Erasing() -> impl IntoView {
    view! {
        <main class="stage">
            <section class="card" role="status">
                <Brand/>
                <h1>{text::erase::ERASING}</h1>
                <p class="hint">{text::erase::ERASING_HINT}</p>
            </section>
        </main>
    }
}

/// The page has ended, and why.
#[component]
pub(crate) fn Over(sentence: &'static str) -> impl IntoView {
    view! {
        <main class="stage">
            <section class="card">
                <Brand/>
                <h1>{text::erase::OVER}</h1>
                <p class="lead" role="alert" data-testid="over-text">{sentence}</p>
                <button class="button" on:click=|_| browser::reload()>{text::RELOAD}</button>
            </section>
        </main>
    }
}
