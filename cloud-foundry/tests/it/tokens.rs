use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloud_foundry::{Credentials, ListError, SecretSource, TokenError};
use serde_json::json;
use wiremock::matchers::{body_string_contains, header};
use wiremock::{Request, ResponseTemplate};

use crate::platform::{
    INSTANCES, OFFERINGS, TOKEN, as_client, as_user, assert_form, assert_tells_no_secret,
    authorizations, form, get, grant_request, guids, mount_grant, mount_lists, ok, platform,
    refuse_grant, requests, start, token, with_token,
};

fn field(request: &Request, name: &str) -> Option<String> {
    let mut form = form(request).into_iter();
    form.find(|(field, _)| field == name)
        .map(|(_, value)| value)
}

/// How often UAA was asked, and with which grants.
async fn grants(server: &wiremock::MockServer) -> Vec<String> {
    let requests = requests(server, TOKEN).await;
    let grant = |request| field(request, "grant_type");
    requests.iter().filter_map(grant).collect()
}

#[tokio::test]
async fn one_token_serves_many_calls() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    mount_grant(&server, "client_credentials", token("t0ken", None, 600)).await;
    let session = as_client(&server);
    for _ in 0..3 {
        guids(&session).await.unwrap();
    }
    let (first, second) = (session.clone(), session);
    let (first, second) = tokio::join!(guids(&first), guids(&second));
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(grants(&server).await, ["client_credentials"]);
    assert_form(
        &requests(&server, TOKEN).await[0],
        &[
            ("grant_type", "client_credentials"),
            ("client_id", "exporter"),
            ("client_secret", "s3cret"),
        ],
    );
    let used = authorizations(&server, INSTANCES).await;
    assert!(used.iter().all(|it| it == "bearer t0ken"), "{used:?}");
}

#[tokio::test]
async fn calls_at_once_ask_for_one_token() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    mount_grant(&server, "client_credentials", token("t0ken", None, 600)).await;
    let session = as_client(&server);
    let (a, b, c) = tokio::join!(guids(&session), guids(&session), guids(&session));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(grants(&server).await.len(), 1);
}

#[tokio::test]
async fn a_user_has_the_public_client_and_refreshes() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    // Ends at once, so that each call renews it.
    mount_grant(&server, "password", token("t0ken", Some("refresh-1"), 0)).await;
    mount_grant(&server, "refresh_token", token("t0ken", None, 0)).await;
    let session = as_user(&server);
    guids(&session).await.unwrap();
    let asked = requests(&server, TOKEN).await;
    assert_form(
        &asked[0],
        &[
            ("grant_type", "password"),
            ("username", "somebody"),
            ("password", "pa55word"),
        ],
    );
    assert!(
        asked
            .iter()
            .all(|it| it.headers["authorization"] == "Basic Y2Y6")
    );
    assert_form(
        &asked[1],
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", "refresh-1"),
        ],
    );
    assert_eq!(
        grants(&server).await,
        ["password", "refresh_token", "refresh_token"]
    );
}

#[tokio::test]
async fn a_refresh_token_that_fails_is_followed_by_one_fresh_grant() {
    let ended = ["invalid_token", "Invalid refresh token expired: hunter2"];
    for status in [400, 401, 500] {
        let server = start().await;
        mount_lists(&server, &["a"]).await;
        mount_grant(&server, "password", token("t0ken", Some("refresh-1"), 0)).await;
        refuse_grant(&server, "refresh_token", status, ended).await;
        guids(&as_user(&server)).await.unwrap();
        let want = [
            "password",
            "refresh_token",
            "password",
            "refresh_token",
            "password",
        ];
        assert_eq!(grants(&server).await, want, "{status}");
    }
}

#[tokio::test]
async fn a_refused_token_is_renewed_once() {
    let server = start().await;
    let unauthorized = json!({"errors": [{
        "code": 1000,
        "title": "CF-InvalidAuthToken",
        "detail": "Invalid Auth Token",
    }]});
    get(OFFERINGS)
        .and(header("authorization", "bearer revoked"))
        .respond_with(ResponseTemplate::new(401).set_body_json(&unauthorized))
        .mount(&server)
        .await;
    mount_lists(&server, &["a"]).await;
    grant_request("client_credentials")
        .respond_with(ok(token("revoked", None, 600)))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    mount_grant(&server, "client_credentials", token("t0ken", None, 600)).await;
    assert_eq!(guids(&as_client(&server)).await.unwrap(), ["a"]);
    assert_eq!(grants(&server).await.len(), 2);
    let used = authorizations(&server, OFFERINGS).await;
    assert_eq!(used, ["bearer revoked", "bearer t0ken"]);
}

