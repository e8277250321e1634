//! A map for the few things a page has of a kind.

/// Ordered by key in one vector: a tree would bring six kilobytes of code for every type it holds.
pub(crate) struct Few<K, V>(Vec<(K, V)>);

impl<K, V> Default for Few<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Few<K, V> {
    fn place(&self, key: &K) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.cmp(key))
    }

    /// Puts `value` under `key`, in place of what was there.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.place(&key) {
            Ok(at) => self.0[at].1 = value,
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.place(key).ok().map(|at| self.0.remove(at).1)
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.place(key).ok().map(|at| &self.0[at].1)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(key).ok().map(|at| &mut self.0[at].1)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = V> {
        self.0.into_iter().map(|(_, value)| value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(all(test, target_arch = "wasm32"))]
mod tests {
    use super::Few;
    use wasm_bindgen_test::wasm_bindgen_test;

    #[wasm_bindgen_test]
    fn it_is_a_map() {
        let mut few = Few::default();
        for (key, value) in [(3, "c"), (1, "a"), (2, "x"), (2, "b")] {
            few.insert(key, value);
        }
        assert_eq!(few.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(few.values().copied().collect::<String>(), "abc");
        *few.get_mut(&3).unwrap() = "d";
        assert_eq!((few.get(&3), few.get(&4)), (Some(&"d"), None));
        assert_eq!((few.remove(&2), few.remove(&2)), (Some("b"), None));
        assert_eq!(few.into_values().collect::<String>(), "ad");
    }
}
