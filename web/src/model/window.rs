//! The stretch of a conversation that is on the page: some hundred rows of a history that may have a million.

use harbor_wasm::proto::endpoint::OrderKey;

/// Messages fetched at once.
pub(crate) const PAGE: usize = 50;
/// Rows kept; beyond it the end that is out of sight is dropped and fetched again when it is wanted.
pub(crate) const MAX_ROWS: usize = 400;
/// Most messages the client gives at once.
const MAX_FETCH: usize = 200;
/// Rows that a dropped stretch may have gained before it is fetched again.
const SLACK: usize = 50;

/// How to get what follows the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fetch {
    /// As for [`Client::history`](harbor_wasm::Client::history); `None` is the newest.
    pub(crate) before: Option<OrderKey>,
    pub(crate) limit: u32,
    /// What [`Window::unseen`] was when this was asked for: what came later may not be in the answer.
    unseen: usize,
}

/// Rows in display order, without gaps between the first and the last.
#[derive(Debug)]
pub(crate) struct Window<T> {
    rows: Vec<(OrderKey, T)>,
    /// Older messages exist in front of the first row.
    more_above: bool,
    /// First keys of the stretches dropped at the end, the nearest one last.
    below: Vec<OrderKey>,
    /// Messages that came while the end was dropped.
    unseen: usize,
}

impl<T> Default for Window<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), more_above: false, below: Vec::new(), unseen: 0 }
    }
}

impl<T: Clone> Window<T> {
    pub(crate) fn rows(&self) -> &[(OrderKey, T)] {
        &self.rows
    }

    pub(crate) fn more_above(&self) -> bool {
        self.more_above
    }

    /// The newest messages are not in the window.
    pub(crate) fn more_below(&self) -> bool {
        !self.below.is_empty()
    }

    /// Messages that came since the end was dropped.
    pub(crate) fn unseen(&self) -> usize {
        self.unseen
    }

    /// What to ask for to start anew.
    pub(crate) fn fetch_newest(&self) -> Fetch {
        Fetch { before: None, limit: PAGE as u32, unseen: self.unseen }
    }

    /// What to ask for to go further back.
    pub(crate) fn fetch_above(&self) -> Fetch {
        Fetch { before: self.rows.first().map(|(key, _)| *key), ..self.fetch_newest() }
    }

    /// What to ask for to come back towards the newest.
    pub(crate) fn fetch_below(&self) -> Option<Fetch> {
        let (limit, before) = match *self.below.as_slice() {
            [] => return None,
            [_] => ((PAGE + SLACK + self.unseen).min(MAX_FETCH), None),
            [.., after, _] => (PAGE + SLACK, Some(after)),
        };
        Some(Fetch { before, limit: limit as u32, unseen: self.unseen })
    }

    /// Starts anew with the page asked for by [`fetch_newest`](Self::fetch_newest). Rows that are newer than all
    /// of it came meanwhile and stay.
    pub(crate) fn reset(&mut self, mut page: Vec<(OrderKey, T)>, more: bool, fetch: Fetch) {
        let last = page.last().map(|(key, _)| *key);
        page.extend(self.rows.drain(..).filter(|(key, _)| last.is_none_or(|last| *key > last)));
        self.rows = page;
        self.more_above = more;
        self.below.clear();
        self.arrived_at_newest(fetch);
    }

    /// The end of the rows is the newest that there was when `fetch` was made; what came since was not kept.
    fn arrived_at_newest(&mut self, fetch: Fetch) {
        self.unseen = self.unseen.saturating_sub(fetch.unseen);
        if self.unseen > 0
            && let Some((last, _)) = self.rows.last()
        {
            self.below.push(*last);
        }
    }

