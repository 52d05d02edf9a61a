//! The scraper's own metrics, named as Prometheus names them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prom_config::duration;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::append::Counts;
use super::error::ScrapeError;

/// Bounds for intervals in seconds, from one second to an hour.
const INTERVALS: [f64; 11] = [
    1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
];

/// Counts what scrapes come to. Clones share their numbers.
#[derive(Debug, Clone)]
pub struct ScrapeMetrics {
    pools: Counter,
    pool_reloads: Counter,
    pool_syncs: Family<JobLabels, Counter>,
    pool_targets: Family<JobLabels, Gauge>,
    pool_target_limit: Family<JobLabels, Gauge>,
    sync_failed: Family<JobLabels, Counter>,
    exceeded_target_limit: Counter,
    exceeded_label_limits: Counter,
    exceeded_sample_limit: Counter,
    exceeded_body_size_limit: Counter,
    duplicate_timestamp: Counter,
    out_of_order: Counter,
    out_of_bounds: Counter,
    interval_length: Family<IntervalLabels, Histogram, fn() -> Histogram>,
    /// Pools of each job.
    running: Arc<Mutex<HashMap<String, usize>>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JobLabels {
    scrape_job: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IntervalLabels {
    interval: String,
}

impl ScrapeMetrics {
    /// Metrics that `registry` shows as `prometheus_target_…`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            pools: Counter::default(),
            pool_reloads: Counter::default(),
            pool_syncs: Family::default(),
            pool_targets: Family::default(),
            pool_target_limit: Family::default(),
            sync_failed: Family::default(),
            exceeded_target_limit: Counter::default(),
            exceeded_label_limits: Counter::default(),
            exceeded_sample_limit: Counter::default(),
            exceeded_body_size_limit: Counter::default(),
            duplicate_timestamp: Counter::default(),
            out_of_order: Counter::default(),
            out_of_bounds: Counter::default(),
            interval_length: Family::new_with_constructor(|| Histogram::new(INTERVALS)),
            running: Arc::default(),
        };
        let target = registry.sub_registry_with_prefix("prometheus_target");
        let counters = [
            ("scrape_pools", "Scrape pools made", &metrics.pools),
            (
                "scrape_pool_reloads",
                "Scrape pools that got another configuration",
                &metrics.pool_reloads,
            ),
            (
                "scrape_pool_exceeded_target_limit",
                "Times that a scrape pool had more targets than its target_limit",
                &metrics.exceeded_target_limit,
            ),
            (
                "scrape_pool_exceeded_label_limits",
                "Scrapes that failed of a label limit",
                &metrics.exceeded_label_limits,
            ),
            (
                "scrapes_exceeded_sample_limit",
                "Scrapes that failed of sample_limit",
                &metrics.exceeded_sample_limit,
            ),
            (
                "scrapes_exceeded_body_size_limit",
                "Scrapes that failed of body_size_limit",
                &metrics.exceeded_body_size_limit,
            ),
            (
                "scrapes_sample_duplicate_timestamp",
                "Samples refused since their series had another value at the same time",
                &metrics.duplicate_timestamp,
            ),
            (
                "scrapes_sample_out_of_order",
                "Samples refused since their series had a newer one",
                &metrics.out_of_order,
            ),
            (
                "scrapes_sample_out_of_bounds",
                "Samples refused since their timestamp was too far in the future",
                &metrics.out_of_bounds,
            ),
        ];
        for (name, help, counter) in counters {
            target.register(name, help, counter.clone());
        }
        target.register(
            "scrape_pool_sync",
            "Times that a scrape pool got its targets",
            metrics.pool_syncs.clone(),
        );
        target.register(
            "scrape_pool_targets",
            "Targets of each scrape pool",
            metrics.pool_targets.clone(),
        );
        target.register(
            "scrape_pool_target_limit",
            "Largest number of targets of each scrape pool, 0 without a limit",
            metrics.pool_target_limit.clone(),
        );
        target.register(
            "sync_failed",
            "Targets that could not be made",
            metrics.sync_failed.clone(),
        );
        target.register(
            "interval_length_seconds",
            "Time between the starts of two scrapes of a target, by the interval asked for",
            metrics.interval_length.clone(),
        );
        metrics
    }

