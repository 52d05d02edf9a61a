//! Selections that concern few of many targets.

use super::*;

/// Twenty targets of six series each; of the last two each has the series of the other, too.
fn fleet(store: &Store) -> Vec<Box<dyn TargetSink>> {
    let series = |instance: &str| -> Vec<LabelSet> {
        let part = |part: usize| {
            let name = ["a", "b"][part % 2];
            let (part, instance) = (part.to_string(), instance);
            set(&[("__name__", name), ("instance", instance), ("part", &part)])
        };
        (0..6).map(part).collect()
    };
    (0..20)
        .map(|at| {
            let instance = format!("host-{at}");
            let mut writer = store.open(Arc::new(set(&[("instance", &instance)])));
            let mut all = series(&instance);
            match at {
                18 => all.extend(series("host-19")),
                19 => all.extend(series("host-18")),
                _ => {}
            }
            let samples: Vec<_> = all.iter().map(|labels| (labels, f64::from(at))).collect();
            scrape(&mut *writer, 1000 + i64::from(at), &samples);
            writer
        })
        .collect()
}

#[test]
fn few_targets_are_selected_from_as_all_are() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let _writers = fleet(&store);
    let lines = |series: SeriesView| (series.labels().to_string(), series.value);
    let all: Vec<_> = store
        .snapshot(&Scope::Everything)
        .select_all(2000)
        .collect();
    for selectors in [
        &[r#"{instance="host-3"}"#][..],
        &[r#"a{instance=~"host-4|host-17"}"#],
        &[r#"{instance="host-18"}"#],
        &[
            r#"{instance="host-19",part!="1"}"#,
            r#"{instance="host-2"}"#,
        ],
        &[
            r#"{instance="host-1",part=~"1|2"}"#,
            r#"b{instance="none"}"#,
        ],
        &[r#"{instance="none"}"#],
        &[r#"{instance!~"host-1.*"}"#],
    ] {
        let parsed: Vec<Selector> = selectors.iter().map(|text| text.parse().unwrap()).collect();
        let takes = |series: &&SeriesView| {
            let labels = series.labels();
            parsed.iter().any(|selector| selector.matches(&labels))
        };
        let want: Vec<_> = all.iter().filter(takes).cloned().map(lines).collect();
        let have = store
            .snapshot(&Scope::Everything)
            .select(&parsed, 2000)
            .map(lines);
        assert_eq!(have.collect::<Vec<_>>(), want, "{selectors:?}");
    }
}

#[test]
fn a_target_that_changes_is_sorted_anew() {
    let store = Store::new(DEFAULT_LOOKBACK);
    let mut writers = fleet(&store);
    let selector = [r#"a{instance="host-3"}"#];
    assert_eq!(selected(&store, &selector, 2000).len(), 3);
    let new = set(&[("__name__", "a"), ("instance", "host-3"), ("part", "0a")]);
    scrape(&mut *writers[3], 1500, &[(&new, 1.0)]);
    let have = selected(&store, &selector, 2000);
    assert_eq!(have.len(), 4);
    assert_eq!(have[1], new.to_string());
}
