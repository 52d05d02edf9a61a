use std::collections::BTreeSet;
use std::fmt::Display;
use std::time::Duration;

use cloud_foundry::{CloudFoundry, CloudFoundryOptions, LoginError};
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use crate::platform::{
    INSTANCES, TOKEN, assert_form, assert_tells_no_secret, authorizations, get, grant_request,
    instance_page, mount_grant, ok, options, page, platform, refuse_grant, requests, start, token,
};

async fn login(cloud_foundry: &CloudFoundry) -> Result<BTreeSet<String>, LoginError> {
    cloud_foundry.login("somebody", &"pa55word".into()).await
}

/// That a login says nothing of the user; `of` tells which case it is.
async fn assert_unavailable(server: &MockServer, of: impl Display) {
    let error = login(&platform(server)).await.unwrap_err();
    assert!(matches!(error, LoginError::Unavailable(_)), "{of}: {error}");
    assert_tells_no_secret(&error);
}

#[tokio::test]
async fn a_user_sees_what_their_own_token_sees() {
    let server = start().await;
    mount_grant(&server, "password", token("t0ken", Some("r"), 600)).await;
    get(INSTANCES)
        .respond_with(ok(instance_page(&["b", "a"], None)))
        .mount(&server)
        .await;
    let seen = login(&platform(&server)).await.unwrap();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(authorizations(&server, INSTANCES).await, ["bearer t0ken"]);
    let asked = &requests(&server, INSTANCES).await[0];
    assert_eq!(asked.url.query(), Some("type=managed&per_page=5000"));
}

#[tokio::test]
async fn a_user_may_see_nothing() {
    let server = start().await;
    mount_grant(&server, "password", token("t0ken", Some("r"), 600)).await;
    get(INSTANCES)
        .respond_with(ok(page(json!([]), None)))
        .mount(&server)
        .await;
    assert!(login(&platform(&server)).await.unwrap().is_empty());
}

#[tokio::test]
async fn names_and_passwords_arrive_as_they_are() {
    let server = start().await;
    mount_grant(&server, "password", token("t0ken", None, 600)).await;
    get(INSTANCES)
        .respond_with(ok(page(json!([]), None)))
        .mount(&server)
        .await;
    let (name, password) = ("ä+b&c=d:e\0@x", "p%20 w&password=x\r\n");
    platform(&server)
        .login(name, &password.into())
        .await
        .unwrap();
    let asked = &requests(&server, TOKEN).await[0];
    let want = [
        ("grant_type", "password"),
        ("username", name),
        ("password", password),
    ];
    assert_form(asked, &want);
}

