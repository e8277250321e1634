//! The server's half of RFC 6455, as far as links need it: binary messages, ping, close.
//!
//! Written here rather than taken from a library because an idle connection of a library keeps its read
//! buffer (a kilobyte at the least, one system call per kilobyte when busy). This decoder reads into a
//! buffer that a thread's connections share and keeps nothing between messages.

use data_encoding::BASE64;
use harbor_proto::limits::MAX_FRAME;
use sha1::{Digest, Sha1};

/// The value of `Sec-WebSocket-Accept` for a client's `Sec-WebSocket-Key`.
pub(crate) fn accept_key(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

/// Status codes of RFC 6455 §7.4 that this server sends.
pub(crate) mod code {
    pub(crate) const NORMAL: u16 = 1000;
    pub(crate) const GOING_AWAY: u16 = 1001;
    pub(crate) const PROTOCOL: u16 = 1002;
    pub(crate) const UNSUPPORTED: u16 = 1003;
    pub(crate) const POLICY: u16 = 1008;
    pub(crate) const TOO_BIG: u16 = 1009;
    pub(crate) const TRY_LATER: u16 = 1013;
}

const BINARY: u8 = 0x2;
const TEXT: u8 = 0x1;
const CONTINUATION: u8 = 0x0;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xA;
/// Longest payload of a control frame.
const MAX_CONTROL: usize = 125;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// A whole binary message.
    Message(Vec<u8>),
    /// To be answered with [`pong`].
    Ping(Vec<u8>),
    /// The client ends the connection.
    Close,
}

/// The bytes are not what a client may send; the connection ends with this status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) u16);

/// Cuts what a client sends into messages. Holds nothing between messages, and at most one message and one
/// read while there is a part of one.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// Bytes of a frame that is not complete.
    partial: Vec<u8>,
    /// Payload of a message whose last fragment has not come.
    fragments: Option<Vec<u8>>,
}

struct Frame {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    payload: std::ops::Range<usize>,
}

impl Decoder {
    /// Takes the bytes of one read, unmasking them in place, and calls `sink` for everything complete.
    ///
    /// # Errors
    /// The client's: nothing after the fault is looked at.
    pub(crate) fn feed(&mut self, input: &mut [u8], sink: &mut impl FnMut(Event)) -> Result<(), Fault> {
        if self.partial.is_empty() {
            let used = self.frames(input, sink)?;
            self.partial.extend_from_slice(&input[used..]);
        } else {
            let mut bytes = std::mem::take(&mut self.partial);
            bytes.extend_from_slice(input);
            let used = self.frames(&mut bytes, sink)?;
            if used < bytes.len() {
                bytes.drain(..used);
                self.partial = bytes;
            }
        }
        Ok(())
    }

    /// Handles every complete frame and says how many bytes they took.
    fn frames(&mut self, bytes: &mut [u8], sink: &mut impl FnMut(Event)) -> Result<usize, Fault> {
        let mut used = 0;
        while let Some(frame) = header(&bytes[used..])? {
            let payload = used + frame.payload.start..used + frame.payload.end;
            if payload.end > bytes.len() {
                break;
            }
            used = payload.end;
            let payload = &mut bytes[payload];
            unmask(payload, frame.mask);
            self.frame(&frame, payload, sink)?;
        }
        Ok(used)
    }

    fn frame(&mut self, frame: &Frame, payload: &[u8], sink: &mut impl FnMut(Event)) -> Result<(), Fault> {
        match (frame.opcode, frame.fin, &mut self.fragments) {
            (BINARY, true, None) => sink(Event::Message(payload.to_vec())),
            (BINARY, false, None) => self.fragments = Some(payload.to_vec()),
            (CONTINUATION, fin, Some(message)) => {
                if message.len() + payload.len() > MAX_FRAME {
                    return Err(Fault(code::TOO_BIG));
                }
                message.extend_from_slice(payload);
                if fin {
                    sink(Event::Message(self.fragments.take().unwrap_or_default()));
                }
            }
            (TEXT, _, None) => return Err(Fault(code::UNSUPPORTED)),
            (CLOSE, true, _) => sink(Event::Close),
            (PING, true, _) => sink(Event::Ping(payload.to_vec())),
            (PONG, true, _) => {}
            _ => return Err(Fault(code::PROTOCOL)),
        }
        Ok(())
    }
}

