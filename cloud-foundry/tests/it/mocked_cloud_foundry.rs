//! The client against a platform with users, roles, pages and faults.

use std::collections::BTreeSet;
use std::time::Duration;

use cloud_foundry::{
    CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter, ListError, LoginError,
    RetryPolicy, SecretSource, Session,
};
use fixtures::MockCloudFoundry;
use fixtures::cloud_foundry::{ApiCall, Builder, Fault, Instance, Role, UaaCall};

const USER: &str = "user@tenant-a.test";
const PASSWORD: &str = "mock-password-bG9naW4";
const PRODUCTION: (&str, &str) = ("tenant-a", "production");
const STAGING: (&str, &str) = ("tenant-b", "staging");

fn builder() -> Builder {
    MockCloudFoundry::builder()
        .instance(Instance::opensearch("logs").space(PRODUCTION))
        .instance(Instance::elasticsearch("search").space(STAGING))
        .instance(Instance::managed("db", "postgres", "small").space(PRODUCTION))
        .instance(Instance::user_provided("drain").space(PRODUCTION))
        .user(USER, PASSWORD)
        .role(USER, Role::space_auditor(PRODUCTION))
}

fn client_of(platform: &MockCloudFoundry) -> CloudFoundry {
    let options = CloudFoundryOptions {
        request_timeout: Duration::from_secs(5),
        login_timeout: Duration::from_secs(10),
        retry: RetryPolicy {
            attempts: 2,
            first_wait: Duration::from_millis(1),
            wait_limit: Duration::from_millis(1),
            asked_wait_limit: Duration::from_secs(1),
        },
        ..CloudFoundryOptions::new(platform.api_url().parse().unwrap())
    };
    CloudFoundry::new(options).unwrap()
}

fn session_of(platform: &MockCloudFoundry) -> Session {
    client_of(platform).session(Credentials::Client {
        id: platform.client_id().to_owned(),
        secret: SecretSource::Inline(platform.client_secret().into()),
    })
}

fn search() -> InstanceFilter {
    InstanceFilter {
        service_offerings: vec!["elasticsearch".to_owned(), "opensearch".to_owned()],
        ..InstanceFilter::default()
    }
}

