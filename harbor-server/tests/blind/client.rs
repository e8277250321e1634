//! A native endpoint: the real core, a plain WebSocket, and records in memory. Blocking, one step at a time.

use harbor_proto::endpoint::{
    Command, CommandError, CommandId, Endpoint, Event, Input, LinkId, Output, Reply, Setup, Table, Write,
};
use harbor_proto::machine::Machine;
use harbor_proto::time::{Instant, UnixMillis};
use harbor_proto::work::Solver;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

/// The wall time.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(since.as_millis()).expect("before the year 500 million")
}

/// One person's device.
pub(crate) struct Client {
    endpoint: Endpoint,
    node: SocketAddr,
    socket: Option<WebSocket<TcpStream>>,
    started: std::time::Instant,
    next_command: u64,
    replies: BTreeMap<CommandId, Result<Reply, CommandError>>,
    /// Every value ever written to the device, with its table.
    pub(crate) written: Vec<(Table, Vec<u8>)>,
    /// What would have been shown.
    pub(crate) events: Vec<Event>,
}

impl Client {
    pub(crate) fn new(node: SocketAddr, entropy: [u8; 32]) -> Self {
        let setup = Setup { entropy, nodes: 1, direct: false };
        let endpoint = Endpoint::restore(setup, std::iter::empty()).expect("an empty device");
        let mut client = Self {
            endpoint,
            node,
            socket: None,
            started: std::time::Instant::now(),
            next_command: 0,
            replies: BTreeMap::new(),
            written: Vec::new(),
            events: Vec::new(),
        };
        client.feed(Input::Clock(UnixMillis(unix_ms())));
        client
    }

    fn now(&self) -> Instant {
        Instant(u64::try_from(self.started.elapsed().as_millis()).expect("a short test"))
    }

    fn feed(&mut self, input: Input) {
        self.endpoint.handle_input(input, self.now());
        while let Some(output) = self.endpoint.poll_output() {
            self.carry_out(output);
        }
    }

    /// Starts a command; its answer comes with the steps.
    pub(crate) fn command(&mut self, command: Command) -> CommandId {
        let id = CommandId(self.next_command);
        self.next_command += 1;
        self.feed(Input::Command { id, command });
        id
    }

    pub(crate) fn reply(&mut self, id: CommandId) -> Option<Result<Reply, CommandError>> {
        self.replies.remove(&id)
    }

    /// Lets the endpoint run for a moment.
    pub(crate) fn step(&mut self) {
        while let Some(frame) = self.read() {
            match frame {
                Some(bytes) => self.feed(Input::LinkFrame { link: LinkId(0), bytes }),
                None => self.down(),
            }
        }
        if self.endpoint.poll_timeout().is_some_and(|at| at <= self.now()) {
            self.endpoint.handle_timeout(self.now());
            while let Some(output) = self.endpoint.poll_output() {
                self.carry_out(output);
            }
        }
    }

    /// The next binary message; `Some(None)` when the link has ended, `None` when nothing waits.
    fn read(&mut self) -> Option<Option<Vec<u8>>> {
        let socket = self.socket.as_mut()?;
        let _ = socket.flush();
        match socket.read() {
            Ok(Message::Binary(bytes)) => Some(Some(bytes.to_vec())),
            Ok(_) => None,
            Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(None),
        }
    }

    fn down(&mut self) {
        self.socket = None;
        self.feed(Input::LinkDown { link: LinkId(0) });
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Persist { writes, .. } => {
                let puts = writes.into_iter().filter_map(|w| match w {
                    Write::Put { table, value, .. } => Some((table, value)),
                    _ => None,
                });
                self.written.extend(puts);
            }
            Output::Dial { link } => match self.dial() {
                Some(socket) => {
                    self.socket = Some(socket);
                    self.feed(Input::LinkUp { link });
                }
                None => self.feed(Input::LinkDown { link }),
            },
            Output::Hangup { .. } => self.socket = None,
            Output::LinkSend { bytes, .. } => {
                if let Some(socket) = self.socket.as_mut() {
                    // A full socket keeps the message and sends it on the next flush; a broken one shows on read.
                    let _ = socket.send(Message::Binary(bytes.into()));
                }
            }
            Output::Solve { stamp, packet, hour, bits } => {
                let nonce =
                    Solver::new(&packet, hour, bits).step(u32::MAX).expect("a stamp within 2^32 tries");
                self.feed(Input::Solved { stamp, nonce });
            }
            Output::Reply { id, result } => {
                self.replies.insert(id, result);
            }
            Output::Event(event) => self.events.push(event),
            _ => {}
        }
    }

    fn dial(&self) -> Option<WebSocket<TcpStream>> {
        let stream = TcpStream::connect(self.node).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
        let (socket, _) = client(format!("ws://{}/link", self.node), stream).ok()?;
        socket.get_ref().set_nonblocking(true).ok()?;
        Some(socket)
    }
}
