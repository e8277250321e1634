//! Direct connections: one RTCPeerConnection with one ordered, reliable data channel each.
//!
//! Spec: docs/spec/signalling.md. Descriptions and candidates come and go through the machine, which seals
//! them; this file only keeps the browser's order of calls: nothing of a peer overlaps, candidates wait for
//! the remote description.

mod channel;

use crate::browser::{self, On, Signal};
use crate::drive::Feed;
use crate::reflect;
use channel::Channel;
use harbor_proto::endpoint::{Input, RtcId};
use js_sys::Array;
use litemap::LiteMap;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RtcConfiguration, RtcDataChannelEvent, RtcIceCandidateInit, RtcPeerConnection, RtcPeerConnectionIceEvent,
    RtcPeerConnectionState, RtcSdpType, RtcSessionDescriptionInit,
};

/// How long a silent peer may take to be heard again, ms.
const PATIENCE_MS: u64 = 3000;
/// Name of the data channel.
const LABEL: &str = "harbor";

/// True when the browser can make direct connections at all.
pub(crate) fn possible() -> bool {
    reflect::global("RTCPeerConnection").is_function()
}

/// The direct connections of one machine.
pub(crate) struct Peers {
    ice_servers: Vec<String>,
    open: Open,
    feed: Feed,
}

type Open = Rc<RefCell<LiteMap<RtcId, Rc<Peer>>>>;

/// What has to be done with a connection, one after the other.
enum Step {
    Offer,
    Remote(String),
    Candidate { candidate: String, mid: String },
}

struct Peer {
    rtc: RtcId,
    offerer: bool,
    pc: RtcPeerConnection,
    steps: RefCell<VecDeque<Step>>,
    work: Signal,
    /// Candidates that came before the remote description.
    early: RefCell<Vec<RtcIceCandidateInit>>,
    channel: RefCell<Option<Channel>>,
    closed: Cell<bool>,
    on: RefCell<Vec<On>>,
    open: Open,
    feed: Feed,
}

impl Peers {
    pub(crate) fn new(ice_servers: Vec<String>, feed: Feed) -> Self {
        Self { ice_servers, open: Open::default(), feed }
    }

    /// Starts a connection; an offerer reports its offer.
    pub(crate) fn open(&self, rtc: RtcId, offerer: bool) {
        let pc = if possible() {
            RtcPeerConnection::new_with_configuration(&self.configuration()).ok()
        } else {
            None
        };
        let Some(pc) = pc else {
            (self.feed)(Input::RtcDown { rtc });
            return;
        };
        let (open, feed) = (self.open.clone(), self.feed.clone());
        let peer = Peer::start(rtc, offerer, pc, open, feed);
        self.open.borrow_mut().insert(rtc, peer);
    }

    fn configuration(&self) -> RtcConfiguration {
        let config = RtcConfiguration::new();
        if !self.ice_servers.is_empty() {
            let urls: Array = self.ice_servers.iter().map(JsValue::from).collect();
            config.set_ice_servers(&Array::of1(&reflect::object(&[("urls", &urls)])));
        }
        config
    }

    fn with(&self, rtc: RtcId, f: impl FnOnce(&Peer)) {
        let peer = self.open.borrow().get(&rtc).cloned();
        if let Some(peer) = peer {
            f(&peer);
        }
    }

    /// The peer's description; an answerer reports its answer.
    pub(crate) fn remote(&self, rtc: RtcId, sdp: String) {
        self.with(rtc, |peer| peer.then(Step::Remote(sdp)));
    }

    pub(crate) fn candidate(&self, rtc: RtcId, candidate: String, mid: String) {
        self.with(rtc, |peer| peer.then(Step::Candidate { candidate, mid }));
    }

    pub(crate) fn send(&self, rtc: RtcId, bytes: Vec<u8>) {
        self.with(rtc, |peer| {
            let sent = peer.channel.borrow().as_ref().is_some_and(|channel| channel.send(bytes));
            if !sent {
                peer.lose();
            }
        });
    }

    /// Closes the connection without `RtcDown`.
    pub(crate) fn close(&self, rtc: RtcId) {
        let peer = self.open.borrow_mut().remove(&rtc);
        if let Some(peer) = peer {
            peer.shut();
        }
    }

    pub(crate) fn close_all(&self) {
        for (_, peer) in self.open.take() {
            peer.shut();
        }
    }
}

impl Peer {
    fn start(rtc: RtcId, offerer: bool, pc: RtcPeerConnection, open: Open, feed: Feed) -> Rc<Self> {
        let peer = Rc::new(Self {
            rtc,
            offerer,
            pc,
            steps: RefCell::default(),
            work: Signal::default(),
            early: RefCell::default(),
            channel: RefCell::default(),
            closed: Cell::new(false),
            on: RefCell::default(),
            open,
            feed,
        });
        peer.listen();
        if offerer {
            peer.use_channel(peer.pc.create_data_channel(LABEL));
            peer.then(Step::Offer);
        }
        wasm_bindgen_futures::spawn_local(peer.clone().work_off());
        peer
    }

