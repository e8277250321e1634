//! Who watches which mailbox, and how far each watcher has got.
//!
//! Spec: docs/spec/mailbox.md §6. A watcher reads its backlog in pages and then lives on pushes. Packets
//! that are appended while a page is being read are not queued: the watcher remembers only the newest of
//! their numbers and reads once more if the page did not reach it. So nothing is lost, doubled or out of
//! order whichever way appends and pages overtake each other, and a slow disk costs no memory.

use crate::id::HarborId;
use crate::limits::MAILBOX_WATCHERS;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// One watch of one mailbox.
#[derive(Clone, Debug)]
pub struct Watcher<K, J> {
    key: K,
    /// Number of the last packet handed to it.
    sent: u64,
    phase: Phase<J>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase<J> {
    /// The next page is still to be asked for.
    Waiting,
    /// `job` reads a page; `newest` is the greatest number appended meanwhile.
    Reading { job: J, newest: u64 },
    /// Everything stored was handed over; pushes follow.
    Live,
}

impl<K: Copy, J> Watcher<K, J> {
    /// Whose watch it is.
    #[must_use]
    pub fn key(&self) -> K {
        self.key
    }
}

/// What became of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Queued for the watcher.
    Taken,
    /// The watcher has no room: its watch ends.
    Lagged,
}

/// What to do after a page was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterPage {
    /// More is stored: ask for the next page.
    Read,
    /// The backlog is through at this number; pushes follow.
    Live(u64),
}

/// The mailbox has [`MAILBOX_WATCHERS`] watchers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatcherLimit;

/// All watches of a node. `K` names a watch, `J` the job that reads a page for it.
#[derive(Clone, Debug)]
pub struct WatchLists<K, J> {
    /// Sorted by key within each mailbox; no empty list is kept.
    mailboxes: BTreeMap<HarborId, Vec<Watcher<K, J>>>,
    len: usize,
}

impl<K, J> Default for WatchLists<K, J> {
    fn default() -> Self {
        Self { mailboxes: BTreeMap::new(), len: 0 }
    }
}

impl<K: Copy + Ord, J: Copy + Eq> WatchLists<K, J> {
    /// Number of watches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nobody watches anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those who watch `mailbox` now, in the order of their keys.
    #[must_use]
    pub fn of(&self, mailbox: &HarborId) -> &[Watcher<K, J>] {
        self.mailboxes.get(mailbox).map_or(&[], Vec::as_slice)
    }

    /// Starts a watch behind packet number `after`, in place of an earlier one of the same key.
    ///
    /// # Errors
    /// [`WatcherLimit`]; an earlier watch of the key goes on.
    pub fn start(&mut self, mailbox: HarborId, key: K, after: u64) -> Result<(), WatcherLimit> {
        let list = self.mailboxes.entry(mailbox).or_default();
        let watcher = Watcher { key, sent: after, phase: Phase::Waiting };
        match list.binary_search_by_key(&key, |w| w.key) {
            Ok(at) => list[at] = watcher,
            Err(_) if list.len() >= MAILBOX_WATCHERS => return Err(WatcherLimit),
            Err(at) => {
                list.insert(at, watcher);
                self.len += 1;
            }
        }
        Ok(())
    }

    /// Ends a watch; true when there was one.
    pub fn stop(&mut self, mailbox: &HarborId, key: K) -> bool {
        let Some(list) = self.mailboxes.get_mut(mailbox) else { return false };
        let Ok(at) = list.binary_search_by_key(&key, |w| w.key) else { return false };
        list.remove(at);
        self.len -= 1;
        if list.is_empty() {
            self.mailboxes.remove(mailbox);
        }
        true
    }

    /// Where the next page begins, when the watch waits for one.
    #[must_use]
    pub fn waits_after(&self, mailbox: &HarborId, key: K) -> Option<u64> {
        let list = self.mailboxes.get(mailbox)?;
        let watcher = &list[list.binary_search_by_key(&key, |w| w.key).ok()?];
        (watcher.phase == Phase::Waiting).then_some(watcher.sent)
    }

    /// `job` now reads the page for a watch that waited.
    pub fn reading(&mut self, mailbox: &HarborId, key: K, job: J) {
        if let Some(watcher) = self.get_mut(mailbox, key) {
            watcher.phase = Phase::Reading { job, newest: watcher.sent };
        }
    }

    /// The number after which packets of `job`'s page are new to the watch; `None` when the watch ended or
    /// started anew meanwhile, so that the page is nobody's.
    #[must_use]
    pub fn page_after(&self, mailbox: &HarborId, key: K, job: J) -> Option<u64> {
        let list = self.mailboxes.get(mailbox)?;
        let watcher = &list[list.binary_search_by_key(&key, |w| w.key).ok()?];
        matches!(watcher.phase, Phase::Reading { job: j, .. } if j == job).then_some(watcher.sent)
    }

