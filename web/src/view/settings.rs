//! The few things there are to choose.

use super::erase::EraseAll;
use super::icon::{self, icon};
use super::start::Wrong;
use crate::model::{app, look, theme};
use crate::text;
use harbor_wasm::proto::endpoint::Command;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::time::Duration;

#[component]
pub(crate) fn Settings() -> impl IntoView {
    let app = app();
    let escape = window_event_listener(leptos::ev::keydown, move |event| {
        if event.key() == "Escape" {
            app.go_back();
        }
    });
    on_cleanup(move || escape.remove());
    view! {
        <section class="settings">
            <header class="bar">
                <button class="icon-button back" aria-label=text::BACK data-testid="back-button" on:click=move |_| app.go_back()>
                    {icon(icon::BACK)}
                </button>
                <h1>{text::settings::HEADING}</h1>
            </header>
            <div class="sheet">
                <Rename/>
                <Privacy/>
                <Look/>
                <Security/>
                <Connection/>
                <EraseAll/>
            </div>
        </section>
    }
}

#[component]
fn Rename() -> impl IntoView {
    let app = app();
    let name = RwSignal::new(
        app.profile.with_untracked(|p| p.as_ref().map(|p| look::clean(p.name.as_str())).unwrap_or_default()),
    );
    let trouble = RwSignal::new(None);
    let saved = RwSignal::new(false);
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if name.with_untracked(|n| n.trim().is_empty()) {
            return trouble.set(Some(text::start::NAME_EMPTY));
        }
        spawn_local(async move {
            let result = app.set_name(&name.get_untracked()).await;
            let _ = saved.try_set(result.is_ok());
            let _ = trouble.try_set(result.err());
            set_timeout(
                move || {
                    let _ = saved.try_set(false);
                },
                Duration::from_secs(3),
            );
        });
    };
    view! {
        <form class="panel" on:submit=submit novalidate>
            <label class="panel-title" for="rename">{text::settings::PROFILE}</label>
            <p class="hint" id="rename-hint">{text::settings::PROFILE_HINT}</p>
            <div class="inline">
                <input
                    id="rename"
                    type="text"
                    autocomplete="nickname"
                    maxlength="64"
                    dir="auto"
                    data-testid="rename-input"
                    aria-describedby="rename-hint rename-trouble"
                    prop:value=name
                    on:input=move |event| {
                        name.set(event_target_value(&event));
                        trouble.set(None);
                    }
                />
                <button class="button" type="submit" data-testid="rename-button">
                    <span role="status">{move || if saved.get() { text::settings::SAVED } else { text::settings::SAVE }}</span>
                </button>
            </div>
            <Wrong id="rename-trouble" trouble/>
        </form>
    }
}

#[component]
fn Privacy() -> impl IntoView {
    let app = app();
    let hidden = move || app.status.with(|s| s.as_ref().is_some_and(|s| !s.direct_enabled));
    let toggle = move |_| app.perform(Command::SetDirect { enabled: hidden() });
    view! {
        <section class="panel">
            <h2 class="panel-title">{text::settings::PRIVACY}</h2>
            <div class="switch-row">
                <div>
                    <span id="hide-ip">{text::settings::HIDE_IP}</span>
                    <p class="hint" id="hide-ip-hint">{text::settings::HIDE_IP_HINT}</p>
                </div>
                <button
                    class="switch"
                    type="button"
                    role="switch"
                    aria-checked=move || if hidden() { "true" } else { "false" }
                    aria-labelledby="hide-ip"
                    aria-describedby="hide-ip-hint"
                    data-testid="hide-ip-switch"
                    on:click=toggle
                ></button>
            </div>
        </section>
    }
}

#[component]
fn Look() -> impl IntoView {
    let chosen = RwSignal::new(theme::current());
    view! {
        <fieldset class="panel">
            <legend class="panel-title">{text::settings::LOOK}</legend>
            <div class="choices">
                {text::settings::THEMES.map(|(value, words)| view! {
                    <label class="choice">
                        <input
                            type="radio"
                            name="theme"
                            value=value
                            prop:checked=move || chosen.with(|c| c == value)
                            on:change=move |_| {
                                theme::choose(value);
                                chosen.set(value.into());
                            }
                        />
                        <span>{words}</span>
                    </label>
                }).collect_view()}
            </div>
        </fieldset>
    }
}

#[component]
fn Security() -> impl IntoView {
    view! {
        <section class="panel">
            <h2 class="panel-title">{text::settings::SECURITY}</h2>
            <ul class="notes">
                {text::settings::SECURITY_POINTS.map(|point| view! { <li>{point}</li> }).collect_view()}
            </ul>
        </section>
    }
}

#[component]
fn Connection() -> impl IntoView {
    let app = app();
    let owner = if app.is_owner() { text::settings::OWNER } else { text::settings::NOT_OWNER };
    view! {
        <section class="panel">
            <h2 class="panel-title">{text::settings::CONNECTION}</h2>
            {move || app.status.get().map(|s| view! {
                <p data-testid="connection">{text::settings::nodes(s.linked, s.nodes)}" · "{text::settings::peers(s.peers)}</p>
            })}
            <p class="hint">{owner}</p>
            <p class="hint">{text::settings::version(env!("CARGO_PKG_VERSION"))}</p>
        </section>
    }
}