#[tokio::test]
async fn a_token_that_stays_refused_ends_no_loop() {
    let server = start().await;
    let body =
        json!({"errors": [{"title": "CF-NotAuthenticated", "detail": "t0ken-1 of hunter2?"}]});
    let body = body.to_string().replace(" of hunter2?", "");
    get(OFFERINGS)
        .respond_with(ResponseTemplate::new(401).set_body_string(body))
        .mount(&server)
        .await;
    let handed_out = AtomicUsize::new(0);
    grant_request("client_credentials")
        .respond_with(move |_: &Request| {
            let number = handed_out.fetch_add(1, Ordering::Relaxed);
            ok(token(&format!("t0ken-{number}"), None, 600))
        })
        .mount(&server)
        .await;
    let error = guids(&as_client(&server)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the cloud foundry api refuses the token (401): CF-NotAuthenticated: <secret>"
    );
    assert_tells_no_secret(&error);
    assert_eq!(grants(&server).await.len(), 2);
    assert_eq!(requests(&server, OFFERINGS).await.len(), 2);
}

#[tokio::test]
async fn what_uaa_refuses_is_not_tried_again_at_once() {
    let refusals = [
        (
            401,
            "unauthorized",
            "Bad credentials for hunter2",
            "uaa refuses the credentials: unauthorized",
        ),
        (
            401,
            "invalid_client",
            "Bad credentials",
            "uaa refuses the credentials: invalid_client",
        ),
        (
            400,
            "invalid_grant",
            "hunter2",
            "uaa refuses the credentials: invalid_grant",
        ),
        (
            403,
            "access_denied",
            "hunter2",
            "uaa refuses the credentials: access_denied",
        ),
        (
            401,
            "unauthorized",
            "Your account has been locked because of too many failed attempts to login.",
            "uaa has locked the account after too many failed logins",
        ),
    ];
    for (status, code, description, want) in refusals {
        let server = start().await;
        refuse_grant(&server, "password", status, [code, description]).await;
        let session = as_user(&server);
        let error = guids(&session).await.unwrap_err();
        assert_eq!(error.to_string(), want);
        assert_tells_no_secret(&error);
        let error = guids(&session).await.unwrap_err();
        assert!(
            matches!(error, ListError::Token(TokenError::Paused { .. })),
            "{error}"
        );
        assert_eq!(grants(&server).await.len(), 1, "{want}");
    }
}

#[tokio::test]
async fn a_changed_secret_file_is_tried_at_once() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "wrong\n").unwrap();
    let refused = json!({"error": "invalid_client", "error_description": "Bad credentials"});
    grant_request("client_credentials")
        .and(body_string_contains("client_secret=wrong"))
        .respond_with(ResponseTemplate::new(401).set_body_json(refused))
        .mount(&server)
        .await;
    mount_grant(&server, "client_credentials", token("t0ken", None, 600)).await;
    let session = platform(&server).session(Credentials::Client {
        id: "exporter".to_owned(),
        secret: SecretSource::File(file.clone()),
    });
    assert!(guids(&session).await.is_err());
    assert!(guids(&session).await.is_err());
    assert_eq!(grants(&server).await.len(), 1);
    std::fs::write(&file, "right & good = 100%\n").unwrap();
    assert!(guids(&session).await.is_ok());
    let asked = &requests(&server, TOKEN).await[1];
    assert_eq!(
        field(asked, "client_secret").unwrap(),
        "right & good = 100%"
    );
}

#[tokio::test]
async fn a_given_token_is_read_again_for_each_call() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let given = Credentials::Token(SecretSource::File(file.clone()));
    let session = platform(&server).session(given);
    for (content, want) in [
        ("bearer one\n", "bearer one"),
        ("BEARER  two", "bearer two"),
        ("three", "bearer three"),
    ] {
        std::fs::write(&file, content).unwrap();
        guids(&session).await.unwrap();
        let used = authorizations(&server, INSTANCES).await;
        assert_eq!(used.last().unwrap(), want);
    }
    for content in ["", "two words", "bearer ", "ümlaut"] {
        std::fs::write(&file, content).unwrap();
        let error = guids(&session).await.unwrap_err();
        assert!(matches!(error, ListError::Token(_)), "{content:?}: {error}");
    }
    assert!(grants(&server).await.is_empty());
}

#[tokio::test]
async fn a_given_token_that_is_refused_is_not_sent_again() {
    let server = start().await;
    get(OFFERINGS)
        .respond_with(ResponseTemplate::new(401))
        .mount(&server)
        .await;
    let error = guids(&with_token(&server)).await.unwrap_err();
    assert!(matches!(error, ListError::Unauthorized { .. }), "{error}");
    assert_eq!(requests(&server, OFFERINGS).await.len(), 1);
}

#[tokio::test]
async fn a_token_that_is_soon_over_serves_while_uaa_is_away() {
    let server = start().await;
    mount_lists(&server, &["a"]).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    // Renewed after three quarters of its life, that is: after three seconds.
    grant_request("client_credentials")
        .respond_with(
            move |_: &Request| match count.fetch_add(1, Ordering::Relaxed) {
                0 => ok(token("t0ken", None, 4)),
                _ => ResponseTemplate::new(503),
            },
        )
        .mount(&server)
        .await;
    let session = as_client(&server);
    guids(&session).await.unwrap();
    while asked.load(Ordering::Relaxed) < 2 {
        guids(&session).await.unwrap();
        tokio::task::yield_now().await;
    }
}
