//! The host of a real [`Node`]: its links, its disk with a group commit, its crashes.

use crate::disk::NodeDisk;
use crate::link::{End, Owner};
use crate::world::{Clockwork, Happening, SECOND, World};
use harbor_proto::id::{EndpointId, HarborId};
use harbor_proto::machine::Machine;
use harbor_proto::node::{
    AppendError, Appended, ConnId, Input, JobId, Node, NodeConfig, Output, Page, Quota, Rate, SourceId,
};
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::ToClient;

pub(crate) struct Station {
    machine: Option<Node>,
    pub(crate) run: u64,
    pub(crate) disk: NodeDisk,
    pub(crate) config: NodeConfig,
    pub(crate) skew: i64,
    clock: Clockwork,
    committing: bool,
}

impl Station {
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.machine.as_ref()?.poll_timeout().map(|at| self.clock.world(at))
    }

    pub(crate) fn is_up(&self) -> bool {
        self.machine.is_some()
    }
}

impl World {
    /// A node with the usual limits and a cheap price; its number. A `strict` node lets a device do little more
    /// than a conversation needs.
    pub(crate) fn add_station(&mut self, strict: bool) -> usize {
        let (requests, packets) = if strict { (90, 30) } else { (10_000, 5_000) };
        let config = NodeConfig {
            id: EndpointId(self.rng.array()),
            log: self.rng.array(),
            store_bits: 3,
            max_ttl_hours: harbor_proto::limits::MAX_TTL_HOURS,
            mailbox: Quota { packets: 4096, bytes: 16 << 20 },
            total_bytes: 1 << 30,
            links_per_source: 16,
            watches_per_source: 5000,
            requests: Rate { burst: requests, every_ms: 60_000 },
            packets: Rate { burst: packets, every_ms: 60_000 },
            pass_bytes_per_sec: 4 << 20,
        };
        let station = Station {
            machine: None,
            run: 0,
            disk: NodeDisk::default(),
            config,
            skew: 0,
            clock: Clockwork::default(),
            committing: false,
        };
        self.stations.push(station);
        let node = self.stations.len() - 1;
        self.start_station(node);
        node
    }

    pub(crate) fn start_station(&mut self, node: usize) {
        if self.stations[node].is_up() {
            return;
        }
        let origin = self.between(0, 1 << 40);
        let station = &mut self.stations[node];
        station.run += 1;
        station.committing = false;
        station.clock = Clockwork::new(self.now, origin);
        station.machine = Some(Node::new(station.config.clone(), station.clock.at(self.now)));
        self.trace.note(self.now, "node starts", node as u64, &[]);
        let (wall, bytes) = (self.wall(self.stations[node].skew), self.stations[node].disk.usage());
        self.tell_node(node, Input::Clock(wall));
        self.tell_node(node, Input::Usage { bytes });
    }

    /// Power is lost.
    pub(crate) fn crash_station(&mut self, node: usize) {
        let station = &mut self.stations[node];
        if station.machine.take().is_none() {
            return;
        }
        station.disk.crash(&station.config.mailbox, &mut self.rng);
        self.trace.note(self.now, "node crashes", node as u64, &[]);
        self.check.node_crashed(node, &self.stations[node].disk);
        let run = self.stations[node].run;
        self.drop_channels(End::B, node, run, false);
    }

    fn tell_node(&mut self, node: usize, input: Input) {
        let station = &mut self.stations[node];
        let Some(machine) = &mut station.machine else { return };
        machine.handle_input(input, station.clock.at(self.now));
        self.pump_node(node);
    }

    pub(crate) fn node_timeout(&mut self, node: usize) {
        let station = &mut self.stations[node];
        let Some(machine) = &mut station.machine else { return };
        machine.handle_timeout(station.clock.at(self.now));
        self.pump_node(node);
    }

    fn pump_node(&mut self, node: usize) {
        while let Some(output) = self.stations[node].machine.as_mut().and_then(Node::poll_output) {
            match output {
                Output::Send { conn, bytes } => self.node_sends(node, conn, bytes),
                Output::Disconnect { conn, why } => {
                    let told = format!("node disconnects: {why:?}");
                    self.trace.note(self.now, &told, conn.0, &[]);
                    self.check.disconnects.push(why);
                    self.close_gently(conn.0, End::B);
                }
                Output::Append(packet) => match packet.verify() {
                    Ok(append) => {
                        self.stations[node].disk.append(append);
                        self.plan_commit(node);
                    }
                    Err(forged) => self.tell_node(node, forged),
                },
                Output::Read { job, mailbox, after, max_packets: most, max_bytes: bytes } => {
                    let at = self.now + self.between(0, 8);
                    let run = self.stations[node].run;
                    self.schedule(at, Happening::Read { node, run, job, mailbox, after, most, bytes });
                }
                Output::Expire { hour } => {
                    self.stations[node].disk.expire(hour);
                    self.check.expired(node, hour);
                    let bytes = self.stations[node].disk.usage();
                    let at = self.stations[node].clock.at(self.now);
                    if let Some(machine) = &mut self.stations[node].machine {
                        machine.handle_input(Input::Usage { bytes }, at);
                    }
                }
            }
        }
    }

