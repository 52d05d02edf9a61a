use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use federate_server::auth::{Authenticator, Users};
use federate_server::federate::Federation;
use federate_server::http::{AppState, BuildInfo, Readiness, Reload, RuntimeInfo, router};
use federate_server::metrics::{ProcessMetrics, ServerMetrics};
use federate_server::store::Store;
use federate_server::tenant::Fleet;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, Request, StatusCode};
use prom_model::label::LabelSet;
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::Sample;
use prom_model::sink::Sink as _;
use prom_model::target::{PoolStatus, TargetHealth, TargetStatus, TargetStatuses};
use prometheus_client::registry::Registry;
use tower::ServiceExt as _;

/// 2026-11-22T17:00:17Z
pub(crate) const NOW_MS: i64 = 1_795_366_817_000;

pub(crate) fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    pairs.iter().copied().collect()
}

/// Pools that never change.
pub(crate) struct FixedPools(pub(crate) Vec<PoolStatus>);

impl TargetStatuses for FixedPools {
    fn pools(&self) -> Vec<PoolStatus> {
        self.0.clone()
    }
}

/// Succeeds, or fails with a text.
pub(crate) struct FixedReload(pub(crate) Result<(), String>);

impl Reload for FixedReload {
    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(std::future::ready(self.0.clone()))
    }
}

/// A job with a target that is up and one that is down, one dropped, and a job without any.
pub(crate) fn pools() -> Vec<PoolStatus> {
    let discovered = |address: &str| {
        Arc::new(labels(&[
            ("__address__", address),
            ("foo", "b<a>&r"),
            ("job", "self"),
        ]))
    };
    let up = TargetStatus {
        discovered_labels: discovered("127.0.0.1:19391"),
        labels: Arc::new(labels(&[
            ("foo", "b<a>&r"),
            ("instance", "127.0.0.1:19391"),
            ("job", "self"),
        ])),
        scrape_url: "http://127.0.0.1:19391/metrics".into(),
        last_error: "".into(),
        last_scrape_ms: Some(1_795_366_816_014),
        last_scrape_duration: Duration::from_nanos(9_706_721),
        health: TargetHealth::Up,
        scrape_interval: "1m30s".into(),
        scrape_timeout: "1s".into(),
    };
    let down = TargetStatus {
        discovered_labels: discovered("localhost:1"),
        labels: Arc::new(labels(&[("instance", "localhost:1"), ("job", "self")])),
        scrape_url: "http://localhost:1/metrics".into(),
        last_error: "connection refused".into(),
        health: TargetHealth::Down,
        last_scrape_duration: Duration::from_secs(1),
        ..up.clone()
    };
    let unknown = TargetStatus {
        labels: Arc::new(labels(&[("instance", "10.0.0.1:9"), ("job", "later")])),
        discovered_labels: discovered("10.0.0.1:9"),
        scrape_url: "https://10.0.0.1:9/metrics".into(),
        last_error: "".into(),
        last_scrape_ms: None,
        last_scrape_duration: Duration::ZERO,
        health: TargetHealth::Unknown,
        ..up.clone()
    };
    vec![
        PoolStatus {
            job: "self".into(),
            active: vec![up, down],
            dropped: vec![discovered("10.255.255.1:9")],
            dropped_count: 3,
            failed: Vec::new(),
        },
        PoolStatus {
            job: "later".into(),
            active: vec![unknown],
            ..PoolStatus::default()
        },
        PoolStatus {
            job: "empty".into(),
            ..PoolStatus::default()
        },
    ]
}

/// Series of two targets, scraped half a second ago.
pub(crate) fn store() -> Arc<Store> {
    let store = Arc::new(Store::new(Duration::from_secs(300)));
    for (instance, help) in [("a:1", "Requests."), ("b:1", "Requests <made>.")] {
        let target = labels(&[("instance", instance), ("job", "app")]);
        let mut sink = store.open(Arc::new(target.clone()));
        let metadata = |metric_type, help: &str| Metadata {
            metric_type,
            help: help.into(),
            unit: "".into(),
        };
        let requests = sink.describe("requests_total", &metadata(MetricType::Counter, help));
        let size = sink.describe("size.bytes", &metadata(MetricType::Gauge, ""));
        sink.begin(NOW_MS - 500);
        for (name, family, code) in [
            ("requests_total", requests, "200"),
            ("size.bytes", size, ""),
        ] {
            let mut series = target.clone();
            series.extend([("__name__", name), ("code", code), ("http.path", "/é")]);
            let series = sink.resolve(&series, Some(family));
            sink.append(series, Sample::new(1.0)).unwrap();
        }
        sink.commit();
    }
    store
}

/// A state over [`pools`] and [`store`], and without users.
pub(crate) fn state() -> AppState {
    let build = BuildInfo {
        program: "elasticsearch-metric-exporter".to_owned(),
        version: "1.2.3".to_owned(),
        revision: "abc".to_owned(),
        rust_version: "rustc 1.95.0".to_owned(),
        ..BuildInfo::default()
    };
    let mut registry = Registry::default();
    let metrics = ServerMetrics::register(&mut registry, "elasticsearch_metric_exporter", &build);
    ProcessMetrics.register(&mut registry);
    metrics.config.succeeded(NOW_MS);
    let store = store();
    let flags = BTreeMap::from([("web.listen-address".to_owned(), ":9090".to_owned())]);
    let external = "http://prom.example.com:8080".parse();
    let external: federate_server::external::ExternalUrl = external.unwrap();
    AppState {
        federation: Arc::new(Federation::new(Arc::clone(&store), &LabelSet::new())),
        series: store,
        fleet: fleet(pools()),
        auth: Arc::new(Authenticator::open()),
        readiness: Arc::new(Readiness::new()),
        reload: Arc::new(FixedReload(Ok(()))),
        config_yaml: Arc::new(|| "global: {}\n".to_owned()),
        flags: Arc::new(flags),
        build: Arc::new(build),
        runtime: Arc::new(RuntimeInfo {
            start_ms: NOW_MS - 60_000,
            working_directory: "/srv".to_owned(),
            hostname: "vm".to_owned(),
        }),
        external_url: Arc::new(external.with_listen_port(19391)),
        registry: Arc::new(registry),
        metrics,
        now_ms: Arc::new(|| NOW_MS),
    }
}

/// A fleet of targets that never change.
pub(crate) fn fleet(pools: Vec<PoolStatus>) -> Arc<Fleet> {
    Arc::new(Fleet::new(Arc::new(FixedPools(pools))))
}

/// The router over `state`, without configured headers.
pub(crate) fn app(state: AppState) -> Router {
    router(state, Arc::new(|| Arc::new([])))
}

/// Users with one bcrypt hash of the lowest cost each.
pub(crate) fn users(users: &[(&str, &str)]) -> Users {
    let mut builder = Users::builder();
    for (name, password) in users {
        let hash = bcrypt::hash(password, 4).unwrap();
        builder = builder.bcrypt(name, &hash).unwrap();
    }
    builder.build()
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

pub(crate) async fn send(app: &Router, request: Request<Body>) -> Answer {
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) fn request(method: Method, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap()
}

pub(crate) async fn get(app: &Router, path: &str) -> Answer {
    send(app, request(Method::GET, path)).await
}
