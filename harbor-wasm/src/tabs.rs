//! Several tabs, one machine: the tab that holds the lock owns it, the others work through that tab.
//!
//! Spec: docs/spec/at-rest.md §5, §6.

mod lock;
mod note;
mod owner;

use crate::browser::{self, On, Signal};
use crate::client::{Listeners, OpenError};
use crate::drive::Core;
use crate::reflect;
use crate::store::{Record, Store, StoreError};
use futures_channel::oneshot;
use harbor_proto::endpoint::{Command, CommandError, Event, Reply};
use litemap::LiteMap;
use lock::{Fate, Lock, Manner};
use note::{Channel, Note, TabId};
use owner::Owner;
use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

/// An owner silent for this long is replaced, ms.
const PATIENCE_MS: u64 = 2000;
/// A timer this much late means that this tab itself was asleep, ms.
const NAP_MS: u64 = 1000;

/// Makes the machine from its records; `None` when they make no sense.
pub(crate) type Make = Box<dyn Fn(Vec<Record>) -> Option<Core>>;

/// What the owner's machine works with.
pub(crate) struct Means {
    pub(crate) make: Make,
    pub(crate) nodes: Vec<String>,
    pub(crate) ice_servers: Vec<String>,
}

/// This tab among the tabs of its namespace.
pub(crate) struct Tabs {
    me: TabId,
    name: String,
    store: Rc<Store>,
    means: Means,
    listeners: Rc<Listeners>,
    channel: RefCell<Option<Channel>>,
    lock: RefCell<Option<Lock>>,
    role: RefCell<Role>,
    asked: RefCell<LiteMap<u64, Asked>>,
    next_id: Cell<u64>,
    /// Counts signs of life of the owner.
    signs: Cell<u64>,
    watching: Cell<bool>,
    /// Counts the times this tab began to own: what an earlier time still waits for is void.
    attempt: Cell<u64>,
    settled: Signal,
    page: RefCell<Option<On>>,
}

enum Role {
    /// No owner is known.
    Waiting,
    /// Another tab owns, with this generation.
    Following(u64),
    /// This tab has the lock and reads the records.
    Starting,
    Owning(Rc<Owner>),
    /// This tab has the lock and storage fails.
    Paused(CommandError),
    Closed,
}

/// A command of this tab without an answer yet.
struct Asked {
    command: Command,
    answer: oneshot::Sender<Result<Reply, CommandError>>,
    /// The generation it was given to, 0 if none.
    given: u64,
}

impl Tabs {
    /// Joins the namespace's tabs.
    pub(crate) fn join(
        namespace: &str,
        store: Rc<Store>,
        means: Means,
        listeners: Rc<Listeners>,
    ) -> Result<Rc<Self>, OpenError> {
        let tabs = Rc::new(Self {
            me: browser::random(),
            name: format!("harbor-{namespace}"),
            store,
            means,
            listeners,
            channel: RefCell::default(),
            lock: RefCell::default(),
            role: RefCell::new(Role::Waiting),
            asked: RefCell::default(),
            next_id: Cell::new(1),
            signs: Cell::new(0),
            watching: Cell::new(false),
            attempt: Cell::new(0),
            settled: Signal::default(),
            page: RefCell::default(),
        });
        let weak = Rc::downgrade(&tabs);
        let hear = move |note| {
            if let Some(tabs) = weak.upgrade() {
                tabs.hear(note);
            }
        };
        let channel = Channel::join(&tabs.name, hear).map_err(|_| OpenError::Unsupported)?;
        *tabs.channel.borrow_mut() = Some(channel);
        tabs.ask_for_lock(Manner::InTurn).map_err(|_| OpenError::Unsupported)?;
        tabs.look_out();
        tabs.watch();
        Ok(tabs)
    }

    /// Waits until this tab owns or knows who does.
    pub(crate) async fn settle(&self) -> Result<(), OpenError> {
        loop {
            match &*self.role.borrow() {
                Role::Following(_) | Role::Owning(_) => return Ok(()),
                Role::Paused(CommandError::StorageLost) => return Err(OpenError::StorageLost),
                // A full disk is no reason to keep the page from showing what there is.
                Role::Paused(_) => return Ok(()),
                Role::Closed => return Err(OpenError::Unsupported),
                Role::Waiting | Role::Starting => {}
            }
            self.settled.wait().await;
        }
    }

