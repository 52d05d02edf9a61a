//! A scrape into the store, and answers from it: a fleet of nodes that expose the captures.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use federate_server::federate::{Federation, Timestamps};
use federate_server::selector::Selector;
use federate_server::store::{DEFAULT_LOOKBACK, Store};
use federate_server::tenant::{Scope, TargetFilter, Tenant, TenantLimits};
use prom_model::exposition::negotiate::Response;
use prom_model::exposition::{Format, MetricFamily, parse_families};
use prom_model::label::LabelSet;
use prom_model::sample::Sample;
use prom_model::sink::{SeriesRef, Sink, TargetSink};

/// Services of three nodes each.
const SERVICES: usize = 20;
const NOW_MS: i64 = 1_700_000_000_000;

const CAPTURES: [&str; 3] = [
    include_str!("../../fixtures/data/es-node-1.prom"),
    include_str!("../../fixtures/data/es-node-2.prom"),
    include_str!("../../fixtures/data/es-node-3.prom"),
];

/// Labels of the captures that a node has for itself.
const OWN: [(&str, &str); 2] = [("host", "host"), ("service", "service")];

fn target_labels(service: usize, node: usize) -> LabelSet {
    let service_name = format!("prod-{service:08}");
    [
        ("job", "aiven"),
        ("instance", &*format!("10.0.{service}.{node}:9273")),
        ("aiven_service_name", &*service_name),
        ("org_name", &*format!("org-{}", service % 7)),
    ]
    .into_iter()
    .collect()
}

/// A node's series with the labels that they are stored with.
fn node_series(families: &[MetricFamily], service: usize, node: usize) -> Vec<(LabelSet, f64)> {
    let target = target_labels(service, node);
    let samples = families.iter().flat_map(|family| &family.samples);
    samples
        .map(|(labels, sample)| {
            let mut labels = labels.clone();
            labels.extend(target.iter());
            for (name, value) in OWN {
                labels.set(name, &format!("{value}-{service}-{node}"));
            }
            (labels, sample.value)
        })
        .collect()
}

fn scrape(writer: &mut dyn TargetSink, at_ms: i64, samples: &[(SeriesRef, f64)]) {
    writer.begin(at_ms);
    for (series, value) in samples {
        // Every scrape is newer than the one before.
        let _ = writer.append(*series, Sample::new(*value));
    }
    writer.commit();
}

/// A store with one scrape of every node of so many services, and the writers, which keep the nodes in it.
fn fleet(services: usize) -> (Arc<Store>, Vec<Box<dyn TargetSink>>, usize) {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let captures = CAPTURES
        .map(|text| parse_families(text.as_bytes(), Format::Text).expect("captures are valid"));
    let (mut writers, mut count) = (Vec::new(), 0);
    for service in 0..services {
        for (node, families) in captures.iter().enumerate() {
            let mut writer = store.open(Arc::new(target_labels(service, node)));
            let series = node_series(families, service, node);
            let samples: Vec<_> = series
                .iter()
                .map(|(labels, value)| (writer.resolve(labels, None), *value))
                .collect();
            count += samples.len();
            scrape(&mut *writer, NOW_MS, &samples);
            writers.push(writer);
        }
    }
    (store, writers, count)
}

fn ingest(criterion: &mut Criterion) {
    let families =
        parse_families(CAPTURES[0].as_bytes(), Format::Text).expect("captures are valid");
    let series = node_series(&families, 0, 0);
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(series.len() as u64));
    group.bench_function("first scrape", |bencher| {
        bencher.iter(|| {
            let store = Store::new(DEFAULT_LOOKBACK);
            let mut writer = store.open(Arc::new(target_labels(0, 0)));
            let samples: Vec<_> = series
                .iter()
                .map(|(labels, value)| (writer.resolve(labels, None), *value))
                .collect();
            scrape(&mut *writer, NOW_MS, &samples);
            black_box(store)
        });
    });
    let store = Store::new(DEFAULT_LOOKBACK);
    let mut writer = store.open(Arc::new(target_labels(0, 0)));
    let samples: Vec<_> = series
        .iter()
        .map(|(labels, value)| (writer.resolve(labels, None), *value))
        .collect();
    let mut at_ms = NOW_MS;
    group.bench_function("repeated scrape", |bencher| {
        bencher.iter(|| {
            at_ms += 1;
            scrape(&mut *writer, at_ms, black_box(&samples));
        });
    });
    group.finish();
}

fn encode(federation: &Federation, scope: &Scope, selectors: &[Selector], accept: &str) -> Vec<u8> {
    let style = Response::negotiate(accept);
    let encoded = federation.encode(scope, selectors, style, Timestamps::Written, NOW_MS);
    encoded.expect("there is no limit")
}

