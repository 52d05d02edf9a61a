//! What a tenant sees of the store, kept between its requests.
//!
//! A tenant's snapshot has its own targets and no other: whatever is indexed, merged, counted or decided from there on
//! can't depend on what lies outside. It costs what the tenant's own series cost; foreign targets are looked at when
//! the list of targets changes, and never their series.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;

use crate::selector::Selector;
use crate::tenant::TargetFilter;

use super::index::Index;
use super::lock;
use super::table::Table;
use super::writer::{Published, StoredTarget};

/// Targets by position; a place may be empty.
pub(super) type TargetList = Vec<Option<Arc<StoredTarget>>>;

/// The part of a store that one tenant sees.
#[derive(Debug, Default)]
pub(crate) struct View {
    targets: Mutex<OwnTargets>,
    index: IndexCache,
}

/// A tenant's targets among those of a store.
#[derive(Debug, Default)]
struct OwnTargets {
    /// Which store.
    store: Weak<StoreIdentity>,
    /// The list that they were taken from. Doesn't keep its targets.
    of: Weak<TargetList>,
    /// Targets of lower numbers are decided: those that aren't own are foreign. Their labels never change.
    undecided_from: u64,
    /// In the order in which they were opened, which others' targets have no part in.
    own: Arc<TargetList>,
}

/// Tells one store from another.
#[derive(Debug)]
pub(super) struct StoreIdentity;

/// Whether a [`View`] has met a store before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    New,
    Old,
}

impl View {
    /// Those of the targets `all` of `store` that `filter` takes.
    pub(super) fn targets(
        &self,
        store: &Arc<StoreIdentity>,
        all: &ArcSwap<TargetList>,
        filter: &TargetFilter,
    ) -> (Arc<TargetList>, Acquaintance) {
        let mut targets = lock(&self.targets);
        let acquaintance = if std::ptr::eq(targets.store.as_ptr(), Arc::as_ptr(store)) {
            Acquaintance::Old
        } else {
            *targets = OwnTargets {
                store: Arc::downgrade(store),
                ..OwnTargets::default()
            };
            Acquaintance::New
        };
        // Not loaded before the lock was had, lest an older list follow a newer one.
        let all = all.load();
        if !std::ptr::eq(targets.of.as_ptr(), Arc::as_ptr(&all)) {
            targets.renew(&all, filter);
        }
        (Arc::clone(&targets.own), acquaintance)
    }

    /// The index of the tenant's targets `published`, of the series that `metrics` take.
    pub(super) fn index(&self, published: &[Arc<Published>], metrics: &[Selector]) -> Arc<Index> {
        self.index.of(published, metrics)
    }

    /// Drops an index that nobody has needed since the last time, or that `is_outdated`.
    pub(super) fn sweep_index(&self, is_outdated: bool) {
        self.index.sweep(is_outdated);
    }
}

impl OwnTargets {
    fn renew(&mut self, all: &Arc<TargetList>, filter: &TargetFilter) {
        let number_of = |place: &Option<Arc<StoredTarget>>| place.as_ref().map(|it| it.number);
        let is_own = |target: &Arc<StoredTarget>| {
            if target.number >= self.undecided_from {
                return filter.matches(&target.labels);
            }
            let known = |place| number_of(place).cmp(&Some(target.number));
            self.own.binary_search_by(known).is_ok()
        };
        let own = all.iter().flatten().filter(|target| is_own(target));
        let mut own: TargetList = own.cloned().map(Some).collect();
        own.sort_unstable_by_key(number_of);
        let newest = all.iter().filter_map(number_of).max();
        let from = newest.map_or(0, |number| number + 1);
        self.undecided_from = self.undecided_from.max(from);
        self.own = Arc::new(own);
        self.of = Arc::downgrade(all);
    }
}

/// The index of the last snapshot that needed one.
#[derive(Debug, Default)]
pub(super) struct IndexCache {
    index: Mutex<Arc<Index>>,
    /// Somebody has needed it since the last sweep.
    is_used: AtomicBool,
}

impl IndexCache {
    /// The index of the targets `published`, of the series that `metrics` take. Those are the same each time.
    pub(super) fn of(&self, published: &[Arc<Published>], metrics: &[Selector]) -> Arc<Index> {
        self.is_used.store(true, Ordering::Relaxed);
        // Readers that need the same new index wait for the one that makes it; scrapes don't.
        let mut index = lock(&self.index);
        let tables: Vec<Arc<Table>> = published
            .iter()
            .map(|target| Arc::clone(&target.table))
            .collect();
        if !index.is_of(&tables) {
            *index = Arc::new(index.updated(tables, metrics));
        }
        Arc::clone(&index)
    }

    /// Drops the index where nobody has needed it since the last time, or where it `is_outdated`: it would keep the
    /// tables of what is gone or has changed.
    pub(super) fn sweep(&self, is_outdated: bool) {
        let is_used = self.is_used.swap(false, Ordering::Relaxed);
        if is_outdated || !is_used {
            *lock(&self.index) = Arc::default();
        }
    }
}
