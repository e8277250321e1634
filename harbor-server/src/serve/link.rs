//! One client's connection: bytes in, batches of frames to the node, its answers out.

use super::core::Core;
use super::listen::Place;
use super::outbox::{Chunk, End, Next, Outbox};
use super::websocket::{self, Decoder, Event, code};
use harbor_proto::limits::LINK_QUEUE_SOFT;
use harbor_proto::node::{ConnId, Input};
use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes taken from a socket at once. One buffer per thread: a connection that waits has none.
const READ: usize = 64 << 10;
/// Reads in a row before other connections get their turn.
const READS_IN_A_ROW: usize = 4;
/// A client that does not take its answers is not asked for more questions above this.
const ANSWERS_HIGH: usize = LINK_QUEUE_SOFT / 2;
/// Bytes written before the node is told in the middle of writing: a queue that is filled as fast as it is
/// emptied must not look ever longer.
const REPORT: usize = 128 << 10;
/// How long a client has to take the close frame and hang up.
const LINGER: Duration = Duration::from_secs(2);

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; READ]);
}

/// A connection as a future that ends when it is over.
#[derive(Debug)]
pub(crate) struct Link<S> {
    socket: S,
    core: Arc<Core>,
    conn: ConnId,
    outbox: Arc<Outbox>,
    decoder: Decoder,
    writing: Chunk,
    written: usize,
    /// Answers to pings, which the node knows nothing of.
    pongs: Vec<u8>,
    /// Why it ends, when that is not the node's doing.
    end: Option<End>,
    /// The client sends nothing any more, or nothing it sends counts.
    deaf: bool,
    lingering: Option<Pin<Box<tokio::time::Sleep>>>,
    _place: Place,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// A connection whose handshake is through. `early` was read behind the handshake.
    pub(crate) fn new(
        socket: S,
        core: Arc<Core>,
        conn: ConnId,
        outbox: Arc<Outbox>,
        place: Place,
        early: &[u8],
    ) -> Self {
        let mut link = Self {
            socket,
            core,
            conn,
            outbox,
            decoder: Decoder::default(),
            writing: Chunk::default(),
            written: 0,
            pongs: Vec::new(),
            end: None,
            deaf: false,
            lingering: None,
            _place: place,
        };
        link.take(&mut early.to_vec());
        link
    }

    /// Hands everything complete to the node, under one lock.
    fn take(&mut self, bytes: &mut [u8]) {
        let (mut facts, mut closes) = (Vec::new(), false);
        let (conn, pongs) = (self.conn, &mut self.pongs);
        let taken = self.decoder.feed(bytes, &mut |event| match event {
            Event::Message(bytes) if !closes => facts.push(Input::Frame { conn, bytes }),
            // One answer for many pings is enough, and keeps the buffer small.
            Event::Ping(payload) if pongs.is_empty() => websocket::pong(&payload, pongs),
            Event::Close => closes = true,
            Event::Message(_) | Event::Ping(_) => {}
        });
        if closes {
            self.hear_no_more(End { code: code::NORMAL, reason: "" });
        } else if let Err(fault) = taken {
            // No frame at all: the node ends the link for it and counts it like any other.
            facts.push(Input::Frame { conn, bytes: Vec::new() });
            self.hear_no_more(End { code: fault.0, reason: "protocol" });
        }
        if !facts.is_empty() {
            self.core.feed_all(facts);
        }
    }

    fn hear_no_more(&mut self, end: End) {
        self.deaf = true;
        self.end.get_or_insert(end);
        self.decoder = Decoder::default();
        self.outbox.end(end);
    }

    fn full(&self) -> bool {
        self.outbox.queued() > ANSWERS_HIGH
    }

