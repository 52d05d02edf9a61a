//! The latest samples of all targets.
//!
//! Each target is written by one scrape loop and published as a whole: a scrape swaps one pointer,
//! and readers work on what they loaded. So a scrape never waits for a reader, nor a reader for a
//! scrape, and of a target's scrape a reader sees all or nothing.
//!
//! What a series costs is a number in its target's `column` and a pointer in its `table`; its labels are split
//! into a `base` that many series of the target share and a shape that the same series of every other target
//! shares. What only writing needs is held while there is something to write: a scrape's `draft`, and the
//! `slots` by which new series are looked up.

mod base;
mod column;
mod decide;
mod draft;
mod families;
mod few;
mod index;
mod intern;
mod metrics;
mod read;
mod select;
mod slots;
mod table;
mod targets;
mod view;
mod writer;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;
use prom_model::sink::{Sink, TargetSink};

pub(crate) use self::select::{Batch, Cursor, Effort, Found, Selection, Step};
pub(crate) use self::table::{Part, SeriesLabels};
pub(crate) use self::view::StoreView;

use self::decide::{Decisions, Visible};
use self::draft::Drafts;
use self::few::Few;
use self::index::Index;
use self::intern::Interner;
use self::select::Candidates;
use self::table::Table;
use self::targets::{AllTargets, TargetList};
use self::view::{Acquaintance, IndexCache, Losses, StoreIdentity};
use self::writer::{Published, Writer};
use crate::selector::Selector;
use crate::tenant::{Scope, View};

/// How old a sample may be and still be served, as in Prometheus (`--query.lookback-delta`).
pub const DEFAULT_LOOKBACK: Duration = Duration::from_secs(5 * 60);

/// Holds the latest sample of every series of every target; a [`Sink`] for scrapes.
///
/// ```
/// use std::sync::Arc;
/// use federate_server::store::{DEFAULT_LOOKBACK, Store};
/// use federate_server::tenant::Scope;
/// use prom_model::{label::LabelSet, sample::Sample, sink::Sink};
///
/// let store = Store::new(DEFAULT_LOOKBACK);
/// let target: LabelSet = [("job", "aiven"), ("instance", "127.0.0.1:9273")].into_iter().collect();
/// let mut writer = store.open(Arc::new(target.clone()));
///
/// let mut labels = target.clone();
/// labels.set("__name__", "up");
/// let up = writer.resolve(&labels, None);
/// writer.begin(1_000);
/// writer.append(up, Sample::new(1.0))?;
/// writer.commit();
///
/// let series = store.snapshot(&Scope::Everything).select_all(2_000).collect::<Vec<_>>();
/// assert_eq!(series.len(), 1);
/// assert_eq!((series[0].labels(), series[0].value, series[0].timestamp_ms), (labels, 1.0, 1_000));
/// # Ok::<(), prom_model::sink::AppendError>(())
/// ```
#[derive(Debug)]
pub struct Store {
    identity: Arc<StoreIdentity>,
    interner: Arc<Interner>,
    drafts: Arc<Drafts>,
    targets: ArcSwap<AllTargets>,
    /// Stands for a target that is over, the same each time so that it doesn't pass for a change.
    nothing: Arc<Published>,
    /// Held to change `targets`.
    opening: Mutex<()>,
    /// For who sees everything; a tenant's [`StoreView`] has its own.
    index: IndexCache,
    /// Of tenants that have asked.
    views: Mutex<Vec<Weak<View>>>,
    lookback_ms: i64,
}

impl Store {
    /// An empty store that serves samples up to `lookback` old.
    #[must_use]
    pub fn new(lookback: Duration) -> Self {
        Self {
            identity: Arc::new(StoreIdentity),
            interner: Arc::default(),
            drafts: Arc::default(),
            targets: ArcSwap::default(),
            nothing: Arc::default(),
            opening: Mutex::default(),
            index: IndexCache::default(),
            views: Mutex::default(),
            lookback_ms: i64::try_from(lookback.as_millis()).unwrap_or(i64::MAX),
        }
    }

    /// What is stored at this moment of the targets that `scope` sees: of each its last committed scrape. Costs a pointer
    /// for each of them.
    #[must_use]
    pub fn snapshot(&self, scope: &Scope) -> Snapshot<'_> {
        let targets = match scope {
            Scope::Everything => Arc::clone(self.targets.load().places()),
            Scope::Tenant(tenant) => self.targets_of(tenant.view()),
        };
        let published = targets
            .iter()
            .map(|target| {
                target
                    .as_ref()
                    .map_or_else(|| Arc::clone(&self.nothing), |target| target.load())
            })
            .collect();
        Snapshot {
            store: self,
            scope: scope.clone(),
            targets,
            published,
        }
    }

    fn targets_of(&self, view: &Arc<View>) -> Arc<TargetList> {
        let stored = view.stored();
        let (targets, acquaintance) = stored.targets(&self.identity, &self.targets, view.targets());
        if acquaintance == Acquaintance::New {
            lock(&self.views).push(Arc::downgrade(view));
        }
        targets
    }

    /// Forgets targets that are gone and whose last samples are too old to be served at `now_ms`
    /// (milliseconds since the Unix epoch), and what only they held.
    ///
    /// Call it now and then, a minute apart or so. Targets that are scraped look after themselves.
    pub fn sweep(&self, now_ms: i64) {
        let oldest_ms = now_ms.saturating_sub(self.lookback_ms);
        let opening = lock(&self.opening);
        let kept = self
            .targets
            .load()
            .without(|target| target.is_over(oldest_ms));
        let losses = match &kept {
            Some(_) => Losses::Some,
            None => Losses::None,
        };
        if let Some(kept) = kept {
            self.targets.store(Arc::new(kept));
        }
        drop(opening);
        self.index.sweep(losses);
        for view in self.known_views() {
            if losses == Losses::Some {
                // It would keep the targets that are gone.
                self.targets_of(&view);
            }
            view.stored().sweep_index();
        }
        self.interner.sweep();
    }

    /// Those of tenants that have asked, and are still tenants.
    fn known_views(&self) -> Vec<Arc<View>> {
        let mut views = lock(&self.views);
        views.retain(|view| view.strong_count() > 0);
        views.iter().filter_map(Weak::upgrade).collect()
    }
}

