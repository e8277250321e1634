//! What the tests in the browser share.

use crate::browser::{self, Signal};
use crate::drive::Core;
use harbor_proto::endpoint::{Input, Output};
use harbor_proto::machine::Machine;
use harbor_proto::time::Instant;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A namespace no other test uses.
pub(crate) fn fresh_namespace() -> String {
    format!("test-{:x}", u64::from_be_bytes(browser::random()))
}

/// Things that happened, and somebody who waits for them.
pub(crate) struct Heard<T> {
    list: Rc<RefCell<Vec<T>>>,
    more: Rc<Signal>,
}

impl<T> Clone for Heard<T> {
    fn clone(&self) -> Self {
        Self { list: self.list.clone(), more: self.more.clone() }
    }
}

impl<T: 'static> Heard<T> {
    pub(crate) fn new() -> Self {
        Self { list: Rc::default(), more: Rc::default() }
    }

    pub(crate) fn add(&self, thing: T) {
        self.list.borrow_mut().push(thing);
        self.more.raise();
    }

    /// The first thing that `pick` takes, removed, as soon as it is there.
    pub(crate) async fn wait<R>(&self, mut pick: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            let found = self.list.borrow().iter().enumerate().find_map(|(i, thing)| Some((i, pick(thing)?)));
            if let Some((i, result)) = found {
                self.list.borrow_mut().remove(i);
                return result;
            }
            self.more.wait().await;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.borrow().len()
    }
}

/// What a fake machine does with a fact: the outputs it wants.
type Rule = Box<dyn FnMut(Input) -> Vec<Output>>;

/// A machine that follows a rule.
pub(crate) struct Fake {
    rule: Rule,
    outputs: VecDeque<Output>,
    alarm: Option<Instant>,
}

impl Fake {
    pub(crate) fn core(rule: impl FnMut(Input) -> Vec<Output> + 'static) -> Core {
        Box::new(Self { rule: Box::new(rule), outputs: VecDeque::new(), alarm: None })
    }

    /// One that also wants to be called at `alarm`; it hears of it as `Input::Network { online: true }`.
    pub(crate) fn with_alarm(alarm: Instant, rule: impl FnMut(Input) -> Vec<Output> + 'static) -> Core {
        Box::new(Self { rule: Box::new(rule), outputs: VecDeque::new(), alarm: Some(alarm) })
    }
}

impl Machine for Fake {
    type Input = Input;
    type Output = Output;

    fn handle_input(&mut self, input: Input, _: Instant) {
        self.outputs.extend((self.rule)(input));
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.alarm.is_some_and(|at| at <= now) {
            self.alarm = None;
            self.outputs.extend((self.rule)(Input::Network { online: true }));
        }
    }

    fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.alarm
    }
}
