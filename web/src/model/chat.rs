//! The open conversation: its rows, fetched by pages, and what is being sent.

use super::window::{Fetch, Window};
use super::{App, browser, said};
use crate::text;
use harbor_wasm::proto::delivery::Amended;
use harbor_wasm::proto::endpoint::{
    Body, Command, CommandError, Event, Format, Message, Name, OrderKey, Path, Reply, State,
};
use harbor_wasm::proto::id::{EndpointId, MessageId, TopicUid};
use harbor_wasm::proto::time::UnixMillis;
use harbor_wasm::proto::wire::Text;
use harbor_wasm::{Page, Subscription};
use leptos::prelude::*;
use leptos::task::spawn_local;

/// States and amended messages kept that came while their message was being fetched.
const EARLY: usize = 64;
/// Answered messages kept up to date: more than there are rows.
const QUOTES: usize = 1000;
/// Order of rows whose message the client has not confirmed: after everything else.
const UNCONFIRMED: u8 = 0xff;

/// A message on the page. Its place and author never change; what does is in the signal.
#[derive(Clone)]
pub(crate) struct Row {
    /// Stays the same when a message that was just written gets its final place.
    pub(crate) key: [u8; 16],
    pub(crate) author: EndpointId,
    pub(crate) mine: bool,
    pub(crate) notice: bool,
    pub(crate) sent_ms: u64,
    pub(crate) message: ArcRwSignal<Message>,
}

impl Row {
    fn new(message: Message) -> Self {
        let own = message.mine && message.client_ref != [0; 16];
        Self {
            key: if own { message.client_ref } else { message.order },
            author: message.author,
            mine: message.mine,
            notice: message.format == Format::Notice,
            sent_ms: message.sent_at.0,
            message: ArcRwSignal::new(message),
        }
    }
}

/// What the composer writes, other than a new message.
#[derive(Clone)]
pub(crate) enum Mode {
    /// An answer to this message.
    Reply(ArcRwSignal<Message>),
    /// Another text for this own message.
    Edit(ArcRwSignal<Message>),
}

/// What lies beyond the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edges {
    /// The first page is here.
    pub(crate) loaded: bool,
    pub(crate) loading: bool,
    pub(crate) more_above: bool,
    pub(crate) more_below: bool,
    /// Came while the newest rows were not on the page.
    pub(crate) unseen: usize,
}

type Hook = Box<dyn Fn()>;
/// A state that came before its message.
type Early = (OrderKey, State, Option<Path>);
/// Where a page goes that was fetched.
type Put = fn(&mut Window<Row>, Vec<(OrderKey, Row)>, bool, Fetch);

/// The open conversation. A handle: copies are the same.
#[derive(Clone, Copy)]
pub(crate) struct Chat {
    app: App,
    pub(crate) uid: TopicUid,
    window: StoredValue<Window<Row>>,
    pub(crate) rows: RwSignal<Vec<Row>>,
    pub(crate) edges: RwSignal<Edges>,
    /// The first message that was unread when the conversation was opened.
    pub(crate) new_from: RwSignal<Option<[u8; 16]>>,
    /// Why history could not be read.
    pub(crate) trouble: RwSignal<Option<&'static str>>,
    /// What is being written, unless it is a new message.
    pub(crate) mode: RwSignal<Option<Mode>>,
    /// Messages that rows on the page answer.
    quoted: StoredValue<Vec<ArcRwSignal<Message>>>,
    /// A text that the client would not take.
    pub(crate) returned: RwSignal<Option<String>>,
    /// The person sees the newest message.
    pub(crate) at_end: StoredValue<bool>,
    /// States of messages that are not on the page yet: they may overtake the message itself.
    early: StoredValue<Vec<Early>>,
    /// Messages amended while they were not on the page: a page read before may be on its way.
    late: StoredValue<Vec<Message>>,
    /// That everything was seen is being said.
    marking: StoredValue<bool>,
    /// Runs before the rows change, while the old ones are still on the page.
    before_change: StoredValue<Option<Hook>, LocalStorage>,
    subscription: StoredValue<Option<Subscription>, LocalStorage>,
}

impl Chat {
    /// Opens `uid`; closed with the view that calls it.
    pub(crate) fn open(app: App, uid: TopicUid) -> Self {
        let chat = Self {
            app,
            uid,
            window: StoredValue::new(Window::default()),
            rows: RwSignal::new(Vec::new()),
            edges: RwSignal::new(Edges::default()),
            new_from: RwSignal::new(None),
            trouble: RwSignal::new(None),
            mode: RwSignal::new(None),
            quoted: StoredValue::new(Vec::new()),
            returned: RwSignal::new(None),
            at_end: StoredValue::new(true),
            early: StoredValue::new(Vec::new()),
            late: StoredValue::new(Vec::new()),
            marking: StoredValue::new(false),
            before_change: StoredValue::new_local(None),
            subscription: StoredValue::new_local(None),
        };
        if let Some(client) = app.client() {
            let subscription = client.subscribe(move |event| chat.on_event(event));
            chat.subscription.set_value(Some(subscription));
        }
        on_cleanup(move || {
            let _ = chat.subscription.try_update_value(Option::take);
        });
        chat.newest();
        chat
    }

