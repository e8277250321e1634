//! Who is there, and direct connections to them: presence, offer and answer, and when to try again.
//!
//! Spec: docs/spec/signalling.md. Signals travel as passed packets of a topic's daily mailbox; this module
//! decides, the owner seals and the shell connects.

mod signal;

pub use signal::{Address, Body, Session, Signal};

use crate::crypto::rng::Rng;
use crate::id::{DeviceId, TopicUid};
use crate::limits::MAX_PEERS;
use crate::time::{Instant, UnixMillis};
use crate::wire::Text;
use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::{string::String, vec::Vec};
use litemap::LiteMap;

/// How often presence is told while some member is not connected directly, ms.
const ANNOUNCE_MS: u64 = 45_000;
/// How long an announcement counts, ms.
const PRESENCE_MS: u64 = 100_000;
/// How long making a connection may take, ms.
const CONNECT_MS: u64 = 20_000;
/// First and longest pause before a failed connection is tried again, ms.
const RETRY_MS: (u64, u64) = (1_000, 300_000);
/// ICE candidates kept until the description they belong to is here.
const EARLY_CANDIDATES: usize = 32;

/// A connection, by the number the shell knows it by.
pub type Rtc = u32;

/// What the owner has to do, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// Sign, seal and pass.
    Signal {
        topic: TopicUid,
        to: Option<Address>,
        body: Body,
    },
    Open {
        rtc: Rtc,
        offerer: bool,
    },
    Remote {
        rtc: Rtc,
        sdp: String,
    },
    Candidate {
        rtc: Rtc,
        candidate: String,
        mid: String,
    },
    Close {
        rtc: Rtc,
    },
    /// A direct connection to the device is open.
    Up {
        device: DeviceId,
    },
    Down {
        device: DeviceId,
    },
    /// The device announced itself: a good moment for a receipt.
    Present {
        device: DeviceId,
        topic: TopicUid,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Connecting(Instant),
    Open,
}

#[derive(Debug)]
struct Connection {
    rtc: Rtc,
    /// The offerer's number of this connection, named in every signal about it.
    name: u32,
    topic: TopicUid,
    session: Session,
    phase: Phase,
    described: bool,
    early: Vec<(String, String)>,
}

#[derive(Debug, Default)]
struct Peer {
    topics: BTreeSet<TopicUid>,
    session: Option<Session>,
    /// The topic its last announcement came by.
    via: Option<TopicUid>,
    present_until: Option<Instant>,
    direct: bool,
    connection: Option<Connection>,
    /// Highest offer seen of the present session: older ones are replays.
    offers_seen: u32,
    failures: u32,
    retry_at: Option<Instant>,
    /// Their session we have already answered.
    answered: Option<Session>,
}

/// Presence and connections of one endpoint.
#[derive(Debug)]
pub struct Peering {
    me: DeviceId,
    session: Session,
    direct: bool,
    peers: LiteMap<DeviceId, Box<Peer>>,
    announce_at: LiteMap<TopicUid, Instant>,
    by_rtc: LiteMap<Rtc, DeviceId>,
    next_rtc: Rtc,
    rng: Rng,
    events: VecDeque<Event>,
}

impl Peering {
    /// `direct`: whether this endpoint makes direct connections at all. `started` names the run, so that
    /// a later run's words count more than an earlier one's passed again.
    #[must_use]
    pub fn new(me: DeviceId, direct: bool, started: UnixMillis, mut rng: Rng) -> Self {
        let mut session: Session = rng.array();
        session[..8].copy_from_slice(&started.0.to_be_bytes());
        Self {
            me,
            session,
            direct,
            peers: LiteMap::new(),
            announce_at: LiteMap::new(),
            by_rtc: LiteMap::new(),
            next_rtc: 0,
            rng,
            events: VecDeque::new(),
        }
    }

