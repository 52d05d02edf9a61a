//! What the HTTP API reads of the store.

use std::sync::Arc;

use super::Store;
use crate::api::{CurrentSeries, FamilyMetadata, ReadSeries, TooManySeries};
use crate::selector::Selector;
use crate::tenant::Scope;

impl ReadSeries for Store {
    fn select(
        &self,
        scope: &Scope,
        selectors: &[Selector],
        now_ms: i64,
        most: Option<usize>,
    ) -> Result<Box<dyn Iterator<Item = CurrentSeries> + Send>, TooManySeries> {
        let selectors = (!selectors.is_empty()).then_some(selectors);
        let selection = self.snapshot(scope).into_selection(selectors, now_ms);
        if let Some(most) = most {
            selection.hold_to(most)?;
        }
        let series = selection.into_views().map(|series| CurrentSeries {
            labels: series.labels(),
            timestamp_ms: series.timestamp_ms,
        });
        Ok(Box::new(series))
    }

    fn metadata(&self, scope: &Scope) -> Box<dyn Iterator<Item = FamilyMetadata> + Send> {
        let snapshot = self.snapshot(scope);
        let families = snapshot.metadata().into_iter();
        let families = families.map(|(target, family, metadata)| FamilyMetadata {
            target: Arc::clone(target),
            family: family.into(),
            metadata: metadata.clone(),
        });
        // A copy of what the snapshot lends; metadata is asked for by people, now and then.
        Box::new(families.collect::<Vec<_>>().into_iter())
    }
}
