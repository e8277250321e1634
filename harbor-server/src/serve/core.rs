//! The node behind its lock, and the way facts get in and instructions get out.
//!
//! Whoever has facts (a connection, the writer, the clock) feeds a batch of them under one lock; the
//! instructions that follow are carried out at once: messages into outboxes, packets, once their signatures are
//! verified outside the lock, to the writer. Nothing here waits, so the lock is held for as long as the core thinks.

use super::outbox::{End, Outbox};
use super::websocket::code;
use crate::store::{Answers, Health, ReadJob, Store};
use harbor_proto::machine::Machine;
use harbor_proto::node::{
    ConnId, Counters, Disconnect, Input, Load, Node, NodeConfig, Output, SourceId, Unverified,
};
use harbor_proto::time::{Instant, UnixMillis};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

/// Bytes waiting for the writer above which connections are not read any more.
const STORE_HIGH: usize = 32 << 20;
/// How often clock and connections are looked at.
const UPKEEP: Duration = Duration::from_secs(10);
/// The clock is reported again after this long, and after every jump of more than [`CLOCK_JUMP_MS`].
const CLOCK_EVERY_MS: u64 = harbor_proto::limits::HOUR_MS;
const CLOCK_JUMP_MS: u64 = 1000;

/// The node and everything that acts for it.
#[derive(Debug)]
pub(crate) struct Core {
    origin: std::time::Instant,
    state: Mutex<State>,
    store: Store,
    health: Arc<Health>,
    /// The earliest deadline moved.
    timer: Notify,
    /// The last connection is gone.
    empty: Notify,
    draining: AtomicBool,
    /// Connections waiting for the writer to catch up.
    held_back: Mutex<BTreeMap<ConnId, Waker>>,
}

#[derive(Debug)]
struct State {
    node: Node,
    links: HashMap<ConnId, Arc<Outbox>>,
    last_conn: u64,
    deadline: Option<Instant>,
    clock_told: Option<(Instant, UnixMillis)>,
    wake: Vec<Waker>,
    /// What is verified and handed to the writer once the lock is released.
    unverified: Vec<Unverified>,
}

impl Core {
    pub(crate) fn new(config: NodeConfig, store: Store, health: Arc<Health>) -> Arc<Self> {
        let state = State {
            node: Node::new(config, Instant(0)),
            links: HashMap::new(),
            last_conn: 0,
            deadline: None,
            clock_told: None,
            wake: Vec::new(),
            unverified: Vec::new(),
        };
        Arc::new(Self {
            origin: std::time::Instant::now(),
            state: Mutex::new(state),
            store,
            health,
            timer: Notify::new(),
            empty: Notify::new(),
            draining: AtomicBool::new(false),
            held_back: Mutex::new(BTreeMap::new()),
        })
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("the core never panics on what a peer sends")
    }

    /// Runs `act` under the lock, carries out what follows, then wakes whom it concerns.
    fn with<T>(&self, act: impl FnOnce(&mut State, &Store, Instant) -> T) -> T {
        let mut state = self.lock();
        // Read under the lock: the core's time never goes back.
        let now = self.now();
        let result = act(&mut state, &self.store, now);
        let deadline = state.node.poll_timeout();
        let sooner = deadline.is_some_and(|at| state.deadline.is_none_or(|before| at < before));
        state.deadline = deadline;
        let wake = std::mem::take(&mut state.wake);
        let unverified = std::mem::take(&mut state.unverified);
        drop(state);
        if sooner {
            self.timer.notify_one();
        }
        wake.into_iter().for_each(Waker::wake);
        self.append(unverified);
        result
    }

    /// Hands packets to the writer in order, without the lock: their signatures are most of the work.
    fn append(&self, unverified: Vec<Unverified>) {
        let mut forged = Vec::new();
        for packet in unverified {
            match packet.verify() {
                Ok(append) => self.store.append(append),
                Err(fact) => forged.push(fact),
            }
        }
        if !forged.is_empty() {
            self.feed_all(forged);
        }
    }

    /// Takes facts in order.
    pub(crate) fn feed_all(&self, facts: impl IntoIterator<Item = Input>) {
        self.with(|state, store, now| {
            for fact in facts {
                state.node.handle_input(fact, now);
                state.carry_out(store);
            }
        });
    }