    fn listen(self: &Rc<Self>) {
        let on = |kind, f: fn(&Rc<Self>, web_sys::Event)| {
            let weak: Weak<Self> = Rc::downgrade(self);
            On::new(&self.pc, kind, move |event| {
                if let Some(peer) = weak.upgrade() {
                    f(&peer, event);
                }
            })
        };
        *self.on.borrow_mut() = vec![
            on("icecandidate", |peer, event| peer.found(&event.unchecked_into())),
            on("datachannel", |peer, event| {
                let channel = event.unchecked_into::<RtcDataChannelEvent>().channel();
                if channel.label() == LABEL && peer.channel.borrow().is_none() {
                    peer.use_channel(channel);
                }
            }),
            on("connectionstatechange", |peer, _| match peer.pc.connection_state() {
                RtcPeerConnectionState::Failed | RtcPeerConnectionState::Closed => peer.lose(),
                RtcPeerConnectionState::Disconnected => peer.doubt(),
                _ => {}
            }),
        ];
    }

    fn use_channel(self: &Rc<Self>, channel: web_sys::RtcDataChannel) {
        let (feed, rtc) = (self.feed.clone(), self.rtc);
        let lost = Rc::downgrade(self);
        let lose = move || {
            if let Some(peer) = lost.upgrade() {
                peer.lose();
            }
        };
        *self.channel.borrow_mut() = Some(Channel::new(channel, rtc, feed, lose));
    }

    /// One of our candidates; the browser's null is the end.
    fn found(&self, event: &RtcPeerConnectionIceEvent) {
        let found = event.candidate();
        let candidate = found.as_ref().map(web_sys::RtcIceCandidate::candidate).unwrap_or_default();
        // Firefox says the end twice, first as an empty line.
        if found.is_some() && candidate.is_empty() {
            return;
        }
        let mid = found.and_then(|c| c.sdp_mid()).unwrap_or_default();
        (self.feed)(Input::RtcCandidate { rtc: self.rtc, candidate, mid });
    }

    fn then(&self, step: Step) {
        self.steps.borrow_mut().push_back(step);
        self.work.raise();
    }

    async fn work_off(self: Rc<Self>) {
        while !self.closed.get() {
            let step = self.steps.borrow_mut().pop_front();
            match step {
                None => self.work.wait().await,
                Some(step) => {
                    if self.take(step).await.is_err() && !self.closed.get() {
                        self.lose();
                    }
                }
            }
        }
    }

    async fn take(&self, step: Step) -> Result<(), JsValue> {
        match step {
            Step::Offer => self.describe(JsFuture::from(self.pc.create_offer()).await?).await,
            Step::Remote(sdp) => self.take_remote(&sdp).await,
            Step::Candidate { candidate, mid } => {
                let init = RtcIceCandidateInit::new(&candidate);
                init.set_sdp_mid(Some(if mid.is_empty() { "0" } else { &mid }));
                if self.pc.remote_description().is_some() {
                    self.add(&init).await;
                } else if self.early.borrow().len() < MAX_EARLY {
                    self.early.borrow_mut().push(init);
                }
                Ok(())
            }
        }
    }

    async fn take_remote(&self, sdp: &str) -> Result<(), JsValue> {
        let kind = if self.offerer { RtcSdpType::Answer } else { RtcSdpType::Offer };
        let remote = RtcSessionDescriptionInit::new(kind);
        remote.set_sdp(sdp);
        JsFuture::from(self.pc.set_remote_description(&remote)).await?;
        let early = self.early.take();
        for candidate in &early {
            self.add(candidate).await;
        }
        if !self.offerer {
            self.describe(JsFuture::from(self.pc.create_answer()).await?).await?;
        }
        Ok(())
    }

    /// Adopts our own description and reports it.
    async fn describe(&self, description: JsValue) -> Result<(), JsValue> {
        let init: RtcSessionDescriptionInit = description.unchecked_into();
        JsFuture::from(self.pc.set_local_description(&init)).await?;
        if let (false, Some(local)) = (self.closed.get(), self.pc.local_description()) {
            (self.feed)(Input::RtcDescription { rtc: self.rtc, sdp: local.sdp() });
        }
        Ok(())
    }

    /// A candidate the browser cannot use is no reason to give up the others.
    async fn add(&self, candidate: &RtcIceCandidateInit) {
        let added = self.pc.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(candidate));
        let _ = JsFuture::from(added).await;
    }

    /// The other side fell silent. A browser gives up after half a minute; meanwhile every message would take the
    /// detour through its two seconds without an acknowledgement, so this gives up sooner.
    fn doubt(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        wasm_bindgen_futures::spawn_local(async move {
            browser::sleep(PATIENCE_MS).await;
            let still = |peer: &Rc<Self>| peer.pc.connection_state() == RtcPeerConnectionState::Disconnected;
            if let Some(peer) = weak.upgrade().filter(still) {
                peer.lose();
            }
        });
    }

    fn lose(&self) {
        let known = self.open.borrow_mut().remove(&self.rtc);
        if known.is_some() && !self.closed.get() {
            self.shut();
            (self.feed)(Input::RtcDown { rtc: self.rtc });
        }
    }

    fn shut(&self) {
        self.closed.set(true);
        self.on.take();
        self.channel.take();
        self.pc.close();
        self.work.raise();
    }
}

/// Candidates kept before the remote description; more than any browser gathers.
const MAX_EARLY: usize = 64;

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
