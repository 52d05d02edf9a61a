//! What is kept for tenants between their requests.

use std::num::NonZeroUsize;

use super::*;
use crate::tenant::{TargetFilter, Tenant, TenantLimits};

fn tenant(targets: &[&str], metrics: &[&str]) -> Scope {
    let selectors = |of: &[&str]| of.iter().map(|text| text.parse().unwrap()).collect();
    Scope::of(Tenant {
        name: "a".into(),
        targets: TargetFilter::Selectors(selectors(targets)),
        metrics: selectors(metrics),
        limits: TenantLimits {
            concurrency: NonZeroUsize::new(1),
            series: None,
        },
    })
}

fn seen(store: &Store, scope: &Scope) -> Vec<String> {
    let series = store.snapshot(scope).select_all(2000);
    series.map(|series| series.labels().to_string()).collect()
}

/// Opens a target and scrapes `up` and `x`.
fn opened(store: &Store, instance: &str) -> Box<dyn TargetSink> {
    let (labels, mut writer) = target(store, instance);
    let [up, x] = ["up", "x"].map(|name| with_name(&labels, name));
    scrape(&mut *writer, 1000, &[(&up, 1.0), (&x, 2.0)]);
    writer
}

fn line(name: &str, instance: &str) -> String {
    format!(r#"{name}{{instance="{instance}", job="aiven"}}"#)
}

#[test]
fn targets_that_come_and_go_are_noticed() {
    let store = Store::new(Duration::from_secs(10));
    let scope = tenant(&[r#"{instance=~"a.*"}"#], &[]);
    assert!(seen(&store, &scope).is_empty());
    let _foreign = opened(&store, "b1");
    let first = opened(&store, "a1");
    let both = |instance| ["up", "x"].map(|name| line(name, instance));
    assert_eq!(seen(&store, &scope), both("a1"));
    let _foreign = opened(&store, "b2");
    let second = opened(&store, "a2");
    let all = [
        line("up", "a1"),
        line("up", "a2"),
        line("x", "a1"),
        line("x", "a2"),
    ];
    assert_eq!(seen(&store, &scope), all);
    drop(first);
    store.sweep(12_000);
    assert_eq!(store.snapshot(&scope).target_count(), 1);
    assert_eq!(seen(&store, &scope), both("a2"));
    // It takes the place of the first.
    let _third = opened(&store, "b3");
    assert_eq!(seen(&store, &scope), both("a2"));
    drop(second);
}

#[test]
fn nothing_is_kept_of_what_is_gone_or_unused() {
    let store = Store::new(Duration::from_secs(10));
    let scopes = [
        tenant(&[r#"{instance="a"}"#], &[]),
        tenant(&[r#"{job="aiven"}"#], &[r#"{__name__="x"}"#]),
    ];
    let writer = opened(&store, "a");
    let kept = opened(&store, "b");
    let counts = || scopes.each_ref().map(|scope| seen(&store, scope).len());
    assert_eq!(counts(), [2, 2]);
    let stored = Arc::downgrade(store.targets.load().places()[0].as_ref().unwrap());
    let table = Arc::downgrade(&store.snapshot(&Scope::Everything).published[1].table);
    drop(writer);
    store.sweep(12_000);
    assert!(stored.upgrade().is_none(), "a tenant keeps a target");
    assert_eq!(counts(), [0, 1]);
    store.sweep(12_000);
    assert_eq!(store.known_views().len(), 2);
    drop(scopes);
    assert!(store.known_views().is_empty());
    drop(kept);
    store.sweep(12_000);
    assert!(table.upgrade().is_none());
}

#[test]
fn what_others_lose_changes_nothing() {
    let store = Store::new(Duration::from_secs(10));
    let scope = tenant(&[r#"{instance="a"}"#], &[]);
    let _own = opened(&store, "a");
    let foreign = opened(&store, "b");
    assert_eq!(seen(&store, &scope).len(), 2);
    let before = store.snapshot(&scope);
    let index = before.index();
    drop(foreign);
    store.sweep(12_000);
    assert_eq!(store.snapshot(&Scope::Everything).target_count(), 1);
    let after = store.snapshot(&scope);
    assert!(Arc::ptr_eq(&before.targets, &after.targets));
    assert!(Arc::ptr_eq(&index, &after.index()));
    let _new = opened(&store, "c");
    assert!(Arc::ptr_eq(
        &before.targets,
        &store.snapshot(&scope).targets
    ));
}

#[test]
fn an_unused_index_is_dropped_and_made_again() {
    let store = Store::new(Duration::from_secs(10));
    let scope = tenant(&[r#"{instance="a"}"#], &[]);
    let mut writer = opened(&store, "a");
    assert_eq!(seen(&store, &scope).len(), 2);
    let table = Arc::downgrade(&store.snapshot(&scope).published[0].table);
    // The table is another one from here on, and the index of nobody has the old one.
    let y = with_name(&set(&[("job", "aiven"), ("instance", "a")]), "y");
    scrape(&mut *writer, 1500, &[(&y, 1.0)]);
    assert!(table.upgrade().is_some(), "the index has it");
    store.sweep(2000);
    assert!(table.upgrade().is_some(), "the index was used");
    store.sweep(2000);
    assert!(table.upgrade().is_none());
    assert_eq!(seen(&store, &scope).len(), 3);
}

#[test]
fn a_scope_that_is_used_with_two_stores_sees_of_each_its_own() {
    let scope = tenant(&[r#"{instance="a"}"#], &[]);
    let [one, two] = [0, 1].map(|_| Store::new(DEFAULT_LOOKBACK));
    let _writers = [opened(&one, "a"), opened(&two, "b"), opened(&two, "a")];
    for _ in 0..2 {
        assert_eq!(seen(&one, &scope).len(), 2);
        assert_eq!(seen(&two, &scope), [line("up", "a"), line("x", "a")]);
    }
}
