//! The one shape of every state machine in Harbor.

use crate::time::Instant;

/// A sans-IO state machine: facts in, instructions out, time as an argument.
///
/// The caller feeds one fact, drains [`poll_output`](Machine::poll_output) to `None`, then sleeps until
/// [`poll_timeout`](Machine::poll_timeout) or the next fact. Outputs come in one order and are to be carried
/// out in that order: an output that persists always precedes the transmission that depends on it.
pub trait Machine {
    /// A fact: bytes that came in, a command, the result of slow work.
    type Input;
    /// An instruction: bytes to send, records to persist, slow work to start.
    type Output;

    /// Takes one fact. `now` never goes back.
    fn handle_input(&mut self, input: Self::Input, now: Instant);
    /// Lets due timers fire. Early or repeated calls are harmless.
    fn handle_timeout(&mut self, now: Instant);
    /// The next instruction; `None` when drained.
    fn poll_output(&mut self) -> Option<Self::Output>;
    /// When [`handle_timeout`](Machine::handle_timeout) wants to be called next; `None` while idle.
    fn poll_timeout(&self) -> Option<Instant>;
}
