//! What the page knows. Views read signals and call methods here; nothing else talks to the client.

pub(crate) mod browser;
pub(crate) mod chat;
pub(crate) mod export;
pub(crate) mod lines;
pub(crate) mod linkify;
pub(crate) mod look;
pub(crate) mod route;
pub(crate) mod sentence;
pub(crate) mod theme;
pub(crate) mod when;
mod window;

use crate::text;
use harbor_wasm::proto::endpoint::{
    Command, CommandError, Event, Format, Invite, Message, Preview, Profile, Reply, Status, Topic, TopicKind,
    TopicState,
};
use harbor_wasm::proto::id::TopicUid;
use harbor_wasm::proto::limits::INVITE_MS;
use harbor_wasm::proto::wire::Text;
use harbor_wasm::{Client, Options, Subscription};
use leptos::prelude::*;
use leptos::task::spawn_local;
use route::Route;
use sentence::sentence;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long the page may be without a node before it says so: reconnecting is normal and mostly quick.
const OFFLINE_GRACE: Duration = Duration::from_millis(1_500);

/// How far the app has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Opening,
    /// Nobody has chosen a name in this browser yet.
    Naming,
    Ready,
    /// It cannot start; the code of why.
    Fatal(&'static str),
    /// Everything on this device is being erased.
    Erasing,
    /// It has ended; the sentence to show.
    Over(&'static str),
}

/// What a command of a person came to: the value, or the sentence to show.
pub(crate) type Outcome<T> = Result<T, &'static str>;

/// The conversations, by uid.
pub(crate) type Topics = BTreeMap<TopicUid, Arc<Topic>>;

/// The state of the whole page. A handle: copies are the same app.
#[derive(Clone, Copy)]
pub(crate) struct App {
    client: StoredValue<Option<(Client, Subscription)>, LocalStorage>,
    pub(crate) phase: RwSignal<Phase>,
    pub(crate) profile: RwSignal<Option<Profile>>,
    pub(crate) topics: RwSignal<Topics>,
    pub(crate) status: RwSignal<Option<Status>>,
    pub(crate) route: RwSignal<Route>,
    /// No node for longer than a moment.
    pub(crate) offline: RwSignal<bool>,
    /// The device itself has a network, as far as the browser knows.
    pub(crate) network: RwSignal<bool>,
    /// What a screen reader says next.
    pub(crate) said: RwSignal<String>,
    /// A sentence about something that did not work, until it is dismissed.
    pub(crate) trouble: RwSignal<Option<&'static str>>,
    /// Advances every minute, so that "Today" does not stay when the day has ended.
    pub(crate) now: RwSignal<u64>,
    /// Texts begun and not sent, by conversation.
    drafts: StoredValue<BTreeMap<TopicUid, String>>,
    /// How many views of this page lie before this one in the browser's history.
    depth: StoredValue<u32>,
}

/// The app, from within a view.
pub(crate) fn app() -> App {
    expect_context()
}

impl App {
    /// Starts opening the client and listens to the browser.
    pub(crate) fn start() -> Self {
        let app = Self {
            client: StoredValue::new_local(None),
            phase: RwSignal::new(Phase::Opening),
            profile: RwSignal::new(None),
            topics: RwSignal::new(Topics::new()),
            status: RwSignal::new(None),
            route: RwSignal::new(Route::Home),
            offline: RwSignal::new(false),
            network: RwSignal::new(browser::is_online()),
            said: RwSignal::new(String::new()),
            trouble: RwSignal::new(None),
            now: RwSignal::new(browser::now_ms()),
            drafts: StoredValue::new(BTreeMap::new()),
            depth: StoredValue::new(0),
        };
        app.depth.set_value(browser::entry_number().unwrap_or(0));
        browser::number_entry(app.depth.get_value());
        app.read_address();
        app.listen();
        spawn_local(app.open());
        app
    }

    fn listen(self) {
        browser::on_window("hashchange", move || {
            // Only the way back leads to an entry that has a number.
            let depth = browser::entry_number().unwrap_or_else(|| self.depth.get_value() + 1);
            browser::number_entry(depth);
            self.depth.set_value(depth);
            self.read_address();
        });
        browser::on_window("online", move || self.network.set(true));
        browser::on_window("offline", move || {
            self.network.set(false);
            self.look_at_links();
        });
        let _ = set_interval_with_handle(move || self.now.set(browser::now_ms()), Duration::from_secs(60));
    }

    /// Follows the address; takes an invite's code out of it at once, since it is a secret.
    fn read_address(self) {
        let route = Route::parse(&browser::hash());
        if let Route::Join(code) = &route {
            if code.is_none() && matches!(self.route.get_untracked(), Route::Join(Some(_))) {
                return;
            }
            browser::replace_hash(&route.hash());
        }
        self.route.set(route);
    }

    async fn open(self) {
        let client = match Client::open(Options::default()).await {
            Ok(client) => client,
            Err(error) => return self.phase.set(Phase::Fatal(error.code())),
        };
        let subscription = client.subscribe(move |event| self.on_event(event));
        spawn_local(self.until_erased(client.clone()));
        self.client.set_value(Some((client, subscription)));
        if let Err(error) = self.load().await {
            self.phase.set(Phase::Fatal(error.code()));
        }
    }

    /// When another tab erases everything, this one forgets what it shows and says so.
    async fn until_erased(self, client: Client) {
        client.erased().await;
        if self.phase.get_untracked() == Phase::Erasing {
            return;
        }
        self.phase.set(Phase::Over(text::erase::ELSEWHERE));
        self.client.set_value(None);
        self.profile.set(None);
        self.topics.set(Topics::new());
        self.status.set(None);
        self.drafts.set_value(BTreeMap::new());
    }

    /// Erases identity, keys and history from this device, also when they cannot be read, and starts anew.
    pub(crate) async fn erase(self) {
        self.phase.set(Phase::Erasing);
        if Client::erase(&Options::default().namespace).await.is_err() {
            return self.phase.set(Phase::Over(text::erase::FAILED));
        }
        browser::forget_all().await;
        // What is still in this page's memory goes with the page.
        browser::start_anew();
    }

    async fn load(self) -> Result<(), CommandError> {
        if let Reply::Status { status } = self.request(Command::Status).await? {
            self.on_status(status);
        }
        let Reply::Profile { profile: Some(profile) } = self.request(Command::Profile).await? else {
            self.phase.set(Phase::Naming);
            return Ok(());
        };
        self.profile.set(Some(profile));
        if let Reply::Topics { topics } = self.request(Command::Topics).await? {
            let topics = topics.into_vec().into_iter().map(|t| (t.uid, Arc::new(t))).collect();
            self.topics.set(topics);
        }
        self.phase.set(Phase::Ready);
        Ok(())
    }

    /// The client, once it is open.
    fn client(self) -> Option<Client> {
        self.client.with_value(|open| open.as_ref().map(|(client, _)| client.clone()))
    }

    async fn request(self, command: Command) -> Result<Reply, CommandError> {
        self.client().ok_or(CommandError::NotInitialized)?.request(command).await
    }

    fn on_event(self, event: &Event) {
        match event {
            Event::Topic { topic } => self.put_topic(topic.clone()),
            Event::TopicGone { topic } => self.topics.update(|all| {
                all.remove(topic);
            }),
            Event::Message { message } => self.announce(message),
            Event::State { .. } | Event::Amended { .. } => {}
            Event::Status { status } => self.on_status(status.clone()),
            Event::Profile { profile } => {
                self.profile.set(Some(profile.clone()));
                // Another tab may have chosen the name while this one was asking for it.
                if self.phase.get_untracked() == Phase::Naming {
                    spawn_local(async move {
                        let _ = self.load().await;
                    });
                }
            }
        }
    }

    fn put_topic(self, topic: Topic) {
        self.topics.update(|all| {
            all.insert(topic.uid, Arc::new(topic));
        });
    }

    fn on_status(self, status: Status) {
        self.status.set(Some(status));
        self.look_at_links();
    }

    /// Offline is who has no node for a while, or none and no network either. A device that believes to have no
    /// network may still have a node: on itself.
    fn look_at_links(self) {
        let unlinked = move || self.status.with_untracked(|s| s.as_ref().is_none_or(|s| s.linked == 0));
        if !unlinked() || !self.network.get_untracked() {
            self.offline.set(unlinked());
        } else if !self.offline.get_untracked() {
            set_timeout(move || self.offline.set(unlinked()), OFFLINE_GRACE);
        }
    }

    /// Says a message of somebody else once, for those who hear the page.
    fn announce(self, message: &Message) {
        if message.mine || message.format != Format::Text {
            return;
        }
        let author = name_or(&message.author_name, text::SOMEONE);
        let body = look::preview(&String::from_utf8_lossy(&message.body), 200);
        let open = self.route.with_untracked(|r| *r == Route::Topic(message.topic));
        let spoken = if open {
            text::message::spoken(&author, &body)
        } else {
            let place = self.topics.with_untracked(|all| all.get(&message.topic).map(|t| title_of(t)));
            text::message::spoken_elsewhere(&author, &place.unwrap_or_default(), &body)
        };
        // The same words twice would not be said again: an invisible difference makes them new.
        let again = self.said.with_untracked(|said| *said == spoken);
        self.said.set(if again { spoken + "\u{a0}" } else { spoken });
    }

    /// One conversation, followed.
    pub(crate) fn topic(self, uid: TopicUid) -> Memo<Option<Arc<Topic>>> {
        Memo::new(move |_| self.topics.with(|all| all.get(&uid).cloned()))
    }

    /// The conversations, the most lively first.
    pub(crate) fn order(self) -> Memo<Vec<TopicUid>> {
        Memo::new(move |_| {
            let mut all: Vec<_> = self.topics.with(|all| all.values().map(|t| (last_ms(t), t.uid)).collect());
            all.sort_by(|a, b| b.cmp(a));
            all.into_iter().map(|(_, uid)| uid).collect()
        })
    }

    /// Unread messages of all conversations.
    pub(crate) fn unread(self) -> u32 {
        self.topics.with(|all| all.values().map(|t| t.unread).sum())
    }

    /// Messages of all conversations that are known to exist and not here.
    pub(crate) fn missing(self) -> u32 {
        self.topics.with(|all| all.values().map(|t| t.missing).sum())
    }

    /// This tab runs the endpoint.
    pub(crate) fn is_owner(self) -> bool {
        self.client().is_some_and(|c| c.is_owner())
    }

    /// Goes to another view; the browser's back button returns.
    pub(crate) fn go(self, route: Route) {
        browser::push_hash(&route.hash());
    }

    /// Goes to another view in the place of this one.
    pub(crate) fn go_instead(self, route: Route) {
        browser::replace_hash(&route.hash());
        self.route.set(route);
    }

    /// Back to where the person came from within the page, else to the list.
    pub(crate) fn go_back(self) {
        if self.depth.get_value() > 0 {
            browser::back();
        } else {
            self.go_instead(Route::Home);
        }
    }

    /// Takes the first name, or another.
    pub(crate) async fn set_name(self, name: &str) -> Outcome<()> {
        let name = Text::new(name.trim()).ok_or(text::start::NAME_LONG)?;
        match self.request(Command::SetName { name }).await.map_err(said)? {
            Reply::Profile { profile } => {
                self.profile.set(profile);
                if self.phase.get_untracked() == Phase::Naming {
                    browser::ask_to_persist();
                    self.load().await.map_err(said)?;
                }
                Ok(())
            }
            _ => Err(text::error::OTHER),
        }
    }

    /// Makes a conversation and goes there.
    pub(crate) async fn create(self, kind: TopicKind, title: &str) -> Outcome<()> {
        let title = Text::new(title.trim()).ok_or(text::room::LONG)?;
        match self.request(Command::CreateTopic { kind, title }).await.map_err(said)? {
            Reply::Topic { topic } => {
                let uid = topic.uid;
                self.put_topic(topic);
                self.go(Route::Topic(uid));
                Ok(())
            }
            _ => Err(text::error::OTHER),
        }
    }

    pub(crate) async fn invite(self, topic: TopicUid) -> Outcome<Invite> {
        let command = Command::Invite { topic, expires_in_ms: INVITE_MS.0 };
        match self.request(command).await.map_err(|e| sentence::inviting(e.code()))? {
            Reply::Invite { invite } => Ok(invite),
            _ => Err(text::error::OTHER),
        }
    }

    pub(crate) async fn preview(self, code: &str) -> Outcome<Preview> {
        let code = Text::new(code).ok_or(text::error::BAD_INVITE)?;
        match self.request(Command::Preview { code }).await.map_err(said)? {
            Reply::Preview { preview } => Ok(preview),
            _ => Err(text::error::OTHER),
        }
    }

    /// Asks to be let in and goes to the conversation, which waits.
    pub(crate) async fn accept(self, code: &str) -> Outcome<()> {
        let code = Text::new(code).ok_or(text::error::BAD_INVITE)?;
        match self.request(Command::Accept { code }).await.map_err(|e| sentence::joining(e.code()))? {
            Reply::Topic { topic } => {
                let uid = topic.uid;
                self.put_topic(topic);
                self.go_instead(Route::Topic(uid));
                Ok(())
            }
            _ => Err(text::error::OTHER),
        }
    }

    /// Carries out a command whose success shows by itself; a failure becomes [`App::trouble`].
    pub(crate) fn perform(self, command: Command) {
        spawn_local(async move {
            if let Err(error) = self.request(command).await {
                self.trouble.set(Some(said(error)));
            }
        });
    }

    /// Erases a conversation, also one this device is still a member of.
    pub(crate) async fn forget(self, topic: TopicUid) -> Outcome<()> {
        let active =
            self.topics.with_untracked(|all| all.get(&topic).is_some_and(|t| t.state == TopicState::Active));
        if active {
            self.request(Command::Leave { topic }).await.map_err(said)?;
        }
        self.request(Command::Forget { topic }).await.map_err(said)?;
        self.topics.update(|all| {
            all.remove(&topic);
        });
        self.drafts.update_value(|all| {
            all.remove(&topic);
        });
        self.go_instead(Route::Home);
        Ok(())
    }

    pub(crate) fn draft(self, topic: TopicUid) -> String {
        self.drafts.with_value(|all| all.get(&topic).cloned().unwrap_or_default())
    }

    pub(crate) fn keep_draft(self, topic: TopicUid, text: String) {
        self.drafts.update_value(|all| {
            if text.is_empty() {
                all.remove(&topic)
            } else {
                all.insert(topic, text)
            };
        });
    }
}

fn said(error: CommandError) -> &'static str {
    sentence(error.code())
}

/// The name of somebody, or `otherwise` when nothing of it can be seen.
pub(crate) fn name_or<const N: usize>(name: &Text<N>, otherwise: &str) -> String {
    let name = look::clean(name.as_str());
    if name.is_empty() { otherwise.into() } else { name }
}

/// What a conversation is called.
pub(crate) fn title_of(topic: &Topic) -> String {
    name_or(
        &topic.title,
        match topic.kind {
            TopicKind::Dm => text::list::UNNAMED_DM,
            TopicKind::Room => text::list::UNNAMED_ROOM,
        },
    )
}

/// When something last happened in a conversation.
pub(crate) fn last_ms(topic: &Topic) -> u64 {
    topic.last.as_ref().map_or(topic.created.0, |m| m.received_at.unwrap_or(m.sent_at).0)
}
