//! Packets on their way to nodes: messages and posts, one parcel per link.

use super::conversation::{PostKind, key};
use super::{Endpoint, Event, LinkId, MessageState, Output, StampId, Table, Timer};
use crate::delivery::parcel::{Parcel, Quote, Step, Verdict};
use crate::delivery::plan::{CONTROL_LANE, next_lane};
use crate::id::{HarborId, TopicUid};
use crate::limits::DEFAULT_TTL_HOURS;
use crate::packet::{Draft, Header, MailboxKeys, Packet, week};
use crate::uplink::Tag;
use crate::wire::link::Refusal;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Stamps being solved at the same time, per link.
const SOLVING: usize = 2;
/// Stores unanswered at the same time, per link.
const STORING: usize = 64;
/// Parcels at the same time; what else is to be sent waits in its outbox.
pub(super) const SHIPPING: usize = 128;

/// What a parcel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cargo {
    Message { uid: TopicUid, seq: u64 },
    Post { uid: TopicUid, n: u64 },
}

#[derive(Debug)]
pub(super) struct Shipment {
    pub(super) cargo: Cargo,
    pub(super) link: LinkId,
    pub(super) keys: Arc<MailboxKeys>,
    parcel: Parcel,
    solving: bool,
}

impl Endpoint {
    /// Sends a sealed packet to every node's disk.
    pub(super) fn ship(&mut self, cargo: Cargo, keys: &Arc<MailboxKeys>, packet: &[u8]) {
        let Some(id) = Packet::parse(packet).map(|p| p.id()) else { return };
        let links: Vec<LinkId> = self.links.keys().copied().collect();
        for link in links {
            if self.shipments.values().any(|s| s.cargo == cargo && s.link == link) {
                continue;
            }
            let tag = self.next_tag;
            self.next_tag += 1;
            let parcel = Parcel::new(id, packet.to_vec());
            self.shipments
                .insert(tag, Shipment { cargo, link, keys: Arc::clone(keys), parcel, solving: false });
            self.replan |= !self.mail.held.contains_key(&keys.id());
            self.at(Timer::Parcels(link), self.now);
        }
    }

    /// Seals what is posted and not on its way.
    pub(super) fn ship_posts(&mut self, uid: &TopicUid) {
        let Some(talk) = self.talks.get(uid) else { return };
        let under_way = |n: &u64| {
            let cargo = Cargo::Post { uid: *uid, n: *n };
            self.shipments.values().any(|s| s.cargo == cargo)
        };
        let waiting: Vec<u64> = talk.posts.keys().filter(|n| !under_way(n)).copied().collect();
        let room = SHIPPING.saturating_sub(self.shipments.len());
        for n in waiting.into_iter().take(room) {
            let post = self.talks[uid].posts[&n].clone();
            let period = post.period.unwrap_or_else(|| week(&post.rs, self.unix()));
            let keys = self.mail.keys(&post.rs, period, CONTROL_LANE);
            let draft = Draft {
                mailbox: &keys,
                kind: post.kind.packet_kind(),
                expiry_hour: self.packet_hour() + post.ttl_hours,
                delete_hash: [0; 32],
                header: Header { leaf: u16::MAX, ..Header::default() },
                key: &post.key.0,
                nonce: self.rng.array(),
                content: &post.content,
            };
            let Ok(packet) = draft.seal() else { continue };
            if post.kind == PostKind::Control {
                self.send_direct_to_members(uid, &packet);
            }
            self.ship(Cargo::Post { uid: *uid, n }, &keys, &packet);
        }
    }

    /// Moves the parcels of a link on as far as they go.
    pub(super) fn drive_parcels(&mut self, link: LinkId) {
        let Some(uplink) = self.links.get(&link) else { return };
        let (Some(hour), Some(greeting)) = (uplink.node_hour(self.now), uplink.greeting()) else { return };
        let quote = Quote { hour, bits: greeting.store_bits };
        let tags: Vec<Tag> = self.shipments.iter().filter(|(_, s)| s.link == link).map(|(t, _)| *t).collect();
        let mut solving = tags.iter().filter(|tag| self.shipments[tag].solving).count();
        for tag in tags {
            let shipment = self.shipments.get_mut(&tag).expect("just listed");
            match shipment.parcel.step(quote, self.now) {
                Step::Solve(quote) if solving < SOLVING => {
                    solving += 1;
                    shipment.solving = true;
                    shipment.parcel.solving(quote);
                    let packet = shipment.parcel.id;
                    let Quote { hour, bits } = quote;
                    self.out(Output::Solve { stamp: StampId(tag), packet, hour, bits });
                }
                Step::Send => self.store(tag, link),
                Step::Wait(at) => self.at(Timer::Parcels(link), at),
                Step::Solve(_) | Step::Nothing => {}
            }
        }
    }

    fn store(&mut self, tag: Tag, link: LinkId) {
        let (Some(uplink), Some(shipment)) = (self.links.get_mut(&link), self.shipments.get_mut(&tag)) else {
            return;
        };
        if uplink.stores_in_flight() >= STORING {
            return;
        }
        let mailbox = shipment.keys.id();
        let mut sent = shipment.parcel.clone();
        if uplink.store(tag, &mailbox, sent.send()) {
            shipment.parcel = sent;
        } else {
            // Not wanted on this link yet: the next plan holds it.
            self.replan = true;
            self.timers.insert(Timer::Parcels(link), self.now.plus(50));
        }
    }

