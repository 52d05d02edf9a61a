use std::time::Duration;

use aiven_discovery::api::{ApiError, ServiceState};
use aiven_discovery::target_group::NoTargets;
use tokio::time::sleep;

use crate::fakes::{BOTH, Fake, Running, bare_service, list, service, settings, unreachable};

const HOUR: Duration = Duration::from_secs(3600);

fn refused() -> ApiError {
    ApiError::UnexpectedStatus {
        status: 400,
        message: "no".to_owned(),
    }
}

/// A service that was just integrated, of which the list doesn't say so.
async fn unlisted_integration(fake: &Fake) -> Running {
    fake.world().list = Ok(list([bare_service("a")]));
    fake.run_until(&BOTH).await
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_takes_no_targets() {
    let fake = Fake::new();
    let running = unlisted_integration(&fake).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    sleep(Duration::from_secs(450)).await;
    assert!(fake.count("services") >= 4);
    assert_eq!(fake.count("integrate"), 1);
    // Once the list has caught up it is the list that decides.
    fake.world().list = Ok(list([service("a")]));
    sleep(HOUR).await;
    assert_eq!(fake.count("integrate"), 1);
    assert!(!groups.has_changed().unwrap());
    fake.world()
        .integration_failures
        .insert("a".to_owned(), refused);
    fake.world().list = Ok(list([bare_service("a")]));
    running.targets_become(&[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_catches_up_is_asked_about_now_and_then() {
    let fake = Fake::new();
    let running = unlisted_integration(&fake).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    sleep(HOUR).await;
    let asked = fake.count("integrate");
    assert!((5..=7).contains(&asked), "{asked} questions in an hour");
    assert!(!groups.has_changed().unwrap());
    // No answer is no reason, a refusal is one.
    fake.world()
        .integration_failures
        .insert("a".to_owned(), unreachable);
    sleep(HOUR).await;
    assert!(!groups.has_changed().unwrap());
    fake.world()
        .integration_failures
        .insert("a".to_owned(), refused);
    running.targets_become(&[]).await;
    let status = running.discovery.status();
    assert_eq!(
        status.services[0].no_targets,
        Some(NoTargets::NotIntegrated)
    );
}

#[tokio::test(start_paused = true)]
async fn a_successor_believes_what_its_predecessor_was_told() {
    let fake = Fake::new();
    let former = unlisted_integration(&fake).await;
    let (discoverer, discovery) = fake.discoverer_with(settings());
    let successor = Running::start((discoverer.succeeding(&former.discovery), discovery));
    drop(former);
    let mut groups = successor.discovery.groups();
    groups.borrow_and_update();
    sleep(Duration::from_secs(500)).await;
    assert_eq!(fake.count("integrate"), 1);
    assert!(!groups.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_powered_off_is_not_asked_about() {
    let fake = Fake::new();
    let running = unlisted_integration(&fake).await;
    let mut off = bare_service("a");
    off.state = ServiceState::PowerOff;
    fake.world().list = Ok(list([off]));
    running.targets_become(&[]).await;
    sleep(HOUR).await;
    assert_eq!(fake.count("integrate"), 1);
}
