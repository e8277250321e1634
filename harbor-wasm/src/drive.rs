//! The pump: one machine, its facts from the browser, its instructions carried out in order.
//!
//! Facts go in the moment they happen. Instructions wait in one queue for one task; the persists among what
//! is waiting become one transaction, and nothing else of it is done before that transaction is complete.

use crate::browser::{self, On, Signal, Timer};
use crate::link::Links;
use crate::reflect;
use crate::rtc::Peers;
use crate::stamp::Stamps;
use crate::store::{Store, StoreError};
use harbor_proto::endpoint::{Command, CommandError, CommandId, Event, Input, LookId, Output, Reply, Write};
use harbor_proto::id::{MessageId, TopicUid};
use harbor_proto::machine::Machine;
use harbor_proto::time::Instant;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

/// The endpoint, or what stands for it in a test.
pub(crate) type Core = Box<dyn Machine<Input = Input, Output = Output>>;
/// Hands a fact to the machine, as long as there is one.
pub(crate) type Feed = Rc<dyn Fn(Input)>;

/// Outputs carried out as one batch: bounds a transaction and the time until the next fact.
const BATCH: usize = 1024;
/// A wall clock that moved this much against the monotonic one was set, or the machine slept.
const CLOCK_JUMP_MS: u64 = 1000;

/// What a drive has to say to its tab.
#[derive(Debug)]
pub(crate) enum Said {
    Reply {
        id: CommandId,
        result: Result<Reply, CommandError>,
    },
    Event(Event),
    /// The machine was dropped; nothing more comes.
    Stopped(Stop),
}

/// Why a machine was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The records could not be written.
    Storage(StoreError),
    /// A bug of ours: the machine panicked.
    Crashed,
}

/// What a drive works with.
pub(crate) struct Surroundings {
    pub(crate) store: Rc<Store>,
    /// From [`Store::claim`].
    pub(crate) generation: u64,
    /// WebSocket URLs by link number.
    pub(crate) nodes: Vec<String>,
    pub(crate) ice_servers: Vec<String>,
}

/// A running machine.
pub(crate) struct Drive {
    core: RefCell<Option<Core>>,
    queue: RefCell<VecDeque<Output>>,
    work: Signal,
    timer: Timer,
    /// Wall minus monotonic time as the machine knows it, ms.
    offset: Cell<Option<u64>>,
    store: Rc<Store>,
    generation: u64,
    links: Links,
    peers: Peers,
    stamps: Stamps,
    tell: Box<dyn Fn(Said)>,
    page: RefCell<Vec<On>>,
    weak: Weak<Self>,
}

impl Drive {
    /// Runs `core` until it is stopped; `tell` gets what it says.
    pub(crate) fn start(core: Core, around: Surroundings, tell: impl Fn(Said) + 'static) -> Rc<Self> {
        let drive = Rc::new_cyclic(|weak: &Weak<Self>| {
            let (to_feed, to_ring) = (weak.clone(), weak.clone());
            let feed: Feed = Rc::new(move |input| {
                if let Some(drive) = to_feed.upgrade() {
                    drive.feed(input);
                }
            });
            let ring = move || {
                if let Some(drive) = to_ring.upgrade() {
                    drive.timer.rang();
                    drive.turn(|_, _| ());
                }
            };
            Self {
                core: RefCell::new(Some(core)),
                queue: RefCell::default(),
                work: Signal::default(),
                timer: Timer::new(ring),
                offset: Cell::new(None),
                store: around.store,
                generation: around.generation,
                links: Links::new(around.nodes, feed.clone()),
                peers: Peers::new(around.ice_servers, feed.clone()),
                stamps: Stamps::new(feed),
                tell: Box::new(tell),
                page: RefCell::default(),
                weak: weak.clone(),
            }
        });
        drive.listen();
        drive.introduce();
        wasm_bindgen_futures::spawn_local(drive.clone().carry());
        drive
    }

    /// Gives the machine a fact.
    pub(crate) fn feed(&self, input: Input) {
        self.turn(|core, now| core.handle_input(input, now));
    }

    /// Gives it a command; the answer is [`Said::Reply`] with the same number.
    pub(crate) fn command(&self, id: CommandId, command: Command) {
        self.feed(Input::Command { id, command });
    }

    /// Drops the machine and everything it had open. What it had not persisted never happened.
    pub(crate) fn stop(&self) {
        if let Ok(mut core) = self.core.try_borrow_mut() {
            core.take();
        }
        self.queue.take();
        self.timer.set(None);
        self.page.take();
        self.links.close_all();
        self.peers.close_all();
        self.stamps.cancel_all();
        self.work.raise();
    }

    /// Page events that the machine wants to hear of, or that are a moment to look at the clock.
    fn listen(self: &Rc<Self>) {
        let on = |target: &str, kind, f: fn(&Self)| {
            let weak = Rc::downgrade(self);
            On::new(&reflect::global(target), kind, move |_| {
                if let Some(drive) = weak.upgrade() {
                    f(&drive);
                }
            })
        };
        let visibility = |drive: &Self| drive.feed(Input::Visibility { hidden: browser::hidden() });
        *self.page.borrow_mut() = vec![
            on("document", "visibilitychange", visibility),
            on("window", "pagehide", |drive| drive.feed(Input::Visibility { hidden: true })),
            on("window", "pageshow", visibility),
            on("document", "resume", |drive| drive.turn(|_, _| ())),
            on("window", "online", |drive| drive.feed(Input::Network { online: true })),
            on("window", "offline", |drive| drive.feed(Input::Network { online: false })),
        ];
    }

