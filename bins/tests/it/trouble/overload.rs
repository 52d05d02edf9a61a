//! Many clients that take their time.

use fixtures::MockAiven;
use reqwest::Method;

use crate::support::exporter::config;
use crate::support::http::{Site, slow_reader};
use crate::support::system::{LONG_INTERVAL, Scraped as _, System};
use crate::support::{PATIENCE, eventually};

/// Fewer than the answers that are made at one time.
const READERS: usize = 60;

/// Somebody who has no connection yet.
fn newcomer(system: &System) -> Site {
    Site::new(format!("http://{}", system.exporter.address))
}

/// Health checks are answered.
async fn is_healthy(system: &System) {
    for method in [Method::GET, Method::HEAD] {
        for path in ["/-/healthy", "/-/ready"] {
            let site = newcomer(system);
            let answer = site.ask(method.clone(), path, &[], &[]).await;
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_stop_nothing_and_take_little() {
    let two = MockAiven::builder().nodes(2);
    let system = System::configured(two, |aiven| config(aiven, LONG_INTERVAL)).await;
    let [large, small] = <[_; 2]>::try_from(system.aiven.nodes()).unwrap();
    system.serves_large(&large, 5_000).await;
    let before = system.exporter.program.peak_memory();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let reader = slow_reader(&system.exporter.address, "/federate?match[]=large");
        readers.push(reader.await);
    }
    for reader in &readers {
        // The answer has begun.
        tokio::time::timeout(PATIENCE, reader.readable())
            .await
            .unwrap()
            .unwrap();
    }
    system.scraped_on().await;
    let quick = format!("{{instance=\"{}\"}}", small.address());
    eventually("the series of the other node", async || {
        (system.federate(&quick).await.len() > 500).then_some(())
    })
    .await;
    is_healthy(&system).await;
    let grown = system.exporter.program.peak_memory() - before;
    // Far less than the 10 MB of the answer for each.
    let each = grown / READERS as u64;
    assert!(each < 512 * 1024, "{} KiB for each", each / 1024);
    drop(readers);
    // All of that was before any of them had its answer.
    let unfinished = "elasticsearch_metric_exporter_federate_unfinished_total";
    system.metric_reaches(unfinished, "", READERS as f64).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_end_leave_room_for_health_checks() {
    let system = System::start().await;
    let mut idle = Vec::new();
    // The limit is 512 of them.
    for _ in 0..520 {
        let connected = tokio::net::TcpStream::connect(&system.exporter.address);
        idle.push(connected.await.unwrap());
    }
    eventually("a refusal", async || {
        let answer = newcomer(&system).get("/metrics", &[]).await;
        (answer.status == 503).then_some(())
    })
    .await;
    is_healthy(&system).await;
    for node in system.aiven.nodes() {
        node.scraped_again(2).await;
    }
    drop(idle);
    eventually("an answer", async || {
        let answer = newcomer(&system).get("/metrics", &[]).await;
        (answer.status == 200).then_some(())
    })
    .await;
}
