//! Configurations that replace each other while the programs run.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::case::text;
use super::pair::Pair;
use super::scripted_server::ScriptedServer;

/// Settings of one job at the start and after each reload.
///
/// No job is taken away, and none starts to fail in the middle of its body: there the exporter ends series that
/// Prometheus serves on.
fn jobs() -> Vec<[Value; 4]> {
    let drop_a = json!([{"action": "drop", "source_labels": ["__name__"], "regex": "a"}]);
    let rename = json!([{"source_labels": ["__name__"], "regex": "a", "target_label": "__name__",
        "replacement": "renamed"}]);
    let label = |value: &str| json!([{"target_label": "l", "replacement": value}]);
    vec![
        [json!({}), json!({}), json!({}), json!({})],
        [
            json!({}),
            json!({"scrape_interval": "700ms"}),
            json!({"scrape_interval": "2s"}),
            json!({}),
        ],
        [
            json!({}),
            json!({"metric_relabel_configs": drop_a}),
            json!({}),
            json!({"metric_relabel_configs": rename}),
        ],
        [
            json!({}),
            json!({"relabel_configs": label("1")}),
            json!({"relabel_configs": label("2")}),
            json!({}),
        ],
        [
            json!({"honor_labels": true}),
            json!({}),
            json!({"honor_labels": true}),
            json!({}),
        ],
        [
            json!({"sample_limit": 2}),
            json!({}),
            json!({"sample_limit": 10}),
            json!({"sample_limit": 100}),
        ],
        [
            json!({}),
            json!({"label_limit": 2}),
            json!({"label_limit": 20}),
            json!({"label_value_length_limit": 3}),
        ],
        [
            json!({}),
            json!({"metrics_path": "/other"}),
            json!({"metrics_path": "/bodies"}),
            json!({}),
        ],
        [
            json!({"params": {"x": ["1"]}}),
            json!({"params": {"x": ["2"]}}),
            json!({}),
            json!({"params": {"x": ["1", "2"]}}),
        ],
        [
            json!({}),
            json!({"static_configs": []}),
            json!({}),
            json!({"static_configs": [{"targets": ["127.0.0.1:1"]}]}),
        ],
        [
            json!({"honor_timestamps": false}),
            json!({}),
            json!({"honor_timestamps": false}),
            json!({}),
        ],
        [
            json!({"body_size_limit": "10B"}),
            json!({}),
            json!({"body_size_limit": "10B"}),
            json!({}),
        ],
        [
            json!({"target_limit": 1}),
            json!({}),
            json!({"target_limit": 3}),
            json!({}),
        ],
        [
            json!({}),
            json!({"relabel_configs": [{"action": "drop"}]}),
            json!({}),
            json!({"scheme": "https"}),
        ],
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn configurations_replace_each_other() {
    let server = ScriptedServer::start(HashMap::new()).await;
    let body = "a{instance=\"own\"} 1\nb 2\nc{x=\"long value\"} 3\nd 4 <<-20000>>\n";
    server.answer("/bodies", text(body));
    server.answer("/other", text("a 5\nother 6\n"));
    let config = |step: usize| {
        let jobs = jobs().into_iter().enumerate().map(|(number, steps)| {
            let mut job = steps[step].clone();
            job["job_name"] = json!(format!("job_{number}"));
            let target = json!([{"targets": [server.address(), "127.0.0.1:1"]}]);
            let fields = job.as_object_mut().unwrap();
            fields
                .entry("metrics_path")
                .or_insert_with(|| json!("/bodies"));
            fields.entry("static_configs").or_insert(target);
            job
        });
        let step_target =
            json!([{"targets": [server.address()], "labels": {"step": step.to_string()}}]);
        let mut all: Vec<_> = jobs.collect();
        all.push(json!({"job_name": "step", "static_configs": step_target}));
        let external = ["one", "two", "two", "three"][step];
        json!({
            "global": {
                "scrape_interval": "1s",
                "scrape_timeout": "500ms",
                "external_labels": {"external": external},
            },
            "scrape_configs": all,
        })
        .to_string()
    };
    let pair = Pair::start(tempfile::tempdir().unwrap(), &config(0)).await;
    for step in 0..4 {
        if step > 0 {
            pair.reload(&config(step));
        }
        pair.agree(&format!("step {step}"), server.start_ms(), |seen| {
            let label = format!("\"step\":\"{step}\"");
            seen.get("step")
                .is_some_and(|it| it.targets.iter().any(|it| it.contains(&label)))
        })
        .await;
    }
}
