//! What the API reads of the store.

use std::sync::Arc;

use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;

use crate::selector::Selector;

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

/// The series that are served now.
pub trait ReadSeries: Send + Sync {
    /// Those that any of `selectors` selects, all where there are none: each once, sorted by name then labels.
    fn select(
        &self,
        selectors: &[Selector],
        now_ms: i64,
    ) -> Box<dyn Iterator<Item = CurrentSeries> + Send>;

    /// What every target says of its families, target by target.
    fn metadata(&self) -> Box<dyn Iterator<Item = FamilyMetadata> + Send>;
}
