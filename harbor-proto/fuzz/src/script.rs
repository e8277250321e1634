//! Fuzz input read as a script.

use harbor_proto::wire::link::{Cursor, Slot};

/// The log that honest cursors name.
pub const LOG: [u8; 16] = [9; 16];

/// The input, read from the front; zeros when it is at its end.
pub struct Script<'a>(pub &'a [u8]);

impl<'a> Script<'a> {
    pub fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::from(self.byte()) % bound.max(1)
    }

    pub fn slot(&mut self) -> Slot {
        Slot::from(self.byte() % 6)
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A length byte and that many bytes.
    pub fn bytes(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()).min(self.0.len());
        let (head, rest) = self.0.split_at(len);
        self.0 = rest;
        head
    }

    pub fn cursor(&mut self) -> Cursor {
        match self.byte() {
            255 => Cursor { log: [1; 16], seq: 5 },
            seq => Cursor { log: LOG, seq: u64::from(seq % 32) },
        }
    }
}
