//! Metrics of the discovery inputs, with the names that Prometheus gives them.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Counts what the inputs of a [`Discovery`](super::Discovery) do. Clones share their numbers.
#[derive(Debug, Clone, Default)]
pub struct DiscoveryMetrics {
    file_read_errors: Counter,
    file_mtime_seconds: Family<FileLabels, Gauge<f64, AtomicU64>>,
    http_failures: Counter,
    refresh_failures: Family<MechanismLabels, Counter>,
    discovered_targets: Family<ConfigLabels, Gauge>,
}

impl DiscoveryMetrics {
    /// Metrics that `registry` shows as `prometheus_sd_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let sd = registry.sub_registry_with_prefix("prometheus_sd");
        sd.register(
            "file_read_errors",
            "Reads of file_sd files that failed",
            metrics.file_read_errors.clone(),
        );
        sd.register(
            "file_mtime_seconds",
            "Modification time of each file_sd file when it was last read, in seconds since the epoch",
            metrics.file_mtime_seconds.clone(),
        );
        sd.register(
            "http_failures",
            "Refreshes of http_sd that failed",
            metrics.http_failures.clone(),
        );
        sd.register(
            "refresh_failures",
            "Refreshes that failed, by discovery mechanism",
            metrics.refresh_failures.clone(),
        );
        sd.register(
            "discovered_targets",
            "Targets that discovery found, by job",
            metrics.discovered_targets.clone(),
        );
        // So that the counter is there before the first failure.
        drop(metrics.refresh_failures.get_or_create(&HTTP));
        metrics
    }

    pub(super) fn file_read_failed(&self) {
        self.file_read_errors.inc();
    }

    pub(super) fn file_read(&self, path: &str, mtime_seconds: f64) {
        let labels = FileLabels {
            filename: path.to_owned(),
        };
        self.file_mtime_seconds
            .get_or_create(&labels)
            .set(mtime_seconds);
    }

    pub(super) fn file_gone(&self, path: &str) {
        self.file_mtime_seconds.remove(&FileLabels {
            filename: path.to_owned(),
        });
    }

    pub(super) fn http_refresh_failed(&self) {
        self.http_failures.inc();
        self.refresh_failures.get_or_create(&HTTP).inc();
    }

    pub(super) fn discovered(&self, job: &str, targets: usize) {
        let targets = i64::try_from(targets).unwrap_or(i64::MAX);
        let labels = ConfigLabels::new(job);
        self.discovered_targets.get_or_create(&labels).set(targets);
    }

    pub(super) fn job_gone(&self, job: &str) {
        self.discovered_targets.remove(&ConfigLabels::new(job));
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FileLabels {
    filename: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MechanismLabels {
    mechanism: &'static str,
}

const HTTP: MechanismLabels = MechanismLabels { mechanism: "http" };

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConfigLabels {
    name: &'static str,
    config: String,
}

impl ConfigLabels {
    fn new(job: &str) -> Self {
        Self {
            name: "scrape",
            config: job.to_owned(),
        }
    }
}
