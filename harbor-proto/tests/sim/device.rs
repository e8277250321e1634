//! The shell of one device: carries outputs out in order, waits for its disk, crashes and comes back.

use crate::disk::{DeviceDisk, Records};
use crate::link::{End, Owner};
use crate::world::{Client, Clockwork, Happening, SECOND, World};
use harbor_proto::endpoint::{
    Command, CommandError, CommandId, DirectFrame, Event, Input, LinkId, Output, Reply, Setup, StampId,
    Status, Table,
};
use harbor_proto::time::Instant;
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::ToClient;
use harbor_proto::work::Solver;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Default)]
pub(crate) struct Device {
    machine: Option<Client>,
    pub(crate) run: u64,
    pub(crate) disk: DeviceDisk,
    pub(crate) skew: i64,
    pub(crate) online: bool,
    /// Asleep since then: its clock stands still, and what happens to it is told on waking.
    asleep: Option<u64>,
    missed: Vec<Input>,
    /// Whether it makes direct connections.
    pub(crate) direct: bool,
    /// Crash when this many more transactions were written.
    pub(crate) crash_at_persist: Option<u64>,
    /// Transactions written in all runs.
    pub(crate) persists: u64,
    clock: Clockwork,
    todo: VecDeque<Output>,
    /// Outputs wait for a strict transaction.
    persisting: bool,
    solving: BTreeSet<StampId>,
    next_command: u64,
    pub(crate) replies: BTreeMap<u64, Result<Reply, CommandError>>,
    pub(crate) status: Option<Status>,
}

impl Device {
    pub(crate) fn next_timer(&self) -> Option<u64> {
        let machine = self.machine.as_ref().filter(|_| self.asleep.is_none())?;
        machine.poll_timeout().map(|at| self.clock.world(at))
    }

    pub(crate) fn is_up(&self) -> bool {
        self.machine.is_some()
    }

    fn now(&self, now: u64) -> Instant {
        self.clock.at(now)
    }
}

impl World {
    /// A device that knows all nodes there are now; its number.
    pub(crate) fn add_device(&mut self, direct: bool) -> usize {
        self.devices.push(Device { online: true, direct, ..Device::default() });
        let device = self.devices.len() - 1;
        self.start_device(device);
        device
    }

    pub(crate) fn start_device(&mut self, device: usize) {
        if self.devices[device].is_up() {
            return;
        }
        let nodes = u32::try_from(self.stations.len()).expect("few");
        let setup = Setup { entropy: self.rng.array(), nodes, direct: self.devices[device].direct };
        let origin = self.between(0, 1 << 40);
        let records = for_restore(&self.devices[device].disk.records());
        let machine = (self.start)(setup, records);
        let d = &mut self.devices[device];
        d.run += 1;
        d.clock = Clockwork::new(self.now, origin);
        d.machine = Some(machine);
        d.persisting = false;
        self.trace.note(self.now, "device starts", device as u64, &[]);
        self.check.device_restarted(device, &self.devices[device].disk.records());
        let wall = self.wall(self.devices[device].skew);
        self.tell(device, Input::Clock(wall));
        if !self.devices[device].online {
            self.tell(device, Input::Network { online: false });
        }
    }

    /// Power is lost; it stays off until [`World::start_device`].
    pub(crate) fn crash_device(&mut self, device: usize) {
        let d = &mut self.devices[device];
        if d.machine.take().is_none() {
            return;
        }
        d.todo.clear();
        d.solving.clear();
        d.missed.clear();
        d.asleep = None;
        d.disk.crash(&mut self.rng);
        let run = d.run;
        self.trace.note(self.now, "device crashes", device as u64, &[]);
        self.drop_channels(End::A, device, run, false);
        self.drop_channels(End::A, device, run, true);
        self.drop_channels(End::B, device, run, true);
        self.signalling.forget(device);
    }

    pub(crate) fn device_runs(&self, device: usize, run: u64) -> bool {
        self.devices[device].run == run && self.devices[device].is_up()
    }

    pub(crate) fn tell(&mut self, device: usize, input: Input) {
        let d = &mut self.devices[device];
        if d.asleep.is_some() {
            return d.missed.push(input);
        }
        let at = d.now(self.now);
        let Some(machine) = &mut d.machine else { return };
        self.trace.tell(self.now, || format!("{device} hears {}", heard(&input)));
        machine.handle_input(input, at);
        self.pump_device(device);
    }

