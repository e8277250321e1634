//! One live link: its slots, its queue and what it still waits for.

use super::rate::Bucket;
use super::{ConnId, SourceId};
use crate::crypto::sign::PublicKey;
use crate::id::HarborId;
use crate::limits::{LINK_QUEUE_FRAMES, LINK_QUEUE_HARD, LINK_READ_ROOM, PAGE_BYTES};
use crate::time::Instant;
use crate::wire::link::{Request, Slot};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;

/// A watch is named by the link and slot it is on.
pub(super) type WatchKey = (ConnId, Slot);

/// A mailbox opened on a link.
#[derive(Clone, Debug)]
pub(super) struct OpenSlot {
    pub mailbox: HarborId,
    pub write_key: [u8; 32],
    pub read_key: [u8; 32],
    /// The write key ready for use, made by the first store: many slots are only watched, and it is large.
    pub verifier: Option<Arc<PublicKey>>,
    /// The write key signed this link's challenge.
    pub may_pass: bool,
    pub watching: bool,
}

impl OpenSlot {
    /// The write key ready to verify with; `None` when it is no key.
    pub(super) fn verifier(&mut self) -> Option<Arc<PublicKey>> {
        if self.verifier.is_none() {
            self.verifier = PublicKey::from_bytes(&self.write_key).map(Arc::new);
        }
        self.verifier.clone()
    }
}

/// A page that a link waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Want {
    Backlog(Slot),
    Pull { req: Request, mailbox: HarborId, after: u64, max: u32 },
}

/// Bytes and frames handed to the shell and not yet written to the socket.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Queue {
    pub bytes: usize,
    /// An estimate: the shell reports bytes, and a part of the bytes is taken as that part of the frames.
    frames: usize,
}

impl Queue {
    pub(super) fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.frames += 1;
    }

    /// Returns how many bytes were really in the queue.
    pub(super) fn written(&mut self, bytes: usize) -> usize {
        let gone = bytes.min(self.bytes);
        let left = self.bytes - gone;
        self.frames = match (self.frames as u64 * left as u64).checked_div(self.bytes as u64) {
            Some(frames) if left > 0 => usize::try_from(frames).unwrap_or(usize::MAX) + 1,
            _ => 0,
        };
        self.bytes = left;
        gone
    }

    pub(super) fn is_over(&self) -> bool {
        self.bytes > LINK_QUEUE_HARD || self.frames > LINK_QUEUE_FRAMES
    }
}

/// A live link.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub source: SourceId,
    pub challenge: [u8; 32],
    pub slots: BTreeMap<Slot, OpenSlot>,
    pub queue: Queue,
    /// Stores and pulls not yet answered.
    pub unanswered: usize,
    pub watches: u32,
    pub wants: VecDeque<Want>,
    /// Bytes that pages now being read may bring.
    pub reserved: usize,
    /// It stands in the node's queue for reads.
    pub in_turn: bool,
    pub patience: Bucket,
    pub pass_bytes: Bucket,
    pub heard: Instant,
}

impl Link {
    pub(super) fn new(source: SourceId, challenge: [u8; 32], now: Instant) -> Self {
        Self {
            source,
            challenge,
            slots: BTreeMap::new(),
            queue: Queue::default(),
            unanswered: 0,
            watches: 0,
            wants: VecDeque::new(),
            reserved: 0,
            in_turn: false,
            patience: Bucket::default(),
            pass_bytes: Bucket::default(),
            heard: now,
        }
    }

    /// True when a further page may be read for this link; `share` is 1, or more when the node is crowded.
    pub(super) fn may_read(&self, share: usize) -> bool {
        let ahead = self.queue.bytes + self.reserved;
        !self.wants.is_empty() && (ahead == 0 || ahead + PAGE_BYTES <= LINK_READ_ROOM / share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_of_frames_ends_at_zero_and_never_below_one_before() {
        let mut queue = Queue::default();
        for len in [5, 1000, 5, 70_000, 5] {
            queue.add(len);
        }
        for written in [5, 1000, 5, 70_000] {
            queue.written(written);
            assert!(queue.frames >= 1);
        }
        assert_eq!(queue.written(500), 5);
        assert_eq!((queue.bytes, queue.frames), (0, 0));
        for _ in 0..=LINK_QUEUE_FRAMES {
            queue.add(5);
        }
        assert!(queue.is_over());
    }
}