/// `organization/space/instance` of each, sorted.
async fn listed(session: &Session, filter: &InstanceFilter) -> Vec<String> {
    let found = session.service_instances(filter).await.unwrap();
    let mut names: Vec<_> = found
        .instances
        .iter()
        .map(|it| {
            let organization = it.organization.name.as_deref().unwrap_or("?");
            format!("{organization}/{}/{}", it.space.name, it.name)
        })
        .collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn a_client_lists_what_the_filter_is_for() {
    let platform = builder().start().await.unwrap();
    let session = session_of(&platform);
    let both = ["tenant-a/production/logs", "tenant-b/staging/search"];
    assert_eq!(listed(&session, &search()).await, both);
    let all = InstanceFilter::default();
    assert_eq!(
        listed(&session, &all).await,
        ["tenant-a/production/db", both[0], both[1]]
    );
    let organization = fixtures::cloud_foundry::organization_guid("tenant-b");
    for organization in ["tenant-b".to_owned(), organization] {
        let filter = InstanceFilter {
            organizations: vec![organization],
            ..search()
        };
        assert_eq!(listed(&session, &filter).await, ["tenant-b/staging/search"]);
    }
}

#[tokio::test]
async fn pages_and_changes_are_followed() {
    let platform = builder().page_limit(1).start().await.unwrap();
    let session = session_of(&platform);
    assert_eq!(listed(&session, &search()).await.len(), 2);
    let logs = platform.instances()[0].clone();
    platform.rename_instance(logs.guid(), "old, logs").unwrap();
    platform.share_instance(logs.guid(), STAGING).unwrap();
    let want = ["tenant-a/production/old, logs", "tenant-b/staging/search"];
    assert_eq!(listed(&session, &search()).await, want);
    platform.delete_instance(logs.guid()).unwrap();
    assert_eq!(
        listed(&session, &search()).await,
        ["tenant-b/staging/search"]
    );
}

#[tokio::test]
async fn tokens_end_and_are_renewed() {
    let platform = builder().start().await.unwrap();
    let as_client = session_of(&platform);
    let as_user = client_of(&platform).session(Credentials::User {
        username: USER.to_owned(),
        password: SecretSource::Inline(PASSWORD.into()),
    });
    for session in [&as_client, &as_user] {
        listed(session, &search()).await;
    }
    // The mock's time, which the client doesn't see: to it the tokens are as good as before.
    platform.advance(Duration::from_secs(601));
    for session in [&as_client, &as_user] {
        listed(session, &search()).await;
    }
    assert_eq!(platform.uaa().count(UaaCall::RefreshToken), 1);
    assert_eq!(platform.uaa().count(UaaCall::Password), 1);
    platform.revoke_all_tokens();
    for session in [&as_client, &as_user] {
        listed(session, &search()).await;
    }
    assert_eq!(platform.uaa().count(UaaCall::RefreshToken), 2);
    assert_eq!(platform.uaa().count(UaaCall::Password), 2);
}

#[tokio::test]
async fn a_user_logs_in_and_sees_their_spaces() {
    let platform = builder().start().await.unwrap();
    let client = client_of(&platform);
    // In a task, as a server does it.
    let seen = async || {
        let client = client.clone();
        let login = async move { client.login(USER, &PASSWORD.into()).await };
        tokio::spawn(login).await.unwrap().unwrap()
    };
    let want = || {
        let instances = platform.visible_instances(USER);
        let managed = instances.iter().filter(|it| it.name() != "drain");
        managed
            .map(|it| it.guid().to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(seen().await, want());
    assert_eq!(want().len(), 2);
    let search = platform.instances()[1].clone();
    platform.share_instance(search.guid(), PRODUCTION).unwrap();
    assert!(seen().await.contains(search.guid()));
    platform.revoke(USER, &Role::space_auditor(PRODUCTION));
    assert!(seen().await.is_empty());
}

#[tokio::test]
async fn logins_that_fail_are_told_apart() {
    let platform = builder().start().await.unwrap();
    let client = client_of(&platform);
    let login = |password: &'static str| {
        let client = client.clone();
        async move { client.login(USER, &password.into()).await.unwrap_err() }
    };
    platform
        .uaa()
        .fail_call(UaaCall::Password, Fault::RouterPage(502));
    assert!(matches!(login(PASSWORD).await, LoginError::Unavailable(_)));
    platform
        .uaa()
        .fail_call(UaaCall::Password, Fault::RouterPage(401));
    assert!(matches!(login(PASSWORD).await, LoginError::Unavailable(_)));
    platform.uaa().heal();
    platform
        .api()
        .fail_call(ApiCall::ServiceInstances, Fault::Nonsense);
    assert!(matches!(login(PASSWORD).await, LoginError::Unavailable(_)));
    platform.api().heal();
    for _ in 0..5 {
        assert!(matches!(login("wrong").await, LoginError::WrongCredentials));
    }
    assert!(matches!(login(PASSWORD).await, LoginError::AccountLocked));
    platform.uaa().down().await;
    assert!(matches!(login(PASSWORD).await, LoginError::Unavailable(_)));
}

#[tokio::test]
async fn no_fault_shows_a_secret_or_makes_up_a_list() {
    let platform = builder().start().await.unwrap();
    let session = session_of(&platform);
    listed(&session, &search()).await;
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(500),
        Fault::RetryAfter {
            status: 429,
            seconds: 60,
        },
        Fault::Disconnect,
        Fault::Truncated,
        Fault::MalformedJson,
        Fault::Body(String::new()),
        Fault::RouterPage(404),
        Fault::Null,
        Fault::Nonsense,
        Fault::FirstPageAgain,
        Fault::NextElsewhere("http://127.0.0.1:1/v3/service_instances".to_owned()),
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
    ];
    for fault in faults {
        platform.api().fail(fault.clone());
        let result = session.service_instances(&search()).await;
        let error: ListError = result.expect_err(&format!("{fault:?}"));
        let shown = format!("{error:?} {error}");
        for secret in platform.secrets() {
            assert!(!shown.contains(&secret), "{fault:?}: {shown}");
        }
        platform.api().heal();
    }
    assert_eq!(listed(&session, &search()).await.len(), 2);
}