    /// Puts an older page in front; drops what is then too much at the end.
    pub(crate) fn prepend(&mut self, mut page: Vec<(OrderKey, T)>, more: bool) {
        if let Some((first, _)) = self.rows.first() {
            page.retain(|(key, _)| key < first);
        }
        page.append(&mut self.rows);
        self.rows = page;
        self.more_above = more;
        while self.rows.len() > MAX_ROWS {
            let cut = self.rows.len() - PAGE;
            self.below.push(self.rows[cut].0);
            self.rows.truncate(cut);
        }
    }

    /// Puts the page asked for by [`fetch_below`](Self::fetch_below) at the end; drops what is then too much in
    /// front. A page that does not reach down to the window replaces it: there must be no gap.
    pub(crate) fn append(&mut self, mut page: Vec<(OrderKey, T)>, more: bool, fetch: Fetch) {
        let Some(wanted) = self.below.pop() else { return };
        if more && page.first().is_none_or(|(key, _)| *key > wanted) {
            self.rows.clear();
            self.more_above = true;
        }
        if let Some((last, _)) = self.rows.last() {
            page.retain(|(key, _)| key > last);
        }
        self.rows.append(&mut page);
        self.drop_front();
        if self.below.is_empty() {
            self.arrived_at_newest(fetch);
        }
    }

    /// Forgets rows in front until no more than [`MAX_ROWS`] are left.
    fn drop_front(&mut self) {
        if self.rows.len() > MAX_ROWS {
            self.rows.drain(..self.rows.len() - MAX_ROWS);
            self.more_above = true;
        }
    }

    /// Puts in a message that has just come. False when its place is outside the window.
    pub(crate) fn insert(&mut self, key: OrderKey, row: T) -> bool {
        let place = self.rows.partition_point(|(k, _)| *k < key);
        if self.rows.get(place).is_some_and(|(k, _)| *k == key) {
            return false;
        }
        if place == self.rows.len() && self.more_below() {
            self.unseen += 1;
            return false;
        }
        if place == 0 && self.more_above {
            return false;
        }
        self.rows.insert(place, (key, row));
        true
    }

    /// Drops rows in front of a window that has grown at its end by itself; to be called while the person looks at
    /// the newest.
    pub(crate) fn trim(&mut self) {
        if self.rows.len() > MAX_ROWS + PAGE {
            self.drop_front();
        }
    }

    /// Takes out the first row that `which` is true of, from the end.
    pub(crate) fn take(&mut self, which: impl Fn(&OrderKey, &T) -> bool) -> Option<T> {
        let at = self.rows.iter().rposition(|(key, row)| which(key, row))?;
        Some(self.rows.remove(at).1)
    }