    /// Sets what runs before every change of the rows.
    pub(crate) fn before_change(self, f: impl Fn() + 'static) {
        self.before_change.set_value(Some(Box::new(f)));
    }

    /// Shows the newest page.
    pub(crate) fn newest(self) {
        self.fetch(self.window.with_value(Window::fetch_newest), Window::reset);
    }

    /// Fetches the page in front, if there is one and none is on its way.
    pub(crate) fn older(self) {
        if self.edges.with_untracked(|e| e.loaded && !e.loading && e.more_above) {
            let fetch = self.window.with_value(Window::fetch_above);
            self.fetch(fetch, |window, rows, more, _| window.prepend(rows, more));
        }
    }

    /// Fetches the page behind, when the newest were dropped from the page.
    pub(crate) fn newer(self) {
        let idle = self.edges.with_untracked(|e| !e.loading);
        if idle && let Some(fetch) = self.window.with_value(Window::fetch_below) {
            self.fetch(fetch, Window::append);
        }
    }

    fn fetch(self, fetch: Fetch, put: Put) {
        let Some(client) = self.app.client() else { return };
        self.edges.update(|e| e.loading = true);
        spawn_local(async move {
            let result = client.history(self.uid, fetch.before, fetch.limit).await;
            // The view may be closed by now.
            if self.window.is_disposed() {
                return;
            }
            self.edges.update(|e| e.loading = false);
            match result {
                Ok(page) => self.on_page(page, put, fetch),
                Err(error) => self.trouble.set(Some(said(error))),
            }
        });
    }

    fn on_page(self, page: Page, put: Put, fetch: Fetch) {
        self.trouble.set(None);
        if !self.edges.with_untracked(|e| e.loaded) {
            self.new_from.set(self.first_unread(&page));
        }
        let mut rows = Vec::with_capacity(page.messages.len());
        for mut message in page.messages {
            self.bring_up_to_date(&mut message);
            let order = message.order;
            let written = self.take_written(&message);
            rows.push((order, written.unwrap_or_else(|| Row::new(message))));
        }
        self.window.update_value(|w| put(w, rows, page.more, fetch));
        self.edges.update(|e| e.loaded = true);
        self.publish();
    }

    /// The row above which "New messages" stands.
    fn first_unread(self, page: &Page) -> Option<[u8; 16]> {
        let unread =
            self.app.topics.with_untracked(|all| all.get(&self.uid).map_or(0, |t| t.unread)) as usize;
        let theirs = page.messages.iter().rev().filter(|m| !m.mine && m.format != Format::Notice);
        theirs.take(unread).last().map(|m| m.order)
    }

    /// Shows the window as it is now.
    fn publish(self) {
        self.space_changes();
        let (rows, above, below, unseen) = self.window.with_value(|w| {
            let rows: Vec<_> = w.rows().iter().map(|(_, row)| row.clone()).collect();
            (rows, w.more_above(), w.more_below(), w.unseen())
        });
        self.rows.set(rows);
        let before = self.edges.get_untracked();
        let edges = Edges { more_above: above, more_below: below, unseen, ..before };
        if edges != before {
            self.edges.set(edges);
        }
    }

    fn on_event(self, event: &Event) {
        if self.window.is_disposed() {
            return;
        }
        match event {
            Event::Message { message } if message.topic == self.uid => self.put(message.clone()),
            Event::Amended { message } if message.topic == self.uid => self.amended(message),
            Event::State { topic, order, state, path, .. } if *topic == self.uid => {
                let row = self.window.with_value(|w| w.get(order).cloned());
                match row {
                    Some(row) => row.message.update(|m| (m.state, m.path) = (Some(*state), *path)),
                    None => self.remember((*order, *state, *path)),
                }
            }
            _ => {}
        }
    }

    /// Shows a message as it is now. How far it got is told by states alone.
    fn amended(self, message: &Message) {
        let row = self.window.with_value(|w| w.get(&message.order).map(|row| row.message.clone()));
        if row.is_none() {
            self.late.update_value(|all| {
                all.retain(|m| m.id != message.id);
                all.push(message.clone());
                if all.len() > EARLY {
                    all.remove(0);
                }
            });
        }
        let quoted = self.quoted.with_value(|all| {
            all.iter().filter(|q| q.with_untracked(|m| m.id == message.id)).cloned().collect::<Vec<_>>()
        });
        self.space_changes();
        for signal in row.into_iter().chain(quoted) {
            signal.update(|m| {
                *m = Message { state: m.state, path: m.path, client_ref: m.client_ref, ..message.clone() };
            });
        }
    }

