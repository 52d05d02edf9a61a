//! One exporter for two tenants, and the same without one of them.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use federate_server::auth::Users;
use federate_server::federate::Federation;
use federate_server::http::AppState;
use federate_server::store::Store;
use federate_server::tenant::{Fleet, Scope, TargetFilter, Tenant, TenantLimits};
use flate2::read::GzDecoder;
use http::{HeaderMap, Request, StatusCode};
use prom_model::label::LabelSet;
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::Sample;
use prom_model::sink::{Sink as _, TargetSink};
use prom_model::target::{
    DiscoveredJob, DiscoveryStatus, NodeStatus, PoolStatus, ServiceStatus, Standing, TargetGroup,
    TargetHealth, TargetStatus,
};
use tower::ServiceExt as _;

use crate::support::{FixedPools, NOW_MS, app, labels, state};

/// In every text that is B's, and in nothing else.
pub(super) const B: &str = "bravo";
/// In every text that is A's.
pub(super) const A: &str = "alpha";

/// Whether there is more than A in the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Others {
    Present,
    Absent,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    A,
    /// Belongs to the tenant A, of whose metrics it may see some.
    ASome,
    B,
    Operator,
}

impl User {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::ASome => "a-some",
            Self::B => "b",
            Self::Operator => "operator",
        }
    }

    pub(super) fn authorization(self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:pw", self.name())))
    }
}

pub(super) fn tenant(name: &str, targets: &[&str], metrics: &[&str]) -> Tenant {
    let selectors = |of: &[&str]| of.iter().map(|text| text.parse().unwrap()).collect();
    Tenant {
        name: name.into(),
        targets: TargetFilter::Selectors(selectors(targets)),
        metrics: selectors(metrics),
        limits: TenantLimits::default(),
    }
}

