use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aiven_discovery::api::{ApiError, MalformedService, ServiceList, ServiceState};
use aiven_discovery::catalogue::{CatalogueError, Listing};
use aiven_discovery::discovery::{DiscoverySettings, Progress};
use aiven_discovery::resolve::{Addresses, Family};
use aiven_discovery::target_group::NoTargets;
use prom_model::label::LabelSet;
use prom_model::target::ServiceStatus;
use tokio::time::{Instant, advance, sleep};

use crate::fakes::{
    BOTH, Fake, Running, addresses, auth, bare_service, list, listed, service, settings,
    unauthorized, unreachable,
};

/// Time for every loop to have gone round several times.
const ROUNDS: Duration = Duration::from_secs(600);

#[tokio::test(start_paused = true)]
async fn the_first_round_runs_at_once_and_in_order() {
    let fake = Fake::new();
    fake.world().list = Ok(list([bare_service("a")]));
    let started = Instant::now();
    let _running = fake.run_until(&BOTH).await;
    assert_eq!(started.elapsed(), Duration::ZERO);
    let calls = fake.world().calls.clone();
    let rounds = ["services", "integrate a ours", "resolve a.host"];
    let order: Vec<_> = calls
        .iter()
        .filter(|call| rounds.contains(&call.as_str()))
        .collect();
    assert_eq!(order, rounds);
}

