//! What the HTTP API reads of the store.

use std::sync::Arc;

use super::Store;
use crate::api::{CurrentSeries, FamilyMetadata, ReadSeries};
use crate::selector::Selector;

impl ReadSeries for Store {
    fn select(
        &self,
        selectors: &[Selector],
        now_ms: i64,
    ) -> Box<dyn Iterator<Item = CurrentSeries> + Send> {
        let selectors = (!selectors.is_empty()).then_some(selectors);
        let series = self.snapshot().views(selectors, now_ms);
        Box::new(series.map(|series| CurrentSeries {
            labels: series.labels(),
            timestamp_ms: series.timestamp_ms,
        }))
    }

    fn metadata(&self) -> Box<dyn Iterator<Item = FamilyMetadata> + Send> {
        let snapshot = self.snapshot();
        let families = snapshot
            .metadata()
            .map(|(target, family, metadata)| FamilyMetadata {
                target: Arc::clone(target),
                family: family.into(),
                metadata: metadata.clone(),
            });
        // A copy of what the snapshot lends; metadata is asked for by people, now and then.
        Box::new(families.collect::<Vec<_>>().into_iter())
    }
}
