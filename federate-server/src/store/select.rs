//! Which series an answer consists of, in order.

use std::sync::Arc;

use crate::api::TooManySeries;

use super::column::is_current;
use super::decide::{Decided, Decisions};
use super::index::{Entry, Index, Named};
use super::intern::{Family, Shape};
use super::table::{SeriesLabels, Table};
use super::writer::Published;

/// A metric name of which some series may be selected.
#[derive(Debug)]
pub(crate) struct SelectedName {
    pub(crate) name: Arc<str>,
    series: Arc<Named>,
    /// The selectors that take the name, by position.
    selectors: Vec<u32>,
}

/// The series of one answer. It owns what it reads, so that an answer can be made bit by bit.
#[derive(Debug)]
pub(crate) struct Selection {
    published: Vec<Arc<Published>>,
    /// Number of the first base of each target, when those of all targets are counted through.
    first_base: Vec<u32>,
    names: Vec<SelectedName>,
    /// The selectors, `None` where every series is selected.
    decided: Option<Decisions>,
    now_ms: i64,
    lookback_ms: i64,
}

/// What one step through a [`Selection`] comes to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// The next series.
    Found(Found),
    /// There is none left.
    End,
    /// The effort is used up; the cursor tells where to go on.
    Pause,
}

/// How much may still be looked at before others get their turn: one for each series and for each selector it
/// is put to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort(pub(crate) usize);

impl Effort {
    /// No bound, for what runs on a thread of its own.
    pub(crate) const UNBOUNDED: Self = Self(usize::MAX);
}

/// A place in a [`Selection`].
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cursor {
    name: usize,
    entry: usize,
}

/// A selected series and its sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    entry: Entry,
    /// Number of its base, when those of all targets are counted through.
    pub(crate) base: usize,
    pub(crate) value: f64,
    pub(crate) timestamp_ms: i64,
}

impl Selection {
    /// Of the series that `index` has of the targets `published`, those that the selectors take of which `decided`
    /// tells; all of them for `None`.
    pub(crate) fn new(
        published: Vec<Arc<Published>>,
        index: &Index,
        decided: Option<Decisions>,
        now_ms: i64,
        lookback_ms: i64,
    ) -> Self {
        let mut bases = 0;
        let first_base = published
            .iter()
            .map(|target| {
                let first = bases;
                bases += u32::try_from(target.table.bases.len()).unwrap_or(u32::MAX);
                first
            })
            .collect();
        let selectors = decided.as_ref().map(Decisions::selectors);
        let names = index
            .by_name
            .iter()
            .filter_map(|(name, series)| {
                let takes = |(at, decided): (usize, &Decided)| {
                    decided
                        .takes_name(name)
                        .then(|| u32::try_from(at).ok())
                        .flatten()
                };
                let all = selectors.unwrap_or_default().iter().enumerate();
                let taking: Vec<u32> = all.filter_map(takes).collect();
                let wanted = selectors.is_none() || !taking.is_empty();
                wanted.then(|| SelectedName {
                    name: Arc::clone(name),
                    series: Arc::clone(series),
                    selectors: taking,
                })
            })
            .collect();
        Self {
            published,
            first_base,
            names,
            decided,
            now_ms,
            lookback_ms,
        }
    }

    /// The names that some series may be selected of, sorted.
    pub(crate) fn names(&self) -> &[SelectedName] {
        &self.names
    }

    /// The selected series at `cursor` or the first one after it; moves `cursor` past it.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<Found> {
        while cursor.name < self.names.len() {
            if let Step::Found(found) = self.next_of_name(cursor, &mut Effort::UNBOUNDED.clone()) {
                return Some(found);
            }
            *cursor = Cursor {
                name: cursor.name + 1,
                entry: 0,
            };
        }
        None
    }

    /// The same within the cursor's metric name, as far as `effort` goes.
    pub(crate) fn next_of_name(&self, cursor: &mut Cursor, effort: &mut Effort) -> Step {
        let name = &self.names[cursor.name];
        let entries = &name.series.entries;
        while let Some(first) = entries.get(cursor.entry) {
            if effort.0 == 0 {
                return Step::Pause;
            }
            effort.0 = effort.0.saturating_sub(1 + name.selectors.len());
            let from = cursor.entry;
            cursor.entry += 1;
            while entries.get(cursor.entry).is_some_and(|entry| entry.repeats) {
                cursor.entry += 1;
            }
            if let Some(decided) = &self.decided {
                let base = self.base(*first);
                let labels = || self.table(*first).series(first.slot);
                let takes = |at: &u32| decided.takes(*at as usize, base, labels);
                if !name.selectors.iter().any(takes) {
                    continue;
                }
            }
            // Of copies of one series the newest sample counts, the first of equally new ones.
            let mut latest: Option<(i64, f64, Entry, i64)> = None;
            for entry in &entries[from..cursor.entry] {
                let column = &self.published[entry.target as usize].column;
                let now_ms = column.not_before_scrape(self.now_ms);
                if let Some((time, value)) = column.latest(entry.slot, now_ms)
                    && latest.is_none_or(|(newest, ..)| time > newest)
                {
                    latest = Some((time, value, *entry, now_ms));
                }
            }
            if let Some((timestamp_ms, value, entry, now_ms)) = latest
                && is_current(timestamp_ms, value, now_ms, self.lookback_ms)
            {
                let base = self.base(entry);
                return Step::Found(Found {
                    entry,
                    base,
                    value,
                    timestamp_ms,
                });
            }
        }
        Step::End
    }

    /// Fails where there are more than `most` series; looks at no more of them than that takes.
    pub(crate) fn hold_to(&self, most: usize) -> Result<(), TooManySeries> {
        let entries = self.names.iter().map(|name| name.series.entries.len());
        if entries.sum::<usize>() <= most {
            return Ok(());
        }
        let mut cursor = Cursor::default();
        for _ in 0..=most {
            if self.next(&mut cursor).is_none() {
                return Ok(());
            }
        }
        Err(TooManySeries { most })
    }

    /// The labels of `found`.
    pub(crate) fn labels(&self, found: Found) -> Option<SeriesLabels<'_>> {
        self.table(found.entry).series(found.entry.slot)
    }

    /// The family that series of the name at `name` are said to be members of.
    pub(crate) fn family_of_name(&self, name: usize) -> Option<&Arc<Family>> {
        self.names[name].series.family.as_ref()
    }

    fn table(&self, entry: Entry) -> &Table {
        &self.published[entry.target as usize].table
    }

    fn base(&self, entry: Entry) -> usize {
        self.first_base[entry.target as usize] as usize + usize::from(entry.base)
    }
}

impl Cursor {
    /// The start of the metric name at `name`.
    pub(crate) const fn at_name(name: usize) -> Self {
        Self { name, entry: 0 }
    }
}

/// A shape's identity, for what is prepared once a layout.
pub(crate) fn layout_key(shape: &Shape) -> *const super::intern::Layout {
    Arc::as_ptr(&shape.layout)
}
