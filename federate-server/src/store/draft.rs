//! A column while a scrape is written into it.

use std::sync::{Mutex, PoisonError};

use prom_model::sink::AppendError;

use super::column::{Column, Later, NEVER, newest_later};

/// Drafts that are kept for the next scrapes, of whatever targets.
const KEPT_DRAFTS: usize = 16;
/// A draft for more series gives its memory back.
const KEPT_SLOTS: usize = 1 << 16;

/// Drafts that no scrape holds now: memory follows the scrapes under way and not the number of targets.
#[derive(Debug, Default)]
pub(crate) struct Drafts(Mutex<Vec<Draft>>);

impl Drafts {
    /// A draft of any content.
    pub(crate) fn take(&self) -> Draft {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        idle.pop().unwrap_or_default()
    }

    /// Keeps the memory of `draft` for another scrape.
    pub(crate) fn put(&self, draft: Draft) {
        let mut idle = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let slots = draft.values.capacity().max(draft.later.capacity());
        if idle.len() < KEPT_DRAFTS && slots <= KEPT_SLOTS {
            idle.push(draft);
        }
    }
}

/// The next [`Column`] of a target.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    scrape_ms: i64,
    /// Time of the scrape before.
    last_ms: i64,
    values: Vec<f64>,
    /// Empty where every sample is still that of `last_ms`, or seen.
    times: Vec<i64>,
    later: Vec<Later>,
    /// Slots with a sample of the scrape's own time.
    seen: Vec<bool>,
    seen_count: usize,
}

impl Draft {
    /// Starts a scrape of `scrape_ms` after `last`.
    pub(crate) fn begin(&mut self, last: &Column, scrape_ms: i64) {
        fn copy<T: Copy>(to: &mut Vec<T>, from: &[T]) {
            to.clear();
            to.extend_from_slice(from);
        }
        copy(&mut self.values, &last.values);
        copy(&mut self.times, &last.times);
        copy(&mut self.later, &last.later);
        self.last_ms = last.scrape_ms;
        self.scrape_ms = scrape_ms;
        self.seen.clear();
        self.seen.resize(self.values.len(), false);
        self.seen_count = 0;
        if !self.later.is_empty() {
            self.promote();
        }
    }

    /// Makes `slot` exist, without a sample.
    pub(crate) fn open_slot(&mut self, slot: u32) {
        self.open_slots(slot as usize + 1);
        self.clear_slot(slot);
    }

    /// Makes the first `count` slots exist, new ones without a sample.
    pub(crate) fn open_slots(&mut self, count: usize) {
        if self.values.len() < count {
            self.hold_times();
            self.values.resize(count, 0.0);
            self.times.resize(count, NEVER);
            self.seen.resize(count, false);
        }
    }

    /// Forgets the sample of `slot`.
    pub(crate) fn clear_slot(&mut self, slot: u32) {
        self.hold_times();
        self.times[slot as usize] = NEVER;
        let start = self.later.partition_point(|it| it.slot < slot);
        let end = self.later.partition_point(|it| it.slot <= slot);
        self.later.drain(start..end);
        if std::mem::take(&mut self.seen[slot as usize]) {
            self.seen_count -= 1;
        }
    }

    /// Forgets all slots from `count` on.
    pub(crate) fn truncate(&mut self, count: usize) {
        for slot in count..self.seen.len() {
            self.clear_slot(slot as u32);
        }
        self.values.truncate(count);
        self.times.truncate(count);
        self.seen.truncate(count);
    }

    /// Appends to `slot`, at the scrape's time or its own.
    pub(crate) fn append(
        &mut self,
        slot: u32,
        value: f64,
        timestamp_ms: Option<i64>,
    ) -> Result<(), AppendError> {
        let timestamp_ms = timestamp_ms.unwrap_or(self.scrape_ms);
        let at = slot as usize;
        if self.seen[at] || self.last_ms >= timestamp_ms || !self.times.is_empty() {
            let (last_ms, last) = self.newest(slot);
            if timestamp_ms < last_ms {
                return Err(AppendError::OutOfOrder);
            }
            if timestamp_ms == last_ms {
                let same = last.to_bits() == value.to_bits();
                return if same {
                    Ok(())
                } else {
                    Err(AppendError::DuplicateTimestamp)
                };
            }
        }
        if timestamp_ms == self.scrape_ms {
            self.values[at] = value;
            if !std::mem::replace(&mut self.seen[at], true) {
                self.seen_count += 1;
            }
            return Ok(());
        }
        self.hold_times();
        if timestamp_ms > self.scrape_ms {
            let place = (slot, timestamp_ms);
            let place = self
                .later
                .partition_point(|it| (it.slot, it.timestamp_ms) < place);
            let later = Later {
                slot,
                timestamp_ms,
                value,
            };
            self.later.insert(place, later);
        } else {
            self.values[at] = value;
            self.times[at] = timestamp_ms;
        }
        Ok(())
    }

    /// Ends the scrape. Of `free` slots nothing will be read.
    pub(crate) fn finish(&mut self, free: usize) -> Column {
        // Only slots of series are seen, so this can't be true while one of them lacks a sample.
        if self.seen_count + free == self.values.len() {
            self.times.clear();
        } else {
            self.hold_times();
            for (time, seen) in self.times.iter_mut().zip(&self.seen) {
                if *seen {
                    *time = self.scrape_ms;
                }
            }
        }
        Column {
            scrape_ms: self.scrape_ms,
            values: self.values.as_slice().into(),
            times: self.times.as_slice().into(),
            later: self.later.as_slice().into(),
        }
    }

