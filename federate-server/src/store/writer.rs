//! Writing the scrapes of one target.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use hashbrown::{HashMap, HashSet, HashTable};
use prom_model::label::{LabelSet, METRIC_NAME};
use prom_model::metadata::Metadata;
use prom_model::sample::Sample;
use prom_model::sink::{AppendError, FamilyRef, SeriesRef, TargetSink};

use super::column::{Column, Draft};
use super::intern::Interner;
use super::table::{Base, Member, NO_FAMILY, Table};

/// A base is worth its place where at least this many series share it.
const SHARED_BY: usize = 8;
/// More bases than this make deciding matchers once a base pointless.
const MOST_BASES: usize = 8;
/// So many families may never have had a series: those that a target describes and doesn't expose, or whose
/// series relabelling drops.
const EMPTY_FAMILIES: usize = 1000;

/// One target of the store: what readers see of it.
#[derive(Debug)]
pub(crate) struct StoredTarget {
    pub(crate) labels: Arc<LabelSet>,
    published: ArcSwap<Published>,
    /// No more scrapes will come.
    closed: AtomicBool,
}

impl StoredTarget {
    pub(crate) fn new(labels: Arc<LabelSet>) -> Self {
        Self {
            labels,
            published: ArcSwap::default(),
            closed: AtomicBool::new(false),
        }
    }

    /// The last committed scrape.
    pub(crate) fn load(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Whether nothing that it holds can be current from `oldest_ms` on, and nothing more will come.
    pub(crate) fn is_over(&self, oldest_ms: i64) -> bool {
        self.closed.load(Ordering::Acquire) && self.published.load().column.newest_ms() < oldest_ms
    }
}

/// A scrape as readers see it: which series there are, and their latest samples.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub(crate) table: Arc<Table>,
    pub(crate) column: Column,
}

/// A series that was resolved since the last commit and isn't in the table yet.
#[derive(Debug)]
struct Pending {
    labels: LabelSet,
    family: u32,
}

/// The [`TargetSink`] of the store.
#[derive(Debug)]
pub(crate) struct Writer {
    interner: Arc<Interner>,
    target: Arc<StoredTarget>,
    lookback_ms: i64,
    table: Arc<Table>,
    draft: Draft,
    spare: Column,
    /// Slot of each series, found by the upper half of its labels' hash.
    slots: HashTable<(u32, u32)>,
    /// Family by name.
    families: HashMap<Box<str>, u32>,
    /// Places of families that are gone.
    free_families: Vec<u32>,
    /// Families that a series has left since the last commit.
    left_families: Vec<u32>,
    /// Families described since the last commit.
    told_families: Vec<u32>,
    /// From so many families on those without a series are looked for.
    most_families: usize,
    /// By slot.
    pending: HashMap<u32, Pending>,
    free: Vec<u32>,
    slot_count: u32,
    /// Released slots, which readers may still see a sample of.
    released: HashSet<u32>,
    scrape_ms: i64,
}

impl Writer {
    pub(crate) fn new(
        target: Arc<StoredTarget>,
        interner: Arc<Interner>,
        lookback_ms: i64,
    ) -> Self {
        let bases = vec![Arc::new(base(&interner, (*target.labels).clone()))];
        Self {
            interner,
            target,
            lookback_ms,
            table: Arc::new(Table {
                bases,
                ..Table::default()
            }),
            draft: Draft::default(),
            spare: Column::default(),
            slots: HashTable::new(),
            families: HashMap::new(),
            free_families: Vec::new(),
            left_families: Vec::new(),
            told_families: Vec::new(),
            most_families: EMPTY_FAMILIES,
            pending: HashMap::new(),
            free: Vec::new(),
            slot_count: 0,
            released: HashSet::new(),
            scrape_ms: i64::MIN,
        }
    }

    fn hash(&self, labels: &LabelSet) -> u32 {
        let hash = labels
            .iter()
            .map(|(name, value)| self.interner.label_hash(name, value));
        upper(hash.fold(0, u64::wrapping_add))
    }

