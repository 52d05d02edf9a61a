use std::sync::Arc;

use axum::body::Body;
use federate_server::auth::CHALLENGE;
use federate_server::http::{Access, AppState, ROUTES, router};
use federate_server::tenant::Fleet;
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request};
use prom_model::target::{PoolStatus, TargetStatuses};

use crate::logged::Lines;
use crate::support::{FixedReload, app, get, request, send, state, users};

fn concrete(path: &str) -> String {
    path.replace("{name}", "job")
}

fn ready() -> AppState {
    let state = state();
    state.readiness.set_ready();
    state
}

#[tokio::test]
async fn every_path_answers_to_its_methods_and_to_no_other() {
    let app = app(ready());
    let methods = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::PATCH,
        Method::OPTIONS,
    ];
    for route in ROUTES {
        for method in &methods {
            let path = concrete(route.path);
            let query = if path.ends_with("/series") {
                "?match[]=up"
            } else {
                ""
            };
            let answer = send(&app, request(method.clone(), &format!("{path}{query}"))).await;
            let got = (answer.status.as_u16(), answer.header("allow"));
            if route.methods.contains(method) {
                assert_eq!(got, (200, ""), "{method} {path}: {}", answer.body);
            } else {
                let allow: Vec<&str> = route.methods.iter().map(Method::as_str).collect();
                assert_eq!(got, (405, allow.join(", ").as_str()), "{method} {path}");
            }
            if *method == Method::HEAD {
                assert_eq!(answer.body, "", "{path}");
            }
        }
    }
}

#[tokio::test]
async fn users_are_asked_for_wherever_the_table_says_so() {
    let state = ready();
    state.auth.set_web_users(users(&[("tenant", "right")]));
    let app = app(state);
    let unknown = [
        "/nope",
        "/-/nope",
        "/-/healthy/",
        "//-/healthy",
        "/api/v1/query",
    ];
    let routes = ROUTES
        .iter()
        .map(|route| (concrete(route.path), route.access));
    for (path, access) in routes.chain(unknown.map(|path| (path.to_owned(), Access::Users))) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let answer = send(&app, request(method.clone(), &path)).await;
            let refused = answer.status == 401;
            assert_eq!(
                refused,
                access != Access::Open,
                "{method} {path}: {}",
                answer.status
            );
            let challenge = if refused { CHALLENGE } else { "" };
            assert_eq!(
                answer.header("www-authenticate"),
                challenge,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn unknown_paths_are_not_found() {
    let app = app(ready());
    for path in [
        "/nope",
        "/api/v1/query",
        "/targets/",
        "/api/v1/label/a/b/values",
    ] {
        let answer = get(&app, path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (404, "404 page not found\n"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn readiness_follows_the_first_discovery() {
    let state = state();
    let app = app(state.clone());
    let answer = get(&app, "/-/ready").await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (503, "Service Unavailable\n")
    );
    assert_eq!(get(&app, "/-/healthy").await.status, 200);
    state.readiness.set_ready();
    let answer = get(&app, "/-/ready").await;
    let want = "elasticsearch-metric-exporter is Ready.\n";
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, want));
}

#[tokio::test]
async fn a_failed_reload_is_told() {
    let broken = AppState {
        reload: Arc::new(FixedReload(Err("config.yml:3:1: unknown field".to_owned()))),
        ..state()
    };
    let f = async |state, status, body: &str| {
        let answer = send(&app(state), request(Method::POST, "/-/reload")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            (status, body)
        );
    };
    f(state(), 200, "").await;
    f(
        broken,
        500,
        "failed to reload config: config.yml:3:1: unknown field\n",
    )
    .await;
}

#[tokio::test]
async fn a_panic_is_a_500_and_the_next_request_is_served() {
    struct Panics;
    impl TargetStatuses for Panics {
        fn pools(&self) -> Vec<PoolStatus> {
            panic!("on purpose");
        }
    }
    let app = app(AppState {
        fleet: Arc::new(Fleet::new(Arc::new(Panics))),
        config_yaml: Arc::new(|| panic!("on purpose")),
        ..state()
    });
    let lost = r#"{"status":"error","errorType":"internal","error":"the answer can't be made"}"#;
    let lines = Lines::of("federate_server::http");
    let _logging = tracing::subscriber::set_default(lines.clone());
    for (path, body) in [
        ("/api/v1/status/config", "Internal Server Error\n"),
        ("/api/v1/targets", lost),
        ("/targets", "the answer can't be made\n"),
    ] {
        let answer = get(&app, path).await;
        let got = (answer.status.as_u16(), answer.body.as_str());
        assert_eq!(got, (500, body), "{path}");
        let logged = lines.take();
        let errors = logged.iter().filter(|line| line.starts_with("ERROR"));
        assert_eq!(errors.count(), 1, "{path}: {logged:?}");
    }
    assert_eq!(get(&app, "/api/v1/labels").await.status, 200);
}

#[tokio::test]
async fn configured_headers_are_on_every_answer() {
    let headers: Arc<[_]> = Arc::new([
        (
            HeaderName::from_static("strict-transport-security"),
            HeaderValue::from_static("max-age=1"),
        ),
        (
            HeaderName::from_static("content-security-policy"),
            HeaderValue::from_static("default-src 'self'"),
        ),
    ]);
    let state = state();
    state.auth.set_web_users(users(&[("tenant", "right")]));
    let app = router(state, Arc::new(move || Arc::clone(&headers)));
    for path in ["/", "/nope", "/-/healthy"] {
        let answer = get(&app, path).await;
        let got = [
            "strict-transport-security",
            "content-security-policy",
            "x-content-type-options",
        ]
        .map(|name| answer.header(name).to_owned());
        assert_eq!(
            got,
            ["max-age=1", "default-src 'self'", "nosniff"],
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_discovered_is_served_as_json() {
    let answer = get(&app(state()), "/sd/targets").await;
    let got = (
        answer.status.as_u16(),
        answer.header("content-type"),
        answer.body.as_str(),
    );
    assert_eq!(got, (200, "application/json", "[]"));
}

#[tokio::test]
async fn odd_targets_of_requests_do_no_harm() {
    let app = app(ready());
    for uri in [
        "/%00",
        "/%ff%fe",
        "/..%2f..%2fetc",
        "/api/v1/label/%ff/values",
        "/?%zz",
        "/targets?state=%3Cscript%3E",
    ] {
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        assert!(!send(&app, request).await.status.is_server_error(), "{uri}");
    }
}
