//! What tabs tell each other.
//!
//! Spec: docs/spec/at-rest.md §6.

use crate::browser::On;
use crate::reflect;
use harbor_proto::endpoint::{Command, CommandError, Event, Reply};
use harbor_proto::wire::Wire;
use harbor_proto::wire_enum;
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};

/// A tab, by 16 random bytes.
pub(super) type TabId = [u8; 16];

wire_enum! {
    /// One message on the channel of a namespace.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(super) enum Note {
        /// Who owns?
        Hello = 1,
        /// I do; generation 0 while it starts.
        Alive = 2 { generation: u64 },
        /// Carry this out, if you are the owner I mean.
        Ask = 3 { tab: TabId, id: u64, generation: u64, command: Command },
        Answer = 4 { tab: TabId, id: u64, outcome: Outcome },
        Told = 5 { generation: u64, event: Event },
    }
}

wire_enum! {
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub(super) enum Outcome {
        Gave = 1 { reply: Reply },
        Failed = 2 { why: CommandError },
    }
}

impl From<Result<Reply, CommandError>> for Outcome {
    fn from(result: Result<Reply, CommandError>) -> Self {
        match result {
            Ok(reply) => Self::Gave { reply },
            Err(why) => Self::Failed { why },
        }
    }
}

impl From<Outcome> for Result<Reply, CommandError> {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Gave { reply } => Ok(reply),
            Outcome::Failed { why } => Err(why),
        }
    }
}

/// The namespace's BroadcastChannel: everyone hears but the speaker.
pub(super) struct Channel {
    raw: JsValue,
    _on: On,
}

impl Channel {
    /// Joins the channel `name`. What is no note (a tab with another version of the code) is left out.
    pub(super) fn join(name: &str, hear: impl Fn(Note) + 'static) -> Result<Self, JsValue> {
        let raw = reflect::construct("BroadcastChannel", &[&name.into()])?;
        let on = On::new(&raw, "message", move |event| {
            let data = reflect::get(&event, "data");
            let note = data.dyn_ref::<Uint8Array>().map(|bytes| Note::from_bytes(&bytes.to_vec()));
            if let Some(Ok(note)) = note {
                hear(note);
            }
        });
        Ok(Self { raw, _on: on })
    }

    pub(super) fn say(&self, note: &Note) {
        // Fails when closed only, and then nobody is to hear.
        let _ = reflect::call(&self.raw, "postMessage", &[&Uint8Array::from(&note.to_bytes()[..])]);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let _ = reflect::call(&self.raw, "close", &[]);
    }
}
