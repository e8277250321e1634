//! A topic's records: how they are written and how a topic comes back from them.

use super::dag::Dag;
use super::keyring::{EpochRecord, Route};
use super::log::TopicLog;
use super::ops::SignedOp;
use super::ratchet::Chain;
use super::records::{self, RecordChange, Shelf};
use super::roster::Roster;
use crate::id::DeviceId;
use crate::wire::{List, Wire};
use alloc::{boxed::Box, vec::Vec};
use litemap::LiteMap;

/// Version of all records of a topic.
const VERSION: u8 = 1;

/// Records that do not make a topic: the disk's or our fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadRecords;

crate::wire_struct! {
    #[derive(Debug)]
    struct TopicRecord { version: u8, me: DeviceId, routes: List<Route, 256> }
}

crate::wire_struct! {
    #[derive(Debug)]
    struct OpRecord { place: u32, op: SignedOp }
}

impl TopicLog {
    /// A topic from its records, in any order; records of other topics must not be among them.
    ///
    /// # Errors
    /// [`BadRecords`].
    pub fn restore<'a>(
        records: impl IntoIterator<Item = (Shelf, &'a [u8], &'a [u8])>,
    ) -> Result<Self, BadRecords> {
        let (mut topic, mut epochs, mut waiting) = (None, Vec::new(), Vec::new());
        let (mut ops, mut chains): (LiteMap<_, Box<_>>, LiteMap<_, _>) = Default::default();
        for (shelf, key, value) in records {
            match (shelf, key.get(32)) {
                (Shelf::Topic, _) => topic = TopicRecord::from_bytes(value).ok(),
                (Shelf::Log, Some(&records::OP)) => {
                    let record = OpRecord::from_bytes(value).map_err(|_| BadRecords)?;
                    ops.insert(record.place, Box::new(record.op));
                }
                (Shelf::Log, Some(&records::EPOCH)) => {
                    epochs.push(EpochRecord::from_bytes(value).map_err(|_| BadRecords)?);
                }
                (Shelf::Log, Some(&records::WAITING)) => waiting.push(value),
                (Shelf::Log, _) => return Err(BadRecords),
                (Shelf::Chain, _) => {
                    let (id, leaf) = records::parse_chain_key(key).ok_or(BadRecords)?;
                    chains.insert((id, leaf), Chain::from_bytes(value).map_err(|_| BadRecords)?);
                }
            }
        }
        let topic = topic.filter(|topic: &TopicRecord| topic.version == VERSION).ok_or(BadRecords)?;
        let mut ops = ops.into_iter().map(|(_, op)| *op);
        let mut dag = Dag::new(ops.next().ok_or(BadRecords)?).map_err(|_| BadRecords)?;
        for op in ops {
            dag.insert_trusted(op).map_err(|_| BadRecords)?;
        }
        let mut log = Self::assemble(topic.me, dag, topic.routes.into_vec());
        for record in epochs {
            // Only an epoch that still has keys needs its leaves; computing them is what costs.
            let roster = match record.has_keys() {
                true => log.dag.roster_at(&record.header().frontier).ok_or(BadRecords)?,
                false => Roster::default(),
            };
            if !log.ring.restore(record, &roster, &chains) {
                return Err(BadRecords);
            }
        }
        log.ring.select(&log.roster().clone(), &log.roster_hash);
        for value in waiting {
            if !log.waiting.restore(value) {
                return Err(BadRecords);
            }
        }
        Ok(log)
    }

    pub(super) fn put_topic(&mut self) {
        let routes = List::first(self.ring.routes().iter().cloned());
        let value = TopicRecord { version: VERSION, me: self.me, routes }.to_bytes();
        self.out.push(RecordChange::Put { shelf: Shelf::Topic, key: self.uid().0.to_vec(), value });
    }

    pub(super) fn put_op(&mut self, op: SignedOp) {
        let place = u32::try_from(self.dag.len() - 1).unwrap_or(u32::MAX);
        let key = records::op_key(&self.uid(), &op.id());
        let value = OpRecord { place, op }.to_bytes();
        self.out.push(RecordChange::Put { shelf: Shelf::Log, key, value });
    }
}
