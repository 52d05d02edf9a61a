use crate::support::prometheus::Prometheus;
use crate::support::samples::Samples;
use crate::support::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_starts_scrapes_and_ends() {
    let mut system = System::start().await;
    system.terminates(true).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn prometheus_starts_and_answers() {
    let folder = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(folder.path(), "global: {scrape_interval: 1s}\n").await;
    assert!(prometheus.major >= 2);
    assert!(prometheus.query("vector(1)").await.len() == 1);
    assert!(prometheus.targets().await.is_empty());
    assert!(prometheus.federate(&["up"]).await.is_empty());
}

#[test]
fn differences_are_found() {
    let one = Samples::parse("a 1\nb{x=\"y\"} NaN\nc 1\n");
    assert_eq!(one.differences(&one), [""; 0]);
    let two = Samples::parse("a 2\nb{x=\"y\"} NaN\nd 1\n");
    let want = ["a: 1 and 2", "only here:  c 1", "only there: d 1"];
    assert_eq!(one.differences(&two), want);
}
