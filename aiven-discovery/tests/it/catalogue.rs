use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aiven_discovery::api::{Component, Route};
use aiven_discovery::catalogue::{CatalogueError, Listing};
use aiven_discovery::discovery::Progress;
use prom_model::label::LabelSet;
use tokio::time::{Instant, sleep};

use crate::fakes::{
    BOTH, Fake, Running, addresses, bare_service, list, listed, service, settings, unauthorized,
    unreachable,
};

const INTERVAL: Duration = Duration::from_secs(60);

/// A catalogue that has `a`, as Aiven has, and is asked each minute.
fn fake() -> Fake {
    let fake = Fake::new();
    fake.world().listing_interval = Some(INTERVAL);
    fake.world().listing = listed(&["a"]);
    let b = addresses(&["10.0.1.1"]);
    fake.resolve_to("b.host", b);
    fake
}

const WITH_B: [&str; 3] = [BOTH[0], BOTH[1], "10.0.1.1:9273"];

#[tokio::test(start_paused = true)]
async fn each_keeps_its_pace() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    sleep(Duration::from_secs(361)).await;
    assert_eq!(fake.count("list"), 7);
    assert_eq!(fake.count("services"), 4);
    running.progress_becomes(Progress::Discovered).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_round_waits_for_the_catalogue_and_runs_in_order() {
    let fake = fake();
    fake.world().list = Ok(list([bare_service("a")]));
    fake.world().api_delay = Duration::from_millis(10);
    let started = Instant::now();
    let _running = fake.run_until(&BOTH).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    let calls = fake.world().calls.clone();
    let rounds = ["list", "services", "integrate a ours", "resolve a.host"];
    let first = rounds.map(|round| calls.iter().position(|call| call == round).unwrap());
    assert!(first[..2].iter().all(|it| *it < first[2]), "{calls:?}");
    assert!(first[2] < first[3], "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn the_port_of_a_new_integration_is_asked_for_soon() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    sleep(Duration::from_secs(5)).await;
    fake.world().list = Ok(list([service("a"), bare_service("b")]));
    fake.world().listing = listed(&["a", "b"]);
    running.targets_become(&WITH_B).await;
    let mut integrated = service("b");
    integrated.prometheus_components.push(Component {
        host: None,
        port: Some(9274),
        route: Route::default(),
    });
    fake.world().list = Ok(list([service("a"), integrated]));
    let shown = Instant::now();
    running
        .targets_become(&[BOTH[0], BOTH[1], "10.0.1.1:9274"])
        .await;
    assert!(
        shown.elapsed() < Duration::from_secs(20),
        "{:?}",
        shown.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_service_is_asked_of_aiven_at_once() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    sleep(Duration::from_secs(5)).await;
    // Made just after both were read; the service list would be read after two minutes only.
    fake.world().list = Ok(list([service("a"), bare_service("b")]));
    fake.world().listing = listed(&["a", "b"]);
    let made = Instant::now();
    running.targets_become(&WITH_B).await;
    assert!(made.elapsed() <= INTERVAL, "{:?}", made.elapsed());
    assert_eq!(fake.count("integrate b"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_aiven_lists_late_is_asked_for_soon_and_then_slower() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    fake.world().listing = listed(&["a", "b"]);
    sleep(INTERVAL + Duration::from_secs(10)).await;
    assert!(fake.count("services") >= 3, "{}", fake.count("services"));
    fake.world().list = Ok(list([service("a"), service("b")]));
    let listed_at = Instant::now();
    running.targets_become(&WITH_B).await;
    assert!(listed_at.elapsed() < Duration::from_secs(20));

    // One that never comes costs no more than the usual pace in the end.
    fake.world().listing = listed(&["a", "b", "never"]);
    sleep(Duration::from_secs(3600)).await;
    let before = fake.count("services");
    sleep(Duration::from_secs(3600)).await;
    let calls = fake.count("services") - before;
    assert!((29..=61).contains(&calls), "{calls}");
    let missing = running.discovery.status().missing;
    assert_eq!(missing, ["never"]);
}

#[tokio::test(start_paused = true)]
async fn a_service_without_a_host_name_is_asked_for_soon() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    let mut building = service("b");
    building.host = None;
    fake.world().list = Ok(list([service("a"), building]));
    fake.world().listing = listed(&["a", "b"]);
    sleep(INTERVAL + Duration::from_secs(10)).await;
    fake.world().list = Ok(list([service("a"), service("b")]));
    let built = Instant::now();
    running.targets_become(&WITH_B).await;
    assert!(
        built.elapsed() < Duration::from_secs(20),
        "{:?}",
        built.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_gone_goes_and_what_is_renamed_stays() {
    let fake = fake();
    fake.world().list = Ok(list([service("a"), service("b")]));
    fake.world().listing = listed(&["a", "b"]);
    let running = fake.run_until(&WITH_B).await;
    fake.world().listing = listed(&["b"]);
    running.targets_become(&WITH_B[2..]).await;
    let renamed = LabelSet::from_iter([("service_name", "other")]);
    let services = BTreeMap::from([("b".to_owned(), renamed)]);
    fake.world().listing = Ok(Listing::Services(Arc::new(services)));
    let mut groups = running.discovery.groups();
    let other = groups.wait_for(|groups| groups[0].labels.get("service_name") == Some("other"));
    other.await.unwrap();
    assert_eq!(running.targets(), &WITH_B[2..]);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_listing_publishes_nothing() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    fake.world().listing = listed(&["a"]);
    sleep(Duration::from_secs(601)).await;
    assert!(!groups.has_changed().unwrap());
    assert_eq!(fake.count("services"), 6);
}

#[tokio::test(start_paused = true)]
async fn a_catalogue_that_fails_or_hangs_keeps_everything_and_delays_nothing() {
    let fake = fake();
    let running = fake.run_until(&BOTH).await;
    fake.world().listing = Err(|| CatalogueError::Other("gone".into()));
    let before = (fake.count("list"), fake.count("services"));
    sleep(Duration::from_secs(1201)).await;
    assert_eq!(running.targets(), BOTH);
    let error = running.discovery.status().catalogue_error.unwrap();
    assert_eq!(error, "the service catalogue failed: gone");
    let tried = fake.count("list") - before.0;
    assert!((20..=45).contains(&tried), "{tried}");
    assert_eq!(fake.count("services") - before.1, 10);
    fake.world().listing_hangs = true;
    fake.resolve_to("a.host", addresses(&["10.0.0.3"]));
    running.targets_become(&["10.0.0.3:9273"]).await;
    sleep(Duration::from_secs(600)).await;
    assert_eq!(running.targets(), ["10.0.0.3:9273"]);
    fake.world().listing_hangs = false;
    fake.world().listing = listed(&[]);
    running.targets_become(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn an_aiven_that_is_down_is_not_hammered_for_new_services() {
    for failure in [unreachable as fn() -> _, unauthorized] {
        let fake = fake();
        let running = fake.run_until(&BOTH).await;
        fake.world().list = Err(failure);
        sleep(Duration::from_secs(600)).await;
        let before = fake.count("services");
        for made in 0..10 {
            let names: Vec<_> = (0..=made).map(|it| format!("new-{it}")).collect();
            let mut names: Vec<_> = names.iter().map(String::as_str).collect();
            names.push("a");
            fake.world().listing = listed(&names);
            sleep(INTERVAL).await;
        }
        // One for each listing with something new, beside its own pace.
        let calls = fake.count("services") - before;
        assert!(calls <= 20, "{calls}");
        assert_eq!(running.targets(), BOTH);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_until_both_have_answered() {
    let fake = fake();
    fake.world().listing = Err(|| CatalogueError::Other("gone".into()));
    let running = fake.run();
    sleep(Duration::from_secs(100)).await;
    assert_eq!(*running.discovery.progress().borrow(), Progress::Failed);
    assert!(!running.discovery.groups().has_changed().unwrap());
    fake.world().listing = listed(&["a"]);
    running.targets_become(&BOTH).await;
    running.progress_becomes(Progress::Discovered).await;
}

#[tokio::test(start_paused = true)]
async fn a_successor_starts_with_the_listing_of_before() {
    let fake = fake();
    let former = fake.run_until(&BOTH).await;
    fake.world().listing = Err(|| CatalogueError::Other("gone".into()));
    let (discoverer, discovery) = fake.discoverer_with(settings());
    let successor = Running::start((discoverer.succeeding(&former.discovery), discovery));
    drop(former);
    sleep(Duration::from_secs(600)).await;
    assert_eq!(successor.targets(), BOTH);
}
