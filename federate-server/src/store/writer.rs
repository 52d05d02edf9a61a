//! Writing the scrapes of one target.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use hashbrown::{HashMap, HashSet};
use prom_model::label::{LabelSet, METRIC_NAME};
use prom_model::metadata::Metadata;
use prom_model::sample::Sample;
use prom_model::sink::{AppendError, FamilyRef, SeriesRef, TargetSink};

use super::base::{assign, first_base};
use super::column::Column;
use super::draft::{Draft, Drafts};
use super::families::Families;
use super::intern::{Family, Interner, same_family};
use super::slots::Slots;
use super::table::{Member, Table};

/// So many families may have no series: those that a target describes and doesn't expose, or whose series
/// relabelling drops.
const EMPTY_FAMILIES: usize = 1000;
/// From so many free slots on it is worth a look whether they lie at the end.
const MANY_FREE: usize = 1 << 12;

/// One target of the store: what readers see of it.
#[derive(Debug)]
pub(crate) struct StoredTarget {
    pub(crate) labels: Arc<LabelSet>,
    /// Its position among the targets of the store.
    pub(crate) place: usize,
    published: ArcSwap<Published>,
    /// No more scrapes will come.
    closed: AtomicBool,
}

impl StoredTarget {
    pub(crate) fn new(labels: Arc<LabelSet>, place: usize) -> Self {
        Self {
            labels,
            place,
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
    family: Option<Arc<Family>>,
}

/// The [`TargetSink`] of the store.
#[derive(Debug)]
pub(crate) struct Writer {
    interner: Arc<Interner>,
    drafts: Arc<Drafts>,
    target: Arc<StoredTarget>,
    lookback_ms: i64,
    table: Arc<Table>,
    slots: Slots,
    /// The scrape under way.
    draft: Option<Draft>,
    scrape_ms: i64,
    families: Families,
    /// By slot.
    pending: HashMap<u32, Pending>,
    free: Vec<u32>,
    slot_count: u32,
    /// Released slots, which readers may still see a sample of.
    released: HashSet<u32>,
}

impl Writer {
    pub(crate) fn new(
        target: Arc<StoredTarget>,
        interner: Arc<Interner>,
        drafts: Arc<Drafts>,
        lookback_ms: i64,
    ) -> Self {
        let table = Table::new(first_base(&interner, &target.labels));
        Self {
            interner,
            drafts,
            target,
            lookback_ms,
            table: Arc::new(table),
            slots: Slots::default(),
            draft: None,
            scrape_ms: i64::MIN,
            families: Families::default(),
            pending: HashMap::new(),
            free: Vec::new(),
            slot_count: 0,
            released: HashSet::new(),
        }
    }

    /// Moves what was resolved since the last commit into the table.
    fn settle(&mut self) {
        // Taken even if empty: it may have been large.
        let pending = std::mem::take(&mut self.pending);
        if pending.is_empty() {
            return;
        }
        let Table { bases, members, .. } = Arc::make_mut(&mut self.table);
        let labels: Vec<_> = pending.values().map(|new| &new.labels).collect();
        let positions = assign(bases, &labels, &self.interner);
        let count = self.slot_count as usize;
        members.reserve_exact(count.saturating_sub(members.len()));
        members.resize(count, None);
        for ((slot, Pending { labels, family }), base) in pending.iter().zip(positions) {
            let mut shared = bases[usize::from(base)].iter().peekable();
            // Both are sorted by name.
            let is_own = |(name, _): &(&str, &str)| {
                *name != METRIC_NAME && shared.next_if(|(have, _)| have == name).is_none()
            };
            let own: Vec<_> = labels.iter().filter(is_own).collect();
            let name = labels.metric_name();
            let shape = self.interner.shape(name, &own, family.as_ref());
            members[*slot as usize] = Some(Member { shape, base });
        }
    }

    /// Tells the series of the families that were described since the last commit; keeps those without a series.
    fn settle_families(&mut self) {
        let told = self.families.settle();
        if told.is_empty() {
            return;
        }
        let now = |family: Option<&Arc<Family>>| told.get(&family?.name.as_ptr()).cloned();
        let mut with_series = HashSet::with_capacity(told.len());
        for slot in 0..self.slot_count {
            let known = self.table.family(slot);
            let Some(family) = now(known) else { continue };
            with_series.insert(family.name.as_ptr());
            if !same_family(known, Some(&family)) {
                self.set_family(slot, Some(&family));
            }
        }
        let is_told = |family: &Arc<Family>| told.contains_key(&family.name.as_ptr());
        let without_series = |name: &*const u8| !with_series.contains(name);
        let mut outdated = self.table.described.iter().filter(|family| is_told(family));
        let known: HashSet<_> = outdated.clone().map(Arc::as_ptr).collect();
        let is_outdated = |family: &Arc<Family>| {
            let now = &told[&family.name.as_ptr()];
            !Arc::ptr_eq(now, family) || with_series.contains(&family.name.as_ptr())
        };
        let is_new = |(name, family): (&*const u8, &Arc<Family>)| {
            without_series(name) && !known.contains(&Arc::as_ptr(family))
        };
        // A changed table has readers sort it anew.
        if outdated.any(is_outdated) || told.iter().any(is_new) {
            let described = &mut Arc::make_mut(&mut self.table).described;
            described.retain(|family| !is_told(family));
            let new = told.iter().filter(|(name, _)| without_series(name));
            let before = described.len();
            described.extend(new.map(|(_, family)| Arc::clone(family)));
            // The oldest may be gone; that nobody says.
            let added = described.len() - before;
            let excess = before.min(described.len().saturating_sub(EMPTY_FAMILIES + 2 * added));
            described.drain(..excess);
        }
    }

    /// Makes the series in `slot` a member of `family`.
    fn set_family(&mut self, slot: u32, family: Option<&Arc<Family>>) {
        let member = self.table.members.get(slot as usize);
        let Some(Some(Member { shape, base })) = member else {
            return;
        };
        let own: Vec<_> = shape.own().collect();
        let shape = self.interner.shape(&shape.name, &own, family);
        let member = Some(Member { shape, base: *base });
        Arc::make_mut(&mut self.table).members[slot as usize] = member;
    }

    /// Frees the released slots whose last sample no reader can see any more.
    fn reclaim(&mut self, draft: &mut Draft) {
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
        let gone: Vec<u32> = self.released.extract_if(|slot| over(*slot)).collect();
        for slot in gone {
            let Some(hash) = self.table.hash(slot) else {
                continue;
            };
            self.slots.remove(hash, slot);
            Arc::make_mut(&mut self.table).members[slot as usize] = None;
            draft.clear_slot(slot);
            self.free.push(slot);
        }
    }

    /// Gives up the last slots where most of all are free, as they are some time after an unusual body.
    fn truncate(&mut self, draft: &mut Draft) {
        let count = self.slot_count as usize;
        if self.free.len() < MANY_FREE || self.free.len() < count / 2 {
            return;
        }
        let members = &self.table.members;
        let used = members.iter().rposition(Option::is_some);
        let count = used.map_or(0, |last| last + 1);
        self.slot_count = u32::try_from(count).unwrap_or(u32::MAX);
        self.free.retain(|slot| (*slot as usize) < count);
        self.free.shrink_to_fit();
        let members = &mut Arc::make_mut(&mut self.table).members;
        members.truncate(count);
        members.shrink_to_fit();
        draft.truncate(count);
    }
}

impl TargetSink for Writer {
    fn resolve(&mut self, labels: &LabelSet, family: Option<FamilyRef>) -> SeriesRef {
        let hash = self.interner.labels_hash(labels.iter());
        let family = family.and_then(|family| self.families.get(family.0 as usize).cloned());
        let is_same = |slot| match self.table.series(slot) {
            Some(series) => series.equal(labels),
            None => {
                let new = self.pending.get(&slot);
                new.is_some_and(|new| new.labels == *labels)
            }
        };
        if let Some(slot) = self.slots.find(&self.table, hash, is_same) {
            self.released.remove(&slot);
            if let Some(new) = self.pending.get_mut(&slot) {
                new.family = family;
            } else if !same_family(self.table.family(slot), family.as_ref()) {
                self.set_family(slot, family.as_ref());
            }
            return SeriesRef(slot);
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slot_count += 1;
            self.slot_count - 1
        });
        if let Some(draft) = &mut self.draft {
            draft.open_slot(slot);
        }
        self.slots.insert(hash, slot);
        let labels = labels.clone();
        self.pending.insert(slot, Pending { labels, family });
        SeriesRef(slot)
    }

    fn describe(&mut self, name: &str, metadata: &Metadata) -> FamilyRef {
        let number = self.families.tell(self.interner.family(name, metadata));
        FamilyRef(u32::try_from(number).unwrap_or(u32::MAX))
    }

    fn metadata(&mut self, name: &str) -> Option<Metadata> {
        let family = self.families.latest(&self.table, name)?;
        Some(family.metadata.clone())
    }

    fn begin(&mut self, timestamp_ms: i64) {
        self.scrape_ms = timestamp_ms;
        let draft = self.draft.get_or_insert_with(|| self.drafts.take());
        draft.begin(&self.target.published.load().column, timestamp_ms);
        draft.open_slots(self.slot_count as usize);
        for slot in self.pending.keys() {
            draft.open_slot(*slot);
        }
    }

    fn append(&mut self, series: SeriesRef, sample: Sample) -> Result<(), AppendError> {
        match &mut self.draft {
            Some(draft) => draft.append(series.0, sample.value, sample.timestamp_ms),
            // Without a scrape there is none that the sample could become visible with.
            None => Ok(()),
        }
    }

    fn commit(&mut self) {
        let Some(mut draft) = self.draft.take() else {
            return;
        };
        self.settle();
        self.settle_families();
        if !self.released.is_empty() {
            self.reclaim(&mut draft);
        }
        self.truncate(&mut draft);
        self.slots.rest();
        let column = draft.finish(self.free.len());
        self.drafts.put(draft);
        let table = Arc::clone(&self.table);
        let published = Published { table, column };
        self.target.published.store(Arc::new(published));
    }

    fn release(&mut self, series: SeriesRef) {
        let slot = series.0;
        let Some(new) = self.pending.remove(&slot) else {
            self.released.insert(slot);
            return;
        };
        // Nobody has seen it.
        let hash = self.interner.labels_hash(new.labels.iter());
        self.slots.remove(hash, slot);
        if let Some(draft) = &mut self.draft {
            draft.clear_slot(slot);
        }
        self.free.push(slot);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.target.closed.store(true, Ordering::Release);
    }
}
