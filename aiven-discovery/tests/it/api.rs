use std::time::{Duration, SystemTime};

use aiven_discovery::api::{
    AivenApi, ApiError, HttpAivenApi, HttpApiBuildError, HttpApiOptions, IntegrationOutcome,
    RetryPolicy, SecretSource,
};
use rest_client::BuildError;
use serde_json::{Value, json};
use wiremock::matchers::{body_json, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SERVICES: &str = "/v1/project/paas/service";

fn options(server: &MockServer) -> HttpApiOptions {
    let url = server.uri().parse().expect("wiremock has a URL");
    HttpApiOptions {
        request_timeout: Duration::from_millis(500),
        retry: RetryPolicy {
            attempts: 3,
            first_wait: Duration::from_millis(1),
            wait_limit: Duration::from_millis(2),
            asked_wait_limit: Duration::from_secs(5),
        },
        ..HttpApiOptions::new(url, "paas", SecretSource::Inline("t0ken".into()))
    }
}

fn api(server: &MockServer) -> HttpAivenApi {
    HttpAivenApi::new(options(server)).expect("a client")
}

fn services(names: &[&str]) -> Value {
    let services: Vec<_> = names
        .iter()
        .map(|name| json!({"service_name": name}))
        .collect();
    json!({ "services": services })
}

async fn answer(server: &MockServer, response: ResponseTemplate, times: u64) {
    Mock::given(path(SERVICES))
        .respond_with(response)
        .up_to_n_times(times)
        .expect(times)
        .mount(server)
        .await;
}

async fn calls(server: &MockServer) -> usize {
    server.received_requests().await.unwrap_or_default().len()
}

#[tokio::test]
async fn requests_are_as_aiven_wants_them() {
    let server = MockServer::start().await;
    let agent = concat!("aiven-discovery/", env!("CARGO_PKG_VERSION"));
    let get = |at: &str| {
        Mock::given(method("GET"))
            .and(path(at))
            .and(header("authorization", "aivenv1 t0ken"))
            .and(header("user-agent", agent))
    };
    get(SERVICES)
        .respond_with(ResponseTemplate::new(200).set_body_json(services(&["a"])))
        .mount(&server)
        .await;
    get("/v1/project/paas/service/a%2Fb")
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"service": {}})))
        .mount(&server)
        .await;
    get("/v1/project/paas/integration_endpoint/e1")
        .and(query_param("include_secrets", "true"))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({
            "service_integration_endpoint": {"endpoint_id": "e1", "endpoint_type": "prometheus",
                "user_config": {"basic_auth_username": "u", "basic_auth_password": "p"}}
        })))
        .mount(&server)
        .await;
    let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    get("/v1/project/paas/kms/ca")
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"certificate": pem})))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/v1/project/paas/integration"))
        .and(body_json(json!({"integration_type": "prometheus", "source_service": "a", "dest_endpoint_id": "e1"})))
        .respond_with(ResponseTemplate::new(200).set_body_json(json!({"service_integration": {}})))
        .mount(&server)
        .await;
    let api = api(&server);
    assert_eq!(api.services().await.unwrap().services[0].name, "a");
    assert!(api.service_exists("a/b").await.unwrap());
    assert!(!api.service_exists("b").await.unwrap());
    let auth = api.endpoint_credentials("e1").await.unwrap().unwrap();
    assert_eq!((&*auth.username, auth.password.expose()), ("u", "p"));
    assert_eq!(api.project_ca().await.unwrap(), pem);
    let outcome = api.create_prometheus_integration("a", "e1").await.unwrap();
    assert_eq!(outcome, IntegrationOutcome::Created);
}

#[tokio::test]
async fn an_integration_that_is_there_is_no_failure() {
    let server = MockServer::start().await;
    let body = json!({"message": "Service integration already exists", "errors": []});
    Mock::given(path("/v1/project/paas/integration"))
        .respond_with(ResponseTemplate::new(409).set_body_json(body))
        .mount(&server)
        .await;
    let outcome = api(&server).create_prometheus_integration("a", "e").await;
    assert_eq!(outcome.unwrap(), IntegrationOutcome::AlreadyThere);
}

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = MockServer::start().await;
        answer(&server, ResponseTemplate::new(status), 2).await;
        let good = ResponseTemplate::new(200).set_body_json(services(&["a"]));
        answer(&server, good, 1).await;
        assert!(api(&server).services().await.is_ok(), "{status}");
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    for status in [400, 401, 403, 404, 418] {
        let server = MockServer::start().await;
        answer(&server, ResponseTemplate::new(status), 1).await;
        assert!(api(&server).services().await.is_err(), "{status}");
        assert_eq!(calls(&server).await, 1, "{status}");
    }
}

