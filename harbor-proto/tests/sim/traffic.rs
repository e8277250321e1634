//! What moves over channels: dialing, frames, and the ways a channel ends.

use crate::link::{Channel, End, Owner};
use crate::world::{Happening, SECOND, World};
use harbor_proto::endpoint::LinkId;

/// Added to a device's number in [`World::apart`] where the pair is two devices.
pub(crate) const DEVICE: usize = 1000;

impl World {
    pub(crate) fn reaches(&self, device: usize, other: usize) -> bool {
        !self.apart.contains(&(device, other))
    }

    pub(crate) fn on_dialed(&mut self, device: usize, run: u64, link: LinkId) {
        let node = link.0 as usize;
        if !self.device_runs(device, run) {
            return;
        }
        let owner = Owner { actor: device, run, name: u64::from(link.0) };
        if let Some(old) = self.channels.of(End::A, owner, false) {
            self.close_gently(old, End::A);
        }
        let fails = self.chance(self.faults.dials, 100);
        let station_up = self.stations[node].is_up();
        if fails || !station_up || !self.devices[device].online || !self.reaches(device, node) {
            return self.device_link_down(device, link);
        }
        let latency = self.between(2, 120);
        let other = Owner { actor: node, run: self.stations[node].run, name: 0 };
        let channel = self.channels.add(Channel::new([owner, other], false, latency, self.now));
        self.device_link_up(device, link);
        self.node_link_opened(node, channel, device);
    }

    /// Puts a frame on its way towards `to`.
    pub(crate) fn send_frame(&mut self, channel: u64, to: End, bytes: Vec<u8>) {
        let mut jitter = self.between(0, 30);
        if self.chance(self.faults.stalls, 1000) {
            jitter += self.between(SECOND, 8 * SECOND);
        }
        if self.chance(self.faults.breaks, 10_000) {
            self.break_channel(channel);
        }
        let Some(c) = self.channels.get_mut(channel) else { return };
        if !c.open[to.other() as usize] || c.broken {
            return;
        }
        let at = c.arrival(to, self.now, jitter);
        self.schedule(at, Happening::Frame { channel, to, bytes });
    }

    pub(crate) fn on_frame(&mut self, channel: u64, to: End, bytes: Vec<u8>) {
        let Some(c) = self.channels.get(channel).filter(|c| !c.broken) else { return };
        let (owner, other, direct, open) = (c.owner(to), c.owner(to.other()), c.direct, c.open[to as usize]);
        if open {
            let name = if to == End::A { "frame to A" } else { "frame to B" };
            self.trace.note(self.now, name, channel, &bytes);
            let len = bytes.len();
            match (direct, to) {
                (true, _) => self.device_hears_peer(owner, bytes),
                (false, End::A) => {
                    self.device_hears_node(owner, bytes);
                    self.node_sent(other, channel, len);
                }
                (false, End::B) => self.node_hears(owner, channel, bytes),
            }
        }
    }

    /// One end closes; the other hears of it after what is on its way to it.
    pub(crate) fn close_gently(&mut self, channel: u64, from: End) {
        let Some(c) = self.channels.get_mut(channel) else { return };
        c.open[from as usize] = false;
        if c.open[from.other() as usize] && !c.broken {
            let at = c.arrival(from.other(), self.now, 0);
            self.schedule(at, Happening::Closed { channel, at: from.other() });
        }
        self.channels.sweep();
    }

    /// The channel breaks: what is under way is lost, and each end learns of it late, or by its own means.
    pub(crate) fn break_channel(&mut self, channel: u64) {
        let Some(c) = self.channels.get_mut(channel).filter(|c| !c.broken) else { return };
        c.broken = true;
        let (direct, open) = (c.direct, c.open);
        self.trace.note(self.now, "break", channel, &[]);
        for at in [End::A, End::B].into_iter().filter(|end| open[*end as usize]) {
            // A browser notices a dead data channel within half a minute; a socket may stay silent for ever.
            let when = if direct { self.between(SECOND, 30 * SECOND) } else { self.between(0, 5 * SECOND) };
            if direct || self.chance(2, 3) {
                self.schedule(self.now + when, Happening::Closed { channel, at });
            }
        }
    }

    pub(crate) fn on_closed(&mut self, channel: u64, at: End) {
        let Some(c) = self.channels.get_mut(channel) else { return };
        if !std::mem::replace(&mut c.open[at as usize], false) {
            return;
        }
        let (owner, direct) = (c.owner(at), c.direct);
        self.trace.note(self.now, "closed", channel, &[at as u8]);
        self.channels.sweep();
        match (direct, at) {
            (true, _) => self.device_peer_closed(owner),
            (false, End::A) => self.device_link_closed(owner),
            (false, End::B) => self.node_link_closed(owner, channel),
        }
    }

    /// Its owner is gone. `direct`: its data channels, otherwise its links.
    pub(crate) fn drop_channels(&mut self, end: End, actor: usize, run: u64, direct: bool) {
        let gone = |c: &Channel| {
            let owner = c.owner(end);
            c.direct == direct && owner.actor == actor && owner.run == run && c.open[end as usize]
        };
        for channel in self.channels.select(gone) {
            // The operating system says goodbye for a killed process, not for a lost machine.
            if !direct && self.chance(3, 4) {
                self.close_gently(channel, end);
                continue;
            }
            if let Some(c) = self.channels.get_mut(channel) {
                c.open[end as usize] = false;
            }
            self.break_channel(channel);
            self.channels.sweep();
        }
    }

    /// These two cannot reach each other until [`World::heal`]; `other` is a node, or a device + [`DEVICE`].
    pub(crate) fn part(&mut self, device: usize, other: usize) {
        if other >= DEVICE {
            self.apart.push((other - DEVICE, device + DEVICE));
        }
        self.apart.push((device, other));
        let between = |c: &Channel| {
            let (a, b) = (c.owner(End::A).actor, c.owner(End::B).actor);
            if c.direct {
                other >= DEVICE
                    && (a.min(b), a.max(b)) == (device.min(other - DEVICE), device.max(other - DEVICE))
            } else {
                (a, b) == (device, other)
            }
        };
        for channel in self.channels.select(between) {
            self.break_channel(channel);
        }
    }

    pub(crate) fn heal(&mut self) {
        self.apart.clear();
    }
}