    /// Reads what is there. `Ready` when the client has hung up.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        for _ in 0..READS_IN_A_ROW {
            if !self.deaf && (self.full() || self.core.hold_back(self.conn, cx.waker())) {
                return Poll::Pending;
            }
            let read = SCRATCH.with_borrow_mut(|scratch| {
                let mut buf = ReadBuf::new(scratch);
                ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
                let bytes = buf.filled_mut();
                if !bytes.is_empty() && !self.deaf {
                    self.take(bytes);
                }
                Poll::Ready(io::Result::Ok(buf.filled().len()))
            });
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Writes what waits. `Ready` when the connection is to end and everything was written.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut sent = 0;
        let result = self.write_chunks(cx, &mut sent);
        self.report(&mut sent);
        result
    }

    /// Tells the node what the socket took, or it would go on counting it as waiting.
    fn report(&self, sent: &mut usize) {
        if *sent > 0 {
            self.core.feed_all([Input::Sent { conn: self.conn, bytes: std::mem::take(sent) }]);
        }
    }

    fn write_chunks(&mut self, cx: &mut Context<'_>, sent: &mut usize) -> Poll<io::Result<()>> {
        loop {
            while self.written < self.writing.bytes.len() {
                let rest = &self.writing.bytes[self.written..];
                match Pin::new(&mut self.socket).poll_write(cx, rest) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(n)) => self.written += n,
                    Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
                    Poll::Pending if self.outbox.park(cx.waker()) => return Poll::Ready(Err(timed_out())),
                    Poll::Pending => return Poll::Pending,
                }
            }
            *sent += self.writing.payload;
            if *sent >= REPORT {
                self.report(sent);
            }
            self.written = 0;
            self.writing = Chunk::default();
            if !self.pongs.is_empty() {
                self.writing.bytes = std::mem::take(&mut self.pongs);
                continue;
            }
            match self.outbox.next(cx.waker()) {
                Next::Chunk(chunk) => self.writing = chunk,
                Next::End(end) => {
                    self.end.get_or_insert(end);
                    return Poll::Ready(Ok(()));
                }
                Next::Abandon => return Poll::Ready(Err(timed_out())),
                Next::Nothing => return Poll::Pending,
            }
        }
    }

    /// Says goodbye, then waits for the client to hang up, so that the close frame is not lost to a reset.
    fn finish(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.written < self.writing.bytes.len() {
            match Pin::new(&mut self.socket).poll_write(cx, &self.writing.bytes[self.written..]) {
                Poll::Ready(Ok(n)) if n > 0 => self.written += n,
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.linger(cx),
            }
        }
        if Pin::new(&mut self.socket).poll_shutdown(cx).is_pending() {
            return self.linger(cx);
        }
        match self.read(cx) {
            Poll::Ready(_) => Poll::Ready(()),
            Poll::Pending => self.linger(cx),
        }
    }

    fn linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.lingering.as_mut().map_or(Poll::Ready(()), |sleep| sleep.as_mut().poll(cx))
    }

    fn begin_finish(&mut self) {
        let end = self.end.unwrap_or(End { code: code::NORMAL, reason: "" });
        self.writing = Chunk::default();
        self.written = 0;
        websocket::close(end.code, end.reason, &mut self.writing.bytes);
        self.deaf = true;
        self.lingering = Some(Box::pin(tokio::time::sleep(LINGER)));
    }
}

fn timed_out() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Link<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let link = &mut *self;
        if link.lingering.is_none() {
            let was_full = link.full();
            let hung_up = link.read(cx).is_ready();
            if hung_up && !link.deaf {
                return Poll::Ready(());
            }
            match link.write(cx) {
                Poll::Pending if hung_up => return Poll::Ready(()),
                Poll::Pending => {
                    if was_full && !link.full() {
                        // Reading was left out, so nothing else would wake it.
                        cx.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(())) => link.begin_finish(),
            }
        }
        link.finish(cx)
    }
}

impl<S> Drop for Link<S> {
    /// However it ends, the node is told.
    fn drop(&mut self) {
        self.core.closed(self.conn);
    }
}
