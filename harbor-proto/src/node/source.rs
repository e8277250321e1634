//! What is counted per address: links, watches, frames and packets.

use super::rate::Bucket;
use super::{NodeConfig, Rate, SourceId};
use crate::limits::NODE_SOURCES;
use crate::time::Instant;
use alloc::collections::BTreeMap;

#[derive(Clone, Debug, Default)]
struct Source {
    links: u32,
    watches: u32,
    requests: Bucket,
    packets: Bucket,
}

/// The table of addresses. An entry stays while it has links, or a bucket that a reconnect would refill.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    table: BTreeMap<SourceId, Source>,
    links: u32,
    watches: u32,
    requests: Rate,
    packets: Rate,
}

impl Sources {
    pub(super) fn new(config: &NodeConfig) -> Self {
        Self {
            table: BTreeMap::new(),
            links: config.links_per_source,
            watches: config.watches_per_source,
            requests: config.requests,
            packets: config.packets,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Counts one more link; false when the source or the table has no room.
    pub(super) fn join(&mut self, id: SourceId, now: Instant) -> bool {
        if !self.table.contains_key(&id) && self.table.len() >= NODE_SOURCES {
            self.evict(now);
            if self.table.len() >= NODE_SOURCES {
                return false;
            }
        }
        let source = self.table.entry(id).or_default();
        let room = source.links < self.links;
        source.links += u32::from(room);
        room
    }

    /// Counts one link less, and the watches it had.
    pub(super) fn leave(&mut self, id: SourceId, watches: u32, now: Instant) {
        let Some(source) = self.table.get_mut(&id) else { return };
        source.links -= 1;
        source.watches -= watches;
        if source.is_idle(self.requests, self.packets, now) {
            self.table.remove(&id);
        }
    }

    /// Takes the price of a frame, or says when to come back.
    pub(super) fn take_request(&mut self, id: SourceId, now: Instant) -> Result<(), u32> {
        let rate = self.requests;
        self.table.get_mut(&id).map_or(Ok(()), |source| source.requests.take(rate, 1, now))
    }

    /// Takes the price of a packet, or says when to come back.
    pub(super) fn take_packet(&mut self, id: SourceId, now: Instant) -> Result<(), u32> {
        let rate = self.packets;
        self.table.get_mut(&id).map_or(Ok(()), |source| source.packets.take(rate, 1, now))
    }

    /// Counts one more watch; false when the source has its share.
    pub(super) fn start_watch(&mut self, id: SourceId) -> bool {
        let most = self.watches;
        let Some(source) = self.table.get_mut(&id) else { return false };
        let room = source.watches < most;
        source.watches += u32::from(room);
        room
    }

    /// Counts one watch less.
    pub(super) fn stop_watch(&mut self, id: SourceId) {
        if let Some(source) = self.table.get_mut(&id) {
            source.watches -= 1;
        }
    }

    /// Forgets sources that have no links and owe nothing.
    pub(super) fn evict(&mut self, now: Instant) {
        let (requests, packets) = (self.requests, self.packets);
        self.table.retain(|_, source| !source.is_idle(requests, packets, now));
    }
}

impl Source {
    fn is_idle(&self, requests: Rate, packets: Rate, now: Instant) -> bool {
        self.links == 0 && self.requests.is_full(requests, now) && self.packets.is_full(packets, now)
    }
}
