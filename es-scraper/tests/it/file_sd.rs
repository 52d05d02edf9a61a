//! Target files: what is read, and what stays when something is wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use es_scraper::discovery::{FileConfig, JobInputs};
use tempfile::TempDir;

use crate::inputs::Inputs;

const READ_ERRORS: &str = "prometheus_sd_file_read_errors_total";

/// `patterns` are relative to `folder`.
fn start(folder: &TempDir, patterns: &[&str]) -> Inputs {
    let path = |pattern: &&str| format!("{}/{pattern}", folder.path().display());
    let mut job = JobInputs::new("files");
    job.files.push(FileConfig {
        files: patterns.iter().map(path).collect(),
        refresh_interval: Duration::from_secs(300),
    });
    Inputs::start(job)
}

/// Replaces the file as programs should: whoever reads it sees the former or the new content.
fn replace(folder: &TempDir, name: &str, content: &str) {
    let next = folder.path().join(format!("{name}.next"));
    fs::write(&next, content).unwrap();
    fs::rename(&next, folder.path().join(name)).unwrap();
}

fn targets(addresses: &[&str]) -> String {
    serde_json::json!([{ "targets": addresses }]).to_string()
}

#[tokio::test(start_paused = true)]
async fn files_are_read_at_once_and_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    replace(&folder, "a.json", &targets(&["a:1"]));
    replace(
        &folder,
        "b.yml",
        "- targets: ['b:1']\n- targets: ['b:2']\n  labels: {x: y}\n",
    );
    let mut inputs = start(&folder, &["*.json", "*.yml"]);
    inputs
        .until(&[
            "a.json:0 {} a:1",
            "b.yml:0 {} b:1",
            r#"b.yml:1 {x="y"} b:2"#,
        ])
        .await;
    assert_eq!(
        inputs.metric(r#"prometheus_sd_discovered_targets{name="scrape",config="files"}"#),
        Some(3.0)
    );

    replace(&folder, "b.yml", "[]");
    replace(&folder, "a.json", &targets(&["a:2"]));
    inputs.until(&["a.json:0 {} a:2"]).await;
    // In place, too.
    fs::write(folder.path().join("a.json"), targets(&["a:3", "a:4"])).unwrap();
    inputs.until(&["a.json:0 {} a:3,a:4"]).await;
    replace(&folder, "c.json", &targets(&["c:1"]));
    inputs
        .until(&["a.json:0 {} a:3,a:4", "c.json:0 {} c:1"])
        .await;
    assert_eq!(inputs.metric(READ_ERRORS), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn each_group_is_told_its_file() {
    let folder = tempfile::tempdir().unwrap();
    replace(&folder, "a.json", &targets(&["a:1"]));
    let mut inputs = start(&folder, &["a.json"]);
    inputs.first().await;
    let path = folder.path().join("a.json").display().to_string();
    let groups = inputs.groups.borrow();
    assert_eq!(groups[0].labels.get("__meta_filepath"), Some(&*path));
    assert_eq!(*groups[0].source, format!("{path}:0"));
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_keeps_its_last_good_groups() {
    let folder = tempfile::tempdir().unwrap();
    replace(&folder, "a.json", &targets(&["a:1"]));
    replace(&folder, "b.json", &targets(&["b:1"]));
    let mut inputs = start(&folder, &["*.json"]);
    inputs.until(&["a.json:0 {} a:1", "b.json:0 {} b:1"]).await;

    replace(&folder, "a.json", "[{");
    inputs.until_metric(READ_ERRORS, 1.0).await;
    replace(&folder, "b.json", &targets(&["b:2"]));
    inputs.until(&["a.json:0 {} a:1", "b.json:0 {} b:2"]).await;
    // Read once for each change, not each second.
    assert_eq!(inputs.metric(READ_ERRORS), Some(1.0));

    replace(&folder, "a.json", &targets(&["a:2"]));
    inputs.until(&["a.json:0 {} a:2", "b.json:0 {} b:2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_broken_file_is_read_again_at_the_refresh_interval() {
    let folder = tempfile::tempdir().unwrap();
    replace(&folder, "a.json", "[{");
    let inputs = start(&folder, &["a.json"]);
    // Ten minutes of paused time at most.
    let twice = inputs.until_metric(READ_ERRORS, 1.0);
    twice.await;
    tokio::time::advance(Duration::from_secs(300)).await;
    inputs.until_metric(READ_ERRORS, 2.0).await;
}

#[tokio::test(start_paused = true)]
async fn a_removed_file_loses_its_groups() {
    let folder = tempfile::tempdir().unwrap();
    replace(&folder, "a.json", &targets(&["a:1"]));
    replace(&folder, "b.json", &targets(&["b:1"]));
    let mut inputs = start(&folder, &["a.json", "b.json"]);
    inputs.until(&["a.json:0 {} a:1", "b.json:0 {} b:1"]).await;
    let mtime = format!(
        r#"prometheus_sd_file_mtime_seconds{{filename="{}/a.json"}}"#,
        folder.path().display()
    );
    assert!(inputs.metric(&mtime).is_some());
    fs::remove_file(folder.path().join("a.json")).unwrap();
    inputs.until(&["b.json:0 {} b:1"]).await;
    assert_eq!(inputs.metric(&mtime), None);
    assert_eq!(inputs.metric(READ_ERRORS), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_read_keeps_its_groups() {
    let folder = tempfile::tempdir().unwrap();
    replace(&folder, "a.json", &targets(&["a:1"]));
    let mut inputs = start(&folder, &["a.json"]);
    inputs.until(&["a.json:0 {} a:1"]).await;
    // It is there, and leads nowhere.
    fs::remove_file(folder.path().join("a.json")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("a.json")).unwrap();
    inputs.until_metric(READ_ERRORS, 1.0).await;
    assert_eq!(inputs.shown(), ["a.json:0 {} a:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_swapped_link_is_a_change() {
    // As mounted configuration maps change: the file is a link into a folder that is one.
    let folder = tempfile::tempdir().unwrap();
    for (version, address) in [("v1", "a:1"), ("v2", "a:2")] {
        fs::create_dir(folder.path().join(version)).unwrap();
        fs::write(
            folder.path().join(version).join("a.json"),
            targets(&[address]),
        )
        .unwrap();
    }
    let link = |to: &str, name: &str| {
        let next = folder.path().join("next");
        std::os::unix::fs::symlink(to, &next).unwrap();
        fs::rename(&next, folder.path().join(name)).unwrap();
    };
    link("v1", "data");
    link("data/a.json", "a.json");
    let mut inputs = start(&folder, &["a.json"]);
    inputs.until(&["a.json:0 {} a:1"]).await;
    link("v2", "data");
    inputs.until(&["a.json:0 {} a:2"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("a.json")).unwrap();
    let mut inputs = start(&folder, &["*.json"]);
    inputs.until_metric(READ_ERRORS, 1.0).await;
    inputs.first().await;
    assert_eq!(inputs.shown(), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_folder_that_is_not_there_yet_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut inputs = start(&folder, &["later/*.json"]);
    inputs.first().await;
    fs::create_dir(folder.path().join("later")).unwrap();
    fs::write(
        Path::new(folder.path()).join("later/a.json"),
        targets(&["a:1"]),
    )
    .unwrap();
    inputs.until(&["a.json:0 {} a:1"]).await;
    assert_eq!(inputs.metric(READ_ERRORS), Some(0.0));
}
