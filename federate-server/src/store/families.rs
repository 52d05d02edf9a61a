//! What a target has said of its metric families since the last commit.

use std::sync::Arc;

use hashbrown::HashMap;

use super::intern::Family;
use super::table::Table;

/// Families described since the last commit, and on demand what is known of all of them.
#[derive(Debug, Default)]
pub(super) struct Families {
    /// By a `FamilyRef`'s number.
    told: Vec<Arc<Family>>,
    /// The latest of each name. Made where it is asked for, which new comments do and few scrapes have.
    by_name: Option<HashMap<Arc<str>, Arc<Family>>>,
}

impl Families {
    /// Takes note of what `family` is from now on; returns its number.
    pub(super) fn tell(&mut self, family: Arc<Family>) -> usize {
        if let Some(by_name) = &mut self.by_name {
            by_name.insert(Arc::clone(&family.name), Arc::clone(&family));
        }
        self.told.push(family);
        self.told.len() - 1
    }

    /// The family of a number that [`Families::tell`] gave since the last commit.
    pub(super) fn get(&self, number: usize) -> Option<&Arc<Family>> {
        self.told.get(number)
    }

    /// The family `name` as told last, be it since the last commit or in `table`.
    pub(super) fn latest(&mut self, table: &Table, name: &str) -> Option<&Arc<Family>> {
        let by_name = self.by_name.get_or_insert_with(|| {
            let all = table.families().chain(&self.told);
            all.map(|family| (Arc::clone(&family.name), Arc::clone(family)))
                .collect()
        });
        by_name.get(name)
    }

    /// At the end of a scrape: those that were described, the latest of each name, by the address of the name.
    pub(super) fn settle(&mut self) -> HashMap<*const u8, Arc<Family>> {
        let Self { told, .. } = std::mem::take(self);
        told.into_iter()
            .map(|family| (family.name.as_ptr(), family))
            .collect()
    }
}
