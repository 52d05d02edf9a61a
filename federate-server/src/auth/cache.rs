//! Verdicts on passwords that were checked lately.

use std::collections::HashSet;

/// Of each kind, so many verdicts are kept at least, and twice as many at most.
const GENERATION: usize = 512;

/// Remembers whether a check passed.
///
/// Right and wrong passwords are kept apart, so that guessing doesn't push out those who
/// know theirs.
#[derive(Debug, Default)]
pub(super) struct VerdictCache {
    right: Generations,
    wrong: Generations,
}

impl VerdictCache {
    pub(super) fn get(&mut self, key: &[u8; 32]) -> Option<bool> {
        if self.right.touch(key) {
            return Some(true);
        }
        self.wrong.touch(key).then_some(false)
    }

    pub(super) fn insert(&mut self, key: [u8; 32], verdict: bool) {
        if verdict {
            self.right.insert(key);
        } else {
            self.wrong.insert(key);
        }
    }
}

/// A bounded set that forgets what was not touched for long.
#[derive(Debug, Default)]
struct Generations {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl Generations {
    fn touch(&mut self, key: &[u8; 32]) -> bool {
        if self.young.contains(key) {
            return true;
        }
        let found = self.old.remove(key);
        if found {
            self.insert(*key);
        }
        found
    }

    fn insert(&mut self, key: [u8; 32]) {
        if self.young.len() >= GENERATION {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> [u8; 32] {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn stays_bounded_and_keeps_what_is_used() {
        let mut cache = VerdictCache::default();
        cache.insert(key(0), false);
        for number in 1..10 * GENERATION {
            cache.insert(key(number), false);
            assert_eq!(cache.get(&key(0)), Some(false), "after {number}");
        }
        assert!(cache.wrong.young.len() + cache.wrong.old.len() <= 2 * GENERATION);
        assert_eq!(cache.get(&key(1)), None);
    }

    #[test]
    fn wrong_passwords_push_out_no_right_one() {
        let mut cache = VerdictCache::default();
        cache.insert(key(0), true);
        for number in 1..10 * GENERATION {
            cache.insert(key(number), false);
        }
        assert_eq!(cache.get(&key(0)), Some(true));
    }
}