    fn node_sends(&mut self, node: usize, conn: ConnId, bytes: Vec<u8>) {
        let frame = ToClient::from_bytes(&bytes).expect("a node's own frame");
        if let ToClient::Stored { req } = frame {
            self.check.stored(node, conn.0, req, &self.stations[node].disk);
        }
        let replay = matches!(frame, ToClient::Item { .. }) && self.chance(self.faults.replays, 100);
        if replay {
            let again = bytes.clone();
            self.send_frame(conn.0, End::A, bytes);
            self.send_frame(conn.0, End::A, again);
        } else {
            self.send_frame(conn.0, End::A, bytes);
        }
    }

    fn plan_commit(&mut self, node: usize) {
        if std::mem::replace(&mut self.stations[node].committing, true) {
            return;
        }
        let at = self.now + self.between(1, 20);
        self.schedule(at, Happening::Commit { node, run: self.stations[node].run });
    }

    pub(crate) fn on_commit(&mut self, node: usize, run: u64) {
        if self.stations[node].run != run || !self.stations[node].is_up() {
            return;
        }
        if self.chance(self.faults.outages, 10_000) {
            self.crash_station(node);
            let back = self.now + self.between(SECOND, 60 * SECOND);
            return self.schedule(back, Happening::StationUp { node });
        }
        let station = &mut self.stations[node];
        station.committing = false;
        let quota = station.config.mailbox;
        let answers = station.disk.commit(&quota);
        self.trace.note(self.now, "node commits", node as u64, &(answers.len() as u64).to_be_bytes());
        // On disk, and readable, before the node hears of it; or it never does.
        let at = self.now + self.between(0, 5);
        self.schedule(at, Happening::Announce { node, run, answers });
    }

    pub(crate) fn on_announce(
        &mut self,
        node: usize,
        run: u64,
        answers: Vec<(JobId, Result<Appended, AppendError>)>,
    ) {
        if self.stations[node].run != run {
            return;
        }
        for (job, result) in answers {
            self.tell_node(node, Input::Appended { job, result });
        }
        if self.stations[node].disk.has_waiting() {
            self.plan_commit(node);
        }
    }

    pub(crate) fn on_read(&mut self, node: usize, run: u64, job: JobId, page: (&HarborId, u64, u32, usize)) {
        if self.stations[node].run != run || !self.stations[node].is_up() {
            return;
        }
        let (mailbox, after, most, bytes) = page;
        let result = self.stations[node].disk.read(mailbox, after, most, bytes);
        // What is appended meanwhile is not in the page; a crowded disk makes that a long while.
        let slow = if self.chance(1, 4) { 1500 } else { 8 };
        let at = self.now + self.between(0, slow);
        self.schedule(at, Happening::ReadDone { node, run, job, result });
    }

    pub(crate) fn on_read_done(
        &mut self,
        node: usize,
        run: u64,
        job: JobId,
        result: Result<Page, AppendError>,
    ) {
        if self.stations[node].run == run {
            self.tell_node(node, Input::ReadDone { job, result });
        }
    }

    pub(crate) fn node_hears(&mut self, owner: Owner, channel: u64, bytes: Vec<u8>) {
        if self.stations[owner.actor].run == owner.run && self.stations[owner.actor].is_up() {
            self.check.node_hears(channel, &bytes);
            self.tell_node(owner.actor, Input::Frame { conn: ConnId(channel), bytes });
        }
    }

    /// Bytes of the node's queue reached the other side.
    pub(crate) fn node_sent(&mut self, owner: Owner, channel: u64, bytes: usize) {
        if self.stations[owner.actor].run == owner.run {
            self.tell_node(owner.actor, Input::Sent { conn: ConnId(channel), bytes });
        }
    }

    pub(crate) fn node_link_opened(&mut self, node: usize, channel: u64, source: usize) {
        let entropy = self.rng.array();
        let source = SourceId(source as u64);
        self.tell_node(node, Input::Connected { conn: ConnId(channel), source, entropy });
    }

    pub(crate) fn node_link_closed(&mut self, owner: Owner, channel: u64) {
        if self.stations[owner.actor].run == owner.run {
            self.tell_node(owner.actor, Input::Closed { conn: ConnId(channel) });
        }
    }

    /// The node's clock is set to another time.
    pub(crate) fn skew_station(&mut self, node: usize, skew: i64) {
        self.stations[node].skew = skew;
        let wall = self.wall(skew);
        self.tell_node(node, Input::Clock(wall));
    }
}
