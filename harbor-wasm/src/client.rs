//! The face of the browser shell.

use harbor_proto::endpoint::{Command, CommandError, Event, Message, OrderKey, Reply};
use harbor_proto::id::TopicUid;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::rc::{Rc, Weak};

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
    listeners: Rc<Listeners>,
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
        let _ = options;
        Err(OpenError::Unsupported)
    }

    /// Carries out `command` in the owning tab. Exactly one answer, whatever tab dies meanwhile.
    ///
    /// # Errors
    /// The caller's: see [`CommandError`].
    pub async fn request(&self, command: Command) -> Result<Reply, CommandError> {
        let _ = command;
        Err(CommandError::Crashed)
    }

    /// At most `limit` (1–200) messages of `topic` just before `before`, or the newest.
    ///
    /// # Errors
    /// [`CommandError::Crashed`] when storage cannot be read.
    pub async fn history(
        &self,
        topic: TopicUid,
        before: Option<OrderKey>,
        limit: u32,
    ) -> Result<Page, CommandError> {
        let _ = (topic, before, limit);
        Err(CommandError::Crashed)
    }

    /// Calls `f` for every event until the subscription is dropped. `f` may subscribe and request itself.
    pub fn subscribe(&self, f: impl Fn(&Event) + 'static) -> Subscription {
        self.listeners.add(Rc::new(f))
    }

    /// This tab runs the endpoint.
    #[must_use]
    pub fn is_owner(&self) -> bool {
        false
    }
}

type Listener = Rc<dyn Fn(&Event)>;

/// Who wants to hear of events.
#[derive(Default)]
pub(crate) struct Listeners {
    next: Cell<u64>,
    list: RefCell<BTreeMap<u64, Listener>>,
}

impl Listeners {
    pub(crate) fn add(self: &Rc<Self>, f: Listener) -> Subscription {
        let id = self.next.get();
        self.next.set(id + 1);
        self.list.borrow_mut().insert(id, f);
        Subscription { id, listeners: Rc::downgrade(self) }
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
