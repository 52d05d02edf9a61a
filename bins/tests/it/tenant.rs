//! A tenant's own Prometheus federates from the exporter, with the configuration that it has always had.

use std::collections::{BTreeMap, BTreeSet};

use fixtures::MockAiven;
use fixtures::node::{Motion, Node};
use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::METRIC_NAME;

use crate::support::eventually_ok;
use crate::support::exporter::{Exporter, config};
use crate::support::prometheus::Prometheus;
use crate::support::samples::Samples;
use crate::support::system::System;

/// What the tenant has written; four of its values are changed.
const TENANT: &str = include_str!("../../../fixtures/data/tenant-prometheus.yml");

const README: &str = include_str!("../../../README.md");

/// What the rules keep of what the nodes expose, before they put `paas_es_` in front.
const KEPT: [&str; 51] = [
    "disk_free",
    "disk_used_percent",
    "diskio_io_time",
    "diskio_iops_in_progress",
    "diskio_read_time",
    "diskio_write_time",
    "elasticsearch_cluster_health_active_primary_shards",
    "elasticsearch_cluster_health_active_shards",
    "elasticsearch_cluster_health_active_shards_percent_as_number",
    "elasticsearch_cluster_health_initializing_shards",
    "elasticsearch_cluster_health_number_of_data_nodes",
    "elasticsearch_cluster_health_number_of_nodes",
    "elasticsearch_cluster_health_number_of_pending_tasks",
    "elasticsearch_cluster_health_relocating_shards",
    "elasticsearch_cluster_health_status_code",
    "elasticsearch_cluster_health_task_max_waiting_in_queue_millis",
    "elasticsearch_cluster_health_unassigned_shards",
    "elasticsearch_clusterstats_indices_count",
    "elasticsearch_clusterstats_indices_docs_count",
    "elasticsearch_clusterstats_indices_docs_deleted",
    "elasticsearch_clusterstats_indices_query_cache_miss_count",
    "elasticsearch_clusterstats_indices_store_size_in_bytes",
    "elasticsearch_clusterstats_nodes_count_total",
    "elasticsearch_clusterstats_nodes_fs_available_in_bytes",
    "elasticsearch_clusterstats_nodes_fs_free_in_bytes",
    "elasticsearch_clusterstats_nodes_fs_total_in_bytes",
    "elasticsearch_clusterstats_nodes_jvm_mem_heap_max_in_bytes",
    "elasticsearch_clusterstats_nodes_jvm_mem_heap_used_in_bytes",
    "elasticsearch_clusterstats_nodes_jvm_threads",
    "elasticsearch_clusterstats_nodes_process_cpu_percent",
    "elasticsearch_clusterstats_nodes_process_open_file_descriptors_avg",
    "elasticsearch_clusterstats_nodes_process_open_file_descriptors_max",
    "elasticsearch_clusterstats_nodes_process_open_file_descriptors_min",
    "elasticsearch_indices_docs_count",
    "elasticsearch_indices_docs_deleted",
    "elasticsearch_jvm_gc_collectors_old_collection_count",
    "elasticsearch_jvm_gc_collectors_old_collection_time_in_millis",
    "elasticsearch_jvm_gc_collectors_young_collection_count",
    "elasticsearch_jvm_gc_collectors_young_collection_time_in_millis",
    "elasticsearch_jvm_mem_heap_used_percent",
    "elasticsearch_jvm_uptime_in_millis",
    "elasticsearch_os_mem_free_percent",
    "elasticsearch_os_mem_used_percent",
    "elasticsearch_os_swap_used_in_bytes",
    "elasticsearch_process_open_file_descriptors",
    "net_bytes_recv",
    "net_bytes_sent",
    "swap_used_percent",
    "system_load1",
    "system_load15",
    "system_load5",
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn a_tenants_prometheus_has_every_series_value_and_type() {
    let System {
        exporter,
        aiven,
        folder,
    } = operators().await;
    let tenant = replaced(
        TENANT,
        &[
            ("127.0.0.1:9090", &exporter.address),
            ("scrape_interval: 30s", "scrape_interval: 500ms"),
        ],
    );
    let prometheus = Prometheus::start(folder.path(), &tenant).await;

    let want = expected(&aiven, &exporter.address);
    eventually_ok("all series at the tenant", async || {
        let have = prometheus.federate(&["{job='paas_elasticsearch'}"]).await;
        let have = have.filter(|labels, _| labels.metric_name().starts_with("paas_es_"));
        match have.differences(&want) {
            none if none.is_empty() => Ok(()),
            some => Err(some.join("\n")),
        }
    })
    .await;
    let names: BTreeSet<String> = KEPT.iter().map(|name| format!("paas_es_{name}")).collect();
    assert_eq!(want.names(), names);

    let have = metadata_of(&prometheus).await;
    for (name, metadata) in families(&aiven.nodes()) {
        assert_eq!(have.get(&name), Some(&metadata), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn a_wrong_password_is_a_target_that_is_down() {
    let System {
        exporter,
        aiven: _aiven,
        folder,
    } = operators().await;
    let tenant = replaced(
        TENANT,
        &[
            ("127.0.0.1:9090", &exporter.address),
            ("scrape_interval: 30s", "scrape_interval: 500ms"),
            ("password: tenant-password", "password: tenant-passw0rd"),
        ],
    );
    let prometheus = Prometheus::start(folder.path(), &tenant).await;
    eventually_ok("a failed scrape", async || {
        let targets = prometheus.targets().await;
        let error = targets.first().and_then(|it| it["lastError"].as_str());
        match error {
            Some(error) if error.contains("401 Unauthorized") => Ok(()),
            _ => Err(format!("{targets:?}")),
        }
    })
    .await;
}

/// The job that the README advises: nothing is renamed, nothing collides.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn the_readmes_job_holds_what_the_nodes_expose() {
    let System {
        exporter,
        aiven,
        folder,
    } = operators().await;
    let (_, section) = README.split_once("### The tenant's side").unwrap();
    let (_, yaml) = section.split_once("```yaml\n").unwrap();
    let (yaml, _) = yaml.split_once("```").unwrap();
    let job = replaced(yaml, &[("exporter.example.org:9090", &exporter.address)]);
    std::fs::write(folder.path().join("password"), "tenant-password").unwrap();
    let config = format!("global: {{scrape_interval: 500ms}}\n{job}");
    let prometheus = Prometheus::start(folder.path(), &config).await;

    let nodes = aiven.nodes();
    let all = nodes.iter().map(|node| {
        let instance = node.address().to_string();
        Samples::parse(&node.body()).relabel(|labels| {
            labels.extend([("job", "aiven"), ("instance", &instance)]);
            labels.extend(target_labels(node));
        })
    });
    let want = all.fold(Samples::default(), Samples::with);
    eventually_ok("all series of the nodes", async || {
        let have = prometheus.federate(&["{job='aiven'}"]).await;
        match have.differences(&want) {
            none if none.is_empty() => Ok(()),
            some => Err(some.join("\n")),
        }
    })
    .await;
    let up = prometheus.query("up").await;
    assert_eq!(up.len(), 1, "{up:?}");
    assert_eq!(up[0]["metric"]["instance"], exporter.address);
}

/// The operator's side, which lets in the tenant only, with every target up.
async fn operators() -> System {
    let builder = MockAiven::builder().motion(Motion::Frozen);
    let aiven = builder.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let hash = bcrypt::hash("tenant-password", 4).unwrap();
    let web = folder.path().join("web.yml");
    std::fs::write(&web, format!("basic_auth_users:\n  tenant-a: {hash}\n")).unwrap();
    let flag = format!("--web.config.file={}", web.display());
    let exporter = Exporter::start(folder.path(), &config(&aiven, ""), &[&flag]).await;
    let site = exporter
        .site
        .clone()
        .with_user("tenant-a", "tenant-password");
    exporter.up(&site, aiven.nodes().len()).await;
    System {
        exporter,
        aiven,
        folder,
    }
}

/// What the tenant's Prometheus should hold: what the nodes serve, with the labels of both hops.
fn expected(aiven: &MockAiven, exporter: &str) -> Samples {
    let nodes = aiven.nodes();
    let all = nodes.iter().map(|node| {
        let kept =
            Samples::parse(&node.body()).filter(|labels, _| KEPT.contains(&labels.metric_name()));
        let instance = node.address().to_string();
        kept.relabel(|labels| {
            let name = format!("paas_es_{}", labels.metric_name());
            labels.extend([
                (METRIC_NAME, name.as_str()),
                ("job", "paas_elasticsearch"),
                ("instance", exporter),
                ("exported_job", "aiven"),
                ("exported_instance", &instance),
            ]);
            labels.extend(target_labels(node));
        })
    });
    all.fold(Samples::default(), Samples::with)
}

/// The labels that discovery gives every target.
fn target_labels(node: &Node) -> [(&'static str, &str); 6] {
    [
        ("aiven_service_name", node.service()),
        ("aiven_service_type", "elasticsearch"),
        ("aiven_hostname", node.host()),
        ("aiven_plan", "medium-ha-7"),
        ("aiven_cloud", "aws-eu-west-1"),
        ("aiven_node_count", "3"),
    ]
}

/// Type and help of the families of [`KEPT`], as the nodes expose them.
fn families(nodes: &[Node]) -> BTreeMap<String, (String, String)> {
    let mut families = BTreeMap::<String, (String, String)>::new();
    for node in nodes {
        let body = node.body();
        let mut parser = Parser::new(body.as_bytes(), Format::Text);
        while let Some(entry) = parser.next_entry().unwrap() {
            match entry {
                Entry::Type { name, metric_type } if KEPT.contains(&&*name) => {
                    // Prometheus' word for untyped.
                    families.entry(name.into()).or_default().0 = metric_type.as_str().to_owned();
                }
                Entry::Help { name, help } if KEPT.contains(&&*name) => {
                    families.entry(name.into()).or_default().1 = help.into();
                }
                _ => {}
            }
        }
    }
    assert_eq!(families.len(), KEPT.len());
    families
}

/// Type and help of every metric that `prometheus` knows.
async fn metadata_of(prometheus: &Prometheus) -> BTreeMap<String, (String, String)> {
    let all = prometheus
        .site
        .data("/api/v1/targets/metadata", &[("limit", "10000")])
        .await;
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let entries = all.as_array().unwrap().iter();
    entries
        .map(|entry| {
            let metadata = (text(&entry["type"]), text(&entry["help"]));
            (text(&entry["metric"]), metadata)
        })
        .collect()
}

/// `text` with each of `changes` made, which must all apply.
fn replaced(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}
