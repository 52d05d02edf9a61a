//! Every series that may be seen by metric name, sorted: what makes an answer come out in order.
//!
//! Made by readers from the tables that they hold, and shared between them; a table that has not
//! changed costs nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use prom_model::metadata::MetricType;

use crate::selector::Selector;

use super::decide::Visible;
use super::intern::{Family, Shape, same_family};
use super::table::{SeriesLabels, Table};

/// Position of a target in a snapshot.
pub(crate) type TargetAt = u32;

/// One series: its target and its slot there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) target: TargetAt,
    pub(crate) slot: u32,
    /// Position of its shape in [`Named::shapes`]. What isn't in a [`Named`] has none.
    pub(crate) shape: u32,
    /// Position of its base in the target's table.
    pub(crate) base: u16,
    /// Has the same labels as the entry before it: another target's copy of the same series.
    pub(crate) repeats: bool,
}

/// All series of one metric name.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Sorted by labels.
    pub(crate) entries: Box<[Entry]>,
    /// The family that the series are said to be members of: the first one with a type, or else the first.
    pub(crate) family: Option<Arc<Family>>,
    /// The shapes that they have, one each: few, which needn't be looked up in the tables of many targets.
    pub(crate) shapes: Box<[Arc<Shape>]>,
}

impl Named {
    /// Of sorted entries.
    fn new(tables: &[Arc<Table>], entries: &mut [Entry]) -> Self {
        mark_repeats(tables, entries, |_| true);
        Self {
            family: family(tables, entries),
            shapes: number_shapes(tables, entries, 0, |_| None),
            entries: (&*entries).into(),
        }
    }
}

/// Series by metric name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// The tables that it was made from, by target.
    tables: Vec<Arc<Table>>,
    pub(crate) by_name: BTreeMap<Arc<str>, Arc<Named>>,
}

impl Index {
    /// How many series there are, other targets' copies included.
    pub(crate) fn series_count(&self) -> usize {
        self.by_name.values().map(|named| named.entries.len()).sum()
    }

    /// Whether it was made from exactly these tables.
    pub(crate) fn is_of(&self, tables: &[Arc<Table>]) -> bool {
        self.tables.len() == tables.len()
            && self
                .tables
                .iter()
                .zip(tables)
                .all(|(have, want)| Arc::ptr_eq(have, want))
    }

    /// The index of `tables`, made from this one where most of them are the same. Has those of the series that
    /// `metrics` take, which must be the same each time.
    pub(crate) fn updated(&self, tables: Vec<Arc<Table>>, metrics: &[Selector]) -> Self {
        let visible = Visible::new(metrics, tables.iter());
        let unchanged = |at: usize| {
            self.tables
                .get(at)
                .zip(tables.get(at))
                .is_some_and(|(have, want)| Arc::ptr_eq(have, want))
        };
        let last = self.tables.len().max(tables.len());
        let changed: Vec<usize> = (0..last).filter(|at| !unchanged(*at)).collect();
        // Sorting anew is cheaper than replacing the entries of many targets in each name.
        let by_name = if changed.len() * 8 > last {
            build(&tables, &visible)
        } else {
            self.replace(&tables, &changed, &visible)
        };
        Self { tables, by_name }
    }

    /// The names' entries with those of the `changed` targets taken from `tables`.
    fn replace(
        &self,
        tables: &[Arc<Table>],
        changed: &[usize],
        visible: &Visible,
    ) -> BTreeMap<Arc<str>, Arc<Named>> {
        let gone: HashSet<TargetAt> = changed.iter().map(|at| position(*at)).collect();
        let mut fresh: HashMap<Arc<str>, Vec<Entry>> = HashMap::new();
        for old in changed.iter().filter_map(|at| self.tables.get(*at)) {
            for member in old.members.iter().flatten() {
                fresh.entry(Arc::clone(&member.shape.name)).or_default();
            }
        }
        for at in changed.iter().copied().filter(|at| *at < tables.len()) {
            collect(tables, at, visible, &mut fresh);
        }
        let mut by_name = self.by_name.clone();
        for (name, mut new) in fresh {
            sort(tables, &mut new);
            let old = by_name.get(&name).map(Arc::clone).unwrap_or_default();
            let is_kept = |entry: &Entry| !gone.contains(&entry.target);
            let kept: Vec<Entry> = old.entries.iter().copied().filter(is_kept).collect();
            let mut merged = merge(tables, &kept, &new, |target| gone.contains(&target));
            if merged.is_empty() {
                by_name.remove(&name);
                continue;
            }
            // Mostly every target says the same, and looking through all of them can be spared.
            let says_the_same = |entry: &Entry| {
                old.family.is_some() && same_family(family_of(tables, *entry), old.family.as_ref())
            };
            let family = if !new.is_empty() && new.iter().all(says_the_same) {
                old.family.clone()
            } else {
                family(tables, &merged)
            };
            let shapes = number_shapes(tables, &mut merged, old.shapes.len(), |entry| {
                (!gone.contains(&entry.target)).then_some(entry.shape)
            });
            let named = Named {
                entries: merged.into(),
                family,
                shapes,
            };
            by_name.insert(name, Arc::new(named));
        }
        by_name
    }
}

