use std::sync::Arc;
use std::time::Duration;

use prom_model::target::{Access, ServerIdentity};
use tokio::time::sleep;

use crate::fakes::{BOTH, Fake, Running, auth, list, service, unauthorized, unreachable};

fn access(running: &Running) -> Arc<dyn Access> {
    let groups = running.discovery.groups();
    let groups = groups.borrow();
    groups[0].access.clone().expect("a group has access")
}

#[tokio::test(start_paused = true)]
async fn the_first_targets_come_with_credentials_and_identity() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let access = access(&running);
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("first")));
    let want = ServerIdentity {
        server_name: "a.host".to_owned(),
        ca_pem: "the ca".to_owned(),
    };
    assert_eq!(access.server_identity().as_deref(), Some(&want));
    assert!(!format!("{access:?}").contains("first"));
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_are_read_again() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let access = access(&running);
    sleep(Duration::from_secs(60)).await;
    fake.world().credentials = Ok(Some(auth("second")));
    let used = access.basic_auth().unwrap();
    access.rejected(&used);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("second")));
    // What was refused is no longer in use.
    access.rejected(&used);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(fake.count("credentials"), 2);
    // The group is the same, so that nothing was published.
    assert!(Arc::ptr_eq(&access, &self::access(&running)));
}

#[tokio::test(start_paused = true)]
async fn refusals_that_a_reading_does_not_help_are_rate_limited() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let access = access(&running);
    for _ in 0..3600 {
        access.rejected(&access.basic_auth().unwrap());
        sleep(Duration::from_secs(1)).await;
    }
    let reads = fake.count("credentials");
    assert!((10..=40).contains(&reads), "{reads} readings in an hour");
}

#[tokio::test(start_paused = true)]
async fn credentials_stay_while_they_cannot_be_read() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let access = access(&running);
    fake.world().credentials = Err(unreachable);
    fake.world().ca = Err(unreachable);
    access.rejected(&access.basic_auth().unwrap());
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("first")));
    assert_eq!(access.server_identity().unwrap().ca_pem, "the ca");
    let status = running.discovery.status();
    assert_eq!(
        status.credentials_error.as_deref(),
        Some("aiven's api is unreachable: connection refused")
    );
    // An endpoint that had credentials and shows none is no better.
    fake.world().credentials = Ok(None);
    fake.world().ca = Ok("another ca".to_owned());
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("first")));
    assert_eq!(access.server_identity().unwrap().ca_pem, "another ca");
    let status = running.discovery.status();
    assert_eq!(
        status.credentials_error.as_deref(),
        Some("aiven's answer makes no sense: the endpoint has no credentials, where it had some")
    );
    fake.world().credentials = Ok(Some(auth("second")));
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("second")));
    assert_eq!(running.discovery.status().credentials_error, None);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_without_credentials_from_the_first_is_none_to_complain_of() {
    let fake = Fake::new();
    fake.world().credentials = Ok(None);
    let running = fake.run_until(&BOTH).await;
    assert_eq!(access(&running).basic_auth(), None);
    assert_eq!(running.discovery.status().credentials_error, None);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_read_as_soon_as_the_api_answers_again() {
    let fake = Fake::new();
    fake.world().list = Err(unauthorized);
    fake.world().credentials = Err(unauthorized);
    fake.world().ca = Err(unauthorized);
    let running = fake.run();
    sleep(Duration::from_secs(400)).await;
    // The token is good again: what comes first with the targets is how to reach them.
    fake.world().list = Ok(list([service("a")]));
    fake.world().credentials = Ok(Some(auth("first")));
    fake.world().ca = Ok("the ca".to_owned());
    running.targets_become(&BOTH).await;
    sleep(Duration::from_secs(1)).await;
    let access = access(&running);
    assert_eq!(access.basic_auth().as_deref(), Some(&auth("first")));
    assert_eq!(access.server_identity().unwrap().ca_pem, "the ca");
}

#[tokio::test(start_paused = true)]
async fn another_host_name_changes_the_identity_behind_the_same_access() {
    let fake = Fake::new();
    let running = fake.run_until(&BOTH).await;
    let access = access(&running);
    let mut moved = service("a");
    moved.host = Some("moved.host".to_owned());
    fake.world().list = Ok(list([moved]));
    sleep(Duration::from_secs(300)).await;
    // Its addresses aren't known, those of before stay.
    assert_eq!(running.targets(), BOTH);
    assert_eq!(access.server_identity().unwrap().server_name, "moved.host");
    assert!(Arc::ptr_eq(&access, &self::access(&running)));
}