    pub(crate) fn is_owner(&self) -> bool {
        matches!(*self.role.borrow(), Role::Owning(_))
    }

    /// Has the owner carry out `command`; a new owner is asked again.
    pub(crate) async fn request(self: &Rc<Self>, command: Command) -> Result<Reply, CommandError> {
        let id = self.next_id.get();
        self.next_id.set(id + 1);
        let (answer, wait) = oneshot::channel();
        self.asked.borrow_mut().insert(id, Asked { command, answer, given: 0 });
        self.give(id);
        wait.await.unwrap_or_else(|_| Err(self.why_closed()))
    }

    /// Leaves: another tab takes over at once.
    pub(crate) fn close(&self) {
        let role = self.role.replace(Role::Closed);
        if let Role::Owning(owner) = role {
            owner.drive.stop();
        }
        self.page.take();
        drop(self.lock.take());
        drop(self.channel.take());
        self.asked.borrow_mut().clear();
        self.settled.raise();
    }

    fn why_closed(&self) -> CommandError {
        if self.store.is_gone() { CommandError::StorageLost } else { CommandError::Crashed }
    }

    fn say(&self, note: &Note) {
        if let Some(channel) = &*self.channel.borrow() {
            channel.say(note);
        }
    }

    /// A page that is seen again looks whether somebody still works for it.
    fn look_out(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let on = On::new(&reflect::global("document"), "visibilitychange", move |_| {
            if let Some(tabs) = weak.upgrade() {
                tabs.watch();
            }
        });
        *self.page.borrow_mut() = Some(on);
    }

    fn hear(self: &Rc<Self>, note: Note) {
        match note {
            Note::Hello => self.show_life(),
            Note::Alive { generation } => self.hear_owner(generation),
            Note::Ask { tab, id, generation, command } => match self.owner() {
                Some(owner) if owner.generation == generation => owner.take_on(tab, id, command),
                Some(_) => self.show_life(),
                None => self.refuse_while_paused(tab, id),
            },
            Note::Answer { tab, id, outcome } if tab == self.me => self.answered(id, outcome.into()),
            Note::Answer { .. } => {}
            Note::Told { generation, event } => {
                self.hear_owner(generation);
                if matches!(*self.role.borrow(), Role::Following(known) if known == generation) {
                    self.listeners.tell(&event);
                }
            }
        }
    }

    fn owner(&self) -> Option<Rc<Owner>> {
        if let Role::Owning(owner) = &*self.role.borrow() { Some(owner.clone()) } else { None }
    }

    /// Tells the others that the namespace has an owner.
    fn show_life(&self) {
        let generation = match &*self.role.borrow() {
            Role::Owning(owner) => owner.generation,
            Role::Starting => 0,
            // The followers' commands have to get somewhere: whoever asks is refused with the reason.
            Role::Paused(_) => owner::PAUSED,
            Role::Waiting | Role::Following(_) | Role::Closed => return,
        };
        self.say(&Note::Alive { generation });
    }

    fn refuse_while_paused(&self, tab: TabId, id: u64) {
        let why = if let Role::Paused(why) = &*self.role.borrow() { *why } else { return };
        self.say(&Note::Answer { tab, id, outcome: Err(why).into() });
    }

    /// Another tab says it owns.
    fn hear_owner(self: &Rc<Self>, generation: u64) {
        self.signs.set(self.signs.get() + 1);
        let (follow, step_down, correct) = match &*self.role.borrow() {
            Role::Waiting => (generation > 0, false, false),
            // A paused owner starts again with a generation below PAUSED, hence no "older is wrong" for it.
            Role::Following(known) => {
                (generation > *known || (generation > 0 && *known == owner::PAUSED), false, false)
            }
            Role::Owning(owner) => {
                let newer = generation > owner.generation && generation != owner::PAUSED;
                (false, newer, !newer && generation > 0)
            }
            Role::Starting | Role::Paused(_) | Role::Closed => (false, false, false),
        };
        if step_down {
            self.step_down();
        } else if follow {
            *self.role.borrow_mut() = Role::Following(generation);
            self.settled.raise();
            self.give_all();
        } else if correct {
            self.show_life();
        }
    }

    /// Hands every unanswered command of this tab to whoever owns now.
    fn give_all(self: &Rc<Self>) {
        let ids: Vec<u64> = self.asked.borrow().keys().copied().collect();
        for id in ids {
            self.give(id);
        }
    }

