//! Relabelling: what each action does, and which rules are refused.

mod cases;
mod oracle;

use es_scraper::relabel::{Keep, RelabelAction, RelabelConfig, RelabelFields, apply};
use prom_model::label::LabelSet;
use proptest::prelude::*;

use self::cases::{CASES, Case, REFUSED, Rule, TAKEN};

fn configs(rules: &[Rule]) -> Vec<RelabelConfig> {
    let config = |rule: &Rule| {
        RelabelConfig::new(rule.fields()).unwrap_or_else(|err| panic!("{rule:?}: {err}"))
    };
    rules.iter().map(config).collect()
}

/// What `rules` make of `labels`, `None` where they drop them.
fn relabel(rules: &[RelabelConfig], labels: &LabelSet) -> Option<LabelSet> {
    let mut labels = labels.clone();
    match apply(rules, &mut labels) {
        Keep::Kept => Some(labels),
        Keep::Dropped => None,
    }
}

/// The labels of the case at `index` as a sample of Prometheus has them.
fn sample(index: usize, labels: &[(&str, &str)]) -> LabelSet {
    let mut sample: LabelSet = labels.iter().copied().collect();
    sample.set("__name__", &format!("case_{index}"));
    sample.set("job", &format!("job_{index}"));
    sample
}

#[test]
fn rules_do_what_they_do_in_prometheus() {
    assert_none(CASES.iter().enumerate().filter_map(|(index, case)| {
        let Case {
            rules,
            labels,
            want,
            ..
        } = case;
        let got = relabel(&configs(rules), &sample(index, labels));
        let want = want.map(|want| sample(index, want));
        (got != want).then_some((case, got))
    }));
}

#[test]
fn refusals_name_the_field() {
    assert_none(REFUSED.iter().filter_map(|case| {
        let got = match RelabelConfig::new(case.rule.fields()) {
            Ok(config) => return Some((case, format!("{config:?}"))),
            Err(err) => (err.field(), source(&err).unwrap_or_else(|| err.to_string())),
        };
        (got != (case.field, case.message.to_owned())).then(|| (case, format!("{got:?}")))
    }));
    configs(TAKEN);
}

fn source(err: &dyn std::error::Error) -> Option<String> {
    err.source().map(ToString::to_string)
}

#[test]
fn absent_fields_have_defaults() {
    let config = RelabelConfig::new(RelabelFields {
        target_label: Some("d".to_owned()),
        ..RelabelFields::default()
    })
    .unwrap();
    assert_eq!(config.action(), RelabelAction::Replace);
    let written_out = RelabelConfig::new(RelabelFields {
        source_labels: Vec::new(),
        separator: Some(";".to_owned()),
        regex: Some("(.*)".to_owned()),
        modulus: None,
        target_label: Some("d".to_owned()),
        replacement: Some("$1".to_owned()),
        action: Some("REPLACE".to_owned()),
    });
    assert_eq!(Ok(config), written_out);
}

#[test]
fn rules_tell_what_they_read_and_write() {
    let f = |fields: RelabelFields, reads: &[&str], writes: Option<&str>, metric_name: bool| {
        let config = RelabelConfig::new(fields.clone()).unwrap();
        assert_eq!(config.reads().collect::<Vec<_>>(), reads, "{fields:?}");
        assert_eq!(config.writes(), writes, "{fields:?}");
        assert_eq!(config.names_metric_name(), metric_name, "{fields:?}");
    };
    let fields = |action: &str, source: &[&str], target: Option<&str>| RelabelFields {
        action: Some(action.to_owned()),
        source_labels: source.iter().map(|&name| name.to_owned()).collect(),
        target_label: target.map(str::to_owned),
        modulus: Some(8).filter(|_| action == "hashmod"),
        ..RelabelFields::default()
    };
    f(
        fields("keep", &["__name__"], None),
        &["__name__"],
        None,
        true,
    );
    f(
        fields("replace", &["a", "b"], Some("d")),
        &["a", "b"],
        Some("d"),
        false,
    );
    f(
        fields("replace", &["a"], Some("__name__")),
        &["a"],
        Some("__name__"),
        true,
    );
    f(fields("replace", &["a"], Some("p_$1")), &["a"], None, false);
    f(
        fields("keepequal", &["a"], Some("__name__")),
        &["a", "__name__"],
        None,
        true,
    );
    f(
        fields("hashmod", &["a"], Some("d")),
        &["a"],
        Some("d"),
        false,
    );
    f(
        fields("uppercase", &["a"], Some("d")),
        &["a"],
        Some("d"),
        false,
    );
    f(fields("labelmap", &[], None), &[], None, false);
    f(fields("labeldrop", &[], None), &[], None, false);
}

proptest! {
    #[test]
    fn labels_stay_sorted_unique_and_not_empty(
        rules in proptest::sample::subsequence(CASES.iter().flat_map(|case| case.rules).collect::<Vec<_>>(), 0..8),
        labels in proptest::collection::vec(("[a-d][0-9]?", ".{0,4}"), 0..8),
    ) {
        let rules: Vec<_> = rules.into_iter().copied().collect();
        let labels: LabelSet = labels.into_iter().collect();
        if let Some(labels) = relabel(&configs(&rules), &labels) {
            prop_assert!(labels.iter().all(|(_, value)| !value.is_empty()));
            prop_assert!(labels.iter().map(|(name, _)| name).is_sorted_by(|a, b| a < b));
        }
    }
}

/// Fails with all of `wrong`, one a line.
fn assert_none<T: std::fmt::Debug>(wrong: impl Iterator<Item = T>) {
    let wrong: Vec<String> = wrong.map(|it| format!("\n{it:?}")).collect();
    assert!(wrong.is_empty(), "{}", wrong.concat());
}
