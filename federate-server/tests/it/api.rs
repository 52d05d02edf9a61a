use axum::Router;
use axum::body::Body;
use federate_server::http::AppState;
use http::header::CONTENT_TYPE;
use http::{Method, Request};

use crate::support::{NOW_MS, app, get, request, send, state};

async fn ok(app: &Router, path: &str, data: &str) {
    let answer = get(app, path).await;
    let got = (
        answer.status.as_u16(),
        answer.header("content-type"),
        answer.body.as_str(),
    );
    let want = format!(r#"{{"status":"success","data":{data}}}"#);
    assert_eq!(got, (200, "application/json", want.as_str()), "{path}");
}

async fn bad(app: &Router, path: &str, error: &str) {
    let answer = get(app, path).await;
    let got = (
        answer.status.as_u16(),
        answer.header("content-type"),
        answer.body.as_str(),
    );
    let error = error.replace('"', "\\\"");
    let want = format!(r#"{{"status":"error","errorType":"bad_data","error":"{error}"}}"#);
    assert_eq!(got, (400, "application/json", want.as_str()), "{path}");
}

const ACTIVE: &str = concat!(
    r#"{"discoveredLabels":{"__address__":"10.0.0.1:9","foo":"b<a>&r","job":"self"},"#,
    r#""labels":{"instance":"10.0.0.1:9","job":"later"},"scrapePool":"later","#,
    r#""scrapeUrl":"https://10.0.0.1:9/metrics","globalUrl":"https://10.0.0.1:9/metrics","lastError":"","#,
    r#""lastScrape":"0001-01-01T00:00:00Z","lastScrapeDuration":0,"health":"unknown","#,
    r#""scrapeInterval":"1m30s","scrapeTimeout":"1s"},"#,
    r#"{"discoveredLabels":{"__address__":"127.0.0.1:19391","foo":"b<a>&r","job":"self"},"#,
    r#""labels":{"foo":"b<a>&r","instance":"127.0.0.1:19391","job":"self"},"scrapePool":"self","#,
    r#""scrapeUrl":"http://127.0.0.1:19391/metrics","globalUrl":"http://prom.example.com:8080/metrics","#,
    r#""lastError":"","lastScrape":"2026-11-22T17:00:16.014Z","lastScrapeDuration":0.009706721,"health":"up","#,
    r#""scrapeInterval":"1m30s","scrapeTimeout":"1s"},"#,
    r#"{"discoveredLabels":{"__address__":"localhost:1","foo":"b<a>&r","job":"self"},"#,
    r#""labels":{"instance":"localhost:1","job":"self"},"scrapePool":"self","#,
    r#""scrapeUrl":"http://localhost:1/metrics","globalUrl":"http://prom.example.com:1/metrics","#,
    r#""lastError":"connection refused","lastScrape":"2026-11-22T17:00:16.014Z","lastScrapeDuration":1,"#,
    r#""health":"down","scrapeInterval":"1m30s","scrapeTimeout":"1s"}"#,
);
const DROPPED: &str = concat!(
    r#""droppedTargets":[{"discoveredLabels":{"__address__":"10.255.255.1:9","foo":"b<a>&r","job":"self"},"#,
    r#""scrapePool":"self"}],"droppedTargetCounts":{"empty":0,"later":0,"self":3}"#,
);
const NONE_DROPPED: &str = r#""droppedTargets":[],"droppedTargetCounts":null"#;

#[tokio::test]
async fn targets() {
    let app = app(state());
    for path in [
        "/api/v1/targets",
        "/api/v1/targets?state=any",
        "/api/v1/targets?state=ANY",
    ] {
        ok(
            &app,
            path,
            &format!(r#"{{"activeTargets":[{ACTIVE}],{DROPPED}}}"#),
        )
        .await;
    }
    let active = format!(r#"{{"activeTargets":[{ACTIVE}],{NONE_DROPPED}}}"#);
    ok(&app, "/api/v1/targets?state=active", &active).await;
    let dropped = format!(r#"{{"activeTargets":[],{DROPPED}}}"#);
    ok(&app, "/api/v1/targets?state=dropped", &dropped).await;
    let neither = format!(r#"{{"activeTargets":[],{NONE_DROPPED}}}"#);
    ok(&app, "/api/v1/targets?state=nonsense", &neither).await;
    let counts = r#""droppedTargets":[],"droppedTargetCounts":{"empty":0,"later":0,"self":3}"#;
    let empty = format!(r#"{{"activeTargets":[],{counts}}}"#);
    ok(&app, "/api/v1/targets?scrapePool=empty", &empty).await;
}

const SERIES: [&str; 4] = [
    r#"{"__name__":"requests_total","code":"200","http.path":"/é","instance":"a:1","job":"app"}"#,
    r#"{"__name__":"requests_total","code":"200","http.path":"/é","instance":"b:1","job":"app"}"#,
    r#"{"__name__":"size.bytes","http.path":"/é","instance":"a:1","job":"app"}"#,
    r#"{"__name__":"size.bytes","http.path":"/é","instance":"b:1","job":"app"}"#,
];

#[tokio::test]
async fn series() {
    let app = app(state());
    let f = async |query: &str, series: &[&str]| {
        let data = format!("[{}]", series.join(","));
        ok(&app, &format!("/api/v1/series?{query}"), &data).await;
    };
    f("match[]=requests_total", &SERIES[..2]).await;
    f(
        "match[]=%7Bjob%3D%22app%22%7D&match%5B%5D=requests_total",
        &SERIES,
    )
    .await;
    f(
        "match[]=%7B%22size.bytes%22%2Cinstance%3D%22b%3A1%22%7D",
        &SERIES[3..],
    )
    .await;
    f("match[]=nope", &[]).await;
    f("match[]=requests_total&limit=0", &SERIES[..2]).await;
    f("match[]=requests_total&limit=2", &SERIES[..2]).await;
    f("match[]=requests_total&start=0&end=1", &[]).await;
    let recent = NOW_MS / 1000 - 1;
    f(
        &format!("match[]=requests_total&start={recent}"),
        &SERIES[..2],
    )
    .await;
    f(
        "match[]=requests_total&start=2026-11-22T17:00:00Z&end=2026-11-22T17:00:17.5%2B00:00",
        &SERIES[..2],
    )
    .await;
    let answer = get(&app, "/api/v1/series?match[]=requests_total&limit=1").await;
    let want = format!(
        r#"{{"status":"success","data":[{}],"warnings":["results truncated due to limit"]}}"#,
        SERIES[0]
    );
    assert_eq!(answer.body, want);
}

/// The texts are those of Prometheus 3.5.3.
#[tokio::test]
async fn wrong_parameters() {
    let app = app(state());
    bad(&app, "/api/v1/series", "no match[] parameter provided").await;
    let f = async |query: &str, error: &str| bad(&app, &format!("/api/v1/{query}"), error).await;
    f(
        "series?match[]=%7B",
        r#"invalid parameter "match[]": 1:2: parse error: unexpected end of input inside braces"#,
    )
    .await;
    f(
        "series?match[]=%7B%7D",
        r#"invalid parameter "match[]": match[] must contain at least one non-empty matcher"#,
    )
    .await;
    f(
        "series?match[]=up&limit=-1",
        r#"invalid parameter "limit": limit must be non-negative"#,
    )
    .await;
    f(
        "series?match[]=up&start=%zz",
        r#"error parsing form values: invalid URL escape "%zz""#,
    )
    .await;
    f(
        "series?match[]=up;a=b",
        "error parsing form values: invalid semicolon separator in query",
    )
    .await;
    f(
        "series?match[]=up&start=zz",
        "invalid parameter \"start\": invalid time value for 'start': cannot parse \"zz\" to a valid \
         timestamp",
    )
    .await;
    f(
        "labels?match[]=%7Bx%3D",
        "1:4: parse error: unexpected end of input inside braces",
    )
    .await;
    f(
        "labels?match[]=%7B%7D",
        "match[] must contain at least one non-empty matcher",
    )
    .await;
    f(
        "labels?match[]=",
        "unknown position: parse error: unexpected end of input",
    )
    .await;
    f(
        "label/job/values?match[]=rate(x[5m])",
        r#"1:5: parse error: unexpected "(""#,
    )
    .await;
    f(
        "labels?limit=x",
        r#"invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax"#,
    )
    .await;
    f(
        "labels?limit=99999999999999999999",
        "invalid parameter \"limit\": strconv.Atoi: parsing \"99999999999999999999\": value out of \
         range",
    )
    .await;
    f("metadata?limit=x", "limit must be a number").await;
    f(
        "metadata?limit_per_metric=x",
        "limit_per_metric must be a number",
    )
    .await;
    f("targets/metadata?limit=x", "limit must be a number").await;
    f(
        "targets/metadata?match_target=%7B",
        "invalid parameter \"match_target\": 1:2: parse error: unexpected end of input inside braces",
    )
    .await;
}

#[tokio::test]
async fn forms_are_read_before_the_url() {
    let app = app(state());
    let post = async |path: &str, form: &'static str| {
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let answer = send(&app, request.body(Body::from(form)).unwrap()).await;
        (answer.status.as_u16(), answer.body)
    };
    let success = |data: &str| (200, format!(r#"{{"status":"success","data":{data}}}"#));
    let both = format!("[{}]", SERIES.join(","));
    assert_eq!(
        post(
            "/api/v1/series?match[]=requests_total",
            "match[]=%7B%22size.bytes%22%7D"
        )
        .await,
        success(&both)
    );
    let (status, body) = post("/api/v1/series?limit=100", "match[]=requests_total&limit=1").await;
    assert!(
        status == 200 && body.ends_with(r#""warnings":["results truncated due to limit"]}"#),
        "{body}"
    );
    assert_eq!(post("/api/v1/labels", "match[]=size.nope").await.0, 400);
    assert_eq!(post("/api/v1/labels", "match[]=up").await, success("[]"));
    // Without the type of a form, a body is no form.
    let request = request(Method::POST, "/api/v1/series?match[]=up").map(|_| Body::from("limit=x"));
    assert_eq!(send(&app, request).await.status, 200);
    let long: &'static str = Box::leak("a=".repeat(1 << 20).into_boxed_str());
    assert_eq!(post("/api/v1/series?match[]=up", long).await.0, 400);
}

#[tokio::test]
async fn labels_and_their_values() {
    let app = app(state());
    ok(
        &app,
        "/api/v1/labels",
        r#"["__name__","code","http.path","instance","job"]"#,
    )
    .await;
    ok(
        &app,
        "/api/v1/labels?match[]=%7B%22size.bytes%22%7D",
        r#"["__name__","http.path","instance","job"]"#,
    )
    .await;
    ok(&app, "/api/v1/labels?start=0&end=1", "[]").await;
    ok(&app, "/api/v1/label/instance/values", r#"["a:1","b:1"]"#).await;
    ok(
        &app,
        "/api/v1/label/__name__/values",
        r#"["requests_total","size.bytes"]"#,
    )
    .await;
    ok(&app, "/api/v1/label/U__http_2e_path/values", r#"["/é"]"#).await;
    ok(&app, "/api/v1/label/http.path/values", r#"["/é"]"#).await;
    ok(&app, "/api/v1/label/nope/values", "[]").await;
    ok(
        &app,
        "/api/v1/label/instance/values?match[]=%7Binstance%3D%22a%3A1%22%7D",
        r#"["a:1"]"#,
    )
    .await;
    bad(&app, "/api/v1/label//values", r#"invalid label name: """#).await;
    bad(
        &app,
        "/api/v1/label/a%ff/values",
        r#"invalid label name: "a%ff""#,
    )
    .await;
    let answer = get(&app, "/api/v1/labels?limit=1").await;
    let want =
        r#"{"status":"success","data":["__name__"],"warnings":["results truncated due to limit"]}"#;
    assert_eq!(answer.body, want);
}

#[tokio::test]
async fn metadata() {
    let app = app(state());
    let requests = concat!(
        r#""requests_total":[{"type":"counter","unit":"","help":"Requests <made>."},"#,
        r#"{"type":"counter","unit":"","help":"Requests."}]"#
    );
    let size = r#""size.bytes":[{"type":"gauge","unit":"","help":""}]"#;
    let f = async |query: &str, data: String| {
        ok(&app, &format!("/api/v1/metadata{query}"), &data).await
    };
    f("", format!("{{{requests},{size}}}")).await;
    f("?limit=1", format!("{{{requests}}}")).await;
    f("?limit=0", "{}".to_owned()).await;
    f("?limit=-1&metric=size.bytes", format!("{{{size}}}")).await;
    f(
        "?metric=requests_total&limit_per_metric=0",
        format!("{{{requests}}}"),
    )
    .await;
    let one = r#"{"requests_total":[{"type":"counter","unit":"","help":"Requests."}]}"#;
    f("?metric=requests_total&limit_per_metric=1", one.to_owned()).await;
    f("?metric=up", "{}".to_owned()).await;
}

#[tokio::test]
async fn metadata_of_targets() {
    let app = app(state());
    let target = |instance| format!(r#""target":{{"instance":"{instance}","job":"app"}}"#);
    let requests = |instance, name: &str, help| {
        format!(
            r#"{{{},{name}"type":"counter","help":"{help}","unit":""}}"#,
            target(instance)
        )
    };
    let size = |instance| {
        format!(
            r#"{{{},"metric":"size.bytes","type":"gauge","help":"","unit":""}}"#,
            target(instance)
        )
    };
    let named = r#""metric":"requests_total","#;
    let f = async |query: &str, items: &[String]| {
        let data = format!("[{}]", items.join(","));
        ok(&app, &format!("/api/v1/targets/metadata{query}"), &data).await;
    };
    let a = [requests("a:1", named, "Requests."), size("a:1")];
    let b = [requests("b:1", named, "Requests <made>."), size("b:1")];
    f("", &[a.clone(), b.clone()].concat()).await;
    f("?limit=1", &a).await;
    f("?limit=0", &[]).await;
    f("?match_target=%7Binstance%3D%22b%3A1%22%7D", &b).await;
    let bare = [
        requests("a:1", "", "Requests."),
        requests("b:1", "", "Requests <made>."),
    ];
    f("?metric=requests_total", &bare).await;
    f("?metric=requests_total&limit=1", &bare[..1]).await;
}

#[tokio::test]
async fn status() {
    let app = app(state());
    let build = concat!(
        r#"{"version":"1.2.3","revision":"abc","branch":"","buildUser":"","buildDate":"","goVersion":"","#,
        r#""rustVersion":"rustc 1.95.0"}"#
    );
    ok(&app, "/api/v1/status/buildinfo", build).await;
    ok(&app, "/api/v1/status/config", r#"{"yaml":"global: {}\n"}"#).await;
    ok(
        &app,
        "/api/v1/status/flags",
        r#"{"web.listen-address":":9090"}"#,
    )
    .await;
    let answer = get(&app, "/api/v1/status/runtimeinfo").await;
    let mut envelope: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let data = envelope["data"].as_object_mut().unwrap();
    for machine in ["goroutineCount", "GOMAXPROCS"] {
        assert!(data.remove(machine).unwrap().is_u64(), "{machine}");
    }
    let want = serde_json::json!({
        "startTime": "2026-11-22T16:59:17Z",
        "CWD": "/srv",
        "hostname": "vm",
        "serverTime": "2026-11-22T17:00:17Z",
        "reloadConfigSuccess": true,
        "lastConfigTime": "2026-11-22T17:00:17Z",
        "corruptionCount": 0,
        "GOMEMLIMIT": 0,
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": "",
    });
    assert_eq!(envelope["data"], want);
}

#[tokio::test]
async fn long_answers_come_whole() {
    let pools = AppState {
        now_ms: std::sync::Arc::new(|| NOW_MS),
        ..state()
    };
    let store = federate_server::store::Store::new(std::time::Duration::from_secs(300));
    let mut sink = prom_model::sink::Sink::open(&store, std::sync::Arc::default());
    sink.begin(NOW_MS);
    let count = 10_000;
    for number in 0..count {
        let labels =
            crate::support::labels(&[("__name__", "many"), ("number", &format!("{number:06}"))]);
        let series = sink.resolve(&labels, None);
        sink.append(series, prom_model::sample::Sample::new(1.0))
            .unwrap();
    }
    sink.commit();
    let app = app(AppState {
        series: std::sync::Arc::new(store),
        ..pools
    });
    let answer = get(&app, "/api/v1/series?match[]=many").await;
    let envelope: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let series = envelope["data"].as_array().unwrap();
    assert_eq!(series.len(), count);
    assert_eq!(series[count - 1]["number"], "009999");
}
