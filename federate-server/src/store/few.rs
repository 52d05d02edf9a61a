//! The series of a few targets by metric name: what a narrow answer is made from, kept for the next one like it.
//!
//! Whoever asks for one service asks for it again a minute later, and for most of that time no series has come or gone.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::decide::Visible;
use super::index::{Entry, entry, family, labels, mark_repeats, sort};
use super::intern::Family;
use super::lock;
use super::table::Table;
use crate::selector::Selector;

/// How many series are kept, those of some twenty services. A series takes some thirty bytes.
const MOST_SERIES: usize = 50_000;
/// What is counted for one without any.
const LEAST_SIZE: usize = 100;

/// Every series of a few tables by metric name, sorted.
#[derive(Debug)]
pub(crate) struct Few {
    /// The tables that it was made from.
    tables: Vec<Arc<Table>>,
    entries: Box<[Entry]>,
    pub(super) names: Vec<FewOfName>,
}

/// Series of one metric name among those of a [`Few`].
#[derive(Debug)]
pub(crate) struct FewOfName {
    pub(super) name: Arc<str>,
    /// Where its entries are.
    entries: Range<usize>,
    /// As in [`super::index::Named`].
    pub(super) family: Option<Arc<Family>>,
}

impl Few {
    /// The series of the name at `at`.
    #[inline]
    pub(super) fn entries_of(&self, at: usize) -> &[Entry] {
        let entries = self.names.get(at).map(|it| it.entries.clone());
        entries.map_or(&[], |entries| &self.entries[entries])
    }

    /// What it counts as among those that are kept, in series.
    fn size(&self) -> usize {
        LEAST_SIZE + self.entries.len()
    }

    /// The series of `tables`, each of which is asked for in this way time and again. Has those that `metrics` take.
    fn of(kept: Vec<Arc<Table>>, metrics: &[Selector]) -> Self {
        let tables = kept.as_slice();
        let visible = Visible::new(metrics, tables.iter());
        let count = tables.iter().map(|table| table.members.len()).sum();
        let mut entries = Vec::with_capacity(count);
        for (at, table) in tables.iter().enumerate() {
            let slots = table.sorted().iter();
            entries.extend(slots.filter_map(|slot| entry(at, table, *slot, &visible)));
        }
        // Each table's are sorted already, of which this sort makes use.
        sort(tables, &mut entries);
        let name = |entry: &Entry| labels(tables, *entry).map(|series| &series.shape.name);
        // Of two strings that are equal there is one copy.
        let of_one_name =
            |a: &Entry, b: &Entry| name(a).map(Arc::as_ptr) == name(b).map(Arc::as_ptr);
        let mut first = 0;
        let mut names = Vec::new();
        for of_name in entries.chunk_by_mut(of_one_name) {
            mark_repeats(tables, of_name, |_| true);
            let range = first..first + of_name.len();
            first = range.end;
            names.extend(of_name.first().and_then(name).map(|name| FewOfName {
                name: Arc::clone(name),
                entries: range,
                family: family(tables, of_name),
            }));
        }
        Self {
            entries: entries.into(),
            names,
            tables: kept,
        }
    }
}

/// Those that answers were made from last.
#[derive(Debug, Default)]
pub(super) struct FewCache(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    few: Arc<Few>,
    /// Since the last sweep.
    is_used: bool,
}

impl FewCache {
    /// The series of `tables` that `metrics` take, which are the same each time.
    pub(super) fn of(&self, tables: Vec<Arc<Table>>, metrics: &[Selector]) -> Arc<Few> {
        let is_wanted = |it: &Kept| {
            let have = it.few.tables.iter().map(Arc::as_ptr);
            have.eq(tables.iter().map(Arc::as_ptr))
        };
        let mut kept = lock(&self.0);
        let found = kept.iter().position(is_wanted);
        if let Some(at) = found {
            // The one that wasn't needed for longest stays first.
            kept[at..].rotate_left(1);
        }
        if let Some(it) = found.and_then(|_| kept.last_mut()) {
            it.is_used = true;
            return Arc::clone(&it.few);
        }
        drop(kept);
        // Nobody else has to wait for it.
        let few = Arc::new(Few::of(tables, metrics));
        let mut kept = lock(&self.0);
        kept.push(Kept {
            few: Arc::clone(&few),
            is_used: true,
        });
        let mut left: usize = kept.iter().map(|it| it.few.size()).sum();
        let too_many = kept.iter().take_while(|it| {
            let is_too_many = left > MOST_SERIES;
            left -= it.few.size();
            is_too_many
        });
        let too_many = too_many.count();
        kept.drain(..too_many);
        few
    }

    /// Drops what nobody has needed since the last time, and all where some of it `is_outdated`: it would keep the tables
    /// of what is gone.
    pub(super) fn sweep(&self, is_outdated: bool) {
        lock(&self.0).retain_mut(|it| std::mem::take(&mut it.is_used) && !is_outdated);
    }
}

#[cfg(test)]
mod tests {
    use super::super::base::first_base;
    use super::super::intern::Interner;
    use super::super::table::Member;
    use super::*;

    /// A table of so many series.
    fn table(interner: &Interner, series: usize) -> Arc<Table> {
        let labels = [("job", "a")].into_iter().collect();
        let mut table = Table::new(first_base(interner, &labels));
        let names = (0..series).map(|at| format!("m{at}"));
        let member = |name: String| Member {
            shape: interner.shape(&name, &[], None),
            base: 0,
        };
        table.members = names.map(|name| Some(member(name))).collect();
        Arc::new(table)
    }

    #[test]
    fn the_same_tables_are_gone_through_once() {
        let interner = Interner::default();
        let [one, other] = [1, 2].map(|series| table(&interner, series));
        let cache = FewCache::default();
        let of = |tables: &[&Arc<Table>]| cache.of(tables.iter().copied().cloned().collect(), &[]);
        let first = of(&[&one]);
        assert!(Arc::ptr_eq(&first, &of(&[&one])));
        let both = of(&[&one, &other]);
        assert_eq!((both.names.len(), both.entries_of(0).len()), (2, 2));
        // One that has changed is another one.
        assert!(!Arc::ptr_eq(&first, &of(&[&table(&interner, 1)])));
        cache.sweep(false);
        assert!(Arc::ptr_eq(&first, &of(&[&one])));
        cache.sweep(false);
        assert!(!Arc::ptr_eq(&both, &of(&[&one, &other])));
        cache.sweep(true);
        assert!(!Arc::ptr_eq(&first, &of(&[&one])));
    }

    #[test]
    fn what_was_not_needed_for_longest_makes_room() {
        let interner = Interner::default();
        let cache = FewCache::default();
        let tables = [(); 3].map(|()| table(&interner, MOST_SERIES / 3));
        let of = |at: usize| cache.of(vec![Arc::clone(&tables[at])], &[]);
        let [first, second] = [of(0), of(1)];
        assert!(Arc::ptr_eq(&first, &of(0)));
        of(2);
        assert!(Arc::ptr_eq(&first, &of(0)));
        assert!(!Arc::ptr_eq(&second, &of(1)));
        // Those without series take room as well.
        let empty = [(); MOST_SERIES / LEAST_SIZE + 10].map(|()| table(&interner, 0));
        for table in &empty {
            cache.of(vec![Arc::clone(table)], &[]);
        }
        assert!(lock(&cache.0).len() <= MOST_SERIES / LEAST_SIZE);
    }
}
