//! Whatever happens to targets: a tenant sees what a store would show that has its own series and nothing else.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use federate_server::federate::{Federation, Timestamps};
use federate_server::selector::Selector;
use federate_server::store::Store;
use federate_server::tenant::Scope;
use prom_model::exposition::negotiate::Response;
use prom_model::label::LabelSet;
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::Sample;
use prom_model::sink::{SeriesRef, Sink as _, TargetSink};
use proptest::prelude::*;

use super::world::tenant;
use crate::support::labels;

/// What happens to one of a few targets.
#[derive(Debug, Clone)]
enum Step {
    Scrape {
        target: usize,
        series: Vec<(usize, u8)>,
    },
    /// The target goes, and comes again as that of another.
    Move {
        target: usize,
        org: usize,
    },
    Sweep,
    Ask(Vec<usize>),
}

const TARGETS: usize = 5;
const ORGS: [&str; 3] = ["a", "b", "both"];
const OF_A: [&str; 2] = [r#"{org="a"}"#, r#"{org=~"bo.*"}"#];

const SELECTORS: [&str; 8] = [
    r#"{__name__=~".+"}"#,
    r#"{org="b"}"#,
    r#"{org!="a"}"#,
    r#"{org=~"a|b",own!="2"}"#,
    r#"m1"#,
    r#"{own=""}"#,
    r#"{instance=~"t[0-2]"}"#,
    r#"{__name__=~"m[02]",host=~".+"}"#,
];

/// What a tenant may see of its series.
const METRICS: [&[&str]; 4] = [
    &[],
    &[r#"{__name__=~"m[01]"}"#],
    &[r#"m3{own="1"}"#, r#"{host!="",org!="b"}"#],
    &[r#"{org="b"}"#],
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let series = prop::collection::vec((0..30_usize, any::<u8>()), 0..20);
    let asked = prop::collection::vec(0..SELECTORS.len(), 1..4);
    let step = prop_oneof![
        6 => (0..TARGETS, series).prop_map(|(target, series)| Step::Scrape { target, series }),
        2 => (0..TARGETS, 0..ORGS.len()).prop_map(|(target, org)| Step::Move { target, org }),
        1 => Just(Step::Sweep),
        3 => asked.prop_map(Step::Ask),
    ];
    prop::collection::vec(step, 1..40)
}

/// Some series have their target's labels, some those of other targets or tenants, and some none of them.
fn series_labels(target: &LabelSet, series: usize) -> LabelSet {
    let mut labels = if series % 7 == 3 {
        LabelSet::new()
    } else {
        target.clone()
    };
    labels.set("__name__", &format!("m{}", series % 4));
    labels.set("own", &(series / 4 % 4).to_string());
    match series % 9 {
        1 => labels.set("org", "a"),
        2 => labels.set("org", "b"),
        4 => labels.set("instance", "t0"),
        5 => labels.set("host", target.get("instance").unwrap_or_default()),
        _ => {}
    }
    labels
}

/// A target as its scraper sees it.
struct Node {
    writer: Box<dyn TargetSink>,
    labels: LabelSet,
    live: BTreeMap<LabelSet, SeriesRef>,
}

impl Node {
    fn open(store: &Store, labels: &LabelSet) -> Self {
        Self {
            writer: store.open(Arc::new(labels.clone())),
            labels: labels.clone(),
            live: BTreeMap::new(),
        }
    }

    /// A scrape of those of `series` that are `wanted`. Others aren't even described.
    fn scrape(&mut self, at_ms: i64, series: &[(usize, u8)], wanted: impl Fn(&LabelSet) -> bool) {
        let Self {
            writer,
            labels: target,
            live,
        } = self;
        let mut next = BTreeMap::new();
        let mut samples = Vec::new();
        for (series, value) in series {
            let labels = series_labels(target, *series);
            if !wanted(&labels) {
                continue;
            }
            // Those of others have other ideas of what a metric is.
            let is_foreign = target.get("org") == Some("b");
            let types = [MetricType::Gauge, MetricType::Counter, MetricType::Unknown];
            let metadata = Metadata {
                metric_type: types[(usize::from(is_foreign) + series % 4) % 3],
                help: format!("Foreign: {is_foreign}.").into(),
                unit: "".into(),
            };
            let family = writer.describe(labels.metric_name(), &metadata);
            let reference = writer.resolve(&labels, Some(family));
            next.insert(labels, reference);
            samples.push((reference, *value));
        }
        writer.begin(at_ms);
        for (series, value) in samples {
            // The same series twice in a scrape is refused.
            let _ = writer.append(series, Sample::new(f64::from(value)));
        }
        let gone = live
            .iter()
            .filter(|(labels, _)| !next.contains_key(*labels));
        let gone: Vec<SeriesRef> = gone.map(|(_, series)| *series).collect();
        for series in &gone {
            writer.append(*series, Sample::stale()).unwrap();
        }
        writer.commit();
        for series in gone {
            writer.release(series);
        }
        *live = next;
    }
}

/// A store, its targets by their number, and what it serves.
struct Side {
    store: Arc<Store>,
    federation: Federation,
    nodes: BTreeMap<usize, Node>,
}

impl Side {
    fn new() -> Self {
        let store = Arc::new(Store::new(Duration::from_secs(20)));
        Self {
            federation: Federation::new(Arc::clone(&store), &labels(&[("region", "eu")])),
            store,
            nodes: BTreeMap::new(),
        }
    }

    fn text(&self, scope: &Scope, selectors: &[Selector], now_ms: i64) -> String {
        let style = Response::negotiate("");
        let encoded = self
            .federation
            .encode(scope, selectors, style, Timestamps::Written, now_ms);
        String::from_utf8(encoded.unwrap()).unwrap()
    }

    /// Everything else that may be asked of the store.
    fn rest(&self, scope: &Scope, now_ms: i64) -> (usize, usize, Vec<String>, Vec<String>) {
        let snapshot = self.store.snapshot(scope);
        let told = snapshot.metadata().into_iter();
        let told = told.map(|(target, name, metadata)| format!("{target} {name} {metadata:?}"));
        let mut told: Vec<_> = told.collect();
        // A target's families come in the order of its slots.
        told.sort();
        let counts = (snapshot.series_count(), snapshot.target_count());
        let series = snapshot.select_all(now_ms).map(|series| {
            let at_ms = series.timestamp_ms;
            format!("{} {} {at_ms}", series.labels(), series.value)
        });
        (counts.0, counts.1, told, series.collect())
    }
}

fn target(number: usize, org: usize) -> LabelSet {
    labels(&[("instance", &format!("t{number}")), ("org", ORGS[org])])
}

proptest! {
    #[test]
    fn a_tenant_sees_what_it_would_see_alone(steps in steps(), metrics in 0..METRICS.len()) {
        let parse = |text: &str| text.parse::<Selector>().unwrap();
        let of_a = OF_A.map(parse);
        let metrics = METRICS[metrics];
        let visible: Vec<_> = metrics.iter().map(|text| parse(text)).collect();
        let is_visible = |labels: &LabelSet| {
            visible.is_empty() || visible.iter().any(|selector| selector.matches(labels))
        };
        let scope = Scope::of(tenant("a", &OF_A, metrics));
        let alone_scope = Scope::of(tenant("alone", &OF_A, &[]));
        let (mut all, mut alone) = (Side::new(), Side::new());
        let open = |all: &mut Side, alone: &mut Side, number, labels: &LabelSet| {
            all.nodes.insert(number, Node::open(&all.store, labels));
            alone.nodes.remove(&number);
            if of_a.iter().any(|selector| selector.matches(labels)) {
                alone.nodes.insert(number, Node::open(&alone.store, labels));
            }
        };
        for number in 0..TARGETS {
            open(&mut all, &mut alone, number, &target(number, number % ORGS.len()));
        }
        // Places that are free again are taken in another order than that of opening.
        let mut is_in_order = true;
        let mut now_ms = 1_000_000;
        for step in steps {
            now_ms += 1000;
            match step {
                Step::Scrape { target, series } => {
                    if let Some(node) = all.nodes.get_mut(&target) {
                        node.scrape(now_ms, &series, |_| true);
                    }
                    if let Some(node) = alone.nodes.get_mut(&target) {
                        node.scrape(now_ms, &series, is_visible);
                    }
                }
                Step::Move { target: number, org } => {
                    open(&mut all, &mut alone, number, &target(number, org));
                }
                Step::Sweep => {
                    all.store.sweep(now_ms);
                    alone.store.sweep(now_ms);
                    is_in_order = false;
                }
                Step::Ask(selectors) => {
                    let selectors: Vec<_> =
                        selectors.iter().map(|at| parse(SELECTORS[*at])).collect();
                    let have = all.text(&scope, &selectors, now_ms);
                    prop_assert_eq!(&have, &alone.text(&alone_scope, &selectors, now_ms));
                    let rest = all.rest(&scope, now_ms);
                    prop_assert_eq!(&rest, &alone.rest(&alone_scope, now_ms));
                    if is_in_order {
                        let want = alone.text(&Scope::Everything, &selectors, now_ms);
                        prop_assert_eq!(&have, &want);
                        prop_assert_eq!(&rest, &alone.rest(&Scope::Everything, now_ms));
                    }
                }
            }
        }
    }
}
