//! What waits to be written to one connection.
//!
//! The node counts the bytes in here and cuts a slow reader off (docs/spec/link.md §5), so the queue needs
//! no bound of its own.

use super::websocket;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::task::Waker;

/// Messages are gathered into pieces of this size, each written with one system call when the socket takes it.
const CHUNK: usize = 64 << 10;

/// Framed messages, and how many bytes of payload they are.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) payload: usize,
}

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Chunk>,
    queued: usize,
    end: Option<End>,
    waker: Option<Waker>,
    /// Chunks taken, and what that was when [`Outbox::stalled`] looked last.
    progress: (u32, u32),
    writing: bool,
    abandoned: bool,
}

impl Queue {
    /// A task that waits for its socket finds what is new when the socket has room again.
    fn idle_waker(&mut self) -> Option<Waker> {
        if self.writing { None } else { self.waker.take() }
    }
}

/// One connection's queue, filled under the node's lock, emptied by the connection's own task.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: Mutex<Queue>,
}

/// What the connection's task finds.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write this.
    Chunk(Chunk),
    /// Everything was written; now end.
    End(End),
    /// Nothing has moved for too long: drop the connection as it is.
    Abandon,
    /// The task is woken when there is more.
    Nothing,
}

impl Outbox {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no code panics while it holds a queue")
    }

    /// Appends a message. Returns whom to wake once the node's lock is released.
    pub(crate) fn push(&self, payload: &[u8]) -> Option<Waker> {
        let mut queue = self.lock();
        let need = payload.len() + websocket::overhead(payload.len());
        let room = queue.chunks.back().is_some_and(|chunk| chunk.bytes.len() + need <= CHUNK);
        if !room {
            // The first message alone may be all; behind a full chunk more is coming.
            let capacity = if queue.chunks.is_empty() { need } else { need.max(CHUNK) };
            queue.chunks.push_back(Chunk { bytes: Vec::with_capacity(capacity), payload: 0 });
        }
        let chunk = queue.chunks.back_mut().expect("pushed above");
        websocket::binary(payload, &mut chunk.bytes);
        chunk.payload += payload.len();
        queue.queued += payload.len();
        queue.idle_waker()
    }

    /// Ends the connection after what is queued. The first reason stands.
    pub(crate) fn end(&self, end: End) -> Option<Waker> {
        let mut queue = self.lock();
        queue.end.get_or_insert(end);
        queue.idle_waker()
    }

    /// The next thing to do; `waker` is called when there is more after [`Next::Nothing`].
    pub(crate) fn next(&self, waker: &Waker) -> Next {
        let mut queue = self.lock();
        if queue.abandoned {
            return Next::Abandon;
        }
        if let Some(chunk) = queue.chunks.pop_front() {
            queue.queued -= chunk.payload;
            queue.progress.0 = queue.progress.0.wrapping_add(1);
            queue.writing = true;
            return Next::Chunk(chunk);
        }
        // An empty queue of an idle connection keeps no memory.
        queue.chunks = VecDeque::new();
        queue.writing = false;
        if let Some(end) = queue.end {
            return Next::End(end);
        }
        park(&mut queue, waker);
        Next::Nothing
    }

    /// Asks to be woken when a chunk that is still being written has to be given up; true when it has.
    pub(crate) fn park(&self, waker: &Waker) -> bool {
        let mut queue = self.lock();
        park(&mut queue, waker);
        queue.abandoned
    }

    /// Bytes of payload not yet taken.
    pub(crate) fn queued(&self) -> usize {
        self.lock().queued
    }

    /// True, once and for ever, when a chunk was being written the last time this was asked and still is.
    /// Called every few seconds for every connection; wakes the one that has to go.
    pub(crate) fn stalled(&self) -> Option<Waker> {
        let mut queue = self.lock();
        let (now, before) = queue.progress;
        queue.progress.1 = now;
        queue.abandoned |= queue.writing && now == before;
        if queue.abandoned { queue.waker.take() } else { None }
    }
}

fn park(queue: &mut Queue, waker: &Waker) {
    if !queue.waker.as_ref().is_some_and(|parked| parked.will_wake(waker)) {
        queue.waker = Some(waker.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noop() -> Waker {
        Waker::noop().clone()
    }

    #[test]
    fn messages_are_gathered_and_counted() {
        let outbox = Outbox::default();
        for _ in 0..100 {
            outbox.push(&[1; 1000]);
        }
        assert_eq!(outbox.queued(), 100_000);
        let (mut payload, mut chunks) = (0, 0);
        while let Next::Chunk(chunk) = outbox.next(&noop()) {
            assert!(chunk.bytes.len() <= CHUNK);
            payload += chunk.payload;
            chunks += 1;
        }
        assert_eq!((payload, chunks, outbox.queued()), (100_000, 2, 0));
    }

    #[test]
    fn the_end_comes_after_what_is_queued() {
        let outbox = Outbox::default();
        outbox.push(b"last words");
        outbox.end(End { code: 1000, reason: "first" });
        outbox.end(End { code: 1001, reason: "second" });
        assert!(matches!(outbox.next(&noop()), Next::Chunk(_)));
        assert!(matches!(outbox.next(&noop()), Next::End(End { code: 1000, .. })));
    }

    #[test]
    fn only_a_writer_without_progress_is_abandoned() {
        let outbox = Outbox::default();
        assert!(matches!(outbox.next(&noop()), Next::Nothing));
        outbox.stalled();
        outbox.stalled();
        assert!(matches!(outbox.next(&noop()), Next::Nothing), "an idle connection is not stalled");
        outbox.push(b"a");
        assert!(matches!(outbox.next(&noop()), Next::Chunk(_)));
        outbox.stalled();
        outbox.push(b"b");
        assert!(matches!(outbox.next(&noop()), Next::Chunk(_)), "it moved");
        outbox.stalled();
        outbox.stalled();
        assert!(matches!(outbox.next(&noop()), Next::Abandon));
    }
}
