//! The face of the browser shell.

use crate::browser::{self, Signal};
use crate::drive::Core;
use crate::store::{Record, Store, StoreError};
use crate::tabs::{self, Means, Tabs};
use crate::{reflect, rtc};
use harbor_proto::endpoint::{Command, CommandError, Endpoint, Event, Message, OrderKey, Reply, Setup};
use harbor_proto::id::{MessageId, TopicUid};
use litemap::LiteMap;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use wasm_bindgen::JsValue;

/// What a client is opened with.
#[derive(Clone, Debug)]
pub struct Options {
    /// WebSocket URLs of the Harbor Nodes (`wss://host/link`). Empty: the page's own origin, path `/link`.
    pub nodes: Vec<String>,
    /// Separates identities on one origin: storage, tabs and locks go by it.
    pub namespace: String,
    /// Whether direct connections may be made. They show the device's addresses to the other members.
    pub direct: bool,
    /// STUN and TURN URLs of the user's own nodes; without any, host candidates only.
    pub ice_servers: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { nodes: Vec::new(), namespace: "default".into(), direct: true, ice_servers: Vec::new() }
    }
}

/// Why a client did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The page came over plain http from another host: browsers keep web crypto from it. Open it by https.
    InsecureContext,
    /// The records are there and cannot be read any more: the browser erased a part of its storage.
    StorageLost,
    /// The disk, or this origin's share of it, is full.
    QuotaExceeded,
    /// The browser lacks IndexedDB, Web Locks or BroadcastChannel, or forbids them here (private mode).
    Unsupported,
}

impl OpenError {
    /// Stable name, shared with JavaScript (`HarborErrorCode`).
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::InsecureContext => "insecure_context",
            Self::StorageLost => "storage_lost",
            Self::QuotaExceeded => "quota_exceeded",
            Self::Unsupported => "unsupported",
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl std::error::Error for OpenError {}

impl From<StoreError> for OpenError {
    fn from(why: StoreError) -> Self {
        match why {
            StoreError::Lost => Self::StorageLost,
            StoreError::Quota => Self::QuotaExceeded,
            StoreError::Superseded | StoreError::Failed => Self::Unsupported,
        }
    }
}

/// A stretch of a topic's history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Oldest first.
    pub messages: Vec<Message>,
    /// Older ones exist.
    pub more: bool,
}

/// A client of one namespace. Clones share it; when the last is dropped the tab leaves.
#[derive(Clone)]
pub struct Client {
    inner: Rc<Inner>,
}

struct Inner {
    tabs: Rc<Tabs>,
    store: Rc<Store>,
    listeners: Rc<Listeners>,
    erased: Signal,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tabs.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(..)")
    }
}

