//! Direct connections and signals, between the peering part and the shell.
//!
//! Spec: docs/spec/signalling.md §3 (frames on a data channel).

use super::receive::Fate;
use super::{Endpoint, LinkId, Output, Path, RtcId};
use crate::delivery::plan::SIGNAL_LANE;
use crate::delivery::{Ranges, Receipt};
use crate::id::{DeviceId, PacketId, TopicUid};
use crate::packet::{Draft, Header, Kind, day};
use crate::peering::{Address, Body, Event, Peering, Signal};
use crate::topic::control::signal_key;
use crate::wire::link::Tail;
use crate::wire::{Bytes, List, Wire};
use alloc::vec::Vec;

crate::wire_enum! {
    /// A binary message on a data channel.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub enum DirectFrame {
        /// The same packet that a node would carry.
        Packet = 1 { packet: Tail },
        /// These packets are safely on my device.
        Ack = 2 { packets: List<PacketId, 64> },
        /// These of your messages in the topic are safely on my device, whichever way they came.
        Receipt = 3 { topic: TopicUid, seqs: Ranges },
    }
}

/// What [`Body::App`] carries: receipts.
pub(super) type LiveReceipts = List<Receipt, 64>;

impl Endpoint {
    /// Presence begins with the identity and the first clock reading.
    pub(super) fn start_peering(&mut self) {
        if let (Some(me), true, None) = (&self.me, self.running, &self.peering) {
            let direct = self.direct.0 && self.direct.1;
            let device = me.secrets.device_id();
            let rng = crate::crypto::rng::Rng::new(self.rng.array());
            self.peering = Some(Peering::new(device, direct, self.unix(), rng));
            let uids: Vec<TopicUid> = self.talks.keys().copied().collect();
            for uid in uids {
                self.tell_members(&uid);
            }
        }
    }

    /// Who may be met in a topic.
    pub(super) fn tell_members(&mut self, uid: &TopicUid) {
        let active = self.talks.get(uid).is_some_and(super::Conversation::is_active);
        let members = if active { self.others(uid) } else { Vec::new() };
        let now = self.now;
        if let Some(peering) = &mut self.peering {
            peering.set_members(*uid, &members, now);
        }
        self.tell_reachable(uid);
    }

    /// Presence works while the signalling mailbox of the day is watched somewhere.
    pub(super) fn tell_reachable(&mut self, uid: &TopicUid) {
        let rs = self.talks.get(uid).and_then(|t| t.log.as_ref()).and_then(|l| l.current_rs()).cloned();
        let reachable = rs.is_some_and(|rs| {
            let keys = self.mail.keys(&rs, day(self.unix()), SIGNAL_LANE);
            self.links.values().any(|l| l.is_watching(&keys.id()))
        });
        let now = self.now;
        if let Some(peering) = &mut self.peering {
            peering.set_reachable(*uid, reachable, now);
            peering.timeout(now);
        }
    }

    pub(super) fn drain_peering(&mut self) -> bool {
        let mut busy = false;
        while let Some(event) = self.peering.as_mut().and_then(Peering::poll) {
            busy = true;
            self.on_peering(event);
        }
        busy
    }

    fn on_peering(&mut self, event: Event) {
        match event {
            Event::Signal { topic, to, body } => self.signal(&topic, to, body),
            Event::Open { rtc, offerer } => self.out(Output::RtcOpen { rtc: RtcId(rtc), offerer }),
            Event::Remote { rtc, sdp } => self.out(Output::RtcRemote { rtc: RtcId(rtc), sdp }),
            Event::Candidate { rtc, candidate, mid } => {
                self.out(Output::RtcCandidate { rtc: RtcId(rtc), candidate, mid });
            }
            Event::Close { rtc } => self.out(Output::RtcClose { rtc: RtcId(rtc) }),
            Event::Up { device } => {
                self.paths_changed(&device);
                self.owe_receipts(&device);
            }
            Event::Down { device } => {
                self.silent.remove(&device);
                self.direct_lost(&device);
                self.paths_changed(&device);
            }
            Event::Present { device, .. } => {
                self.paths_changed(&device);
                self.owe_receipts(&device);
            }
        }
    }

    fn paths_changed(&mut self, device: &DeviceId) {
        let uids: Vec<TopicUid> =
            self.talks.keys().filter(|uid| self.others(uid).contains(device)).copied().collect();
        self.changed.extend(uids.iter().copied());
        self.dirty.extend(uids);
    }

