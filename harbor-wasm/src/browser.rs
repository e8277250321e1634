//! What the browser gives every part: time, entropy, timers, listeners.

use crate::reflect;
use harbor_proto::time::{Instant, UnixMillis};
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::task::{Poll, Waker};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Event, EventTarget};

/// Milliseconds on the page's monotonic clock.
pub(crate) fn now() -> Instant {
    Instant(millis(precise_now()))
}

/// The same clock with its fraction.
pub(crate) fn precise_now() -> f64 {
    thread_local!(static PERFORMANCE: JsValue = reflect::global("performance"));
    PERFORMANCE
        .with(|performance| reflect::call(performance, "now", &[]))
        .ok()
        .and_then(|ms| ms.as_f64())
        .expect("every browser has performance.now")
}

/// Wall time as the device believes it to be.
pub(crate) fn wall() -> UnixMillis {
    UnixMillis(millis(js_sys::Date::now()))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clocks: positive, below 2^53")]
fn millis(ms: f64) -> u64 {
    ms as u64
}

/// Fills `out` from the operating system's random source.
pub(crate) fn entropy(out: &mut [u8]) {
    // getRandomValues refuses more than 65,536 bytes at a time; getrandom splits.
    getrandom::fill(out).expect("a secure context has crypto.getRandomValues");
}

/// `N` bytes from the operating system's random source.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    entropy(&mut out);
    out
}

/// Whether the person sees this page now.
pub(crate) fn hidden() -> bool {
    reflect::get(&reflect::global("document"), "hidden").as_bool().unwrap_or(false)
}

/// A listener that ends when dropped.
pub(crate) struct On {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn FnMut(Event)>,
}

impl On {
    /// Calls `f` for every `kind` event at `target`.
    pub(crate) fn new(target: &JsValue, kind: &'static str, f: impl FnMut(Event) + 'static) -> Self {
        let target: EventTarget = target.clone().unchecked_into();
        let closure = Closure::new(f);
        // Fails for something that is no EventTarget only, and then nothing would ever come from it.
        let _ = target.add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref());
        Self { target, kind, closure }
    }
}

impl Drop for On {
    fn drop(&mut self) {
        let _ =
            self.target.remove_event_listener_with_callback(self.kind, self.closure.as_ref().unchecked_ref());
    }
}

/// One alarm, set again and again.
pub(crate) struct Timer {
    ring: Closure<dyn FnMut()>,
    set: Cell<Option<(i32, Instant)>>,
}

/// Longer timeouts overflow in browsers and would fire at once.
const LONGEST_TIMEOUT_MS: u64 = (1 << 31) - 1;

impl Timer {
    /// Calls `f` each time the alarm rings.
    pub(crate) fn new(f: impl FnMut() + 'static) -> Self {
        Self { ring: Closure::new(f), set: Cell::new(None) }
    }

    /// Rings at `at` or a little later, or (hidden page, far future) earlier or much later; `None` stops it.
    pub(crate) fn set(&self, at: Option<Instant>) {
        if self.set.get().map(|(_, old)| old) == at && at.is_some() {
            return;
        }
        self.stop();
        let Some(at) = at else { return };
        // Rounded up, or the alarm rings a fraction before its time and has to be set again.
        let ms = (at.since(now()) + 1).min(LONGEST_TIMEOUT_MS);
        let window: web_sys::Window = js_sys::global().unchecked_into();
        let ms = i32::try_from(ms).unwrap_or(i32::MAX);
        let id = window
            .set_timeout_with_callback_and_timeout_and_arguments_0(self.ring.as_ref().unchecked_ref(), ms)
            .expect("a page can set timers");
        self.set.set(Some((id, at)));
    }

    /// To be called first when it rang: the alarm is spent.
    pub(crate) fn rang(&self) {
        self.set.set(None);
    }

    fn stop(&self) {
        if let Some((id, _)) = self.set.take() {
            let window: web_sys::Window = js_sys::global().unchecked_into();
            window.clear_timeout_with_handle(id);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits `ms`.
pub(crate) async fn sleep(ms: u64) {
    let (done, wait) = futures_channel::oneshot::channel::<()>();
    let done = Cell::new(Some(done));
    let timer = Timer::new(move || drop(done.take()));
    timer.set(Some(now().plus(ms)));
    // Dropping the sender is the signal.
    let _ = wait.await;
}

/// Wakes the one task that waits for work.
#[derive(Default)]
pub(crate) struct Signal {
    raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    pub(crate) fn raise(&self) {
        self.raised.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    pub(crate) async fn wait(&self) {
        poll_fn(|cx| {
            if self.raised.take() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