#[tokio::test(start_paused = true)]
async fn each_loop_keeps_its_interval() {
    let fake = Fake::new();
    let _running = fake.run_until(&BOTH).await;
    sleep(Duration::from_secs(361)).await;
    assert_eq!(fake.count("services"), 4);
    assert_eq!(fake.count("resolve"), 9);
    assert_eq!(fake.count("integrate"), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_when_nothing_changed() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    fake.resolve_to("a.host", addresses(&["10.0.0.2", "10.0.0.1"]));
    sleep(ROUNDS).await;
    assert!(!groups.has_changed().unwrap());
    fake.resolve_to("a.host", addresses(&["10.0.0.3"]));
    running.targets_become(&["10.0.0.3:9273"]).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_project_is_published_too() {
    let fake = Fake::new();
    fake.world().list = Ok(list([]));
    let running = fake.run();
    let mut groups = running.discovery.groups();
    groups.changed().await.unwrap();
    assert!(groups.borrow().is_empty());
    running.progress_becomes(Progress::Discovered).await;
}

#[tokio::test(start_paused = true)]
async fn whatever_fails_the_last_good_targets_stay() {
    let failures: [fn() -> ApiError; 8] = [
        unreachable,
        unauthorized,
        || ApiError::Forbidden {
            message: String::new(),
        },
        || ApiError::NotFound {
            message: String::new(),
        },
        || ApiError::TimedOut {
            limit: Duration::from_secs(30),
        },
        || ApiError::Unavailable {
            status: 503,
            message: String::new(),
            retry_after: None,
        },
        || ApiError::RateLimited {
            message: String::new(),
            retry_after: Some(Duration::from_secs(28)),
        },
        || ApiError::Nonsense {
            reason: "there is no list of services".to_owned(),
        },
    ];
    for failure in failures {
        let fake = Fake::new();
        let running = fake.run_until(&BOTH).await;
        running.progress_becomes(Progress::Discovered).await;
        let succeeded = running.discovery.status().last_success;
        fake.world().list = Err(failure);
        fake.world().credentials = Err(failure);
        fake.world().ca = Err(failure);
        fake.world().hosts.clear();
        fake.world().listing = Err(|| CatalogueError::Other("gone".into()));
        sleep(ROUNDS).await;
        assert_eq!(running.targets(), BOTH, "{}", failure());
        let status = running.discovery.status();
        assert_eq!(status.progress, Progress::Discovered);
        assert_eq!(status.last_success, succeeded);
        assert!(
            status
                .refresh_error
                .unwrap()
                .starts_with(&failure().to_string())
        );
        assert_eq!(
            status.catalogue_error.as_deref(),
            Some("the service catalogue failed: gone")
        );
        assert_eq!(
            status.services[0].dns_error.as_deref(),
            Some("no addresses")
        );
        assert_eq!(status.services[0].no_targets, None);

        fake.world().list = Ok(list([service("a"), service("b")]));
        fake.world().listing = Ok(Listing::WholeProject);
        fake.resolve_to("b.host", addresses(&["10.0.1.1"]));
        running
            .targets_become(&[BOTH[0], BOTH[1], "10.0.1.1:9273"])
            .await;
        assert_eq!(running.discovery.status().refresh_error, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_no_longer_listed_loses_its_targets() {
    let fake = Fake::new();
    fake.world().list = Ok(list([service("a"), service("b")]));
    fake.resolve_to("b.host", addresses(&["10.0.1.1"]));
    let running = fake.run_until(&[BOTH[0], BOTH[1], "10.0.1.1:9273"]).await;
    fake.world().list = Ok(list([service("b")]));
    running.targets_become(&["10.0.1.1:9273"]).await;
    fake.world().list = Ok(list([]));
    running.targets_become(&[]).await;
    assert_eq!(fake.count("service b"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_first_attempt_that_fails_is_told_from_one_under_way() {
    let fake = Fake::new();
    fake.world().list = Err(unreachable);
    fake.world().api_delay = Duration::from_secs(30);
    let running = fake.run();
    let progress = running.discovery.progress();
    sleep(Duration::from_secs(29)).await;
    assert_eq!(*progress.borrow(), Progress::Waiting);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(*progress.borrow(), Progress::Failed);
    fake.world().list = Ok(list([service("a")]));
    running.progress_becomes(Progress::Discovered).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_suddenly_empty_is_not_believed_while_a_service_exists() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    fake.world().list = Ok(list([]));
    for exists in [Ok(true), Err(unreachable as fn() -> ApiError)] {
        fake.world().exists = exists;
        sleep(ROUNDS).await;
        assert_eq!(running.targets(), BOTH);
        assert!(running.discovery.status().refresh_error.is_some());
    }
    fake.world().exists = Ok(false);
    running.targets_become(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_service_stays_as_it_was() {
    let fake = Fake::new();
    fake.world().list = Ok(list([service("a"), service("b"), service("c")]));
    for (host, address) in [("b.host", "10.0.1.1"), ("c.host", "10.0.2.1")] {
        fake.resolve_to(host, addresses(&[address]));
    }
    let running = fake.run();
    let all = [BOTH[0], BOTH[1], "10.0.1.1:9273", "10.0.2.1:9273"];
    running.targets_become(&all).await;
    let malformed = |name: Option<&str>| MalformedService {
        name: name.map(str::to_owned),
        reason: "a value of the wrong kind".to_owned(),
    };
    // Any of the missing ones may be the one without a name.
    fake.world().list = Ok(ServiceList {
        services: vec![service("c")],
        malformed: vec![malformed(Some("a")), malformed(None)],
    });
    sleep(ROUNDS).await;
    assert_eq!(running.targets(), all);
    fake.world().list = Ok(ServiceList {
        services: vec![service("c")],
        malformed: vec![malformed(Some("a"))],
    });
    running
        .targets_become(&[BOTH[0], BOTH[1], "10.0.2.1:9273"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_failing_lookup_costs_no_other_service() {
    let fake = Fake::new();
    fake.world().list = Ok(list([service("a"), service("b")]));
    let running = fake.run_until(&BOTH).await;
    let status = running.discovery.status();
    assert_eq!(status.services[1].no_targets, Some(NoTargets::NoAddress));
    assert_eq!(
        status.services[1].dns_error.as_deref(),
        Some("no addresses")
    );
    fake.world().hosts.clear();
    fake.resolve_to("b.host", addresses(&["10.0.1.1"]));
    running
        .targets_become(&[BOTH[0], BOTH[1], "10.0.1.1:9273"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn some_services_are_told_as_all_are() {
    let fake = Fake::new();
    fake.world().list = Ok(list([service("a"), service("b")]));
    let running = fake.run();
    running.targets_become(&BOTH).await;
    let all = running.discovery.shown_status().services;
    let names: Vec<_> = all.iter().map(|it| (&*it.name, &*it.source)).collect();
    assert_eq!(names, [("a", "paas/a"), ("b", "paas/b")]);
    let f = |sources: &[&str], want: &[ServiceStatus]| {
        let asked = sources.iter().copied().map(Into::into).collect();
        let got = running.discovery.shown_services(&asked);
        assert_eq!(got, want, "{sources:?}");
    };
    f(&["paas/a", "paas/b"], &all);
    f(&["paas/b"], &all[1..]);
    f(&["b", "paas/c", "other/b", ""], &[]);
}

#[tokio::test(start_paused = true)]
async fn a_family_without_an_answer_keeps_its_addresses() {
    let fake = Fake::new();
    let both = addresses(&["10.0.0.1", "2001:db8::1"]);
    fake.resolve_to("a.host", both);
    let running = fake
        .run_until(&["10.0.0.1:9273", "[2001:db8::1]:9273"])
        .await;
    let v4_only = Addresses {
        unknown: Some(Family::V6),
        ..addresses(&["10.0.0.9"])
    };
    fake.resolve_to("a.host", v4_only);
    running
        .targets_become(&["10.0.0.9:9273", "[2001:db8::1]:9273"])
        .await;
    fake.resolve_to("a.host", addresses(&["10.0.0.9"]));
    running.targets_become(&["10.0.0.9:9273"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_targets_follow_the_catalogue() {
    let fake = Fake::new();
    fake.world().list = Ok(list([service("a"), service("b")]));
    fake.resolve_to("b.host", addresses(&["10.0.1.1"]));
    fake.world().listing = listed(&["a", "absent"]);
    let running = fake.run_until(&BOTH).await;
    let groups = running.discovery.groups().borrow().clone();
    assert_eq!(groups[0].labels.get("service_name"), Some("name of a"));
    let status = running.discovery.status();
    assert_eq!(status.missing, ["absent"]);
    assert_eq!(status.services[1].no_targets, Some(NoTargets::NotListed));
    fake.world().listing = listed(&["b"]);
    running.targets_become(&["10.0.1.1:9273"]).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_catalogue_there_is_nothing_to_publish() {
    let fake = Fake::new();
    fake.world().listing = Err(|| CatalogueError::Other("gone".into()));
    let running = fake.run();
    sleep(ROUNDS).await;
    assert_eq!(*running.discovery.progress().borrow(), Progress::Failed);
    assert!(!running.discovery.groups().has_changed().unwrap());
    fake.world().listing = Ok(Listing::WholeProject);
    running.targets_become(&BOTH).await;
}

#[tokio::test(start_paused = true)]
async fn a_catalogue_that_hangs_pins_nothing() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    fake.world().listing_hangs = true;
    fake.world().list = Ok(list([service("b")]));
    fake.resolve_to("b.host", addresses(&["10.0.1.1"]));
    // By the catalogue of before, and the list of now.
    running.targets_become(&["10.0.1.1:9273"]).await;
    let status = running.discovery.status();
    assert_eq!(
        status.catalogue_error.as_deref(),
        Some("no answer from the service catalogue within 30s")
    );
}

#[tokio::test(start_paused = true)]
async fn a_powered_off_service_has_no_targets_until_it_is_back() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let mut off = service("a");
    off.state = ServiceState::PowerOff;
    off.host = None;
    fake.world().list = Ok(list([off]));
    running.targets_become(&[]).await;
    // The nodes of before are gone for good.
    fake.world().hosts.clear();
    fake.world().list = Ok(list([service("a")]));
    sleep(ROUNDS).await;
    assert_eq!(running.targets(), [""; 0]);
    fake.resolve_to("a.host", addresses(&["10.0.0.7"]));
    running.targets_become(&["10.0.0.7:9273"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_api_delays_no_lookup() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    fake.world().api_delay = ROUNDS;
    // Into the next refresh, which hangs.
    sleep(Duration::from_secs(150)).await;
    fake.resolve_to("a.host", addresses(&["10.0.0.3"]));
    advance(Duration::from_secs(45)).await;
    let waiting = Instant::now();
    running.targets_become(&["10.0.0.3:9273"]).await;
    assert!(waiting.elapsed() <= Duration::from_secs(46));
}

#[tokio::test(start_paused = true)]
async fn a_failing_refresh_is_tried_again_soon_and_then_slower() {
    let fake = Fake::new();
    fake.world().list = Err(unreachable);
    let running = fake.run();
    sleep(Duration::from_secs(11)).await;
    let soon = fake.count("services");
    assert!((2..=4).contains(&soon), "{soon} calls in 11 s");
    sleep(Duration::from_secs(1200)).await;
    let later = fake.count("services") - soon;
    assert!((10..=24).contains(&later), "{later} calls in 20 min");
    fake.world().list = Ok(list([service("a")]));
    running.targets_become(&BOTH).await;
}

#[tokio::test(start_paused = true)]
async fn the_wait_that_aiven_asks_for_is_kept() {
    let fake = Fake::new();
    fake.world().list = Err(|| ApiError::RateLimited {
        message: String::new(),
        retry_after: Some(Duration::from_secs(500)),
    });
    let _running = fake.run();
    sleep(Duration::from_secs(499)).await;
    assert_eq!(fake.count("services"), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(fake.count("services"), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_not_hammered() {
    let fake = Fake::new();
    fake.world().list = Err(unauthorized);
    let _running = fake.run();
    sleep(Duration::from_secs(361)).await;
    assert_eq!(fake.count("services"), 4);
}

#[tokio::test(start_paused = true)]
async fn one_failing_integration_stops_no_other() {
    let fake = Fake::new();
    fake.world().list = Ok(list([bare_service("a"), bare_service("b"), service("c")]));
    fake.resolve_to("b.host", addresses(&["10.0.1.1"]));
    fake.world()
        .integration_failures
        .insert("a".to_owned(), || ApiError::UnexpectedStatus {
            status: 400,
            message: "no".to_owned(),
        });
    let running = fake.run_until(&["10.0.1.1:9273"]).await;
    assert_eq!(fake.count("integrate c"), 0);
    let status = running.discovery.status();
    assert_eq!(
        status.services[0].integration_error.as_deref(),
        Some("aiven answers with status 400: no")
    );
    assert_eq!(
        status.services[0].no_targets,
        Some(NoTargets::NotIntegrated)
    );
    // What Aiven refuses is tried ever less often.
    sleep(Duration::from_secs(3600)).await;
    let tries = fake.count("integrate a");
    assert!((8..=24).contains(&tries), "{tries} tries in an hour");
    fake.world().integration_failures.clear();
    running
        .targets_become(&[BOTH[0], BOTH[1], "10.0.1.1:9273"])
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_down_is_not_asked_for_every_integration() {
    for (failure, rounds) in [(unreachable as fn() -> ApiError, 5), (unauthorized, 1)] {
        let fake = Fake::new();
        let names: Vec<_> = (0..20).map(|number| format!("s{number:02}")).collect();
        fake.world().list = Ok(list(names.iter().map(|name| bare_service(name))));
        fake.world().integration_failures = names.into_iter().map(|name| (name, failure)).collect();
        let _running = fake.run();
        sleep(Duration::from_secs(61)).await;
        let calls = fake.count("integrate");
        assert!(
            calls <= 3 * rounds,
            "{calls} calls in {rounds} rounds: {}",
            failure()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn services_are_integrated_only_where_that_makes_sense() {
    let fake = Fake::new();
    let mut other_type = bare_service("pg");
    other_type.service_type = "pg".to_owned();
    let mut off = bare_service("off");
    off.state = ServiceState::PowerOff;
    let mut theirs = service("theirs");
    theirs.prometheus_integrations[0].endpoint_id = Some("theirs".to_owned());
    let mut disabled = service("disabled");
    disabled.prometheus_integrations[0].disabled = true;
    let unlisted = bare_service("unlisted");
    let services = [other_type, off, theirs, disabled, unlisted, service("a")];
    let listed = services.iter().map(|service| service.name.clone());
    let listed = listed.filter(|name| name != "unlisted");
    let listed = listed.map(|name| (name, LabelSet::new())).collect();
    fake.world().listing = Ok(Listing::Services(Arc::new(listed)));
    fake.world().list = Ok(list(services));
    let _running = fake.run_until(&BOTH).await;
    let calls = fake.world().calls.clone();
    let integrated: Vec<_> = calls
        .iter()
        .filter(|call| call.starts_with("integrate"))
        .collect();
    assert_eq!(integrated, ["integrate theirs ours"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_integrated_unless_asked_for() {
    let fake = Fake::new();
    fake.world().list = Ok(list([bare_service("a")]));
    let running = Running::start(fake.discoverer_with(DiscoverySettings {
        integrate: false,
        ..settings()
    }));
    running.progress_becomes(Progress::Discovered).await;
    sleep(ROUNDS).await;
    assert_eq!(fake.count("integrate"), 0);
    assert_eq!(running.targets(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn addresses_of_before_serve_until_a_lookup_succeeds() {
    let fake = Fake::new();
    fake.world().hosts.clear();
    let (discoverer, discovery) = fake.discoverer();
    let before = BTreeMap::from([("a".to_owned(), vec!["10.0.0.9".parse().unwrap()])]);
    let running = Running::start((discoverer.with_last_addresses(before), discovery));
    running.targets_become(&["10.0.0.9:9273"]).await;
    fake.resolve_to("a.host", addresses(&["10.0.0.1", "10.0.0.2"]));
    running.targets_become(&BOTH).await;
}

#[tokio::test(start_paused = true)]
async fn a_successor_starts_from_what_its_predecessor_knows() {
    let fake = Fake::new();
    let former = fake.run_until(&BOTH).await;
    fake.world().list = Err(unauthorized);
    fake.world().credentials = Err(unauthorized);
    fake.world().ca = Err(unauthorized);
    fake.world().hosts.clear();
    let mut settings = settings();
    settings.refresh_interval = Duration::from_secs(7);
    let (discoverer, discovery) = fake.discoverer_with(settings);
    let discoverer = discoverer.succeeding(&former.discovery);
    // At once, before it runs.
    assert_eq!(discovery.groups().borrow().len(), 1);
    let successor = Running::start((discoverer, discovery));
    drop(former);
    sleep(Duration::from_secs(1000)).await;
    assert_eq!(successor.targets(), BOTH);
    let access = successor.discovery.groups().borrow()[0].access.clone();
    let access = access.unwrap();
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("first")));
    assert_eq!(access.server_identity().unwrap().ca_pem, "the ca");
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_endpoint_are_not_taken_over() {
    let fake = Fake::new();
    let former = fake.run_until(&BOTH).await;
    fake.world().credentials = Err(unauthorized);
    let mut settings = settings();
    settings.targets.endpoint_id = Some("another".to_owned());
    let (discoverer, discovery) = fake.discoverer_with(settings);
    let successor = Running::start((discoverer.succeeding(&former.discovery), discovery));
    successor.targets_become(&BOTH).await;
    let access = successor.discovery.groups().borrow()[0].access.clone();
    assert_eq!(access.unwrap().basic_auth(), None);
}

#[tokio::test(start_paused = true)]
async fn the_groups_close_with_the_discoverer() {
    let fake = Fake::new();
    fake.world().credentials = Ok(Some(auth("p")));
    let running = fake.run_until(&BOTH).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    drop(running);
    assert!(groups.changed().await.is_err());
}
