//! Sets of a topic's operations, by their place in the [`Dag`](super::dag::Dag).

use alloc::{vec, vec::Vec};

const WORD: usize = 64;

/// A set of places; one bit each, for every operation carries the set of those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places(Vec<u64>);

impl Places {
    /// All places below `len`.
    pub(super) fn all(len: usize) -> Self {
        let mut words = vec![u64::MAX; len / WORD];
        if !len.is_multiple_of(WORD) {
            words.push((1 << (len % WORD)) - 1);
        }
        Self(words)
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0.get(at / WORD).is_some_and(|word| word >> (at % WORD) & 1 == 1)
    }

    pub(super) fn add(&mut self, at: usize) {
        if self.0.len() <= at / WORD {
            self.0.resize(at / WORD + 1, 0);
        }
        self.0[at / WORD] |= 1 << (at % WORD);
    }

    pub(super) fn remove(&mut self, at: usize) {
        if let Some(word) = self.0.get_mut(at / WORD) {
            *word &= !(1 << (at % WORD));
        }
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            *word |= more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_places_is_a_set() {
        for len in [0, 1, 63, 64, 65, 200] {
            let all = Places::all(len);
            assert!((0..300).all(|at| all.has(at) == (at < len)), "{len}");
        }
        let mut set = Places::default();
        set.remove(500);
        for at in [3, 64, 129] {
            set.add(at);
        }
        let mut other = Places::all(2);
        other.add_all(&set);
        other.remove(64);
        let has: Vec<usize> = (0..300).filter(|at| other.has(*at)).collect();
        assert_eq!(has, [0, 1, 3, 129]);
    }
}
