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
use super::view::Losses;
use crate::selector::Selector;

/// What is counted for one of fewer series, or none. A series takes some forty bytes.
const LEAST_SERIES: usize = 100;

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
        self.entries.len().max(LEAST_SERIES)
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
    ///
    /// As many are kept as there are in all, `all_series`: so there is room for each service once, in whichever order
    /// they are asked for, and what is kept costs a fraction of what the series do.
    pub(super) fn of(
        &self,
        tables: Vec<Arc<Table>>,
        metrics: &[Selector],
        all_series: usize,
    ) -> Arc<Few> {
        if let Some(few) = find(&mut lock(&self.0), &tables) {
            return few;
        }
        // Nobody else has to wait for it.
        let few = Arc::new(Few::of(tables, metrics));
        let mut kept = lock(&self.0);
        if let Some(same) = find(&mut kept, &few.tables) {
            return same;
        }
        kept.push(Kept {
            few: Arc::clone(&few),
            is_used: true,
        });
        let mut left: usize = kept.iter().map(|it| it.few.size()).sum();
        let too_many = kept.iter().take_while(|it| {
            let is_too_many = left > all_series;
            left -= it.few.size();
            is_too_many
        });
        let too_many = too_many.count();
        kept.drain(..too_many);
        few
    }

    /// Drops what nobody has needed since the last time, and all where there are losses: it would keep the tables of
    /// what is gone.
    pub(super) fn sweep(&self, losses: Losses) {
        let is_kept = |it: &mut Kept| std::mem::take(&mut it.is_used) && losses == Losses::None;
        lock(&self.0).retain_mut(is_kept);
    }
}

/// The one that was made from `tables`; the one that wasn't needed for longest stays first.
fn find(kept: &mut [Kept], tables: &[Arc<Table>]) -> Option<Arc<Few>> {
    let is_wanted = |it: &Kept| {
        let have = it.few.tables.iter().map(Arc::as_ptr);
        have.eq(tables.iter().map(Arc::as_ptr))
    };
    let at = kept.iter().position(is_wanted)?;
    kept[at..].rotate_left(1);
    let found = kept.last_mut()?;
    found.is_used = true;
    Some(Arc::clone(&found.few))
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
        let of =
            |tables: &[&Arc<Table>]| cache.of(tables.iter().copied().cloned().collect(), &[], 1000);
        let first = of(&[&one]);
        assert!(Arc::ptr_eq(&first, &of(&[&one])));
        let both = of(&[&one, &other]);
        assert_eq!((both.names.len(), both.entries_of(0).len()), (2, 2));
        // One that has changed is another one.
        assert!(!Arc::ptr_eq(&first, &of(&[&table(&interner, 1)])));
        cache.sweep(Losses::None);
        assert!(Arc::ptr_eq(&first, &of(&[&one])));
        cache.sweep(Losses::None);
        assert!(!Arc::ptr_eq(&both, &of(&[&one, &other])));
        cache.sweep(Losses::Some);
        assert!(!Arc::ptr_eq(&first, &of(&[&one])));
    }

    #[test]
    fn there_is_room_for_each_service_once() {
        const SERVICES: usize = 20;
        let interner = Interner::default();
        let cache = FewCache::default();
        let tables = [(); SERVICES].map(|()| table(&interner, 150));
        let all_series = SERVICES * 150;
        let of = |table: &Arc<Table>| cache.of(vec![Arc::clone(table)], &[], all_series);
        let first: Vec<Arc<Few>> = tables.iter().map(of).collect();
        for (first, table) in first.iter().zip(&tables) {
            assert!(Arc::ptr_eq(first, &of(table)));
        }
        // What was not needed for longest makes room, and those without series take room as well.
        of(&tables[0]);
        of(&table(&interner, 0));
        assert!(Arc::ptr_eq(&first[0], &of(&tables[0])));
        assert!(!Arc::ptr_eq(&first[1], &of(&tables[1])));
        let series = |kept: &[Kept]| kept.iter().map(|it| it.few.size()).sum::<usize>();
        assert!(series(&lock(&cache.0)) <= all_series);
    }
}
