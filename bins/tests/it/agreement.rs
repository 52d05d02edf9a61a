//! The exporter, and a real Prometheus that scrapes the same nodes itself, serve the same.

use std::path::Path;

use fixtures::MockAiven;
use fixtures::node::Motion;

use crate::support::eventually_ok;
use crate::support::exporter::{Exporter, discovery, indented};
use crate::support::http::Site;
use crate::support::prometheus::Prometheus;
use crate::support::samples::Samples;

/// One list of `match[]` each.
const SELECTORS: &[&[&str]] = &[
    &["{job=\"aiven\"}"],
    &["{__name__=~\"elasticsearch_.*\"}"],
    // All four types of matchers, and a pattern that the absent label matches.
    &[
        "{job=\"aiven\",cloud!=\"nowhere\",__name__=~\"disk_.+|elasticsearch_(fs|jvm)_.*|up\",\
         host!~\".*-1\",absent=~\".*\"}",
    ],
    // Some series are selected twice.
    &[
        "elasticsearch_cluster_health_status_code",
        "{__name__=~\"elasticsearch_cluster_health_.*\"}",
        "{instance!=\"\",cpu=\"cpu0\"}",
        "up",
    ],
    &["{__name__=~\".+\",job=\"aiven\"}"],
    &["{job=\"nobody\"}"],
];

