//! Targets and what is asked of them.

use serde_json::{Value, json};

use crate::differential::case::{Case, asked};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // 2 shows discovered labels as rules have changed them.
    let rules = |rules: Value| asked(json!({"relabel_configs": rules})).three();
    for path in [
        "/m", "m", "/", "//a//b", "/a b", "/a?b=c", "/a#b", "/a%20b", "/ü", "/a/../b", "/a;b",
        "/a:b@c", "?x=y",
    ] {
        cases.push(asked(json!({"metrics_path": path})));
        cases.push(rules(
            json!([{"target_label": "__metrics_path__", "replacement": path}]),
        ));
    }
    for params in [
        json!({"a": ["1"]}),
        json!({"a": ["1", "2"]}),
        json!({"a": []}),
        json!({"a": [""]}),
        json!({"b": ["2"], "a": ["1"], "C": ["3"]}),
        json!({"match[]": ["{job=\"x\"}", "up"]}),
        json!({"a b": ["c d+e&f=g/h?i#j"]}),
        json!({"ü": ["€"]}),
        json!({"": ["x"]}),
    ] {
        cases.push(asked(json!({"params": params})));
        cases.push(asked(json!({"params": params, "metrics_path": "/p?q=r"})));
    }
    for labels in [
        json!({"__param_a": "1"}),
        json!({"__param_": "1"}),
        json!({"__param_a": ""}),
        json!({"__param_ü": "1"}),
        json!({"__metrics_path__": "/own"}),
        json!({"__metrics_path__": ""}),
        json!({"__meta_x": "y"}),
        json!({"__tmp_x": "y"}),
        json!({"__x": "y"}),
        json!({"x": ""}),
        json!({"x": "a\n\"\\ü"}),
        json!({"X9_": "1"}),
        json!({"instance": ""}),
        json!({"instance": "own"}),
        json!({"__scrape_interval__": "1s"}),
        json!({"__scrape_timeout__": "500ms"}),
        json!({"__scrape_timeout__": "1500ms"}),
        json!({"__scrape_timeout__": "1m"}),
        json!({"__scrape_interval__": "0s"}),
        json!({"__scrape_interval__": "x"}),
        json!({"__scrape_interval__": ""}),
        json!({"__scheme__": ""}),
        json!({"__scheme__": "HTTP"}),
        json!({"__scheme__": "https"}),
    ] {
        let (job, three) = (
            json!({}),
            labels.get("__param_ü").is_some() || labels.get("__scheme__").is_some(),
        );
        let case = asked(job).labels(labels);
        cases.push(if three { case.three() } else { case });
    }
    cases.push(
        asked(json!({"params": {"a": ["1", "2"]}}))
            .labels(json!({"__param_a": "3"}))
            .three(),
    );
    for (label, value) in [
        ("__param_a", "1"),
        ("__param_a", ""),
        ("__scheme__", "https"),
        ("__scrape_interval__", "1s"),
        ("__scrape_interval__", "1s500ms"),
        ("__scrape_interval__", ""),
        ("__scrape_interval__", "1"),
        ("__scrape_interval__", "-1s"),
        ("__scrape_timeout__", "0"),
        ("__scrape_timeout__", "2s"),
        ("__scrape_timeout__", "2001ms"),
        ("__scrape_timeout__", ""),
        ("__address__", ""),
        ("__address__", "127.0.0.1"),
        ("__address__", "127.0.0.1:1"),
        ("__address__", "127.0.0.1:0"),
        ("__address__", "127.0.0.1:70000"),
        ("__address__", "http://127.0.0.1:1"),
        ("__address__", "127.0.0.1:1/path"),
        ("__address__", "127.0.0.1:1?x"),
        ("__address__", "[::1]:1"),
        ("__address__", "[::1]"),
        ("__address__", "::1"),
        ("__address__", "127.0.0.1:"),
        ("__address__", ":1"),
        ("__address__", "127.0.0.1:http"),
        ("__address__", " 127.0.0.1:1"),
        ("__address__", "127.0.0.1:1 "),
        ("__address__", "host name:1"),
        ("__address__", "%41:1"),
        ("__address__", "a,b:1"),
        ("instance", ""),
        ("instance", "i"),
        ("__meta_late", "x"),
        ("__name__", "n"),
        ("x", ""),
    ] {
        cases.push(rules(
            json!([{"target_label": label, "replacement": value}]),
        ));
    }
    let unlike =
        json!({"case": "target", "__meta_a": "1", "__meta_b_c": "2", "__param_p": "q", "x": "y"});
    for (nth, rule) in [
        json!({"action": "drop"}),
        json!({"action": "keep"}),
        json!({"action": "keep", "source_labels": ["__meta_a"], "regex": "1"}),
        json!({"action": "keep", "source_labels": ["__meta_a"], "regex": "2"}),
        json!({"action": "drop", "source_labels": ["__meta_a", "x"], "regex": "1;y"}),
        json!({"action": "labelmap", "regex": "__meta_(.+)"}),
        json!({"action": "labelmap", "regex": "__meta_(.+)", "replacement": "m_$1"}),
        json!({"action": "labeldrop", "regex": "x"}),
        json!({"action": "labeldrop", "regex": "job"}),
        json!({"action": "labeldrop", "regex": "__param_p"}),
        json!({"action": "labeldrop", "regex": "__address__"}),
        json!({"action": "labeldrop", "regex": "__scrape_interval__"}),
        json!({"action": "labeldrop", "regex": "__metrics_path__"}),
        json!({"action": "labelkeep", "regex": "__.*|job|case"}),
        json!({"action": "labelkeep", "regex": "__address__|case"}),
        json!({"action": "labelkeep", "regex": "x"}),
        json!({"action": "hashmod", "source_labels": ["__meta_b_c"], "modulus": 7, "target_label": "shard"}),
        json!({"action": "uppercase", "source_labels": ["x"], "target_label": "x"}),
        json!({"action": "keepequal", "source_labels": ["x"], "target_label": "__meta_a"}),
        json!({"action": "dropequal", "source_labels": ["x"], "target_label": "__meta_a"}),
        json!({"source_labels": ["__meta_a"], "target_label": "job"}),
        json!({"source_labels": ["__meta_a"], "target_label": "job", "replacement": ""}),
        json!({"source_labels": ["__address__"], "regex": "([^:]+):.*", "target_label": "instance"}),
        json!({"source_labels": ["__scheme__", "__metrics_path__", "__scrape_interval__", "__scrape_timeout__"],
            "target_label": "all"}),
        json!({"source_labels": ["__meta_a"], "target_label": "__param_p"}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut labels = unlike.clone();
        labels["case"] = json!(format!("rule {nth}"));
        cases.push(rules(json!([rule])).labels(labels));
    }
    for labels in [
        json!({"a.b": "1"}),
        json!({"ü": "1"}),
        json!({"__meta_a.b": "1"}),
    ] {
        cases.push(asked(json!({})).labels(labels).three());
    }
    for groups in [
        json!([]),
        json!([{"targets": []}]),
        json!([{"targets": ["{}", "{}"]}]),
        json!([{"targets": ["{}"]}, {"targets": ["{}"]}]),
        json!([{"targets": ["{}"], "labels": {"a": "1"}}, {"targets": ["{}"], "labels": {"a": "2"}}]),
        json!([{"targets": ["{}", "127.0.0.1:1"]}]),
        json!([{"targets": ["{}"], "labels": null}]),
    ] {
        cases.push(asked(json!({"static_configs": groups})));
    }
    // Two addresses become one target; how many dropped ones are shown.
    let targets = json!([{"targets": ["{}", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]}]);
    let one = json!([{"target_label": "instance", "replacement": "same"},
                     {"target_label": "__address__", "replacement": "{}"}]);
    cases.push(asked(
        json!({"static_configs": targets, "relabel_configs": one}),
    ));
    for kept in 0..4 {
        let drop = json!([{"action": "drop", "source_labels": ["__address__"], "regex": "127.0.0.1:[123]"}]);
        let job = json!({"static_configs": targets, "relabel_configs": drop, "keep_dropped_targets": kept});
        cases.push(asked(job).three());
    }
    for job in [
        json!({"basic_auth": {"username": "u", "password": "p"}}),
        json!({"basic_auth": {"username": "", "password": "p"}}),
        json!({"basic_auth": {"username": "u"}}),
        json!({"basic_auth": {"username": "ü:x", "password": "€"}}),
        json!({"authorization": {"credentials": "token"}}),
        json!({"authorization": {"type": "Custom", "credentials": "token"}}),
        json!({"authorization": {"type": "bearer", "credentials": "token"}}),
        json!({"authorization": {"credentials": " a b "}}),
        json!({"bearer_token": "token"}),
        json!({"scheme": "https"}),
        json!({"scrape_interval": "1s", "scrape_timeout": "1s"}),
        json!({"scrape_interval": "1s500ms", "scrape_timeout": "123ms"}),
        json!({"scrape_interval": "1s"}),
    ] {
        cases.push(asked(job));
    }
    cases
}
