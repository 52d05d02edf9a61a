//! The inputs of jobs together, and what a new configuration does to them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use es_scraper::discovery::{
    FileConfig, Groups, HttpConfig, HttpConfigError, JobInputs, static_groups,
};
use es_scraper::target::EndpointError;
use prom_config::http_client::HttpClientConfig;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::inputs::{Inputs, shown};

fn statics(job: &str, address: &str) -> JobInputs {
    JobInputs {
        static_groups: static_groups([([address], [("a", "b")])]),
        ..JobInputs::new(job)
    }
}

fn groups(address: &str) -> Groups {
    Arc::new(static_groups([([address], [] as [(&str, &str); 0])]))
}

fn file(folder: &TempDir, name: &str) -> FileConfig {
    FileConfig {
        files: vec![folder.path().join(name).display().to_string()],
        refresh_interval: FileConfig::DEFAULT_REFRESH_INTERVAL,
    }
}

/// Nobody listens there.
fn unreachable_server() -> HttpConfig {
    HttpConfig {
        url: "http://127.0.0.1:1/".to_owned(),
        refresh_interval: HttpConfig::DEFAULT_REFRESH_INTERVAL,
        client: HttpClientConfig::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn all_inputs_of_a_job_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f.json"), r#"[{"targets": ["file:1"]}]"#).unwrap();
    let external = watch::Sender::new(groups("external:1"));
    let mut inputs = Inputs::start(JobInputs {
        files: vec![file(&folder, "f.json")],
        external: vec![external.subscribe()],
        ..statics("all", "static:1")
    });
    let (first, second) = (r#"0 {a="b"} static:1"#, "f.json:0 {} file:1");
    inputs.until(&[first, second, "0 {} external:1"]).await;
    external.send_replace(groups("external:2"));
    inputs.until(&[first, second, "0 {} external:2"]).await;
    // What nobody publishes any more stays, and the others go on.
    drop(external);
    fs::write(folder.path().join("f.json"), "[]").unwrap();
    inputs.until(&[first, "0 {} external:2"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_without_targets_says_so() {
    let mut inputs = Inputs::start(JobInputs::new("none"));
    inputs.first().await;
    assert_eq!(inputs.shown(), [] as [&str; 0]);
    let count = r#"prometheus_sd_discovered_targets{name="scrape",config="none"}"#;
    assert_eq!(inputs.metric(count), Some(0.0));
}

#[tokio::test]
async fn an_input_that_fails_does_not_delay_the_others() {
    let began = Instant::now();
    let mut inputs = Inputs::start(JobInputs {
        http: vec![unreachable_server()],
        ..statics("job", "static:1")
    });
    inputs.until(&[r#"0 {a="b"} static:1"#]).await;
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_what_it_leaves_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.json");
    fs::write(&path, r#"[{"targets": ["file:1"]}]"#).unwrap();
    let job = JobInputs {
        files: vec![file(&folder, "f.json")],
        ..JobInputs::new("job")
    };
    let mut inputs = Inputs::start(job.clone());
    inputs.until(&["f.json:0 {} file:1"]).await;
    // A new input would not find anything good here.
    fs::write(&path, "[{").unwrap();
    inputs
        .until_metric("prometheus_sd_file_read_errors_total", 1.0)
        .await;

    let with_more = JobInputs {
        static_groups: statics("", "static:1").static_groups,
        ..job
    };
    let mut applied = inputs
        .discovery
        .apply(vec![with_more, statics("new", "new:1")])
        .unwrap();
    let mut new = applied.pop().unwrap().groups;
    new.wait_for(|groups| shown(groups) == [r#"0 {a="b"} new:1"#])
        .await
        .unwrap();
    // The receiver of before goes on.
    inputs
        .until(&[r#"0 {a="b"} static:1"#, "f.json:0 {} file:1"])
        .await;
    assert!(applied.pop().unwrap().groups.same_channel(&inputs.groups));
}

#[tokio::test(start_paused = true)]
async fn a_job_keeps_its_targets_until_a_new_input_has_been_asked() {
    let mut inputs = Inputs::start(statics("job", "static:1"));
    inputs.until(&[r#"0 {a="b"} static:1"#]).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("f.json"), r#"[{"targets": ["file:1"]}]"#).unwrap();
    let job = JobInputs {
        files: vec![file(&folder, "f.json")],
        ..JobInputs::new("job")
    };
    inputs.discovery.apply(vec![job]).unwrap();
    inputs.groups.changed().await.unwrap();
    assert_eq!(inputs.shown(), ["f.json:0 {} file:1"]);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_gone_closes_its_receiver() {
    let mut inputs = Inputs::start(statics("job", "static:1"));
    inputs.first().await;
    inputs.discovery.apply(vec![]).unwrap();
    assert!(inputs.groups.wait_for(|_| false).await.is_err());
    assert_eq!(inputs.shown(), [r#"0 {a="b"} static:1"#]);
    let count = r#"prometheus_sd_discovered_targets{name="scrape",config="job"}"#;
    assert_eq!(inputs.metric(count), None);
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_cannot_be_used_changes_nothing() {
    let mut inputs = Inputs::start(statics("job", "static:1"));
    let mut f = |http: HttpConfig, want: HttpConfigError| {
        let broken = JobInputs {
            http: vec![http],
            ..JobInputs::new("job")
        };
        assert_eq!(inputs.discovery.apply(vec![broken]).unwrap_err(), want);
    };
    f(
        HttpConfig {
            url: "ftp://h/".to_owned(),
            ..unreachable_server()
        },
        HttpConfigError::Endpoint(EndpointError::Scheme("ftp".to_owned())),
    );
    f(
        HttpConfig {
            refresh_interval: Duration::ZERO,
            ..unreachable_server()
        },
        HttpConfigError::ZeroInterval,
    );
    inputs.until(&[r#"0 {a="b"} static:1"#]).await;
}

#[tokio::test(start_paused = true)]
async fn job_names_are_escaped_in_metrics() {
    let mut inputs = Inputs::start(statics("a\"b\\c\nd", "static:1"));
    inputs.first().await;
    let count = r#"prometheus_sd_discovered_targets{name="scrape",config="a\"b\\c\nd"}"#;
    assert_eq!(inputs.metric(count), Some(1.0));
}
