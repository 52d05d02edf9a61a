//! How far files and HTTP servers have come, as whoever waits for the first targets wants to know.

use std::time::Duration;

use es_scraper::discovery::{
    Discovery, DiscoveryMetrics, FileConfig, HttpConfig, InputProgress, JobGroups, JobInputs,
    static_groups,
};
use http::HeaderValue;
use prom_config::http_client::HttpClientConfig;
use prometheus_client::registry::Registry;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

fn discovery() -> Discovery {
    let metrics = DiscoveryMetrics::register(&mut Registry::default());
    Discovery::new(metrics, HeaderValue::from_static("test/1"))
}

fn file(folder: &TempDir, name: &str) -> FileConfig {
    FileConfig {
        files: vec![folder.path().join(name).display().to_string()],
        refresh_interval: Duration::from_secs(300),
    }
}

fn progress(inputs: usize, tried: usize, succeeded: usize) -> InputProgress {
    InputProgress {
        inputs,
        tried,
        succeeded,
    }
}

async fn becomes(job: &JobGroups, want: InputProgress) {
    let mut seen = job.progress.clone();
    let reached = timeout(PATIENCE, seen.wait_for(|progress| *progress == want)).await;
    assert!(
        reached.is_ok(),
        "{:?} never became {want:?}",
        *job.progress.borrow()
    );
}

#[tokio::test]
async fn failures_are_told_from_successes() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("good.json"), "[]").unwrap();
    std::fs::write(folder.path().join("bad.json"), "[").unwrap();
    // Takes connections, and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut discovery = discovery();
    let mut jobs = discovery
        .apply(vec![JobInputs {
            static_groups: static_groups([(["192.0.2.1:1"], [("a", "b")])]),
            files: vec![
                file(&folder, "good.json"),
                file(&folder, "bad.json"),
                file(&folder, "absent*.json"),
            ],
            http: vec![HttpConfig {
                url: format!("http://{}/", mute.local_addr().unwrap()),
                refresh_interval: Duration::from_secs(600),
                client: HttpClientConfig::default(),
            }],
            ..JobInputs::new("job")
        }])
        .unwrap();
    let job = jobs.remove(0);
    becomes(&job, progress(4, 3, 2)).await;
    // Connections are refused from now on, the one that is open is closed.
    let asked = mute.accept().await.unwrap();
    drop((asked, mute));
    becomes(&job, progress(4, 4, 2)).await;
    std::fs::write(folder.path().join("bad.json"), "[]").unwrap();
    becomes(&job, progress(4, 4, 3)).await;
    // What has succeeded once has.
    std::fs::write(folder.path().join("good.json"), "[").unwrap();
    std::fs::write(
        folder.path().join("absent1.json"),
        r#"[{"targets": ["a:1"]}]"#,
    )
    .unwrap();
    let mut groups = job.groups.clone();
    let found = groups.wait_for(|groups| groups.len() == 2);
    timeout(PATIENCE, found).await.unwrap().unwrap();
    becomes(&job, progress(4, 4, 3)).await;
}

#[tokio::test]
async fn static_targets_are_no_input() {
    let jobs = discovery().apply(vec![JobInputs::new("job")]).unwrap();
    assert_eq!(*jobs[0].progress.borrow(), progress(0, 0, 0));
}
