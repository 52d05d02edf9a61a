//! Aiven's API fails: whatever was discovered last stays.

use std::time::Duration;

use fixtures::api::{Call, Fault};
use fixtures::{MockAiven, Service, wait_until};

use crate::support::PATIENCE;
use crate::support::eventually;
use crate::support::exporter::config;
use crate::support::system::System;

const FAILURES: &str = "aiven_sd_refresh_failures_total";
const REQUESTS: &str = "aiven_sd_api_requests_total";

/// Until the API fails in this way nothing is wrong, and after that all is as before.
async fn costs_nothing(fault: Fault, outcome: &str) {
    let name = format!("{fault:?}");
    let mut system = System::start().await;
    let before = system.steady().await;
    system.aiven.api().fail(fault);
    // Twice, so that a repetition would be in the log.
    system.metric_reaches(FAILURES, "", 2.0).await;
    let labels = format!("outcome=\"{outcome}\"");
    assert!(system.metric(REQUESTS, &labels).await >= 2.0, "{name}");
    system.scraped_on().await;
    system.serves_again(&before).await;
    let unreadable = "the service list can't be read; the targets stay";
    let told = system.logged(unreadable, 1).await;
    assert!(told[0].contains("level=WARN"), "{name}: {told:?}");

    system.aiven.api().heal();
    system.logs("the service list can be read again").await;
    system.scraped_on().await;
    system.logged("the service list can", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_fails_costs_nothing() {
    let error = r#"{"message": "internal error", "errors": [{"status": 500}], "services": []}"#;
    // Side by side, since most of the time goes into waiting for the next attempt.
    let faults = [
        costs_nothing(Fault::Status(401), "Unauthorized"),
        costs_nothing(Fault::Status(403), "Forbidden"),
        costs_nothing(
            Fault::Redirect("http://127.0.0.1:1/".to_owned()),
            "OtherStatus",
        ),
        costs_nothing(Fault::Status(500), "Unavailable"),
        costs_nothing(Fault::RateLimited { seconds: 1 }, "RateLimited"),
        costs_nothing(Fault::Disconnect, "Unreachable"),
        costs_nothing(Fault::Truncated, "Unreachable"),
        costs_nothing(Fault::MalformedJson, "Nonsense"),
        costs_nothing(Fault::Html, "Nonsense"),
        costs_nothing(Fault::Null, "Nonsense"),
        costs_nothing(Fault::Body("{}".to_owned()), "Nonsense"),
        costs_nothing(Fault::Body(error.to_owned()), "Nonsense"),
    ];
    futures_util::future::join_all(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_list_is_not_believed_while_a_service_exists() {
    let mut system = System::start().await;
    let api = system.aiven.api();
    api.fail_call(Call::ListServices, Fault::EmptyList);
    system.metric_reaches(FAILURES, "", 2.0).await;
    system.scraped_on().await;
    let unbelieved = "the list of services is empty, but";
    system.logged(unbelieved, 1).await;
    // A service that is gone indeed takes its targets and series with it.
    system.aiven.api().heal();
    system.logs("the service list can be read again").await;
    let name = system.aiven.services()[0].clone();
    system.aiven.remove_service(&name).await.unwrap();
    eventually("an end of all series", async || {
        let gone = system.targets().await.is_empty() && system.steady_now().await.is_empty();
        gone.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_makes_no_sense_stays_as_it_was() {
    let mut system = System::start().await;
    let api = system.aiven.api();
    api.fail_call(Call::ListServices, Fault::NonsenseItem);
    let malformed = "aiven_sd_malformed_services_total";
    system.metric_reaches(malformed, "", 6.0).await;
    system.scraped_on().await;
    system.logged("make no sense", 1).await;
    system.aiven.api().heal();
    system.logs("every listed service makes sense again").await;
    system.scraped_on().await;
}

/// Nothing is discovered while the API fails from the start, and everything once it answers.
async fn is_only_late(fault: Fault) {
    let name = format!("{fault:?}");
    let aiven = MockAiven::builder().nodes(2).start().await.unwrap();
    aiven.api().fail(fault);
    let system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    let api = system.aiven.api();
    api.wait_for(Call::ListServices, 1, PATIENCE).await.unwrap();
    let site = &system.exporter.site;
    assert_eq!(site.get("/-/ready", &[]).await.status, 503, "{name}");
    assert_eq!(site.get("/-/healthy", &[]).await.status, 200, "{name}");
    assert!(system.targets().await.is_empty(), "{name}");
    assert!(system.steady_now().await.is_empty(), "{name}");
    api.heal();
    system.complete().await;
    assert_eq!(site.get("/-/ready", &[]).await.status, 200, "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_fails_at_the_start_makes_a_late_start() {
    let faults = [
        is_only_late(Fault::Status(503)),
        is_only_late(Fault::Status(401)),
        is_only_late(Fault::Html),
        is_only_late(Fault::RateLimited { seconds: 1 }),
    ];
    futures_util::future::join_all(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_away_at_the_start_makes_a_late_start() {
    let aiven = MockAiven::builder().nodes(2).start().await.unwrap();
    aiven.api().down().await;
    let system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    let unreachable = "outcome=\"Unreachable\"";
    system.metric_reaches(REQUESTS, unreachable, 1.0).await;
    let site = &system.exporter.site;
    assert_eq!(site.get("/-/ready", &[]).await.status, 503);
    system.aiven.api().up().await.unwrap();
    system.complete().await;
    assert_eq!(site.get("/-/ready", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_api_holds_nothing_up() {
    let system = System::start().await;
    let api = system.aiven.api();
    api.forget_requests();
    api.fail(Fault::Hang);
    api.wait_for(Call::ListServices, 1, PATIENCE).await.unwrap();
    system.scraped_on().await;
    // New nodes are found by the name server alone.
    let service = system.aiven.services()[0].clone();
    system.aiven.add_node(&service).await.unwrap();
    system.complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_api_makes_news_late_and_nothing_else() {
    let system = System::start().await;
    let before = system.steady().await;
    let api = system.aiven.api();
    // Longer than all intervals.
    let slow = Fault::Delay(Duration::from_secs(3));
    api.fail_call(Call::ListServices, slow);
    api.forget_requests();
    api.wait_for(Call::ListServices, 1, PATIENCE).await.unwrap();
    system.scraped_on().await;
    system.serves_again(&before).await;
    let new = Service::opensearch("prod-late").nodes(1);
    system.aiven.add_service(new).await.unwrap();
    // Nodes are found by the name server meanwhile.
    let service = system.aiven.services()[0].clone();
    system.aiven.add_node(&service).await.unwrap();
    system.complete().await;
    assert_eq!(system.metric(FAILURES, "").await, 0.0);
    system.logged("the service list can't be read", 0).await;
}

/// After a failure that asks for a long wait the list isn't asked for again.
async fn is_waited_for(fault: Fault) {
    let system = System::start().await;
    let api = system.aiven.api();
    api.forget_requests();
    api.fail_call(Call::ListServices, fault.clone());
    system.metric_reaches(FAILURES, "", 1.0).await;
    // Meanwhile the name server is asked once a second, for both families of addresses.
    let queries = system.aiven.dns().query_count() + 6;
    let asked = || system.aiven.dns().query_count() >= queries;
    wait_until(PATIENCE, asked).await.unwrap();
    assert_eq!(api.count(Call::ListServices), 1, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_that_aiven_asks_for_is_kept() {
    let retry_after = |status| Fault::RetryAfter {
        status,
        seconds: 3000,
    };
    let faults = [
        is_waited_for(Fault::RateLimited { seconds: 3000 }),
        is_waited_for(retry_after(429)),
        is_waited_for(retry_after(503)),
    ];
    futures_util::future::join_all(faults).await;
}
