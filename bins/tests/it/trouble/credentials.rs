//! The endpoint's credentials change.

use fixtures::MockAiven;
use fixtures::api::Call;

use crate::support::exporter::config;
use crate::support::system::{Scraped as _, System};

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_is_taken_up_without_a_restart() {
    let mut system = System::start().await;
    assert_eq!(system.aiven.api().count(Call::Endpoint), 1);
    system.aiven.set_password("another-password-cm90YXRlZA");
    system
        .logs("server returned HTTP status 401 Unauthorized")
        .await;
    system.complete().await;
    let api = system.aiven.api();
    assert_eq!(api.count(Call::Endpoint), 2);
    let secrets = api.requests_of(Call::Endpoint);
    assert!(
        secrets
            .iter()
            .all(|request| request.query == "include_secrets=true")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_refuse_for_good_do_not_make_the_api_be_asked_at_each_scrape() {
    let system = System::start().await;
    let nodes = system.aiven.nodes();
    nodes[0].set_credentials("somebody", "else");
    nodes[0].scraped_again(8).await;
    // The first time at the start; then, at intervals that grow, for some of the refusals.
    let refused = nodes[0].scrapes();
    let refused = refused.iter().filter(|scrape| scrape.status == Some(401));
    let (refused, asked) = (refused.count(), system.aiven.api().count(Call::Endpoint));
    assert!((asked - 1) * 2 <= refused as u64, "{asked} for {refused}");
    system.is_up(&nodes[1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_of_the_job_win() {
    let aiven = MockAiven::builder().nodes(1).start().await.unwrap();
    let own = "basic_auth: {username: theirs, password: hunter2}\n";
    let node = aiven.nodes()[0].clone();
    node.set_credentials("theirs", "hunter2");
    let system = System::of_aiven(aiven, |aiven| config(aiven, own), &[]).await;
    system.complete().await;
    assert!(
        node.scrapes()
            .iter()
            .all(|scrape| scrape.status == Some(200))
    );
    // Aiven's are of no use here.
    node.set_credentials("theirs", "changed");
    node.scraped_again(3).await;
    assert_eq!(system.aiven.api().count(Call::Endpoint), 1);
    let users: Vec<_> = node
        .scrapes()
        .into_iter()
        .map(|scrape| scrape.user)
        .collect();
    assert!(users.iter().all(|user| user.as_deref() == Some("theirs")));
}