impl Sink for Store {
    fn open(&self, labels: Arc<LabelSet>) -> Box<dyn TargetSink> {
        let opening = lock(&self.opening);
        let (targets, target) = self.targets.load().with(labels);
        self.targets.store(Arc::new(targets));
        drop(opening);
        Box::new(Writer::new(
            target,
            Arc::clone(&self.interner),
            Arc::clone(&self.drafts),
            self.lookback_ms,
        ))
    }
}

/// What a [`Store`] held at one moment, as far as it may be seen.
#[derive(Debug)]
pub struct Snapshot<'s> {
    store: &'s Store,
    scope: Scope,
    targets: Arc<TargetList>,
    published: Vec<Arc<Published>>,
}

impl Snapshot<'_> {
    /// Every series that has a sample to serve at `now_ms` (milliseconds since the Unix epoch), each once,
    /// sorted by metric name and labels.
    pub fn select_all(self, now_ms: i64) -> impl Iterator<Item = SeriesView> + use<> {
        self.into_selection(None, now_ms).into_views()
    }

    /// The same of those series that any of `selectors` selects.
    pub fn select(
        self,
        selectors: &[Selector],
        now_ms: i64,
    ) -> impl Iterator<Item = SeriesView> + use<> {
        self.into_selection(Some(selectors), now_ms).into_views()
    }

    /// The series that any of `selectors` selects, all of them for `None`.
    pub(crate) fn into_selection(
        mut self,
        selectors: Option<&[Selector]>,
        now_ms: i64,
    ) -> Selection {
        let mut decided = selectors.map(|it| Decisions::new(it, tables(&self.published)));
        let published = &mut self.published;
        // A few targets must not cost what everybody's do.
        let candidates = match decided.as_mut().and_then(|it| it.narrow(published)) {
            Some(all_series) => Candidates::Few(self.few(all_series)),
            None => Candidates::Index(self.index()),
        };
        let lookback_ms = self.store.lookback_ms;
        Selection::new(self.published, candidates, decided, now_ms, lookback_ms)
    }

    fn few(&self, all_series: usize) -> Arc<Few> {
        match &self.scope {
            Scope::Everything => self.store.index.few(&self.published, &[], all_series),
            Scope::Tenant(tenant) => {
                let view = tenant.view();
                let stored = view.stored();
                stored.few(&self.published, view.metrics(), all_series)
            }
        }
    }

    fn index(&self) -> Arc<Index> {
        match &self.scope {
            Scope::Everything => self.store.index.of(&self.published, &[]),
            Scope::Tenant(tenant) => {
                let view = tenant.view();
                view.stored().index(&self.published, view.metrics())
            }
        }
    }

    /// Labels of each target, with name and metadata of every family that it describes; where only some of its series
    /// may be seen, of those families that these are of.
    #[must_use]
    pub fn metadata(&self) -> Vec<(&Arc<LabelSet>, &str, &Metadata)> {
        let visible = Visible::new(self.scope.metrics(), tables(&self.published));
        let mut all = Vec::new();
        for (at, (target, published)) in self.targets.iter().zip(&self.published).enumerate() {
            if let Some(target) = target {
                let families = published.table.visible_families(at, &visible);
                all.extend(
                    families.map(|family| (&target.labels, &*family.name, &family.metadata)),
                );
            }
        }
        all
    }

    /// How many targets there are.
    #[must_use]
    pub fn target_count(&self) -> usize {
        self.targets.iter().flatten().count()
    }

    /// How many series there are, stale ones that are still remembered included.
    #[must_use]
    pub fn series_count(&self) -> usize {
        if !self.scope.metrics().is_empty() {
            return self.index().series_count();
        }
        let tables = tables(&self.published);
        tables
            .map(|table| table.members.iter().flatten().count())
            .sum()
    }
}

fn tables(published: &[Arc<Published>]) -> impl Iterator<Item = &Arc<Table>> + Clone {
    published.iter().map(|target| &target.table)
}

impl Selection {
    /// Each series with its sample, in order.
    pub(crate) fn into_views(self) -> impl Iterator<Item = SeriesView> + Send {
        let selection = Arc::new(self);
        let mut cursor = Cursor::default();
        std::iter::from_fn(move || {
            let found = selection.next(&mut cursor)?;
            Some(SeriesView {
                selection: Arc::clone(&selection),
                found,
                value: found.value,
                timestamp_ms: found.timestamp_ms,
            })
        })
    }
}

/// A series with its latest sample.
#[derive(Debug, Clone)]
pub struct SeriesView {
    selection: Arc<Selection>,
    found: Found,
    /// The sample's value.
    pub value: f64,
    /// The sample's time in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

impl SeriesView {
    /// All labels, `__name__` among them.
    #[must_use]
    pub fn labels(&self) -> LabelSet {
        self.selection
            .labels(self.found)
            .map(SeriesLabels::to_label_set)
            .unwrap_or_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these guard is replaced as a whole, so a panic of another holder leaves nothing half done.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