fn federate(criterion: &mut Criterion) {
    let (store, _writers, count) = fleet(SERVICES);
    let federation = Federation::new(store, &LabelSet::new());
    let names = "elasticsearch_(jvm_uptime_in_millis|os_cpu_percent|indices_docs_count)|disk_free|system_load1";
    let requests = [
        ("all series", r#"{job="aiven"}"#.to_owned()),
        (
            "one service",
            r#"{aiven_service_name="prod-00000003"}"#.to_owned(),
        ),
        ("names by regex", format!(r#"{{__name__=~"{names}"}}"#)),
    ];
    let mut group = criterion.benchmark_group(format!("federate from {count} series"));
    for (what, selector) in requests {
        let selectors = [selector.parse::<Selector>().expect("a selector")];
        let answer = |accept| encode(&federation, &Scope::Everything, &selectors, accept);
        for (format, accept) in [
            ("text", ""),
            ("OpenMetrics", "application/openmetrics-text;version=1.0.0"),
        ] {
            group.throughput(Throughput::Bytes(answer(accept).len() as u64));
            group.bench_function(format!("{what}, {format}"), |bencher| {
                bencher.iter(|| black_box(answer(accept)));
            });
        }
    }
    group.finish();
}

/// Everything that one tenant sees, which is one service, beside few others and many.
fn tenants(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("federate to one tenant");
    for tenants in [1, 20, 200] {
        let (store, _writers, _) = fleet(tenants);
        let federation = Federation::new(Arc::clone(&store), &LabelSet::new());
        let selector = |text: &str| text.parse::<Selector>().expect("a selector");
        let scope = |metrics: &[&str]| {
            Scope::of(Tenant {
                name: "tenant".into(),
                targets: TargetFilter::Selectors(vec![selector(
                    r#"{aiven_service_name="prod-00000000"}"#,
                )]),
                metrics: metrics.iter().map(|text| selector(text)).collect(),
                limits: TenantLimits::default(),
            })
        };
        let selectors = [selector(r#"{__name__=~".+"}"#)];
        for (what, metrics) in [
            ("all", &[][..]),
            ("some metrics", &[r#"{__name__=~"elasticsearch_jvm.*"}"#]),
        ] {
            let scope = scope(metrics);
            let bytes = encode(&federation, &scope, &selectors, "").len();
            group.throughput(Throughput::Bytes(bytes as u64));
            group.bench_function(format!("{what}, one of {tenants}"), |bencher| {
                bencher.iter(|| black_box(encode(&federation, &scope, &selectors, "")));
            });
        }
        let scope = scope(&[]);
        let what = format!("after a change of others' targets, one of {tenants}");
        group.bench_function(what, |bencher| {
            let changed = || {
                store.sweep(NOW_MS);
                store.open(Arc::new(target_labels(tenants, 0)))
            };
            let answer = |_opened| black_box(encode(&federation, &scope, &selectors, ""));
            bencher.iter_batched(changed, answer, BatchSize::PerIteration);
        });
    }
    group.finish();
}

/// A sweep that finds a target gone, beside tenants who have asked before. Each sees one of 1,000 services of three
/// nodes.
fn sweep(criterion: &mut Criterion) {
    const SERVICES: usize = 1000;
    let mut group = criterion.benchmark_group("sweep of 3,000 targets");
    for tenants in [0, 100, 4000] {
        let store = Store::new(DEFAULT_LOOKBACK);
        let open = |service, node| store.open(Arc::new(target_labels(service, node)));
        let nodes = (0..SERVICES).flat_map(|service| (0..3).map(move |node| (service, node)));
        let _writers: Vec<_> = nodes.map(|(service, node)| open(service, node)).collect();
        let scope = |number: usize| {
            let service = target_labels(number % SERVICES, 0);
            let service = service.get("aiven_service_name").unwrap_or_default();
            Scope::of(Tenant {
                name: "tenant".into(),
                targets: TargetFilter::Values {
                    name: "aiven_service_name".into(),
                    values: [service.into()].into(),
                },
                metrics: Vec::new(),
                limits: TenantLimits::default(),
            })
        };
        let scopes: Vec<_> = (0..tenants).map(scope).collect();
        let seen = scopes
            .iter()
            .map(|scope| store.snapshot(scope).target_count());
        assert_eq!(seen.sum::<usize>(), 3 * tenants);
        group.bench_function(format!("beside {tenants} tenants"), |bencher| {
            let gone = || drop(open(SERVICES, 0));
            bencher.iter_batched(gone, |()| store.sweep(NOW_MS), BatchSize::PerIteration);
        });
    }
    group.finish();
}

criterion_group!(benches, ingest, federate, tenants, sweep);
criterion_main!(benches);
