//! One job's inputs under test: what they publish and what they count.

use std::time::Duration;

use es_scraper::discovery::{Discovery, DiscoveryMetrics, Groups, JobInputs};
use http::HeaderValue;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Inputs {
    pub(crate) discovery: Discovery,
    pub(crate) groups: watch::Receiver<Groups>,
    registry: Registry,
}

impl Inputs {
    /// Starts the inputs of one job.
    pub(crate) fn start(job: JobInputs) -> Self {
        let mut registry = Registry::default();
        let metrics = DiscoveryMetrics::register(&mut registry);
        let mut discovery = Discovery::new(metrics, HeaderValue::from_static("test/1"));
        let mut jobs = discovery.apply(vec![job]).unwrap();
        Self {
            groups: jobs.remove(0).groups,
            discovery,
            registry,
        }
    }

    /// What is published now, a line a group.
    pub(crate) fn shown(&self) -> Vec<String> {
        shown(&self.groups.borrow())
    }

    /// Waits until `want` is published.
    pub(crate) async fn until(&mut self, want: &[&str]) {
        let published = self.groups.wait_for(|groups| shown(groups) == want);
        if timeout(PATIENCE, published).await.is_err() {
            assert_eq!(self.shown(), want);
        }
    }

    /// Waits for the first publication, be it empty.
    pub(crate) async fn first(&mut self) {
        timeout(PATIENCE, self.groups.changed())
            .await
            .unwrap()
            .unwrap();
    }

    /// The value of a metric, by its whole name with labels.
    pub(crate) fn metric(&self, name: &str) -> Option<f64> {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        let mut values = text
            .lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        values.next().map(|value| value.parse().unwrap())
    }

    /// Waits until a metric is at least `want`.
    pub(crate) async fn until_metric(&self, name: &str, want: f64) {
        let reached = async {
            while self.metric(name).is_none_or(|value| value < want) {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, reached).await.expect(name);
    }
}

/// A line a group: source, labels without `__meta_filepath` and `__meta_url`, addresses.
pub(crate) fn shown(groups: &Groups) -> Vec<String> {
    let lines = groups.iter().map(|group| {
        let mut labels = group.labels.clone();
        labels.retain(|name, _| !["__meta_filepath", "__meta_url"].contains(&name));
        let addresses = group
            .targets
            .iter()
            .map(|target| target.get("__address__").unwrap_or("-"));
        let source = group.source.rsplit('/').next().unwrap_or_default();
        format!(
            "{source} {labels} {}",
            addresses.collect::<Vec<_>>().join(",")
        )
    });
    lines.collect()
}