    /// Moves what was resolved since the last commit into the table.
    fn settle(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let pending = std::mem::take(&mut self.pending);
        let table = Arc::make_mut(&mut self.table);
        if table.bases.len() < MOST_BASES {
            let unshared = pending
                .values()
                .filter(|new| best_base(table, &new.labels) == 0);
            if let Some(labels) = shared_labels(unshared.map(|new| &new.labels))
                && labels.len() > table.bases[0].labels.len()
            {
                table.bases.push(Arc::new(base(&self.interner, labels)));
            }
        }
        for (slot, new) in pending {
            let at = best_base(table, &new.labels);
            let shared = &table.bases[at].labels;
            // The first base is the target's own labels, which a series may have in part only.
            let at = if contains(&new.labels, shared) {
                at
            } else {
                no_base(table, &self.interner)
            };
            let shared = &table.bases[at].labels;
            let is_own =
                |(name, _): &(&str, &str)| *name != METRIC_NAME && shared.get(name).is_none();
            let own: Vec<_> = new.labels.iter().filter(is_own).collect();
            let shape = self.interner.shape(new.labels.metric_name(), &own);
            let slot = slot as usize;
            if table.members.len() <= slot {
                table.members.resize(slot + 1, None);
            }
            // At most `MOST_BASES` and one more.
            let base = u16::try_from(at).unwrap_or(0);
            table.members[slot] = Some(Member {
                shape,
                base,
                family: new.family,
            });
        }
    }

    /// Frees the released slots whose last sample no reader can see any more.
    fn reclaim(&mut self) {
        let oldest_ms = self.scrape_ms.saturating_sub(self.lookback_ms);
        let published = self.target.load();
        let over = |slot: u32| {
            published
                .column
                .latest(slot, i64::MAX)
                .is_none_or(|(time, _)| time < oldest_ms)
        };
        if !self.released.iter().any(|slot| over(*slot)) {
            return;
        }
        let table = Arc::make_mut(&mut self.table);
        let gone: Vec<u32> = self.released.extract_if(|slot| over(*slot)).collect();
        for slot in gone {
            let Some(member) = table.members.get_mut(slot as usize).and_then(Option::take) else {
                continue;
            };
            let hash = table.bases[usize::from(member.base)]
                .hash
                .wrapping_add(member.shape.hash);
            if let Ok(entry) = self
                .slots
                .find_entry(spread(upper(hash)), |entry| entry.1 == slot)
            {
                entry.remove();
            }
            self.left_families.push(member.family);
            self.draft.clear_slot(slot);
            self.free.push(slot);
        }
    }

    /// Drops families whose last series is gone.
    ///
    /// Those that never had one are kept, as a target that goes on describing them is not heard again, until
    /// there are too many of them.
    fn drop_families(&mut self) {
        let told = std::mem::take(&mut self.told_families);
        let left = std::mem::take(&mut self.left_families);
        let are_many = self.families.len() > self.most_families;
        if left.is_empty() && !are_many {
            return;
        }
        let mut kept = vec![!are_many; self.table.families.len()];
        let mut keep = |families: &mut dyn Iterator<Item = u32>, is_kept: bool| {
            for family in families {
                if let Some(kept) = kept.get_mut(family as usize) {
                    *kept = is_kept;
                }
            }
        };
        keep(&mut left.into_iter(), false);
        keep(&mut told.into_iter(), true);
        let members = self.table.members.iter().flatten();
        keep(&mut members.map(|member| member.family), true);
        let free = &mut self.free_families;
        let table = &mut self.table;
        self.families.retain(|_, at| {
            let is_kept = kept[*at as usize];
            if !is_kept {
                Arc::make_mut(table).families[*at as usize] = None;
                free.push(*at);
            }
            is_kept
        });
        if are_many {
            self.most_families = self.families.len() * 2 + EMPTY_FAMILIES;
        }
    }
}

