//! How much the store holds, counted when somebody asks.

use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::Store;
use crate::tenant::Scope;

impl Store {
    /// Registers `store_series` and `store_targets`, behind the prefix that `registry` has.
    pub fn register(self: &Arc<Self>, registry: &mut Registry) {
        registry.register_collector(Box::new(StoreMetrics(Arc::clone(self))));
    }
}

#[derive(Debug)]
struct StoreMetrics(Arc<Store>);

impl Collector for StoreMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let snapshot = self.0.snapshot(&Scope::Everything);
        let gauges = [
            (
                "store_series",
                "Series held, those that went stale lately included",
                snapshot.series_count(),
            ),
            (
                "store_targets",
                "Targets that series are held of",
                snapshot.target_count(),
            ),
        ];
        for (name, help, count) in gauges {
            let gauge = ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
