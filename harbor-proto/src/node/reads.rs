//! Pages read from disk, for pulls and for the backlog of watches, each when its link has room.

use super::link::Want;
use super::{AppendError, Asked, ConnId, Job, JobId, Node, Output, Page};
use crate::id::HarborId;
use crate::limits::{NODE_READS, PAGE_BYTES, PAGE_PACKETS};
use crate::mailbox::AfterPage;
use crate::wire::link::{Arrival, Cursor, Refusal, Request, Slot, ToClient, item_bytes, pull_item_bytes};

impl Node {
    pub(super) fn want(&mut self, conn: ConnId, want: Want) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.wants.push_back(want);
        }
        self.offer(conn);
    }

    /// Puts the link into the turn for reads, if it wants one and has room for a page.
    pub(super) fn offer(&mut self, conn: ConnId) {
        let share = self.share();
        let Some(link) = self.links.get_mut(&conn) else { return };
        if !link.in_turn && link.may_read(share) {
            link.in_turn = true;
            self.turn.push_back(conn);
        }
    }

    /// Starts reads, one per link and turn, while the node may have more of them.
    pub(super) fn start_reads(&mut self) {
        let share = self.share();
        while self.reading < NODE_READS {
            let Some(conn) = self.turn.pop_front() else { return };
            let Some(link) = self.links.get_mut(&conn) else { continue };
            link.in_turn = false;
            if !link.may_read(share) {
                continue;
            }
            if let Some(want) = link.wants.pop_front() {
                self.start_read(conn, want);
            }
            self.offer(conn);
        }
    }

    fn start_read(&mut self, conn: ConnId, want: Want) {
        let (job, mailbox, after, max_packets) = match want {
            Want::Pull { req, mailbox, after, max } => {
                (self.new_job(Job::Pull { conn, req, after }), mailbox, after, max)
            }
            Want::Backlog(slot) => {
                // The watch may have ended, or begun anew and be read for already.
                let Some(mailbox) = self.mailbox_of(conn, slot) else { return };
                let Some(after) = self.watches.waits_after(&mailbox, (conn, slot)) else { return };
                let job = self.new_job(Job::Backlog { conn, slot, mailbox });
                self.watches.reading(&mailbox, (conn, slot), job);
                (job, mailbox, after, PAGE_PACKETS)
            }
        };
        self.reading += 1;
        if let Some(link) = self.links.get_mut(&conn) {
            link.reserved += PAGE_BYTES;
        }
        self.out.push_back(Output::Read { job, mailbox, after, max_packets, max_bytes: PAGE_BYTES });
    }

    fn mailbox_of(&self, conn: ConnId, slot: Slot) -> Option<HarborId> {
        self.links.get(&conn)?.slots.get(&slot).map(|open| open.mailbox)
    }

    pub(super) fn on_read_done(&mut self, id: JobId, result: Result<Page, AppendError>) {
        if !matches!(self.jobs.get(&id), Some(Job::Backlog { .. } | Job::Pull { .. })) {
            return;
        }
        let Some(job) = self.jobs.remove(&id) else { return };
        self.reading -= 1;
        let (Job::Append { conn, .. } | Job::Backlog { conn, .. } | Job::Pull { conn, .. }) = job;
        if let Some(link) = self.links.get_mut(&conn) {
            link.reserved -= PAGE_BYTES;
        }
        match job {
            Job::Backlog { slot, mailbox, .. } => self.on_backlog(id, conn, slot, mailbox, result),
            Job::Pull { req, after, .. } => self.on_pulled(conn, req, after, result),
            Job::Append { .. } => {}
        }
        self.offer(conn);
    }

    fn on_backlog(
        &mut self,
        job: JobId,
        conn: ConnId,
        slot: Slot,
        mailbox: HarborId,
        result: Result<Page, AppendError>,
    ) {
        let key = (conn, slot);
        let Some(mut last) = self.watches.page_after(&mailbox, key, job) else { return };
        let Ok(page) = result else {
            self.end_watch(conn, slot);
            return self.refuse(conn, Asked::Slot(slot), Refusal::Unavailable);
        };
        let more = page.more && !page.items.is_empty();
        for (seq, packet) in page.items {
            if seq > last {
                last = seq;
                self.counters.items += 1;
                self.send_bytes(conn, item_bytes(slot, Arrival::Backlog, seq, &packet));
            }
        }
        match self.watches.page_done(&mailbox, key, job, last, more) {
            AfterPage::Read => self.want(conn, Want::Backlog(slot)),
            AfterPage::Live(seq) => {
                self.send(conn, &ToClient::Watching { slot, cursor: Cursor { log: self.config.log, seq } });
            }
        }
    }

    fn on_pulled(&mut self, conn: ConnId, req: Request, after: u64, result: Result<Page, AppendError>) {
        if let Some(link) = self.links.get_mut(&conn) {
            link.unanswered -= 1;
        }
        match result {
            Err(_) => self.refuse(conn, Asked::Request(req), Refusal::Unavailable),
            Ok(page) => {
                let more = page.more && !page.items.is_empty();
                let mut seq = after;
                for (at, packet) in page.items {
                    seq = at;
                    self.counters.items += 1;
                    self.send_bytes(conn, pull_item_bytes(req, at, &packet));
                }
                let cursor = Cursor { log: self.config.log, seq };
                self.send(conn, &ToClient::PullEnd { req, cursor, more });
            }
        }
        self.settle(conn);
    }
}
