use std::collections::HashSet;

use prom_model::target::{BasicAuth, ServerIdentity, TargetGroup};
use proptest::prelude::*;

use super::*;
use crate::relabel::{RelabelConfig, RelabelFields};

/// `replace` rules: source label, expression, target label, replacement.
fn replace(source: &str, regex: &str, target: &str, replacement: &str) -> RelabelConfig {
    rule(RelabelFields {
        source_labels: vec![source.to_owned()],
        regex: Some(regex.to_owned()),
        target_label: Some(target.to_owned()),
        replacement: Some(replacement.to_owned()),
        ..RelabelFields::default()
    })
}

fn set(target: &str, value: &str) -> RelabelConfig {
    rule(RelabelFields {
        target_label: Some(target.to_owned()),
        replacement: Some(value.to_owned()),
        ..RelabelFields::default()
    })
}

fn action(action: &str, source: &[&str], regex: &str) -> RelabelConfig {
    rule(RelabelFields {
        action: Some(action.to_owned()),
        source_labels: source.iter().copied().map(str::to_owned).collect(),
        regex: Some(regex.to_owned()),
        ..RelabelFields::default()
    })
}

fn rule(fields: RelabelFields) -> RelabelConfig {
    RelabelConfig::new(fields).unwrap()
}

fn labels(labels: &[(&str, &str)]) -> LabelSet {
    labels.iter().copied().collect()
}

fn group(targets: &[&[(&str, &str)]]) -> TargetGroup {
    TargetGroup {
        source: "test".into(),
        targets: targets.iter().map(|target| labels(target)).collect(),
        ..TargetGroup::default()
    }
}

fn defaults(relabel_configs: Vec<RelabelConfig>) -> TargetDefaults {
    TargetDefaults {
        job: "test".into(),
        relabel_configs,
        ..TargetDefaults::default()
    }
}

fn with_params(params: &[(&str, &[&str])], relabel_configs: Vec<RelabelConfig>) -> TargetDefaults {
    let values = |values: &[&str]| values.iter().copied().map(str::to_owned).collect();
    TargetDefaults {
        params: params
            .iter()
            .map(|(name, given)| ((*name).to_owned(), values(given)))
            .collect(),
        ..defaults(relabel_configs)
    }
}

/// What becomes of one target, in a line.
fn outcome(target: &[(&str, &str)], defaults: &TargetDefaults) -> String {
    let targets = Targets::from_groups(&[group(&[target])], defaults);
    match (&*targets.active, &*targets.dropped, &*targets.failed) {
        ([target], [], []) => format!("{} {}", target.url(), target.labels()),
        ([], [_], []) => "dropped".to_owned(),
        ([], [], [failure]) => format!("{failure}: {}", failure.error),
        _ => unreachable!("{targets:?}"),
    }
}

#[test]
fn labels_become_targets() {
    let f = |target: &[(&str, &str)], defaults: &TargetDefaults, want: &str| {
        assert_eq!(outcome(target, defaults), want, "{target:?}");
    };
    let address = [("__address__", "h:1")];
    f(
        &address,
        &defaults(vec![]),
        r#"http://h:1/metrics {instance="h:1", job="test"}"#,
    );
    // No default port is added.
    f(
        &[("__address__", "h")],
        &defaults(vec![]),
        r#"http://h/metrics {instance="h", job="test"}"#,
    );
    f(
        &[
            ("__address__", "h:1"),
            ("__scheme__", "https"),
            ("__metrics_path__", "/m"),
            ("__param_a", "1"),
            ("__meta_x", "y"),
            ("__tmp", "z"),
            ("job", "mine"),
            ("instance", "me"),
        ],
        &defaults(vec![]),
        r#"https://h:1/m?a=1 {instance="me", job="mine"}"#,
    );
    f(
        &address,
        &defaults(vec![replace(
            "__address__",
            "(.*):1",
            "__address__",
            "$1:2",
        )]),
        r#"http://h:2/metrics {instance="h:2", job="test"}"#,
    );
    f(
        &address,
        &defaults(vec![set("job", "")]),
        r#"http://h:1/metrics {instance="h:1"}"#,
    );
    f(
        &[("__address__", "h:1"), ("__meta_a", "b")],
        &defaults(vec![replace("__meta_a", "(.*)", "a", "$1")]),
        r#"http://h:1/metrics {a="b", instance="h:1", job="test"}"#,
    );
    f(
        &address,
        &defaults(vec![set("__scheme__", ""), set("__metrics_path__", "")]),
        r#"//h:1 {instance="h:1", job="test"}"#,
    );
}

#[test]
fn rules_drop_targets() {
    let address = [("__address__", "h:1")];
    for rule in [
        action("drop", &["__address__"], "h:1"),
        action("keep", &["__address__"], "x"),
    ] {
        assert_eq!(outcome(&address, &defaults(vec![rule])), "dropped");
    }
}

