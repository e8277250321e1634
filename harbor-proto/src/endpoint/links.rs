//! The links to nodes: which mailboxes each keeps open, and what comes from it.
//!
//! Spec: docs/spec/mailbox.md §3.

use super::mail::{Held, Holder, cursor_key};
use super::{Endpoint, LinkId, Output, Path, Table};
use crate::crypto::Secret;
use crate::delivery::plan::{CONTROL_LANE, Place, Reading, SIGNAL_LANE, lane_half_full, places};
use crate::id::{HarborId, TopicUid};
use crate::limits::LANES;
use crate::uplink::{self, Event, Uplink, Want};
use crate::wire::link::{Arrival, Cursor};
use alloc::{sync::Arc, vec::Vec};
use litemap::LiteMap;

/// How often the time of the last complete read is written down, ms.
const COMPLETE_EVERY_MS: u64 = 5 * 60_000;

impl Endpoint {
    pub(super) fn drain_links(&mut self) -> bool {
        let mut busy = false;
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            while let Some(event) = self.links.get_mut(&id).and_then(Uplink::poll) {
                busy = true;
                self.on_link(id, event);
            }
        }
        busy
    }

    fn on_link(&mut self, link: LinkId, event: Event) {
        match event {
            Event::Dial => self.out(Output::Dial { link }),
            Event::Hangup => self.out(Output::Hangup { link }),
            Event::Send(bytes) => self.out(Output::LinkSend { link, bytes }),
            Event::Up => {
                self.drive_parcels(link);
                let uids: Vec<TopicUid> = self.talks.keys().copied().collect();
                self.dirty.extend(uids);
            }
            Event::Down => self.link_down(link),
            Event::Item { mailbox, arrival, cursor, packet } => {
                let path = if arrival == Arrival::Backlog { Path::Stored } else { Path::Relayed };
                self.receive(&packet, path);
                if let Some(cursor) = cursor {
                    self.read_to(mailbox, link, cursor, packet.len());
                }
            }
            Event::CaughtUp { mailbox, cursor } => self.on_caught_up(mailbox, link, cursor),
            Event::Stored { tag } => self.on_stored(tag),
            Event::Refused { tag, why } => self.on_store_refused(tag, why),
        }
    }

    /// Remembers how far a mailbox is read; in the same transaction as what was read.
    fn read_to(&mut self, mailbox: HarborId, link: LinkId, cursor: Cursor, bytes: usize) {
        // Doors are read from their beginning in every run.
        if !matches!(self.mail.held.get(&mailbox), Some(Held { holder: Holder::Topic { .. }, .. })) {
            return;
        }
        let state = self.mail.read.entry((mailbox, link)).or_default();
        if bytes == 0 && state.cursor == cursor {
            return;
        }
        state.cursor = cursor;
        let half_full = |s: &super::mail::ReadState| lane_half_full(s.packets, s.bytes);
        let before = half_full(state);
        if bytes > 0 {
            state.packets = state.packets.saturating_add(1);
            state.bytes = state.bytes.saturating_add(bytes as u64);
        }
        self.replan |= !before && half_full(state);
        let state = *state;
        self.put(Table::Cursor, cursor_key(&mailbox, link), &state);
    }

    fn on_caught_up(&mut self, mailbox: HarborId, link: LinkId, cursor: Cursor) {
        self.read_to(mailbox, link, cursor, 0);
        match self.mail.held.get(&mailbox).map(|held| held.holder.clone()) {
            Some(Holder::Topic { uid, place, .. }) => {
                if place.reading == Reading::CatchUp {
                    self.mail.done.push(mailbox);
                    self.replan = true;
                }
                if place.lane == SIGNAL_LANE {
                    self.tell_reachable(&uid);
                }
            }
            Some(Holder::Door) => self.on_door_read(&mailbox),
            None => {}
        }
        if self.links.get(&link).is_some_and(Uplink::caught_up) {
            self.all_read();
        }
    }

    fn all_read(&mut self) {
        let unix = self.unix();
        let due: Vec<TopicUid> = self
            .talks
            .iter()
            .filter(|(_, t)| t.is_active() && unix.0.abs_diff(t.meta.complete.0) >= COMPLETE_EVERY_MS)
            .map(|(uid, _)| *uid)
            .collect();
        for uid in due {
            self.talks.get_mut(&uid).expect("just listed").meta.complete = unix;
            self.save_meta(&uid);
        }
    }

    /// Works out which mailboxes matter now and tells every link.
    pub(super) fn plan_mailboxes(&mut self) {
        let mut held = LiteMap::new();
        let uids: Vec<TopicUid> =
            self.talks.iter().filter(|(_, t)| t.is_active()).map(|(uid, _)| *uid).collect();
        for uid in uids {
            for (rs, place) in self.places_of(&uid) {
                let keys = self.mail.keys(&rs, place.period, place.lane);
                held.insert(keys.id(), Held { keys, holder: Holder::Topic { uid, rs, place } });
            }
        }
        for (id, keys) in self.door_mailboxes() {
            held.insert(id, Held { keys, holder: Holder::Door });
        }
        let stale: Vec<(HarborId, LinkId)> =
            self.mail.read.keys().filter(|(id, _)| !held.contains_key(id)).copied().collect();
        for (mailbox, link) in stale {
            self.mail.read.remove(&(mailbox, link));
            self.delete(Table::Cursor, cursor_key(&mailbox, link));
        }
        self.mail.replace(held);
        self.tell_links();
    }

    fn places_of(&mut self, uid: &TopicUid) -> Vec<(Secret, Place)> {
        let unix = self.unix();
        let Some(talk) = self.talks.get(uid) else { return Vec::new() };
        let complete = talk.meta.complete;
        let Some(log) = &talk.log else { return Vec::new() };
        let routes: Vec<Secret> = log.routes(unix).map(|route| route.rs.clone()).collect();
        let current = log.current_rs().cloned();
        let mut out = Vec::new();
        for rs in routes {
            let mut lanes = LiteMap::<u32, u8>::new();
            for p in places(&rs, unix, complete, |_| 1).iter().filter(|p| p.lane == 1) {
                lanes.insert(p.period, self.lanes_in_use(&rs, p.period));
            }
            let all = places(&rs, unix, complete, |period| lanes.get(&period).copied().unwrap_or(1));
            let live = Some(&rs) == current.as_ref();
            out.extend(all.into_iter().filter(|p| live || p.lane != SIGNAL_LANE).map(|p| (rs.clone(), p)));
        }
        out
    }

    /// Message lanes of a week that hold something, and the one that comes after a half full one.
    fn lanes_in_use(&mut self, rs: &Secret, period: u32) -> u8 {
        (CONTROL_LANE + 1..LANES)
            .find(|lane| {
                let keys = self.mail.keys(rs, period, *lane);
                let (packets, bytes) = self.mail.fill(&keys.id());
                !lane_half_full(packets, bytes)
            })
            .unwrap_or(LANES)
    }

    fn tell_links(&mut self) {
        let now = self.now;
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for link in ids {
            let mut wants: LiteMap<HarborId, Want> = LiteMap::new();
            for (id, held) in &self.mail.held {
                let done = self.mail.done.contains(id);
                let reading = match &held.holder {
                    Holder::Topic { place, .. } if place.reading == Reading::CatchUp => {
                        (!done).then_some(uplink::Reading::PullOnce)
                    }
                    _ => Some(uplink::Reading::Watch),
                };
                let cursor = self.mail.read.get(&(*id, link)).map(|r| r.cursor).unwrap_or_default();
                wants.insert(*id, Want { keys: Arc::clone(&held.keys), reading, cursor });
            }
            for shipment in self.shipments.values().filter(|s| s.link == link) {
                let keys = Arc::clone(&shipment.keys);
                wants.entry(keys.id()).or_insert(Want { keys, reading: None, cursor: Cursor::default() });
            }
            if let Some(uplink) = self.links.get_mut(&link) {
                uplink.want(wants.into_iter().map(|(_, want)| want).collect(), now);
            }
            self.drive_parcels(link);
        }
    }
}
