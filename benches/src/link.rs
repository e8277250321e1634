//! A client of a Harbor Node, and real packets for it.

use crate::socket::{BINARY, Socket, framed};
use harbor_proto::crypto::Secret;
use harbor_proto::id::EndpointId;
use harbor_proto::limits::DEFAULT_TTL_HOURS;
use harbor_proto::packet::{ContentKey, Draft, Header, Kind, MailboxKeys, Packet, set_stamp};
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Cursor, Slot, ToClient, ToNode, Verb};
use harbor_proto::work::{Solver, Stamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// Price of a store in harbor.toml.
const STORE_BITS: u8 = 8;

pub struct Link {
    pub socket: Socket,
    node: EndpointId,
    challenge: [u8; 32],
}

/// A frame ready to be written.
pub fn frame(frame: &ToNode) -> Vec<u8> {
    framed(BINARY, &frame.to_bytes())
}

impl Link {
    pub fn connect(address: &str, buffer: usize) -> Self {
        let mut socket = Socket::connect(address, "/link", buffer);
        match ToClient::from_bytes(socket.message()).expect("a frame") {
            ToClient::Welcome { node, challenge, .. } => Self { socket, node, challenge },
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub fn open(&mut self, slot: Slot, keys: &MailboxKeys) {
        let proof = keys.prove(&self.node, &self.challenge, Verb::Pass, &Cursor::default());
        self.socket.send(&frame(&ToNode::Open {
            slot,
            mailbox: keys.id(),
            opening: keys.opening(),
            write_proof: Some(proof),
        }));
    }

    /// Watches from the start; the mailbox is empty.
    pub fn watch(&mut self, slot: Slot, keys: &MailboxKeys) {
        let after = Cursor::default();
        let proof = keys.prove(&self.node, &self.challenge, Verb::Watch, &after);
        self.socket.send(&frame(&ToNode::Watch { slot, after, proof }));
        let answer = ToClient::from_bytes(self.socket.message()).expect("a frame");
        assert!(matches!(answer, ToClient::Watching { .. }), "{answer:?}");
    }

    /// A pull, ready to be written.
    pub fn pull(&self, req: u32, slot: Slot, keys: &MailboxKeys, after: Cursor, max: u16) -> Vec<u8> {
        let proof = keys.prove(&self.node, &self.challenge, Verb::Pull, &after);
        frame(&ToNode::Pull { req, slot, after, max, proof })
    }
}

/// The `n`th mailbox of a run.
pub fn mailbox(n: usize) -> MailboxKeys {
    MailboxKeys::derive(&Secret([7; 32]), u32::try_from(n).expect("few"), 1)
}

/// Hours since 1970.
pub fn hour() -> u32 {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    u32::try_from(secs / 3600).expect("before 491,000")
}

fn sealed(mailbox: &MailboxKeys, n: usize, content: &[u8], kind: Kind, expiry_hour: u32) -> Vec<u8> {
    let mut nonce = [0; 24];
    nonce[..8].copy_from_slice(&(n as u64).to_be_bytes());
    let draft = Draft {
        mailbox,
        kind,
        expiry_hour,
        delete_hash: [1; 32],
        header: Header::default(),
        key: &ContentKey { key: Secret([2; 32]), commitment: [3; 16] },
        nonce,
        content,
    };
    draft.seal().expect("it fits")
}

/// A message of `size` bytes, paid for.
pub fn message(mailbox: &MailboxKeys, n: usize, size: usize) -> Vec<u8> {
    let mut packet = sealed(mailbox, n, &vec![9; size - 300], Kind::Message, hour() + DEFAULT_TTL_HOURS);
    assert_eq!(packet.len(), size);
    let id = Packet::parse(&packet).expect("a packet").id();
    let nonce = Solver::new(&id, hour(), STORE_BITS).step(u32::MAX).expect("found");
    set_stamp(&mut packet, Stamp { nonce, hour: hour(), bits: STORE_BITS });
    packet
}

/// A signal with `text` in it.
pub fn signal(mailbox: &MailboxKeys, n: usize, text: &str) -> Vec<u8> {
    sealed(mailbox, n, text.as_bytes(), Kind::Signal, hour() + 1)
}