    fn give(self: &Rc<Self>, id: u64) {
        let to = match &*self.role.borrow() {
            Role::Following(generation) => *generation,
            Role::Owning(owner) => owner.generation,
            Role::Paused(why) => {
                let why = *why;
                return self.answered(id, Err(why));
            }
            Role::Closed => return self.answered(id, Err(self.why_closed())),
            Role::Waiting | Role::Starting => return,
        };
        let command = match self.asked.borrow_mut().get_mut(&id) {
            Some(asked) if asked.given != to => {
                asked.given = to;
                asked.command.clone()
            }
            _ => return,
        };
        match self.owner() {
            Some(owner) => owner.take_on(self.me, id, command),
            None => {
                self.say(&Note::Ask { tab: self.me, id, generation: to, command });
                self.watch();
            }
        }
    }

    /// An answer to one of this tab's commands; a second one is nobody's.
    fn answered(&self, id: u64, result: Result<Reply, CommandError>) {
        let asked = self.asked.borrow_mut().remove(&id);
        if let Some(asked) = asked {
            // The caller may have lost interest.
            let _ = asked.answer.send(result);
        }
    }

    /// Makes sure that there is a living owner, as long as this tab needs one.
    fn watch(self: &Rc<Self>) {
        if !self.watching.replace(true) {
            let weak = Rc::downgrade(self);
            wasm_bindgen_futures::spawn_local(watch(weak));
        }
    }

    fn needs_owner(&self) -> bool {
        match &*self.role.borrow() {
            Role::Waiting => true,
            Role::Following(_) => !self.asked.borrow().is_empty(),
            Role::Starting | Role::Owning(_) | Role::Paused(_) | Role::Closed => false,
        }
    }

    fn follows(&self) -> bool {
        matches!(*self.role.borrow(), Role::Waiting | Role::Following(_))
    }

    fn ask_for_lock(self: &Rc<Self>, manner: Manner) -> Result<(), wasm_bindgen::JsValue> {
        let weak = Rc::downgrade(self);
        let lock = Lock::ask(&self.name, manner, move |fate| {
            let Some(tabs) = weak.upgrade() else { return };
            match fate {
                Fate::Granted => tabs.start_owning(),
                Fate::Stolen => tabs.step_down(),
            }
        })?;
        // The old question is withdrawn only now: this tab never stands without one.
        let old = self.lock.replace(Some(lock));
        drop(old);
        Ok(())
    }

    /// Stops being the owner and queues up again; unanswered commands go to the next owner.
    fn step_down(self: &Rc<Self>) {
        let role = self.role.replace(Role::Waiting);
        if let Role::Owning(owner) = role {
            owner.drive.stop();
        }
        for (_, asked) in self.asked.borrow_mut().iter_mut() {
            asked.given = 0;
        }
        // A browser that gave a lock once gives one again.
        let _ = self.ask_for_lock(Manner::InTurn);
        self.watch();
    }

    fn tell(&self, generation: u64, event: Event) {
        self.listeners.tell(&event);
        self.say(&Note::Told { generation, event });
    }
}

/// Looks for signs of life until nobody needs an owner; takes the lock by force when there are none.
async fn watch(tabs: Weak<Tabs>) {
    loop {
        let Some(now) = tabs.upgrade() else { return };
        let before = now.signs.get();
        now.say(&Note::Hello);
        drop(now);
        sleep_awake(PATIENCE_MS).await;
        let Some(now) = tabs.upgrade() else { return };
        // A hidden tab may be frozen itself the next moment: it waits until it is seen.
        if now.follows() && now.signs.get() == before && !browser::hidden() {
            let _ = now.ask_for_lock(Manner::ByForce);
        }
        if !now.needs_owner() {
            now.watching.set(false);
            return;
        }
    }
}

/// Waits `ms` during which this tab ran: after a nap of its own, what others said is still to be heard.
async fn sleep_awake(ms: u64) {
    loop {
        let start = browser::now();
        browser::sleep(ms).await;
        if browser::now().since(start) < ms + NAP_MS {
            return;
        }
    }
}

/// What a command is told when storage failed so.
pub(crate) fn command_error(why: StoreError) -> CommandError {
    match why {
        StoreError::Quota => CommandError::QuotaExceeded,
        StoreError::Lost => CommandError::StorageLost,
        StoreError::Superseded | StoreError::Failed => CommandError::Crashed,
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