fn build(tables: &[Arc<Table>], visible: &Visible) -> BTreeMap<Arc<str>, Arc<Named>> {
    let mut names = HashMap::new();
    for at in 0..tables.len() {
        collect(tables, at, visible, &mut names);
    }
    names
        .into_iter()
        .map(|(name, mut entries)| {
            sort(tables, &mut entries);
            (name, Arc::new(Named::new(tables, &mut entries)))
        })
        .collect()
}

/// Adds the series of target `at` to their names.
fn collect(
    tables: &[Arc<Table>],
    at: usize,
    visible: &Visible,
    names: &mut HashMap<Arc<str>, Vec<Entry>>,
) {
    for (slot, member) in tables[at].members.iter().enumerate() {
        if let Some(member) = member
            && let Some(entry) = entry(at, &tables[at], position(slot), visible)
        {
            names
                .entry(Arc::clone(&member.shape.name))
                .or_default()
                .push(entry);
        }
    }
}

/// The series in `slot` of the table at `at`, where there is one to be seen.
pub(super) fn entry(at: usize, table: &Table, slot: u32, visible: &Visible) -> Option<Entry> {
    let member = table.members.get(slot as usize)?.as_ref()?;
    let is_visible = visible.is_all() || visible.has(at, member, table.labels(member));
    is_visible.then_some(Entry {
        target: position(at),
        slot,
        shape: 0,
        base: member.base,
        repeats: false,
    })
}

pub(super) fn family(tables: &[Arc<Table>], entries: &[Entry]) -> Option<Arc<Family>> {
    let mut families = entries.iter().filter_map(|entry| family_of(tables, *entry));
    let first = families.next()?;
    let is_typed = |family: &&Arc<Family>| family.metadata.metric_type != MetricType::Unknown;
    let typed = std::iter::once(first).chain(families).find(is_typed);
    Some(Arc::clone(typed.unwrap_or(first)))
}

fn family_of(tables: &[Arc<Table>], entry: Entry) -> Option<&Arc<Family>> {
    tables.get(entry.target as usize)?.family(entry.slot)
}

/// The shapes of `entries`, each of which is told the position of its own. Some had a `former` one, among
/// `former_count`; those that had the same have the same shape.
fn number_shapes(
    tables: &[Arc<Table>],
    entries: &mut [Entry],
    former_count: usize,
    former: impl Fn(&Entry) -> Option<u32>,
) -> Box<[Arc<Shape>]> {
    let mut shapes: Vec<Arc<Shape>> = Vec::new();
    let mut by_former: Vec<Option<u32>> = vec![None; former_count];
    let mut by_address: HashMap<usize, u32> = HashMap::new();
    for entry in entries {
        let mut nowhere = None;
        let former = former(entry).and_then(|former| by_former.get_mut(former as usize));
        let known = former.unwrap_or(&mut nowhere);
        if known.is_none()
            && let Some(series) = labels(tables, *entry)
        {
            let address = Arc::as_ptr(series.shape).addr();
            let at = by_address.entry(address).or_insert_with(|| {
                shapes.push(Arc::clone(series.shape));
                position(shapes.len() - 1)
            });
            *known = Some(*at);
        }
        entry.shape = known.unwrap_or(u32::MAX);
    }
    shapes.into()
}

pub(super) fn sort(tables: &[Arc<Table>], entries: &mut [Entry]) {
    entries.sort_by(|a, b| labels(tables, *a).cmp(&labels(tables, *b)));
}

/// Both sorted lists as one. `kept` still has its marks of repeats, of which some may no longer hold; those of `new`
/// are all of targets for which `is_new` holds.
fn merge(
    tables: &[Arc<Table>],
    mut kept: &[Entry],
    new: &[Entry],
    is_new: impl Fn(TargetAt) -> bool,
) -> Vec<Entry> {
    let mut merged = Vec::with_capacity(kept.len() + new.len());
    for entry in new {
        let order = labels(tables, *entry);
        let place = kept.partition_point(|have| labels(tables, *have) <= order);
        merged.extend_from_slice(&kept[..place]);
        merged.push(*entry);
        kept = &kept[place..];
    }
    merged.extend_from_slice(kept);
    let doubtful: Vec<bool> = (0..merged.len())
        .map(|at| {
            let follows_new = at > 0 && is_new(merged[at - 1].target);
            merged[at].repeats || is_new(merged[at].target) || follows_new
        })
        .collect();
    mark_repeats(tables, &mut merged, |at| doubtful[at]);
    merged
}

pub(super) fn mark_repeats(
    tables: &[Arc<Table>],
    entries: &mut [Entry],
    doubtful: impl Fn(usize) -> bool,
) {
    for at in (0..entries.len()).filter(|at| doubtful(*at)) {
        entries[at].repeats =
            at > 0 && labels(tables, entries[at - 1]) == labels(tables, entries[at]);
    }
}

pub(super) fn labels(tables: &[Arc<Table>], entry: Entry) -> Option<SeriesLabels<'_>> {
    tables.get(entry.target as usize)?.series(entry.slot)
}

/// Tables and slots are counted in 32 bits, as `SeriesRef` is.
fn position(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}
