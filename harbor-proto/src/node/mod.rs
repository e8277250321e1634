//! The composer that a Harbor Node runs: links in, packets to disk, pushes out.
//!
//! Spec: docs/spec/link.md. It owns no rule of a mailbox (`crate::mailbox` does) and no table of mailboxes:
//! what it holds grows with links and watches, each capped, and never with what is stored.

mod api;
mod link;
mod rate;
mod reads;
mod requests;
mod source;
mod stores;
#[cfg(test)]
mod tests;

pub use api::*;

use crate::id::HarborId;
use crate::limits::{
    FAULT_COST, HOUR_MS, LINK_PATIENCE, LINK_QUEUE_SOFT, LINK_SILENT_MS, NODE_LINKS, NODE_QUEUE, PING_MS,
};
use crate::machine::Machine;
use crate::mailbox::WatchLists;
use crate::packet::{Kind, Packet};
use crate::time::{Instant, UnixMillis, WallClock};
use crate::wire::Wire;
use crate::wire::link::{LINK_VERSION, Refusal, Request, Slot, ToClient};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::{sync::Arc, vec::Vec};
use link::{Link, WatchKey};
use source::Sources;

/// Slow work under way.
#[derive(Clone, Debug)]
enum Job {
    Append { conn: ConnId, req: Request, mailbox: HarborId, bytes: Arc<[u8]> },
    Backlog { conn: ConnId, slot: Slot, mailbox: HarborId },
    Pull { conn: ConnId, req: Request, after: u64 },
}

/// What a refusal answers.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Request(Request),
    Slot(Slot),
    /// A frame without an answer of its own.
    Silent,
}

/// A Harbor Node without its sockets and its disk.
#[derive(Clone, Debug)]
pub struct Node {
    config: NodeConfig,
    now: Instant,
    clock: Option<WallClock>,
    links: BTreeMap<ConnId, Link>,
    sources: Sources,
    watches: WatchLists<WatchKey, JobId>,
    jobs: BTreeMap<JobId, Job>,
    next_job: u64,
    /// Links that may have a page read, each at most once.
    turn: VecDeque<ConnId>,
    reading: usize,
    /// Bytes of packets on disk, and on their way there.
    stored_bytes: u64,
    appending_bytes: usize,
    /// Bytes queued for all links.
    queued_bytes: usize,
    /// Hour of the last [`Output::Expire`].
    expired: Option<u32>,
    sweep_at: Instant,
    draining: bool,
    out: VecDeque<Output>,
    counters: Counters,
}

impl Node {
    /// A node without links that waits for [`Input::Clock`] before it takes packets.
    #[must_use]
    pub fn new(config: NodeConfig, now: Instant) -> Self {
        Self {
            sources: Sources::new(&config),
            config,
            now,
            clock: None,
            links: BTreeMap::new(),
            watches: WatchLists::default(),
            jobs: BTreeMap::new(),
            next_job: 0,
            turn: VecDeque::new(),
            reading: 0,
            stored_bytes: 0,
            appending_bytes: 0,
            queued_bytes: 0,
            expired: None,
            sweep_at: now.plus(PING_MS),
            draining: false,
            out: VecDeque::new(),
            counters: Counters::default(),
        }
    }

