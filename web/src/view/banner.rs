//! What concerns the whole page: no connection, and troubles.

use super::icon::{self, icon};
use crate::model::app;
use crate::text;
use leptos::prelude::*;

/// Says that no node is reached, why as far as known, and what waits.
#[component]
pub(crate) fn Offline() -> impl IntoView {
    let app = app();
    let queued = move || app.status.with(|s| s.as_ref().map_or(0, |s| s.queued));
    let why = move || if app.network.get() { text::status::NO_NODE } else { text::status::NO_NETWORK };
    view! {
        <Show when=move || app.offline.get()>
            <div class="banner" role="status" data-testid="offline-banner" data-queued=queued>
                {icon(icon::OFFLINE)}
                <p><strong>{why}</strong>" "<span class="wide-only">{text::status::CHECK}" "</span>{move || text::status::queue(queued())}</p>
            </div>
        </Show>
    }
}

/// Something a person asked for did not work.
#[component]
pub(crate) fn Trouble() -> impl IntoView {
    let app = app();
    view! {
        <div class="troubles" role="alert">
            {move || app.trouble.get().map(|sentence| view! {
                <div class="trouble">
                    {icon(icon::ALERT)}
                    <p data-testid="error-text">{sentence}</p>
                    <button class="icon-button" aria-label=text::DISMISS on:click=move |_| app.trouble.set(None)>
                        {icon(icon::CLOSE)}
                    </button>
                </div>
            })}
        </div>
    }
}