/// Reads a frame's header; `None` while it is incomplete. `payload` may lie beyond the end.
fn header(bytes: &[u8]) -> Result<Option<Frame>, Fault> {
    let [first, second, rest @ ..] = bytes else { return Ok(None) };
    let (fin, opcode, short) = (first & 0x80 != 0, first & 0x0f, usize::from(second & 0x7f));
    // No extension was agreed on, and every client must mask.
    if first & 0x70 != 0 || second & 0x80 == 0 {
        return Err(Fault(code::PROTOCOL));
    }
    if opcode >= CLOSE && (!fin || short > MAX_CONTROL) {
        return Err(Fault(code::PROTOCOL));
    }
    let (len, extended) = match short {
        126 => match rest.first_chunk::<2>() {
            Some(len) => (u64::from(u16::from_be_bytes(*len)), 2),
            None => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(len) => (u64::from_be_bytes(*len), 8),
            None => return Ok(None),
        },
        len => (len as u64, 0),
    };
    let len = usize::try_from(len).ok().filter(|len| *len <= MAX_FRAME).ok_or(Fault(code::TOO_BIG))?;
    let Some(mask) = rest[extended..].first_chunk::<4>() else { return Ok(None) };
    let start = 2 + extended + 4;
    Ok(Some(Frame { fin, opcode, mask: *mask, payload: start..start + len }))
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let mut chunks = payload.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let mut word = [0; 8];
        word.copy_from_slice(chunk);
        chunk.copy_from_slice(&(u64::from_ne_bytes(word) ^ wide).to_ne_bytes());
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(mask.iter().cycle()) {
        *byte ^= key;
    }
}

/// Bytes that [`binary`] adds to a payload of `len`.
pub(crate) fn overhead(len: usize) -> usize {
    match len {
        0..=125 => 2,
        126..=0xffff => 4,
        _ => 10,
    }
}

