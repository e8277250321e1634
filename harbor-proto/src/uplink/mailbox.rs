//! One mailbox on a link: its slot, and how far it is read.

use super::{Greeting, Reading, Want};
use crate::packet::MailboxKeys;
use crate::time::Instant;
use crate::wire::link::{Cursor, Request, Slot, ToNode, Verb};
use alloc::sync::Arc;

/// Packets asked for by one pull.
const PULL: u16 = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// Not asked for, or to be asked for again at the instant.
    Due(Instant),
    /// Asked; the backlog is coming.
    Asked,
    /// Read to the end; a watch brings what is new.
    Read,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    keys: Arc<MailboxKeys>,
    reading: Option<Reading>,
    cursor: Cursor,
    slot: Option<Slot>,
    progress: Progress,
}

impl Mailbox {
    pub(super) fn new(want: Want) -> Self {
        let Want { keys, reading, cursor } = want;
        Self { keys, reading, cursor, slot: None, progress: Progress::Due(Instant(0)) }
    }

    pub(super) fn slot(&self) -> Option<Slot> {
        self.slot
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    pub(super) fn set_reading(&mut self, reading: Option<Reading>) {
        if self.reading != reading {
            self.reading = reading;
            self.progress = Progress::Due(Instant(0));
        }
    }

    pub(super) fn is_read(&self) -> bool {
        self.reading.is_none() || self.progress == Progress::Read
    }

    pub(super) fn is_live(&self) -> bool {
        self.reading == Some(Reading::Watch) && self.progress == Progress::Read
    }

    pub(super) fn is_asking(&self) -> bool {
        self.reading.is_some() && self.progress == Progress::Asked
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.reading.is_some() && matches!(self.progress, Progress::Due(at) if at <= now)
    }

    /// When it becomes due, if that is in the future.
    pub(super) fn resting(&self) -> Option<Instant> {
        match self.progress {
            Progress::Due(at) if self.reading.is_some() && at > Instant(0) => Some(at),
            _ => None,
        }
    }

    pub(super) fn open(&mut self, slot: Slot, to: &Greeting) -> ToNode {
        self.slot = Some(slot);
        ToNode::Open {
            slot,
            mailbox: self.keys.id(),
            opening: self.keys.opening(),
            write_proof: Some(self.keys.prove(&to.node, &to.challenge, Verb::Pass, &Cursor::default())),
        }
    }

    pub(super) fn ask(&mut self, slot: Slot, req: Request, to: &Greeting) -> ToNode {
        self.progress = Progress::Asked;
        if self.cursor.log != to.log {
            self.cursor = Cursor { log: to.log, seq: 0 };
        }
        let after = self.cursor;
        if self.reading == Some(Reading::Watch) {
            let proof = self.keys.prove(&to.node, &to.challenge, Verb::Watch, &after);
            ToNode::Watch { slot, after, proof }
        } else {
            let proof = self.keys.prove(&to.node, &to.challenge, Verb::Pull, &after);
            ToNode::Pull { req, slot, after, max: PULL, proof }
        }
    }

    /// A stored packet came; the log name is the one the node told last.
    pub(super) fn item(&mut self, seq: u64) -> Cursor {
        self.cursor.seq = seq;
        self.cursor
    }

    pub(super) fn reached(&mut self, cursor: Cursor) {
        self.cursor = cursor;
        self.progress = Progress::Read;
    }

    pub(super) fn ask_again(&mut self, now: Instant) {
        self.progress = Progress::Due(now);
    }

    pub(super) fn refused(&mut self, until: Instant) {
        if self.progress == Progress::Asked {
            self.progress = Progress::Due(until);
        }
    }

    pub(super) fn link_lost(&mut self) {
        self.slot = None;
        if self.reading != Some(Reading::PullOnce) || self.progress != Progress::Read {
            self.progress = Progress::Due(Instant(0));
        }
    }
}
