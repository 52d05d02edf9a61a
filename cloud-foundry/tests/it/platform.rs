//! A Cloud Foundry of a few instances, made of mocks that a test can put others before.

use std::time::Duration;

use cloud_foundry::{
    CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter, RetryPolicy, SecretSource,
    Session,
};
use serde_json::{Value, json};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockBuilder, MockServer, Request, ResponseTemplate};

pub(crate) const OFFERINGS: &str = "/v3/service_offerings";
pub(crate) const PLANS: &str = "/v3/service_plans";
pub(crate) const INSTANCES: &str = "/v3/service_instances";
pub(crate) const TOKEN: &str = "/oauth/token";

/// The API and UAA on one server.
pub(crate) async fn start() -> MockServer {
    let server = MockServer::start().await;
    mount_root(&server).await;
    server
}

pub(crate) async fn mount_root(server: &MockServer) {
    let root = json!({"links": {
        "uaa": {"href": server.uri()},
        "login": {"href": "http://127.0.0.1:1"},
        "cloud_controller_v3": {"href": format!("{}/v3", server.uri()), "meta": {"version": "3.180.0"}},
    }});
    get("/").respond_with(ok(root)).mount(server).await;
}

/// Offerings, plans and instances, whatever the token.
pub(crate) async fn mount_lists(server: &MockServer, instances: &[&str]) {
    mount_offerings(server).await;
    get(INSTANCES)
        .respond_with(ok(instance_page(instances, None)))
        .mount(server)
        .await;
}

pub(crate) async fn mount_offerings(server: &MockServer) {
    let offerings = json!([{"guid": "o-1", "name": "opensearch"}]);
    get(OFFERINGS)
        .respond_with(ok(page(offerings, None)))
        .mount(server)
        .await;
    let plans = json!([{
        "guid": "p-1",
        "name": "small",
        "relationships": {"service_offering": {"data": {"guid": "o-1"}}},
    }]);
    get(PLANS)
        .respond_with(ok(page(plans, None)))
        .mount(server)
        .await;
}

/// UAA hands out `token` for the grant, for ever.
pub(crate) async fn mount_grant(server: &MockServer, grant: &str, token: Value) {
    grant_request(grant)
        .respond_with(ok(token))
        .mount(server)
        .await;
}

/// UAA refuses the grant, with its own words.
pub(crate) async fn refuse_grant(
    server: &MockServer,
    grant: &str,
    status: u16,
    [error, description]: [&str; 2],
) {
    let body = json!({"error": error, "error_description": description});
    grant_request(grant)
        .respond_with(ResponseTemplate::new(status).set_body_json(body))
        .mount(server)
        .await;
}

pub(crate) fn grant_request(grant: &str) -> MockBuilder {
    Mock::given(method("POST"))
        .and(path(TOKEN))
        .and(body_string_contains(format!("grant_type={grant}")))
}

pub(crate) fn get(at: &str) -> MockBuilder {
    Mock::given(method("GET")).and(path(at))
}