    /// Keeps an answered message up to date.
    fn follow(self, message: &ArcRwSignal<Message>) {
        self.quoted.update_value(|all| {
            all.push(message.clone());
            if all.len() > QUOTES {
                all.remove(0);
            }
        });
    }

    /// The row of a message, if it is on the page.
    pub(crate) fn row(self, id: MessageId) -> Option<Row> {
        self.window.with_value(|w| {
            w.rows()
                .iter()
                .map(|(_, row)| row)
                .find(|row| row.message.with_untracked(|m| m.id == id))
                .cloned()
        })
    }

    /// The message that a row answers, when it is on this device.
    pub(crate) fn quote(self, id: MessageId) -> RwSignal<Option<ArcRwSignal<Message>>> {
        let known =
            self.quoted.with_value(|all| all.iter().find(|q| q.with_untracked(|m| m.id == id)).cloned());
        let known = known.or_else(|| {
            let row = self.row(id)?.message;
            // Followed by itself: the row may leave the page before the one that answers it.
            self.follow(&row);
            Some(row)
        });
        let out = RwSignal::new(known);
        if out.with_untracked(Option::is_none)
            && let Some(client) = self.app.client()
        {
            spawn_local(async move {
                let found = client.find(self.uid, id).await;
                if let Ok(Some(message)) = found
                    && !self.window.is_disposed()
                {
                    let signal = ArcRwSignal::new(message);
                    self.follow(&signal);
                    self.space_changes();
                    let _ = out.try_set(Some(signal));
                }
            });
        }
        out
    }

    /// Keeps the state of a message that is not on the page: a few, since most stay outside.
    fn remember(self, early: Early) {
        self.early.update_value(|all| {
            all.retain(|(order, ..)| *order != early.0);
            all.push(early);
            if all.len() > EARLY {
                all.remove(0);
            }
        });
    }

    fn bring_up_to_date(self, message: &mut Message) {
        self.early.update_value(|all| {
            if let Some(at) = all.iter().position(|(order, ..)| *order == message.order) {
                let (_, state, path) = all.remove(at);
                (message.state, message.path) = (Some(state), path);
            }
        });
        self.late.update_value(|all| {
            if let Some(at) = all.iter().position(|late| late.id == message.id) {
                let late = all.remove(at);
                *message = Message { state: message.state, path: message.path, ..late };
            }
        });
    }

    /// The client has taken a written message. When an event told so before, it told more.
    fn taken(self, message: Message) {
        if self.window.with_value(|w| w.get(&message.order).is_none()) {
            self.put(message);
        }
    }

    /// Shows a message of the client: new, or the confirmation of one just written.
    fn put(self, mut message: Message) {
        self.bring_up_to_date(&mut message);
        let order = message.order;
        let written = self.take_written(&message);
        let known = self.window.with_value(|w| w.get(&order).cloned());
        match (known, &written) {
            (Some(row), None) => return row.message.set(message),
            (Some(row), Some(_)) => row.message.set(message),
            (None, _) => self.window.update_value(|w| {
                w.insert(order, written.unwrap_or_else(|| Row::new(message)));
                if self.at_end.get_value() {
                    w.trim();
                }
            }),
        }
        self.publish();
    }

    /// Takes out the unconfirmed row of an own message, brought up to date.
    fn take_written(self, message: &Message) -> Option<Row> {
        if !message.mine || message.client_ref == [0; 16] {
            return None;
        }
        let mut taken = None;
        self.window.update_value(|w| {
            taken = w.take(|order, row| order[0] == UNCONFIRMED && row.key == message.client_ref);
        });
        if let Some(row) = &taken {
            row.message.set(message.clone());
        }
        taken
    }

    /// Writes a message: on the page at once, sent and kept by the client.
    ///
    /// # Errors
    /// The sentence to show when it is too long; the text should stay where it was written.
    pub(crate) fn send(self, body: &str, reply_to: Option<MessageId>) -> super::Outcome<()> {
        let body = Body::new(body.as_bytes().to_vec()).ok_or(text::chat::LONG)?;
        if self.window.with_value(Window::more_below) {
            self.window.update_value(|w| *w = Window::default());
            self.newest();
        }
        let message = Message { reply_to, ..self.written(body) };
        let order = self.unconfirmed_order();
        let row = Row::new(message.clone());
        self.new_from.set(None);
        self.at_end.set_value(true);
        self.window.update_value(|w| {
            w.insert(order, row);
        });
        self.publish();
        self.submit(message);
        Ok(())
    }

