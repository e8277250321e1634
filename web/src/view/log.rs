//! The messages of a conversation, scrolled through by pages.

use super::actions::Actions;
use super::icon::{self, icon};
use super::message::{self, Shape};
use crate::model::chat::{Chat, Row};
use crate::model::lines::{self, Facts};
use crate::model::when::Local;
use crate::model::{app, browser, when};
use crate::text;
use harbor_wasm::proto::endpoint::{Topic, TopicKind};
use leptos::html;
use leptos::prelude::*;
use std::sync::Arc;
use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlElement};

/// So near to an end, px, its page is fetched.
const NEAR: i32 = 900;
/// So near to the newest, px, counts as looking at it.
const AT_END: i32 = 48;

/// A line of the log.
#[derive(Clone)]
enum Item {
    Day { before: [u8; 16], at: Local },
    New,
    Message { row: Row, shape: Shape },
}

/// What makes an item the same after a change; a message whose neighbours changed is drawn anew.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Day([u8; 16]),
    New,
    Message([u8; 16], Shape),
}

impl Item {
    fn key(&self) -> Key {
        match self {
            Self::Day { before, .. } => Key::Day(*before),
            Self::New => Key::New,
            Self::Message { row, shape } => Key::Message(row.key, *shape),
        }
    }
}

/// Puts days and the mark of what is new between the rows.
fn items(rows: &[Row], new_from: Option<[u8; 16]>, named: bool) -> Vec<Item> {
    let facts = |row: &Row| Facts {
        author: row.author,
        sent_ms: row.sent_ms,
        notice: row.notice,
        day: browser::local(row.sent_ms).day(),
    };
    let facts: Vec<_> = rows.iter().map(facts).collect();
    let new = new_from.and_then(|key| rows.iter().position(|row| row.key == key));
    let mut items = Vec::with_capacity(rows.len() + 8);
    for (row, stand) in rows.iter().zip(lines::stand(&facts, new)) {
        if stand.day {
            items.push(Item::Day { before: row.key, at: browser::local(row.sent_ms) });
        }
        if stand.new {
            items.push(Item::New);
        }
        let shape = Shape { first: stand.first, last: stand.last, named };
        items.push(Item::Message { row: row.clone(), shape });
    }
    items
}

/// What stays where it is while rows change around it.
enum Place {
    End,
    /// The row of this key, so far below the upper edge, px.
    Row {
        key: String,
        top: f64,
    },
}

impl Place {
    fn of(scroller: &HtmlElement, at_end: bool) -> Self {
        if at_end {
            return Self::End;
        }
        let edge = scroller.get_bounding_client_rect().top();
        let shown = keyed(scroller).find_map(|(key, row)| {
            let rect = row.get_bounding_client_rect();
            (rect.bottom() > edge).then(|| Self::Row { key, top: rect.top() - edge })
        });
        shown.unwrap_or(Self::End)
    }

    fn restore(&self, scroller: &HtmlElement) {
        match self {
            Self::End => scroller.set_scroll_top(scroller.scroll_height()),
            Self::Row { key, top } => {
                if let Some((_, row)) = keyed(scroller).find(|(k, _)| k == key) {
                    let edge = scroller.get_bounding_client_rect().top();
                    let moved = row.get_bounding_client_rect().top() - edge - top;
                    scroller.set_scroll_top(scroller.scroll_top() + moved.round() as i32);
                }
            }
        }
    }
}

/// The rows on the page, with their keys.
fn keyed(scroller: &HtmlElement) -> impl Iterator<Item = (String, Element)> + use<> {
    let mut next =
        scroller.query_selector(".rows").ok().flatten().and_then(|rows| rows.first_element_child());
    std::iter::from_fn(move || {
        loop {
            let row = next.take()?;
            next = row.next_element_sibling();
            if let Some(key) = row.get_attribute("data-key") {
                return Some((key, row));
            }
        }
    })
}

/// Keeps the scroller in step with the rows.
#[derive(Clone, Copy)]
struct Scroll {
    chat: Chat,
    node: NodeRef<html::Div>,
    /// The newest is out of sight.
    away: RwSignal<bool>,
    /// The conversation was just opened.
    opening: StoredValue<bool>,
}

impl Scroll {
    fn element(self) -> Option<HtmlElement> {
        self.node.try_get_untracked().flatten().map(JsCast::unchecked_into)
    }

    /// To be called before something moves the rows.
    fn hold(self) {
        let Some(element) = self.element() else { return };
        let place = Place::of(&element, self.chat.at_end.get_value());
        // The rows change in a microtask, before the next frame is drawn.
        request_animation_frame(move || {
            place.restore(&element);
            self.show_new(&element);
            self.look();
        });
    }

