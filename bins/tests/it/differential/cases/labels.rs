//! Labels of targets against labels of samples, and explicit timestamps.

use serde_json::{Value, json};

use crate::differential::case::{Case, case, text};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let bodies = [
        "a{job=\"mine\"} 1\n",
        "a{instance=\"mine\"} 1\n",
        "a{instance=\"\"} 1\n",
        "a{job=\"\",instance=\"\"} 1\n",
        "a{t=\"mine\"} 1\n",
        "a{t=\"\"} 1\n",
        "a{t=\"target\"} 1\n",
        "a{exported_t=\"mine\"} 1\n",
        "a{t=\"1\",exported_t=\"2\"} 1\n",
        "a{t=\"1\",exported_t=\"2\",exported_exported_t=\"3\"} 1\n",
        "a{exported_t=\"2\",t=\"1\"} 1\n",
        "a{t=\"1\",exported_t=\"\"} 1\n",
        "a{exported_job=\"x\",job=\"y\"} 1\n",
        "a{exported_instance=\"x\",instance=\"y\",exported_exported_instance=\"z\"} 1\n",
        "a{t=\"1\"} 1\na{t=\"2\"} 2\na 3\n",
        "up 5\n",
        "up{job=\"other\",instance=\"other\"} 5\n",
        "scrape_samples_scraped 77\nscrape_duration_seconds 88\n",
        "scrape_series_added 3\nup 0\n",
        "a{__address__=\"x\",__scheme__=\"y\"} 1\n",
    ];
    let target_labels = [
        json!({}),
        json!({"t": "target"}),
        json!({"t": "target", "exported_t": "too"}),
        json!({"t": "target", "exported_t": "too", "exported_exported_t": "and too"}),
        json!({"exported_job": "set", "instance": "own"}),
        json!({"job": "labels_own", "instance": "own", "up": "x"}),
    ];
    for body in bodies {
        for (nth, labels) in target_labels.iter().enumerate() {
            for honor in [false, true] {
                // What would be the same series in two jobs is told apart by a label that nothing sets.
                let mut labels = labels.clone();
                labels["case"] = json!(format!("{nth} {honor} {body}"));
                let case = case(json!({"honor_labels": honor}), text(body)).labels(labels);
                // 2 keeps the place of an empty label free.
                let seen_otherwise_by_2 = body.contains("exported_t=\"\"");
                cases.push(if seen_otherwise_by_2 {
                    case.three()
                } else {
                    case
                });
            }
        }
    }
    let timestamps = [
        "a 1 <<-1000>>\nb 2\n",
        "a 1 <<-1000>>\na 2\n",
        "a 1\na 2 <<-1000>>\n",
        "a 1 <<-600000>>\n",
        "a 1 <<60000>>\n",
        "a 1 <<1200000>>\n",
        "a 1 <<-1000>>\na 2 <<-1000>>\n",
        "a 1 0\n",
    ];
    for body in timestamps {
        for honor in [false, true] {
            for track in [false, true] {
                let job = json!({"honor_timestamps": honor, "track_timestamps_staleness": track});
                // Since 2.48.
                cases.push(case(job, text(body)).three());
            }
        }
    }
    cases.extend(own_metrics_relabelled());
    cases
}

/// The report is not relabelled.
fn own_metrics_relabelled() -> impl Iterator<Item = Case> {
    let rules = [
        json!([{"action": "drop", "source_labels": ["__name__"], "regex": "up|scrape_.*"}]),
        json!([{"target_label": "x", "replacement": "y"}]),
        json!([{"source_labels": ["__name__"], "regex": "a", "target_label": "__name__", "replacement": "up"}]),
        json!([{"source_labels": ["__name__"], "regex": "a", "target_label": "__name__",
            "replacement": "scrape_series_added"}]),
    ];
    let of = |rules: Value| case(json!({"metric_relabel_configs": rules}), text("a 3\n"));
    rules.into_iter().map(of)
}
