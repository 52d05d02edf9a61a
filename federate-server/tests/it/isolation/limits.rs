//! What the requests of a tenant may take.

use axum::Router;
use axum::body::Body;
use http::{Method, Response};
use tower::ServiceExt as _;

use super::world::{Asked, User, limited, tell};

pub(super) fn ask(user: &str, path: &str) -> Asked {
    use base64::Engine as _;
    let credentials = base64::engine::general_purpose::STANDARD.encode(format!("{user}:pw"));
    Asked::get(path).with("authorization", &format!("Basic {credentials}"))
}

async fn told(app: &Router, asked: &Asked) -> (u16, String) {
    let told = tell(app, asked.request()).await;
    (told.status.as_u16(), told.text())
}

const MANY: &str = "match[]=many";
const TOO_MANY: &str = "more than 10 series are selected, and an answer may have 10: select fewer by narrower match[], \
                        in several requests if need be";

#[tokio::test]
async fn an_answer_has_no_more_series_than_it_may_have() {
    let app = limited(11, &[("ten", None, Some(10)), ("eleven", None, Some(11))]);
    let federate = format!("/federate?{MANY}");
    let series = format!("/api/v1/series?{MANY}");
    let got = told(&app, &ask("ten", &federate)).await;
    assert_eq!(got, (422, format!("{TOO_MANY}\n")));
    let mut head = ask("ten", &federate);
    head.method = Method::HEAD;
    assert_eq!(told(&app, &head).await.0, 422);
    let json = format!(r#"{{"status":"error","errorType":"execution","error":"{TOO_MANY}"}}"#);
    assert_eq!(told(&app, &ask("ten", &series)).await, (422, json));
    for user in ["eleven", "operator"] {
        for path in [&federate, &series] {
            let (status, body) = told(&app, &ask(user, path)).await;
            let count = body.matches("number").count();
            assert_eq!((status, count), (200, 11), "{user} {path}");
        }
    }
    // Fewer than all of them are fine, however they are chosen.
    let fewer = "match[]=%7B__name__%3D%22many%22,number!=%22000000003%22%7D";
    for path in [
        format!("/federate?{fewer}"),
        format!("/api/v1/series?{fewer}"),
        format!("/api/v1/series?{MANY}&limit=10"),
    ] {
        let (status, body) = told(&app, &ask("ten", &path)).await;
        let count = body.matches("number").count();
        assert_eq!((status, count), (200, 10), "{path}");
    }
    let over = format!("/api/v1/series?{MANY}&limit=11");
    assert_eq!(told(&app, &ask("ten", &over)).await.0, 422);
    assert_eq!(
        told(&app, &ask("ten", "/federate?match[]=none")).await.0,
        200
    );
    let names = format!("/api/v1/labels?{MANY}");
    assert_eq!(told(&app, &ask("ten", &names)).await.0, 200);
}

/// An answer whose body nobody reads.
pub(super) async fn unread(app: &Router, asked: &Asked) -> Response<Body> {
    app.clone().oneshot(asked.request()).await.unwrap()
}

#[tokio::test]
async fn a_tenant_is_answered_so_many_requests_at_one_time() {
    let limits = [("two", Some(2), None), ("other", Some(2), None)];
    let app = limited(100_000, &limits);
    let federate = ask("two", &format!("/federate?{MANY}"));
    let series = ask("two", &format!("/api/v1/series?{MANY}"));
    let held = [unread(&app, &federate).await, unread(&app, &series).await];
    assert!(held.iter().all(|answer| answer.status() == 200));
    for path in ["/federate?match[]=none", "/api/v1/labels", "/targets", "/"] {
        let refused = tell(&app, ask("two", path).request()).await;
        assert_eq!(refused.status, 429, "{path}");
        assert_eq!(refused.headers["retry-after"], "1", "{path}");
        let text = "Too Many Requests: as many of yours as may be at one time are being answered\n";
        assert_eq!(refused.text(), text, "{path}");
        for user in ["other", "operator"] {
            assert_eq!(told(&app, &ask(user, path)).await.0, 200, "{user} {path}");
        }
    }
    let [first, _second] = held;
    drop(first);
    assert_eq!(told(&app, &federate).await.0, 200);
    assert_eq!(told(&app, &federate).await.0, 200);
    let operator = User::Operator.authorization();
    let metrics = Asked::get("/metrics").with("authorization", &operator);
    let (_, metrics) = told(&app, &metrics).await;
    let count = |name: &str, tenant: &str| {
        let line =
            format!("elasticsearch_metric_exporter_tenant_{name}_total{{tenant=\"{tenant}\"}} ");
        let value = metrics.lines().find_map(|it| it.strip_prefix(&line));
        value.map(|value| value.parse::<u64>().unwrap())
    };
    assert_eq!(count("requests", "two"), Some(8));
    assert_eq!(count("refused_requests", "two"), Some(4));
    assert_eq!(count("requests", "other"), Some(4));
    assert_eq!(count("refused_requests", "other"), Some(0));
    assert_eq!(count("series", "two"), Some(200_000));
    assert_eq!(count("series", "operator"), None);
}

#[tokio::test]
async fn a_tenant_without_a_limit_leaves_room_for_others() {
    let app = limited(
        10_000,
        &[("greedy", None, None), ("other", Some(1000), None)],
    );
    let greedy = ask("greedy", &format!("/federate?{MANY}"));
    let mut held = Vec::new();
    loop {
        let answer = unread(&app, &greedy).await;
        if answer.status() == 429 {
            break;
        }
        assert_eq!(answer.status(), 200);
        held.push(answer);
        assert!(held.len() < 64, "all places are taken");
    }
    assert_eq!(held.len(), federate_server::tenant::LARGEST_SHARE);
    let other = ask("other", &format!("/federate?{MANY}"));
    assert_eq!(told(&app, &other).await.0, 200);
}
