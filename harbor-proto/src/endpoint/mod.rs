//! The composer a client runs, in a browser or natively: it routes between the parts and owns no rule.
//!
//! Spec: docs/spec/ as a whole. One call takes one fact; everything it changes is persisted in one
//! transaction, and everything it sends comes after.

mod amend;
mod api;
mod commands;
mod contacts;
mod conversation;
mod direct;
mod doors;
mod groups;
mod links;
mod mail;
mod receipts;
mod receive;
mod restore;
mod send;
mod shipping;
mod view;

pub use api::*;
pub use direct::DirectFrame;
pub use restore::RestoreError;

use crate::crypto::rng::Rng;
use crate::id::{DeviceId, EndpointId, HarborId, PacketId, TopicUid};
use crate::identity::DeviceSecrets;
use crate::machine::Machine;
use crate::peering::Peering;
use crate::time::{Instant, UnixMillis, WallClock};
use crate::topic::records::{RecordChange, Shelf};
use crate::uplink::{Tag, Uplink};
use crate::wire::Wire;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use amend::LookUp;
use conversation::Conversation;
use doors::Door;
use litemap::LiteMap;
use mail::Mail;
use shipping::Shipment;

/// How often the set of mailboxes and the age of epochs are looked at, ms.
const UPKEEP_MS: u64 = 10 * 60_000;

crate::wire_struct! {
    /// Who this device speaks for, as stored.
    #[derive(Clone, Debug)]
    struct Me {
        secrets: DeviceSecrets,
        name: Name,
    }
}

/// What is to happen at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Mailboxes of the hour, epochs' age.
    Upkeep,
    /// A message went to devices directly and is not acknowledged.
    DirectAck(TopicUid, u64),
    /// A direct connection was asked for an acknowledgement and has said nothing since.
    Silent(DeviceId),
    /// Tell senders what arrived, over what is live.
    LiveReceipts(TopicUid),
    /// Tell senders what arrived, by a stored message.
    StoredReceipt(TopicUid),
    /// Make a new epoch if it is still needed.
    Commit(TopicUid),
    /// Parcels of a link wanted patience.
    Parcels(LinkId),
    /// A preview was not answered.
    Door(HarborId),
}

/// What the present call writes, then does.
#[derive(Debug, Default)]
struct Step {
    writes: Vec<Write>,
    strict: bool,
    then: Vec<Output>,
}

/// A client of Harbor.
#[derive(Debug)]
pub struct Endpoint {
    now: Instant,
    wall: WallClock,
    /// The first clock reading came; nothing runs before it.
    running: bool,
    rng: Rng,
    me: Option<Me>,
    /// The person allows direct connections; and the shell can make them.
    direct: (bool, bool),
    hidden: bool,
    /// Identities whose safety number the person has compared.
    verified: BTreeSet<EndpointId>,
    talks: LiteMap<TopicUid, Conversation>,
    links: LiteMap<LinkId, Uplink>,
    peering: Option<Peering>,
    mail: Mail,
    doors: LiteMap<HarborId, Door>,
    shipments: LiteMap<Tag, Shipment>,
    next_tag: Tag,
    /// Own messages under way, by the packet that carries them.
    sent: LiteMap<PacketId, (TopicUid, u64)>,
    /// Devices whose direct connection left something unacknowledged, and since when nothing came over it.
    silent: LiteMap<DeviceId, Instant>,
    timers: LiteMap<Timer, Instant>,
    /// Messages being looked up, with the commands that wait for one; as many as amendments may wait, at most.
    looks: Vec<LookUp>,
    next_look: u64,
    /// Conversations to dispatch, and those whose view changed.
    dirty: BTreeSet<TopicUid>,
    changed: BTreeSet<TopicUid>,
    replan: bool,
    status: Option<Status>,
    step: Step,
    outputs: VecDeque<Output>,
}

impl Machine for Endpoint {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, input: Input, now: Instant) {
        self.now = self.now.max(now);
        match input {
            Input::Clock(unix) => self.on_clock(unix),
            Input::Command { id, command } => self.on_command(id, command),
            Input::LinkUp { link } => self.with_link(link, Uplink::opened),
            Input::LinkDown { link } => self.with_link(link, Uplink::closed),
            Input::LinkFrame { link, bytes } => self.with_link(link, |l, now| l.frame(&bytes, now)),
            Input::Network { online } => self.on_network(online),
            Input::Visibility { hidden } => self.on_visibility(hidden),
            Input::RtcDescription { rtc, sdp } => self.with_peering(|p, _| p.local_description(rtc.0, &sdp)),
            Input::RtcCandidate { rtc, candidate, mid } => {
                self.with_peering(|p, _| p.local_candidate(rtc.0, &candidate, &mid));
            }
            Input::RtcUp { rtc } => self.with_peering(|p, _| p.rtc_up(rtc.0)),
            Input::RtcDown { rtc } => self.with_peering(|p, now| p.rtc_down(rtc.0, now)),
            Input::RtcFrame { rtc, bytes } => self.on_direct_frame(rtc, &bytes),
            Input::Found { look, topic, id, message } => self.on_found(look, &topic, id, message.map(|m| *m)),
            Input::Solved { stamp, nonce } => self.on_solved(stamp, nonce),
        }
        self.settle();
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        if !self.running {
            return;
        }
        let due: Vec<Timer> =
            self.timers.iter().filter(|(_, at)| **at <= self.now).map(|(t, _)| *t).collect();
        for timer in due {
            self.timers.remove(&timer);
            self.on_timer(timer);
        }
        for (_, link) in &mut self.links {
            link.timeout(self.now);
        }
        self.with_peering(|p, now| p.timeout(now));
        self.settle();
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if !self.running {
            return None;
        }
        let links = self.links.values().filter_map(Uplink::next_timeout);
        let peering = self.peering.as_ref().and_then(Peering::next_timeout);
        links.chain(peering).chain(self.timers.values().copied()).min()
    }
}

