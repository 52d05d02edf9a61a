//! When `/-/ready` says so: one discovery that fails holds up no other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fixtures::MockAiven;
use fixtures::api::{Call, Fault};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::aiven_job;
use crate::support::exporter::Exporter;
use crate::support::samples::Samples;
use crate::support::{PATIENCE, eventually};

const HTTP_FAILURES: &str = "prometheus_sd_http_failures_total";

/// An HTTP server with an empty list of targets, once it is well.
struct TargetList {
    well: Arc<AtomicBool>,
    url: String,
}

impl TargetList {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let well = Arc::new(AtomicBool::new(false));
        let is_well = Arc::clone(&well);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n")
                    && stream.read_buf(&mut head).await.unwrap_or(0) > 0
                {}
                let answer = match is_well.load(Ordering::Relaxed) {
                    true => {
                        "200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"
                    }
                    false => "500 Internal Server Error\r\nContent-Length: 0\r\n\r\n",
                };
                // Whoever asked may be gone.
                drop(
                    stream
                        .write_all(format!("HTTP/1.1 {answer}").as_bytes())
                        .await,
                );
            }
        });
        Self { well, url }
    }

    fn job(&self) -> String {
        format!(
            "- job_name: list\n  http_sd_configs: [{{url: '{}', refresh_interval: 1s}}]\n",
            self.url
        )
    }
}

async fn start(jobs: &[String]) -> (Exporter, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let config = format!("scrape_configs:\n{}", jobs.concat());
    (Exporter::start(folder.path(), &config, &[]).await, folder)
}

async fn is_ready(exporter: &Exporter) -> bool {
    match exporter.site.get("/-/ready", &[]).await.status {
        200 => true,
        503 => false,
        other => panic!("{other}"),
    }
}

async fn becomes_ready(exporter: &mut Exporter, failed: usize) {
    eventually("readiness", async || is_ready(exporter).await.then_some(())).await;
    let told = |line: &str| {
        line.contains("ready: targets are discovered")
            .then(|| line.to_owned())
    };
    let line = exporter.program.log_line(told).await;
    assert!(line.contains(&format!("failed={failed}")), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_has_expired_costs_no_other_project() {
    let well = MockAiven::builder().nodes(1).start().await.unwrap();
    let expired = MockAiven::builder().nodes(1).start().await.unwrap();
    expired.api().fail(Fault::Status(401));
    let list = TargetList::start().await;
    let jobs = [
        aiven_job("expired", &expired, ""),
        list.job(),
        aiven_job("well", &well, ""),
    ];
    let (mut exporter, _folder) = start(&jobs).await;
    becomes_ready(&mut exporter, 2).await;
    // It comes late, and it comes.
    expired.api().heal();
    exporter.up(&exporter.site, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_while_everything_fails() {
    let expired = MockAiven::builder().nodes(1).start().await.unwrap();
    expired.api().fail(Fault::Status(403));
    let list = TargetList::start().await;
    let (mut exporter, _folder) = start(&[aiven_job("expired", &expired, ""), list.job()]).await;
    let asked = expired.api().wait_for(Call::ListServices, 2, PATIENCE);
    asked.await.unwrap();
    eventually("a failure", async || {
        let metrics = exporter.site.get("/metrics", &[]).await;
        let metrics = Samples::parse(metrics.text());
        let mut failures = metrics
            .iter()
            .filter(|(series, _)| series.metric_name() == HTTP_FAILURES);
        failures.any(|(_, sample)| sample.value > 0.0).then_some(())
    })
    .await;
    assert!(!is_ready(&exporter).await);
    // An empty list is a success.
    list.well.store(true, Ordering::Relaxed);
    becomes_ready(&mut exporter, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn static_targets_need_no_discovery() {
    let job = "- job_name: one\n  static_configs: [{targets: ['127.0.0.1:1']}]\n".to_owned();
    let (mut exporter, _folder) = start(&[job]).await;
    becomes_ready(&mut exporter, 0).await;
}
