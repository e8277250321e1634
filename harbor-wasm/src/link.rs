//! Links to nodes: one WebSocket each, binary messages. When to dial is the machine's affair.
//!
//! Spec: docs/spec/link.md §1.

use crate::browser::On;
use crate::drive::Feed;
use harbor_proto::endpoint::{Input, LinkId};
use js_sys::{ArrayBuffer, Uint8Array};
use litemap::LiteMap;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use web_sys::{BinaryType, MessageEvent, WebSocket};

/// Bytes a socket may hold unsent. The machine keeps at most 512 requests of 64 KiB under way; a socket with
/// more than that is not a slow node but a dead one.
const MAX_BUFFERED: u32 = 48 << 20;

type Open = Rc<RefCell<LiteMap<LinkId, Link>>>;

/// The links of one machine.
pub(crate) struct Links {
    urls: Vec<String>,
    open: Open,
    feed: Feed,
}

struct Link {
    socket: WebSocket,
    _on: [On; 3],
}

impl Drop for Link {
    fn drop(&mut self) {
        // The listeners are gone first or with it: nobody hears of this close.
        let _ = self.socket.close();
    }
}

impl Links {
    pub(crate) fn new(urls: Vec<String>, feed: Feed) -> Self {
        Self { urls, open: Open::default(), feed }
    }

    /// Opens a socket; `LinkUp` or `LinkDown` follows.
    pub(crate) fn dial(&self, link: LinkId) {
        self.hang_up(link);
        let url = usize::try_from(link.0).ok().and_then(|i| self.urls.get(i));
        match url.and_then(|url| WebSocket::new(url).ok()) {
            Some(socket) => {
                socket.set_binary_type(BinaryType::Arraybuffer);
                let on = self.listen(link, &socket);
                self.open.borrow_mut().insert(link, Link { socket, _on: on });
            }
            None => (self.feed)(Input::LinkDown { link }),
        }
    }

    fn listen(&self, link: LinkId, socket: &WebSocket) -> [On; 3] {
        let up = self.feed.clone();
        let opened = On::new(socket, "open", move |_| up(Input::LinkUp { link }));
        let (open, feed) = (self.open.clone(), self.feed.clone());
        let message = On::new(socket, "message", move |event| {
            let data = event.unchecked_into::<MessageEvent>().data();
            match data.dyn_ref::<ArrayBuffer>() {
                Some(buffer) => {
                    feed(Input::LinkFrame { link, bytes: Uint8Array::new(buffer).to_vec() });
                }
                // A node never sends text: whatever this is, it does not speak the protocol.
                None => lose(&open, &feed, link),
            }
        });
        let (open, feed) = (self.open.clone(), self.feed.clone());
        // An error is always followed by a close.
        let closed = On::new(socket, "close", move |_| lose(&open, &feed, link));
        [opened, message, closed]
    }

    /// Closes the link without `LinkDown`.
    pub(crate) fn hang_up(&self, link: LinkId) {
        let gone = self.open.borrow_mut().remove(&link);
        drop(gone);
    }

    pub(crate) fn close_all(&self) {
        drop(self.open.take());
    }

    /// Sends a frame; a link that is down has been or will be reported.
    pub(crate) fn send(&self, link: LinkId, bytes: &[u8]) {
        let Some(socket) = self.open.borrow().get(&link).map(|l| l.socket.clone()) else { return };
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let full = socket.buffered_amount().saturating_add(len) > MAX_BUFFERED;
        if full || socket.send_with_u8_array(bytes).is_err() {
            lose(&self.open, &self.feed, link);
        }
    }
}

/// Forgets the link and says so, once.
fn lose(open: &Open, feed: &Feed, link: LinkId) {
    let gone = open.borrow_mut().remove(&link);
    if gone.is_some() {
        drop(gone);
        feed(Input::LinkDown { link });
    }
}
