use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use axum::body::Body;
use federate_server::http::AppState;
use http::header::ACCEPT;
use http::{Method, Request, StatusCode};
use prom_model::exposition::{Entry, Format, Parser};

use crate::support::{NOW_MS, app, get, request, send, state};

/// After some requests, so that every family has series.
async fn used() -> AppState {
    let state = state();
    let app = app(state.clone());
    for path in [
        "/targets",
        "/nope",
        "/federate?match[]=%7Bjob%3D%22app%22%7D",
    ] {
        send(&app, request(Method::GET, path)).await;
    }
    state.metrics.federate.abandoned();
    state.metrics.federate.finished(Duration::from_millis(5));
    state.metrics.web_config.succeeded(NOW_MS);
    state
}

#[tokio::test]
async fn both_formats_parse_and_name_the_same_series() {
    let app = app(used().await);
    let mut found = Vec::new();
    for (accept, content_type, format) in [
        ("", "text/plain; version=0.0.4; charset=utf-8", Format::Text),
        (
            "application/openmetrics-text;version=1.0.0",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Format::OpenMetrics,
        ),
    ] {
        let request = Request::builder().uri("/metrics").header(ACCEPT, accept);
        let answer = send(&app, request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("content-type"), content_type);
        let mut parser = Parser::new(answer.body.as_bytes(), format);
        let mut labels = prom_model::label::LabelSet::new();
        let mut names = Vec::new();
        while let Some(entry) = parser.next_entry().unwrap() {
            if let Entry::Series(_) = entry {
                parser.labels(&mut labels).unwrap();
                names.push(labels.to_string());
            }
        }
        names.retain(|name| !name.contains("\"Metrics\""));
        names.sort();
        found.push(names);
    }
    assert_eq!(found[0], found[1]);
    for name in [
        "process_cpu_seconds_total",
        "process_open_fds",
        "elasticsearch_metric_exporter_config_last_reload_successful",
        r#"elasticsearch_metric_exporter_build_info{revision="abc", rustversion="rustc 1.95.0", version="1.2.3"}"#,
        r#"elasticsearch_metric_exporter_http_requests_total{code="404", handler="None"}"#,
        r#"elasticsearch_metric_exporter_federate_requests_total{code="200"}"#,
    ] {
        assert!(
            found[0].contains(&name.to_owned()),
            "{name} in {:#?}",
            found[0]
        );
    }
}

#[tokio::test]
async fn values_are_those_of_what_happened() {
    let state = used().await;
    state.metrics.config.failed();
    state.metrics.federate.answered(StatusCode::BAD_REQUEST);
    let body = get(&app(state), "/metrics").await.body;
    for line in [
        "elasticsearch_metric_exporter_config_last_reload_successful 0",
        "elasticsearch_metric_exporter_config_last_reload_success_timestamp_seconds 1795366817",
        "elasticsearch_metric_exporter_web_config_last_reload_successful 1",
        r#"elasticsearch_metric_exporter_federate_requests_total{code="400"} 1"#,
        r#"elasticsearch_metric_exporter_http_requests_total{handler="TargetsPage",code="200"} 1"#,
        "# TYPE elasticsearch_metric_exporter_http_requests_total counter",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(body.lines().any(|have| have == line), "{line} in\n{body}");
    }
}

#[tokio::test]
#[ignore = "needs promtool on PATH"]
async fn promtool_finds_nothing_to_complain_about() {
    let body = get(&app(used().await), "/metrics").await.body;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(body.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(
        (output.status.code(), said.as_str()),
        (Some(0), ""),
        "{body}"
    );
}