    /// Time and value of the newest sample of `slot`, in the past or to come.
    fn newest(&self, slot: u32) -> (i64, f64) {
        if let Some(later) = newest_later(&self.later, slot, i64::MAX) {
            return (later.timestamp_ms, later.value);
        }
        let value = self.values[slot as usize];
        if self.seen[slot as usize] {
            return (self.scrape_ms, value);
        }
        let time = self.times.get(slot as usize).copied();
        (time.unwrap_or(self.last_ms), value)
    }

    /// Gives each sample a time of its own, that of the scrape before where it had none.
    fn hold_times(&mut self) {
        if self.times.is_empty() {
            self.times.resize(self.values.len(), self.last_ms);
        }
    }

    /// Samples that lay ahead become the latest once their time has come.
    fn promote(&mut self) {
        self.hold_times();
        let Self {
            values,
            times,
            later,
            scrape_ms,
            ..
        } = self;
        later.retain(|later| {
            let due = later.timestamp_ms <= *scrape_ms;
            if due {
                values[later.slot as usize] = later.value;
                times[later.slot as usize] = later.timestamp_ms;
            }
            !due
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(slots: u32) -> (Draft, Column) {
        let mut draft = Draft::default();
        draft.begin(&Column::default(), 0);
        for slot in 0..slots {
            draft.open_slot(slot);
        }
        let column = draft.finish(0);
        (draft, column)
    }

    #[test]
    fn a_series_without_a_new_sample_keeps_its_last() {
        let (mut draft, column) = column(3);
        draft.begin(&column, 100);
        draft.append(0, 1.0, None).unwrap();
        draft.append(1, 2.0, None).unwrap();
        let column = draft.finish(0);
        draft.begin(&column, 200);
        draft.append(0, 3.0, None).unwrap();
        let column = draft.finish(0);
        assert_eq!(column.latest(0, 200), Some((200, 3.0)));
        assert_eq!(column.latest(1, 200), Some((100, 2.0)));
        assert_eq!(column.latest(2, 200), None);
    }

    #[test]
    fn times_are_held_only_while_they_differ() {
        let (mut draft, mut column) = column(2);
        for (scrape_ms, held) in [(100, 0), (200, 2), (300, 0)] {
            draft.begin(&column, scrape_ms);
            draft.append(0, 1.0, None).unwrap();
            if scrape_ms != 200 {
                draft.append(1, 1.0, None).unwrap();
            }
            column = draft.finish(0);
            assert_eq!(column.times.len(), held, "at {scrape_ms}");
        }
    }

    #[test]
    fn a_free_slot_needs_no_time_until_it_is_used_again() {
        let (mut draft, column) = column(2);
        draft.begin(&column, 100);
        draft.append(0, 1.0, None).unwrap();
        draft.append(1, 1.0, None).unwrap();
        draft.clear_slot(1);
        let column = draft.finish(1);
        assert_eq!(column.times.len(), 0);
        draft.begin(&column, 200);
        draft.append(0, 2.0, None).unwrap();
        draft.open_slot(1);
        let column = draft.finish(0);
        assert_eq!(column.latest(0, 200), Some((200, 2.0)));
        assert_eq!(column.latest(1, 200), None);
    }

    #[test]
    fn a_draft_of_a_larger_target_leaves_nothing_behind() {
        let drafts = Drafts::default();
        let (mut draft, large) = column(3);
        draft.begin(&large, 100);
        draft.append(2, 1.0, Some(150)).unwrap();
        draft.append(1, 1.0, None).unwrap();
        drafts.put(draft);
        let mut draft = drafts.take();
        draft.begin(&Column::default(), 200);
        draft.open_slot(0);
        let column = draft.finish(0);
        assert_eq!([0, 1, 2].map(|slot| column.latest(slot, 300)), [None; 3]);
    }

    #[test]
    fn order_is_checked_against_the_newest_sample() {
        let (mut draft, column) = column(1);
        draft.begin(&column, 100);
        assert_eq!(draft.append(0, 1.0, None), Ok(()));
        assert_eq!(draft.append(0, 1.0, None), Ok(()));
        assert_eq!(
            draft.append(0, 2.0, None),
            Err(AppendError::DuplicateTimestamp)
        );
        assert_eq!(draft.append(0, 2.0, Some(99)), Err(AppendError::OutOfOrder));
        let column = draft.finish(0);
        draft.begin(&column, 50);
        assert_eq!(draft.append(0, 3.0, None), Err(AppendError::OutOfOrder));
        assert_eq!(draft.append(0, 3.0, Some(120)), Ok(()));
        assert_eq!(
            draft.append(0, 4.0, Some(110)),
            Err(AppendError::OutOfOrder)
        );
    }

    #[test]
    fn a_sample_ahead_of_time_waits_for_it() {
        let (mut draft, column) = column(1);
        draft.begin(&column, 100);
        draft.append(0, 1.0, None).unwrap();
        let column = draft.finish(0);
        draft.begin(&column, 200);
        draft.append(0, 2.0, Some(250)).unwrap();
        draft.append(0, 3.0, Some(260)).unwrap();
        let column = draft.finish(0);
        assert_eq!(column.latest(0, 249), Some((100, 1.0)));
        assert_eq!(column.latest(0, 250), Some((250, 2.0)));
        assert_eq!(column.latest(0, 300), Some((260, 3.0)));
        draft.begin(&column, 255);
        let column = draft.finish(0);
        assert_eq!(column.latest(0, 255), Some((250, 2.0)));
        assert_eq!(column.latest(0, 260), Some((260, 3.0)));
    }

    #[test]
    fn a_freed_slot_has_no_sample() {
        let (mut draft, column) = column(1);
        draft.begin(&column, 100);
        draft.append(0, 1.0, None).unwrap();
        draft.clear_slot(0);
        assert_eq!(draft.finish(0).latest(0, 100), None);
    }
}
