//! The latest samples of one target, by slot.

use prom_model::sample::STALE_NAN_BITS;
use prom_model::sink::AppendError;

/// A time before every sample: the slot has none.
const NEVER: i64 = i64::MIN;

/// The latest sample of each series of a target.
///
/// On an ordinary scrape every series has the scrape's time, so times are held only while one differs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Column {
    /// When the last scrape was made, in milliseconds since the Unix epoch.
    scrape_ms: i64,
    values: Vec<f64>,
    /// Empty where every sample is of `scrape_ms`, else one time for each value.
    times: Vec<i64>,
    /// Samples of a time after their scrape's, which become the latest as time passes; sorted by slot and time.
    later: Vec<Later>,
}

#[derive(Debug, Clone, Copy)]
struct Later {
    slot: u32,
    timestamp_ms: i64,
    value: f64,
}

impl Column {
    /// The latest sample of `slot` at `now_ms`: its time and value. A stale marker is a sample.
    pub(crate) fn latest(&self, slot: u32, now_ms: i64) -> Option<(i64, f64)> {
        if let Some(later) = self.later_than_scrape(slot, now_ms) {
            return Some((later.timestamp_ms, later.value));
        }
        let value = *self.values.get(slot as usize)?;
        let timestamp_ms = self.time(slot);
        (timestamp_ms != NEVER).then_some((timestamp_ms, value))
    }

    /// `now_ms`, or the time of the last scrape where that is later.
    ///
    /// A scrape that is here has been made: neither a reader that looked at the clock before it, nor a clock
    /// that was set back after it, may take it for one to come.
    pub(crate) fn not_before_scrape(&self, now_ms: i64) -> i64 {
        now_ms.max(self.scrape_ms)
    }

    /// The time of the last scrape, or of the newest sample that lies ahead of it.
    pub(crate) fn newest_ms(&self) -> i64 {
        let later = self.later.iter().map(|later| later.timestamp_ms);
        later.max().unwrap_or(self.scrape_ms).max(self.scrape_ms)
    }

    /// The newest of the samples that lay ahead, up to `until_ms`.
    fn later_than_scrape(&self, slot: u32, until_ms: i64) -> Option<Later> {
        let end = self
            .later
            .partition_point(|it| (it.slot, it.timestamp_ms) <= (slot, until_ms));
        let newest = self.later[..end].last()?;
        (newest.slot == slot).then_some(*newest)
    }

    fn time(&self, slot: u32) -> i64 {
        self.times
            .get(slot as usize)
            .copied()
            .unwrap_or(self.scrape_ms)
    }

    /// Makes this a copy of `other`, in the memory that is here already.
    fn copy_from(&mut self, other: &Self) {
        self.scrape_ms = other.scrape_ms;
        self.values.clone_from(&other.values);
        self.times.clone_from(&other.times);
        self.later.clone_from(&other.later);
    }
}

/// A column while a scrape is written into it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    column: Column,
    scrape_ms: i64,
    /// Slots with a sample of the scrape's own time.
    seen: Vec<bool>,
    seen_count: usize,
}

impl Draft {
    /// Starts a scrape of `scrape_ms` after `last`.
    pub(crate) fn begin(&mut self, last: &Column, scrape_ms: i64) {
        self.column.copy_from(last);
        self.scrape_ms = scrape_ms;
        self.seen.clear();
        self.seen.resize(self.column.values.len(), false);
        self.seen_count = 0;
        if !self.column.later.is_empty() {
            self.promote();
        }
    }

    /// Makes `slot` exist, without a sample.
    pub(crate) fn open_slot(&mut self, slot: u32) {
        let count = slot as usize + 1;
        self.hold_times();
        if self.column.values.len() < count {
            self.column.values.resize(count, 0.0);
            self.column.times.resize(count, NEVER);
            self.seen.resize(count, false);
        }
        self.clear_slot(slot);
    }

    /// Forgets the sample of `slot`.
    pub(crate) fn clear_slot(&mut self, slot: u32) {
        self.hold_times();
        self.column.times[slot as usize] = NEVER;
        let later = &mut self.column.later;
        let start = later.partition_point(|it| it.slot < slot);
        let end = later.partition_point(|it| it.slot <= slot);
        later.drain(start..end);
        if std::mem::take(&mut self.seen[slot as usize]) {
            self.seen_count -= 1;
        }
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
        if self.seen[at] || self.column.scrape_ms >= timestamp_ms || !self.column.times.is_empty() {
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
            self.column.values[at] = value;
            if !std::mem::replace(&mut self.seen[at], true) {
                self.seen_count += 1;
            }
        } else {
            self.hold_times();
            if timestamp_ms > self.scrape_ms {
                let place = self.column.later.partition_point(|later| {
                    (later.slot, later.timestamp_ms) < (slot, timestamp_ms)
                });
                self.column.later.insert(
                    place,
                    Later {
                        slot,
                        timestamp_ms,
                        value,
                    },
                );
            } else {
                self.column.values[at] = value;
                self.column.times[at] = timestamp_ms;
            }
        }
        Ok(())
    }