    pub(crate) fn device_timeout(&mut self, device: usize) {
        let d = &mut self.devices[device];
        let at = d.now(self.now);
        let Some(machine) = &mut d.machine else { return };
        machine.handle_timeout(at);
        self.pump_device(device);
    }

    /// Gives a command; its reply will be in `replies` under the number returned.
    pub(crate) fn command(&mut self, device: usize, command: Command) -> u64 {
        let d = &mut self.devices[device];
        d.next_command += 1;
        let number = d.next_command;
        if d.is_up() {
            self.check.commanded(device, &command);
            self.tell(device, Input::Command { id: CommandId(number), command });
        }
        number
    }

    pub(crate) fn network(&mut self, device: usize, online: bool) {
        if std::mem::replace(&mut self.devices[device].online, online) == online {
            return;
        }
        if !online {
            let run = self.devices[device].run;
            let mine = move |c: &crate::link::Channel| {
                let at = |end| c.owner(end).actor == device && c.owner(end).run == run;
                at(End::A) || (c.direct && at(End::B))
            };
            for channel in self.channels.select(mine) {
                self.break_channel(channel);
            }
        }
        self.tell(device, Input::Network { online });
    }

    /// The lid is closed: nothing runs, the monotonic clock stands, links die unnoticed.
    pub(crate) fn sleep(&mut self, device: usize) {
        if !self.devices[device].is_up() {
            return;
        }
        self.devices[device].asleep.get_or_insert(self.now);
        let run = self.devices[device].run;
        let mine = |c: &crate::link::Channel| {
            let at = |end| c.owner(end).actor == device && c.owner(end).run == run;
            at(End::A) || (c.direct && at(End::B))
        };
        for channel in self.channels.select(mine) {
            self.break_channel(channel);
        }
    }

    /// The lid is opened; the shell notices that the wall clock went on without it.
    pub(crate) fn wake(&mut self, device: usize) {
        let Some(since) = self.devices[device].asleep.take() else { return };
        self.devices[device].clock.stood_still(self.now - since);
        let wall = self.wall(self.devices[device].skew);
        self.tell(device, Input::Clock(wall));
        for input in std::mem::take(&mut self.devices[device].missed) {
            self.tell(device, input);
        }
    }

    /// The wall clock of a device jumps.
    pub(crate) fn jump_clock(&mut self, device: usize, skew: i64) {
        self.devices[device].skew = skew;
        let wall = self.wall(skew);
        self.tell(device, Input::Clock(wall));
    }

    /// Takes all outputs, then carries them out as far as the disk allows.
    fn pump_device(&mut self, device: usize) {
        let d = &mut self.devices[device];
        if let Some(machine) = &mut d.machine {
            while let Some(output) = machine.poll_output() {
                d.todo.push_back(output);
            }
        }
        while self.devices[device].is_up() && !self.devices[device].persisting {
            let Some(output) = self.devices[device].todo.pop_front() else { return };
            self.carry_out(device, output);
        }
    }

    fn carry_out(&mut self, device: usize, output: Output) {
        let run = self.devices[device].run;
        match output {
            Output::Persist { writes, strict } => self.persist(device, writes, strict),
            Output::Dial { link } => {
                let at = self.now + self.between(2, 300);
                self.schedule(at, Happening::Dialed { device, run, link });
            }
            Output::Hangup { link } => {
                if let Some(channel) = self.link_of(device, link) {
                    self.close_gently(channel, End::A);
                }
            }
            Output::LinkSend { link, bytes } => {
                if let Some(channel) = self.link_of(device, link) {
                    self.check.device_sends(&bytes);
                    self.send_frame(channel, End::B, bytes);
                }
            }
            Output::RtcOpen { rtc, offerer } => self.rtc_open(device, rtc.0, offerer),
            Output::RtcRemote { rtc, sdp } => self.rtc_remote(device, rtc.0, &sdp),
            Output::RtcCandidate { .. } => {}
            Output::RtcSend { rtc, bytes } => self.rtc_send(device, rtc.0, bytes),
            Output::RtcClose { rtc } => self.rtc_close(device, rtc.0),
            Output::Solve { stamp, packet, hour, bits } => {
                let nonce = Solver::new(&packet, hour, bits).step(u32::MAX).expect("a cheap stamp");
                self.devices[device].solving.insert(stamp);
                let at = self.now + self.between(5, 2500);
                self.schedule(at, Happening::Solved { device, run, stamp, nonce });
            }
            Output::Look { look, topic, id } => {
                let message = self.devices[device].disk.find(&topic, &id).map(Box::new);
                self.tell(device, Input::Found { look, topic, id, message });
            }
            Output::CancelSolve { stamp } => {
                // Now and then the answer was already on its way.
                if !self.chance(1, 5) {
                    self.devices[device].solving.remove(&stamp);
                }
            }
            Output::Reply { id, result } => {
                self.check.replied(device, &result);
                self.devices[device].replies.insert(id.0, result);
            }
            Output::Event(event) => {
                self.trace.tell(self.now, || format!("{device} shows {}", shown(&event)));
                self.check.event(device, &event);
                if let Event::Status { status } = event {
                    self.devices[device].status = Some(status);
                }
            }
        }
    }