    /// Once, when a conversation opens: goes to what is new rather than to the end.
    fn show_new(self, element: &HtmlElement) {
        let opened = self.chat.edges.try_get_untracked().is_some_and(|e| e.loaded);
        if !opened || !self.opening.try_get_value().unwrap_or(false) {
            return;
        }
        self.opening.set_value(false);
        if let Ok(Some(mark)) = element.query_selector(".new-mark") {
            let top = mark.get_bounding_client_rect().top() - element.get_bounding_client_rect().top();
            element.set_scroll_top(element.scroll_top() + top as i32 - element.client_height() / 4);
        }
    }

    /// Takes note of where the person is, and fetches what they will soon see.
    fn look(self) {
        let Some(element) = self.element() else { return };
        let above = element.scroll_top();
        let below = element.scroll_height() - above - element.client_height();
        let more_below = self.chat.edges.with_untracked(|e| e.more_below);
        let at_end = below < AT_END && !more_below;
        self.chat.at_end.set_value(at_end);
        if self.away.get_untracked() == at_end {
            self.away.set(!at_end);
        }
        if above < NEAR {
            self.chat.older();
        }
        if below < NEAR {
            self.chat.newer();
        }
        self.chat.seen();
    }

    fn to_newest(self) {
        if self.chat.edges.with_untracked(|e| e.more_below) {
            self.chat.newest();
        }
        self.chat.at_end.set_value(true);
        self.hold();
    }
}

#[component]
pub(crate) fn Log(chat: Chat, topic: Memo<Option<Arc<Topic>>>, children: ChildrenFn) -> impl IntoView {
    let app = app();
    let scroll =
        Scroll { chat, node: NodeRef::new(), away: RwSignal::new(false), opening: StoredValue::new(true) };
    chat.before_change(move || scroll.hold());
    for event in ["resize", "visibilitychange", "focus"] {
        let handle = window_event_listener_untyped(event, move |_| {
            scroll.hold();
            chat.seen();
        });
        on_cleanup(move || handle.remove());
    }
    // The banner takes its space from the log.
    Effect::new(move || {
        app.offline.track();
        scroll.hold();
    });
    // A message that is there already is also seen when the topic's count comes after it.
    Effect::new(move || {
        if topic.with(|t| t.as_ref().is_some_and(|t| t.unread > 0)) {
            chat.seen();
        }
    });
    let named = Memo::new(move |_| topic.with(|t| t.as_ref().is_some_and(|t| t.kind == TopicKind::Room)));
    let each = move || chat.rows.with(|rows| items(rows, chat.new_from.get(), named.get()));
    let bare = move || chat.edges.with(|e| e.loaded) && chat.rows.with(|r| r.iter().all(|r| r.notice));
    let actions = Actions::new(chat);
    view! {
        <div class="log-frame">
            <div
                class="log"
                node_ref=scroll.node
                role="log"
                aria-live="off"
                aria-label=text::chat::LOG
                aria-busy=move || chat.edges.with(|e| e.loading).then_some("true")
                tabindex="0"
                data-testid="log"
                on:scroll=move |_| scroll.look()
            >
                <Top chat/>
                <ol class="rows">
                    <For
                        each=each
                        key=Item::key
                        children=move |item| match item {
                            Item::Day { at, .. } => view! {
                                <li class="day"><span>{move || when::day_heading(at, browser::local(app.now.get()))}</span></li>
                            }.into_any(),
                            Item::New => view! { <li class="new-mark"><span>{text::message::NEW}</span></li> }.into_any(),
                            Item::Message { row, shape } => message::message(chat, &row, shape, actions),
                        }
                    />
                </ol>
                <Show when=bare>{children()}</Show>
            </div>
            <Show when=move || scroll.away.get()>
                <Newest scroll topic/>
            </Show>
            {actions.menu()}
        </div>
    }
}

/// Over the first row: that older ones come, or why not.
#[component]
fn Top(chat: Chat) -> impl IntoView {
    view! {
        {move || chat.trouble.get().map(|sentence| view! {
            <div class="log-top">
                <p class="error" data-testid="error-text">{sentence}</p>
                <button class="button" on:click=move |_| chat.newest()>{text::join::RETRY}</button>
            </div>
        })}
        {move || chat.edges.with(|e| e.loaded && e.more_above).then(|| view! {
            <p class="log-top" data-testid="older">{text::chat::OLDER}</p>
        })}
        {move || {
            let complete = chat.edges.with(|e| e.loaded && !e.more_above) && !chat.rows.with(Vec::is_empty);
            complete.then(|| view! { <p class="log-top" data-testid="beginning">{text::chat::BEGINNING}</p> })
        }}
    }
}

/// The way back to the newest message, with how many wait there.
#[component]
fn Newest(scroll: Scroll, topic: Memo<Option<Arc<Topic>>>) -> impl IntoView {
    let unread = move || topic.with(|t| t.as_ref().map_or(0, |t| t.unread as usize));
    let words = move || match unread() {
        0 => text::chat::NEWEST.to_owned(),
        n => text::chat::unseen(n),
    };
    view! {
        <button class="newest" class:has-new=move || { unread() > 0 } data-testid="newest-button" on:click=move |_| scroll.to_newest()>
            {icon(icon::DOWN)}{words}
        </button>
    }
}