    /// Ends the scrape: the finished column, in exchange for memory to write the next one into.
    pub(crate) fn finish(&mut self, spare: Column) -> Column {
        if self.seen_count == self.column.values.len() {
            self.column.times.clear();
        } else {
            self.hold_times();
            for (time, seen) in self.column.times.iter_mut().zip(&self.seen) {
                if *seen {
                    *time = self.scrape_ms;
                }
            }
        }
        self.column.scrape_ms = self.scrape_ms;
        std::mem::replace(&mut self.column, spare)
    }

    /// Time and value of the newest sample of `slot`, in the past or to come.
    fn newest(&self, slot: u32) -> (i64, f64) {
        if let Some(later) = self.column.later_than_scrape(slot, i64::MAX) {
            return (later.timestamp_ms, later.value);
        }
        let value = self.column.values[slot as usize];
        if self.seen[slot as usize] {
            return (self.scrape_ms, value);
        }
        (self.column.time(slot), value)
    }

    /// Gives each sample a time of its own, that of the scrape before where it had none.
    fn hold_times(&mut self) {
        if self.column.times.is_empty() {
            self.column
                .times
                .resize(self.column.values.len(), self.column.scrape_ms);
        }
    }

    /// Samples that lay ahead become the latest once their time has come.
    fn promote(&mut self) {
        self.hold_times();
        let Column {
            values,
            times,
            later,
            ..
        } = &mut self.column;
        later.retain(|later| {
            let due = later.timestamp_ms <= self.scrape_ms;
            if due {
                values[later.slot as usize] = later.value;
                times[later.slot as usize] = later.timestamp_ms;
            }
            !due
        });
    }
}

/// Whether the sample `(timestamp_ms, value)` is one to serve at `now_ms`: neither a stale marker nor older than `lookback_ms`.
pub(crate) const fn is_current(
    timestamp_ms: i64,
    value: f64,
    now_ms: i64,
    lookback_ms: i64,
) -> bool {
    value.to_bits() != STALE_NAN_BITS
        && timestamp_ms <= now_ms
        && timestamp_ms >= now_ms.saturating_sub(lookback_ms)
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
        let column = draft.finish(Column::default());
        (draft, column)
    }

    #[test]
    fn a_series_without_a_new_sample_keeps_its_last() {
        let (mut draft, column) = column(3);
        draft.begin(&column, 100);
        draft.append(0, 1.0, None).unwrap();
        draft.append(1, 2.0, None).unwrap();
        let column = draft.finish(column);
        draft.begin(&column, 200);
        draft.append(0, 3.0, None).unwrap();
        let column = draft.finish(column);
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
            column = draft.finish(std::mem::take(&mut column));
            assert_eq!(column.times.len(), held, "at {scrape_ms}");
        }
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
        let column = draft.finish(column);
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
        let column = draft.finish(column);
        draft.begin(&column, 200);
        draft.append(0, 2.0, Some(250)).unwrap();
        draft.append(0, 3.0, Some(260)).unwrap();
        let column = draft.finish(column);
        assert_eq!(column.latest(0, 249), Some((100, 1.0)));
        assert_eq!(column.latest(0, 250), Some((250, 2.0)));
        assert_eq!(column.latest(0, 300), Some((260, 3.0)));
        draft.begin(&column, 255);
        let column = draft.finish(column);
        assert_eq!(column.latest(0, 255), Some((250, 2.0)));
        assert_eq!(column.latest(0, 260), Some((260, 3.0)));
    }

    #[test]
    fn a_freed_slot_has_no_sample() {
        let (mut draft, column) = column(1);
        draft.begin(&column, 100);
        draft.append(0, 1.0, None).unwrap();
        draft.clear_slot(0);
        assert_eq!(draft.finish(column).latest(0, 100), None);
    }

    #[test]
    fn current_is_neither_stale_nor_old() {
        assert!(is_current(700, 1.0, 1000, 300));
        assert!(!is_current(699, 1.0, 1000, 300));
        assert!(!is_current(1001, 1.0, 1000, 300));
        assert!(!is_current(1000, f64::from_bits(STALE_NAN_BITS), 1000, 300));
        assert!(is_current(1000, f64::NAN, 1000, 300));
    }
}