#[tokio::test]
async fn attempts_are_bounded() {
    let server = MockServer::start().await;
    answer(&server, ResponseTemplate::new(503), 3).await;
    let error = api(&server).services().await.unwrap_err();
    assert!(
        matches!(error, ApiError::Unavailable { status: 503, .. }),
        "{error}"
    );
    assert_eq!(calls(&server).await, 3);
}

#[tokio::test]
async fn the_wait_that_aiven_asks_for_is_kept() {
    let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    let asking = [
        ResponseTemplate::new(429).insert_header("retry-after", "1"),
        ResponseTemplate::new(503).insert_header("retry-after", soon.as_str()),
        ResponseTemplate::new(429)
            .set_body_json(json!({"message": "Rate limited, try again in 1s"})),
    ];
    for response in asking {
        let server = MockServer::start().await;
        answer(&server, response.clone(), 1).await;
        let good = ResponseTemplate::new(200).set_body_json(services(&[]));
        answer(&server, good, 1).await;
        let started = tokio::time::Instant::now();
        api(&server).services().await.unwrap();
        assert!(
            started.elapsed() >= Duration::from_millis(900),
            "{response:?}"
        );
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_passed_on() {
    let server = MockServer::start().await;
    let body = json!({"message": "Too many requests, try again in 28s"});
    answer(&server, ResponseTemplate::new(429).set_body_json(body), 1).await;
    let error = api(&server).services().await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(28)));
    assert_eq!(calls(&server).await, 1);
}

#[tokio::test]
async fn a_changed_token_file_is_tried_at_once() {
    let server = MockServer::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "old\n").unwrap();
    let renewed = file.clone();
    Mock::given(header("authorization", "aivenv1 old"))
        .respond_with(move |_: &wiremock::Request| {
            std::fs::write(&renewed, "new\n").unwrap();
            ResponseTemplate::new(401)
        })
        .mount(&server)
        .await;
    Mock::given(header("authorization", "aivenv1 new"))
        .respond_with(ResponseTemplate::new(200).set_body_json(services(&[])))
        .mount(&server)
        .await;
    let api = HttpAivenApi::new(HttpApiOptions {
        token: SecretSource::File(file.clone()),
        ..options(&server)
    });
    let api = api.unwrap();
    api.services().await.unwrap();
    assert_eq!(calls(&server).await, 2);

    for (content, want) in [("", "no api token"), ("a b", "no api token")] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(api.services().await.unwrap_err().to_string(), want);
    }
    std::fs::remove_file(&file).unwrap();
    assert!(matches!(api.services().await, Err(ApiError::Token(_))));
    assert_eq!(calls(&server).await, 2);
}

#[tokio::test]
async fn errors_tell_the_kinds_apart_and_hold_no_body() {
    let body = json!({
        "message": "no\u{7}pe for token t0ken at https://avnadmin:hunter2@h:1/",
        "errors": [{"message": "hunter2"}],
        "service_uri": "https://avnadmin:hunter2@h:1",
    });
    for (status, want) in [
        (
            401,
            "aiven refuses the token (401): no pe for token <secret> at https://h:1/",
        ),
        (
            403,
            "aiven forbids this to the token (403): no pe for token <secret> at https://h:1/",
        ),
        (
            404,
            "aiven knows no such thing (404): no pe for token <secret> at https://h:1/",
        ),
        (
            500,
            "aiven fails with status 500: no pe for token <secret> at https://h:1/",
        ),
    ] {
        let server = MockServer::start().await;
        let response = ResponseTemplate::new(status).set_body_json(&body);
        Mock::given(path(SERVICES))
            .respond_with(response)
            .mount(&server)
            .await;
        let error = api(&server).services().await.unwrap_err();
        assert_eq!(error.to_string(), want);
        assert!(!format!("{error:?}").contains("hunter2"));
        assert!(!format!("{error:?}").contains("t0ken"));
    }
}

