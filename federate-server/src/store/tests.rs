use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prom_model::label::LabelSet;
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::Sample;
use prom_model::sink::{SeriesRef, Sink, TargetSink};
use proptest::prelude::*;

use super::*;
use crate::selector::Selector;
use crate::tenant::Scope;

mod families;
mod narrow;
mod tenants;

fn set(labels: &[(&str, &str)]) -> LabelSet {
    labels.iter().copied().collect()
}

fn with_name(labels: &LabelSet, name: &str) -> LabelSet {
    let mut labels = labels.clone();
    labels.set("__name__", name);
    labels
}

fn target(store: &Store, instance: &str) -> (LabelSet, Box<dyn TargetSink>) {
    let labels = set(&[("job", "aiven"), ("instance", instance)]);
    (labels.clone(), store.open(Arc::new(labels)))
}

/// Resolves each series and commits one sample of it.
fn scrape(writer: &mut dyn TargetSink, at_ms: i64, samples: &[(&LabelSet, f64)]) -> Vec<SeriesRef> {
    let series: Vec<_> = samples
        .iter()
        .map(|(labels, _)| writer.resolve(labels, None))
        .collect();
    writer.begin(at_ms);
    for (series, (_, value)) in series.iter().zip(samples) {
        writer.append(*series, Sample::new(*value)).unwrap();
    }
    writer.commit();
    series
}

fn all(store: &Store, now_ms: i64) -> Vec<(String, f64, i64)> {
    let series = store.snapshot(&Scope::Everything).select_all(now_ms);
    series
        .map(|series| {
            (
                series.labels().to_string(),
                series.value,
                series.timestamp_ms,
            )
        })
        .collect()
}

fn selected(store: &Store, selectors: &[&str], now_ms: i64) -> Vec<String> {
    let selectors: Vec<_> = selectors
        .iter()
        .map(|text| text.parse::<Selector>().unwrap())
        .collect();
    store
        .snapshot(&Scope::Everything)
        .select(&selectors, now_ms)
        .map(|series| series.labels().to_string())
        .collect()
}

#[test]
fn a_scrape_is_visible_at_commit_as_a_whole() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let [x, y] = ["x", "y"].map(|name| writer.resolve(&with_name(&labels, name), None));
    writer.begin(1000);
    writer.append(x, Sample::new(1.0)).unwrap();
    assert_eq!(all(&store, 1000), []);
    writer.append(y, Sample::new(2.0)).unwrap();
    writer.commit();
    let line = |name: &str, value| {
        (
            format!(r#"{name}{{instance="a", job="aiven"}}"#),
            value,
            1000,
        )
    };
    assert_eq!(all(&store, 1000), [line("x", 1.0), line("y", 2.0)]);
}

#[test]
fn a_reader_whose_clock_was_read_before_the_scrape_sees_it() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let [x, ahead] = ["x", "ahead"].map(|name| with_name(&labels, name));
    scrape(&mut *writer, 1000, &[(&x, 1.0), (&ahead, 1.0)]);
    let series = scrape(&mut *writer, 2000, &[(&x, 2.0)]);
    let line = (x.to_string(), 2.0, 2000);
    assert!(all(&store, 1999).contains(&line));
    // As after a clock was set back. What a sample itself says of its time holds all the same.
    writer.begin(3000);
    writer.append(series[0], Sample::new(3.0)).unwrap();
    let ahead = writer.resolve(&ahead, None);
    let sample = Sample {
        timestamp_ms: Some(3001),
        ..Sample::new(9.0)
    };
    writer.append(ahead, sample).unwrap();
    writer.commit();
    let values = |now_ms| all(&store, now_ms).into_iter().map(|it| it.1);
    assert_eq!(values(0).collect::<Vec<_>>(), [1.0, 3.0]);
    assert_eq!(values(3001).collect::<Vec<_>>(), [9.0, 3.0]);
}

