//! A client's side of its link to one Harbor Node: dialing, slots, watches, pulls and stores.
//!
//! Spec: docs/spec/link.md. The owner says which mailboxes it wants; the uplink keeps the node in step with
//! that across reconnects, and reports what arrives.

mod mailbox;

use crate::crypto::rng::Rng;
use crate::id::{EndpointId, HarborId};
use crate::limits::{BACKOFF_MS, PING_MS};
use crate::packet::MailboxKeys;
use crate::time::Instant;
use crate::wire::Wire;
use crate::wire::link::{Arrival, Cursor, LINK_VERSION, Refusal, Request, Slot, Tail, ToClient, ToNode};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::{sync::Arc, vec::Vec};
use litemap::LiteMap;
use mailbox::Mailbox;

/// How long a node may take to say its first word, ms.
const GREETING_MS: u64 = 10_000;
/// Mailboxes being opened at the same time: more would only run into the node's rate limit.
const OPENING: usize = 16;

/// The owner's number of a store.
pub type Tag = u64;

/// A mailbox the owner wants on this link.
#[derive(Clone, Debug)]
pub struct Want {
    pub keys: Arc<MailboxKeys>,
    /// `None`: only written to.
    pub reading: Option<Reading>,
    /// Where reading goes on.
    pub cursor: Cursor,
}

/// How a mailbox is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    Watch,
    PullOnce,
}

/// What the node said of itself.
#[derive(Clone, Copy, Debug)]
pub struct Greeting {
    pub node: EndpointId,
    challenge: [u8; 32],
    log: [u8; 16],
    pub hour: u32,
    pub store_bits: u8,
    at: Instant,
}

/// What the owner has to do or know, in order.
#[derive(Debug)]
pub enum Event {
    Dial,
    Hangup,
    Send(Vec<u8>),
    /// The node greeted; mailboxes are being opened.
    Up,
    Down,
    /// A packet of a wanted mailbox; `cursor` is what to remember once it is dealt with.
    Item {
        mailbox: HarborId,
        arrival: Arrival,
        cursor: Option<Cursor>,
        packet: Vec<u8>,
    },
    /// Everything that was on the node is read, up to `cursor`.
    CaughtUp {
        mailbox: HarborId,
        cursor: Cursor,
    },
    Stored {
        tag: Tag,
    },
    Refused {
        tag: Tag,
        why: Refusal,
    },
}

#[derive(Debug)]
enum State {
    /// Waiting until the instant to dial.
    Down(Instant),
    Dialing,
    /// Open, not greeted; given up at the instant.
    Opened(Instant),
    Up(Greeting),
}

/// The state of one link.
#[derive(Debug)]
pub struct Uplink {
    state: State,
    online: bool,
    attempt: u32,
    rng: Rng,
    mailboxes: LiteMap<HarborId, Box<Mailbox>>,
    slots: LiteMap<Slot, HarborId>,
    next_slot: Slot,
    next_request: Request,
    stores: LiteMap<Request, (Tag, HarborId)>,
    pulls: LiteMap<Request, HarborId>,
    heard: Instant,
    pinged: bool,
    events: VecDeque<Event>,
}

impl Uplink {
    /// A link that wants to be dialed at once.
    #[must_use]
    pub fn new(rng: Rng, now: Instant) -> Self {
        Self {
            state: State::Down(now),
            online: true,
            attempt: 0,
            rng,
            mailboxes: LiteMap::new(),
            slots: LiteMap::new(),
            next_slot: 0,
            next_request: 0,
            stores: LiteMap::new(),
            pulls: LiteMap::new(),
            heard: now,
            pinged: false,
            events: VecDeque::new(),
        }
    }

    /// What happened, in order.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The node's greeting while the link is up.
    #[must_use]
    pub fn greeting(&self) -> Option<&Greeting> {
        if let State::Up(greeting) = &self.state { Some(greeting) } else { None }
    }

    /// The node's hour now, by which it judges stamps.
    #[must_use]
    pub fn node_hour(&self, now: Instant) -> Option<u32> {
        let greeting = self.greeting()?;
        let hours = u32::try_from(now.since(greeting.at) / crate::limits::HOUR_MS).unwrap_or(0);
        Some(greeting.hour.saturating_add(hours))
    }

