//! Where a message is written.

use super::icon::{self, icon};
use super::message::{cited, excerpt};
use crate::model::chat::{Chat, Mode};
use crate::model::{app, browser, name_or};
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
        // An edit is no draft: what was begun before it stays one.
        if !chat.mode.with_untracked(|mode| matches!(mode, Some(Mode::Edit(_)))) {
            app.keep_draft(chat.uid, text.clone());
        }
        written.set(text);
    };
    // What was being written when an edit began.
    let aside = StoredValue::new(None::<String>);
    let leave_mode = move || {
        chat.mode.set(None);
        if let Some(text) = aside.try_update_value(Option::take).flatten() {
            write(text);
        }
    };
    let send = move || {
        if empty() {
            return;
        }
        let text = written.with_untracked(|t| t.trim().to_owned());
        let sent = match chat.mode.get_untracked() {
            Some(Mode::Edit(message)) => chat.edit(message.with_untracked(|m| m.id), &text),
            Some(Mode::Reply(message)) => chat.send(&text, Some(message.with_untracked(|m| m.id))),
            None => chat.send(&text, None),
        };
        match sent {
            Ok(()) => {
                write(String::new());
                leave_mode();
            }
            Err(sentence) => trouble.set(Some(sentence)),
        }
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        // While an input method composes, Enter picks what it offers.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        } else if event.key() == "Escape" && chat.mode.with_untracked(Option::is_some) {
            leave_mode();
        }
    };
    Effect::new(move || {
        let Some(mode) = chat.mode.get() else { return };
        if let Mode::Edit(message) = mode {
            let before = written.get_untracked();
            aside.update_value(|aside| _ = aside.get_or_insert(before));
            written.set(message.with_untracked(|m| String::from_utf8_lossy(&m.body).into_owned()));
        } else if let Some(text) = aside.try_update_value(Option::take).flatten() {
            write(text);
        }
        if let Some(field) = field.get_untracked() {
            let _ = field.focus();
        }
    });
    Effect::new(move |before: Option<()>| {
        written.track();
        if let Some(field) = field.get() {
            if before.is_none() && browser::has_keyboard() {
                let _ = field.focus();
            }
            // The field has its new text with the next frame; then the log finds its place.
            request_animation_frame(move || fit(&field));
            chat.space_changes();
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
            {move || chat.mode.get().map(|mode| doing(chat, mode, leave_mode))}
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

/// Over the field: what is being written, when it is no new message.
fn doing(chat: Chat, mode: Mode, leave: impl Fn() + 'static) -> impl IntoView {
    chat.space_changes();
    let (symbol, words, message) = match mode {
        Mode::Reply(message) => {
            let who = message.with(|m| {
                if m.mine { text::YOURSELF.to_owned() } else { name_or(&m.author_name, text::SOMEONE) }
            });
            (icon::REPLY, format!("{}{who}", text::message::REPLYING), message)
        }
        Mode::Edit(message) => (icon::EDIT, text::message::EDITING.to_owned(), message),
    };
    view! {
        <div class="doing" role="status" data-testid="composer-mode">
            {icon(symbol)}
            <p>{cited(words, message.with(excerpt))}</p>
            <button class="icon-button" type="button" aria-label=text::CANCEL title=text::CANCEL data-testid="cancel-mode" on:click=move |_| leave()>
                {icon(icon::CLOSE)}
            </button>
        </div>
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
