//! Metric families come and go with their series.

use super::*;

/// One scrape of the series `names`, each in a family of its own; the series `before` end with it.
fn scrape_families(
    writer: &mut dyn TargetSink,
    target: &LabelSet,
    at_ms: i64,
    names: &[String],
    before: &[SeriesRef],
) -> Vec<SeriesRef> {
    let series: Vec<_> = names
        .iter()
        .map(|name| {
            let metadata = Metadata {
                help: name.as_str().into(),
                ..Metadata::default()
            };
            let family = writer.describe(name, &metadata);
            writer.resolve(&with_name(target, name), Some(family))
        })
        .collect();
    writer.begin(at_ms);
    for series in &series {
        writer.append(*series, Sample::new(1.0)).unwrap();
    }
    let ended = || before.iter().filter(|before| !series.contains(before));
    for series in ended() {
        writer.append(*series, Sample::stale()).unwrap();
    }
    writer.commit();
    for series in ended() {
        writer.release(*series);
    }
    series
}

fn families(store: &Store) -> Vec<String> {
    let snapshot = store.snapshot(&Scope::Everything);
    let mut names: Vec<_> = snapshot
        .metadata()
        .into_iter()
        .inspect(|(_, name, metadata)| assert_eq!(*name, &*metadata.help))
        .map(|(_, name, _)| name.to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn families_go_with_their_last_series() {
    let store = Store::new(Duration::from_secs(10));
    let (labels, mut writer) = target(&store, "a");
    let mut series = Vec::new();
    let mut most_places = 0;
    for round in 0..1000 {
        let names = ["lasting".to_owned(), format!("round_{round}")];
        series = scrape_families(&mut *writer, &labels, round * 1000, &names, &series);
        let snapshot = store.snapshot(&Scope::Everything);
        most_places = most_places.max(snapshot.published[0].table.families().count());
    }
    assert!(families(&store).len() <= 14, "{:?}", families(&store));
    assert!(families(&store).contains(&"lasting".to_owned()));
    assert!(most_places <= 14, "{most_places}");
}

#[test]
fn a_family_that_returns_is_described_anew() {
    let store = Store::new(Duration::from_secs(10));
    let (labels, mut writer) = target(&store, "a");
    let [both, one] =
        [&["x", "y"][..], &["x"]].map(|names| names.iter().map(|name| (*name).to_owned()));
    let (both, one): (Vec<_>, Vec<_>) = (both.collect(), one.collect());
    let mut series = Vec::new();
    for (at_ms, exposed, want) in [
        (0, &both, &both),
        (1000, &one, &both),
        (11_000, &one, &both),
        (12_000, &one, &one),
        (13_000, &both, &both),
        (14_000, &both, &both),
    ] {
        series = scrape_families(&mut *writer, &labels, at_ms, exposed, &series);
        assert_eq!(families(&store), *want, "at {at_ms}");
    }
}

#[test]
fn a_family_goes_when_its_series_moves_to_another() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let series = with_name(&labels, "x_count");
    for (at_ms, name) in [(1000, "x"), (2000, "x_count")] {
        let metadata = Metadata {
            help: name.into(),
            ..Metadata::default()
        };
        let family = writer.describe(name, &metadata);
        let series = writer.resolve(&series, Some(family));
        writer.begin(at_ms);
        writer.append(series, Sample::new(1.0)).unwrap();
        writer.commit();
        assert_eq!(families(&store), [name]);
    }
}

#[test]
fn families_that_never_had_a_series_are_bounded() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    for round in 0..10_000 {
        let name = format!("round_{round}");
        let metadata = Metadata {
            help: name.as_str().into(),
            ..Metadata::default()
        };
        writer.describe(&name, &metadata);
        let series = scrape_families(&mut *writer, &labels, round * 1000, &["x".to_owned()], &[]);
        assert_eq!(series.len(), 1);
        if round == 100 {
            assert_eq!(families(&store).len(), 102, "a few are kept");
        }
    }
    let left = families(&store);
    assert!(left.len() <= 1100, "{}", left.len());
    assert!(left.contains(&"x".to_owned()) && left.contains(&"round_9999".to_owned()));
}

#[test]
fn what_is_known_of_a_family_can_be_asked_before_it_is_told_anew() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    scrape_families(&mut *writer, &labels, 1000, &["x".to_owned()], &[]);
    let help = |help: &str| Metadata {
        help: help.into(),
        ..Metadata::default()
    };
    writer.describe("without_series", &help("1"));
    scrape_families(&mut *writer, &labels, 2000, &["x".to_owned()], &[]);
    assert_eq!(writer.metadata("x"), Some(help("x")));
    assert_eq!(writer.metadata("without_series"), Some(help("1")));
    assert_eq!(writer.metadata("none"), None);
    writer.describe("without_series", &help("2"));
    assert_eq!(writer.metadata("without_series"), Some(help("2")));
}

#[test]
fn what_is_told_again_changes_nothing() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let (labels, mut writer) = target(&store, "a");
    let mut table = None;
    for at_ms in [1000, 2000, 3000] {
        let metadata = Metadata::default();
        writer.describe("without_series", &metadata);
        scrape_families(&mut *writer, &labels, at_ms, &["x".to_owned()], &[]);
        let published = Arc::clone(&store.snapshot(&Scope::Everything).published[0].table);
        if let Some(table) = table.replace(Arc::clone(&published)) {
            assert!(Arc::ptr_eq(&table, &published), "at {at_ms}");
        }
    }
}