impl Client {
    /// Opens the namespace's storage and joins its tabs; the tab that owns it runs the endpoint.
    ///
    /// # Errors
    /// The browser's or the page's address' fault: [`OpenError`] says which.
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        Self::open_with(options, |setup, records| {
            let endpoint = Endpoint::restore(setup, records).ok()?;
            Some(Box::new(endpoint))
        })
        .await
    }

    /// [`Client::open`] with a machine of the caller's.
    pub(crate) async fn open_with(
        options: Options,
        make: impl Fn(Setup, Vec<Record>) -> Option<Core> + 'static,
    ) -> Result<Self, OpenError> {
        check_browser()?;
        let store = Rc::new(Store::open(&options.namespace).await?);
        let nodes = if options.nodes.is_empty() { own_node() } else { options.nodes };
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let direct = options.direct && rtc::possible();
        let make = move |records| make(Setup { entropy: browser::random(), nodes: count, direct }, records);
        let means = Means { make: Box::new(make), nodes, ice_servers: options.ice_servers };
        let listeners = Rc::new(Listeners::default());
        let tabs = Tabs::join(&options.namespace, store.clone(), means, listeners.clone())?;
        let inner = Rc::new(Inner { tabs, store, listeners, erased: Signal::default() });
        let weak = Rc::downgrade(&inner);
        let leave = move || {
            if let Some(inner) = weak.upgrade() {
                // A tab that stayed the owner would keep those who start anew from it.
                inner.tabs.close();
                inner.erased.raise();
            }
        };
        if inner.store.is_gone() {
            // Erased while it was being opened: nobody will say so again.
            leave();
        }
        inner.store.when_erased(leave);
        inner.tabs.settle().await?;
        Ok(Self { inner })
    }

    /// Removes everything this origin keeps under `namespace`. Clients that are open on it fail from then on.
    ///
    /// # Errors
    /// [`OpenError::Unsupported`] when the browser does not let it.
    pub async fn erase(namespace: &str) -> Result<(), OpenError> {
        Ok(Store::erase(namespace).await?)
    }

    /// Waits until somebody erases this namespace, in this tab or another; the client has left then, and every
    /// command is answered [`CommandError::StorageLost`]. For one waiter.
    pub async fn erased(&self) {
        self.inner.erased.wait().await;
    }

    /// Carries out `command` in the owning tab. Exactly one answer, whatever tab dies meanwhile.
    ///
    /// # Errors
    /// The caller's: see [`CommandError`].
    pub async fn request(&self, command: Command) -> Result<Reply, CommandError> {
        self.inner.tabs.request(command).await
    }

    /// At most `limit` (1–200) messages of `topic` just before `before`, or the newest. Reads the disk in this
    /// tab, whoever owns.
    ///
    /// # Errors
    /// [`CommandError::StorageLost`] or [`CommandError::Crashed`] when storage cannot be read.
    pub async fn history(
        &self,
        topic: TopicUid,
        before: Option<OrderKey>,
        limit: u32,
    ) -> Result<Page, CommandError> {
        self.inner.store.page(topic, before, limit).await.map_err(tabs::command_error)
    }

    /// One message of `topic`, if it is on this device.
    ///
    /// # Errors
    /// As [`Client::history`].
    pub async fn find(&self, topic: TopicUid, id: MessageId) -> Result<Option<Message>, CommandError> {
        self.inner.store.find(topic, id).await.map_err(tabs::command_error)
    }

    /// Calls `f` for every event until the subscription is dropped. `f` may subscribe and request itself.
    pub fn subscribe(&self, f: impl Fn(&Event) + 'static) -> Subscription {
        self.inner.listeners.add(Rc::new(f))
    }

    /// This tab runs the endpoint.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        self.inner.tabs.is_owner()
    }

    #[cfg(all(test, target_arch = "wasm32"))]
    pub(crate) fn inner_tabs(&self) -> &Rc<Tabs> {
        &self.inner.tabs
    }

    /// Leaves at once, whoever else has a clone; their requests fail from now on.
    pub fn close(&self) {
        self.inner.tabs.close();
    }
}

fn check_browser() -> Result<(), OpenError> {
    if reflect::global("isSecureContext").as_bool() == Some(false) {
        return Err(OpenError::InsecureContext);
    }
    let needed = [
        reflect::global("indexedDB"),
        reflect::global("BroadcastChannel"),
        reflect::get(&reflect::global("navigator"), "locks"),
        reflect::get(&reflect::global("crypto"), "subtle"),
    ];
    if needed.iter().all(JsValue::is_truthy) { Ok(()) } else { Err(OpenError::Unsupported) }
}

/// The node that serves this page.
fn own_node() -> Vec<String> {
    let location = reflect::global("location");
    let part = |name| reflect::get(&location, name).as_string().unwrap_or_default();
    let scheme = if part("protocol") == "https:" { "wss" } else { "ws" };
    vec![format!("{scheme}://{}/link", part("host"))]
}

type Listener = Rc<dyn Fn(&Event)>;

/// Who wants to hear of events.
#[derive(Default)]
pub(crate) struct Listeners {
    next: Cell<u64>,
    list: RefCell<LiteMap<u64, Listener>>,
}

impl Listeners {
    pub(crate) fn add(self: &Rc<Self>, f: Listener) -> Subscription {
        let id = self.next.get();
        self.next.set(id + 1);
        self.list.borrow_mut().insert(id, f);
        Subscription { id, listeners: Rc::downgrade(self) }
    }

    /// Tells everyone who was subscribed when the event came; a listener may change the list meanwhile.
    pub(crate) fn tell(&self, event: &Event) {
        let now: Vec<Listener> = self.list.borrow().values().cloned().collect();
        for f in now {
            f(event);
        }
    }
}

/// Keeps a listener alive; dropping it ends the calls.
#[must_use = "dropping the subscription ends it"]
pub struct Subscription {
    id: u64,
    listeners: Weak<Listeners>,
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subscription(..)")
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(listeners) = self.listeners.upgrade() {
            listeners.list.borrow_mut().remove(&self.id);
        }
    }
}