    pub(super) fn on_solved(&mut self, stamp: StampId, nonce: u64) {
        let Some(shipment) = self.shipments.get_mut(&stamp.0) else { return };
        shipment.solving = false;
        shipment.parcel.solved(nonce);
        let link = shipment.link;
        self.drive_parcels(link);
    }

    /// The link went: what it was storing is stored again when it is back.
    pub(super) fn parcels_link_lost(&mut self, link: LinkId) {
        for (_, shipment) in self.shipments.iter_mut().filter(|(_, s)| s.link == link) {
            shipment.parcel.link_lost();
        }
    }

    pub(super) fn on_stored(&mut self, tag: Tag) {
        let Some(shipment) = self.shipments.remove(&tag) else { return };
        match shipment.cargo {
            Cargo::Message { uid, seq } => self.message_stored(&uid, seq),
            Cargo::Post { uid, n } => self.post_done(&uid, n),
        }
        self.drive_parcels(shipment.link);
    }

    fn post_done(&mut self, uid: &TopicUid, n: u64) {
        if let Some(talk) = self.talks.get_mut(uid)
            && talk.posts.remove(&n).is_some()
        {
            self.delete(Table::Outbox, key::post(uid, n));
            self.dirty.insert(*uid);
            self.replan = true;
        }
    }

    pub(super) fn on_store_refused(&mut self, tag: Tag, why: Refusal) {
        let now = self.now;
        let Some(shipment) = self.shipments.get_mut(&tag) else { return };
        let verdict = shipment.parcel.refused(why, now);
        let (cargo, link) = (shipment.cargo, shipment.link);
        match (verdict, cargo) {
            (Verdict::Again, _) => {}
            (Verdict::NextLane, Cargo::Message { uid, seq }) => {
                self.next_lane(&uid, seq);
            }
            (Verdict::Reseal, Cargo::Message { uid, seq }) => self.packet_expired(&uid, seq),
            (Verdict::Dead, Cargo::Message { uid, seq }) => self.message_failed(&uid, seq),
            (Verdict::Dead, Cargo::Post { uid, n }) => {
                self.cancel(cargo);
                self.post_done(&uid, n);
            }
            // The control lane has no next one, it empties as packets expire; and every sealing takes the
            // hour anew. The next upkeep ships the post again.
            (Verdict::NextLane | Verdict::Reseal, Cargo::Post { .. }) => self.cancel(cargo),
        }
        self.drive_parcels(link);
    }

    /// The hour from which a packet's life counts: the node's where that is earlier than ours, within reason,
    /// or a clock a little fast would make control packets live too long for every node.
    pub(super) fn packet_hour(&self) -> u32 {
        let own = self.unix().hours();
        let theirs = self.links.values().filter_map(|l| l.node_hour(self.now)).min();
        theirs.map_or(own, |hour| hour.clamp(own.saturating_sub(DEFAULT_TTL_HOURS), own))
    }

    fn next_lane(&mut self, uid: &TopicUid, seq: u64) {
        let Some(talk) = self.talks.get_mut(uid) else { return };
        let Some(sealed) = talk.outbox.entries.get(&seq).and_then(|e| e.sealed.as_ref()) else { return };
        let (period, lane) = (sealed.period, sealed.lane);
        if talk.lane(period) == lane {
            match next_lane(lane) {
                Some(next) => talk.lane = (period, next),
                None => {
                    // Every lane is full: the message stays queued until a week or an expiry makes room.
                    self.cancel(Cargo::Message { uid: *uid, seq });
                    return;
                }
            }
        }
        self.seal_again(uid, seq);
    }

    /// Takes a packet back from every link.
    pub(super) fn cancel(&mut self, cargo: Cargo) {
        let tags: Vec<Tag> =
            self.shipments.iter().filter(|(_, s)| s.cargo == cargo).map(|(t, _)| *t).collect();
        for tag in tags {
            if self.shipments.remove(&tag).is_some_and(|s| s.solving) {
                self.out(Output::CancelSolve { stamp: StampId(tag) });
            }
        }
    }

    /// Hands a packet to whoever watches its mailbox, on every link.
    pub(super) fn pass(&mut self, mailbox: &HarborId, packet: &[u8]) -> bool {
        let mut passed = false;
        for (_, link) in &mut self.links {
            passed |= link.pass(mailbox, packet.to_vec());
        }
        passed
    }

    /// Tells of a new state of an own message, and keeps it beside the history.
    pub(super) fn state_changed(&mut self, uid: &TopicUid, seq: u64, durable: bool) {
        let Some(entry) = self.talks.get(uid).and_then(|t| t.outbox.entries.get(&seq)) else { return };
        if !entry.kind.is_shown() {
            return;
        }
        let (state, path, order) = (entry.state(self.way_out(uid)), entry.path, entry.order);
        if durable {
            self.put(Table::State, key::message(uid, &order), &MessageState { state, path });
        }
        let talk = self.talks.get_mut(uid).expect("found above");
        if let Some(last) = talk.meta.last.as_mut().filter(|last| last.order == order) {
            (last.state, last.path) = (Some(state), path);
            self.changed.insert(*uid);
        }
        self.event(Event::State { topic: *uid, seq, order, state, path });
    }
}
