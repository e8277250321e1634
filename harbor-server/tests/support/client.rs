//! A client of a node: frames over a WebSocket of another implementation.

use super::{Node, PATIENCE};
use futures_util::{SinkExt, StreamExt};
use harbor_proto::packet::MailboxKeys;
use harbor_proto::wire::Wire;
use harbor_proto::wire::link::{Arrival, Cursor, Refusal, Slot, Tail, ToClient, ToNode, Verb};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// One link.
pub struct Client {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    node: harbor_proto::id::EndpointId,
    challenge: [u8; 32],
    pub log: [u8; 16],
}

/// How a link ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    pub code: Option<u16>,
    pub reason: String,
}

impl Client {
    /// Connects and takes the welcome.
    pub async fn connect(node: &Node) -> Self {
        Self::try_connect(node).await.expect("the node takes the link")
    }

    pub async fn try_connect(node: &Node) -> Result<Self, Ended> {
        let url = format!("ws://{}/link", node.address);
        let (mut socket, _) = connect_async(url).await.expect("the handshake is through");
        let first = next(&mut socket).await?;
        let ToClient::Welcome { node, challenge, log, .. } = first else { panic!("{first:?} is no welcome") };
        Ok(Self { socket, node, challenge, log })
    }

    pub async fn send(&mut self, frame: &ToNode) {
        self.socket.send(Message::Binary(frame.to_bytes().into())).await.expect("the link is up");
    }

    /// Queues a frame; [`Client::flush`] writes it.
    pub async fn feed(&mut self, frame: &ToNode) -> Result<(), Error> {
        self.socket.feed(Message::Binary(frame.to_bytes().into())).await
    }

    pub async fn flush(&mut self) -> Result<(), Error> {
        self.socket.flush().await
    }

    /// The next frame.
    pub async fn frame(&mut self) -> ToClient {
        self.next().await.expect("the link is up")
    }

    pub async fn next(&mut self) -> Result<ToClient, Ended> {
        next(&mut self.socket).await
    }

    /// Reads to the end of the link.
    pub async fn ended(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.next().await {
                return ended;
            }
        }
    }

    pub async fn open(&mut self, slot: Slot, keys: &MailboxKeys) {
        let proof = keys.prove(&self.node, &self.challenge, Verb::Pass, &Cursor::default());
        let frame =
            ToNode::Open { slot, mailbox: keys.id(), opening: keys.opening(), write_proof: Some(proof) };
        self.send(&frame).await;
    }

    pub async fn watch(&mut self, slot: Slot, keys: &MailboxKeys, after: Cursor) {
        let proof = keys.prove(&self.node, &self.challenge, Verb::Watch, &after);
        self.send(&ToNode::Watch { slot, after, proof }).await;
    }

    /// Stores one packet and waits for the answer.
    pub async fn store(&mut self, slot: Slot, packet: &[u8]) -> Result<(), Refusal> {
        self.send(&ToNode::Store { req: 77, slot, packet: Tail(packet.to_vec()) }).await;
        match self.frame().await {
            ToClient::Stored { req: 77 } => Ok(()),
            ToClient::Refused { req: 77, why } => Err(why),
            other => panic!("{other:?} answers no store"),
        }
    }

    /// Everything in a mailbox, page by page.
    pub async fn pull_all(&mut self, slot: Slot, keys: &MailboxKeys) -> Vec<(u64, Vec<u8>)> {
        let mut after = Cursor::default();
        let mut packets = Vec::new();
        loop {
            let proof = keys.prove(&self.node, &self.challenge, Verb::Pull, &after);
            self.send(&ToNode::Pull { req: 9, slot, after, max: 1000, proof }).await;
            loop {
                match self.frame().await {
                    ToClient::PullItem { cursor, packet, .. } => packets.push((cursor, packet.0)),
                    ToClient::PullEnd { cursor, more, .. } => {
                        if !more {
                            return packets;
                        }
                        after = cursor;
                        break;
                    }
                    other => panic!("{other:?} in a pull"),
                }
            }
        }
    }

    /// The next packet of a watch.
    pub async fn item(&mut self) -> (Arrival, u64, Vec<u8>) {
        match self.frame().await {
            ToClient::Item { arrival, cursor, packet, .. } => (arrival, cursor, packet.0),
            other => panic!("{other:?} is no item"),
        }
    }
}

async fn next(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<ToClient, Ended> {
    loop {
        let message = tokio::time::timeout(PATIENCE, socket.next()).await.expect("the node answers");
        match message {
            Some(Ok(Message::Binary(bytes))) => return Ok(ToClient::from_bytes(&bytes).expect("a frame")),
            Some(Ok(Message::Close(frame))) => {
                let (code, reason) =
                    frame.map(|f| (Some(f.code.into()), f.reason.to_string())).unwrap_or_default();
                return Err(Ended { code, reason });
            }
            Some(Ok(_)) => {}
            Some(Err(e)) => return Err(Ended { code: None, reason: e.to_string() }),
            None => return Err(Ended { code: None, reason: String::new() }),
        }
    }
}