pub(crate) fn ok(body: Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

pub(crate) fn token(access: &str, refresh: Option<&str>, expires_in: u64) -> Value {
    let mut token = json!({
        "access_token": access,
        "token_type": "bearer",
        "expires_in": expires_in,
        "scope": "cloud_controller.read",
        "jti": "1",
    });
    if let Some(refresh) = refresh {
        token["refresh_token"] = json!(refresh);
    }
    token
}

pub(crate) fn page(resources: Value, next: Option<&str>) -> Value {
    let total = resources.as_array().map_or(0, Vec::len);
    let next = next.map(|href| json!({"href": href}));
    json!({
        "pagination": {"total_results": total, "total_pages": 1, "next": next, "previous": null},
        "resources": resources,
    })
}

/// A page of instances of the plan, all in one space.
pub(crate) fn instance_page(guids: &[&str], next: Option<&str>) -> Value {
    let mut page = page(guids.iter().map(|guid| instance(guid)).collect(), next);
    page["included"] = json!({
        "spaces": [{
            "guid": "s-1",
            "name": "sandbox",
            "relationships": {"organization": {"data": {"guid": "org-1"}}},
        }],
        "organizations": [{"guid": "org-1", "name": "tenant-a"}],
    });
    page
}

pub(crate) fn instance(guid: &str) -> Value {
    json!({
        "guid": guid,
        "name": format!("name of {guid}"),
        "type": "managed",
        "tags": [],
        "last_operation": {"type": "create", "state": "succeeded", "description": "…"},
        "relationships": {
            "space": {"data": {"guid": "s-1"}},
            "service_plan": {"data": {"guid": "p-1"}},
        },
    })
}

/// Three attempts, with short waits.
pub(crate) fn options(server: &MockServer) -> CloudFoundryOptions {
    CloudFoundryOptions {
        request_timeout: Duration::from_secs(20),
        login_timeout: Duration::from_secs(20),
        retry: RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            wait_limit: Duration::from_millis(10),
            asked_wait_limit: Duration::from_secs(5),
        },
        ..CloudFoundryOptions::new(server.uri().parse().unwrap())
    }
}

pub(crate) fn platform(server: &MockServer) -> CloudFoundry {
    CloudFoundry::new(options(server)).unwrap()
}

/// With a token that needs no UAA.
pub(crate) fn with_token(server: &MockServer) -> Session {
    let token = SecretSource::Inline("bearer t0ken".into());
    platform(server).session(Credentials::Token(token))
}

pub(crate) fn as_client(server: &MockServer) -> Session {
    platform(server).session(Credentials::Client {
        id: "exporter".to_owned(),
        secret: SecretSource::Inline("s3cret".into()),
    })
}

pub(crate) fn as_user(server: &MockServer) -> Session {
    platform(server).session(Credentials::User {
        username: "somebody".to_owned(),
        password: SecretSource::Inline("pa55word".into()),
    })
}

pub(crate) fn opensearch() -> InstanceFilter {
    InstanceFilter {
        service_offerings: vec!["opensearch".to_owned()],
        ..InstanceFilter::default()
    }
}

/// The guids that `session` lists.
pub(crate) async fn guids(session: &Session) -> Result<Vec<String>, cloud_foundry::ListError> {
    let found = session.service_instances(&opensearch()).await?;
    let instances = found.instances.into_iter();
    Ok(instances.map(|instance| instance.guid).collect())
}

/// The requests for `at`.
pub(crate) async fn requests(server: &MockServer, at: &str) -> Vec<Request> {
    let requests = server.received_requests().await.unwrap();
    let at_path = requests.into_iter().filter(|it| it.url.path() == at);
    at_path.collect()
}

/// The form in the body of `request`.
pub(crate) fn form(request: &Request) -> Vec<(String, String)> {
    let mut url = request.url.clone();
    url.set_query(Some(std::str::from_utf8(&request.body).unwrap()));
    url.query_pairs().into_owned().collect()
}

#[track_caller]
pub(crate) fn assert_form(request: &Request, want: &[(&str, &str)]) {
    let form = form(request);
    let form: Vec<_> = form
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!(form, want);
}

/// The values of `Authorization` that requests for `at` had.
pub(crate) async fn authorizations(server: &MockServer, at: &str) -> Vec<String> {
    let requests = requests(server, at).await;
    let header = |request: &Request| {
        Some(
            request
                .headers
                .get("authorization")?
                .to_str()
                .ok()?
                .to_owned(),
        )
    };
    requests.iter().filter_map(header).collect()
}

/// Fails where `error` or its causes show a secret that the tests use.
pub(crate) fn assert_tells_no_secret(error: &(dyn std::error::Error + 'static)) {
    let mut text = format!("{error:?}");
    let mut cause = Some(error);
    while let Some(error) = cause {
        text.push_str(&error.to_string());
        cause = error.source();
    }
    for secret in ["t0ken", "s3cret", "pa55word", "hunter2"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
