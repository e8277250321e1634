//! Work stamps, solved off the thread that draws the page.
//!
//! The worker gets this very module, compiled already, and calls its one plain export: numbers in, a number
//! out, so it needs no glue, no address of a file and no second download. Where no worker may start (a content
//! policy without `worker-src blob:`, an old browser) the search runs here in slices too short to be noticed.

use crate::browser::{self, On, Timer};
use crate::drive::Feed;
use crate::reflect;
use harbor_proto::endpoint::{Input, StampId};
use harbor_proto::id::PacketId;
use harbor_proto::work::Solver;
use js_sys::{Array, Function};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::{Rc, Weak};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// What the worker runs; also a file of the npm package.
const WORKER: &str = include_str!("../js/stamp-worker.js");
/// Longest slice on the page's own thread, ms: a quarter of a frame.
const SLICE_MS: f64 = 4.0;
/// Nonces between two looks at the clock, about a tenth of a millisecond.
const TRIES: u32 = 256;

/// Tries `tries` nonces from `first` on; `u64::MAX` when none of them solves the stamp. The packet's id comes
/// as four big-endian numbers: only numbers cross without the glue.
#[wasm_bindgen]
#[must_use]
#[expect(clippy::too_many_arguments, reason = "numbers alone cross into a worker without glue")]
pub fn harbor_stamp(a: u64, b: u64, c: u64, d: u64, hour: u32, bits: u32, first: u64, tries: u32) -> u64 {
    let mut packet = [0; 32];
    for (to, from) in packet.chunks_exact_mut(8).zip([a, b, c, d]) {
        to.copy_from_slice(&from.to_be_bytes());
    }
    let bits = u8::try_from(bits).unwrap_or(u8::MAX);
    Solver::new(&PacketId(packet), hour, bits).starting_at(first).step(tries).unwrap_or(u64::MAX)
}

thread_local! {
    static SPAWNER: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Sets how the stamp worker is started: a function that returns a `Worker` running `js/stamp-worker.js`.
/// Without one, or when it throws, the worker comes from a blob.
pub fn set_worker_spawner(spawner: Function) {
    SPAWNER.set(Some(spawner));
}

/// The searches of one machine, first come, first served.
pub(crate) struct Stamps {
    inner: Rc<Inner>,
}

struct Inner {
    queue: RefCell<VecDeque<Job>>,
    place: RefCell<Place>,
    feed: Feed,
}

struct Job {
    stamp: StampId,
    packet: PacketId,
    hour: u32,
    bits: u8,
    solver: Solver,
}

/// Where the search runs.
enum Place {
    /// Not needed yet.
    Nowhere,
    /// In a worker that has not said so yet.
    Starting(Worker),
    Worker(Worker),
    /// On this thread.
    Here(Timer),
}

struct Worker {
    raw: JsValue,
    _on: [On; 2],
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = reflect::call(&self.raw, "terminate", &[]);
    }
}

impl Stamps {
    pub(crate) fn new(feed: Feed) -> Self {
        let inner = Inner { queue: RefCell::default(), place: RefCell::new(Place::Nowhere), feed };
        Self { inner: Rc::new(inner) }
    }

    /// Starts a search; `Solved` follows.
    pub(crate) fn solve(&self, stamp: StampId, packet: PacketId, hour: u32, bits: u8) {
        let solver = Solver::new(&packet, hour, bits);
        self.inner.queue.borrow_mut().push_back(Job { stamp, packet, hour, bits, solver });
        let nowhere = matches!(*self.inner.place.borrow(), Place::Nowhere);
        if nowhere {
            self.inner.start_worker();
        } else if self.inner.queue.borrow().len() == 1 {
            self.inner.start_job();
        }
    }

    pub(crate) fn cancel(&self, stamp: StampId) {
        let current = self.inner.queue.borrow().front().is_some_and(|job| job.stamp == stamp);
        self.inner.queue.borrow_mut().retain(|job| job.stamp != stamp);
        if current {
            self.inner.start_job();
        }
    }

    pub(crate) fn cancel_all(&self) {
        self.inner.queue.borrow_mut().clear();
        let place = self.inner.place.replace(Place::Nowhere);
        drop(place);
    }
}

impl Inner {
    fn start_worker(self: &Rc<Self>) {
        let place = spawn().map_or_else(|_| self.here(), |raw| Place::Starting(self.attach(raw)));
        *self.place.borrow_mut() = place;
        self.start_job();
    }

