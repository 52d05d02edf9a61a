//! Which series an answer consists of, in order.

use std::sync::Arc;

use crate::api::TooManySeries;

use super::column::is_current;
use super::decide::Decisions;
use super::few::Few;
use super::index::{Entry, Index, Named};
use super::intern::{Family, Shape};
use super::table::{SeriesLabels, Table};
use super::writer::Published;

/// A metric name of which some series may be selected.
#[derive(Debug)]
pub(crate) struct SelectedName {
    pub(crate) name: Arc<str>,
    series: NameSeries,
    /// Position in [`Selection::takers`].
    takers: u32,
}

/// The series of one metric name.
#[derive(Debug)]
enum NameSeries {
    /// In an index that others use, too.
    Shared(Arc<Named>),
    /// At this position in [`Selection::few`].
    OfFew(usize),
}

/// What a [`Selection`] selects from.
#[derive(Debug)]
pub(crate) enum Candidates {
    /// All that may be seen.
    Index(Arc<Index>),
    /// Those of a few targets.
    Few(Arc<Few>),
}

/// The series of one answer. It owns what it reads, so that an answer can be made bit by bit.
#[derive(Debug)]
pub(crate) struct Selection {
    published: Vec<Arc<Published>>,
    /// Number of the first base of each target, when those of all targets are counted through.
    first_base: Vec<u32>,
    names: Vec<SelectedName>,
    /// That of the names that are of a few targets.
    few: Option<Arc<Few>>,
    /// The selectors that take a name, by position. Names that follow each other mostly have the same.
    takers: Vec<Box<[u32]>>,
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
    /// Position of its metric name.
    name: usize,
    /// Number of its base, when those of all targets are counted through.
    pub(crate) base: usize,
    /// Tells the layout of its labels from others'.
    pub(crate) layout: usize,
    pub(crate) value: f64,
    pub(crate) timestamp_ms: i64,
}

/// Selected series of one metric name that come one after the other.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    found: Vec<Found>,
    taken: usize,
}

/// Series in a [`Batch`]. Values and labels of neighbours in an answer lie far apart in memory: a processor that looks
/// them up in one go waits for many of them at once, and for one after the other where each is written in between.
const BATCH: usize = 32;

