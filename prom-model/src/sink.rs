//! Where scrapes go.
//!
//! A [`Sink`] hands out one [`TargetSink`] a target. The scraper resolves each series once, keeps the
//! [`SeriesRef`] it got, and from then on appends numbers only. What a scrape appends becomes
//! visible at [`TargetSink::commit`], all of it at once.

use std::sync::Arc;

use crate::label::LabelSet;
use crate::metadata::Metadata;
use crate::sample::Sample;

/// Receives the scrapes of all targets.
pub trait Sink: Send + Sync {
    /// A writer for a target with `labels` (after relabelling, without those that start with `__`).
    ///
    /// Two writers may exist for the same labels while a target is replaced by another
    /// configuration of itself. Where both hold a series of the same labels, the sample with the newer
    /// timestamp is the series' latest.
    fn open(&self, labels: Arc<LabelSet>) -> Box<dyn TargetSink>;
}

/// A series of one [`TargetSink`]; meaningless to any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef(pub u32);

/// A metric family of one [`TargetSink`]; meaningless to any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FamilyRef(pub u32);

/// Why a sample was not appended; the scrape goes on without it, as in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The series has a newer sample.
    #[error("out of order sample")]
    OutOfOrder,
    /// The series has a sample at the same timestamp with another value.
    #[error("duplicate sample for timestamp")]
    DuplicateTimestamp,
}

/// Writes the scrapes of one target.
///
/// Dropping it without more ado leaves the target's last samples visible until they are older than the reader's
/// lookback: the writer says what is stale, by appending [`Sample::stale`].
pub trait TargetSink: Send {
    /// The series with exactly these labels, `__name__` among them, and the family it is a member of, if the exposition
    /// told of one. The same labels give the same answer until [`TargetSink::release`].
    fn resolve(&mut self, labels: &LabelSet, family: Option<FamilyRef>) -> SeriesRef;

    /// The family `name`, as the target exposes it, with the metadata that holds from the next commit on; other
    /// metadata replaces the former. The answer holds until that commit: a family that no series is a member of may
    /// be forgotten then.
    fn describe(&mut self, name: &str, metadata: &Metadata) -> FamilyRef;

    /// What the family `name` was described with last, so that a part of it can be told anew: an exposition may say type,
    /// help and unit one after the other, and each holds until it is said anew. `None` where the family isn't
    /// known, or where the sink doesn't keep what it is told.
    fn metadata(&mut self, name: &str) -> Option<Metadata> {
        let _ = name;
        None
    }

    /// Starts a scrape made at `timestamp_ms` (milliseconds since the Unix epoch). Samples of a
    /// scrape that was begun and not committed are discarded.
    fn begin(&mut self, timestamp_ms: i64);

    /// Appends to the scrape under way. A series that gets no sample keeps the one it has.
    ///
    /// # Errors
    /// As [`AppendError`] says; nothing was appended.
    fn append(&mut self, series: SeriesRef, sample: Sample) -> Result<(), AppendError>;

    /// Makes the scrape under way visible, all at once.
    fn commit(&mut self);

    /// The scraper will not name `series` again. Its last sample stays visible while it is one. A series that never
    /// had a committed sample may be released before the commit of the scrape under way.
    fn release(&mut self, series: SeriesRef);
}