#[tokio::test]
async fn nonsense_is_told_from_failure() {
    let bodies = [
        "",
        "<html>hunter2</html>",
        "{\"hunter2\":",
        "[]",
        "{\"services\": 7}",
    ];
    for body in bodies {
        let server = MockServer::start().await;
        answer(&server, ResponseTemplate::new(200).set_body_string(body), 1).await;
        let error = api(&server).services().await.unwrap_err();
        assert!(
            matches!(error, ApiError::Nonsense { .. }),
            "{body}: {error}"
        );
        assert!(!format!("{error:?}").contains("hunter2"), "{body}");
    }
}

#[tokio::test]
async fn a_hanging_api_times_out() {
    let server = MockServer::start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(path(SERVICES))
        .respond_with(late)
        .mount(&server)
        .await;
    let error = HttpAivenApi::new(HttpApiOptions {
        request_timeout: Duration::from_millis(50),
        ..options(&server)
    });
    let error = error.unwrap().services().await.unwrap_err();
    assert_eq!(error.to_string(), "no answer from aiven within 50ms");
    assert_eq!(calls(&server).await, 3);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let server = MockServer::start().await;
    let api = HttpAivenApi::new(HttpApiOptions {
        url: url.parse().unwrap(),
        ..options(&server)
    });
    let error = api.unwrap().services().await.unwrap_err();
    assert!(matches!(error, ApiError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let server = MockServer::start().await;
    let elsewhere = MockServer::start().await;
    let redirect = ResponseTemplate::new(302).insert_header("location", elsewhere.uri().as_str());
    answer(&server, redirect, 1).await;
    let error = api(&server).services().await.unwrap_err();
    assert!(
        matches!(error, ApiError::UnexpectedStatus { status: 302, .. }),
        "{error}"
    );
    assert_eq!(calls(&elsewhere).await, 0);
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_refused() {
    let server = MockServer::start().await;
    let body = services(&["a"]).to_string();
    let length = body.len();
    let response = ResponseTemplate::new(200).set_body_string(body);
    Mock::given(path(SERVICES))
        .respond_with(response)
        .mount(&server)
        .await;
    let api = |body_size_limit| {
        let options = HttpApiOptions {
            body_size_limit,
            ..options(&server)
        };
        HttpAivenApi::new(options).unwrap()
    };
    assert!(api(length).services().await.is_ok());
    let error = api(length - 1).services().await.unwrap_err();
    assert!(matches!(error, ApiError::BodyTooLarge { .. }), "{error}");
}

#[tokio::test]
async fn the_address_may_have_a_path_and_must_make_sense() {
    let server = MockServer::start().await;
    Mock::given(path("/base/v1/project/paas/service"))
        .respond_with(ResponseTemplate::new(200).set_body_json(services(&[])))
        .mount(&server)
        .await;
    let build = |url: String, project: &str| {
        HttpAivenApi::new(HttpApiOptions {
            url: url.parse().unwrap(),
            project: project.to_owned(),
            ..options(&server)
        })
    };
    for base in ["/base", "/base/", "/base/?q#f"] {
        let api = build(format!("{}{base}", server.uri()), "paas").unwrap();
        assert!(api.services().await.is_ok(), "{base}");
    }
    for url in ["ftp://h/", "https://u:p@h/", "mailto:a@b"] {
        let error = build(url.to_owned(), "paas");
        assert!(
            matches!(error, Err(HttpApiBuildError::Client(BuildError::Url))),
            "{url}"
        );
    }
    for project in ["", ".", ".."] {
        let error = build(server.uri(), project);
        assert!(
            matches!(error, Err(HttpApiBuildError::Project(_))),
            "{project}"
        );
    }
}

#[test]
fn an_additional_ca_must_be_one() {
    for pem in [
        "",
        "no certificate",
        "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n",
    ] {
        let url = "http://127.0.0.1:1".parse().unwrap();
        let token = SecretSource::Inline("t0ken".into());
        let error = HttpAivenApi::new(HttpApiOptions {
            extra_ca_pem: Some(pem.to_owned()),
            ..HttpApiOptions::new(url, "paas", token)
        });
        assert!(
            matches!(error, Err(HttpApiBuildError::Client(BuildError::ExtraCa))),
            "{pem}"
        );
    }
}
