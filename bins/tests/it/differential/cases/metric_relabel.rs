//! Rules for the labels of samples.

use serde_json::{Value, json};

use crate::differential::case::{Case, case, text};

const BODY: &str = "\
# TYPE a counter
a{x=\"1\",y=\"foo\"} 1
a{x=\"2\",y=\"bar\"} 2
a{x=\"3\"} 3
b{y=\"FooBar\",z=\"a;b\"} 4
b_total{long_name=\"line\\nbreak\",u=\"ü\"} 5
c 6
";

pub(crate) fn cases() -> Vec<Case> {
    let of = |rules: Value| case(json!({"metric_relabel_configs": rules}), text(BODY));
    let rule = |rule: Value| of(json!([rule]));
    let mut cases: Vec<Case> = rules().into_iter().map(rule).collect();
    let regexes = [
        "a",
        "a|b",
        "(a|b)",
        "a.*",
        ".*",
        ".+",
        "",
        "^a$",
        "^$",
        "[ab]",
        "[^a]",
        "a$",
        "(?i)A",
        "b_.*",
        "\\w+",
        "b|b_total",
        "(?:a)",
        "a{1}",
        "\\x61",
        "[[:alpha:]]",
        "\\pL",
        "a??",
        "(?P<n>a)",
        "(a)|(b)",
        "a\\b",
        "\\Aa\\z",
    ];
    for regex in regexes {
        for action in ["keep", "drop"] {
            cases.push(rule(
                json!({"action": action, "source_labels": ["__name__"], "regex": regex}),
            ));
        }
    }
    // What `.` matches has changed.
    for regex in [
        "line.break",
        "line\\nbreak",
        "(?s:line.break)",
        "line[\\s]break",
        "line[^x]break",
    ] {
        cases.push(
            rule(json!({"action": "keep", "source_labels": ["long_name"], "regex": regex})).three(),
        );
    }
    for regex in ["(?<n>a)", "a(?<n>.*)"] {
        let named = json!({
            "source_labels": ["__name__"],
            "regex": regex,
            "target_label": "t",
            "replacement": "<$n>",
        });
        cases.push(rule(named).three());
    }
    let replacements = [
        "$1", "${1}", "$2", "$0", "${0}", "$1x", "${1}x", "$$", "$$1", "$", "$x", "${x}", "${",
        "${1", "x$1y$2z", "$10", "", " ", "$-1", "ü$1", "\\1", "$1$1", "${n}", "$n", "$nx",
    ];
    for replacement in replacements {
        cases.push(rule(json!({
            "source_labels": ["x", "y"], "regex": "(.*);(?P<n>.*)", "target_label": "t", "replacement": replacement,
        })));
    }
    for target in [
        "t_$1", "$2", "t$3", "__name__", "job", "instance", "__tmp", "x", "y",
    ] {
        cases.push(rule(json!({
            "source_labels": ["x", "y"], "regex": "(.*);(.*)", "target_label": target, "replacement": "new",
        })));
    }
    for target in ["t.t", "ü", "9", "a-b", "$1", "${1}", "$2.x"] {
        let rules = json!({
            "source_labels": ["x", "y"], "regex": "(.*);(.*)", "target_label": target, "replacement": "new",
        });
        cases.push(rule(rules).three());
    }
    for separator in ["", ";", ",", "::", "$1", "ü"] {
        cases.push(rule(json!({
            "source_labels": ["x", "y", "absent"], "separator": separator, "target_label": "t",
        })));
    }
    for modulus in [1, 2, 3, 10, 1000, u64::MAX] {
        for sources in [json!(["__name__"]), json!(["x", "y"]), json!(["absent"])] {
            let job = json!({
                "action": "hashmod", "source_labels": sources, "modulus": modulus, "target_label": "t",
            });
            cases.push(rule(job));
        }
    }
    for seen_otherwise_by_2 in [
        json!({"target_label": "__name__", "replacement": "9-x"}),
        json!({"action": "labelmap", "regex": "x", "replacement": "__name__"}),
        json!({"source_labels": ["x", "y"], "separator": "\n", "target_label": "t"}),
    ] {
        cases.push(rule(seen_otherwise_by_2).three());
    }
    cases.extend(chains().into_iter().map(of));
    cases
}

fn rules() -> Vec<Value> {
    vec![
        json!({"action": "drop"}),
        json!({"action": "keep"}),
        json!({"action": "DROP", "source_labels": ["x"], "regex": "1"}),
        json!({"action": "keep", "source_labels": ["x"], "regex": 1}),
        json!({"action": "keep", "source_labels": ["x"], "regex": "1|"}),
        json!({"action": "keep", "source_labels": ["x"]}),
        json!({"action": "drop", "source_labels": ["x"]}),
        json!({"action": "drop", "source_labels": ["x"], "regex": ".+"}),
        json!({"action": "drop", "source_labels": ["x", "y"], "regex": "1;foo"}),
        json!({"action": "drop", "source_labels": ["absent"], "regex": ""}),
        json!({"action": "keep", "source_labels": ["job"], "regex": "metric_relabel.*"}),
        json!({"action": "drop", "source_labels": ["instance"], "regex": "127.*"}),
        json!({"source_labels": ["x"], "target_label": "t"}),
        json!({"source_labels": ["absent"], "target_label": "t"}),
        json!({"source_labels": ["absent"], "target_label": "x"}),
        json!({"source_labels": ["x"], "target_label": "y"}),
        json!({"source_labels": ["__name__"], "target_label": "name"}),
        json!({"target_label": "t", "replacement": "v"}),
        json!({"target_label": "x", "replacement": ""}),
        json!({"target_label": "__name__", "replacement": "n"}),
        json!({"target_label": "__name__", "replacement": ""}),
        json!({"target_label": "instance", "replacement": ""}),
        json!({"source_labels": ["__name__"], "regex": "(a|c)", "target_label": "__name__", "replacement": "new_$1"}),
        json!({"source_labels": ["__name__"], "regex": "c", "target_label": "__name__", "replacement": ""}),
        json!({"source_labels": ["__name__"], "regex": "(.*)", "target_label": "__name__", "replacement": "${1}_x"}),
        json!({"action": "labeldrop", "regex": "x"}),
        json!({"action": "labeldrop", "regex": "x|y"}),
        json!({"action": "labeldrop", "regex": "long_.*"}),
        json!({"action": "labeldrop", "regex": "instance"}),
        json!({"action": "labeldrop", "regex": ""}),
        json!({"action": "labeldrop", "regex": "__name__"}),
        json!({"action": "labeldrop", "regex": ".*"}),
        json!({"action": "labelkeep", "regex": ".*"}),
        json!({"action": "labelkeep", "regex": "__name__|job"}),
        json!({"action": "labelkeep", "regex": "__name__|job|x"}),
        json!({"action": "labelkeep", "regex": "job|x|y"}),
        json!({"action": "labelkeep", "regex": "nothing"}),
        json!({"action": "labelmap", "regex": "(x|y)"}),
        json!({"action": "labelmap", "regex": "(x|y)", "replacement": "m_$1"}),
        json!({"action": "labelmap", "regex": "(.*)", "replacement": "m_$1"}),
        json!({"action": "labelmap", "regex": "(.)", "replacement": "same"}),
        json!({"action": "labelmap", "regex": "__name__", "replacement": "name"}),
        json!({"action": "labelmap", "regex": "long_(.*)", "replacement": "$1"}),
        json!({"action": "labelmap", "regex": "instance", "replacement": "node"}),
        json!({"action": "lowercase", "source_labels": ["y"], "target_label": "y"}),
        json!({"action": "uppercase", "source_labels": ["y"], "target_label": "t"}),
        json!({"action": "uppercase", "source_labels": ["u"], "target_label": "t"}),
        json!({"action": "lowercase", "source_labels": ["absent"], "target_label": "y"}),
        json!({"action": "uppercase", "source_labels": ["x", "y"], "target_label": "t", "separator": "-"}),
        json!({"action": "uppercase", "source_labels": ["__name__"], "target_label": "__name__"}),
        json!({"action": "keepequal", "source_labels": ["x"], "target_label": "y"}),
        json!({"action": "dropequal", "source_labels": ["x"], "target_label": "y"}),
        json!({"action": "dropequal", "source_labels": ["absent"], "target_label": "y"}),
        json!({"action": "keepequal", "source_labels": ["absent"], "target_label": "gone"}),
        json!({"action": "keepequal", "source_labels": ["x", "y"], "target_label": "z"}),
        json!({"source_labels": ["z"], "regex": "a;b", "target_label": "t", "replacement": "yes"}),
        json!({"source_labels": ["u"], "regex": "(.)", "target_label": "t"}),
        json!({"source_labels": ["u"], "regex": "..", "target_label": "t", "replacement": "two"}),
    ]
}

fn chains() -> Vec<Value> {
    vec![
        json!([]),
        json!([
            {"source_labels": ["x"], "target_label": "t"},
            {"action": "labeldrop", "regex": "x"},
            {"action": "keep", "source_labels": ["t"], "regex": "[12]"},
        ]),
        // Series become one.
        json!([{"action": "labeldrop", "regex": "x|y"}]),
        json!([{"target_label": "__name__", "replacement": "one"}, {"action": "labelkeep", "regex": "__name__|job"}]),
        json!([{"target_label": "x", "replacement": "same"}, {"target_label": "y", "replacement": ""}]),
        // In vain.
        json!([
            {"action": "drop", "source_labels": ["__name__"], "regex": "a"},
            {"source_labels": ["__name__"], "regex": "a", "target_label": "t", "replacement": "never"},
        ]),
        json!([
            {"target_label": "__name__", "replacement": ""},
            {"target_label": "__name__", "replacement": "back"},
        ]),
        json!([
            {"source_labels": ["__name__"], "target_label": "__tmp_name"},
            {"source_labels": ["__tmp_name"], "regex": "a", "target_label": "t", "replacement": "was_a"},
        ]),
        json!([
            {"action": "keep", "source_labels": ["__name__"], "regex": "a|b"},
            {"action": "drop", "source_labels": ["x"], "regex": "2"},
            {"action": "hashmod", "source_labels": ["x"], "modulus": 4, "target_label": "shard"},
            {"action": "labelmap", "regex": "(shard)", "replacement": "s_$1"},
            {"action": "labeldrop", "regex": "shard"},
        ]),
        json!([
            {"target_label": "up", "replacement": "x"},
            {"source_labels": ["__name__"], "regex": "up", "target_label": "seen", "replacement": "never"},
        ]),
    ]
}
