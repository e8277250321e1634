//! What can be done with a message: one menu for all of them, the browser's own popover.

use super::dialog::Confirm;
use super::icon::{self, Icon, icon};
use crate::model::browser;
use crate::model::chat::{Chat, Mode, Row};
use crate::text;
use harbor_wasm::proto::endpoint::{Format, Message};
use harbor_wasm::proto::id::MessageId;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

/// Reactions offered.
const EMOJI: [&str; 6] = ["👍", "❤️", "😂", "🎉", "😮", "😢"];
const ID: &str = "actions";
/// Width and height it does not exceed, px.
const SIZE: (i32, i32) = (270, 200);

/// The menu of a conversation's messages. A handle: copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Actions {
    chat: Chat,
    /// The message it is open for.
    on: RwSignal<Option<ArcRwSignal<Message>>>,
    /// Where it opens: its CSS `inset`. A `style` attribute would be against the page's content policy.
    place: RwSignal<String>,
    deleting: RwSignal<Option<MessageId>>,
}

impl Actions {
    pub(crate) fn new(chat: Chat) -> Self {
        let (on, place, deleting) = (RwSignal::new(None), RwSignal::new(String::new()), RwSignal::new(None));
        Self { chat, on, place, deleting }
    }

    /// Opens the menu for a row; there while something can be done with its message.
    pub(crate) fn button(self, row: &Row) -> impl IntoView + use<> {
        let signal = row.message.clone();
        let shown = signal.clone();
        // Before the client has taken it, a message has no name to call it by.
        let able = move || shown.with(|m| m.id != MessageId::default() && !m.is_deleted());
        move || {
            let signal = signal.clone();
            able().then(|| view! {
                <button
                    class="act"
                    type="button"
                    popovertarget=ID
                    aria-label=text::message::ACTIONS
                    title=text::message::ACTIONS
                    data-testid="message-actions"
                    on:click=move |event| {
                        let button = event.current_target().and_then(|t| t.dyn_into::<web_sys::Element>().ok());
                        if let Some(button) = button {
                            self.place.set(browser::beside(&button, SIZE.0, SIZE.1));
                        }
                        self.on.set(Some(signal.clone()));
                    }
                >
                    {icon(icon::MORE)}
                </button>
            })
        }
    }

    /// The menu itself, and the question before a deletion.
    pub(crate) fn menu(self) -> impl IntoView {
        let chat = self.chat;
        view! {
            <div class="actions-menu" id=ID popover="auto" role="group" aria-label=text::message::ACTIONS style:inset=move || self.place.get() data-testid="actions-menu">
                {move || self.on.get().map(|signal| {
                    let message = signal.get_untracked();
                    let editable = message.mine && message.format == Format::Text;
                    let (mine, id) = (message.mine, message.id);
                    let (to_reply, to_edit) = (signal.clone(), signal.clone());
                    let pick = |emoji: &'static str| {
                        let (signal, label) = (signal.clone(), format!("{} {emoji}", text::message::REACT));
                        let act = move || signal.with_untracked(|m| chat.react(m, emoji));
                        press(Press { hides: true, label, ..Press::default() }, emoji.into_any(), Box::new(act))
                    };
                    let item = |symbol: Icon, words: &'static str, testid: &'static str, act: Box<dyn Fn()>| {
                        let look = Press { class: "action", testid, hides: true, ..Press::default() };
                        press(look, (icon(symbol), words).into_any(), act)
                    };
                    let reply = move || chat.mode.set(Some(Mode::Reply(to_reply.clone())));
                    let edit = move || chat.mode.set(Some(Mode::Edit(to_edit.clone())));
                    let mut items = vec![item(icon::REPLY, text::message::REPLY, "action-reply", Box::new(reply))];
                    if editable {
                        items.push(item(icon::EDIT, text::message::EDIT, "action-edit", Box::new(edit)));
                    }
                    if mine {
                        let delete = move || self.deleting.set(Some(id));
                        items.push(item(icon::DELETE, text::message::DELETE, "action-delete", Box::new(delete)));
                    }
                    (view! { <div class="emoji">{EMOJI.into_iter().map(pick).collect::<Vec<_>>()}</div> }, items).into_any()
                })}
            </div>
            {move || self.deleting.get().map(|id| view! {
                <Confirm
                    question=text::message::DELETE_ASK
                    hint=text::message::DELETE_HINT
                    yes=text::message::DELETE
                    testid="delete-confirm"
                    confirm=move || {
                        chat.delete(id);
                        self.deleting.set(None);
                    }
                    close=move || self.deleting.set(None)
                />
            })}
        }
    }
}

/// How a button of a message looks and what it is.
#[derive(Default)]
pub(super) struct Press {
    pub(super) class: &'static str,
    pub(super) testid: &'static str,
    /// What it is called, where what it shows does not say it.
    pub(super) label: String,
    /// Of a button that is on or off.
    pub(super) pressed: Option<bool>,
    /// It closes the menu it is in.
    pub(super) hides: bool,
}

/// A button. All of them are made here: every `view!` of its own would be another kilobyte of the page.
pub(super) fn press(look: Press, inside: AnyView, act: Box<dyn Fn()>) -> AnyView {
    let Press { class, testid, label, pressed, hides } = look;
    view! {
        <button
            class=class
            type="button"
            aria-label=(!label.is_empty()).then_some(label)
            aria-pressed=pressed.map(|on| if on { "true" } else { "false" })
            popovertarget=hides.then_some(ID)
            popovertargetaction=hides.then_some("hide")
            data-testid=testid
            on:click=move |_| act()
        >
            {inside}
        </button>
    }
    .into_any()
}