    /// A new connection and its outbox.
    ///
    /// # Errors
    /// The system's: it gives no random bytes.
    pub(crate) fn connect(&self, source: SourceId) -> Result<(ConnId, Arc<Outbox>), getrandom::Error> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy)?;
        let outbox = Arc::new(Outbox::default());
        let conn = self.with(|state, store, now| {
            state.last_conn += 1;
            let conn = ConnId(state.last_conn);
            state.links.insert(conn, Arc::clone(&outbox));
            state.node.handle_input(Input::Connected { conn, source, entropy }, now);
            state.carry_out(store);
            conn
        });
        Ok((conn, outbox))
    }

    /// The connection is gone.
    pub(crate) fn closed(&self, conn: ConnId) {
        let left = self.with(|state, store, now| {
            state.links.remove(&conn);
            state.node.handle_input(Input::Closed { conn }, now);
            state.carry_out(store);
            state.links.len()
        });
        if left == 0 {
            self.empty.notify_waiters();
        }
    }

    /// True while a connection must not be read because the writer is behind; `waker` is called when it may.
    pub(crate) fn hold_back(&self, conn: ConnId, waker: &Waker) -> bool {
        if self.health.waiting.load(Ordering::Relaxed) < STORE_HIGH {
            return false;
        }
        self.held_back.lock().expect("no code panics while it holds the list").insert(conn, waker.clone());
        // Again, or a release in between would have missed it.
        self.health.waiting.load(Ordering::Relaxed) >= STORE_HIGH
    }

    fn release(&self) {
        if self.health.waiting.load(Ordering::Relaxed) < STORE_HIGH {
            let mut held = self.held_back.lock().expect("no code panics while it holds the list");
            std::mem::take(&mut *held).into_values().for_each(Waker::wake);
        }
    }

    /// The node's own counts, since start and right now.
    pub(crate) fn counts(&self) -> (Counters, Load) {
        let state = self.lock();
        (state.node.counters().clone(), state.node.load())
    }

    /// What the disk did so far.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// True once the node is stopping.
    pub(crate) fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Tells every client to come back in `after_ms`, and waits until all are gone.
    pub(crate) async fn drain(&self, after_ms: u32) {
        self.draining.store(true, Ordering::Relaxed);
        self.feed_all([Input::Drain { after_ms }]);
        loop {
            let empty = self.empty.notified();
            tokio::pin!(empty);
            empty.as_mut().enable();
            if self.lock().links.is_empty() {
                return;
            }
            empty.await;
        }
    }

    /// Lets the core's timers fire and looks after clock and connections; never ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut upkeep = tokio::time::interval(UPKEEP);
        loop {
            let deadline = self.lock().deadline;
            let at = deadline.map(|at| self.origin + Duration::from_millis(at.0));
            let sleep = async {
                match at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => self.with(|state, store, now| {
                    state.node.handle_timeout(now);
                    state.carry_out(store);
                }),
                () = self.timer.notified() => {}
                _ = upkeep.tick() => {
                    self.tell_clock();
                    self.with(|state, _, _| state.drop_stalled());
                }
            }
        }
    }

    /// Reports the wall clock when it is news.
    pub(crate) fn tell_clock(&self) {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix = UnixMillis(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX));
        self.with(|state, store, now| {
            let news = state.clock_told.is_none_or(|(then, told)| {
                now.since(then) >= CLOCK_EVERY_MS
                    || told.plus(now.since(then)).0.abs_diff(unix.0) > CLOCK_JUMP_MS
            });
            if news {
                state.clock_told = Some((now, unix));
                state.node.handle_input(Input::Clock(unix), now);
                state.carry_out(store);
            }
        });
    }
}

impl Answers for Core {
    fn feed(&self, facts: Vec<Input>) {
        self.feed_all(facts);
        self.release();
    }
}

impl State {
    fn carry_out(&mut self, store: &Store) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Send { conn, bytes } => {
                    if let Some(outbox) = self.links.get(&conn) {
                        self.wake.extend(outbox.push(&bytes));
                    }
                }
                Output::Disconnect { conn, why } => {
                    if let Some(outbox) = self.links.get(&conn) {
                        self.wake.extend(outbox.end(end(why)));
                    }
                }
                Output::Append(packet) => self.unverified.push(packet),
                Output::Read { job, mailbox, after, max_packets, max_bytes } => {
                    store.read(ReadJob { job, mailbox, after, max_packets, max_bytes });
                }
                Output::Expire { hour } => store.expire(hour),
            }
        }
    }

    fn drop_stalled(&mut self) {
        self.wake.extend(self.links.values().filter_map(|outbox| outbox.stalled()));
    }
}

/// The close frame for a reason of the node's (docs/spec/link.md §7).
fn end(why: Disconnect) -> End {
    let (code, reason) = match why {
        Disconnect::Protocol => (code::PROTOCOL, "protocol"),
        Disconnect::Refused(refusal) => (code::POLICY, refusal.code()),
        Disconnect::Slow => (code::TRY_LATER, "slow"),
        Disconnect::Silent => (code::GOING_AWAY, "silent"),
        Disconnect::TooManyLinks => (code::POLICY, "too_many_links"),
        Disconnect::Draining => (code::GOING_AWAY, "draining"),
    };
    End { code, reason }
}