fn frame(opcode: u8, payload: &[u8], out: &mut Vec<u8>) {
    out.push(0x80 | opcode);
    match payload.len() {
        len @ 0..=125 => out.push(len as u8),
        len @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}

/// Appends a binary message.
pub(crate) fn binary(payload: &[u8], out: &mut Vec<u8>) {
    frame(BINARY, payload, out);
}

/// Appends the answer to a ping.
pub(crate) fn pong(payload: &[u8], out: &mut Vec<u8>) {
    frame(PONG, payload, out);
}

/// Appends the end of the connection. `reason` is cut to what a control frame holds.
pub(crate) fn close(code: u16, reason: &str, out: &mut Vec<u8>) {
    let mut payload = code.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.len().min(MAX_CONTROL - 2)]);
    frame(CLOSE, &payload, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        frame(first & 0x0f, payload, &mut out);
        out[0] = first;
        out[1] |= 0x80;
        let mask = [1, 2, 3, 250];
        let at = out.len() - payload.len();
        out.splice(at..at, mask);
        unmask(&mut out[at + 4..], mask);
        out
    }

    fn all(bytes: &[u8], step: usize) -> (Vec<Event>, Result<(), Fault>) {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for part in bytes.to_vec().chunks_mut(step) {
            if let Err(fault) = decoder.feed(part, &mut |event| events.push(event)) {
                return (events, Err(fault));
            }
        }
        assert!(
            decoder.partial.is_empty() && decoder.partial.capacity() == 0,
            "nothing is kept between messages"
        );
        (events, Ok(()))
    }

    #[test]
    fn the_key_of_the_rfc() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn messages_of_every_length_in_pieces_of_every_size() {
        for len in [0, 1, 7, 8, 125, 126, 127, 1024, 65_535, 65_536, MAX_FRAME] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
            let mut bytes = masked(0x82, &payload);
            bytes.extend_from_slice(&masked(0x89, b"now"));
            let steps: &[usize] = if len < 2000 { &[1, 2, 3, 5, 1000] } else { &[1000, 65_536] };
            for step in steps {
                let (events, end) = all(&bytes, *step);
                assert_eq!(end, Ok(()));
                assert_eq!(events, [Event::Message(payload.clone()), Event::Ping(b"now".to_vec())]);
            }
        }
    }

    #[test]
    fn fragments_with_a_ping_between_them() {
        let bytes = [masked(0x02, b"ab"), masked(0x89, b""), masked(0x00, b"c"), masked(0x80, b"d")].concat();
        let (events, end) = all(&bytes, 3);
        assert_eq!((events, end), (vec![Event::Ping(vec![]), Event::Message(b"abcd".to_vec())], Ok(())));
    }

    #[test]
    fn what_no_client_may_send() {
        let big = vec![0; MAX_FRAME];
        let cases = [
            ("text", masked(0x81, b"hello"), code::UNSUPPORTED),
            ("fragmented text", masked(0x01, b"hello"), code::UNSUPPORTED),
            ("a reserved bit", masked(0xC2, b""), code::PROTOCOL),
            ("an unknown opcode", masked(0x83, b""), code::PROTOCOL),
            ("an unknown control opcode", masked(0x8B, b""), code::PROTOCOL),
            ("continuation of nothing", masked(0x80, b""), code::PROTOCOL),
            ("a second start", [masked(0x02, b"a"), masked(0x82, b"b")].concat(), code::PROTOCOL),
            ("text inside a message", [masked(0x02, b"a"), masked(0x81, b"b")].concat(), code::PROTOCOL),
            ("a fragmented ping", masked(0x09, b""), code::PROTOCOL),
            ("a long ping", masked(0x89, &[0; 126]), code::PROTOCOL),
            ("no mask", vec![0x82, 0x01, 0x00], code::PROTOCOL),
            ("too large", masked(0x82, &vec![0; MAX_FRAME + 1]), code::TOO_BIG),
            ("too large in parts", [masked(0x02, &big), masked(0x80, b"x")].concat(), code::TOO_BIG),
            ("a length of 2^63", [&[0x82, 0xff, 0x80][..], &[0; 7]].concat(), code::TOO_BIG),
        ];
        for (what, bytes, code) in cases {
            assert_eq!(all(&bytes, 4096).1, Err(Fault(code)), "{what}");
        }
    }

    #[test]
    fn no_bytes_make_it_panic_or_hoard() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let mut decoder = Decoder::default();
            for _ in 0..random() % 8 {
                let mut bytes: Vec<u8> = (0..random() % 300).map(|_| random() as u8).collect();
                // Often enough a header that is none the worse for its origin.
                if let [first, second, ..] = &mut bytes[..] {
                    *first &= 0x8f;
                    *second |= 0x80;
                }
                let mut whole = 0;
                let fed = decoder.feed(&mut bytes, &mut |event| {
                    if let Event::Message(message) | Event::Ping(message) = event {
                        whole += message.len();
                    }
                });
                assert!(whole <= 8 * 300);
                if fed.is_err() {
                    break;
                }
                assert!(decoder.partial.len() <= 8 * 300);
            }
        }
    }

    #[test]
    fn an_endless_promise_holds_no_memory() {
        let mut decoder = Decoder::default();
        let mut start = masked(0x82, &vec![0; MAX_FRAME])[..20].to_vec();
        decoder.feed(&mut start, &mut |_| unreachable!()).expect("a start is no fault");
        assert!(decoder.partial.capacity() < 64, "room is taken for what came, not for what is promised");
    }

    #[test]
    fn what_is_sent_is_framed() {
        for len in [0, 125, 126, 65_535, 65_536] {
            let mut out = Vec::new();
            binary(&vec![7; len], &mut out);
            assert_eq!(out.len(), len + overhead(len));
        }
        let mut out = Vec::new();
        close(code::TRY_LATER, "slow", &mut out);
        assert_eq!(out, [&[0x88, 6, 0x03, 0xf5][..], b"slow"].concat());
    }
}
