//! What survives a crash: a node's log and a device's records.

use harbor_proto::crypto::rng::Rng;
use harbor_proto::endpoint::{Message, Table, Write};
use harbor_proto::id::{HarborId, MessageId, PacketId, TopicUid};
use harbor_proto::mailbox::{Quota, admit};
use harbor_proto::node::{Append, AppendError, Appended, JobId, Page};
use harbor_proto::wire::Wire;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) id: PacketId,
    pub(crate) expiry_hour: u32,
    pub(crate) bytes: Arc<[u8]>,
}

/// The log of a node: one transaction at a time is on its way to the disk, and is there as a whole or not.
#[derive(Default)]
pub(crate) struct NodeDisk {
    rows: BTreeMap<HarborId, Vec<Row>>,
    seq: u64,
    waiting: Vec<Append>,
    /// Every write and read fails.
    pub(crate) broken: bool,
}

impl NodeDisk {
    pub(crate) fn append(&mut self, append: Append) {
        self.waiting.push(append);
    }

    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Writes and syncs all that waits; the answers are for the node, in commit order.
    pub(crate) fn commit(&mut self, quota: &Quota) -> Vec<(JobId, Result<Appended, AppendError>)> {
        let waiting = std::mem::take(&mut self.waiting);
        waiting.into_iter().map(|append| (append.job, self.write(append, quota))).collect()
    }

    fn write(&mut self, append: Append, quota: &Quota) -> Result<Appended, AppendError> {
        if self.broken {
            return Err(AppendError::Failed);
        }
        let rows = self.rows.entry(append.mailbox).or_default();
        if let Some(row) = rows.iter().find(|row| row.id == append.packet_id) {
            return Ok(Appended { seq: row.seq, duplicate: true });
        }
        let bytes = rows.iter().map(|row| row.bytes.len() as u64).sum();
        let packets = u32::try_from(rows.len()).expect("bounded by the quota");
        if !admit(Quota { packets, bytes }, append.bytes.len(), quota) {
            return Err(AppendError::Full);
        }
        self.seq += 1;
        let Append { packet_id: id, expiry_hour, bytes, .. } = append;
        rows.push(Row { seq: self.seq, id, expiry_hour, bytes });
        Ok(Appended { seq: self.seq, duplicate: false })
    }

    pub(crate) fn read(
        &self,
        mailbox: &HarborId,
        after: u64,
        most: u32,
        bytes: usize,
    ) -> Result<Page, AppendError> {
        if self.broken {
            return Err(AppendError::Failed);
        }
        let (mut page, mut room) = (Page::default(), bytes);
        for row in self.rows(mailbox).iter().filter(|row| row.seq > after) {
            let fits = page.items.len() < most as usize && row.bytes.len() <= room;
            if !fits && !page.items.is_empty() {
                page.more = true;
                break;
            }
            room = room.saturating_sub(row.bytes.len());
            page.items.push((row.seq, row.bytes.to_vec()));
        }
        Ok(page)
    }

    pub(crate) fn rows(&self, mailbox: &HarborId) -> &[Row] {
        self.rows.get(mailbox).map_or(&[], Vec::as_slice)
    }

    pub(crate) fn has(&self, mailbox: &HarborId, id: &PacketId) -> bool {
        self.rows(mailbox).iter().any(|row| row.id == *id)
    }

    pub(crate) fn expire(&mut self, hour: u32) {
        for rows in self.rows.values_mut() {
            rows.retain(|row| row.expiry_hour > hour);
        }
    }

    pub(crate) fn usage(&self) -> u64 {
        self.rows.values().flatten().map(|row| row.bytes.len() as u64).sum()
    }

    /// Power is lost: what was being written is there as a whole or not at all, and nobody was told.
    pub(crate) fn crash(&mut self, quota: &Quota, rng: &mut Rng) {
        if rng.below(2) == 0 {
            self.commit(quota);
        }
        self.waiting.clear();
    }
}

pub(crate) type Records = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// The records of a device: transactions in order, of which power loss takes the last ones that were not yet
/// asked to survive it.
#[derive(Clone, Default)]
pub(crate) struct DeviceDisk {
    durable: Records,
    tail: Vec<Vec<Write>>,
}

impl DeviceDisk {
    pub(crate) fn write(&mut self, writes: Vec<Write>) {
        self.tail.push(writes);
    }

    /// Everything written so far survives.
    pub(crate) fn sync(&mut self) {
        for writes in std::mem::take(&mut self.tail) {
            for write in writes {
                apply(&mut self.durable, write);
            }
        }
    }

    /// Power is lost: a part of the tail is gone, from some transaction on.
    pub(crate) fn crash(&mut self, rng: &mut Rng) {
        let kept = rng.below(self.tail.len() as u64 + 1);
        self.tail.truncate(usize::try_from(kept).expect("below a length"));
        self.sync();
    }

    /// A message of the history.
    pub(crate) fn find(&self, topic: &TopicUid, id: &MessageId) -> Option<Message> {
        let records = self.records();
        let order = records.get(&(Table::Place, [topic.0, id.0].concat()))?;
        let message = records.get(&(Table::Message, [&topic.0[..], order].concat()))?;
        Some(Message::from_bytes(message).expect("history is readable"))
    }

    /// What is read back: all that was written, synced or not.
    pub(crate) fn records(&self) -> Records {
        let mut all = self.durable.clone();
        for write in self.tail.iter().flatten() {
            apply(&mut all, write.clone());
        }
        all
    }
}

fn apply(records: &mut Records, write: Write) {
    match write {
        Write::Put { table, key, value } => {
            records.insert((table, key), value);
        }
        Write::Delete { table, key } => {
            records.remove(&(table, key));
        }
        Write::DeletePrefix { table, prefix } => {
            records.retain(|(t, key), _| *t != table || !key.starts_with(&prefix));
        }
    }
}
