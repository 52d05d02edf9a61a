//! The configuration is read again.

use std::fmt::Write as _;

use fixtures::MockAiven;
use fixtures::api::Call;
use fixtures::node::Node;

use crate::support::exporter::{discovery, indented};
use crate::support::samples::Samples;
use crate::support::system::{Scraped as _, System};
use crate::support::{PATIENCE, POLL, eventually};

const SUCCESSFUL: &str = "elasticsearch_metric_exporter_config_last_reload_successful";

/// How to ask for a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    Signal,
    Http,
}

/// A configuration file of several jobs.
#[derive(Debug, Default)]
struct Config {
    external_labels: &'static str,
    aiven: Option<String>,
    interval: &'static str,
    /// Names of jobs, each with the node that is their only target.
    plain: Vec<(&'static str, String)>,
}

impl Config {
    fn of(aiven: &MockAiven) -> Self {
        Self {
            external_labels: "{}",
            aiven: Some(discovery(aiven)),
            // None of its scrapes may fail.
            interval: "1s",
            plain: Vec::new(),
        }
    }

    fn text(&self) -> String {
        let (labels, interval) = (self.external_labels, self.interval);
        let mut text =
            format!("global: {{scrape_interval: {interval}, external_labels: {labels}}}\n");
        text += "scrape_configs:\n";
        if let Some(aiven) = &self.aiven {
            write!(text, "- job_name: aiven\n{}", indented(aiven)).unwrap();
        }
        for (name, target) in &self.plain {
            let job = format!("static_configs: [{{targets: ['{target}']}}]\n");
            write!(text, "- job_name: {name}\n{}", indented(&job)).unwrap();
        }
        text
    }
}

impl System {
    async fn reload(&mut self, ask: Ask, text: &str) {
        self.write_config(text);
        match ask {
            Ask::Signal => self.exporter.program.signal("HUP"),
            Ask::Http => {
                let answer = self.exporter.reload().await;
                assert_eq!((answer.status, answer.text()), (200, ""));
            }
        }
    }

    /// What `/federate` serves of a node, without what each scrape changes.
    async fn of_node(&self, node: &Node) -> Samples {
        let instance = node.address();
        self.federate(&format!(
            "{{instance=\"{instance}\",__name__!~\"scrape_.*\"}}"
        ))
        .await
    }

