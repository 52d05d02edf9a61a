//! A map that forgets what was not used for long.

use std::collections::HashMap;
use std::hash::Hash;

/// Keeps the entries used last: at least `N` of them, at most twice as many.
///
/// Entries are forgotten half of the map at a time, so that neither a lookup nor an insertion searches for the
/// oldest one.
#[derive(Debug)]
pub(super) struct Recent<K, V, const N: usize> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
}

impl<K, V, const N: usize> Default for Recent<K, V, N> {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
        }
    }
}

impl<K: Eq + Hash + Clone, V, const N: usize> Recent<K, V, N> {
    /// The value of `key`, which counts as used.
    pub(super) fn get(&mut self, key: &K) -> Option<&mut V> {
        if !self.young.contains_key(key) {
            let value = self.old.remove(key)?;
            self.insert(key.clone(), value);
        }
        self.young.get_mut(key)
    }

    /// The value of `key`, made by `new` where there is none.
    pub(super) fn get_or_insert_with(&mut self, key: K, new: impl FnOnce() -> V) -> &mut V {
        if !self.young.contains_key(&key) {
            let value = self.old.remove(&key).unwrap_or_else(new);
            self.insert(key.clone(), value);
        }
        self.young
            .get_mut(&key)
            .expect("what was just inserted is there")
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= N && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let old = self.old.remove(key);
        self.young.remove(key).or(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_keeps_what_is_used() {
        let mut recent = Recent::<u32, u32, 8>::default();
        recent.insert(0, 7);
        for number in 1..100 {
            recent.insert(number, number);
            assert_eq!(recent.get(&0), Some(&mut 7), "after {number}");
            assert!(recent.young.len() + recent.old.len() <= 16, "{number}");
        }
        assert_eq!(recent.get(&1), None);
        assert_eq!(recent.remove(&0), Some(7));
        assert_eq!(recent.get(&0), None);
    }

    #[test]
    fn a_key_has_one_value() {
        let mut recent = Recent::<u32, u32, 2>::default();
        for number in 0..3 {
            recent.insert(number, number);
        }
        // 0 and 1 are the old ones by now.
        recent.insert(1, 10);
        assert_eq!(recent.get(&1), Some(&mut 10));
        assert_eq!(*recent.get_or_insert_with(1, || 5), 10);
        assert_eq!(recent.remove(&1), Some(10));
        assert_eq!(recent.get(&1), None);
    }
}