#[test]
fn a_scrape_begun_anew_discards_what_was_appended() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let series = scrape(&mut *writer, 1000, &[(&with_name(&labels, "x"), 1.0)]);
    writer.begin(2000);
    writer.append(series[0], Sample::new(2.0)).unwrap();
    writer.begin(3000);
    writer.commit();
    assert_eq!(
        all(&store, 3000),
        [(r#"x{instance="a", job="aiven"}"#.to_owned(), 1.0, 1000)]
    );
}

#[test]
fn stale_and_old_samples_are_not_served() {
    let store = Store::new(Duration::from_secs(300));
    let (labels, mut writer) = target(&store, "a");
    let series = scrape(
        &mut *writer,
        1000,
        &[
            (&with_name(&labels, "x"), 1.0),
            (&with_name(&labels, "y"), 2.0),
        ],
    );
    writer.begin(2000);
    writer.append(series[0], Sample::stale()).unwrap();
    writer.append(series[1], Sample::new(f64::NAN)).unwrap();
    writer.commit();
    let names = |now_ms| {
        all(&store, now_ms)
            .into_iter()
            .map(|(labels, ..)| labels)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(2000), [r#"y{instance="a", job="aiven"}"#]);
    assert_eq!(names(302_000).len(), 1);
    assert_eq!(names(302_001).len(), 0);
}

#[test]
fn of_two_targets_with_the_same_series_the_newest_sample_counts() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut first) = target(&store, "a");
    let (_, mut second) = target(&store, "a");
    let x = with_name(&labels, "x");
    let line = |value, at| vec![(r#"x{instance="a", job="aiven"}"#.to_owned(), value, at)];
    let series = scrape(&mut *first, 1000, &[(&x, 1.0)]);
    scrape(&mut *second, 1000, &[(&x, 9.0)]);
    assert_eq!(
        all(&store, 1000),
        line(1.0, 1000),
        "the first of equally new ones"
    );
    scrape(&mut *second, 2000, &[(&x, 2.0)]);
    assert_eq!(all(&store, 2000), line(2.0, 2000));
    // The old target's end comes late, and is no end of the new one's series.
    first.begin(1500);
    first.append(series[0], Sample::stale()).unwrap();
    first.commit();
    assert_eq!(all(&store, 2000), line(2.0, 2000));
    first.begin(3000);
    first.append(series[0], Sample::stale()).unwrap();
    first.commit();
    assert_eq!(all(&store, 3000), []);
}

#[test]
fn a_released_series_is_forgotten_once_nobody_can_see_it() {
    let store = Store::new(Duration::from_secs(10));
    let (labels, mut writer) = target(&store, "a");
    let mut known = Vec::new();
    for round in 0..1000 {
        let now = round * 1000;
        let fresh = with_name(&labels, &format!("round_{round}"));
        known.push(scrape(&mut *writer, now, &[(&fresh, 1.0)])[0]);
        if known.len() > 1 {
            let old = known.remove(0);
            writer.begin(now + 500);
            writer.append(old, Sample::stale()).unwrap();
            writer.commit();
            writer.release(old);
        }
    }
    assert!(
        store.snapshot(&Scope::Everything).series_count() <= 14,
        "{}",
        store.snapshot(&Scope::Everything).series_count()
    );
    assert_eq!(all(&store, 999_500).len(), 1);
}

#[test]
fn what_was_released_before_anyone_saw_it_leaves_nothing_behind() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let lasting = with_name(&labels, "lasting");
    scrape(&mut *writer, 1000, &[(&lasting, 1.0)]);
    writer.begin(2000);
    let new = |at: usize| with_name(&labels, &format!("new_{at}"));
    let failed: Vec<_> = (0..10_000)
        .map(|at| writer.resolve(&new(at), None))
        .collect();
    writer.append(failed[7], Sample::new(1.0)).unwrap();
    writer.begin(2000);
    for series in failed {
        writer.release(series);
    }
    scrape(&mut *writer, 2000, &[(&lasting, 2.0)]);
    assert_eq!(store.snapshot(&Scope::Everything).series_count(), 1);
    assert_eq!(
        store.snapshot(&Scope::Everything).published[0]
            .column
            .slot_count(),
        1
    );
    assert_eq!(all(&store, 2000), [(lasting.to_string(), 2.0, 2000)]);
    scrape(&mut *writer, 3000, &[(&lasting, 3.0), (&new(7), 7.0)]);
    let values = all(&store, 3000).into_iter().map(|it| it.1);
    assert_eq!(values.collect::<Vec<_>>(), [3.0, 7.0]);
}

#[test]
fn a_released_series_that_returns_is_the_same_one() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let x = with_name(&labels, "x");
    let first = scrape(&mut *writer, 1000, &[(&x, 1.0)])[0];
    writer.release(first);
    assert_eq!(scrape(&mut *writer, 2000, &[(&x, 2.0)]), [first]);
    assert_eq!(all(&store, 2000).len(), 1);
    for round in 3..1000 {
        scrape(&mut *writer, round * 1000, &[(&x, 2.0)]);
    }
    assert_eq!(
        all(&store, 999_000).len(),
        1,
        "it is not freed behind the writer's back"
    );
}

#[test]
fn a_target_that_is_gone_is_swept_after_the_lookback() {
    let store = Store::new(Duration::from_secs(10));
    let (labels, mut writer) = target(&store, "a");
    let (_, _kept) = target(&store, "b");
    scrape(&mut *writer, 1000, &[(&with_name(&labels, "x"), 1.0)]);
    drop(writer);
    store.sweep(11_000);
    assert_eq!(
        (
            all(&store, 11_000).len(),
            store.snapshot(&Scope::Everything).target_count()
        ),
        (1, 2)
    );
    store.sweep(11_001);
    assert_eq!(
        (
            all(&store, 11_000).len(),
            store.snapshot(&Scope::Everything).target_count()
        ),
        (0, 1)
    );
}

#[test]
fn metadata_is_that_of_the_last_commit() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let gauge = Metadata {
        metric_type: MetricType::Gauge,
        help: "old".into(),
        unit: "".into(),
    };
    let counter = Metadata {
        metric_type: MetricType::Counter,
        help: "new".into(),
        unit: "".into(),
    };
    for (at, metadata) in [(1000, &gauge), (2000, &counter)] {
        let family = writer.describe("x", metadata);
        let series = writer.resolve(&with_name(&labels, "x"), Some(family));
        writer.begin(at);
        writer.append(series, Sample::new(1.0)).unwrap();
        writer.commit();
        let snapshot = store.snapshot(&Scope::Everything);
        assert_eq!(
            snapshot.metadata(),
            [(&Arc::new(labels.clone()), "x", metadata)]
        );
    }
}