    /// `job`'s page was handed over up to packet number `last`; `more` packets were stored behind it.
    pub fn page_done(&mut self, mailbox: &HarborId, key: K, job: J, last: u64, more: bool) -> AfterPage {
        let Some(watcher) = self.get_mut(mailbox, key) else { return AfterPage::Live(last) };
        let Phase::Reading { job: j, newest } = watcher.phase else { return AfterPage::Live(last) };
        assert!(j == job, "page_after was asked first");
        watcher.sent = watcher.sent.max(last);
        if more || newest > watcher.sent {
            watcher.phase = Phase::Waiting;
            AfterPage::Read
        } else {
            watcher.phase = Phase::Live;
            AfterPage::Live(watcher.sent)
        }
    }

    /// Packet number `seq` is on disk: pushes it to those whose backlog is through.
    pub fn appended(&mut self, mailbox: &HarborId, seq: u64, mut push: impl FnMut(K) -> Push) {
        let Some(list) = self.mailboxes.get_mut(mailbox) else { return };
        let before = list.len();
        list.retain_mut(|watcher| match &mut watcher.phase {
            // The page asked for later begins before this packet.
            Phase::Waiting => true,
            Phase::Reading { newest, .. } => {
                *newest = seq.max(*newest);
                true
            }
            // A page may have read what was committed but not yet announced.
            Phase::Live if seq <= watcher.sent => true,
            Phase::Live => {
                watcher.sent = seq;
                push(watcher.key) == Push::Taken
            }
        });
        self.len -= before - list.len();
        if list.is_empty() {
            self.mailboxes.remove(mailbox);
        }
    }

    fn get_mut(&mut self, mailbox: &HarborId, key: K) -> Option<&mut Watcher<K, J>> {
        let list = self.mailboxes.get_mut(mailbox)?;
        let at = list.binary_search_by_key(&key, |w| w.key).ok()?;
        list.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: HarborId = HarborId([1; 32]);

    fn pushed(lists: &mut WatchLists<u8, u32>, seq: u64) -> Vec<u8> {
        let mut to = Vec::new();
        lists.appended(&M, seq, |key| {
            to.push(key);
            Push::Taken
        });
        to
    }

    #[test]
    fn an_append_during_a_page_is_read_once_more_and_then_pushed_live() {
        let mut lists = WatchLists::default();
        lists.start(M, 7u8, 10).unwrap();
        assert_eq!(lists.waits_after(&M, 7), Some(10));
        lists.reading(&M, 7, 1);
        assert_eq!(lists.waits_after(&M, 7), None);
        assert_eq!(pushed(&mut lists, 12), []);
        assert_eq!(lists.page_done(&M, 7, 1, 11, false), AfterPage::Read);
        assert_eq!(lists.waits_after(&M, 7), Some(11));
        lists.reading(&M, 7, 2);
        assert_eq!(lists.page_done(&M, 7, 2, 13, false), AfterPage::Live(13));
        assert_eq!(pushed(&mut lists, 13), []);
        assert_eq!(pushed(&mut lists, 14), [7]);
    }

    #[test]
    fn a_packet_that_expired_between_append_and_read_does_not_read_for_ever() {
        let mut lists = WatchLists::default();
        lists.start(M, 7u8, 0).unwrap();
        lists.reading(&M, 7, 1);
        pushed(&mut lists, 5);
        assert_eq!(lists.page_done(&M, 7, 1, 0, false), AfterPage::Read);
        lists.reading(&M, 7, 2);
        assert_eq!(lists.page_done(&M, 7, 2, 0, false), AfterPage::Live(0));
    }

    #[test]
    fn a_page_of_an_earlier_watch_is_nobodys() {
        let mut lists = WatchLists::default();
        lists.start(M, 7u8, 0).unwrap();
        lists.reading(&M, 7, 1);
        lists.start(M, 7, 3).unwrap();
        assert_eq!(lists.page_after(&M, 7, 1), None);
        assert!(lists.stop(&M, 7));
        assert!(!lists.stop(&M, 7));
        assert_eq!(lists.page_after(&M, 7, 1), None);
        assert!(lists.is_empty() && lists.mailboxes.is_empty());
    }

    #[test]
    fn a_lagging_watcher_is_removed_and_the_list_is_capped() {
        let mut lists: WatchLists<u32, u32> = WatchLists::default();
        for key in 0..u32::try_from(MAILBOX_WATCHERS).unwrap() {
            lists.start(M, key, 0).unwrap();
        }
        assert_eq!(lists.start(M, u32::MAX, 0), Err(WatcherLimit));
        assert_eq!(lists.start(M, 5, 0), Ok(()));
        lists.reading(&M, 5, 1);
        assert_eq!(lists.page_done(&M, 5, 1, 0, false), AfterPage::Live(0));
        lists.appended(&M, 1, |_| Push::Lagged);
        assert_eq!(lists.len(), MAILBOX_WATCHERS - 1);
    }
}
