use std::time::Duration;

use cloud_foundry::{
    AnswerError, CloudFoundry, CloudFoundryOptions, ListError, RetryPolicy, Session, Transient,
};
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use crate::platform::{
    OFFERINGS, assert_tells_no_secret, get, guids, mount_lists, mount_root, ok, options, requests,
    start, with_token,
};

#[tokio::test]
async fn what_may_pass_is_tried_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let server = start().await;
        get(OFFERINGS)
            .respond_with(ResponseTemplate::new(status))
            .up_to_n_times(2)
            .mount(&server)
            .await;
        mount_lists(&server, &["a"]).await;
        assert_eq!(
            guids(&with_token(&server)).await.unwrap(),
            ["a"],
            "{status}"
        );
    }
}

#[tokio::test]
async fn what_will_not_pass_is_not_tried_again() {
    let detail = "no\u{7}pe for bearer t0ken at https://u:hunter2@h/";
    let body = json!({
        "errors": [{"code": 10003, "title": "CF-NotAuthorized", "detail": detail}],
        "password": "hunter2",
    });
    for (status, want) in [
        (400, "the cloud foundry api answers with status 400"),
        (403, "the cloud foundry api forbids this to the token (403)"),
        (404, "the cloud foundry api answers with status 404"),
        (418, "the cloud foundry api answers with status 418"),
    ] {
        let server = start().await;
        get(OFFERINGS)
            .respond_with(ResponseTemplate::new(status).set_body_json(&body))
            .mount(&server)
            .await;
        let error = guids(&with_token(&server)).await.unwrap_err();
        let message = "CF-NotAuthorized: no pe for bearer <secret> at https://h/";
        assert_eq!(error.to_string(), format!("{want}: {message}"));
        assert_tells_no_secret(&error);
        assert_eq!(requests(&server, OFFERINGS).await.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_wait_that_is_too_long_is_passed_on() {
    let server = start().await;
    get(OFFERINGS)
        .respond_with(ResponseTemplate::new(429).insert_header("retry-after", "28"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    let error = guids(&with_token(&server)).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(28)));
    assert_eq!(requests(&server, OFFERINGS).await.len(), 1);

    let reset = std::time::SystemTime::now() + Duration::from_secs(600);
    let reset = reset
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    get(OFFERINGS)
        .respond_with(
            ResponseTemplate::new(429).insert_header("x-ratelimit-reset", reset.to_string()),
        )
        .mount(&server)
        .await;
    let error = guids(&with_token(&server)).await.unwrap_err();
    let asked = error.retry_after().unwrap().as_secs();
    assert!((500..=600).contains(&asked), "{asked}");
}

#[tokio::test]
async fn a_redirect_takes_the_token_nowhere() {
    let elsewhere = MockServer::start().await;
    let server = start().await;
    let redirect = ResponseTemplate::new(302).insert_header("location", elsewhere.uri().as_str());
    get(OFFERINGS).respond_with(redirect).mount(&server).await;
    let error = guids(&with_token(&server)).await.unwrap_err();
    let status = matches!(
        &error,
        ListError::Answer(AnswerError::UnexpectedStatus { status: 302, .. })
    );
    assert!(status, "{error}");
    assert_eq!(elsewhere.received_requests().await.unwrap().len(), 0);
}

#[tokio::test]
async fn an_api_that_hangs_times_out() {
    let server = start().await;
    let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    get(OFFERINGS).respond_with(late).mount(&server).await;
    let hasty = CloudFoundry::new(CloudFoundryOptions {
        request_timeout: Duration::from_millis(100),
        ..options(&server)
    });
    let token = cloud_foundry::SecretSource::Inline("t".into());
    let session = hasty
        .unwrap()
        .session(cloud_foundry::Credentials::Token(token));
    let error = guids(&session).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no answer from the cloud foundry api within 100ms"
    );
    assert_eq!(requests(&server, OFFERINGS).await.len(), 3);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let free = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let alone = CloudFoundry::new(CloudFoundryOptions {
        retry: RetryPolicy {
            attempts: 1,
            ..RetryPolicy::default()
        },
        ..CloudFoundryOptions::new(free.parse().unwrap())
    });
    let error = alone
        .unwrap()
        .login("somebody", &"pa55word".into())
        .await
        .unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the cloud foundry api is unreachable");
    assert_tells_no_secret(&error);
}

/// Has the API answer a call of `session` as if it had moved.
async fn fail_once(server: &MockServer, session: &Session) {
    get(OFFERINGS)
        .respond_with(ResponseTemplate::new(404))
        .up_to_n_times(1)
        .with_priority(1)
        .mount(server)
        .await;
    assert!(guids(session).await.is_err());
}

#[tokio::test]
async fn the_root_is_remembered_and_asked_again_after_a_failure() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    let session = with_token(&server);
    guids(&session).await.unwrap();
    guids(&session).await.unwrap();
    assert_eq!(requests(&server, "/").await.len(), 1);
    fail_once(&server, &session).await;
    guids(&session).await.unwrap();
    assert_eq!(requests(&server, "/").await.len(), 2);
}

#[tokio::test]
async fn a_root_that_fails_leaves_the_addresses_of_before() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    let session = with_token(&server);
    guids(&session).await.unwrap();
    fail_once(&server, &session).await;
    get("/")
        .respond_with(ResponseTemplate::new(503))
        .with_priority(1)
        .mount(&server)
        .await;
    assert_eq!(guids(&session).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_root_that_makes_no_sense_is_refused() {
    for body in [
        "",
        "hunter2",
        "{}",
        "{\"links\": {\"uaa\": {\"href\": \"ftp://hunter2\"}}}",
    ] {
        let server = MockServer::start().await;
        get("/")
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&server)
            .await;
        let error = guids(&with_token(&server)).await.unwrap_err();
        assert!(
            matches!(error, ListError::Answer(AnswerError::Nonsense { .. })),
            "{body}: {error}"
        );
        assert_tells_no_secret(&error);
    }
}

#[tokio::test]
async fn uaa_may_be_elsewhere_and_gets_no_token_of_the_api() {
    let uaa = MockServer::start().await;
    let server = MockServer::start().await;
    let links = json!({"links": {"login": {"href": uaa.uri()}, "uaa": null}});
    get("/").respond_with(ok(links)).mount(&server).await;
    mount_lists(&server, &["a"]).await;
    crate::platform::mount_grant(
        &uaa,
        "client_credentials",
        crate::platform::token("t0ken", None, 600),
    )
    .await;
    assert_eq!(
        guids(&crate::platform::as_client(&server)).await.unwrap(),
        ["a"]
    );
    let asked = uaa.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    assert!(!asked[0].headers.contains_key("authorization"));
}

#[tokio::test]
async fn the_address_may_have_a_path_and_must_make_sense() {
    let server = MockServer::start().await;
    mount_root(&server).await;
    for url in ["ftp://h/", "https://u:p@h/", "mailto:a@b", "data:x"] {
        let options = CloudFoundryOptions::new(url.parse().unwrap());
        assert!(CloudFoundry::new(options).is_err(), "{url}");
    }
    get("/base/")
        .respond_with(ok(json!({"links": {"uaa": {"href": server.uri()}}})))
        .mount(&server)
        .await;
    get("/base/v3/service_instances")
        .respond_with(ok(crate::platform::instance_page(&["a"], None)))
        .mount(&server)
        .await;
    crate::platform::mount_grant(
        &server,
        "password",
        crate::platform::token("t0ken", None, 600),
    )
    .await;
    for base in ["/base", "/base/", "/base/?q#f"] {
        let api = format!("{}{base}", server.uri()).parse().unwrap();
        let below = CloudFoundry::new(CloudFoundryOptions {
            api,
            ..options(&server)
        });
        let seen = below.unwrap().login("somebody", &"pa55word".into()).await;
        assert_eq!(seen.unwrap().len(), 1, "{base}");
    }
}
