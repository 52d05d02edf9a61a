//! A mocked Aiven and an exporter that discovers it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use fixtures::node::Motion;
use fixtures::{Builder, MockAiven};
use serde_json::Value;
use tempfile::TempDir;

use super::exporter::{Exporter, discovery, indented};
use super::samples::Samples;
use super::{PATIENCE, eventually, eventually_ok};

/// Both, and the folder with the exporter's files.
pub(crate) struct System {
    pub(crate) exporter: Exporter,
    pub(crate) aiven: MockAiven,
    pub(crate) folder: TempDir,
}

/// How a target is doing, as `/api/v1/targets` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TargetRow {
    /// `up`, `down` or `unknown`.
    pub(crate) health: String,
    /// Empty where there is none.
    pub(crate) last_error: String,
}

impl System {
    /// One service of two nodes, all of them up.
    pub(crate) async fn start() -> Self {
        Self::of(MockAiven::builder().nodes(2)).await
    }

    /// What `builder` makes, with values that don't move; all nodes are up.
    pub(crate) async fn of(builder: Builder) -> Self {
        Self::configured(builder, |aiven| config(aiven, "")).await
    }

    /// The same with the configuration file that `config` makes.
    pub(crate) async fn configured(
        builder: Builder,
        config: impl FnOnce(&MockAiven) -> String,
    ) -> Self {
        let aiven = builder.motion(Motion::Frozen).start().await.unwrap();
        let system = Self::of_aiven(aiven, config, &[]).await;
        system.exporter.all_up(&system.aiven).await;
        system
    }

    /// An exporter for `aiven`, with more `flags`, that may have found nothing yet.
    pub(crate) async fn of_aiven(
        aiven: MockAiven,
        config: impl FnOnce(&MockAiven) -> String,
        flags: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let exporter = Exporter::start(folder.path(), &config(&aiven), flags).await;
        Self {
            exporter,
            aiven,
            folder,
        }
    }

    /// All active targets, by address.
    pub(crate) async fn targets(&self) -> BTreeMap<String, TargetRow> {
        let site = &self.exporter.site;
        let data = site.data("/api/v1/targets", &[("state", "active")]).await;
        let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
        let rows = data["activeTargets"].as_array().unwrap().iter();
        rows.map(|row| {
            let address = text(&row["discoveredLabels"], "__address__");
            let health = text(row, "health");
            let last_error = text(row, "lastError");
            (address, TargetRow { health, last_error })
        })
        .collect()
    }

    /// Waits until the target at `address` is down, and says why.
    pub(crate) async fn down(&self, address: SocketAddr) -> String {
        let address = address.to_string();
        eventually("a target that is down", async || {
            let row = self.targets().await.remove(&address)?;
            (row.health == "down").then_some(row.last_error)
        })
        .await
    }

    /// Waits until the targets' addresses are those of the mock's nodes, and all of them are up.
    pub(crate) async fn complete(&self) {
        let nodes = self.aiven.nodes();
        let mut want: Vec<_> = nodes
            .iter()
            .map(|node| node.address().to_string())
            .collect();
        want.sort_unstable();
        eventually_ok("the targets", async || {
            let targets = self.targets().await;
            let addresses: Vec<_> = targets.keys().cloned().collect();
            let up = targets.values().all(|row| row.health == "up");
            match up && addresses == want {
                true => Ok(()),
                false => Err(format!("{targets:?}, expected {want:?}")),
            }
        })
        .await;
    }

    /// Waits until each node was scraped twice more, and asserts that all are up.
    pub(crate) async fn scraped_on(&self) {
        for node in self.aiven.nodes() {
            let count = node.scrape_count() + 2;
            node.wait_for_scrapes(count, PATIENCE).await.unwrap();
        }
        self.complete().await;
    }

    /// What `/federate` serves of `selector`.
    pub(crate) async fn federate(&self, selector: &str) -> Samples {
        let query = [("match[]", selector)];
        let answer = self.exporter.site.get("/federate", &query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Samples::parse(answer.text())
    }

    /// What `/federate` serves that stays the same while no value moves.
    pub(crate) async fn steady(&self) -> Samples {
        self.federate(r#"{__name__!~"scrape_.*"}"#).await
    }

    /// The sum of the exporter's own series of this name whose labels hold `labels`, such as
    /// `outcome="Success"`; 0 where there is none.
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let answer = self.exporter.site.get("/metrics", &[]).await;
        let samples = Samples::parse(answer.text());
        samples
            .iter()
            .filter(|(series, _)| series.metric_name() == name)
            .filter(|(series, _)| series.to_string().contains(labels))
            .map(|(_, sample)| sample.value)
            .sum()
    }

    /// Waits until [`System::metric`] is at least `value`.
    pub(crate) async fn metric_reaches(&self, name: &str, labels: &str, value: f64) {
        eventually_ok(name, async || {
            let is = self.metric(name, labels).await;
            (is >= value).then_some(()).ok_or_else(|| is.to_string())
        })
        .await;
    }

    /// Lines of the log that contain `text`.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        let log = self.exporter.program.log();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }

    /// Waits for a line of the log that contains `text`.
    pub(crate) async fn logs(&mut self, text: &str) {
        let is_it = |line: &str| line.contains(text).then_some(());
        self.exporter.program.log_line(is_it).await;
    }

    /// Replaces the exporter's configuration file, so that no half of it can be read.
    pub(crate) fn write_config(&self, text: &str) {
        let new = self.folder.path().join("new.yml");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join("exporter.yml")).unwrap();
    }
}

/// A configuration with one job, `aiven`, that scrapes each 250 ms and looks for services and nodes
/// each second. `job` is YAML for more keys of the job, not indented.
pub(crate) fn config(aiven: &MockAiven, job: &str) -> String {
    let intervals = "refresh_interval: 1s\ndns_refresh_interval: 1s\n";
    format!(
        "global: {{scrape_interval: 250ms}}\nscrape_configs:\n- job_name: aiven\n{}{}",
        indented(&discovery(aiven, intervals)),
        indented(job),
    )
}
