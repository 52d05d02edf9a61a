//! Limits: one below, at and above each.

use serde_json::{Value, json};

use crate::differential::case::{Case, Delivery, case, openmetrics, text};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let three_samples = "a 1\nb 2\nc 3\n";
    for limit in [0, 1, 2, 3, 4] {
        let job = |more: Value| {
            let mut job = json!({"sample_limit": limit});
            for (key, value) in more.as_object().into_iter().flatten() {
                job[key] = value.clone();
            }
            job
        };
        cases.push(case(job(json!({})), text(three_samples)));
        cases.push(case(
            job(json!({})),
            openmetrics(format!("{three_samples}# EOF\n")),
        ));
        cases.push(case(job(json!({})), text("a 1\na 1\na 1\na 1\n")).three());
        cases.push(case(job(json!({})), text("a 1\na 2\nb 3\n")).three());
        cases.push(
            case(
                job(json!({})),
                text("a 1 <<-1000>>\nb 2 <<-1000>>\na 1\nb 2\n"),
            )
            .three(),
        );
        cases.push(case(
            job(json!({})),
            text("a 1 <<-1000>>\na 1 <<-2000>>\na 1 <<-3000>>\n"),
        ));
        cases.push(case(
            job(json!({})),
            text("a 1 <<1200000>>\nb 1 <<1200000>>\nc 1 <<1200000>>\n"),
        ));
        cases.push(case(
            job(json!({})),
            text("a{x=\"1\"} 1\na{x=\"1\",} 1\na{ x=\"1\"} 1\n"),
        ));
        cases.push(case(job(json!({})), text("a 1\nb 2\ngarbage\nc 3\n")));
        let drop = json!([{"action": "drop", "source_labels": ["__name__"], "regex": "a"}]);
        cases.push(case(
            job(json!({"metric_relabel_configs": drop})),
            text(three_samples),
        ));
        let one = json!([{"target_label": "__name__", "replacement": "one"}]);
        cases.push(case(
            job(json!({"metric_relabel_configs": one})),
            text(three_samples),
        ));
    }
    for limit in 2..=6 {
        cases.push(case(
            json!({"label_limit": limit}),
            text("a{x=\"1\"} 1\nb 1\n"),
        ));
        cases.push(case(
            json!({"label_limit": limit}),
            text("a{x=\"1\",y=\"\"} 1\n"),
        ));
        cases.push(case(json!({"label_limit": limit}), text("")));
        cases.push(case(
            json!({"label_limit": limit, "honor_labels": true}),
            text("a{job=\"x\",instance=\"y\"} 1\n"),
        ));
        let drop = json!([{"action": "labeldrop", "regex": "x|y"}]);
        cases.push(case(
            json!({"label_limit": limit, "metric_relabel_configs": drop}),
            text("a{x=\"1\",z=\"2\"} 1\n"),
        ));
        let none = json!([{"action": "drop"}]);
        cases.push(case(
            json!({"label_limit": limit, "metric_relabel_configs": none}),
            text("a{x=\"1\",y=\"2\",z=\"3\"} 1\n"),
        ));
        cases.push(
            case(json!({"label_limit": limit}), text("b 1\n")).labels(json!({"t": "1", "u": "2"})),
        );
    }
    for limit in [1, 7, 8, 9, 12, 13, 14] {
        cases.push(case(
            json!({"label_name_length_limit": limit}),
            text("a{name_of_thirte=\"1\"} 1\n"),
        ));
        cases.push(case(
            json!({"label_name_length_limit": limit}),
            text("a{name_of_12_b=\"1\"} 1\n"),
        ));
        cases.push(case(
            json!({"label_name_length_limit": limit}),
            text("a 1\n"),
        ));
    }
    for length in [21, 22, 23, 24, 25] {
        let value = "v".repeat(length);
        let job = || json!({"label_value_length_limit": 23});
        cases.push(case(job(), text(format!("a{{x=\"{value}\"}} 1\n"))));
        cases.push(case(job(), text(format!("{value} 1\n"))));
        let two_bytes = "ü".repeat(length / 2);
        cases.push(case(job(), text(format!("a{{x=\"{two_bytes}\"}} 1\n"))));
    }
    for limit in ["5B", "11B", "12B", "13B", "1KB", "0"] {
        for delivery in [Delivery::Whole, Delivery::Gzipped] {
            cases.push(case(
                json!({"body_size_limit": limit}),
                text(three_samples).delivered(delivery),
            ));
        }
    }
    for limit in 0..=4 {
        let targets = json!([{"targets": ["{}", "127.0.0.1:1", "127.0.0.2:1"]}]);
        cases.push(case(
            json!({"target_limit": limit, "static_configs": targets}),
            text("a 1\n"),
        ));
        let twice = json!([{"targets": ["{}", "{}"]}, {"targets": ["{}"]}]);
        cases.push(case(
            json!({"target_limit": limit, "static_configs": twice}),
            text("a 1\n"),
        ));
        let drop =
            json!([{"action": "drop", "source_labels": ["__address__"], "regex": "127.0.0.2:1"}]);
        let job =
            json!({"target_limit": limit, "static_configs": targets, "relabel_configs": drop});
        cases.push(case(job, text("a 1\n")));
    }
    cases
}