    /// What to do, in order.
    pub fn poll(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// This run's random name; signals to other runs of this device are not for us.
    #[must_use]
    pub fn session(&self) -> Session {
        self.session
    }

    /// Direct connections open now.
    #[must_use]
    pub fn open_count(&self) -> usize {
        self.peers.values().filter(|p| p.is_open()).count()
    }

    /// True when a direct connection to `device` is open.
    #[must_use]
    pub fn is_open(&self, device: &DeviceId) -> bool {
        self.peers.get(device).is_some_and(|peer| peer.is_open())
    }

    /// True when `device` announced itself lately.
    #[must_use]
    pub fn is_present(&self, device: &DeviceId, now: Instant) -> bool {
        self.peers.get(device).is_some_and(|p| p.present_until.is_some_and(|until| now < until))
    }

    /// The number of the open connection to `device`.
    #[must_use]
    pub fn rtc(&self, device: &DeviceId) -> Option<Rtc> {
        self.peers.get(device).filter(|p| p.is_open()).and_then(|p| p.connection.as_ref()).map(|c| c.rtc)
    }

    /// The device at the other end of an open connection.
    #[must_use]
    pub fn device(&self, rtc: Rtc) -> Option<DeviceId> {
        self.by_rtc.get(&rtc).copied().filter(|device| self.is_open(device))
    }

    /// Devices of `topic` other than this one; peers in no topic are let go.
    pub fn set_members(&mut self, topic: TopicUid, devices: &[DeviceId], now: Instant) {
        let me = self.me;
        for device in devices.iter().filter(|d| **d != me) {
            if self.peers.entry(*device).or_default().topics.insert(topic) {
                self.announce_at.entry(topic).and_modify(|at| *at = (*at).min(now));
            }
        }
        let mut gone = Vec::new();
        for (device, peer) in &mut self.peers {
            if !devices.contains(device) && peer.topics.remove(&topic) && peer.topics.is_empty() {
                gone.push(*device);
            }
        }
        for device in gone {
            self.close(&device);
            self.peers.remove(&device);
        }
    }

    /// The topic's signalling mailbox is being watched (or no longer).
    pub fn set_reachable(&mut self, topic: TopicUid, reachable: bool, now: Instant) {
        if !reachable {
            self.announce_at.remove(&topic);
        } else if let litemap::Entry::Vacant(entry) = self.announce_at.entry(topic) {
            entry.insert(now);
        }
    }

    /// "Hide my IP": off closes what is open.
    pub fn set_direct(&mut self, direct: bool, now: Instant) {
        self.direct = direct;
        if !direct {
            let open: Vec<DeviceId> =
                self.peers.iter().filter(|(_, p)| p.connection.is_some()).map(|(d, _)| *d).collect();
            for device in open {
                self.close(&device);
            }
        }
        for (_, at) in &mut self.announce_at {
            *at = now;
        }
    }

    fn close(&mut self, device: &DeviceId) {
        let Some(peer) = self.peers.get_mut(device) else { return };
        let Some(connection) = peer.connection.take() else { return };
        self.by_rtc.remove(&connection.rtc);
        self.events.push_back(Event::Close { rtc: connection.rtc });
        if connection.phase == Phase::Open {
            self.events.push_back(Event::Down { device: *device });
        }
    }

    /// A verified signal of a member's device.
    pub fn signal(&mut self, topic: TopicUid, signal: Signal, now: Instant) {
        let device = signal.from;
        let Some(peer) = self.peers.get_mut(&device).filter(|p| p.topics.contains(&topic)) else { return };
        let for_me = signal.to.is_some_and(|to| to.device == self.me && to.session == self.session);
        if peer.session != Some(signal.session) {
            // Sessions begin with the time they started: an earlier one is a replay, unless nothing was
            // heard of the later one for long and its clock was simply wrong.
            let replayed = peer.present_until.is_some_and(|until| now < until)
                && peer.session.is_some_and(|known| signal.session < known);
            if replayed || !matches!(signal.body, Body::Announce { .. } | Body::Offer { .. }) {
                return;
            }
            peer.session = Some(signal.session);
            peer.offers_seen = 0;
            peer.failures = 0;
            peer.retry_at = None;
        }
        peer.present_until = Some(now.plus(PRESENCE_MS));
        peer.via = Some(topic);
        match signal.body {
            Body::Announce { reply, direct } => self.on_announce(topic, device, reply, direct, now),
            Body::Offer { name, sdp } if for_me => self.on_offer(topic, device, name, sdp.as_str(), now),
            Body::Answer { name, sdp } if for_me => self.on_answer(device, name, sdp.as_str()),
            Body::Candidate { name, candidate, mid } if for_me => {
                self.on_candidate(device, name, candidate.as_str(), mid.as_str());
            }
            Body::Offer { .. } | Body::Answer { .. } | Body::Candidate { .. } | Body::App { .. } => {}
        }
    }

    fn on_announce(&mut self, topic: TopicUid, device: DeviceId, reply: bool, direct: bool, now: Instant) {
        let peer = self.peers.get_mut(&device).expect("signal() found it");
        peer.direct = direct;
        let session = peer.session.expect("signal() set it");
        let unanswered = peer.answered != Some(session);
        if !reply && unanswered {
            peer.answered = Some(session);
            let body = Body::Announce { reply: true, direct: self.direct };
            self.events.push_back(Event::Signal { topic, to: None, body });
        }
        let stale = peer.connection.as_ref().is_some_and(|c| c.session != session);
        if stale {
            self.close(&device);
        }
        self.events.push_back(Event::Present { device, topic });
        self.offer_if_due(&device, now);
    }

    /// The device with the greater id offers, so that two never offer to each other.
    fn offer_if_due(&mut self, device: &DeviceId, now: Instant) {
        let busy = self.by_rtc.len() >= MAX_PEERS;
        let Some(peer) = self.peers.get_mut(device) else { return };
        let here = peer.present_until.is_some_and(|until| now < until);
        let due = peer.retry_at.is_none_or(|at| at <= now);
        let wanted = self.direct && peer.direct && here && due && peer.connection.is_none();
        let (Some(session), Some(topic)) = (peer.session, peer.via) else { return };
        if !wanted || busy || self.me < *device {
            return;
        }
        let rtc = self.next_rtc;
        self.next_rtc += 1;
        // Numbers of one session must rise, so that an old offer passed again is recognised.
        let name = rtc + 1;
        peer.connection = Some(Connection::new(rtc, name, topic, session, now));
        self.by_rtc.insert(rtc, *device);
        self.events.push_back(Event::Open { rtc, offerer: true });
    }

    fn on_offer(&mut self, topic: TopicUid, device: DeviceId, name: u32, sdp: &str, now: Instant) {
        let peer = self.peers.get(&device).expect("signal() found it");
        let replayed = name <= peer.offers_seen;
        let full = self.by_rtc.len() >= MAX_PEERS && peer.connection.is_none();
        if !self.direct || self.me > device || replayed || full {
            return;
        }
        self.close(&device);
        let rtc = self.next_rtc;
        self.next_rtc += 1;
        let peer = self.peers.get_mut(&device).expect("as above");
        peer.offers_seen = name;
        let session = peer.session.expect("signal() set it");
        let mut connection = Connection::new(rtc, name, topic, session, now);
        connection.described = true;
        peer.connection = Some(connection);
        self.by_rtc.insert(rtc, device);
        self.events.push_back(Event::Open { rtc, offerer: false });
        self.events.push_back(Event::Remote { rtc, sdp: sdp.into() });
    }

    fn connection(&mut self, device: &DeviceId, name: u32) -> Option<&mut Connection> {
        self.peers.get_mut(device)?.connection.as_mut().filter(|c| c.name == name)
    }

    fn on_answer(&mut self, device: DeviceId, name: u32, sdp: &str) {
        let offerer = self.me > device;
        let Some(connection) = self.connection(&device, name).filter(|c| offerer && !c.described) else {
            return;
        };
        connection.described = true;
        let rtc = connection.rtc;
        let early = core::mem::take(&mut connection.early);
        self.events.push_back(Event::Remote { rtc, sdp: sdp.into() });
        self.events.extend(early.into_iter().map(|(candidate, mid)| Event::Candidate {
            rtc,
            candidate,
            mid,
        }));
    }

    fn on_candidate(&mut self, device: DeviceId, name: u32, candidate: &str, mid: &str) {
        let Some(connection) = self.connection(&device, name) else { return };
        let (candidate, mid, rtc) = (String::from(candidate), String::from(mid), connection.rtc);
        if connection.described {
            self.events.push_back(Event::Candidate { rtc, candidate, mid });
        } else if connection.early.len() < EARLY_CANDIDATES {
            connection.early.push((candidate, mid));
        }
    }

    fn tell(&mut self, rtc: Rtc, body: impl FnOnce(u32) -> Option<Body>) {
        let Some(device) = self.by_rtc.get(&rtc).copied() else { return };
        let Some(connection) = self.peers.get(&device).and_then(|p| p.connection.as_ref()) else { return };
        let to = Some(Address { device, session: connection.session });
        let topic = connection.topic;
        if let Some(body) = body(connection.name) {
            self.events.push_back(Event::Signal { topic, to, body });
        }
    }

    /// The shell's own description: an offer or an answer.
    pub fn local_description(&mut self, rtc: Rtc, sdp: &str) {
        let offerer = self.by_rtc.get(&rtc).is_some_and(|device| self.me > *device);
        self.tell(rtc, |name| {
            let sdp = Text::new(sdp)?;
            Some(if offerer { Body::Offer { name, sdp } } else { Body::Answer { name, sdp } })
        });
    }

    /// One of the shell's own candidates.
    pub fn local_candidate(&mut self, rtc: Rtc, candidate: &str, mid: &str) {
        self.tell(rtc, |name| {
            Some(Body::Candidate { name, candidate: Text::new(candidate)?, mid: Text::new(mid)? })
        });
    }

    /// The data channel is open.
    pub fn rtc_up(&mut self, rtc: Rtc) {
        let Some(device) = self.by_rtc.get(&rtc).copied() else { return };
        let Some(peer) = self.peers.get_mut(&device) else { return };
        if let Some(connection) = &mut peer.connection {
            connection.phase = Phase::Open;
            peer.failures = 0;
            peer.retry_at = None;
            self.events.push_back(Event::Up { device });
        }
    }

    /// The connection failed or closed; the shell has dropped it.
    pub fn rtc_down(&mut self, rtc: Rtc, now: Instant) {
        let Some(device) = self.by_rtc.remove(&rtc) else { return };
        let Some(peer) = self.peers.get_mut(&device) else { return };
        let open = peer.is_open();
        peer.connection = None;
        peer.failed(now);
        if open {
            // Whether it is still there is to be heard from itself.
            peer.present_until = None;
            peer.answered = None;
            self.events.push_back(Event::Down { device });
        }
        let topics: Vec<TopicUid> = peer.topics.iter().copied().collect();
        for topic in topics {
            self.announce_at.entry(topic).and_modify(|at| *at = (*at).min(now));
        }
    }

    /// Lets due timers fire.
    pub fn timeout(&mut self, now: Instant) {
        let stuck: Vec<DeviceId> = self
            .peers
            .iter()
            .filter(|(_, p)| p.connecting_until().is_some_and(|until| until <= now))
            .map(|(device, _)| *device)
            .collect();
        for device in stuck {
            self.close(&device);
            self.peers.get_mut(&device).expect("just seen").failed(now);
        }
        let devices: Vec<DeviceId> = self.peers.keys().copied().collect();
        for device in devices {
            let peer = self.peers.get_mut(&device).expect("just listed");
            if peer.present_until.is_some_and(|until| until <= now) {
                peer.present_until = None;
                peer.answered = None;
            }
            if peer.retry_at.is_some_and(|at| at <= now) {
                peer.retry_at = None;
                self.offer_if_due(&device, now);
            }
        }
        self.announce_due(now);
    }

    fn announce_due(&mut self, now: Instant) {
        let due: Vec<TopicUid> =
            self.announce_at.iter().filter(|(_, at)| **at <= now).map(|(t, _)| *t).collect();
        for topic in due {
            let jitter = self.rng.below(ANNOUNCE_MS / 4);
            self.announce_at.insert(topic, now.plus(ANNOUNCE_MS - jitter));
            let mut others = self.peers.values().filter(|p| p.topics.contains(&topic));
            if others.any(|p| !p.is_open()) {
                let body = Body::Announce { reply: false, direct: self.direct };
                self.events.push_back(Event::Signal { topic, to: None, body });
            }
        }
    }

    /// When [`Peering::timeout`] wants to be called.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let peers = self.peers.values().flat_map(|p| [p.connecting_until(), p.retry_at, p.present_until]);
        peers.flatten().chain(self.announce_at.values().copied()).min()
    }
}

impl Connection {
    fn new(rtc: Rtc, name: u32, topic: TopicUid, session: Session, now: Instant) -> Self {
        let phase = Phase::Connecting(now.plus(CONNECT_MS));
        Self { rtc, name, topic, session, phase, described: false, early: Vec::new() }
    }
}

impl Peer {
    fn is_open(&self) -> bool {
        self.connection.as_ref().is_some_and(|c| c.phase == Phase::Open)
    }

    fn connecting_until(&self) -> Option<Instant> {
        match self.connection.as_ref()?.phase {
            Phase::Connecting(until) => Some(until),
            Phase::Open => None,
        }
    }

    fn failed(&mut self, now: Instant) {
        let pause = (RETRY_MS.0 << self.failures.min(10)).min(RETRY_MS.1);
        self.failures += 1;
        self.retry_at = Some(now.plus(pause));
    }
}

#[cfg(test)]
mod tests;