    /// The first facts: the time (given by every turn that finds it changed), then what is not as usual.
    fn introduce(&self) {
        self.turn(|_, _| ());
        if reflect::get(&reflect::global("navigator"), "onLine").as_bool() == Some(false) {
            self.feed(Input::Network { online: false });
        }
        if browser::hidden() {
            self.feed(Input::Visibility { hidden: true });
        }
    }

    /// Lets the machine do something, then collects what it wants.
    fn turn(&self, f: impl FnOnce(&mut Core, Instant)) {
        let Ok(mut slot) = self.core.try_borrow_mut() else {
            // A panic left the borrow behind: there is no going on with half a change.
            self.fail(Stop::Crashed);
            return;
        };
        let Some(core) = slot.as_mut() else { return };
        let now = browser::now();
        self.look_at_clock(core, now);
        f(core, now);
        // A throttled page rings late: whatever wakes it serves the timers too.
        if core.poll_timeout().is_some_and(|at| at <= now) {
            core.handle_timeout(now);
        }
        let mut queue = self.queue.borrow_mut();
        queue.extend(std::iter::from_fn(|| core.poll_output()));
        self.timer.set(core.poll_timeout());
        if !queue.is_empty() {
            self.work.raise();
        }
    }

    fn look_at_clock(&self, core: &mut Core, now: Instant) {
        let wall = browser::wall();
        let offset = wall.0.saturating_sub(now.0);
        if self.offset.get().is_none_or(|known| known.abs_diff(offset) > CLOCK_JUMP_MS) {
            self.offset.set(Some(offset));
            core.handle_input(Input::Clock(wall), now);
        }
    }

    /// Carries out what the machine wants, until it is stopped.
    async fn carry(self: Rc<Self>) {
        while self.running() {
            let batch = self.next_batch();
            if batch.is_empty() {
                self.work.wait().await;
            } else if let Err(why) = self.carry_batch(batch).await {
                self.fail(Stop::Storage(why));
            }
        }
    }

    fn running(&self) -> bool {
        self.core.try_borrow().is_ok_and(|core| core.is_some())
    }

    fn next_batch(&self) -> Vec<Output> {
        let mut queue = self.queue.borrow_mut();
        let len = queue.len().min(BATCH);
        queue.drain(..len).collect()
    }

    async fn carry_batch(&self, batch: Vec<Output>) -> Result<(), StoreError> {
        let (writes, strict, rest) = group_persists(batch);
        if !writes.is_empty() {
            self.store.write(self.generation, &writes, strict).await?;
        }
        for output in rest {
            if self.running() {
                self.carry_out(output);
            }
        }
        Ok(())
    }

    fn carry_out(&self, output: Output) {
        match output {
            Output::Persist { .. } => unreachable!("group_persists took them out"),
            Output::Dial { link } => self.links.dial(link),
            Output::Hangup { link } => self.links.hang_up(link),
            Output::LinkSend { link, bytes } => self.links.send(link, &bytes),
            Output::RtcOpen { rtc, offerer } => self.peers.open(rtc, offerer),
            Output::RtcRemote { rtc, sdp } => self.peers.remote(rtc, sdp),
            Output::RtcCandidate { rtc, candidate, mid } => self.peers.candidate(rtc, candidate, mid),
            Output::RtcSend { rtc, bytes } => self.peers.send(rtc, bytes),
            Output::RtcClose { rtc } => self.peers.close(rtc),
            Output::Solve { stamp, packet, hour, bits } => self.stamps.solve(stamp, packet, hour, bits),
            Output::CancelSolve { stamp } => self.stamps.cancel(stamp),
            Output::Look { look, topic, id } => self.look_up(look, topic, id),
            Output::Reply { id, result } => (self.tell)(Said::Reply { id, result }),
            Output::Event(event) => (self.tell)(Said::Event(event)),
        }
    }

    /// Reads a message for the machine, which does not wait for it.
    fn look_up(&self, look: LookId, topic: TopicUid, id: MessageId) {
        let (store, weak) = (self.store.clone(), self.weak.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let found = store.find(topic, id).await;
            let Some(drive) = weak.upgrade() else { return };
            match found {
                Ok(message) => {
                    let message = message.map(Box::new);
                    drive.feed(Input::Found { look, topic, id, message });
                }
                Err(why) => drive.fail(Stop::Storage(why)),
            }
        });
    }

    fn fail(&self, why: Stop) {
        self.stop();
        (self.tell)(Said::Stopped(why));
    }
}

/// One transaction's writes, how sure they must be, and the other outputs in their order.
///
/// What was to happen between two persists happens after both: as if the crash that may come at any moment
/// came a little later.
fn group_persists(batch: Vec<Output>) -> (Vec<Write>, bool, Vec<Output>) {
    let (mut writes, mut strict, mut rest) = (Vec::new(), false, Vec::new());
    for output in batch {
        match output {
            Output::Persist { writes: more, strict: this } => {
                writes.extend(more);
                strict |= this;
            }
            other => rest.push(other),
        }
    }
    (writes, strict, rest)
}

#[cfg(all(test, target_arch = "wasm32"))]
pub(crate) mod tests;
