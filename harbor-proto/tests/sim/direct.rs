//! Data channels between devices. Descriptions are opaque to the machines, so here they only name who made them.

use crate::link::{Channel, End, Owner};
use crate::traffic::DEVICE;
use crate::world::{Happening, SECOND, World};
use harbor_proto::endpoint::{Input, RtcId};
use std::collections::BTreeMap;

/// One side of a connection being made: device and its number for it.
type Side = (usize, u32);

#[derive(Debug, Default)]
pub(crate) struct Signalling {
    /// What each side was told and is: offerer or not.
    sides: BTreeMap<Side, bool>,
}

impl Signalling {
    pub(crate) fn forget(&mut self, device: usize) {
        self.sides.retain(|(d, _), _| *d != device);
    }
}

fn parse(sdp: &str, kind: &str) -> Option<Vec<u64>> {
    sdp.strip_prefix(kind)?.split(':').map(|n| n.parse().ok()).collect()
}

impl World {
    pub(crate) fn rtc_open(&mut self, device: usize, rtc: u32, offerer: bool) {
        self.signalling.sides.insert((device, rtc), offerer);
        if offerer {
            let run = self.devices[device].run;
            let at = self.now + self.between(5, 60);
            self.schedule(
                at,
                Happening::Described { device, run, rtc, sdp: format!("offer:{device}:{run}:{rtc}") },
            );
        }
    }

    pub(crate) fn on_described(&mut self, device: usize, run: u64, rtc: u32, sdp: String) {
        if self.device_runs(device, run) && self.signalling.sides.contains_key(&(device, rtc)) {
            self.tell(device, Input::RtcDescription { rtc: RtcId(rtc), sdp });
            let (candidate, mid) = ("candidate:1 1 udp 1 10.0.0.1 9 typ host".to_owned(), "0".to_owned());
            self.tell(device, Input::RtcCandidate { rtc: RtcId(rtc), candidate, mid });
        }
    }

    pub(crate) fn rtc_remote(&mut self, device: usize, rtc: u32, sdp: &str) {
        let run = self.devices[device].run;
        match self.signalling.sides.get(&(device, rtc)) {
            Some(false) => {
                let Some(offer) = sdp.strip_prefix("offer:") else { return };
                let sdp = format!("answer:{offer}:{device}:{run}:{rtc}");
                let at = self.now + self.between(5, 60);
                self.schedule(at, Happening::Described { device, run, rtc, sdp });
            }
            Some(true) => self.rtc_answered((device, run, rtc), sdp),
            None => {}
        }
    }

    fn rtc_answered(&mut self, me: (usize, u64, u32), sdp: &str) {
        let Some([d, r, n, other, run, rtc]) =
            parse(sdp, "answer:").and_then(|v| <[u64; 6]>::try_from(v).ok())
        else {
            return;
        };
        let other = usize::try_from(other).expect("a device");
        let rtc = u32::try_from(rtc).expect("a connection");
        let meant = (d, r, n) == (me.0 as u64, me.1, u64::from(me.2));
        let there = self.device_runs(other, run) && self.signalling.sides.get(&(other, rtc)) == Some(&false);
        let online = self.devices[me.0].online && self.devices[other].online;
        if !meant || !there || !online || !self.reaches(me.0, other + DEVICE) {
            let at = self.now + self.between(5 * SECOND, 15 * SECOND);
            self.schedule(at, Happening::Failed { device: me.0, run: me.1, rtc: me.2 });
            return self.schedule(at, Happening::Failed { device: other, run, rtc });
        }
        let owners = [
            Owner { actor: me.0, run: me.1, name: u64::from(me.2) },
            Owner { actor: other, run, name: u64::from(rtc) },
        ];
        let latency = self.between(1, 60);
        let channel = self.channels.add(Channel::new(owners, true, latency, self.now));
        for at in [End::A, End::B] {
            // No frame comes out of a channel before it is open.
            let jitter = self.between(20, 300);
            let Some(c) = self.channels.get_mut(channel) else { return };
            let when = c.arrival(at, self.now, jitter);
            self.schedule(when, Happening::Opened { channel, at });
        }
    }

    pub(crate) fn on_opened(&mut self, channel: u64, at: End) {
        let Some(c) = self.channels.get(channel).filter(|c| c.open[at as usize] && !c.broken) else { return };
        let owner = c.owner(at);
        if self.device_runs(owner.actor, owner.run) {
            self.trace.note(self.now, "direct", channel, &[at as u8]);
            self.check.direct_opened += 1;
            self.tell(owner.actor, Input::RtcUp { rtc: name(owner) });
        }
    }

    pub(crate) fn on_rtc_failed(&mut self, device: usize, run: u64, rtc: u32) {
        if self.device_runs(device, run) && self.signalling.sides.remove(&(device, rtc)).is_some() {
            self.tell(device, Input::RtcDown { rtc: RtcId(rtc) });
        }
    }

    fn rtc_end(&self, device: usize, rtc: u32) -> Option<(u64, End)> {
        let owner = Owner { actor: device, run: self.devices[device].run, name: u64::from(rtc) };
        [End::A, End::B].into_iter().find_map(|end| Some((self.channels.of(end, owner, true)?, end)))
    }

    pub(crate) fn rtc_send(&mut self, device: usize, rtc: u32, bytes: Vec<u8>) {
        if let Some((channel, end)) = self.rtc_end(device, rtc) {
            self.check.device_sends_peer(&bytes);
            self.send_frame(channel, end.other(), bytes);
        }
    }

    pub(crate) fn rtc_close(&mut self, device: usize, rtc: u32) {
        self.signalling.sides.remove(&(device, rtc));
        if let Some((channel, end)) = self.rtc_end(device, rtc) {
            self.close_gently(channel, end);
        }
    }

    pub(crate) fn device_hears_peer(&mut self, owner: Owner, bytes: Vec<u8>) {
        if self.device_runs(owner.actor, owner.run) {
            self.tell(owner.actor, Input::RtcFrame { rtc: name(owner), bytes });
        }
    }

    pub(crate) fn device_peer_closed(&mut self, owner: Owner) {
        if self.device_runs(owner.actor, owner.run) {
            self.signalling.sides.remove(&(owner.actor, name(owner).0));
            self.tell(owner.actor, Input::RtcDown { rtc: name(owner) });
        }
    }
}

fn name(owner: Owner) -> RtcId {
    RtcId(u32::try_from(owner.name).expect("a connection's number"))
}
