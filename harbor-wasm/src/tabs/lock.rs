//! A Web Lock: at most one tab of the origin holds it; the browser frees it when the tab dies.

use crate::reflect;
use js_sys::{Function, Promise};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// How the lock is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// After everyone who asked before.
    InTurn,
    /// At once, whoever holds it.
    ByForce,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Granted,
    /// Another tab took it by force.
    Stolen,
}

/// A lock that was asked for. Dropping it gives it back or withdraws the question.
pub(super) struct Lock {
    release: Function,
    withdraw: JsValue,
    given_up: Rc<Cell<bool>>,
    _granted: Closure<dyn FnMut() -> Promise>,
}

impl Lock {
    /// Asks for `name`; `tell` hears of it at most twice.
    pub(super) fn ask(name: &str, manner: Manner, tell: impl Fn(Fate) + 'static) -> Result<Self, JsValue> {
        let release = Rc::new(RefCell::new(JsValue::UNDEFINED));
        let held = {
            let release = release.clone();
            Promise::new(&mut move |resolve, _| *release.borrow_mut() = resolve.into())
        };
        let release = release.take().dyn_into()?;
        let tell = Rc::new(tell);
        let holding = Rc::new(Cell::new(false));
        let granted = {
            let (tell, holding) = (tell.clone(), holding.clone());
            Closure::new(move || {
                holding.set(true);
                tell(Fate::Granted);
                held.clone()
            })
        };
        let withdraw = reflect::construct("AbortController", &[])?;
        let options = match manner {
            Manner::InTurn => reflect::object(&[("signal", &reflect::get(&withdraw, "signal"))]),
            Manner::ByForce => reflect::object(&[("steal", &true.into())]),
        };
        let locks = reflect::get(&reflect::global("navigator"), "locks");
        let over: Promise =
            reflect::call(&locks, "request", &[&name.into(), &options, granted.as_ref()])?.dyn_into()?;
        let given_up = Rc::new(Cell::new(false));
        let silent = given_up.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let taken = JsFuture::from(over).await.is_err();
            if taken && holding.get() && !silent.get() {
                tell(Fate::Stolen);
            }
        });
        Ok(Self { release, withdraw, given_up, _granted: granted })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.given_up.set(true);
        let _ = reflect::call(&self.withdraw, "abort", &[]);
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}