#[test]
fn what_is_no_target_says_why() {
    let f = |target: &[(&str, &str)], rules, want: &str| {
        let want = format!("instance 0 in group test: {want}");
        assert_eq!(outcome(target, &defaults(rules)), want, "{target:?}");
    };
    let address = [("__address__", "h:1")];
    f(&[], vec![], "no address");
    f(&[("__address__", "")], vec![], "no address");
    f(&address, vec![set("__address__", "")], "no address");
    f(
        &[("__address__", "http://h:1")],
        vec![],
        r#""http://h:1" is not a valid hostname"#,
    );
    f(
        &address,
        vec![set("__scrape_interval__", "1x")],
        "error parsing scrape interval",
    );
    f(
        &address,
        vec![action("labeldrop", &[], "__scrape_interval__")],
        "error parsing scrape interval",
    );
    f(
        &address,
        vec![set("__scrape_interval__", "0")],
        "scrape interval cannot be 0",
    );
    f(
        &address,
        vec![set("__scrape_timeout__", "-1s")],
        "error parsing scrape timeout",
    );
    f(
        &address,
        vec![set("__scrape_timeout__", "0s")],
        "scrape timeout cannot be 0",
    );
    f(
        &address,
        vec![set("__scrape_timeout__", "2m")],
        r#"scrape timeout cannot be greater than scrape interval ("2m" > "1m")"#,
    );
}

#[test]
fn one_bad_target_does_not_discard_the_others() {
    let group = group(&[&[("__address__", "a:1")], &[], &[("__address__", "b:1")]]);
    let targets = Targets::from_groups(&[group], &defaults(vec![]));
    let urls: Vec<_> = targets.active.iter().map(|target| target.url()).collect();
    assert_eq!(urls, ["http://a:1/metrics", "http://b:1/metrics"]);
    assert_eq!(
        targets.failed,
        [TargetFailure {
            group: "test".into(),
            index: 1,
            error: TargetError::NoAddress,
        }]
    );
}

#[test]
fn parameters_are_overlaid_by_their_labels() {
    let f = |params: &[(&str, &[&str])], rules, want: &str| {
        let defaults = with_params(params, rules);
        let targets = Targets::from_groups(&[group(&[&[("__address__", "h")]])], &defaults);
        let query = targets.active[0].url().split_once('?');
        assert_eq!(query.map_or("", |(_, query)| query), want, "{params:?}");
    };
    f(&[("a", &["1", "2"])], vec![], "a=1&a=2");
    f(
        &[("a", &["1", "2"])],
        vec![set("__param_a", "x y")],
        "a=x+y&a=2",
    );
    f(&[("a", &["1"])], vec![set("__param_a", "")], "a=1");
    f(&[("a", &[])], vec![], "");
    f(&[("a", &[])], vec![set("__param_a", "1")], "a=1");
    f(&[("a", &[""])], vec![], "a=");
    f(&[("b", &["1"])], vec![set("__param_a", "2")], "a=2&b=1");
    f(
        &[("match[]", &["{a=\"b\"}"])],
        vec![],
        "match%5B%5D=%7Ba%3D%22b%22%7D",
    );
    f(&[], vec![set("__param_", "1")], "=1");
}

#[test]
fn discovered_labels_have_the_defaults_of_the_job() {
    let defaults = with_params(&[("a", &["1", "2"])], vec![set("x", "y")]);
    let mut group = group(&[&[("__address__", "h"), ("a", "target")]]);
    group.labels = labels(&[("a", "group"), ("b", "group")]);
    let targets = Targets::from_groups(&[group], &defaults);
    assert_eq!(
        **targets.active[0].discovered_labels(),
        labels(&[
            ("__address__", "h"),
            ("__metrics_path__", "/metrics"),
            ("__param_a", "1"),
            ("__scheme__", "http"),
            ("__scrape_interval__", "1m"),
            ("__scrape_timeout__", "10s"),
            ("a", "target"),
            ("b", "group"),
            ("job", "test"),
        ])
    );
}

#[test]
fn the_last_duplicate_counts_at_the_place_of_the_first() {
    let groups = [group(&[
        &[("__address__", "a:1"), ("__meta_n", "first")],
        &[("__address__", "b:1")],
        &[("__address__", "a:1"), ("__meta_n", "last")],
        &[("__address__", "a:1"), ("__tmp", "another target")],
    ])];
    let targets = Targets::from_groups(&groups, &defaults(vec![]));
    let have: Vec<_> = targets
        .active
        .iter()
        .map(|target| (target.url(), target.discovered_labels().get("__meta_n")))
        .collect();
    let a = "http://a:1/metrics";
    let b = "http://b:1/metrics";
    assert_eq!(have, [(a, Some("last")), (b, None), (a, None)]);
}

