//! Saving a conversation as a file.

use crate::model::app;
use crate::model::export::Form;
use crate::text;
use harbor_wasm::proto::endpoint::Topic;
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

#[component]
pub(crate) fn Export(topic: Memo<Option<Arc<Topic>>>) -> impl IntoView {
    let app = app();
    let busy = RwSignal::new(false);
    let export = move |form| {
        let Some(topic) = topic.get_untracked() else { return };
        busy.set(true);
        spawn_local(async move {
            if let Err(sentence) = app.export(&topic, form).await {
                app.trouble.set(Some(sentence));
            }
            // The window may be closed by now.
            let _ = busy.try_set(false);
        });
    };
    view! {
        <section class="export">
            <h3>{text::export::HEADING}</h3>
            <p class="hint" role="status">
                {move || if busy.get() { text::export::BUSY } else { text::export::HINT }}
            </p>
            <div class="actions start">
                <button class="button" type="button" data-testid="export-html" disabled=busy on:click=move |_| export(Form::Html)>
                    {text::export::HTML}
                </button>
                <button class="button" type="button" data-testid="export-json" disabled=busy on:click=move |_| export(Form::Json)>
                    {text::export::JSON}
                </button>
            </div>
        </section>
    }
}
