//! The first page somebody sees: a name, and that is all.

use super::icon::{self, icon};
use crate::model::app;
use crate::text;
use leptos::prelude::*;
use leptos::task::spawn_local;

/// The mark and the name.
#[component]
pub(crate) fn Brand() -> impl IntoView {
    view! {
        <p class="brand"><span class="mark">{icon(icon::HARBOR)}</span>{text::APP}</p>
    }
}

#[component]
pub(crate) fn Start() -> impl IntoView {
    let app = app();
    let name = RwSignal::new(String::new());
    let busy = RwSignal::new(false);
    let trouble = RwSignal::new(None);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if name.with_untracked(|n| n.trim().is_empty()) {
            return trouble.set(Some(text::start::NAME_EMPTY));
        }
        busy.set(true);
        spawn_local(async move {
            let result = app.set_name(&name.get_untracked()).await;
            let _ = busy.try_set(false);
            let _ = trouble.try_set(result.err());
        });
    };
    view! {
        <main class="stage">
            <section class="card start">
                <Brand/>
                <h1>{text::start::HEADING}</h1>
                <p class="lead">{text::start::LEAD}</p>
                <form on:submit=submit novalidate>
                    <NameField label=text::start::NAME name trouble/>
                    <button class="button primary wide" type="submit" data-testid="start-button" disabled=busy>
                        {text::start::START}
                    </button>
                </form>
                <ul class="points">
                    {[icon::DIRECT, icon::LOCK, icon::HARBOR]
                        .into_iter()
                        .zip(text::start::POINTS)
                        .map(|(symbol, (head, rest))| view! {
                            <li>{icon(symbol)}<p><strong>{head}</strong><br/>{rest}</p></li>
                        })
                        .collect_view()}
                </ul>
            </section>
        </main>
    }
}

/// Where a name is typed, with what is wrong about it.
#[component]
pub(crate) fn NameField(
    label: &'static str,
    name: RwSignal<String>,
    trouble: RwSignal<Option<&'static str>>,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for="name">{label}</label>
            <input
                id="name"
                type="text"
                autocomplete="nickname"
                maxlength="64"
                dir="auto"
                autofocus
                data-testid="name-input"
                aria-describedby="name-trouble"
                aria-invalid=move || trouble.get().is_some().then_some("true")
                prop:value=name
                on:input=move |event| {
                    name.set(event_target_value(&event));
                    trouble.set(None);
                }
            />
            <Wrong id="name-trouble" trouble/>
        </div>
    }
}

/// What is wrong with a field, said as soon as it is known.
#[component]
pub(crate) fn Wrong(id: &'static str, trouble: RwSignal<Option<&'static str>>) -> impl IntoView {
    view! {
        <div id=id role="alert">
            {move || trouble.get().map(|t| view! { <p class="error" data-testid="error-text">{t}</p> })}
        </div>
    }
}