    /// That none of `node`'s series is missing at any time, for long enough for an old loop to end and for what it says
    /// at its end to be stale.
    async fn never_missing(&self, node: &Node, before: &Samples) {
        let count = node.scrape_count() + 3;
        let looking = async {
            while node.scrape_count() < count {
                let now = self.of_node(node).await;
                assert_eq!(before.differences(&now), [""; 0]);
                tokio::time::sleep(POLL).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap();
    }

    /// That `node` goes on being scraped on its old connection, none of its series missing at any time.
    async fn undisturbed(&self, node: &Node, before: &Samples) {
        self.never_missing(node, before).await;
        assert_eq!(node.connection_count(), 1);
    }
}

/// A system of one node, whose configuration is [`Config::of`].
async fn reloadable() -> System {
    let one = MockAiven::builder().nodes(1);
    System::configured(one, |aiven| Config::of(aiven).text()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing() {
    let mut system = reloadable().await;
    let node = system.aiven.nodes()[0].clone();
    let before = system.of_node(&node).await;
    let shown = system
        .exporter
        .site
        .data("/api/v1/status/config", &[])
        .await;
    let good = Config::of(&system.aiven).text();
    assert_eq!(system.metric(SUCCESSFUL, "").await, 1.0);

    let broken = good.replacen("job_name: aiven", "job_name: aiven\n  nonsense: 1", 1);
    system.write_config(&broken);
    system.exporter.program.signal("HUP");
    eventually("a reload that failed", async || {
        (system.metric(SUCCESSFUL, "").await == 0.0).then_some(())
    })
    .await;
    let broken = "the configuration can't be read again";
    let told = system.logged(broken, 1).await;
    assert!(told[0].contains("exporter.yml:4:3: "), "{told:?}");
    system.undisturbed(&node, &before).await;
    let now = system
        .exporter
        .site
        .data("/api/v1/status/config", &[])
        .await;
    assert_eq!(shown, now);

    let answer = system.exporter.reload().await;
    assert_eq!(answer.status, 500);
    assert!(
        answer.text().contains("exporter.yml:4:3: "),
        "{}",
        answer.text()
    );
    // One line for each attempt.
    system.logged("level=ERROR", 2).await;
    system.logged("level=WARN", 0).await;
    assert_eq!(system.exporter.site.get("/-/reload", &[]).await.status, 405);

    // A file that isn't there, and one that is well-formed and can't be used.
    std::fs::remove_file(system.folder.path().join("exporter.yml")).unwrap();
    let answer = system.exporter.reload().await;
    assert_eq!(answer.status, 500);
    let token = format!("api_token: {}\n", system.aiven.token());
    assert!(good.contains(&token));
    system.write_config(&good.replacen(&token, "api_token: ''\n", 1));
    let answer = system.exporter.reload().await;
    assert_eq!(answer.status, 500);
    system.undisturbed(&node, &before).await;

    system.reload(Ask::Http, &good).await;
    assert_eq!(system.metric(SUCCESSFUL, "").await, 1.0);
    system.undisturbed(&node, &before).await;
    assert_eq!(system.aiven.api().count(Call::Endpoint), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stays_the_same_is_undisturbed_and_the_rest_follows() {
    let other = MockAiven::builder()
        .nodes(2)
        .transport(fixtures::node::Transport::Plain)
        .motion(fixtures::node::Motion::Frozen)
        .start()
        .await
        .unwrap();
    let [one, two] = <[Node; 2]>::try_from(other.nodes()).unwrap();
    let both = [Ask::Signal, Ask::Http].map(async |ask| {
        let mut system = reloadable().await;
        let node = system.aiven.nodes()[0].clone();
        let before = system.of_node(&node).await;

        // Jobs come, …
        let mut config = Config::of(&system.aiven);
        config.plain = vec![
            ("first", one.address().to_string()),
            ("second", two.address().to_string()),
        ];
        system.reload(ask, &config.text()).await;
        eventually("the new jobs' targets", async || {
            (system.federate(r#"up{job=~"first|second"}"#).await.len() == 2).then_some(())
        })
        .await;
        system.undisturbed(&node, &before).await;

        // … go, …
        config.plain.pop();
        system.reload(ask, &config.text()).await;
        eventually("an end of the second job", async || {
            system
                .federate(r#"{job="second"}"#)
                .await
                .is_empty()
                .then_some(())
        })
        .await;
        assert!(!system.federate(r#"{job="first"}"#).await.is_empty());
        system.undisturbed(&node, &before).await;

        // … and labels of the whole exporter change.
        config.external_labels = "{region: north}";
        system.reload(ask, &config.text()).await;
        let labelled = async || {
            let up = system.federate(r#"up{job="aiven"}"#).await;
            up.iter()
                .all(|(series, _)| series.get("region") == Some("north"))
        };
        eventually("the external label", async || {
            labelled().await.then_some(())
        })
        .await;
        let after = system.of_node(&node).await;
        let after = after.relabel(|labels| drop(labels.remove("region")));
        assert_eq!(before.differences(&after), [""; 0]);
        assert_eq!(node.connection_count(), 1, "{ask:?}");
        assert_eq!(system.aiven.api().count(Call::Endpoint), 1, "{ask:?}");
        assert_eq!(system.metric(SUCCESSFUL, "").await, 1.0);
    });
    futures_util::future::join_all(both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_interval_takes_effect_without_a_gap() {
    let mut system = reloadable().await;
    let node = system.aiven.nodes()[0].clone();
    let before = system.of_node(&node).await;
    let mut config = Config::of(&system.aiven);
    config.interval = "1s100ms";
    system.reload(Ask::Http, &config.text()).await;
    let site = &system.exporter.site;
    eventually("the new interval", async || {
        let data = site.data("/api/v1/targets", &[]).await;
        (data["activeTargets"][0]["scrapeInterval"] == "1s100ms").then_some(())
    })
    .await;
    system.never_missing(&node, &before).await;
    // Other discovery settings bring the same targets.
    config.aiven = config
        .aiven
        .map(|it| it.replace("dns_refresh_interval: 1s", "dns_refresh_interval: 2s"));
    system.reload(Ask::Http, &config.text()).await;
    system.never_missing(&node, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_by_the_dozen_end_in_the_last_configuration() {
    let mut system = reloadable().await;
    let node = system.aiven.nodes()[0].clone();
    let mut config = Config::of(&system.aiven);
    for round in 0..24 {
        config.external_labels = if round % 2 == 0 {
            "{round: even}"
        } else {
            "{round: odd}"
        };
        let ask = if round % 3 == 0 {
            Ask::Signal
        } else {
            Ask::Http
        };
        system.reload(ask, &config.text()).await;
    }
    eventually("the last external label", async || {
        let up = system.federate(r#"up"#).await;
        let (series, _) = up.iter().next()?;
        (series.get("round") == Some("odd")).then_some(())
    })
    .await;
    node.scraped_again(3).await;
    assert_eq!(node.connection_count(), 1);
    assert_eq!(system.targets().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_discovery_settings_keep_the_targets_while_aiven_fails() {
    let state = tempfile::tempdir().unwrap();
    let flag = format!("--state.path={}", state.path().display());
    let aiven = MockAiven::builder()
        .nodes(1)
        .motion(fixtures::node::Motion::Frozen);
    let aiven = aiven.start().await.unwrap();
    let mut system = System::of_aiven(aiven, |aiven| Config::of(aiven).text(), &[&flag]).await;
    system.complete().await;
    let node = system.aiven.nodes()[0].clone();
    let before = system.of_node(&node).await;
    // As with a token that has expired and another one that isn't accepted either.
    system.aiven.api().fail(fixtures::api::Fault::Status(401));
    system.aiven.dns().fail(fixtures::dns::Fault::ServerFailure);
    let good = Config::of(&system.aiven).text();
    let token = format!("api_token: {}\n", system.aiven.token());
    let other = good.replacen(&token, "api_token: another\n", 1);
    assert_ne!(good, other);
    system.reload(Ask::Http, &other).await;
    system.undisturbed(&node, &before).await;
    system.reload(Ask::Http, &good).await;
    system.undisturbed(&node, &before).await;
    system.aiven.api().heal();
    system.aiven.dns().heal();
    let service = system.aiven.services()[0].clone();
    system.aiven.add_node(&service).await.unwrap();
    system.complete().await;
    // Its state is where the next start looks for it.
    let files = std::fs::read_dir(state.path()).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["aiven-paas-cf-prod.json"]);
}
