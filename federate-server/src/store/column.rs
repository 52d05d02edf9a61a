//! The latest samples of one target, by slot.

use prom_model::sample::STALE_NAN_BITS;

/// A time before every sample: the slot has none.
pub(super) const NEVER: i64 = i64::MIN;

/// The latest sample of each series of a target.
///
/// On an ordinary scrape every series has the scrape's time, so times are held only while one differs.
#[derive(Debug, Default)]
pub(crate) struct Column {
    /// When the last scrape was made, in milliseconds since the Unix epoch.
    pub(super) scrape_ms: i64,
    pub(super) values: Box<[f64]>,
    /// Empty where every sample is of `scrape_ms`, else one time for each value.
    pub(super) times: Box<[i64]>,
    /// Samples of a time after their scrape's, which become the latest as time passes; sorted by slot and time.
    pub(super) later: Box<[Later]>,
}

/// A sample whose time lay after that of the scrape it came with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Later {
    pub(super) slot: u32,
    pub(super) timestamp_ms: i64,
    pub(super) value: f64,
}

impl Column {
    /// The latest sample of `slot` at `now_ms`: its time and value. A stale marker is a sample.
    pub(crate) fn latest(&self, slot: u32, now_ms: i64) -> Option<(i64, f64)> {
        if !self.later.is_empty()
            && let Some(later) = newest_later(&self.later, slot, now_ms)
        {
            return Some((later.timestamp_ms, later.value));
        }
        let value = *self.values.get(slot as usize)?;
        let time = self.times.get(slot as usize).copied();
        let timestamp_ms = time.unwrap_or(self.scrape_ms);
        (timestamp_ms != NEVER).then_some((timestamp_ms, value))
    }

    /// `now_ms`, or the time of the last scrape where that is later.
    ///
    /// A scrape that is here has been made: neither a reader that looked at the clock before it, nor a clock
    /// that was set back after it, may take it for one to come.
    pub(crate) fn not_before_scrape(&self, now_ms: i64) -> i64 {
        now_ms.max(self.scrape_ms)
    }

    /// How many slots it has room for.
    #[cfg(test)]
    pub(crate) const fn slot_count(&self) -> usize {
        self.values.len()
    }

    /// The time of the last scrape, or of the newest sample that lies ahead of it.
    pub(crate) fn newest_ms(&self) -> i64 {
        let later = self.later.iter().map(|later| later.timestamp_ms);
        later.max().unwrap_or(self.scrape_ms).max(self.scrape_ms)
    }
}

/// The newest of the samples of `slot` in `later`, up to `until_ms`.
pub(super) fn newest_later(later: &[Later], slot: u32, until_ms: i64) -> Option<Later> {
    let end = later.partition_point(|it| (it.slot, it.timestamp_ms) <= (slot, until_ms));
    let newest = later[..end].last()?;
    (newest.slot == slot).then_some(*newest)
}

/// Whether the sample `(timestamp_ms, value)` is one to serve at `now_ms`: neither a stale marker nor older than
/// `lookback_ms`.
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

    #[test]
    fn current_is_neither_stale_nor_old() {
        assert!(is_current(700, 1.0, 1000, 300));
        assert!(!is_current(699, 1.0, 1000, 300));
        assert!(!is_current(1001, 1.0, 1000, 300));
        assert!(!is_current(1000, f64::from_bits(STALE_NAN_BITS), 1000, 300));
        assert!(is_current(1000, f64::NAN, 1000, 300));
    }
}