    pub(super) fn pool_made(&self, job: &str) {
        self.pools.inc();
        *self.running().entry(job.to_owned()).or_default() += 1;
    }

    pub(super) fn pool_reloaded(&self) {
        self.pool_reloads.inc();
    }

    /// A pool has got its targets.
    pub(super) fn pool_synced(&self, job: &str, targets: usize, target_limit: u64, failed: usize) {
        let labels = job_labels(job);
        self.pool_syncs.get_or_create(&labels).inc();
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.pool_targets
            .get_or_create(&labels)
            .set(gauge(targets as u64));
        self.pool_target_limit
            .get_or_create(&labels)
            .set(gauge(target_limit));
        self.sync_failed
            .get_or_create(&labels)
            .inc_by(failed as u64);
        if target_limit > 0 && targets as u64 > target_limit {
            self.exceeded_target_limit.inc();
        }
    }

    /// A pool has ended. Another one of the same job may have begun before.
    pub(super) fn pool_gone(&self, job: &str) {
        let mut running = self.running();
        if let Some(count) = running.get_mut(job).filter(|count| **count > 1) {
            *count -= 1;
            return;
        }
        running.remove(job);
        let labels = job_labels(job);
        self.pool_syncs.remove(&labels);
        self.pool_targets.remove(&labels);
        self.pool_target_limit.remove(&labels);
        self.sync_failed.remove(&labels);
    }

    fn running(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the times between the starts of two scrapes go that should be `interval`, in seconds.
    pub(super) fn interval_length(&self, interval: Duration) -> Histogram {
        let interval = duration::format(interval);
        self.interval_length
            .get_or_create_owned(&IntervalLabels { interval })
    }

    pub(super) fn scraped(&self, counts: &Counts, result: Result<(), &ScrapeError>) {
        for (counter, refused) in [
            (&self.duplicate_timestamp, counts.duplicates),
            (&self.out_of_order, counts.out_of_order),
            (&self.out_of_bounds, counts.out_of_bounds),
        ] {
            if refused > 0 {
                counter.inc_by(refused);
            }
        }
        match result {
            Err(ScrapeError::SampleLimit) => self.exceeded_sample_limit.inc(),
            Err(ScrapeError::LabelLimit(_)) => self.exceeded_label_limits.inc(),
            Err(ScrapeError::BodyTooLarge) => self.exceeded_body_size_limit.inc(),
            _ => return,
        };
    }
}

fn job_labels(job: &str) -> JobLabels {
    JobLabels {
        scrape_job: job.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_prometheus_and_jobs_are_escaped() {
        let mut registry = Registry::default();
        let metrics = ScrapeMetrics::register(&mut registry);
        metrics.pool_made("a\"b\\\n");
        metrics.pool_synced("a\"b\\\n", 3, 2, 1);
        let lengths = metrics.interval_length(Duration::from_secs(30));
        lengths.observe(31.0);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let has = |line: &str| assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        has("prometheus_target_scrape_pools_total 1");
        has(r#"prometheus_target_scrape_pool_targets{scrape_job="a\"b\\\n"} 3"#);
        has(r#"prometheus_target_sync_failed_total{scrape_job="a\"b\\\n"} 1"#);
        has("prometheus_target_scrape_pool_exceeded_target_limit_total 1");
        has("prometheus_target_scrapes_exceeded_sample_limit_total 0");
        has(r#"prometheus_target_interval_length_seconds_sum{interval="30s"} 31.0"#);
        metrics.pool_gone("a\"b\\\n");
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(!text.contains("scrape_job="), "{text}");
    }

    #[test]
    fn a_pool_that_ends_after_its_successor_began_leaves_its_metrics() {
        let mut registry = Registry::default();
        let metrics = ScrapeMetrics::register(&mut registry);
        let shown = || {
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text.contains("prometheus_target_scrape_pool_targets{scrape_job=\"j\"} 3")
        };
        metrics.pool_made("j");
        metrics.pool_made("j");
        metrics.pool_synced("j", 3, 0, 0);
        metrics.pool_gone("j");
        assert!(shown());
        metrics.pool_gone("j");
        assert!(!shown());
    }
}
