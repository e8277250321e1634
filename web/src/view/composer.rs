//! Where a message is written.

use super::icon::{self, icon};
use crate::model::chat::Chat;
use crate::model::{app, browser};
use crate::text;
use leptos::html;
use leptos::prelude::*;

/// The field grows with its text up to this height, px.
const MAX_HEIGHT: i32 = 200;

#[component]
pub(crate) fn Composer(chat: Chat) -> impl IntoView {
    let app = app();
    let field = NodeRef::<html::Textarea>::new();
    let written = RwSignal::new(app.draft(chat.uid));
    let trouble = RwSignal::new(None);
    let empty = move || written.with(|t| t.trim().is_empty());
    let write = move |text: String| {
        app.keep_draft(chat.uid, text.clone());
        written.set(text);
    };
    let send = move || {
        if empty() {
            return;
        }
        match chat.send(written.with_untracked(|t| t.trim().to_owned()).as_str()) {
            Ok(()) => write(String::new()),
            Err(sentence) => trouble.set(Some(sentence)),
        }
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        // While an input method composes, Enter picks what it offers.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };
    Effect::new(move |before: Option<()>| {
        written.track();
        if let Some(field) = field.get() {
            if before.is_none() && browser::has_keyboard() {
                let _ = field.focus();
            }
            chat.space_changes();
            fit(&field);
        }
    });
    Effect::new(move || {
        if let Some(text) = chat.returned.get() {
            chat.returned.set(None);
            let rest = written.get_untracked();
            write(if rest.trim().is_empty() { text } else { format!("{text}\n{rest}") });
        }
    });
    view! {
        <form
            class="composer"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            {move || trouble.get().map(|t| view! { <p class="error" role="alert" data-testid="error-text">{t}</p> })}
            <textarea
                node_ref=field
                rows="1"
                dir="auto"
                enterkeyhint="send"
                placeholder=text::chat::WRITE
                aria-label=text::chat::WRITE
                data-testid="composer"
                prop:value=written
                on:input=move |event| {
                    trouble.set(None);
                    write(event_target_value(&event));
                }
                on:keydown=on_key
            ></textarea>
            <button class="send" type="submit" aria-label=text::chat::SEND title=text::chat::SEND data-testid="send-button" disabled=empty>
                {icon(icon::SEND)}
            </button>
        </form>
    }
}

/// Makes the field as high as its text.
fn fit(field: &web_sys::HtmlTextAreaElement) {
    let style = web_sys::HtmlElement::style(field);
    let _ = style.set_property("height", "auto");
    let height = field.scroll_height().min(MAX_HEIGHT);
    let _ = style.set_property("height", &format!("{height}px"));
    let _ = style.set_property("overflow-y", if height < MAX_HEIGHT { "hidden" } else { "auto" });
}