#[test]
fn dropped_targets_are_counted_beyond_what_is_kept() {
    let groups = [group(&[
        &[("__address__", "a")],
        &[("__address__", "b")],
        &[("__address__", "c")],
    ])];
    let mut defaults = defaults(vec![action("drop", &["__address__"], ".*")]);
    let f = |defaults: &TargetDefaults| {
        let targets = Targets::from_groups(&groups, defaults);
        (targets.dropped.len(), targets.dropped_count)
    };
    assert_eq!(f(&defaults), (3, 3));
    defaults.keep_dropped_targets = 2;
    assert_eq!(f(&defaults), (2, 3));
}

#[test]
fn an_address_that_cannot_be_asked_is_a_target_still() {
    let targets =
        Targets::from_groups(&[group(&[&[("__address__", "h:port")]])], &defaults(vec![]));
    let endpoint = targets.active[0].endpoint();
    assert_eq!(endpoint, Err(&EndpointError::Port("port".to_owned())));
}

#[test]
fn a_target_is_accessed_as_its_group_says() {
    #[derive(Debug)]
    struct Nothing;
    impl Access for Nothing {
        fn basic_auth(&self) -> Option<Arc<BasicAuth>> {
            None
        }
        fn server_identity(&self) -> Option<Arc<ServerIdentity>> {
            None
        }
        fn rejected(&self, _: &BasicAuth) {}
    }
    let access: Arc<dyn Access> = Arc::new(Nothing);
    let mut group = group(&[&[("__address__", "h")]]);
    group.access = Some(Arc::clone(&access));
    let targets = Targets::from_groups(&[group], &defaults(vec![]));
    assert!(Arc::ptr_eq(targets.active[0].access().unwrap(), &access));
}

#[test]
fn identity_spreads_targets_evenly() {
    let targets: Vec<LabelSet> = (0..1000)
        .map(|n| labels(&[("__address__", &format!("10.0.0.{n}:9273"))]))
        .collect();
    let group = TargetGroup {
        targets,
        ..TargetGroup::default()
    };
    let targets = Targets::from_groups(&[group], &defaults(vec![]));
    let mut buckets = [0; 10];
    for target in &targets.active {
        let within_a_minute = target.identity().spread() % 60_000_000_000;
        buckets[usize::try_from(within_a_minute / 6_000_000_000).unwrap()] += 1;
    }
    assert!(
        buckets.iter().all(|count| (60..140).contains(count)),
        "{buckets:?}"
    );
    // Fixed, so that scrapes keep their moments over a restart and an upgrade.
    assert_eq!(
        targets.active[0].identity().spread(),
        4_914_059_674_922_204_661
    );
}

fn any_label() -> impl Strategy<Value = (String, String)> {
    let name = prop_oneof![
        Just("__address__".to_owned()),
        Just("__scheme__".to_owned()),
        Just("__metrics_path__".to_owned()),
        Just("__scrape_interval__".to_owned()),
        "__meta_[a-c]",
        "__param_.?",
        "\\PC{0,3}",
    ];
    let value = prop_oneof!["\\PC{0,8}", "[a-z\\[\\]:%@./0-9]{0,8}", "[1-9][smh]"];
    (name, value)
}

proptest! {
    #[test]
    fn any_labels_make_a_target_or_an_error(
        given in prop::collection::vec(any_label(), 0..8),
        renamed in "[a-c_]{1,8}",
    ) {
        let map = rule(RelabelFields {
            action: Some("labelmap".to_owned()),
            regex: Some("__meta_(.*)".to_owned()),
            replacement: Some(format!("{renamed}$1")),
            ..RelabelFields::default()
        });
        let group = TargetGroup {
            targets: vec![given.iter().map(|(name, value)| (name, value)).collect()],
            ..TargetGroup::default()
        };
        let targets = Targets::from_groups(&[group], &defaults(vec![map]));
        prop_assert_eq!(targets.active.len() + targets.failed.len(), 1);
        for target in targets.active {
            let hidden = |set: &LabelSet, prefix| set.iter().any(|(name, _)| name.starts_with(prefix));
            prop_assert!(!hidden(target.labels(), "__"));
            prop_assert!(!hidden(target.identity().labels(), "__meta_"));
            prop_assert!(target.labels().get("instance").is_some());
            let scheme = target.identity().labels().get("__scheme__").unwrap_or_default();
            prop_assert!(target.url()[scheme.len()..].is_ascii());
            if let Ok(endpoint) = target.endpoint() {
                let path_and_query = endpoint.path_and_query.as_str();
                prop_assert!(path_and_query.starts_with('/'));
                let asked: HashSet<_> = [path_and_query, path_and_query.trim_start_matches('/')].into();
                prop_assert!(asked.iter().any(|asked| target.url().ends_with(asked)));
            }
        }
    }
}
