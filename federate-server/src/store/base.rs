//! Which labels a target's series share: how series are split into bases and shapes.

use std::sync::Arc;

use hashbrown::HashMap;
use prom_model::label::{LabelSet, METRIC_NAME};

use super::intern::Interner;
use super::table::Base;

/// A base is worth its place where at least this many series share it.
const SHARED_BY: usize = 8;
/// More bases than this make deciding matchers once a base pointless.
const MOST_BASES: usize = 16;

/// The base with `labels`.
pub(super) fn base<'a>(
    interner: &Interner,
    labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Base {
    let hashes = labels
        .clone()
        .map(|(name, value)| interner.label_hash(name, value));
    Base {
        hash: hashes.fold(0, u64::wrapping_add),
        labels: labels
            .map(|(name, value)| interner.label(name, value))
            .collect(),
    }
}

/// Adds the bases that `series` are worth, as long as there are few.
///
/// Series of one kind have the same label names: those labels that have the same value in all of them tell
/// of the target, such as its host, and the others of the single series.
pub(super) fn add_bases<'a>(
    bases: &mut Vec<Arc<Base>>,
    series: impl Iterator<Item = &'a LabelSet>,
    interner: &Interner,
) {
    let mut kinds: HashMap<Vec<&str>, Vec<&LabelSet>> = HashMap::new();
    for labels in series.filter(|labels| best_base(bases, labels) == 0) {
        let names = labels.iter().map(|(name, _)| name);
        kinds.entry(names.collect()).or_default().push(labels);
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.retain(|series| series.len() >= SHARED_BY);
    kinds.sort_unstable_by_key(|series| std::cmp::Reverse(series.len()));
    for series in kinds {
        if bases.len() == MOST_BASES {
            return;
        }
        let is_shared = |(name, value): &(&str, &str)| {
            *name != METRIC_NAME && series.iter().all(|labels| labels.get(name) == Some(value))
        };
        let shared: Vec<_> = series[0].iter().filter(is_shared).collect();
        let is_known = |base: &Arc<Base>| base.iter().eq(shared.iter().copied());
        if !shared.is_empty() && !bases.iter().any(is_known) {
            bases.push(Arc::new(base(interner, shared.into_iter())));
        }
    }
}

/// Position of the base for a series with `labels`, which is added where none is part of them.
pub(super) fn position(bases: &mut Vec<Arc<Base>>, labels: &LabelSet, interner: &Interner) -> u16 {
    let mut at = best_base(bases, labels);
    // The first base is the target's own labels, which a series may have in part only.
    if !is_part(&bases[at], labels) {
        let empty = bases.iter().position(|base| base.labels.is_empty());
        at = empty.unwrap_or_else(|| {
            bases.push(Arc::new(base(interner, std::iter::empty())));
            bases.len() - 1
        });
    }
    // At most `MOST_BASES` and one more.
    u16::try_from(at).unwrap_or(0)
}

/// Position of the largest base that is part of `labels`, 0 where there is none.
fn best_base(bases: &[Arc<Base>], labels: &LabelSet) -> usize {
    let fitting = bases
        .iter()
        .enumerate()
        .filter(|(_, base)| is_part(base, labels));
    fitting
        .max_by_key(|(_, base)| base.labels.len())
        .map_or(0, |(at, _)| at)
}

fn is_part(base: &Base, labels: &LabelSet) -> bool {
    base.labels.len() <= labels.len()
        && base
            .iter()
            .all(|(name, value)| labels.get(name) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(labels: &str) -> LabelSet {
        labels
            .split(' ')
            .filter_map(|label| label.split_once('='))
            .collect()
    }

    fn bases_of(target: &str, series: &[LabelSet]) -> Vec<String> {
        let interner = Interner::default();
        let mut bases = vec![Arc::new(base(&interner, set(target).iter()))];
        add_bases(&mut bases, series.iter(), &interner);
        let text = |base: &Arc<Base>| base.iter().collect::<LabelSet>().to_string();
        bases.iter().map(text).collect()
    }

    #[test]
    fn each_kind_of_series_has_a_base_of_what_never_differs_in_it() {
        let of_kind = |kind: &'static str| {
            (0..8).map(move |at| set(&format!("__name__=m{at} job=a host=h {kind}{at}")))
        };
        let series: Vec<_> = of_kind("cpu=").chain(of_kind("node=n disk=")).collect();
        let want = [
            r#"{job="a"}"#,
            r#"{host="h", job="a"}"#,
            r#"{host="h", job="a", node="n"}"#,
        ];
        let mut have = bases_of("job=a", &series);
        have.sort();
        assert_eq!(have, [want[2], want[1], want[0]]);
        assert_eq!(bases_of("job=a", &series[..7]), [want[0]]);
    }

    #[test]
    fn there_are_few_bases_whatever_the_series() {
        let series: Vec<_> = (0..1000)
            .map(|at| set(&format!("__name__=m job=a kind{}=x y={at}", at % 100)))
            .collect();
        assert_eq!(bases_of("job=a", &series).len(), MOST_BASES);
    }

    #[test]
    fn a_series_without_the_labels_of_its_target_has_an_empty_base() {
        let interner = Interner::default();
        let mut bases = vec![Arc::new(base(&interner, set("job=a").iter()))];
        let series = set("__name__=m job=b");
        assert_eq!(position(&mut bases, &series, &interner), 1);
        assert_eq!(position(&mut bases, &series, &interner), 1);
        assert_eq!(position(&mut bases, &set("job=a x=y"), &interner), 0);
    }
}