impl Selection {
    /// Of the `candidates`, which are series of the targets `published`, those that the selectors take of which `decided`
    /// tells; all of them for `None`.
    pub(crate) fn new(
        published: Vec<Arc<Published>>,
        candidates: Candidates,
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
        let mut choice = Choice::new(decided.as_ref());
        let few = match candidates {
            Candidates::Index(index) => {
                for (name, series) in &index.by_name {
                    choice.offer(name, || NameSeries::Shared(Arc::clone(series)));
                }
                None
            }
            Candidates::Few(few) => {
                for (at, it) in few.names.iter().enumerate() {
                    choice.offer(&it.name, || NameSeries::OfFew(at));
                }
                Some(few)
            }
        };
        let Choice { names, takers, .. } = choice;
        Self {
            published,
            first_base,
            names,
            few,
            takers,
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
                return Some(self.with_layout(found));
            }
            *cursor = Cursor {
                name: cursor.name + 1,
                entry: 0,
            };
        }
        None
    }

    /// The selected series at `cursor` or the next one of its metric name, as far as `effort` goes.
    #[inline]
    fn next_of_name(&self, cursor: &mut Cursor, effort: &mut Effort) -> Step {
        let name = &self.names[cursor.name];
        let takers = &self.takers[name.takers as usize];
        let entries = self.entries(&name.series);
        while let Some(first) = entries.get(cursor.entry) {
            if effort.0 == 0 {
                return Step::Pause;
            }
            effort.0 = effort.0.saturating_sub(1 + takers.len());
            let from = cursor.entry;
            cursor.entry += 1;
            while entries.get(cursor.entry).is_some_and(|entry| entry.repeats) {
                cursor.entry += 1;
            }
            if let Some(decided) = &self.decided {
                let base = self.base(*first);
                let labels = || self.table(*first).series(first.slot);
                let takes = |at: &u32| decided.takes(*at as usize, base, labels);
                if !takers.iter().any(takes) {
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
                    name: cursor.name,
                    base,
                    layout: 0,
                    value,
                    timestamp_ms,
                });
            }
        }
        Step::End
    }

    /// The same by way of `batch`, which is empty wherever `cursor` was set anew.
    pub(crate) fn next_in_batch(
        &self,
        cursor: &mut Cursor,
        batch: &mut Batch,
        effort: &mut Effort,
    ) -> Step {
        if let Some(found) = batch.found.get(batch.taken) {
            batch.taken += 1;
            return Step::Found(*found);
        }
        batch.found.clear();
        batch.taken = 0;
        let mut after = Step::Pause;
        while batch.found.len() < BATCH {
            match self.next_of_name(cursor, effort) {
                Step::Found(found) => batch.found.push(found),
                end_or_pause => {
                    after = end_or_pause;
                    break;
                }
            }
        }
        for found in &mut batch.found {
            *found = self.with_layout(*found);
        }
        match batch.found.first() {
            Some(found) => {
                batch.taken = 1;
                Step::Found(*found)
            }
            None => after,
        }
    }

    fn with_layout(&self, found: Found) -> Found {
        let layout = self.shape(found).map_or(0, |it| layout_key(it));
        Found { layout, ..found }
    }

    /// Fails where there are more than `most` series; looks at no more of them than that takes.
    pub(crate) fn hold_to(&self, most: usize) -> Result<(), TooManySeries> {
        let entries = self
            .names
            .iter()
            .map(|name| self.entries(&name.series).len());
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

    /// Metric name and own labels of `found`: next to each other in an index of many targets, whose tables are not.
    #[inline]
    pub(crate) fn shape(&self, found: Found) -> Option<&Arc<Shape>> {
        match &self.names[found.name].series {
            NameSeries::Shared(named) => named.shapes.get(found.entry.shape as usize),
            NameSeries::OfFew(_) => Some(self.labels(found)?.shape),
        }
    }

    /// The labels of `found`.
    pub(crate) fn labels(&self, found: Found) -> Option<SeriesLabels<'_>> {
        self.table(found.entry).series(found.entry.slot)
    }

    /// The family that series of the name at `name` are said to be members of.
    pub(crate) fn family_of_name(&self, name: usize) -> Option<&Arc<Family>> {
        match &self.names[name].series {
            NameSeries::Shared(named) => named.family.as_ref(),
            NameSeries::OfFew(at) => self.few.as_deref()?.names.get(*at)?.family.as_ref(),
        }
    }

    #[inline]
    fn entries<'a>(&'a self, series: &'a NameSeries) -> &'a [Entry] {
        match series {
            NameSeries::Shared(named) => &named.entries,
            NameSeries::OfFew(at) => self.few.as_deref().map_or(&[], |few| few.entries_of(*at)),
        }
    }

    fn table(&self, entry: Entry) -> &Table {
        &self.published[entry.target as usize].table
    }

    fn base(&self, entry: Entry) -> usize {
        self.first_base[entry.target as usize] as usize + usize::from(entry.base)
    }
}

/// Names as they are offered, and which of them are selected.
#[derive(Debug)]
struct Choice<'a> {
    decided: Option<&'a Decisions>,
    names: Vec<SelectedName>,
    takers: Vec<Box<[u32]>>,
    /// The selectors that take the name under consideration.
    taking: Vec<u32>,
}

impl<'a> Choice<'a> {
    const fn new(decided: Option<&'a Decisions>) -> Self {
        Self {
            decided,
            names: Vec::new(),
            takers: Vec::new(),
            taking: Vec::new(),
        }
    }

    fn offer(&mut self, name: &Arc<str>, series: impl FnOnce() -> NameSeries) {
        if let Some(decided) = self.decided {
            self.taking.clear();
            let selectors = (0..).zip(decided.selectors());
            let taking = selectors.filter(|(_, decided)| decided.takes_name(name));
            self.taking.extend(taking.map(|(at, _)| at));
            if self.taking.is_empty() {
                return;
            }
        }
        if self.takers.last().is_none_or(|last| **last != *self.taking) {
            self.takers.push(self.taking.as_slice().into());
        }
        self.names.push(SelectedName {
            name: Arc::clone(name),
            series: series(),
            takers: u32::try_from(self.takers.len() - 1).unwrap_or(u32::MAX),
        });
    }
}

impl Cursor {
    /// The start of the metric name at `name`.
    pub(crate) const fn at_name(name: usize) -> Self {
        Self { name, entry: 0 }
    }
}

/// A layout's identity, for what is prepared once a layout. Never zero.
fn layout_key(shape: &Shape) -> usize {
    Arc::as_ptr(&shape.layout).addr()
}