    /// Signs, seals and passes a signal.
    pub(super) fn signal(&mut self, uid: &TopicUid, to: Option<Address>, body: Body) {
        let (Some(me), Some(peering)) = (&self.me, &self.peering) else { return };
        let Some(rs) = self.talks.get(uid).and_then(|t| t.log.as_ref()).and_then(|l| l.current_rs()).cloned()
        else {
            return;
        };
        let today = day(self.unix());
        let signal = Signal::new(me.secrets.device(), peering.session(), to, body, uid, today);
        let keys = self.mail.keys(&rs, today, SIGNAL_LANE);
        let draft = Draft {
            mailbox: &keys,
            kind: Kind::Signal,
            expiry_hour: self.unix().hours() + 1,
            delete_hash: [0; 32],
            header: Header { leaf: u16::MAX, ..Header::default() },
            key: &signal_key(&rs, today),
            nonce: self.rng.array(),
            content: &signal.to_bytes(),
        };
        if let Ok(packet) = draft.seal() {
            self.pass(&keys.id(), &packet);
        }
    }

    pub(super) fn on_signal(&mut self, uid: &TopicUid, signal: Signal) {
        if let Body::App { bytes } = &signal.body
            && let Ok(receipts) = LiveReceipts::from_bytes(bytes)
        {
            self.on_receipts(uid, &signal.from, &receipts);
        }
        let now = self.now;
        if let Some(peering) = &mut self.peering {
            peering.signal(*uid, signal, now);
        }
    }

    pub(super) fn send_direct(&mut self, device: &DeviceId, packet: &[u8]) {
        let Some(rtc) = self.peering.as_ref().and_then(|p| p.rtc(device)) else { return };
        let bytes = DirectFrame::Packet { packet: Tail(packet.to_vec()) }.to_bytes();
        self.out(Output::RtcSend { rtc: RtcId(rtc), bytes });
    }

    pub(super) fn send_direct_to_members(&mut self, uid: &TopicUid, packet: &[u8]) {
        for device in self.others(uid) {
            self.send_direct(&device, packet);
        }
    }

    pub(super) fn on_direct_frame(&mut self, rtc: RtcId, bytes: &[u8]) {
        let Some(device) = self.peering.as_ref().and_then(|p| p.device(rtc.0)) else { return };
        self.silent.remove(&device);
        match DirectFrame::from_bytes(bytes) {
            Ok(DirectFrame::Packet { packet }) => {
                let fate = self.receive(&packet.0, Path::Direct);
                if let (Fate::Kept | Fate::Duplicate, Some(packet)) =
                    (fate, crate::packet::Packet::parse(&packet.0))
                {
                    let ack = DirectFrame::Ack { packets: List::first([packet.id()]) };
                    self.out(Output::RtcSend { rtc, bytes: ack.to_bytes() });
                }
            }
            Ok(DirectFrame::Ack { packets }) => {
                for packet in packets.iter() {
                    if let Some((uid, seq)) = self.sent.get(packet).copied() {
                        let mut seqs = Ranges::default();
                        seqs.insert(seq, seq);
                        self.acknowledged(&uid, &device, &seqs);
                    }
                }
            }
            Ok(DirectFrame::Receipt { topic, seqs }) => {
                if self.others(&topic).contains(&device) {
                    self.acknowledged(&topic, &device, &seqs);
                }
            }
            Err(_) => {
                // A peer that speaks nonsense keeps its mailboxes, not its connection.
                self.out(Output::RtcClose { rtc });
                self.with_peering(|p, now| p.rtc_down(rtc.0, now));
            }
        }
    }

    /// Receipts to those who are there, by both ways: a link that is just breaking loses what is passed, and a
    /// connection that fell silent loses what goes over it until that is noticed.
    pub(super) fn signal_receipts(&mut self, uid: &TopicUid, receipts: Vec<Receipt>) {
        for receipt in &receipts {
            let Some(rtc) = self.peering.as_ref().and_then(|p| p.rtc(&receipt.device)) else { continue };
            let bytes = DirectFrame::Receipt { topic: *uid, seqs: receipt.seqs.clone() }.to_bytes();
            self.out(Output::RtcSend { rtc: RtcId(rtc), bytes });
        }
        if let Some(bytes) = Bytes::new(LiveReceipts::first(receipts).to_bytes()) {
            self.signal(uid, None, Body::App { bytes });
        }
    }

    pub(super) fn link_down(&mut self, link: LinkId) {
        self.parcels_link_lost(link);
        let uids: Vec<TopicUid> = self.talks.keys().copied().collect();
        for uid in uids {
            self.tell_reachable(&uid);
            self.changed.insert(uid);
        }
    }
}
