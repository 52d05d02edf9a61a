//! What a tenant sees of the store, kept between its requests.
//!
//! A tenant's snapshot has its own targets and no other: whatever is indexed, merged, counted or decided from there on
//! can't depend on what lies outside. It costs what the tenant's own series cost; foreign targets are looked at once
//! each, and never their series.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};

use arc_swap::ArcSwap;

use crate::selector::Selector;
use crate::tenant::TargetFilter;

use super::few::{Few, FewCache};
use super::index::Index;
use super::table::Table;
use super::targets::{AllTargets, TargetList};
use super::writer::Published;
use super::{lock, tables};

/// The part of a store that one tenant sees.
#[derive(Debug, Default)]
pub(crate) struct StoreView {
    targets: Mutex<OwnTargets>,
    index: IndexCache,
}

/// A tenant's targets among those of a store.
#[derive(Debug, Default)]
struct OwnTargets {
    /// Which store.
    store: Weak<StoreIdentity>,
    /// What they were taken from. Doesn't keep its targets.
    of: Weak<AllTargets>,
    /// Targets of lower numbers are decided: those that aren't own are foreign. Their labels never change.
    undecided_from: u64,
    /// In the order in which they were opened, which others' targets have no part in.
    own: Arc<TargetList>,
    losses: Losses,
}

/// Whether targets are gone since the index was last looked through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Losses {
    #[default]
    None,
    Some,
}

/// Tells one store from another.
#[derive(Debug)]
pub(super) struct StoreIdentity;

/// Whether a [`StoreView`] has met a store before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Acquaintance {
    New,
    Old,
}

impl StoreView {
    /// Those of the targets `all` of `store` that `filter` takes, which is the same each time. Costs what these and
    /// those that are new do.
    pub(super) fn targets(
        &self,
        store: &Arc<StoreIdentity>,
        all: &ArcSwap<AllTargets>,
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

    /// The same of only these of the tenant's targets, which have `all_series` together.
    pub(super) fn few(
        &self,
        published: &[Arc<Published>],
        metrics: &[Selector],
        all_series: usize,
    ) -> Arc<Few> {
        self.index.few(published, metrics, all_series)
    }

    /// Drops an index that nobody has needed since the last time, or that has targets that are gone.
    pub(super) fn sweep_index(&self) {
        let losses = std::mem::take(&mut lock(&self.targets).losses);
        self.index.sweep(losses);
    }
}

impl OwnTargets {
    fn renew(&mut self, all: &Arc<AllTargets>, filter: &TargetFilter) {
        let is_there = |place: &&Option<_>| place.as_ref().is_some_and(|it| all.has(it));
        let kept: Vec<_> = self.own.iter().filter(is_there).collect();
        let new = all.since(self.undecided_from);
        let mut new = new
            .filter(|target| filter.matches(&target.labels))
            .peekable();
        if kept.len() < self.own.len() {
            self.losses = Losses::Some;
        }
        if kept.len() < self.own.len() || new.peek().is_some() {
            let new = new.cloned().map(Some);
            self.own = Arc::new(kept.into_iter().cloned().chain(new).collect());
        }
        self.undecided_from = all.next();
        self.of = Arc::downgrade(all);
    }
}

/// The index of the last snapshot that needed one, and those of narrow answers.
#[derive(Debug, Default)]
pub(super) struct IndexCache {
    index: Mutex<Arc<Index>>,
    few: FewCache,
    /// Somebody has needed it since the last sweep.
    is_used: AtomicBool,
}

impl IndexCache {
    /// The index of the targets `published`, of the series that `metrics` take. Those are the same each time.
    pub(super) fn of(&self, published: &[Arc<Published>], metrics: &[Selector]) -> Arc<Index> {
        self.is_used.store(true, Ordering::Relaxed);
        // Readers that need the same new index wait for the one that makes it; scrapes don't.
        let mut index = lock(&self.index);
        let tables: Vec<Arc<Table>> = tables(published).cloned().collect();
        if !index.is_of(&tables) {
            *index = Arc::new(index.updated(tables, metrics));
        }
        Arc::clone(&index)
    }

    /// The same of only these of the targets, which have `all_series` together.
    pub(super) fn few(
        &self,
        published: &[Arc<Published>],
        metrics: &[Selector],
        all_series: usize,
    ) -> Arc<Few> {
        let tables = tables(published).cloned().collect();
        self.few.of(tables, metrics, all_series)
    }

    /// Drops what nobody has needed since the last time, and all where there are losses: it would keep the tables of
    /// what is gone.
    pub(super) fn sweep(&self, losses: Losses) {
        self.few.sweep(losses);
        let is_used = self.is_used.swap(false, Ordering::Relaxed);
        if losses == Losses::Some || !is_used {
            *lock(&self.index) = Arc::default();
        }
    }
}
