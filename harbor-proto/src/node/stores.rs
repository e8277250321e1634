//! Packets on their way to disk, and out to those who watch.

use super::{Append, AppendError, Appended, Asked, ConnId, Job, JobId, Node, Output, Unverified, is_message};
use crate::id::HarborId;
use crate::limits::NODE_APPENDING;
use crate::mailbox::{Admission, Push};
use crate::wire::Wire;
use crate::wire::link::{Arrival, Refusal, Request, Slot, ToClient, item_bytes};
use alloc::sync::Arc;

impl Node {
    pub(super) fn on_store(
        &mut self,
        conn: ConnId,
        req: Request,
        slot: Slot,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        self.check_unanswered(conn)?;
        let hour = self.hour().ok_or(Refusal::Unavailable)?;
        let room = self.room_for(bytes.len());
        let Some(link) = self.links.get_mut(&conn) else { return Ok(()) };
        let open = link.slots.get_mut(&slot).ok_or(Refusal::BadSlot)?;
        let rules =
            Admission { hour, bits: self.config.store_bits, max_ttl_hours: self.config.max_ttl_hours };
        let admitted = rules.check(bytes, &open.mailbox)?;
        room?;
        let limited = |after_ms| Refusal::RateLimited { after_ms };
        self.sources.take_packet(link.source, self.now).map_err(limited)?;
        let write_key = open.verifier().ok_or(Refusal::BadSignature)?;
        link.unanswered += 1;
        let (mailbox, bytes) = (open.mailbox, Arc::<[u8]>::from(bytes));
        self.appending_bytes += bytes.len();
        let job = self.new_job(Job::Append { conn, req, mailbox, bytes: Arc::clone(&bytes) });
        let expiry_hour = admitted.packet.expiry_hour();
        let append = Append { job, mailbox, packet_id: admitted.packet_id, expiry_hour, bytes };
        self.out.push_back(Output::Append(Unverified { append, write_key }));
        Ok(())
    }

    fn room_for(&self, len: usize) -> Result<(), Refusal> {
        if self.appending_bytes + len > NODE_APPENDING {
            return Err(Refusal::Unavailable);
        }
        let after = self.stored_bytes.saturating_add((self.appending_bytes + len) as u64);
        if after > self.config.total_bytes { Err(Refusal::NodeFull) } else { Ok(()) }
    }

    pub(super) fn on_appended(&mut self, job: JobId, result: Result<Appended, AppendError>) {
        if !matches!(self.jobs.get(&job), Some(Job::Append { .. })) {
            return;
        }
        let Some(Job::Append { conn, req, mailbox, bytes }) = self.jobs.remove(&job) else { return };
        self.appending_bytes -= bytes.len();
        if let Some(link) = self.links.get_mut(&conn) {
            link.unanswered -= 1;
        }
        match result {
            Ok(Appended { seq, duplicate }) => {
                self.counters.stored += 1;
                if !duplicate {
                    self.counters.stored_new += 1;
                    self.counters.stored_messages += u64::from(is_message(&bytes));
                    self.stored_bytes = self.stored_bytes.saturating_add(bytes.len() as u64);
                    self.push_stored(&mailbox, seq, &bytes);
                }
                self.send(conn, &ToClient::Stored { req });
            }
            Err(AppendError::Forged) => {
                self.refuse(conn, Asked::Request(req), Refusal::BadSignature);
            }
            Err(AppendError::Full) => self.refuse(conn, Asked::Request(req), Refusal::Full),
            Err(AppendError::Failed) => self.refuse(conn, Asked::Request(req), Refusal::Unavailable),
        }
        self.settle(conn);
    }

    fn push_stored(&mut self, mailbox: &HarborId, seq: u64, packet: &[u8]) {
        let soft = self.soft_limit();
        let Self { watches, links, sources, out, counters, queued_bytes, .. } = self;
        watches.appended(mailbox, seq, |(conn, slot)| {
            let Some(link) = links.get_mut(&conn) else { return Push::Lagged };
            let taken = link.queue.bytes + packet.len() <= soft;
            let bytes = if taken {
                counters.items += 1;
                item_bytes(slot, Arrival::Stored, seq, packet)
            } else {
                counters.lagged += 1;
                link.watches -= 1;
                sources.stop_watch(link.source);
                if let Some(open) = link.slots.get_mut(&slot) {
                    open.watching = false;
                }
                ToClient::Lagged { slot }.to_bytes()
            };
            link.queue.add(bytes.len());
            *queued_bytes += bytes.len();
            out.push_back(Output::Send { conn, bytes });
            if taken { Push::Taken } else { Push::Lagged }
        });
    }
}
