//! Ordered, reliable channels: nothing is lost or overtaken until the channel breaks, and then the end of what
//! was under way is lost. Both WebSocket links and data channels are such.

use std::collections::BTreeMap;

/// One end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// The device that dialed, or the offerer.
    A,
    /// The node, or the answerer.
    B,
}

impl End {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Whom an end belongs to; `run` tells a machine from the one that took its place after a crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) actor: usize,
    pub(crate) run: u64,
    /// What the owner calls the channel.
    pub(crate) name: u64,
}

#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) owners: [Owner; 2],
    /// A data channel; otherwise a link, whose end B is a node.
    pub(crate) direct: bool,
    pub(crate) latency: u64,
    /// When the last frame towards each end arrives: none overtakes it.
    last: [u64; 2],
    /// The end still holds the channel for open.
    pub(crate) open: [bool; 2],
    /// Nothing flows any more, whatever the ends believe.
    pub(crate) broken: bool,
}

impl Channel {
    pub(crate) fn new(owners: [Owner; 2], direct: bool, latency: u64, now: u64) -> Self {
        Self { owners, direct, latency, last: [now; 2], open: [true; 2], broken: false }
    }

    pub(crate) fn owner(&self, end: End) -> Owner {
        self.owners[end as usize]
    }

    /// When a frame sent now towards `to` arrives.
    pub(crate) fn arrival(&mut self, to: End, now: u64, jitter: u64) -> u64 {
        let at = self.last[to as usize].max(now + self.latency + jitter);
        self.last[to as usize] = at;
        at
    }

    pub(crate) fn is_dead(&self) -> bool {
        !self.open[0] && !self.open[1]
    }
}

/// All channels ever made, by number.
#[derive(Debug, Default)]
pub(crate) struct Channels {
    all: BTreeMap<u64, Channel>,
    next: u64,
}

impl Channels {
    pub(crate) fn add(&mut self, channel: Channel) -> u64 {
        self.next += 1;
        self.all.insert(self.next, channel);
        self.next
    }

    pub(crate) fn get(&self, id: u64) -> Option<&Channel> {
        self.all.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: u64) -> Option<&mut Channel> {
        self.all.get_mut(&id)
    }

    /// The channel that this end holds for open.
    pub(crate) fn of(&self, end: End, owner: Owner, direct: bool) -> Option<u64> {
        let mine = |c: &Channel| c.direct == direct && c.owner(end) == owner && c.open[end as usize];
        self.all.iter().find(|(_, c)| mine(c)).map(|(id, _)| *id)
    }

    /// Channels for which `which` holds.
    pub(crate) fn select(&self, which: impl Fn(&Channel) -> bool) -> Vec<u64> {
        self.all.iter().filter(|(_, c)| which(c)).map(|(id, _)| *id).collect()
    }

    pub(crate) fn sweep(&mut self) {
        self.all.retain(|_, c| !c.is_dead());
    }
}