    /// A message as it looks before the client has seen it.
    fn written(self, body: Body) -> Message {
        let (author, author_name) = self.app.profile.with_untracked(|p| {
            p.as_ref().map_or((EndpointId([0; 32]), Name::default()), |p| (p.id, p.name.clone()))
        });
        let linked = self.app.status.with_untracked(|s| s.as_ref().is_some_and(|s| s.linked + s.peers > 0));
        Message {
            topic: self.uid,
            order: [UNCONFIRMED; 16],
            id: MessageId([0; 32]),
            seq: 0,
            author,
            author_name,
            mine: true,
            sent_at: UnixMillis(browser::now_ms()),
            received_at: None,
            format: Format::Text,
            body,
            state: Some(if linked { State::Sending } else { State::Queued }),
            path: None,
            client_ref: browser::random_ref(),
            reply_to: None,
            amended: Amended::default(),
        }
    }

    /// A place after all others, in the order of writing.
    fn unconfirmed_order(self) -> OrderKey {
        let last =
            self.window.with_value(|w| w.rows().last().map(|r| r.0)).filter(|key| key[0] == UNCONFIRMED);
        let next = last.map_or(0, |key| u64::from_be_bytes(key[8..].try_into().unwrap_or_default()) + 1);
        let mut order = [UNCONFIRMED; 16];
        order[8..].copy_from_slice(&next.to_be_bytes());
        order
    }

    fn submit(self, message: Message) {
        let Message { topic, client_ref, format, ref body, .. } = message;
        let body = body.clone();
        let command = match message.reply_to {
            Some(to) => Command::Reply { topic, client_ref, to, format, body },
            None => Command::Send { topic, client_ref, format, body },
        };
        spawn_local(async move {
            match self.app.request(command).await {
                Ok(Reply::Sent { message }) if !self.window.is_disposed() => self.taken(message),
                Ok(_) => {}
                Err(error) => self.refused(&message, error),
            }
        });
    }

    /// The client would not take the message: the text goes back to where it was written.
    fn refused(self, message: &Message, error: CommandError) {
        self.app.trouble.set(Some(said(error)));
        let text = String::from_utf8_lossy(&message.body).into_owned();
        if self.window.is_disposed() {
            let draft = self.app.draft(self.uid);
            let draft = if draft.is_empty() { text } else { format!("{text}\n{draft}") };
            return self.app.keep_draft(self.uid, draft);
        }
        if self.take_written(message).is_some() {
            self.publish();
        }
        self.returned.set(Some(text));
    }

    /// Puts another text in the place of an own message's.
    ///
    /// # Errors
    /// The sentence to show when it is too long.
    pub(crate) fn edit(self, id: MessageId, body: &str) -> super::Outcome<()> {
        let body = Body::new(body.as_bytes().to_vec()).ok_or(text::chat::LONG)?;
        self.app.perform(Command::Edit { topic: self.uid, id, body });
        Ok(())
    }

    /// Takes an own message back.
    pub(crate) fn delete(self, id: MessageId) {
        self.app.perform(Command::Delete { topic: self.uid, id });
    }

    /// Puts an emoji to a message, or takes the own one away.
    pub(crate) fn react(self, message: &Message, emoji: &str) {
        let Some(emoji) = Text::new(emoji) else { return };
        let me = self.app.profile.with_untracked(|p| p.as_ref().map(|p| p.id)).unwrap_or_default();
        let on = !message.amended.has(&me, &emoji);
        self.app.perform(Command::React { topic: self.uid, id: message.id, emoji, on });
    }

    /// Tries a failed message again.
    pub(crate) fn retry(self, seq: u64) {
        self.app.perform(Command::Retry { topic: self.uid, seq });
    }

    /// To be called before the space for the rows changes, as `before_change` is before the rows do.
    pub(crate) fn space_changes(self) {
        self.before_change.with_value(|hook| {
            if let Some(hook) = hook {
                hook();
            }
        });
    }

    /// Resets the unread count when the person has the newest message before their eyes.
    pub(crate) fn seen(self) {
        let unread = self.app.topics.with_untracked(|all| all.get(&self.uid).is_some_and(|t| t.unread > 0));
        let loaded = self.edges.with_untracked(|e| e.loaded && !e.more_below);
        if unread && loaded && self.at_end.get_value() && browser::is_visible() && !self.marking.get_value() {
            self.marking.set_value(true);
            spawn_local(async move {
                // Not worth a word when it fails: it is tried again with the next message.
                let _ = self.app.request(Command::MarkSeen { topic: self.uid }).await;
                let _ = self.marking.try_update_value(|marking| *marking = false);
            });
        }
    }
}
