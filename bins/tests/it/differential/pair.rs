//! An exporter and a Prometheus that read the same configuration, and what can be seen of each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use prom_model::label::{JOB, LabelSet, METRIC_NAME};
use serde_json::Value;

use super::scripted_server::Client;
use crate::support::exporter::Exporter;
use crate::support::http::Site;
use crate::support::prometheus::Prometheus;
use crate::support::samples::Samples;

/// What UTF-8 names are asked for with.
const ACCEPT_UTF8: (&str, &str) = ("accept", "text/plain;version=1.0.0;escaping=allow-utf-8");

/// How long they may take to take up a change: Prometheus collects news of targets for five seconds, and what is gone
/// ends after two scrapes.
const SETTLED: Duration = Duration::from_secs(25);
const POLL: Duration = Duration::from_millis(200);

/// Both programs.
pub(crate) struct Pair {
    folder: tempfile::TempDir,
    pub(crate) exporter: Exporter,
    pub(crate) prometheus: Prometheus,
}

impl Pair {
    /// Starts both with the configuration file's text `config`.
    pub(crate) async fn start(folder: tempfile::TempDir, config: &str) -> Self {
        let exporter = Exporter::start(folder.path(), config, &[]).await;
        let prometheus = Prometheus::start(folder.path(), config).await;
        Self {
            folder,
            exporter,
            prometheus,
        }
    }

    /// Gives both another configuration.
    pub(crate) fn reload(&self, config: &str) {
        for (file, program) in [
            ("exporter.yml", &self.exporter.program),
            ("prometheus.yml", &self.prometheus.program),
        ] {
            std::fs::write(self.folder.path().join(file), config).unwrap();
            program.signal("HUP");
        }
    }

    pub(crate) fn site(&self, client: Client) -> &Site {
        match client {
            Client::Exporter => &self.exporter.site,
            Client::Prometheus => &self.prometheus.site,
        }
    }

    /// Waits until both see the same, and `is_reached` says of both that it is what is waited for.
    ///
    /// # Panics
    /// When they don't within [`SETTLED`]; the message has `what` was waited for.
    pub(crate) async fn agree(
        &self,
        what: &str,
        start_ms: i64,
        is_reached: impl Fn(&BTreeMap<String, Seen>) -> bool,
    ) {
        let start = Instant::now();
        loop {
            let exporter = self.seen(Client::Exporter, start_ms).await;
            let prometheus = self.seen(Client::Prometheus, start_ms).await;
            let differences = all_differences(&exporter, &prometheus);
            if differences.is_empty() && is_reached(&exporter) && is_reached(&prometheus) {
                return;
            }
            let lines: Vec<_> = differences
                .into_iter()
                .map(|(job, lines)| format!("{job}\n{}", lines.join("\n")))
                .collect();
            assert!(
                start.elapsed() < SETTLED,
                "{what}: {} differences in:\n{}",
                lines.len(),
                lines.join("\n")
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// What `client` serves and shows now, by job.
    pub(crate) async fn seen(&self, client: Client, start_ms: i64) -> BTreeMap<String, Seen> {
        let site = self.site(client);
        let mut seen = seen_series(site, start_ms).await;
        let data = site.data("/api/v1/targets", &[]).await;
        for target in list(&data["activeTargets"]) {
            let job = seen.entry(text(&target["scrapePool"])).or_default();
            job.targets.insert(shown_target(target));
        }
        for target in list(&data["droppedTargets"]) {
            let labels = &target["discoveredLabels"];
            // Prometheus 2 doesn't say of which job the target is.
            let job = seen.entry(text(&labels[JOB])).or_default();
            job.targets.insert(format!("dropped {labels}"));
        }
        seen
    }
}

/// What differs, by job.
pub(crate) fn all_differences(
    exporter: &BTreeMap<String, Seen>,
    prometheus: &BTreeMap<String, Seen>,
) -> BTreeMap<String, Vec<String>> {
    let jobs: BTreeSet<_> = exporter.keys().chain(prometheus.keys()).collect();
    let nothing = Seen::default();
    let of = |job: &String| {
        let mine = exporter.get(job).unwrap_or(&nothing);
        mine.differences(prometheus.get(job).unwrap_or(&nothing))
    };
    let differences = jobs.into_iter().map(|job| (job.clone(), of(job)));
    differences.filter(|(_, lines)| !lines.is_empty()).collect()
}

/// What one program makes of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) series: BTreeMap<String, String>,
    pub(crate) targets: BTreeSet<String>,
    /// When the samples of each `up` were taken.
    pub(crate) up_ms: Vec<i64>,
}

impl Seen {
    /// Leaves out samples that are not of the last scrape.
    pub(crate) fn forget_older_samples(&mut self) {
        self.series.retain(|_, sample| !sample.contains(" at "));
    }

    /// What differs from `other`, a line each.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let series = |seen: &Self| -> BTreeSet<String> {
            let lines = seen.series.iter();
            lines
                .map(|(labels, sample)| format!("{labels} {sample}"))
                .collect()
        };
        let (mine, theirs) = (series(self), series(other));
        let targets = self
            .targets
            .difference(&other.targets)
            .map(|it| ("exporter", it));
        let other_targets = other
            .targets
            .difference(&self.targets)
            .map(|it| ("Prometheus", it));
        let lines = mine.difference(&theirs).map(|it| ("exporter", it));
        let other_lines = theirs.difference(&mine).map(|it| ("Prometheus", it));
        targets
            .chain(other_targets)
            .chain(lines)
            .chain(other_lines)
            .map(|(who, what)| format!("  only {who}: {what}"))
            .collect()
    }
}

