//! A mocked Aiven and an exporter that discovers it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use fixtures::node::{Motion, Node};
use fixtures::{Builder, MockAiven};
use serde_json::Value;
use tempfile::TempDir;

use super::exporter::{Exporter, config};
use super::samples::Samples;
use super::{PATIENCE, eventually, eventually_ok};

/// How often a mark was put into a log.
static MARKS: AtomicU64 = AtomicU64::new(0);

/// Keys of a job whose scrapes may take long, such as that of what [`System::serves_large`].
pub(crate) const LONG_INTERVAL: &str = "scrape_interval: 2s\n";

/// What tests wait for at nodes.
pub(crate) trait Scraped {
    /// Waits for `count` more scrapes.
    async fn scraped_again(&self, count: u64);
}

impl Scraped for Node {
    async fn scraped_again(&self, count: u64) {
        let count = self.scrape_count() + count;
        self.wait_for_scrapes(count, PATIENCE).await.unwrap();
    }
}

/// An exposition of `series` series called `large`, of 2 KB each.
pub(crate) fn large(series: usize) -> String {
    let (filler, mut text) = ("x".repeat(2000), String::new());
    for number in 0..series {
        let labels = format!("number=\"{number}\",filler=\"{filler}\"");
        writeln!(text, "large{{{labels}}} {number}").unwrap();
    }
    text
}

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

    /// Waits until the target `node` is up, and without an error.
    pub(crate) async fn is_up(&self, node: &Node) {
        let address = node.address().to_string();
        eventually_ok("a target that is up", async || {
            let row = self.targets().await.remove(&address);
            match row {
                Some(row) if row.health == "up" && row.last_error.is_empty() => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }

    /// Waits until the target at `address` is down because of `why`, which its error starts with. On a machine that is
    /// busy with other things its time may be over first.
    pub(crate) async fn down(&self, address: SocketAddr, why: &str) {
        let address = address.to_string();
        eventually_ok(why, async || {
            let row = self.targets().await.remove(&address);
            match row {
                Some(row) if row.health == "down" && row.last_error.starts_with(why) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
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

    /// Waits until each node was scraped twice more, and all are up. None was given up in between.
    pub(crate) async fn scraped_on(&self) {
        let given_up = self.given_up();
        for node in self.aiven.nodes() {
            node.scraped_again(2).await;
        }
        self.complete().await;
        assert_eq!(self.given_up(), given_up);
    }

    /// Of each change of targets that took some away, the line in the log.
    fn given_up(&self) -> Vec<String> {
        let mut changes = self.has_logged("msg=\"targets changed\" job=");
        changes.retain(|line| !line.contains(" stopped=0"));
        changes
    }

    /// Waits until `/federate` serves again what [`System::steady`] once was.
    pub(crate) async fn serves_again(&self, before: &Samples) {
        eventually_ok("what was served before", async || {
            match before.differences(&self.steady_now().await) {
                none if none.is_empty() => Ok(()),
                some => Err(some.join("\n")),
            }
        })
        .await;
    }

    /// What `/federate` serves of `selector`.
    pub(crate) async fn federate(&self, selector: &str) -> Samples {
        let query = [("match[]", selector)];
        let answer = self.exporter.site.get("/federate", &query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Samples::parse(answer.text())
    }

    /// What `/federate` serves that stays the same while no value moves, once that is all that the nodes expose.
    pub(crate) async fn steady(&self) -> Samples {
        let exposed = |node: &Node| Samples::parse(&node.body()).len();
        // With `up` of each.
        let want: usize = self.aiven.nodes().iter().map(|it| exposed(it) + 1).sum();
        eventually_ok("all that the nodes expose", async || {
            let now = self.steady_now().await;
            let len = now.len();
            if len == want {
                Ok(now)
            } else {
                Err(format!("{len} series of {want}"))
            }
        })
        .await
    }

    /// The same without waiting.
    pub(crate) async fn steady_now(&self) -> Samples {
        self.federate(r#"{__name__!~"scrape_.*"}"#).await
    }

    /// Has `node` expose `series` series `large` of 2 KB each, and waits until they are served.
    pub(crate) async fn serves_large(&self, node: &Node, series: usize) {
        node.serve(large(series), "text/plain; version=0.0.4");
        let last = format!("large{{number=\"{}\"}}", series - 1);
        eventually("the large exposition", async || {
            (self.federate(&last).await.len() == 1).then_some(())
        })
        .await;
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

    /// The `count` lines of the log that contain `text`, as soon as they are there.
    ///
    /// # Panics
    /// Where there are more.
    pub(crate) async fn logged(&self, text: &str, count: usize) -> Vec<String> {
        eventually_ok("lines in the log", async || {
            let lines = self.has_logged(text);
            let are_there = lines.len() >= count;
            are_there.then_some(()).ok_or_else(|| format!("{lines:?}"))
        })
        .await;
        // All that the exporter has logged before it logs this request is read before that.
        let path = format!("/mark/{}", MARKS.fetch_add(1, Ordering::Relaxed));
        self.exporter.site.get(&path, &[]).await;
        let mark = format!("path={path} ");
        eventually("a mark in the log", async || {
            let is_read = self.exporter.program.log().contains(&mark);
            is_read.then_some(())
        })
        .await;
        let lines = self.has_logged(text);
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    /// Lines that contain `text` of what was read of the log so far; of all of it after the exporter's end.
    pub(crate) fn has_logged(&self, text: &str) -> Vec<String> {
        let log = self.exporter.program.log();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }

    /// Waits for a line of the log that contains `text`.
    pub(crate) async fn logs(&mut self, text: &str) {
        let is_it = |line: &str| line.contains(text).then_some(());
        self.exporter.program.log_line(is_it).await;
    }

    /// Sends SIGTERM and waits for the exit code. `clean` is whether all answers in flight were finished, which is
    /// given up in time for a platform that kills after 10 seconds.
    pub(crate) async fn terminates(&mut self, clean: bool) {
        self.exporter.program.signal("TERM");
        assert_eq!(self.exporter.program.ended().await.code(), Some(0));
        let told = self.has_logged("msg=stopped");
        assert!(told[0].contains(&format!("clean={clean}")), "{told:?}");
        let cut_off = self.has_logged("answers in flight are cut off");
        assert_eq!(cut_off.is_empty(), clean, "{cut_off:?}");
        assert!(cut_off.iter().all(|line| line.contains("deadline=8s")));
    }

    /// Replaces the exporter's configuration file, so that no half of it can be read.
    pub(crate) fn write_config(&self, text: &str) {
        let new = self.folder.path().join("new.yml");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.folder.path().join("exporter.yml")).unwrap();
    }
}