#[test]
fn selectors_are_united_and_look_at_every_label() {
    let store = Store::new(DEFAULT_LOOKBACK);
    for instance in ["a", "b"] {
        let (labels, mut writer) = target(&store, instance);
        let cpus: Vec<_> = (0..12)
            .map(|cpu| {
                let mut labels = with_name(&labels, "cpu");
                labels.set("cpu", &cpu.to_string());
                labels.set("host", instance);
                labels
            })
            .collect();
        let up = with_name(&labels, "up");
        let samples: Vec<_> = cpus
            .iter()
            .chain([&up])
            .map(|labels| (labels, 1.0))
            .collect();
        scrape(&mut *writer, 1000, &samples);
        std::mem::forget(writer);
    }
    let f = |selectors: &[&str], want: &[&str]| {
        assert_eq!(selected(&store, selectors, 1000), want, "{selectors:?}");
    };
    let cpu = |instance: &str, cpu: &str| {
        format!(r#"cpu{{cpu="{cpu}", host="{instance}", instance="{instance}", job="aiven"}}"#)
    };
    f(&[r#"cpu{cpu="3"}"#], &[&cpu("a", "3"), &cpu("b", "3")]);
    f(&[r#"cpu{cpu="3",instance!="a"}"#], &[&cpu("b", "3")]);
    f(
        &[r#"{__name__=~"c.u",cpu=~"1.",host="a"}"#],
        &[&cpu("a", "10"), &cpu("a", "11")],
    );
    f(
        &[r#"{job="aiven",cpu=""}"#],
        &[
            r#"up{instance="a", job="aiven"}"#,
            r#"up{instance="b", job="aiven"}"#,
        ],
    );
    f(&[r#"{host=~".+",cpu!~"[0-9]|1."}"#], &[]);
    f(&["{}"], &[]);
    f(
        &[
            r#"up{instance="b"}"#,
            r#"cpu{cpu="3",host="a"}"#,
            r#"cpu{cpu=~"3|x",instance="a"}"#,
        ],
        &[&cpu("a", "3"), r#"up{instance="b", job="aiven"}"#],
    );
    assert_eq!(selected(&store, &[r#"{job=~".+"}"#], 1000).len(), 26);
}

/// What happens to one of a few targets.
#[derive(Debug, Clone)]
enum Step {
    Scrape {
        target: usize,
        series: Vec<(usize, u8)>,
    },
    Reopen {
        target: usize,
    },
    Sweep,
    Read,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let series = prop::collection::vec((0..40_usize, any::<u8>()), 0..40);
    let step = prop_oneof![
        6 => (0..4_usize, series).prop_map(|(target, series)| Step::Scrape { target, series }),
        1 => (0..4_usize).prop_map(|target| Step::Reopen { target }),
        1 => Just(Step::Sweep),
        3 => Just(Step::Read),
    ];
    prop::collection::vec(step, 1..60)
}

/// Some series carry their target's labels, some only part of them, and some are the same for every target.
fn series_labels(target: &LabelSet, series: usize) -> LabelSet {
    let mut labels = if series % 7 == 3 {
        LabelSet::new()
    } else {
        target.clone()
    };
    labels.set("__name__", &format!("m{}", series % 5));
    labels.set("own", &(series / 5).to_string());
    if !series.is_multiple_of(3) {
        labels.set("host", target.get("instance").unwrap_or_default());
    }
    if series % 11 == 1 {
        labels.remove("job");
    }
    labels
}

proptest! {
    /// Whatever order targets are scraped, reopened, swept and read in, a reader sees what a plain map of the
    /// newest samples would show, sorted.
    #[test]
    fn the_store_is_a_map_from_labels_to_the_newest_sample(steps in steps()) {
        let store = Store::new(Duration::from_secs(20));
        let labels: Vec<_> = (0..4)
            .map(|at| set(&[("job", "aiven"), ("instance", &format!("t{at}"))]))
            .collect();
        let open = |at: usize| store.open(Arc::new(LabelSet::clone(&labels[at])));
        let mut writers: Vec<_> = (0..4).map(open).collect();
        let mut live: Vec<BTreeMap<LabelSet, SeriesRef>> = vec![BTreeMap::new(); 4];
        let mut model: BTreeMap<LabelSet, (i64, Option<f64>)> = BTreeMap::new();
        let mut now = 1_000_000;
        for step in steps {
            now += 1000;
            match step {
                Step::Scrape { target, series } => {
                    let writer = &mut writers[target];
                    let mut next = BTreeMap::new();
                    for (series, _) in &series {
                        let labels = series_labels(&labels[target], *series);
                        let reference = writer.resolve(&labels, None);
                        next.insert(labels, reference);
                    }
                    writer.begin(now);
                    let mut written = BTreeMap::new();
                    for (series, value) in &series {
                        let labels = series_labels(&labels[target], *series);
                        if writer.append(next[&labels], Sample::new(f64::from(*value))).is_ok() {
                            written.insert(labels, f64::from(*value));
                        }
                    }
                    for (labels, reference) in &live[target] {
                        if !next.contains_key(labels) {
                            writer.append(*reference, Sample::stale()).unwrap();
                            model.insert(labels.clone(), (now, None));
                        }
                    }
                    writer.commit();
                    for (labels, reference) in &live[target] {
                        if !next.contains_key(labels) {
                            writer.release(*reference);
                        }
                    }
                    for (labels, value) in written {
                        model.insert(labels, (now, Some(value)));
                    }
                    live[target] = next;
                }
                Step::Reopen { target } => {
                    writers[target] = open(target);
                    live[target].clear();
                }
                Step::Sweep => store.sweep(now),
                Step::Read => {
                    let have: Vec<_> = store
                        .snapshot(&Scope::Everything)
                        .select_all(now)
                        .map(|series| (series.labels(), series.timestamp_ms, series.value))
                        .collect();
                    let mut want: Vec<_> = model
                        .iter()
                        .filter(|(_, (at, _))| *at >= now - 20_000)
                        .filter_map(|(labels, (at, value))| Some((labels.clone(), *at, (*value)?)))
                        .collect();
                    want.sort_by(|a, b| {
                        let name = |labels: &LabelSet| labels.metric_name().to_owned();
                        let rest = |labels: &LabelSet| {
                            let mut labels = labels.clone();
                            labels.remove("__name__");
                            labels
                        };
                        (name(&a.0), rest(&a.0)).cmp(&(name(&b.0), rest(&b.0)))
                    });
                    prop_assert_eq!(have, want);
                }
            }
        }
    }
}