    /// True when every mailbox wanted for reading is read to its end.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.greeting().is_some() && self.mailboxes.values().all(|mailbox| mailbox.is_read())
    }

    /// True when this mailbox is being watched and its backlog is through.
    #[must_use]
    pub fn is_watching(&self, mailbox: &HarborId) -> bool {
        self.mailboxes.get(mailbox).is_some_and(|mailbox| mailbox.is_live())
    }

    /// Stores under way.
    #[must_use]
    pub fn stores_in_flight(&self) -> usize {
        self.stores.len()
    }

    /// The network came back or went.
    pub fn network(&mut self, online: bool, now: Instant) {
        self.online = online;
        self.attempt = 0;
        match self.state {
            State::Down(_) if online => self.state = State::Down(now),
            State::Up(_) if !online => {
                self.events.push_back(Event::Hangup);
                self.lost(now, 0);
            }
            _ => {}
        }
        self.timeout(now);
    }

    /// The dialed link is open.
    pub fn opened(&mut self, now: Instant) {
        if matches!(self.state, State::Dialing) {
            self.state = State::Opened(now.plus(GREETING_MS));
        }
    }

    /// It could not be opened, or closed.
    pub fn closed(&mut self, now: Instant) {
        if !matches!(self.state, State::Down(_)) {
            self.lost(now, 0);
        }
    }

    fn lost(&mut self, now: Instant, at_least_ms: u64) {
        let was_up = matches!(self.state, State::Up(_));
        let ceiling = (BACKOFF_MS.0 << self.attempt.min(10)).min(BACKOFF_MS.1);
        let pause = ceiling / 2 + self.rng.below(ceiling / 2 + 1);
        self.attempt += 1;
        self.state = State::Down(now.plus(pause.max(at_least_ms)));
        self.slots.clear();
        self.stores.clear();
        self.pulls.clear();
        for (_, mailbox) in &mut self.mailboxes {
            mailbox.link_lost();
        }
        if was_up {
            self.events.push_back(Event::Down);
        }
    }

    /// Replaces the set of wanted mailboxes. Cursors of those already wanted stay as they are here.
    pub fn want(&mut self, wants: Vec<Want>, now: Instant) {
        let mut old = core::mem::take(&mut self.mailboxes);
        for want in wants {
            let id = want.keys.id();
            let mailbox = match old.remove(&id) {
                Some(mut mailbox) => {
                    mailbox.set_reading(want.reading);
                    mailbox
                }
                None => Box::new(Mailbox::new(want)),
            };
            self.mailboxes.insert(id, mailbox);
        }
        for (_, mailbox) in old {
            if let Some(slot) = mailbox.slot() {
                self.slots.remove(&slot);
                self.send(&ToNode::Shut { slot });
            }
        }
        self.open_some(now);
    }

    /// Asks the node to store; false when the link is not up or the mailbox not wanted.
    pub fn store(&mut self, tag: Tag, mailbox: &HarborId, packet: Vec<u8>) -> bool {
        let Some(slot) = self.slot(mailbox) else { return false };
        let req = self.request();
        self.stores.insert(req, (tag, *mailbox));
        self.send(&ToNode::Store { req, slot, packet: Tail(packet) });
        true
    }

    /// Hands a packet to whoever watches; false as with [`Uplink::store`].
    pub fn pass(&mut self, mailbox: &HarborId, packet: Vec<u8>) -> bool {
        let Some(slot) = self.slot(mailbox) else { return false };
        self.send(&ToNode::Pass { slot, packet: Tail(packet) });
        true
    }

    fn request(&mut self) -> Request {
        self.next_request = self.next_request.wrapping_add(1);
        self.next_request
    }

    fn send(&mut self, frame: &ToNode) {
        if matches!(self.state, State::Up(_)) {
            self.events.push_back(Event::Send(frame.to_bytes()));
        }
    }

    /// The mailbox's slot, opened when it is not yet.
    fn slot(&mut self, id: &HarborId) -> Option<Slot> {
        let State::Up(greeting) = &self.state else { return None };
        let mailbox = self.mailboxes.get_mut(id)?;
        if let Some(slot) = mailbox.slot() {
            return Some(slot);
        }
        while self.slots.contains_key(&self.next_slot) {
            self.next_slot = self.next_slot.wrapping_add(1);
        }
        let slot = self.next_slot;
        self.next_slot = slot.wrapping_add(1);
        let frame = mailbox.open(slot, greeting);
        self.slots.insert(slot, *id);
        self.send(&frame);
        Some(slot)
    }

    fn asking(&self) -> usize {
        self.mailboxes.values().filter(|m| m.is_asking()).count()
    }

    /// Then it is an answer, not time, that lets the next mailbox be opened.
    fn window_full(&self) -> bool {
        self.asking() >= OPENING
    }

    /// Starts reading mailboxes as far as the window allows.
    fn open_some(&mut self, now: Instant) {
        let State::Up(greeting) = &self.state else { return };
        let greeting = *greeting;
        let free = OPENING.saturating_sub(self.asking());
        let ready: Vec<HarborId> =
            self.mailboxes.iter().filter(|(_, m)| m.is_due(now)).map(|(id, _)| *id).collect();
        for id in ready.into_iter().take(free) {
            let Some(slot) = self.slot(&id) else { continue };
            let req = self.request();
            let mailbox = self.mailboxes.get_mut(&id).expect("taken from the map");
            let frame = mailbox.ask(slot, req, &greeting);
            if matches!(frame, ToNode::Pull { .. }) {
                self.pulls.insert(req, id);
            }
            self.send(&frame);
        }
    }

    /// A message from the node. Nonsense ends the link.
    pub fn frame(&mut self, bytes: &[u8], now: Instant) {
        self.heard = now;
        self.pinged = false;
        let Ok(frame) = ToClient::from_bytes(bytes) else {
            self.events.push_back(Event::Hangup);
            return self.lost(now, BACKOFF_MS.1 / 2);
        };
        match (&self.state, frame) {
            (
                State::Opened(_),
                ToClient::Welcome { version: LINK_VERSION, node, challenge, log, hour, store_bits },
            ) => {
                self.state = State::Up(Greeting { node, challenge, log, hour, store_bits, at: now });
                self.attempt = 0;
                self.events.push_back(Event::Up);
            }
            (State::Up(_), frame) => self.on_frame(frame, now),
            _ => {
                self.events.push_back(Event::Hangup);
                self.lost(now, BACKOFF_MS.1);
            }
        }
        self.open_some(now);
    }

    fn on_frame(&mut self, frame: ToClient, now: Instant) {
        match frame {
            ToClient::Stored { req } => {
                if let Some((tag, _)) = self.stores.remove(&req) {
                    self.events.push_back(Event::Stored { tag });
                }
            }
            ToClient::Refused { req, why } => self.on_refused(req, why, now),
            ToClient::SlotRefused { slot, why } => self.on_slot_refused(slot, why, now),
            ToClient::Item { slot, arrival, cursor, packet } => self.on_item(slot, arrival, cursor, packet.0),
            ToClient::Watching { slot, cursor } => {
                if let Some((id, mailbox)) = self.by_slot(slot) {
                    mailbox.reached(cursor);
                    self.events.push_back(Event::CaughtUp { mailbox: id, cursor });
                }
            }
            ToClient::Lagged { slot } => {
                if let Some((_, mailbox)) = self.by_slot(slot) {
                    mailbox.ask_again(now);
                }
            }
            ToClient::PullItem { req, cursor, packet } => self.on_pull_item(req, cursor, packet.0),
            ToClient::PullEnd { req, cursor, more } => self.on_pull_end(req, cursor, more, now),
            ToClient::Bye { after_ms } => {
                self.events.push_back(Event::Hangup);
                self.attempt = 0;
                self.lost(now, u64::from(after_ms).min(BACKOFF_MS.1));
            }
            ToClient::Pong { .. } | ToClient::Welcome { .. } => {}
        }
    }

    fn by_slot(&mut self, slot: Slot) -> Option<(HarborId, &mut Mailbox)> {
        let id = *self.slots.get(&slot)?;
        self.mailboxes.get_mut(&id).map(|mailbox| (id, &mut **mailbox))
    }

    fn on_refused(&mut self, req: Request, why: Refusal, now: Instant) {
        if let Some((tag, id)) = self.stores.remove(&req) {
            if let State::Up(greeting) = &mut self.state {
                match why {
                    Refusal::StampMissing { bits } => greeting.store_bits = bits,
                    Refusal::StampStale { hour } => (greeting.hour, greeting.at) = (hour, now),
                    _ => {}
                }
            }
            if why == Refusal::BadSlot {
                self.forget_slot(&id);
            }
            self.events.push_back(Event::Refused { tag, why });
        } else if let Some(id) = self.pulls.remove(&req) {
            self.reading_refused(id, why, now);
        }
    }

    fn on_slot_refused(&mut self, slot: Slot, why: Refusal, now: Instant) {
        if let Some(id) = self.slots.get(&slot).copied() {
            self.reading_refused(id, why, now);
        }
    }

    fn reading_refused(&mut self, id: HarborId, why: Refusal, now: Instant) {
        let pause = if let Refusal::RateLimited { after_ms } = why {
            u64::from(after_ms).min(60_000)
        } else {
            30_000
        };
        if matches!(why, Refusal::BadSlot | Refusal::BadOpening) {
            self.forget_slot(&id);
        }
        if let Some(mailbox) = self.mailboxes.get_mut(&id) {
            mailbox.refused(now.plus(pause));
        }
    }

    fn forget_slot(&mut self, id: &HarborId) {
        self.slots.retain(|_, mailbox| mailbox != id);
        if let Some(mailbox) = self.mailboxes.get_mut(id) {
            mailbox.link_lost();
        }
    }

    fn on_item(&mut self, slot: Slot, arrival: Arrival, seq: u64, packet: Vec<u8>) {
        let Some((id, mailbox)) = self.by_slot(slot) else { return };
        let cursor = (arrival != Arrival::Passed).then(|| mailbox.item(seq));
        self.events.push_back(Event::Item { mailbox: id, arrival, cursor, packet });
    }

    fn on_pull_item(&mut self, req: Request, seq: u64, packet: Vec<u8>) {
        let Some(id) = self.pulls.get(&req).copied() else { return };
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return };
        let cursor = Some(mailbox.item(seq));
        self.events.push_back(Event::Item { mailbox: id, arrival: Arrival::Backlog, cursor, packet });
    }

    fn on_pull_end(&mut self, req: Request, cursor: Cursor, more: bool, now: Instant) {
        let Some(id) = self.pulls.remove(&req) else { return };
        let Some(mailbox) = self.mailboxes.get_mut(&id) else { return };
        if more && cursor > mailbox.cursor() {
            mailbox.reached(cursor);
            mailbox.ask_again(now);
        } else {
            mailbox.reached(cursor);
            self.events.push_back(Event::CaughtUp { mailbox: id, cursor });
        }
    }

    /// Lets due timers fire.
    pub fn timeout(&mut self, now: Instant) {
        match self.state {
            State::Down(at) if self.online && at <= now => {
                self.state = State::Dialing;
                self.heard = now;
                self.events.push_back(Event::Dial);
            }
            State::Opened(deadline) if deadline <= now => {
                self.events.push_back(Event::Hangup);
                self.lost(now, 0);
            }
            State::Up(_) if self.pinged && now.since(self.heard) >= 2 * PING_MS => {
                self.events.push_back(Event::Hangup);
                self.lost(now, 0);
            }
            State::Up(_) if !self.pinged && now.since(self.heard) >= PING_MS => {
                self.pinged = true;
                self.send(&ToNode::Ping { token: 0 });
            }
            _ => {}
        }
        self.open_some(now);
    }

    /// When [`Uplink::timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Down(at) => self.online.then_some(*at),
            State::Dialing => None,
            State::Opened(deadline) => Some(*deadline),
            State::Up(_) => {
                let ping = self.heard.plus(if self.pinged { 2 * PING_MS } else { PING_MS });
                if self.window_full() {
                    return Some(ping);
                }
                self.mailboxes.values().filter_map(|mailbox| mailbox.resting()).chain([ping]).min()
            }
        }
    }
}

#[cfg(test)]
mod tests;