/// What `site` federates, by job.
pub(crate) async fn seen_series(site: &Site, start_ms: i64) -> BTreeMap<String, Seen> {
    let query = [("match[]", r#"{__name__=~".+"}"#)];
    let answer = site
        .ask(reqwest::Method::GET, "/federate", &query, &[ACCEPT_UTF8])
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    // Types would change how labels such as `le` are read, and Prometheus has none.
    let lines = answer.text().lines().filter(|line| !line.starts_with('#'));
    let samples = Samples::parse(&lines.map(|line| format!("{line}\n")).collect::<String>());
    let job = |labels: &LabelSet| labels.get(JOB).unwrap_or_default().to_owned();
    let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
    let mut all_up_ms = BTreeSet::new();
    for (labels, sample) in samples.iter() {
        if labels.get(METRIC_NAME) == Some("up") {
            let up_ms = sample.timestamp_ms.unwrap();
            seen.entry(job(labels)).or_default().up_ms.push(up_ms);
            all_up_ms.insert(up_ms);
        }
    }
    for (labels, sample) in samples.iter() {
        let timestamp_ms = sample.timestamp_ms.unwrap();
        let name = job(labels);
        let job = seen.entry(name.clone()).or_default();
        // What no job is told of may be any job's.
        let is_scrapes = match name.is_empty() || job.up_ms.is_empty() {
            true => all_up_ms.contains(&timestamp_ms),
            false => job.up_ms.contains(&timestamp_ms),
        };
        let value = match labels.get(METRIC_NAME) {
            Some("scrape_duration_seconds") => "some".to_owned(),
            _ => sample.value.to_string(),
        };
        let shown = match is_scrapes {
            true => value,
            false => format!("{value} at {}", timestamp_ms - start_ms),
        };
        job.series.insert(labels.to_string(), shown);
    }
    seen
}

fn shown_target(target: &Value) -> String {
    let shown = |key: &str| text(&target[key]);
    let is_error = !shown("lastError").is_empty();
    format!(
        "{} {} labels {} discovered {} every {} within {} error {is_error}",
        shown("scrapeUrl"),
        shown("health"),
        target["labels"],
        target["discoveredLabels"],
        shown("scrapeInterval"),
        shown("scrapeTimeout"),
    )
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
