//! Lists of targets that change, in files and over HTTP.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::case::{Answer, typed};
use super::pair::Pair;
use super::scripted_server::ScriptedServer;

/// Stands for no file, and for an answer of 404.
const ABSENT: &str = "(absent)";

/// The name of the list by which a step is known to have been read.
const STEP: &str = "step";

/// What becomes of every list, step by step; `{}` is the address of the scripted server. The last content of a shorter
/// list stays.
const LISTS: &[&[&str]] = &[
    &[
        r#"[{"targets": ["{}"]}]"#,
        r#"[{"targets": ["{}", "127.0.0.1:1"]}]"#,
        r#"[{"targets": ["127.0.0.1:1"]}]"#,
        "[]",
    ],
    &[
        "[]",
        r#"[{"targets": ["{}"]}]"#,
        "[]",
        r#"[{"targets": ["{}"]}]"#,
    ],
    &[
        r#"[{"targets": ["{}"]}]"#,
        "garbage",
        r#"[{"targets": ["127.0.0.1:1"]}]"#,
    ],
    &["garbage", r#"[{"targets": ["{}"]}]"#, "[{", "[]"],
    &[
        r#"[{"targets": ["{}"]}]"#,
        "null",
        r#"[{"targets": ["{}"]}]"#,
    ],
    &[
        r#"[{"targets": ["{}"]}]"#,
        "{}",
        r#"[{"targets": ["{}"], "labels": {"a": "1"}}]"#,
    ],
    &[r#"[{"targets": ["{}"]}]"#, r#"{"targets": ["{}"]}"#],
    &[r#"[{"targets": ["{}"]}]"#, "[null]"],
    &[
        r#"[{"targets": ["{}"]}]"#,
        r#"[{"targets": ["{}"], "unknown": 1}]"#,
    ],
    &[
        r#"[{"targets": ["{}"]}]"#,
        r#"[{"targets": ["{}"], "labels": {"a": 1}}]"#,
    ],
    &[
        r#"[{"targets": ["{}"]}]"#,
        r#"[{"targets": ["{}"], "labels": {"a": null}}]"#,
    ],
    &[
        r#"[{"targets": ["{}"]}]"#,
        r#"[{"targets": ["{}"], "labels": null}]"#,
    ],
    &[r#"[{"targets": ["{}"]}]"#, r#"[{"targets": null}]"#],
    &[r#"[{"targets": ["{}"]}]"#, r#"[{"labels": {"a": "1"}}]"#],
    &[r#"[{"targets": ["{}"]}]"#, r#"[{"targets": "{}"}]"#],
    &[r#"[{"targets": ["{}"]}]"#, r#"[{"targets": [1]}]"#],
    &[
        r#"[{"targets": ["{}"], "labels": {"a": "1"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"a": "2"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"a": "1"}}, {"targets": ["{}"], "labels": {"a": "2"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"a": "1"}}]"#,
    ],
    &[
        r#"[{"targets": ["{}", "{}"]}, {"targets": ["{}"]}]"#,
        r#"[{"targets": ["{}"]}]"#,
    ],
    &[
        r#"[{"targets": ["{}"], "labels": {"__meta_a": "1"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"__meta_a": "2"}}]"#,
    ],
    &[
        r#"[{"targets": ["{}"], "labels": {"__metrics_path__": "/one"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"__metrics_path__": "/two"}}]"#,
    ],
    &[
        r#"[{"targets": ["{}"], "labels": {"__param_x": "1", "job": "lists_other"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"__param_x": "2", "job": "lists_other"}}]"#,
    ],
    &[
        r#"[{"targets": ["{}"], "labels": {"__scrape_interval__": "1s"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"__scrape_interval__": "700ms"}}]"#,
        r#"[{"targets": ["{}"], "labels": {"__scrape_interval__": "nonsense"}}]"#,
    ],
    &[
        r#"[{"targets": ["{}", "", "a/b", "127.0.0.1:2"]}]"#,
        r#"[{"targets": [""]}]"#,
    ],
    &[
        r#"[{"targets": ["{}"], "labels": {"drop": "me"}}]"#,
        r#"[{"targets": ["{}"]}]"#,
    ],
    &[
        r#"[{"targets": ["{}"], "labels": {"": "x"}}]"#,
        r#"[{"targets": ["{}"]}]"#,
    ],
    &[r#"[{"Targets": ["{}"]}]"#, r#"[{"targets": ["{}"]}] x"#],
    &[r#"[{"targets": ["{}"], "labels": {"instance": "x", "__name__": "y"}}]"#],
    &[
        r#"[{"targets": ["{}"]}]"#,
        ABSENT,
        r#"[{"targets": ["127.0.0.1:1"]}]"#,
    ],
    &[ABSENT, r#"[{"targets": ["{}"]}]"#, ABSENT],
    &[
        r#"[{"targets": ["{}"]}]"#,
        "",
        r#"[{"targets": ["{}", "127.0.0.1:1"]}]"#,
    ],
];

/// The same of files in YAML.
const YAML_LISTS: &[&[&str]] = &[
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}']\n  labels: {a: b}\n",
        "[]\n",
    ],
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}'\n",
        "- targets: ['127.0.0.1:1']\n",
    ],
    &["- targets: ['{}']\n", "targets: ['{}']\n"],
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}']\n  labels: {a: 1, b: true, c: 1.50, d: 2020-01-01}\n",
    ],
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}']\n  labels: {a: null, b: ~, c: ''}\n",
    ],
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}']\n  label: {a: b}\n",
    ],
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}']\n  targets: ['127.0.0.1:1']\n",
    ],
    &[
        "- targets: ['{}']\n",
        "- targets: ['{}']\n  labels: {a: b, a: c}\n",
    ],
    &[
        "- targets: ['{}']\n",
        "---\n- targets: ['{}']\n  labels: {a: b}\n---\n- targets: []\n",
    ],
    &[
        "- &t\n  targets: ['{}']\n- <<: *t\n  labels: {a: b}\n",
        "# nothing\n",
    ],
    &["- targets: ['{}']\n", ABSENT, "- targets: ['{}']\n"],
    &["- targets: ['{}']\n", ""],
    &[
        "[{\"targets\": [\"{}\"], \"labels\": {\"a\": \"b\"}}]",
        "- 	",
    ],
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn lists_of_targets_change() {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("lists");
    std::fs::create_dir(&files).unwrap();
    let server = ScriptedServer::start(HashMap::new()).await;
    write_all(&files, &server, 0);

    let rules = json!([
        {"action": "drop", "source_labels": ["drop"], "regex": "me"},
        {"action": "labelmap", "regex": "__meta_(a)", "replacement": "meta_$1"},
    ]);
    let job = |name: &str, source: (&str, Value)| {
        let mut job = json!({"job_name": name, "relabel_configs": rules});
        job[source.0] = json!([source.1]);
        job
    };
    let file = |name: &str, extension: &str| {
        let path = files.join(format!("{name}.{extension}"));
        job(
            name,
            (
                "file_sd_configs",
                json!({"files": [path], "refresh_interval": "1s"}),
            ),
        )
    };
    let http = |name: &str| {
        let url = format!("http://{}/{name}", server.address());
        job(
            name,
            (
                "http_sd_configs",
                json!({"url": url, "refresh_interval": "1s"}),
            ),
        )
    };
    let mut jobs = vec![file(STEP, "json")];
    jobs.extend((0..LISTS.len()).map(|number| file(&format!("json_{number}"), "json")));
    jobs.extend((0..YAML_LISTS.len()).map(|number| file(&format!("yaml_{number}"), "yml")));
    jobs.extend((0..LISTS.len()).map(|number| http(&format!("http_{number}"))));
    let config = json!({
        "global": {"scrape_interval": "1s", "scrape_timeout": "500ms"},
        "scrape_configs": jobs,
    });
    let pair = Pair::start(folder, &config.to_string()).await;
    let steps = LISTS.iter().chain(YAML_LISTS).map(|list| list.len()).max();
    for step in 0..steps.unwrap() {
        write_all(&files, &server, step);
        pair.agree(&format!("step {step}"), server.start_ms(), |seen| {
            let label = format!("\"step\":\"{step}\"");
            seen.get(STEP)
                .is_some_and(|it| it.targets.iter().any(|it| it.contains(&label)))
        })
        .await;
    }
}

/// Makes every list what it is at `step`, last of all the one that tells the step.
fn write_all(files: &Path, server: &ScriptedServer, step: usize) {
    let at = |list: &&[&str]| list[step.min(list.len() - 1)].replace("{}", server.address());
    for (number, list) in LISTS.iter().enumerate() {
        let content = at(list);
        write(&files.join(format!("json_{number}.json")), &content);
        server.answer(&format!("/http_{number}"), listed(&content));
    }
    for (number, list) in YAML_LISTS.iter().enumerate() {
        write(&files.join(format!("yaml_{number}.yml")), &at(list));
    }
    let content = json!([{"targets": [server.address()], "labels": {"step": step.to_string()}}]);
    write(&files.join(format!("{STEP}.json")), &content.to_string());
}

fn write(path: &Path, content: &str) {
    if content == ABSENT {
        // It may never have been there.
        drop(std::fs::remove_file(path));
    } else {
        let other = path.with_extension("new");
        std::fs::write(&other, content).unwrap();
        std::fs::rename(&other, path).unwrap();
    }
}

fn listed(content: &str) -> Answer {
    let answer = typed("application/json", content);
    if content == ABSENT {
        answer.status(404)
    } else {
        answer
    }
}