/// Samples of three nodes, with five for each scrape.
const ALL: usize = 934 + 522 + 522 + 3 * 5;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn without_rules() {
    assert_eq!(agree("").await.len(), ALL);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn where_labels_collide() {
    // Telegraf's `service_type` says what the target's does; here the target says something else.
    let rule = "relabel_configs:\n- {target_label: service_type, replacement: of_the_target}\n";
    let exported = |samples: &Samples| {
        samples
            .iter()
            .filter(|(labels, _)| labels.get("exported_service_type").is_some())
            .count()
    };
    let honoring = format!("honor_labels: true\n{rule}");
    let (renamed, honored) = tokio::join!(agree(rule), agree(&honoring));
    assert_eq!((renamed.len(), exported(&renamed)), (ALL, ALL - 3 * 5));
    assert_eq!((honored.len(), exported(&honored)), (ALL, 0));
}

/// Targets beside the nodes, of which the rules let none through, and rules of every action.
const TARGET_RULES: &str = r"
static_configs:
- targets: ['127.0.0.1:1']
  labels: {fate: drop}
- targets: ['127.0.0.1:2']
  labels: {fate: '', scheme_copy: gopher}
- targets: ['127.0.0.1:3']
  labels: {left: same, right: same}
relabel_configs:
- {action: drop, source_labels: [fate], regex: dr.p}
- {source_labels: [scheme_copy, __scheme__], separator: '', regex: '(https?)', target_label: scheme_copy}
- {action: keepequal, source_labels: [__scheme__], target_label: scheme_copy}
- {source_labels: [left], regex: '', target_label: left, replacement: of the nodes}
- {action: dropequal, source_labels: [left], target_label: right}
- {action: keep, source_labels: [aiven_service_name], regex: '[^-]+-[0-9a-f-]{36}'}
- {action: hashmod, source_labels: [__address__, aiven_plan], modulus: 1000, target_label: shard}
- {action: labelmap, regex: '__meta_aiven_(project|service_(?:type|state))', replacement: 'meta_$1'}
- {action: labeldrop, regex: 'left|right|scheme_copy|fate'}
- {action: uppercase, source_labels: [aiven_cloud, aiven_plan], target_label: placement}
- {action: lowercase, source_labels: [placement], target_label: placement_in_lower_case}
- {source_labels: [__address__], regex: '([^:]+):\d+', target_label: instance, replacement: 'node:${1}'}
- {action: labelkeep, regex: '__.*|job|instance|shard|aiven_.*|meta_.*|placement.*'}
";

/// Rules of every action for samples.
const METRIC_RULES: &str = r"
metric_relabel_configs:
- {action: keep, source_labels: [__name__], regex: '(elasticsearch|disk|diskio|net|system)_.*'}
- {action: drop, source_labels: [__name__, name], separator: ';', regex: 'elasticsearch_indices_stats_[a-m].*;.*'}
- {action: hashmod, source_labels: [__name__, host], modulus: 7, target_label: bucket}
- {target_label: unlucky, replacement: '3'}
- {action: dropequal, source_labels: [bucket], target_label: unlucky}
- {action: keepequal, source_labels: [service], target_label: aiven_service_name}
- {action: labelmap, regex: 'aiven_(.+)', replacement: '${1}_by_aiven'}
- {action: labeldrop, regex: 'aiven_.*|unlucky'}
- {action: uppercase, source_labels: [service], target_label: service}
- {action: lowercase, source_labels: [service, bucket], target_label: service_and_bucket}
- {source_labels: [__name__], regex: 'elasticsearch_(.*)', target_label: __name__, replacement: 'es_$1'}
- {source_labels: [__name__], regex: '(es)_(?P<rest>.*)_in_bytes', target_label: __name__, replacement: '${1}_${rest}_bytes'}
- {action: labelkeep, regex: '__name__|[^c].*'}
";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn with_rules_of_every_action_for_targets() {
    assert_eq!(agree(TARGET_RULES).await.len(), ALL);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn with_rules_of_every_action_for_samples() {
    let both = format!("{TARGET_RULES}{METRIC_RULES}");
    let (for_samples, for_both) = tokio::join!(agree(METRIC_RULES), agree(&both));
    for kept in [for_samples.len(), for_both.len()] {
        assert!((ALL / 2..ALL).contains(&kept), "{kept}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn on_scrapes_that_pass_a_limit() {
    // The master alone has more than that, and of its scrape nothing remains but the five.
    let (samples, labels) = tokio::join!(
        agree("sample_limit: 800\n"),
        agree("label_value_length_limit: 40\n")
    );
    assert_eq!((samples.len(), labels.len()), (ALL - 934, 3 * 5));
}

/// Starts both with the job keys `rules` (YAML), compares what they serve of the three nodes, and returns all of it.
async fn agree(rules: &str) -> Samples {
    let aiven = MockAiven::builder()
        .motion(Motion::Frozen)
        .start()
        .await
        .unwrap();
    let targets = aiven.nodes().len();
    let folder = tempfile::tempdir().unwrap();
    let job = "global: {scrape_interval: 1s, external_labels: {platform: ours, cloud: not added}}\n\
               scrape_configs:\n- job_name: aiven\n";
    let rules = indented(rules);
    let discovered = indented(&discovery(&aiven));
    let config = format!("{job}{discovered}{rules}");
    let exporter = Exporter::start(folder.path(), &config, &[]).await;
    write_discovered(&exporter.site, &aiven, &folder.path().join("targets.json")).await;
    let itself = indented(&scraping_itself(&aiven, folder.path()));
    let config = format!("{job}{itself}{rules}");
    let prometheus = Prometheus::start(folder.path(), &config).await;

    for site in [&exporter.site, &prometheus.site] {
        eventually_ok("scrapes of all targets", async || {
            let up = comparable(site, &["up"]).await;
            match up.len() == targets {
                true => Ok(()),
                false => Err(format!("{up:?}")),
            }
        })
        .await;
    }
    for selectors in SELECTORS {
        eventually_ok("agreement", async || {
            let theirs = comparable(&prometheus.site, selectors).await;
            let ours = comparable(&exporter.site, selectors).await;
            match ours.differences(&theirs) {
                none if none.is_empty() => Ok(()),
                some => Err(format!("{selectors:?}\n{}", some.join("\n"))),
            }
        })
        .await;
    }
    comparable(&exporter.site, &["{job=\"aiven\"}"]).await
}

/// What `site` serves, but for values that depend on how fast it scrapes.
async fn comparable(site: &Site, selectors: &[&str]) -> Samples {
    let query: Vec<_> = selectors.iter().map(|it| ("match[]", *it)).collect();
    let answer = site.get("/federate", &query).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Samples::parse(answer.text()).map_values(|labels, value| match labels.metric_name() {
        "scrape_duration_seconds" => f64::from(u8::from(value > 0.0)),
        _ => value,
    })
}

/// The keys of a job by which a Prometheus scrapes the nodes of `aiven`'s service as the exporter does.
fn scraping_itself(aiven: &MockAiven, folder: &Path) -> String {
    let ca = folder.join("ca.pem");
    std::fs::write(&ca, aiven.ca_pem()).unwrap();
    let service = &aiven.services()[0];
    format!(
        "file_sd_configs:\n- files: ['{}']\ntls_config:\n  ca_file: '{}'\n  server_name: {}\n\
         basic_auth:\n  username: {}\n  password: {}\n",
        folder.join("targets.json").display(),
        ca.display(),
        aiven.host_of(service).unwrap(),
        aiven.user(),
        aiven.password(),
    )
}

/// Writes what the exporter has discovered of `aiven`, once it has all, into `file`.
async fn write_discovered(site: &Site, aiven: &MockAiven, file: &Path) {
    let groups = eventually_ok("discovered targets", async || {
        let answer = site.get("/sd/targets", &[]).await;
        let groups = answer.json();
        let found = groups.as_array().unwrap().iter();
        let of_nodes = found.filter(|group| !group["labels"]["aiven_service_name"].is_null());
        let of_nodes: Vec<_> = of_nodes.cloned().collect();
        let count: usize = of_nodes
            .iter()
            .map(|group| group["targets"].as_array().unwrap().len())
            .sum();
        match count == aiven.nodes().len() {
            true => Ok(of_nodes),
            false => Err(groups.to_string()),
        }
    })
    .await;
    std::fs::write(file, serde_json::to_vec(&groups).unwrap()).unwrap();
}