    /// Counts since start.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How much is held right now.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            links: self.links.len(),
            sources: self.sources.len(),
            watches: self.watches.len(),
            jobs: self.jobs.len(),
            appending_bytes: self.appending_bytes,
            queued_bytes: self.queued_bytes,
        }
    }

    fn on_connected(&mut self, conn: ConnId, source: SourceId, entropy: [u8; 32]) {
        if self.draining {
            return self.turn_away(conn, Disconnect::Draining);
        }
        if self.links.len() >= NODE_LINKS || !self.sources.join(source, self.now) {
            return self.turn_away(conn, Disconnect::TooManyLinks);
        }
        self.counters.links += 1;
        self.links.insert(conn, Link::new(source, entropy, self.now));
        let welcome = ToClient::Welcome {
            version: LINK_VERSION,
            node: self.config.id,
            challenge: entropy,
            log: self.config.log,
            hour: self.hour().unwrap_or(0),
            store_bits: self.config.store_bits,
        };
        self.send(conn, &welcome);
    }

    fn turn_away(&mut self, conn: ConnId, why: Disconnect) {
        self.counters.disconnects += 1;
        self.out.push_back(Output::Disconnect { conn, why });
    }

    fn on_sent(&mut self, conn: ConnId, bytes: usize) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        self.queued_bytes -= link.queue.written(bytes);
        self.offer(conn);
    }

    fn on_clock(&mut self, unix: UnixMillis) {
        self.clock.get_or_insert_default().set(self.now, unix);
        self.expire_if_due();
    }

    fn on_drain(&mut self, after_ms: u32) {
        self.draining = true;
        let conns: Vec<ConnId> = self.links.keys().copied().collect();
        for conn in conns {
            self.send(conn, &ToClient::Bye { after_ms });
            self.settle(conn);
        }
    }

    /// While draining, a link goes as soon as nothing is owed to it.
    fn settle(&mut self, conn: ConnId) {
        if self.draining && self.links.get(&conn).is_some_and(|link| link.unanswered == 0) {
            self.disconnect(conn, Disconnect::Draining);
        }
    }

    /// The node's wall clock, hours since 1970; `None` until the shell told it.
    fn hour(&self) -> Option<u32> {
        self.clock.map(|clock| clock.at(self.now).hours())
    }

    fn expire_if_due(&mut self) {
        let hour = self.hour();
        if let Some(now) = hour.filter(|_| hour != self.expired) {
            self.expired = hour;
            self.out.push_back(Output::Expire { hour: now });
        }
    }

    fn sweep(&mut self) {
        self.sweep_at = self.now.plus(PING_MS);
        self.sources.evict(self.now);
        let now = self.now;
        let silent = self.links.iter().filter(|(_, link)| now.since(link.heard) >= LINK_SILENT_MS);
        let silent: Vec<ConnId> = silent.map(|(conn, _)| *conn).collect();
        for conn in silent {
            self.disconnect(conn, Disconnect::Silent);
        }
    }

    /// By how much every link's share of the queues is to be divided.
    fn share(&self) -> usize {
        if self.queued_bytes > NODE_QUEUE { 8 } else { 1 }
    }

    /// Bytes above which a link is given nothing that can be dropped.
    fn soft_limit(&self) -> usize {
        LINK_QUEUE_SOFT / self.share()
    }

    fn send(&mut self, conn: ConnId, frame: &ToClient) {
        self.send_bytes(conn, frame.to_bytes());
    }

    /// Queues a frame; a link with no room for it at all ends.
    fn send_bytes(&mut self, conn: ConnId, bytes: Vec<u8>) {
        let Some(link) = self.links.get_mut(&conn) else { return };
        link.queue.add(bytes.len());
        self.queued_bytes += bytes.len();
        if link.queue.is_over() {
            return self.disconnect(conn, Disconnect::Slow);
        }
        self.out.push_back(Output::Send { conn, bytes });
    }

    /// Counts a refusal, answers it, and ends the link when its patience is at an end.
    fn refuse(&mut self, conn: ConnId, asked: Asked, why: Refusal) {
        self.counters.refused[why.index()] += 1;
        match asked {
            Asked::Request(req) => self.send(conn, &ToClient::Refused { req, why }),
            Asked::Slot(slot) => self.send(conn, &ToClient::SlotRefused { slot, why }),
            Asked::Silent => {}
        }
        let Some(link) = self.links.get_mut(&conn) else { return };
        let rate = Rate { burst: LINK_PATIENCE, every_ms: 60_000 };
        if link.patience.take(rate, refusal_cost(why), self.now).is_err() {
            self.disconnect(conn, Disconnect::Refused(why));
        }
    }

    fn disconnect(&mut self, conn: ConnId, why: Disconnect) {
        if self.forget(conn) {
            self.turn_away(conn, why);
        }
    }

    /// Drops all that is held for a link. Appends under way go on: the packet may well be on disk.
    fn forget(&mut self, conn: ConnId) -> bool {
        let Some(link) = self.links.remove(&conn) else { return false };
        for (slot, open) in &link.slots {
            if open.watching {
                self.watches.stop(&open.mailbox, (conn, *slot));
            }
        }
        self.queued_bytes -= link.queue.bytes;
        self.sources.leave(link.source, link.watches, self.now);
        true
    }

    fn new_job(&mut self, job: Job) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        self.jobs.insert(id, job);
        id
    }
}

/// An honest client may be refused for want of room many times over, but sends few frames that are wrong.
fn refusal_cost(why: Refusal) -> u32 {
    match why {
        Refusal::Full | Refusal::NodeFull | Refusal::RateLimited { .. } | Refusal::Unavailable => 1,
        _ => FAULT_COST,
    }
}

impl Machine for Node {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        match input {
            Input::Frame { conn, bytes } => self.on_frame(conn, &bytes),
            Input::Sent { conn, bytes } => self.on_sent(conn, bytes),
            Input::Appended { job, result } => self.on_appended(job, result),
            Input::ReadDone { job, result } => self.on_read_done(job, result),
            Input::Connected { conn, source, entropy } => self.on_connected(conn, source, entropy),
            Input::Closed { conn } => {
                self.forget(conn);
            }
            Input::Clock(unix) => self.on_clock(unix),
            Input::Usage { bytes } => self.stored_bytes = bytes,
            Input::Drain { after_ms } => self.on_drain(after_ms),
        }
        self.start_reads();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.expire_if_due();
        if self.now >= self.sweep_at {
            self.sweep();
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        let output = self.out.pop_front();
        if output.is_none() && self.out.capacity() > 1024 {
            self.out.shrink_to(64);
        }
        output
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let to_next_hour = |clock: WallClock| HOUR_MS - clock.at(self.now).0 % HOUR_MS;
        let expire = self.clock.map(|clock| self.now.plus(to_next_hour(clock)));
        let sweep = (self.sources.len() > 0).then_some(self.sweep_at);
        expire.into_iter().chain(sweep).min()
    }
}

/// For the counters: a packet that was checked carries a message, not membership or signalling.
fn is_message(packet: &[u8]) -> bool {
    Packet::parse(packet).is_some_and(|p| p.kind() == Kind::Message)
}