    /// Gives the worker its module and listens.
    fn attach(self: &Rc<Self>, raw: JsValue) -> Worker {
        let weak: Weak<Self> = Rc::downgrade(self);
        let message = On::new(&raw, "message", move |event| {
            if let Some(inner) = weak.upgrade() {
                inner.heard(&reflect::get(&event, "data"));
            }
        });
        let weak: Weak<Self> = Rc::downgrade(self);
        let error = On::new(&raw, "error", move |event| {
            event.prevent_default();
            if let Some(inner) = weak.upgrade() {
                inner.give_up_worker();
            }
        });
        let init = reflect::object(&[("module", &wasm_bindgen::module())]);
        // A module that cannot be cloned shows as silence; nothing was posted, so the search runs here.
        if reflect::call(&raw, "postMessage", &[&init]).is_err() {
            let weak = Rc::downgrade(self);
            wasm_bindgen_futures::spawn_local(async move {
                if let Some(inner) = weak.upgrade() {
                    inner.give_up_worker();
                }
            });
        }
        Worker { raw, _on: [message, error] }
    }

    fn here(self: &Rc<Self>) -> Place {
        let weak: Weak<Self> = Rc::downgrade(self);
        Place::Here(Timer::new(move || {
            if let Some(inner) = weak.upgrade() {
                inner.slice();
            }
        }))
    }

    fn give_up_worker(self: &Rc<Self>) {
        let gone = self.place.replace(self.here());
        drop(gone);
        self.start_job();
    }

    /// `{ ready }` once, `{ failed }` perhaps, `{ stamp, nonce }` for every search that found something.
    fn heard(self: &Rc<Self>, data: &JsValue) {
        if reflect::get(data, "failed").is_truthy() {
            self.give_up_worker();
        } else if reflect::get(data, "ready").is_truthy() {
            let place = self.place.replace(Place::Nowhere);
            *self.place.borrow_mut() = match place {
                Place::Starting(worker) => Place::Worker(worker),
                other => other,
            };
            self.start_job();
        } else {
            let number = |name| u64::try_from(reflect::get(data, name)).ok();
            if let (Some(stamp), Some(nonce)) = (number("stamp"), number("nonce")) {
                self.found(StampId(stamp), nonce);
            }
        }
    }

    fn found(self: &Rc<Self>, stamp: StampId, nonce: u64) {
        let current = self.queue.borrow().front().is_some_and(|job| job.stamp == stamp);
        // A cancelled search may have ended just before it heard so.
        if current {
            self.queue.borrow_mut().pop_front();
            self.start_job();
            (self.feed)(Input::Solved { stamp, nonce });
        }
    }

    /// Sets the first job of the queue going; an empty queue stops what runs.
    fn start_job(&self) {
        match &*self.place.borrow() {
            Place::Nowhere | Place::Starting(_) => {}
            Place::Worker(worker) => {
                let job = self.queue.borrow().front().map_or(JsValue::NULL, job_message);
                let _ = reflect::call(&worker.raw, "postMessage", &[&reflect::object(&[("job", &job)])]);
            }
            Place::Here(timer) => {
                let idle = self.queue.borrow().is_empty();
                timer.set((!idle).then(browser::now));
            }
        }
    }

    /// A few milliseconds of search on this thread.
    fn slice(self: &Rc<Self>) {
        if let Place::Here(timer) = &*self.place.borrow() {
            timer.rang();
        }
        let end = browser::precise_now() + SLICE_MS;
        while browser::precise_now() < end {
            let step = self.queue.borrow_mut().front_mut().map(|job| (job.stamp, job.solver.step(TRIES)));
            match step {
                None => return,
                Some((stamp, Some(nonce))) => return self.found(stamp, nonce),
                Some((_, None)) => {}
            }
        }
        self.start_job();
    }
}

/// What the worker needs for one search.
fn job_message(job: &Job) -> JsValue {
    let words: Array = job
        .packet
        .0
        .chunks_exact(8)
        .map(|w| JsValue::from(u64::from_be_bytes(w.try_into().expect("chunks of eight"))))
        .collect();
    let fields = [
        ("stamp", &JsValue::from(job.stamp.0)),
        ("packet", &words),
        ("hour", &job.hour.into()),
        ("bits", &job.bits.into()),
    ];
    reflect::object(&fields).into()
}

fn spawn() -> Result<JsValue, JsValue> {
    let given = SPAWNER.with_borrow(Clone::clone);
    match given.map(|f| f.call0(&JsValue::UNDEFINED)) {
        Some(Ok(worker)) => Ok(worker),
        _ => spawn_blob(),
    }
}

fn spawn_blob() -> Result<JsValue, JsValue> {
    let kind = reflect::object(&[("type", &"text/javascript".into())]);
    let blob = reflect::construct("Blob", &[&Array::of1(&WORKER.into()), &kind])?;
    let url = reflect::call(&reflect::global("URL"), "createObjectURL", &[&blob])?;
    let worker = reflect::construct("Worker", &[&url]);
    // The worker has its own reference to the blob by now.
    reflect::call(&reflect::global("URL"), "revokeObjectURL", &[&url])?;
    worker.map(JsCast::unchecked_into)
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests;