/// A's selectors; what is in `both` is B's as well.
pub(super) const OF_A: [&str; 2] = [r#"{org_name="tenant-alpha"}"#, r#"{org_name="both"}"#];
const OF_B: [&str; 2] = [r#"{org_name="tenant-bravo"}"#, r#"{org_name="both"}"#];
/// What the second user of A may see.
pub(super) const SOME: [&str; 2] = [r#"{__name__=~"disk_.*"}"#, r#"{honored="yes"}"#];

fn users() -> Users {
    let scopes = [
        (User::A, Scope::of(tenant("a", &OF_A, &[]))),
        (User::ASome, Scope::of(tenant("a-some", &OF_A, &SOME))),
        (User::B, Scope::of(tenant("b", &OF_B, &[]))),
        (User::Operator, Scope::Everything),
    ];
    let mut users = Users::builder();
    for (user, scope) in scopes {
        users = users.plain(user.name(), "pw").unwrap();
        users = users.scope(user.name(), scope);
    }
    users.build()
}

/// Labels of a target after relabelling.
pub(super) fn target(org: &str, instance: &str) -> LabelSet {
    labels(&[
        ("aiven_service_name", &format!("prod-{org}")),
        ("instance", instance),
        ("job", "aiven"),
        ("org_name", org),
    ])
}

/// What a node has told.
struct Scraped<'a> {
    name: &'a str,
    help: &'a str,
    metric_type: MetricType,
    /// Over those of the target, as relabelling and `honor_labels` may have made them.
    labels: &'a [(&'a str, &'a str)],
    value: f64,
}

fn gauge<'a>(name: &'a str, labels: &'a [(&'a str, &'a str)], value: f64) -> Scraped<'a> {
    Scraped {
        name,
        help: "Help of alpha.",
        metric_type: MetricType::Gauge,
        labels,
        value,
    }
}

fn scrape(
    store: &Store,
    target: &LabelSet,
    at_ms: i64,
    scraped: &[Scraped<'_>],
) -> Box<dyn TargetSink> {
    let mut writer = store.open(Arc::new(target.clone()));
    let mut samples = Vec::new();
    for it in scraped {
        let metadata = Metadata {
            metric_type: it.metric_type,
            help: it.help.into(),
            unit: "".into(),
        };
        let family = writer.describe(it.name, &metadata);
        let mut series = target.clone();
        series.set("__name__", it.name);
        for (name, value) in it.labels {
            series.set(name, value);
        }
        samples.push((writer.resolve(&series, Some(family)), it.value));
    }
    writer.begin(at_ms);
    for (series, value) in samples {
        writer.append(series, Sample::new(value)).unwrap();
    }
    writer.commit();
    writer
}

const A_INSTANCE: &str = "10.1.0.1:9273";
const MOVED_INSTANCE: &str = "10.1.0.2:9273";

/// What A's nodes tell, and around it what others do.
fn store(others: Others) -> (Arc<Store>, Vec<Box<dyn TargetSink>>) {
    let store = Arc::new(Store::new(Duration::from_secs(300)));
    let a = target("tenant-alpha", A_INSTANCE);
    let moved = target("tenant-alpha", MOVED_INSTANCE);
    // Every label of a series of A, which a node of B tells as its own.
    let stolen: Vec<_> = a.iter().collect();
    let bravo = |name, labels, value| Scraped {
        name,
        help: "Help of bravo.",
        metric_type: MetricType::Counter,
        labels,
        value,
    };
    let hostile = [
        // The same series as A's, newer, of another type, and with other values.
        bravo("disk_free", &*stolen, 666.0),
        bravo("jvm_heap_alpha", &stolen, 666.0),
        // Under A's name, with labels that only B has.
        bravo("disk_free", &[("bravo_label", "bravo_value")], 7_777_777.0),
        bravo("bravo_total", &[("org_name", "tenant-alpha")], 1.0),
        bravo(
            "bravo_total",
            &[("org_name", "both"), ("instance", A_INSTANCE)],
            1.0,
        ),
        bravo("disk_bravo", &[("honored", "yes")], 1.0),
        bravo("bravo_empty", &[("job", ""), ("org_name", "")], 1.0),
    ];
    let mut writers = Vec::new();
    if others == Others::Present {
        // Before A's, so that it would be the first of everything.
        let before = target("tenant-bravo", "10.2.0.1:9273");
        writers.push(scrape(&store, &before, NOW_MS - 10, &hostile));
    }
    let own = [
        gauge("disk_free", &[], 1.0),
        gauge("disk_free", &[("device", "alpha1")], 2.0),
        gauge("jvm_heap_alpha", &[], 3.0),
        gauge("up", &[], 1.0),
        // What it says doesn't make it B's.
        gauge(
            "alpha_imitates",
            &[("org_name", "tenant-x"), ("job", "other")],
            4.0,
        ),
        gauge("alpha_honored", &[("honored", "yes")], 5.0),
    ];
    writers.push(scrape(&store, &a, NOW_MS - 500, &own));
    // Moves to B, where it is scraped again, and leaves what it was.
    let last = gauge("disk_free", &[("device", "moved-alpha")], 8.0);
    drop(scrape(&store, &moved, NOW_MS - 60_000, &[last]));
    if others == Others::Present {
        let moved = target("tenant-bravo", MOVED_INSTANCE);
        writers.push(scrape(&store, &moved, NOW_MS - 5, &hostile));
        let of_nobody = target("nobody-bravo", "10.3.0.1:9273");
        writers.push(scrape(&store, &of_nobody, NOW_MS, &hostile));
    }
    let both = target("both", "10.4.0.1:9273");
    let shared = [gauge("disk_free", &[("shared", "yes")], 6.0)];
    writers.push(scrape(&store, &both, NOW_MS - 400, &shared));
    if others == Others::Present {
        let after = target("tenant-bravo", "10.2.0.2:9273");
        writers.push(scrape(&store, &after, NOW_MS - 1, &hostile));
    }
    (store, writers)
}

/// A's service, one of B, and one that both see; each with the nodes that `pools` has.
const SERVICES: [(&str, &str, &[&str]); 4] = [
    (
        "prod-tenant-bravo",
        "tenant-bravo",
        &["10.2.0.1:9273", "10.2.0.2:9273"],
    ),
    ("prod-tenant-alpha", "tenant-alpha", &[A_INSTANCE]),
    ("prod-both", "both", &["10.4.0.1:9273"]),
    ("prod-nobody-bravo", "nobody-bravo", &["10.3.0.1:9273"]),
];

fn services(
    others: Others,
) -> impl Iterator<Item = &'static (&'static str, &'static str, &'static [&'static str])> {
    let is_there =
        move |(_, org, _): &&(&str, &str, _)| others == Others::Present || !org.contains(B);
    SERVICES.iter().filter(is_there)
}

/// The group of a service, as discovery has it.
fn group((name, org, addresses): &(&str, &str, &[&str])) -> TargetGroup {
    let target = |address: &&str| labels(&[("__address__", address)]);
    TargetGroup {
        source: format!("paas/{name}").into(),
        labels: labels(&[
            ("__meta_aiven_service_name", name),
            ("org_name", org),
            ("aiven_service_name", name),
        ]),
        targets: addresses.iter().map(target).collect(),
        access: None,
    }
}

fn status(org: &str, job: &str, discovered: LabelSet) -> TargetStatus {
    let address = discovered.get("__address__").unwrap_or_default().to_owned();
    let mut before = discovered;
    before.extend([
        ("job", job),
        ("__scheme__", "https"),
        ("__metrics_path__", "/metrics"),
        ("__scrape_interval__", "30s"),
        ("__scrape_timeout__", "10s"),
        ("__param_x", "y"),
    ]);
    let is_b = org.contains(B);
    TargetStatus {
        discovered_labels: Arc::new(before),
        labels: Arc::new(target(org, &address)),
        scrape_url: format!("https://{address}/metrics?of={org}").into(),
        last_error: if is_b { "refused by bravo" } else { "" }.into(),
        last_scrape_ms: Some(NOW_MS - 100),
        last_scrape_duration: Duration::from_millis(7),
        health: if is_b {
            TargetHealth::Down
        } else {
            TargetHealth::Up
        },
        scrape_interval: "30s".into(),
        scrape_timeout: "10s".into(),
    }
}

fn pools(others: Others) -> Vec<PoolStatus> {
    let active = services(others).flat_map(|service| {
        let labels = group(service).discovered_labels().collect::<Vec<_>>();
        labels
            .into_iter()
            .map(|labels| status(service.1, "aiven", labels))
    });
    let mut aiven = PoolStatus {
        job: "aiven".into(),
        active: active.collect(),
        ..PoolStatus::default()
    };
    if others == Others::Absent {
        return vec![aiven];
    }
    aiven.dropped = vec![Arc::new(labels(&[("__address__", "bravo:1")]))];
    aiven.dropped_count = 42;
    aiven.failed = vec!["instance 0 in group paas/bravo: no address".to_owned()];
    let address = labels(&[("__address__", "10.2.0.1:9273")]);
    let only_b = PoolStatus {
        job: "job-of-bravo".into(),
        active: vec![status("tenant-bravo", "job-of-bravo", address)],
        ..PoolStatus::default()
    };
    let empty = PoolStatus {
        job: "empty-bravo".into(),
        ..PoolStatus::default()
    };
    vec![only_b, aiven, empty]
}

fn discovered(others: Others) -> Vec<DiscoveredJob> {
    let mut groups: Vec<_> = services(others).map(group).collect();
    if others == Others::Present {
        // Of A's very address, and not what its target came of.
        groups.push(TargetGroup {
            source: "file-of-bravo".into(),
            labels: labels(&[("note", "bravo")]),
            targets: vec![labels(&[("__address__", A_INSTANCE)])],
            access: None,
        });
        groups.push(TargetGroup {
            source: "another".into(),
            labels: LabelSet::new(),
            targets: vec![labels(&[("__address__", A_INSTANCE)])],
            access: None,
        });
        // Dropped by relabelling.
        groups[1]
            .targets
            .push(labels(&[("__address__", "bravo:1")]));
    }
    let of_b = DiscoveredJob {
        job: "job-of-bravo".into(),
        groups: Arc::new(groups.clone()),
    };
    let of_all = DiscoveredJob {
        job: "aiven".into(),
        groups: Arc::new(groups),
    };
    match others {
        Others::Present => vec![of_b, of_all],
        Others::Absent => vec![of_all],
    }
}

fn discovery(others: Others) -> Vec<DiscoveryStatus> {
    let service = |(name, org, addresses): &(&str, &str, &[&str])| ServiceStatus {
        name: (*name).to_owned(),
        source: format!("paas/{name}").into(),
        state: format!("RUNNING {org}"),
        standing: Standing::Unsettled,
        targets: addresses.len(),
        nodes: vec![NodeStatus {
            name: format!("{name}-1"),
            state: "syncing_data".to_owned(),
            standing: Standing::Unsettled,
        }],
        remarks: vec![format!("about {org}")],
    };
    let mut all = services(others).map(service).collect::<Vec<_>>();
    let mut error = String::new();
    if others == Others::Present {
        all.push(ServiceStatus {
            name: "missing-bravo".to_owned(),
            ..ServiceStatus::default()
        });
        error = "bravo can't be listed".to_owned();
    }
    vec![DiscoveryStatus {
        name: "Aiven project paas".to_owned(),
        targets: all.iter().map(|service| service.targets).sum(),
        last_success_ms: Some(NOW_MS - 1000),
        last_error: error,
        services: all,
    }]
}

/// As simple as it can be, so that it shows what it is given.
fn http_sd(groups: &[TargetGroup]) -> String {
    let group = |group: &TargetGroup| {
        let targets = group.targets.iter().map(|it| it.get("__address__"));
        let labels: BTreeMap<_, _> = group.labels.iter().collect();
        serde_json::json!({"targets": targets.collect::<Vec<_>>(), "labels": labels})
    };
    serde_json::Value::from_iter(groups.iter().map(group)).to_string()
}

/// What answers, and what keeps its targets open.
pub(super) struct World {
    pub(super) app: Router,
    _writers: Vec<Box<dyn TargetSink>>,
}

impl World {
    pub(super) fn new(others: Others) -> Self {
        let (store, writers) = store(others);
        let external = labels(&[("region", "eu")]);
        let fleet = Fleet::new(Arc::new(FixedPools(pools(others))))
            .with_discovered(Arc::new(move || discovered(others)), http_sd)
            .with_discovery(Arc::new(move || discovery(others)));
        let yaml = match others {
            Others::Present => "tenants: bravo",
            Others::Absent => "tenants: none",
        };
        let state = AppState {
            federation: Arc::new(Federation::new(Arc::clone(&store), &external)),
            series: store,
            fleet: Arc::new(fleet),
            config_yaml: Arc::new(move || yaml.to_owned()),
            flags: Arc::new(BTreeMap::from([("f".to_owned(), yaml.to_owned())])),
            ..state()
        };
        state.readiness.set_ready();
        state.auth.set_accounts(Some(users()));
        Self {
            app: app(state),
            _writers: writers,
        }
    }

    pub(super) async fn ask(&self, asked: &Asked) -> Told {
        tell(&self.app, asked.request()).await
    }

    /// What `user` gets of `path`.
    pub(super) async fn get(&self, user: User, path: &str) -> Told {
        self.ask(&Asked::get(path).by(user)).await
    }
}

/// An app of one store for tenants with limits.
pub(super) fn limited(series: usize, limits: &[(&str, Option<usize>, Option<usize>)]) -> Router {
    let store = Arc::new(Store::new(Duration::from_secs(300)));
    let mut writer = store.open(Arc::default());
    writer.begin(NOW_MS);
    for number in 0..series {
        let series = labels(&[("__name__", "many"), ("number", &format!("{number:09}"))]);
        let series = writer.resolve(&series, None);
        writer.append(series, Sample::new(1.0)).unwrap();
    }
    writer.commit();
    std::mem::forget(writer);
    let mut users = Users::builder().plain("operator", "pw").unwrap();
    for (name, concurrency, series) in limits {
        let scope = Scope::of(Tenant {
            limits: TenantLimits {
                concurrency: concurrency.and_then(NonZeroUsize::new),
                series: series.and_then(NonZeroUsize::new),
            },
            ..tenant(name, &[r#"{org_name=""}"#], &[])
        });
        users = users.plain(name, "pw").unwrap().scope(name, scope);
    }
    let state = AppState {
        federation: Arc::new(Federation::new(Arc::clone(&store), &LabelSet::new())),
        series: store,
        ..state()
    };
    state.auth.set_accounts(Some(users.build()));
    app(state)
}

/// A request that can be sent several times.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: http::Method,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn get(path: &str) -> Self {
        Self {
            method: http::Method::GET,
            path: path.to_owned(),
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub(super) fn by(self, user: User) -> Self {
        self.with("authorization", &user.authorization())
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn request(&self) -> Request<Body> {
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Body::from(self.body.clone())).unwrap()
    }
}

/// An answer to its last byte; unpacked where it was packed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Told {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether `text` is anywhere in it, in upper or lower case.
    pub(super) fn has(&self, text: &str) -> bool {
        let all = format!("{:?}{}", self.headers, self.text());
        all.to_lowercase().contains(text)
    }
}

pub(super) async fn tell(app: &Router, request: Request<Body>) -> Told {
    let (head, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let mut body = to_bytes(body, usize::MAX).await.unwrap().to_vec();
    if head.headers.get("content-encoding").is_some() && !body.is_empty() {
        let mut text = Vec::new();
        GzDecoder::new(&*body).read_to_end(&mut text).unwrap();
        body = text;
    }
    Told {
        status: head.status,
        headers: head.headers,
        body,
    }
}
