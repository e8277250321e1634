//! A WebSocket client that costs next to nothing, so that what is measured is the server: frames are made
//! beforehand and masked once, reading is blocking, and nothing is allocated per message.

use crate::process::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
const PING: u8 = 9;
const PONG: u8 = 10;
/// Not zero: a server that skips unmasking for a mask of zeros would skip real work.
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

pub struct Socket {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    payload: Vec<u8>,
}

/// A masked frame, ready to be written.
pub fn framed(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=65_535 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

impl Socket {
    /// Opens `ws://address/path` with a read buffer of `buffer` bytes.
    pub fn connect(address: &str, path: &str, buffer: usize) -> Self {
        let mut writer = TcpStream::connect(address).expect("the server listens");
        writer.set_nodelay(true).expect("set");
        writer.set_read_timeout(Some(PATIENCE)).expect("set");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        writer.write_all(request.as_bytes()).expect("sent");
        let mut reader = BufReader::with_capacity(buffer, writer.try_clone().expect("cloned"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("an answer");
        assert!(line.starts_with("HTTP/1.1 101"), "no WebSocket: {line}");
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).expect("a header");
        }
        Self { reader, writer, payload: Vec::new() }
    }

    /// Writes frames made by [`framed`].
    pub fn send(&mut self, frames: &[u8]) {
        self.writer.write_all(frames).expect("sent");
    }

    /// Another hand that writes frames, for a thread that does not wait for answers.
    pub fn sender(&self) -> TcpStream {
        self.writer.try_clone().expect("cloned")
    }

    /// The next message; pings are skipped, for no run is as long as a server's patience with them.
    pub fn message(&mut self) -> &[u8] {
        while matches!(self.frame(), PING | PONG) {}
        &self.payload
    }

    /// Sends a WebSocket ping and reads up to its pong: the connection is alive.
    pub fn ping(&mut self, token: &[u8]) {
        self.send(&framed(PING, token));
        while self.frame() != PONG {}
        assert_eq!(self.payload, token, "a pong repeats its ping");
    }

    /// Whether another message can be read without waiting (a part of one counts).
    pub fn has_buffered(&self) -> bool {
        !self.reader.buffer().is_empty()
    }

    fn frame(&mut self) -> u8 {
        let mut head = [0; 2];
        self.reader.read_exact(&mut head).expect("a frame");
        assert!(head[0] & 0x80 != 0 && head[1] & 0x80 == 0, "whole and unmasked frames");
        let len = match head[1] {
            126 => {
                let mut len = [0; 2];
                self.reader.read_exact(&mut len).expect("a frame");
                usize::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                self.reader.read_exact(&mut len).expect("a frame");
                usize::try_from(u64::from_be_bytes(len)).expect("small")
            }
            len => usize::from(len),
        };
        self.payload.resize(len, 0);
        self.reader.read_exact(&mut self.payload).expect("a frame");
        let opcode = head[0] & 0x0f;
        assert!(opcode != 8, "the server closed: {}", String::from_utf8_lossy(&self.payload));
        opcode
    }
}
