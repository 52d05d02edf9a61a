//! Services and nodes come and go, and names can't be resolved.

use fixtures::api::{Call, Fault};
use fixtures::{Integration, MockAiven, Service, dns};

use crate::support::eventually;
use crate::support::exporter::config;
use crate::support::system::System;

const LOOKUP_FAILURES: &str = "aiven_sd_dns_lookup_failures_total";

async fn lookups_that_fail_cost_nothing(fault: dns::Fault, failures: f64) {
    let mut system = System::of(MockAiven::builder().services(2).nodes(1)).await;
    let before = system.steady().await;
    system.aiven.dns().fail(fault);
    system.metric_reaches(LOOKUP_FAILURES, "", failures).await;
    system.scraped_on().await;
    system.serves_again(&before).await;
    let failing = "lookups fail; the last addresses stay";
    system.logged(failing, 1).await;
    system.aiven.dns().heal();
    system.logs("lookups succeed again").await;
    system.scraped_on().await;
    system.logged("lookups succeed again", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_server_that_fails_costs_nothing() {
    // Two rounds with two services; one where each failure is a time-out.
    let faults = [
        lookups_that_fail_cost_nothing(dns::Fault::ServerFailure, 4.0),
        lookups_that_fail_cost_nothing(dns::Fault::NoSuchName, 4.0),
        lookups_that_fail_cost_nothing(dns::Fault::Silence, 2.0),
    ];
    futures_util::future::join_all(faults).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unknown_name_concerns_one_service() {
    let aiven = MockAiven::builder().services(2).nodes(1);
    let aiven = aiven.start().await.unwrap();
    let services = aiven.services();
    let host = aiven.host_of(&services[0]).unwrap();
    aiven.dns().fail_name(&host, dns::Fault::NoSuchName);
    let system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    let well = system.aiven.nodes_of(&services[1])[0].address().to_string();
    eventually("the other service's target", async || {
        let targets = system.targets().await;
        (targets.keys().eq([&well]) && targets[&well].health == "up").then_some(())
    })
    .await;
    system.aiven.dns().heal();
    system.complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_replaced_with_both_in_between() {
    let system = System::start().await;
    let service = system.aiven.services()[0].clone();
    let old = system.aiven.nodes()[0].clone();
    let new = system.aiven.add_node(&service).await.unwrap();
    system.complete().await;
    system.aiven.remove_node(&old).await.unwrap();
    system.complete().await;
    let of = |address| format!("{{instance=\"{address}\"}}");
    eventually("an end of the old node's series", async || {
        let left = system.federate(&of(old.address())).await;
        left.is_empty().then_some(())
    })
    .await;
    let some = eventually("the new node's series", async || {
        let some = system.federate(&of(new.address())).await;
        (some.len() > 100).then_some(())
    });
    some.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_service_is_integrated_and_scraped() {
    let system = System::start().await;
    let theirs = Integration::OtherEndpoint("someone-elses".to_owned());
    let new = Service::opensearch("prod-new").without_integration();
    let other = Service::elasticsearch("prod-other").integration(theirs);
    system.aiven.add_service(new).await.unwrap();
    system.aiven.add_service(other).await.unwrap();
    system.complete().await;
    assert_eq!(integrated(&system), ["prod-new", "prod-other"]);
    let endpoint = system.aiven.endpoint_id();
    for request in system.aiven.api().requests_of(Call::CreateIntegration) {
        let body = request.body.unwrap();
        assert_eq!(body["dest_endpoint_id"], endpoint);
        assert_eq!(body["integration_type"], "prometheus");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_cannot_be_integrated_stops_no_other() {
    let aiven = MockAiven::builder()
        .service(Service::opensearch("prod-1").without_integration())
        .service(Service::opensearch("prod-2").without_integration())
        .service(Service::opensearch("prod-3"))
        .start();
    let aiven = aiven.await.unwrap();
    let api = aiven.api();
    api.fail_times(Call::CreateIntegration, 1, Fault::Status(400));
    let system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    let want = ["prod-2", "prod-3"].map(|service| {
        let nodes = system.aiven.nodes_of(service).into_iter();
        nodes.map(|node| node.address().to_string())
    });
    let mut want: Vec<_> = want.into_iter().flatten().collect();
    want.sort_unstable();
    eventually("the others' targets", async || {
        let targets = system.targets().await;
        let up = targets.values().all(|row| row.health == "up");
        (up && targets.keys().eq(&want)).then_some(())
    })
    .await;
    assert_eq!(integrated(&system), ["prod-1", "prod-2"]);
    let told = "can't enable the prometheus integration";
    system.logged(told, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_integration_that_is_there_already_is_a_success() {
    let aiven = MockAiven::builder()
        .service(Service::opensearch("prod-1").without_integration())
        .start();
    let aiven = aiven.await.unwrap();
    // Somebody else was quicker, which the list doesn't say yet.
    let conflict = Fault::Status(409);
    aiven.api().fail_call(Call::CreateIntegration, conflict);
    let system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    eventually("targets", async || {
        (system.targets().await.len() == 3).then_some(())
    })
    .await;
    let failures = "aiven_sd_integration_failures_total";
    assert_eq!(system.metric(failures, "").await, 0.0);
    system.logged("can't enable the", 0).await;
}

/// The services whose integration was asked for, in that order.
fn integrated(system: &System) -> Vec<String> {
    let requests = system.aiven.api().requests_of(Call::CreateIntegration);
    let service = |body: serde_json::Value| body["source_service"].as_str().map(str::to_owned);
    let services = requests.into_iter().filter_map(|request| request.body);
    services.filter_map(service).collect()
}
