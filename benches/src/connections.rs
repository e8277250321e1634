//! What a connection that says nothing costs its server in resident memory.

use crate::figures::{grouped, table};
use crate::link::{self, Link};
use crate::process::Server;
use crate::row;
use crate::socket::Socket;

/// Connections before the first reading: what a server needs once is not what a connection needs.
const FIRST: usize = 64;
/// A client's read buffer; the client is another process and not what is measured.
const BUFFER: usize = 512;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Welcomed, nothing more.
    Harbor,
    /// With one mailbox opened and watched, as somebody who waits for messages.
    Watching,
    /// Registered under an id.
    PeerJs,
    /// Nothing above the WebSocket.
    Ws,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Harbor, "Harbor"),
    (Kind::Watching, "Harbor, a mailbox watched"),
    (Kind::PeerJs, "PeerJS"),
    (Kind::Ws, "ws"),
];

/// Opens `count` connections to each server in turn.
pub fn run(count: usize) {
    rlimit::increase_nofile_limit(u64::MAX).expect("the limit of open files can be raised");
    println!("## Idle connections: {} of them\n", grouped(count as f64));
    let bytes: Vec<f64> = KINDS.iter().map(|(kind, _)| measure(*kind, count)).collect();
    let mut rows = vec![row!["server", "resident bytes each", "KiB", "Harbor against it"]];
    for ((_, name), bytes_each) in KINDS.iter().zip(&bytes) {
        rows.push(row![
            name,
            grouped(*bytes_each),
            format!("{:.2}", bytes_each / 1024.0),
            format!("{:.2} ×", bytes[0] / bytes_each)
        ]);
    }
    table(&rows);
    println!("Afterwards every connection answered a ping with its own token.\n");
}

fn measure(kind: Kind, count: usize) -> f64 {
    let data = tempfile::tempdir().expect("a folder");
    let server = match kind {
        Kind::Harbor | Kind::Watching => Server::harbor(data.path()),
        Kind::PeerJs => Server::node("peerjs.mjs"),
        Kind::Ws => Server::node("ws.mjs"),
    };
    let garbage = matches!(kind, Kind::PeerJs | Kind::Ws);
    let connect = |n: usize| connect(kind, &server.address, n);
    let mut held: Vec<Socket> = (0..FIRST).map(connect).collect();
    let before = server.settled_memory(garbage);
    held.extend((FIRST..FIRST + count).map(connect));
    let after = server.settled_memory(garbage);
    for (n, socket) in held.iter_mut().enumerate() {
        socket.ping(&(n as u32).to_be_bytes());
    }
    after.saturating_sub(before) as f64 / count as f64
}

fn connect(kind: Kind, address: &str, n: usize) -> Socket {
    match kind {
        Kind::Harbor => Link::connect(address, BUFFER).socket,
        Kind::Watching => {
            let keys = link::mailbox(n);
            let mut link = Link::connect(address, BUFFER);
            link.open(0, &keys);
            link.watch(0, &keys);
            link.socket
        }
        Kind::PeerJs => {
            let path = format!("/peerjs?key=peerjs&id=peer{n}&token=t{n}");
            let mut socket = Socket::connect(address, &path, BUFFER);
            assert_eq!(socket.message(), br#"{"type":"OPEN"}"#);
            socket
        }
        Kind::Ws => Socket::connect(address, "/", BUFFER),
    }
}
