//! The data channel of a direct connection.

use crate::browser::On;
use crate::drive::Feed;
use harbor_proto::endpoint::{Input, RtcId};
use js_sys::{ArrayBuffer, Uint8Array};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

/// Above this the browser's buffer is full enough; it fails hard at 16 MiB.
const HIGH_WATER: u32 = 1 << 20;
/// Below this it asks for more.
const LOW_WATER: u32 = 256 << 10;
/// Bytes kept here beyond the browser's buffer before the peer counts as gone.
const MAX_WAITING: usize = 48 << 20;

pub(super) struct Channel {
    state: Rc<State>,
    _on: [On; 5],
}

struct State {
    raw: RtcDataChannel,
    up: Cell<bool>,
    waiting: RefCell<VecDeque<Vec<u8>>>,
    waiting_bytes: Cell<usize>,
}

impl Channel {
    /// Reports `RtcUp` and frames to `feed`; calls `lose` when the channel ends.
    pub(super) fn new(raw: RtcDataChannel, rtc: RtcId, feed: Feed, lose: impl Fn() + 'static) -> Self {
        raw.set_binary_type(RtcDataChannelType::Arraybuffer);
        raw.set_buffered_amount_low_threshold(LOW_WATER);
        let state = Rc::new(State {
            raw: raw.clone(),
            up: Cell::new(false),
            waiting: RefCell::default(),
            waiting_bytes: Cell::new(0),
        });
        let lose = Rc::new(lose);
        let (up, opened) = (feed.clone(), state.clone());
        let open = On::new(&raw, "open", move |_| opened.report(&up, rtc));
        let message = On::new(&raw, "message", move |event| {
            let data = event.unchecked_into::<MessageEvent>().data();
            if let Some(buffer) = data.dyn_ref::<ArrayBuffer>() {
                feed(Input::RtcFrame { rtc, bytes: Uint8Array::new(buffer).to_vec() });
            }
        });
        let (drained, end) = (state.clone(), lose.clone());
        let low = On::new(&raw, "bufferedamountlow", move |_| {
            if !drained.flush() {
                end();
            }
        });
        let end = lose.clone();
        let close = On::new(&raw, "close", move |_| end());
        let error = On::new(&raw, "error", move |_| lose());
        Self { state, _on: [open, message, low, close, error] }
    }

    /// False when the peer takes no more and is to be given up.
    pub(super) fn send(&self, bytes: Vec<u8>) -> bool {
        let total = self.state.waiting_bytes.get() + bytes.len();
        self.state.waiting_bytes.set(total);
        self.state.waiting.borrow_mut().push_back(bytes);
        total <= MAX_WAITING && self.state.flush()
    }
}

impl State {
    fn report(&self, feed: &Feed, rtc: RtcId) {
        if !self.up.replace(true) {
            feed(Input::RtcUp { rtc });
        }
    }

    /// Hands the browser what it takes; false when it refuses.
    fn flush(&self) -> bool {
        if self.raw.ready_state() != RtcDataChannelState::Open {
            return false;
        }
        while self.raw.buffered_amount() < HIGH_WATER {
            let Some(next) = self.waiting.borrow_mut().pop_front() else { break };
            self.waiting_bytes.set(self.waiting_bytes.get() - next.len());
            if self.raw.send_with_u8_array(&next).is_err() {
                return false;
            }
        }
        true
    }
}