    fn persist(&mut self, device: usize, writes: Vec<harbor_proto::endpoint::Write>, strict: bool) {
        self.check.persists(device, &writes);
        let d = &mut self.devices[device];
        d.disk.write(writes);
        d.persists += 1;
        let planned = d.crash_at_persist.as_mut().is_some_and(|left| {
            *left = left.saturating_sub(1);
            *left == 0
        });
        if planned || self.chance(self.faults.crashes, 10_000) {
            self.devices[device].crash_at_persist = None;
            self.crash_device(device);
            let back = self.now + self.between(SECOND, 90 * SECOND);
            return self.schedule(back, Happening::DeviceUp { device });
        }
        if strict {
            self.devices[device].persisting = true;
            let at = self.now + self.between(1, 12);
            self.schedule(at, Happening::Persisted { device, run: self.devices[device].run });
        }
    }

    pub(crate) fn on_persisted(&mut self, device: usize, run: u64) {
        if self.device_runs(device, run) {
            self.devices[device].disk.sync();
            self.devices[device].persisting = false;
            self.pump_device(device);
        }
    }

    pub(crate) fn on_solved(&mut self, device: usize, run: u64, stamp: StampId, nonce: u64) {
        if self.device_runs(device, run) && self.devices[device].solving.remove(&stamp) {
            self.tell(device, Input::Solved { stamp, nonce });
        }
    }

    fn link_of(&self, device: usize, link: LinkId) -> Option<u64> {
        let owner = Owner { actor: device, run: self.devices[device].run, name: u64::from(link.0) };
        self.channels.of(End::A, owner, false)
    }

    pub(crate) fn device_link_up(&mut self, device: usize, link: LinkId) {
        self.tell(device, Input::LinkUp { link });
    }

    pub(crate) fn device_link_down(&mut self, device: usize, link: LinkId) {
        self.tell(device, Input::LinkDown { link });
    }

    pub(crate) fn device_link_closed(&mut self, owner: Owner) {
        if self.device_runs(owner.actor, owner.run) {
            self.device_link_down(owner.actor, LinkId(u32::try_from(owner.name).expect("a link's number")));
        }
    }

    pub(crate) fn device_hears_node(&mut self, owner: Owner, bytes: Vec<u8>) {
        if self.device_runs(owner.actor, owner.run) {
            let link = LinkId(u32::try_from(owner.name).expect("a link's number"));
            self.tell(owner.actor, Input::LinkFrame { link, bytes });
        }
    }
}

fn shown(event: &Event) -> String {
    match event {
        Event::Message { message } => {
            format!("message {:?} {:?}", String::from_utf8_lossy(&message.body), message.path)
        }
        Event::State { seq, state, path, .. } => format!("{seq} is {state:?} {path:?}"),
        other => format!("{other:?}"),
    }
}

fn heard(input: &Input) -> String {
    match input {
        Input::LinkFrame { link, bytes } => format!("{link:?} {:?}", ToClient::from_bytes(bytes)),
        Input::RtcFrame { rtc, bytes } => format!("{rtc:?} {:?}", DirectFrame::from_bytes(bytes)),
        other => format!("{other:?}"),
    }
}

/// All tables but history and its states, which an endpoint never loads.
fn for_restore(records: &Records) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let loaded = records.iter().filter(|((table, _), _)| !table.is_history());
    loaded.map(|((table, key), value)| (*table, key.clone(), value.clone())).collect()
}