impl TargetSink for Writer {
    fn resolve(&mut self, labels: &LabelSet, family: Option<FamilyRef>) -> SeriesRef {
        let hash = self.hash(labels);
        let family = family.map_or(NO_FAMILY, |family| family.0);
        let is_same = |&(have, slot): &(u32, u32)| {
            have == hash
                && match self.table.series(slot) {
                    Some(series) => series.equal(labels),
                    None => self
                        .pending
                        .get(&slot)
                        .is_some_and(|new| new.labels == *labels),
                }
        };
        if let Some(&(_, slot)) = self.slots.find(spread(hash), is_same) {
            self.released.remove(&slot);
            let known = self
                .table
                .members
                .get(slot as usize)
                .and_then(Option::as_ref);
            if known.is_some_and(|member| member.family != family) {
                let table = Arc::make_mut(&mut self.table);
                if let Some(member) = &mut table.members[slot as usize] {
                    let left = std::mem::replace(&mut member.family, family);
                    self.left_families.push(left);
                }
            }
            return SeriesRef(slot);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slot_count += 1;
            self.slot_count - 1
        });
        self.draft.open_slot(slot);
        self.slots
            .insert_unique(spread(hash), (hash, slot), |entry| spread(entry.0));
        let labels = labels.clone();
        self.pending.insert(slot, Pending { labels, family });
        SeriesRef(slot)
    }

    fn describe(&mut self, name: &str, metadata: &Metadata) -> FamilyRef {
        if let Some(&at) = self.families.get(name) {
            let known = self.table.families[at as usize].as_ref();
            if known.is_none_or(|family| family.metadata != *metadata) {
                let family = self.interner.family(name, metadata);
                Arc::make_mut(&mut self.table).families[at as usize] = Some(family);
            }
            self.told_families.push(at);
            return FamilyRef(at);
        }
        let family = Some(self.interner.family(name, metadata));
        let table = Arc::make_mut(&mut self.table);
        let at = if let Some(at) = self.free_families.pop() {
            table.families[at as usize] = family;
            at
        } else {
            table.families.push(family);
            u32::try_from(table.families.len() - 1).unwrap_or(NO_FAMILY)
        };
        self.families.insert(name.into(), at);
        self.told_families.push(at);
        FamilyRef(at)
    }

    fn begin(&mut self, timestamp_ms: i64) {
        self.scrape_ms = timestamp_ms;
        self.draft
            .begin(&self.target.published.load().column, timestamp_ms);
        for slot in self.pending.keys() {
            self.draft.open_slot(*slot);
        }
    }

    fn append(&mut self, series: SeriesRef, sample: Sample) -> Result<(), AppendError> {
        self.draft
            .append(series.0, sample.value, sample.timestamp_ms)
    }

    fn commit(&mut self) {
        self.settle();
        if !self.released.is_empty() {
            self.reclaim();
        }
        self.drop_families();
        let column = self.draft.finish(std::mem::take(&mut self.spare));
        let table = Arc::clone(&self.table);
        let last = self
            .target
            .published
            .swap(Arc::new(Published { table, column }));
        // Where no reader holds the scrape before, its memory serves the next one.
        if let Some(last) = Arc::into_inner(last) {
            self.spare = last.column;
        }
    }

    fn release(&mut self, series: SeriesRef) {
        self.released.insert(series.0);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.target.closed.store(true, Ordering::Release);
    }
}

const fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

/// A table's hash from the half of it that is stored.
const fn spread(hash: u32) -> u64 {
    (hash as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn base(interner: &Interner, labels: LabelSet) -> Base {
    let hashes = labels
        .iter()
        .map(|(name, value)| interner.label_hash(name, value));
    let hash = hashes.fold(0, u64::wrapping_add);
    Base { labels, hash }
}

fn contains(labels: &LabelSet, part: &LabelSet) -> bool {
    part.iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

/// Position of the largest base that is part of `labels`, 0 where there is none.
fn best_base(table: &Table, labels: &LabelSet) -> usize {
    let fitting = table
        .bases
        .iter()
        .enumerate()
        .filter(|(_, base)| contains(labels, &base.labels));
    fitting
        .max_by_key(|(_, base)| base.labels.len())
        .map_or(0, |(at, _)| at)
}

/// Position of the base without labels, which every series has.
fn no_base(table: &mut Table, interner: &Interner) -> usize {
    table
        .bases
        .iter()
        .position(|base| base.labels.is_empty())
        .unwrap_or_else(|| {
            table.bases.push(Arc::new(base(interner, LabelSet::new())));
            table.bases.len() - 1
        })
}

/// The labels that all but a few of `series` share, if it is worth it.
fn shared_labels<'a>(series: impl Iterator<Item = &'a LabelSet> + Clone) -> Option<LabelSet> {
    let total = series.clone().count();
    if total < SHARED_BY {
        return None;
    }
    let mut counts: HashMap<(&str, &str), usize> = HashMap::new();
    for label in series
        .flat_map(LabelSet::iter)
        .filter(|(name, _)| *name != METRIC_NAME)
    {
        *counts.entry(label).or_default() += 1;
    }
    let labels: LabelSet = counts
        .into_iter()
        .filter(|(_, count)| *count * 10 >= total * 9)
        .map(|(label, _)| label)
        .collect();
    (!labels.is_empty()).then_some(labels)
}
