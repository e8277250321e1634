//! The tab that runs the machine.

use super::note::{Note, Outcome, TabId};
use super::{Role, Tabs, command_error};
use crate::browser;
use crate::drive::{Drive, Said, Stop, Surroundings};
use crate::store::StoreError;
use harbor_proto::endpoint::{Command, CommandError, CommandId, Reply};
use litemap::LiteMap;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Shown as generation by an owner whose storage fails.
pub(super) const PAUSED: u64 = u64::MAX;
/// First and last pause before an owner whose storage failed starts again, ms.
const RESTART_MS: (u64, u64) = (5_000, 60_000);

/// A running machine and who waits for what.
pub(super) struct Owner {
    pub(super) drive: Rc<Drive>,
    pub(super) generation: u64,
    open: Open,
}

/// Commands given to the machine and not answered yet.
#[derive(Default)]
struct Commands {
    next: Cell<u64>,
    from: RefCell<LiteMap<CommandId, (TabId, u64)>>,
}

type Open = Rc<Commands>;

impl Owner {
    /// Gives the machine a command of a tab, once.
    pub(super) fn take_on(&self, tab: TabId, id: u64, command: Command) {
        if self.open.from.borrow().values().any(|from| *from == (tab, id)) {
            return;
        }
        let number = CommandId(self.open.next.get());
        self.open.next.set(number.0 + 1);
        self.open.from.borrow_mut().insert(number, (tab, id));
        self.drive.command(number, command);
    }
}

impl Tabs {
    /// The lock is this tab's: from the disk to a running machine.
    pub(super) fn start_owning(self: &Rc<Self>) {
        *self.role.borrow_mut() = Role::Starting;
        self.show_life();
        let attempt = self.attempt.get() + 1;
        self.attempt.set(attempt);
        let tabs = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let mut pause = RESTART_MS.0;
            while let Err(why) = tabs.try_to_own(attempt).await {
                tabs.pause(command_error(why));
                if why == StoreError::Lost || !tabs.wait_and_start_again(pause).await {
                    return;
                }
                pause = (pause * 2).min(RESTART_MS.1);
            }
        });
    }

    async fn try_to_own(self: &Rc<Self>, attempt: u64) -> Result<(), StoreError> {
        let generation = self.store.claim().await?;
        let records = self.store.load().await?;
        // The lock may have been taken meanwhile.
        if self.attempt.get() != attempt || !matches!(*self.role.borrow(), Role::Starting) {
            return Ok(());
        }
        let core = (self.means.make)(records).ok_or(StoreError::Lost)?;
        let around = Surroundings {
            store: self.store.clone(),
            generation,
            nodes: self.means.nodes.clone(),
            ice_servers: self.means.ice_servers.clone(),
        };
        let open = Open::default();
        let (weak, answers) = (Rc::downgrade(self), open.clone());
        let drive = Drive::start(core, around, move |said| {
            if let Some(tabs) = weak.upgrade() {
                tabs.machine_said(generation, &answers, said);
            }
        });
        *self.role.borrow_mut() = Role::Owning(Rc::new(Owner { drive, generation, open }));
        self.settled.raise();
        self.show_life();
        self.give_all();
        Ok(())
    }

    /// False when the lock is no longer this tab's.
    async fn wait_and_start_again(&self, pause: u64) -> bool {
        browser::sleep(pause).await;
        let paused = matches!(*self.role.borrow(), Role::Paused(_));
        if paused {
            *self.role.borrow_mut() = Role::Starting;
        }
        paused
    }

    /// Refuses everything with the reason, until the machine runs again.
    fn pause(self: &Rc<Self>, why: CommandError) {
        if matches!(*self.role.borrow(), Role::Starting | Role::Owning(_)) {
            *self.role.borrow_mut() = Role::Paused(why);
            self.settled.raise();
            self.show_life();
            self.give_all();
        }
    }

    fn machine_said(self: &Rc<Self>, generation: u64, open: &Open, said: Said) {
        match said {
            Said::Event(event) => self.tell(generation, event),
            Said::Reply { id, result } => {
                let from = open.from.borrow_mut().remove(&id);
                if let Some((tab, id)) = from {
                    self.answer(tab, id, result);
                }
            }
            Said::Stopped(Stop::Storage(StoreError::Superseded)) => self.step_down(),
            Said::Stopped(why) => self.machine_stopped(open, why),
        }
    }

    /// Every open command fails with the reason; the machine starts again from the disk after a pause.
    fn machine_stopped(self: &Rc<Self>, open: &Open, why: Stop) {
        let error = match why {
            Stop::Storage(why) => command_error(why),
            Stop::Crashed => CommandError::Crashed,
        };
        for (_, (tab, id)) in open.from.take() {
            self.answer(tab, id, Err(error));
        }
        if why == Stop::Crashed {
            // After a panic this page's memory is not to be trusted: another tab may do better.
            return self.close();
        }
        self.pause(error);
        if error == CommandError::StorageLost {
            return;
        }
        let tabs = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            if tabs.wait_and_start_again(RESTART_MS.0).await {
                tabs.start_owning();
            }
        });
    }

    fn answer(&self, tab: TabId, id: u64, result: Result<Reply, CommandError>) {
        if tab == self.me {
            self.answered(id, result);
        } else {
            self.say(&Note::Answer { tab, id, outcome: Outcome::from(result) });
        }
    }
}