impl Endpoint {
    fn unix(&self) -> UnixMillis {
        self.wall.at(self.now)
    }

    fn on_clock(&mut self, unix: UnixMillis) {
        self.wall.set(self.now, unix);
        if !self.running {
            self.running = true;
            self.start_peering();
            self.look_again();
        }
        self.timers.insert(Timer::Upkeep, self.now);
        self.handle_due_upkeep();
        for (_, link) in &mut self.links {
            link.timeout(self.now);
        }
    }

    fn handle_due_upkeep(&mut self) {
        self.timers.remove(&Timer::Upkeep);
        self.on_timer(Timer::Upkeep);
    }

    fn on_network(&mut self, online: bool) {
        for (_, link) in &mut self.links {
            link.network(online, self.now);
        }
    }

    fn on_visibility(&mut self, hidden: bool) {
        self.hidden = hidden;
        if hidden {
            self.store_unacknowledged();
        }
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Upkeep => self.upkeep(),
            Timer::DirectAck(uid, seq) => self.on_direct_timeout(&uid, seq),
            Timer::Silent(device) => self.on_silent(&device),
            Timer::LiveReceipts(uid) => self.send_live_receipts(&uid),
            Timer::StoredReceipt(uid) => self.store_receipt(&uid),
            Timer::Commit(uid) => self.commit_if_needed(&uid),
            Timer::Parcels(link) => self.drive_parcels(link),
            Timer::Door(mailbox) => self.on_door_timeout(&mailbox),
        }
    }

    fn upkeep(&mut self) {
        self.timers.insert(Timer::Upkeep, self.now.plus(UPKEEP_MS));
        let uids: Vec<TopicUid> = self.talks.keys().copied().collect();
        for uid in uids {
            self.age(&uid);
            self.drop_expired(&uid);
            self.requeue(&uid);
            self.dirty.insert(uid);
        }
        self.close_expired_doors();
        self.replan = true;
    }

    /// Sets a timer, or brings it forward.
    fn at(&mut self, timer: Timer, at: Instant) {
        self.timers.entry(timer).and_modify(|old| *old = (*old).min(at)).or_insert(at);
    }

    fn with_link(&mut self, link: LinkId, act: impl FnOnce(&mut Uplink, Instant)) {
        if let Some(link) = self.links.get_mut(&link) {
            act(link, self.now);
        }
    }

    fn with_peering(&mut self, act: impl FnOnce(&mut Peering, Instant)) {
        if let Some(peering) = &mut self.peering {
            act(peering, self.now);
        }
    }

    /// Carries every consequence of the present fact through, then emits one transaction and what follows it.
    fn settle(&mut self) {
        if self.running {
            loop {
                if self.replan {
                    self.replan = false;
                    self.plan_mailboxes();
                }
                let busy = self.drain_links() | self.drain_peering();
                let dirty = core::mem::take(&mut self.dirty);
                let idle = !busy && dirty.is_empty() && !self.replan;
                for uid in dirty {
                    self.dispatch(&uid);
                }
                if idle {
                    break;
                }
            }
        }
        self.emit_views();
        let Step { writes, strict, then } = core::mem::take(&mut self.step);
        if !writes.is_empty() {
            self.outputs.push_back(Output::Persist { writes, strict });
        }
        self.outputs.extend(then);
    }

    fn emit_views(&mut self) {
        for uid in core::mem::take(&mut self.changed) {
            if let Some(topic) = self.view(&uid) {
                self.event(Event::Topic { topic });
            }
        }
        if self.running {
            let status = self.current_status();
            if self.status.as_ref() != Some(&status) {
                self.status = Some(status.clone());
                self.event(Event::Status { status });
            }
        }
    }

    fn out(&mut self, output: Output) {
        self.step.then.push(output);
    }

    fn event(&mut self, event: Event) {
        self.out(Output::Event(event));
    }

    fn put(&mut self, table: Table, key: Vec<u8>, value: &impl Wire) {
        self.step.writes.push(Write::Put { table, key, value: value.to_bytes() });
    }

    fn delete(&mut self, table: Table, key: Vec<u8>) {
        self.step.writes.push(Write::Delete { table, key });
    }

    /// Writes what a topic's log changed. Keys move with it, so it is always strict.
    fn record(&mut self, changes: Vec<RecordChange>) {
        let table = |shelf| match shelf {
            Shelf::Topic => Table::Topic,
            Shelf::Log => Table::Log,
            Shelf::Chain => Table::Chain,
        };
        self.step.strict |= !changes.is_empty();
        self.step.writes.extend(changes.into_iter().map(|change| match change {
            RecordChange::Put { shelf, key, value } => Write::Put { table: table(shelf), key, value },
            RecordChange::Delete { shelf, key } => Write::Delete { table: table(shelf), key },
        }));
    }
}

#[cfg(test)]
mod tests;
