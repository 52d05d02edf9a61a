use fixtures::MockAiven;
use fixtures::node::Motion;

use crate::support::exporter::{Exporter, config};
use crate::support::prometheus::Prometheus;
use crate::support::samples::Samples;

#[tokio::test(flavor = "multi_thread")]
async fn the_exporter_starts_scrapes_and_ends() {
    let aiven = MockAiven::builder()
        .motion(Motion::Frozen)
        .start()
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut exporter = Exporter::start(folder.path(), &config(&aiven, ""), &[]).await;
    exporter.all_up(&aiven).await;
    exporter.program.signal("TERM");
    assert_eq!(exporter.program.ended().await.code(), Some(0));
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