    /// The row at `key`.
    pub(crate) fn get(&self, key: &OrderKey) -> Option<&T> {
        let place = self.rows.partition_point(|(k, _)| k < key);
        self.rows.get(place).filter(|(k, _)| k == key).map(|(_, row)| row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> OrderKey {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    /// A history of messages 0..`n`, answering as the client does.
    fn page(n: u64, fetch: Fetch) -> (Vec<(OrderKey, u64)>, bool) {
        let end = fetch.before.map_or(n, |b| u64::from_be_bytes(b[..8].try_into().expect("8 bytes")).min(n));
        let start = end.saturating_sub(u64::from(fetch.limit));
        ((start..end).map(|i| (key(i), i)).collect(), start > 0)
    }

    fn open(n: u64) -> Window<u64> {
        let mut window = Window::default();
        let fetch = window.fetch_newest();
        let (rows, more) = page(n, fetch);
        window.reset(rows, more, fetch);
        window
    }

    fn up(window: &mut Window<u64>, n: u64) {
        let (rows, more) = page(n, window.fetch_above());
        window.prepend(rows, more);
    }

    fn down(window: &mut Window<u64>, n: u64) {
        let fetch = window.fetch_below().expect("more below");
        let (rows, more) = page(n, fetch);
        window.append(rows, more, fetch);
    }

    fn is_gapless(window: &Window<u64>) -> bool {
        window.rows().windows(2).all(|w| w[1].1 == w[0].1 + 1)
    }

    #[test]
    fn it_opens_with_the_newest_page_only() {
        let window = open(50_000);
        assert_eq!(window.rows().len(), PAGE);
        assert_eq!(window.rows()[0].1, 49_950);
        assert!(window.more_above() && !window.more_below());
    }

    #[test]
    fn scrolling_to_the_top_and_back_shows_everything_and_keeps_little() {
        let n = 3_017;
        let mut window = open(n);
        let mut seen = vec![false; n as usize];
        while window.more_above() {
            up(&mut window, n);
            assert!(window.rows().len() <= MAX_ROWS && is_gapless(&window));
            window.rows().iter().for_each(|(_, i)| seen[*i as usize] = true);
        }
        assert!(seen.iter().all(|s| *s));
        while window.more_below() {
            down(&mut window, n);
            assert!(window.rows().len() <= MAX_ROWS && is_gapless(&window));
        }
        assert_eq!(window.rows().last().map(|r| r.1), Some(n - 1));
    }

    #[test]
    fn what_came_meanwhile_is_there_on_return() {
        let mut window = open(1_000);
        for _ in 0..9 {
            up(&mut window, 1_000);
        }
        assert!(window.more_below());
        for i in 1_000..1_040 {
            assert!(!window.insert(key(i), i));
        }
        assert_eq!(window.unseen(), 40);
        while window.more_below() {
            down(&mut window, 1_040);
            assert!(is_gapless(&window));
        }
        assert_eq!((window.rows().last().map(|r| r.1), window.unseen()), (Some(1_039), 0));
    }

    #[test]
    fn too_much_new_jumps_to_the_newest_rather_than_leave_a_gap() {
        let mut window = open(1_000);
        for _ in 0..9 {
            up(&mut window, 1_000);
        }
        for i in 1_000..5_000 {
            window.insert(key(i), i);
        }
        while window.more_below() {
            down(&mut window, 5_000);
            assert!(is_gapless(&window));
        }
        assert_eq!(window.rows().last().map(|r| r.1), Some(4_999));
        assert!(window.more_above());
    }

    #[test]
    fn what_comes_while_the_newest_is_on_its_way_is_not_lost() {
        let mut window = open(1_000);
        for _ in 0..9 {
            up(&mut window, 1_000);
        }
        let fetch = window.fetch_newest();
        let (rows, more) = page(1_000, fetch);
        window.insert(key(1_000), 1_000);
        window.reset(rows, more, fetch);
        assert!(window.more_below());
        down(&mut window, 1_001);
        assert!(is_gapless(&window) && !window.more_below());
        assert_eq!(window.rows().last().map(|r| r.1), Some(1_000));
    }

    #[test]
    fn what_comes_before_the_first_page_stays() {
        let mut window = Window::default();
        let fetch = window.fetch_newest();
        assert!(window.insert(key(10), 10));
        let (rows, more) = page(10, fetch);
        window.reset(rows, more, fetch);
        assert_eq!(window.rows().last().map(|r| r.1), Some(10));
    }

    #[test]
    fn a_late_message_takes_its_place_once() {
        let mut window = open(10);
        let late = {
            let mut k = key(4);
            k[15] = 1;
            k
        };
        assert!(window.insert(late, 99));
        assert!(!window.insert(late, 99));
        assert_eq!(window.rows().iter().map(|r| r.1).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 99, 5, 6, 7, 8, 9]);
        assert_eq!(window.get(&late), Some(&99));
    }

    #[test]
    fn a_message_older_than_the_window_waits_for_its_page() {
        let mut window = open(1_000);
        assert!(!window.insert(key(3), 3));
    }

    #[test]
    fn a_long_live_session_stays_small() {
        let mut window = open(0);
        for i in 0..10_000 {
            window.insert(key(i), i);
            window.trim();
        }
        assert!(window.rows().len() <= MAX_ROWS + PAGE);
        assert!(window.more_above());
        up(&mut window, 10_000);
        assert!(is_gapless(&window));
    }
}
