//! Finding the slot of a label set.

use hashbrown::HashTable;

use super::table::Table;

/// The slots of one target's series by the hash of their labels.
///
/// Only a series that the scraper doesn't know is looked up, so on most targets this is needed once; it is given up
/// after a scrape without such a series, and made from the table when one comes again.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Slots with the upper half of their hash.
    by_hash: HashTable<(u32, u32)>,
    is_made: bool,
    is_used: bool,
}

impl Slots {
    /// The slot with `hash` for which `is_same` holds, among those of `table` and those added since.
    pub(super) fn find(
        &mut self,
        table: &Table,
        hash: u64,
        mut is_same: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        self.make(table);
        let half = upper(hash);
        let found = self
            .by_hash
            .find(spread(half), |(have, slot)| *have == half && is_same(*slot));
        found.map(|(_, slot)| *slot)
    }

    /// Adds `slot`, which [`Slots::find`] did not find.
    pub(super) fn insert(&mut self, hash: u64, slot: u32) {
        let half = upper(hash);
        self.by_hash
            .insert_unique(spread(half), (half, slot), |entry| spread(entry.0));
    }

    /// Removes `slot`, if this is made.
    pub(super) fn remove(&mut self, hash: u64, slot: u32) {
        let half = upper(hash);
        if let Ok(entry) = self
            .by_hash
            .find_entry(spread(half), |entry| entry.1 == slot)
        {
            entry.remove();
        }
    }

    /// At the end of a scrape: gives up what none of its series needed.
    pub(super) fn rest(&mut self) {
        if !std::mem::take(&mut self.is_used) && self.is_made {
            *self = Self::default();
        }
        if self.by_hash.capacity() > 1024 + 4 * self.by_hash.len() {
            self.by_hash.shrink_to_fit(|entry| spread(entry.0));
        }
    }

    fn make(&mut self, table: &Table) {
        self.is_used = true;
        if std::mem::replace(&mut self.is_made, true) {
            return;
        }
        self.by_hash.reserve(table.members.len(), |_| 0);
        for slot in 0..table.members.len() as u32 {
            if let Some(hash) = table.hash(slot) {
                self.insert(hash, slot);
            }
        }
    }
}

const fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A table's hash from the half of it that is stored.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