#[tokio::test]
async fn refusals_are_told_apart() {
    let bad = "Bad credentials, hunter2";
    let locked = "Your account has been locked because of too many failed attempts to login.";
    for (status, code, description, want) in [
        (401, "unauthorized", bad, "wrong"),
        (401, "invalid_grant", bad, "wrong"),
        (400, "invalid_grant", bad, "wrong"),
        (403, "access_denied", bad, "wrong"),
        (401, "unauthorized", locked, "locked"),
        // The client of the command line is refused, which says nothing of the user.
        (401, "invalid_client", bad, "unavailable"),
        (401, "", bad, "unavailable"),
        (400, "invalid_request", bad, "unavailable"),
        (404, "not_found", bad, "unavailable"),
    ] {
        let server = start().await;
        refuse_grant(&server, "password", status, [code, description]).await;
        let error = login(&platform(&server)).await.unwrap_err();
        let kind = match &error {
            LoginError::WrongCredentials => "wrong",
            LoginError::AccountLocked => "locked",
            LoginError::TimedOut { .. } => "timed out",
            LoginError::Unavailable(_) => "unavailable",
            _ => "other",
        };
        assert_eq!(kind, want, "{status} {code} {description}");
        assert_tells_no_secret(&error);
        assert_eq!(requests(&server, TOKEN).await.len(), 1, "{status} {code}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_uaas_tells_nothing_of_the_user() {
    for body in [
        "",
        "<html>hunter2</html>",
        "{\"error\": \"Hunter2: hunter2\"}",
        "{\"error\": 7}",
    ] {
        let server = start().await;
        grant_request("password")
            .respond_with(ResponseTemplate::new(401).set_body_string(body))
            .mount(&server)
            .await;
        assert_unavailable(&server, body).await;
    }
}

#[tokio::test]
async fn trouble_of_uaa_or_api_is_no_refusal() {
    for status in [200, 302, 429, 500, 503] {
        let server = start().await;
        let answer = ResponseTemplate::new(status).set_body_string("hunter2");
        grant_request("password")
            .respond_with(answer)
            .mount(&server)
            .await;
        assert_unavailable(&server, status).await;
        // What UAA may have counted isn't sent again.
        let attempts = if status == 429 { 3 } else { 1 };
        assert_eq!(requests(&server, TOKEN).await.len(), attempts, "{status}");
    }
    // 401 and 403 without the API's own words are those of something in between.
    for status in [200, 302, 401, 403, 404, 429, 500, 503] {
        let server = start().await;
        mount_grant(&server, "password", token("t0ken", None, 600)).await;
        let answer = ResponseTemplate::new(status).set_body_string("hunter2 t0ken");
        get(INSTANCES).respond_with(answer).mount(&server).await;
        assert_unavailable(&server, status).await;
    }
}

#[tokio::test]
async fn what_the_api_refuses_to_a_fresh_token_is_refused() {
    let failure = |code: u64, title: &str| {
        let error = json!({"code": code, "title": title, "detail": "t0ken"});
        json!({"errors": [error]})
    };
    for (status, body) in [
        (401, failure(1000, "CF-InvalidAuthToken")),
        (403, failure(10003, "CF-NotAuthorized")),
    ] {
        let server = start().await;
        mount_grant(&server, "password", token("t0ken", Some("r"), 600)).await;
        let answer = ResponseTemplate::new(status).set_body_json(body);
        get(INSTANCES).respond_with(answer).mount(&server).await;
        match (status, login(&platform(&server)).await) {
            (401, Err(LoginError::WrongCredentials)) => {}
            // The user is known, and sees nothing.
            (403, Ok(seen)) => assert!(seen.is_empty()),
            (_, other) => panic!("{status}: {other:?}"),
        }
        assert_eq!(requests(&server, TOKEN).await.len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_connection_that_is_not_made_is_tried_again() {
    let server = MockServer::start().await;
    let root = json!({"links": {"uaa": {"href": "http://127.0.0.1:1"}}});
    get("/").respond_with(ok(root)).mount(&server).await;
    assert_unavailable(&server, "uaa").await;
    // Before each attempt it is asked anew where UAA is.
    assert_eq!(requests(&server, "/").await.len(), 3);
}

#[tokio::test]
async fn a_login_that_hangs_times_out() {
    for hanging in [TOKEN, INSTANCES] {
        let server = start().await;
        let late = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
        if hanging == INSTANCES {
            mount_grant(&server, "password", token("t0ken", None, 600)).await;
            get(INSTANCES).respond_with(late).mount(&server).await;
        } else {
            grant_request("password")
                .respond_with(late)
                .mount(&server)
                .await;
        }
        let limit = Duration::from_millis(200);
        let hasty = CloudFoundry::new(CloudFoundryOptions {
            login_timeout: limit,
            ..options(&server)
        });
        let error = login(&hasty.unwrap()).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "login took longer than 200ms",
            "{hanging}"
        );
    }
}

#[tokio::test]
async fn nobody_is_asked_about_what_nobody_has() {
    let server = start().await;
    let long = "x".repeat(10_000_000);
    for (name, password) in [("", "p"), ("n", ""), (&*long, "p"), ("n", &*long)] {
        let error = platform(&server)
            .login(name, &password.into())
            .await
            .unwrap_err();
        assert!(matches!(error, LoginError::WrongCredentials), "{error}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 0);
}
