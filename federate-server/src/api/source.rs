//! What the API reads of the store.

use std::sync::Arc;

use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;

use crate::selector::Selector;
use crate::tenant::Scope;

/// A series that has a sample now.
#[derive(Debug, Clone, PartialEq)]
pub struct CurrentSeries {
    /// All its labels, `__name__` among them.
    pub labels: LabelSet,
    /// When its latest sample was taken, in milliseconds since the Unix epoch.
    pub timestamp_ms: i64,
}

/// What a target says of one of its metric families.
#[derive(Debug, Clone, PartialEq)]
pub struct FamilyMetadata {
    /// The target's labels.
    pub target: Arc<LabelSet>,
    /// The family's name, as the target exposes it.
    pub family: Box<str>,
    /// Type, help and unit.
    pub metadata: Metadata,
}

/// A request selects more series than one answer may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "more than {most} series are selected, and an answer may have {most}: select fewer by narrower match[], in several requests if need be"
)]
pub struct TooManySeries {
    /// How many there may be.
    pub most: usize,
}

/// The series that are served now, to whom they may be shown.
pub trait ReadSeries: Send + Sync {
    /// Of those that `scope` sees, those that any of `selectors` selects, all where there are none: each once, sorted
    /// by name then labels.
    ///
    /// # Errors
    /// Where there are more than `most`.
    fn select(
        &self,
        scope: &Scope,
        selectors: &[Selector],
        now_ms: i64,
        most: Option<usize>,
    ) -> Result<Box<dyn Iterator<Item = CurrentSeries> + Send>, TooManySeries>;

    /// What every target that `scope` sees says of its families, target by target.
    fn metadata(&self, scope: &Scope) -> Box<dyn Iterator<Item = FamilyMetadata> + Send>;
}
