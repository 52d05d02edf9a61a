//! Many clients that take their time.

use std::fmt::Write as _;
use std::time::Duration;

use fixtures::MockAiven;
use reqwest::Method;

use crate::support::http::{Site, slow_reader};
use crate::support::system::System;
use crate::support::{PATIENCE, eventually};

const READERS: usize = 200;

/// Somebody who has no connection yet.
fn newcomer(system: &System) -> Site {
    Site::new(format!("http://{}", system.exporter.address))
}

/// Health checks are answered, and soon.
async fn is_healthy(system: &System) {
    for method in [Method::GET, Method::HEAD] {
        for path in ["/-/healthy", "/-/ready"] {
            let site = newcomer(system);
            let asking = site.ask(method.clone(), path, &[], &[]);
            let answer = tokio::time::timeout(Duration::from_secs(1), asking).await;
            assert_eq!(answer.unwrap().status, 200, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_readers_stop_nothing_and_take_little() {
    let system = System::of(MockAiven::builder().nodes(2)).await;
    let [large, small] = <[_; 2]>::try_from(system.aiven.nodes()).unwrap();
    let (filler, mut text) = ("x".repeat(2000), String::new());
    for number in 0..5000 {
        writeln!(text, "large{{number=\"{number}\",filler=\"{filler}\"}} 1").unwrap();
    }
    large.serve(text, "text/plain; version=0.0.4");
    eventually("the large exposition", async || {
        let some = system.federate(r#"large{number="4999"}"#).await;
        (some.len() == 1).then_some(())
    })
    .await;
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
    for node in [&large, &small] {
        let count = node.scrape_count() + 3;
        node.wait_for_scrapes(count, PATIENCE).await.unwrap();
    }
    system.complete().await;
    let quick = format!("{{instance=\"{}\"}}", small.address());
    assert!(system.federate(&quick).await.len() > 500);
    is_healthy(&system).await;
    let grown = system.exporter.program.peak_memory() - before;
    // Far less than the 10 MB of the answer for each.
    let each = grown / READERS as u64;
    assert!(each < 512 * 1024, "{} KiB for each", each / 1024);
    drop(readers);
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
        let count = node.scrape_count() + 2;
        node.wait_for_scrapes(count, PATIENCE).await.unwrap();
    }
    drop(idle);
    eventually("an answer", async || {
        let answer = newcomer(&system).get("/metrics", &[]).await;
        (answer.status == 200).then_some(())
    })
    .await;
}
