//! Which labels a target's series share: how series are split into bases and shapes.

use std::cmp::Reverse;
use std::sync::Arc;

use hashbrown::HashMap;
use prom_model::label::{LabelSet, METRIC_NAME};

use super::intern::Interner;
use super::table::Base;

/// A base is worth its place where at least this many series share it.
const SHARED_BY: usize = 8;
/// More bases than this make deciding matchers once a base pointless.
const MOST_BASES: usize = 16;

/// The first base of the target with `labels`: all of them.
pub(super) fn first_base(interner: &Interner, labels: &LabelSet) -> Base {
    let labels: Vec<_> = labels.iter().collect();
    base(interner, &labels, true)
}

fn base(interner: &Interner, labels: &[(&str, &str)], extends_first: bool) -> Base {
    Base {
        hash: interner.labels_hash(labels.iter().copied()),
        labels: labels
            .iter()
            .map(|(name, value)| interner.label(name, value))
            .collect(),
        extends_first,
    }
}

fn next_base(bases: &[Arc<Base>], labels: &[(&str, &str)], interner: &Interner) -> Arc<Base> {
    Arc::new(base(interner, labels, is_part(&bases[0], labels)))
}

/// Position of the base for each of `series`. Adds bases as long as there are few.
///
/// Series of one kind have the same label names: those labels that have the same value in all of them tell
/// of the target, such as its host, and the others of the single series.
pub(super) fn assign(
    bases: &mut Vec<Arc<Base>>,
    series: &[&LabelSet],
    interner: &Interner,
) -> Vec<u16> {
    let mut kinds: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
    for (at, labels) in series.iter().enumerate() {
        let names = labels.iter().map(|(name, _)| name);
        kinds.entry(names.collect()).or_default().push(at);
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_unstable_by_key(|kind| (Reverse(kind.len()), kind[0]));
    let known = bases.len();
    let mut positions = vec![0; series.len()];
    for kind in kinds {
        if kind.len() >= SHARED_BY {
            let shared = shared_labels(kind.iter().map(|at| series[*at]));
            let at = position_for_kind(bases, known, &shared, interner);
            for series in kind {
                positions[series] = at;
            }
        } else {
            for at in kind {
                let labels: Vec<_> = series[at].iter().collect();
                positions[at] = position(bases, &labels, interner);
            }
        }
    }
    positions
}

/// The labels, without the metric name, that all of `series` have; all of them have the same names.
fn shared_labels<'a>(series: impl Iterator<Item = &'a LabelSet>) -> Vec<(&'a str, &'a str)> {
    let mut shared: Vec<Option<(&str, &str)>> = Vec::new();
    for labels in series {
        if shared.is_empty() {
            shared = labels.iter().map(Some).collect();
        }
        for (shared, label) in shared.iter_mut().zip(labels.iter()) {
            *shared = shared.filter(|shared| *shared == label && label.0 != METRIC_NAME);
        }
    }
    shared.into_iter().flatten().collect()
}

/// Position of the base for a kind of series that have all of the labels `shared`: one of their own, unless one
/// of the first `known` bases was made for such series.
fn position_for_kind(
    bases: &mut Vec<Arc<Base>>,
    known: usize,
    shared: &[(&str, &str)],
    interner: &Interner,
) -> u16 {
    let is_better = shared.len() > bases[best_base(bases, shared)].labels.len();
    if best_base(&bases[..known], shared) == 0 && is_better && bases.len() < MOST_BASES {
        bases.push(next_base(bases, shared, interner));
        return u16::try_from(bases.len() - 1).unwrap_or(0);
    }
    position(bases, shared, interner)
}

/// Position of the base for a series with `labels`, which is added where none is part of them.
fn position(bases: &mut Vec<Arc<Base>>, labels: &[(&str, &str)], interner: &Interner) -> u16 {
    let mut at = best_base(bases, labels);
    // The first base is the target's own labels, which a series may have in part only.
    if !is_part(&bases[at], labels) {
        let empty = bases.iter().position(|base| base.labels.is_empty());
        at = empty.unwrap_or_else(|| {
            bases.push(next_base(bases, &[], interner));
            bases.len() - 1
        });
    }
    // At most `MOST_BASES` and one more.
    u16::try_from(at).unwrap_or(0)
}

/// Position of the largest base that is part of `labels`, 0 where there is none.
fn best_base(bases: &[Arc<Base>], labels: &[(&str, &str)]) -> usize {
    let fitting = bases
        .iter()
        .enumerate()
        .filter(|(_, base)| is_part(base, labels));
    fitting
        .max_by_key(|(_, base)| base.labels.len())
        .map_or(0, |(at, _)| at)
}

/// Whether all labels of `base` are among `labels`, which are sorted by name.
fn is_part(base: &Base, labels: &[(&str, &str)]) -> bool {
    let mut labels = labels.iter();
    base.iter().all(|(name, value)| {
        let label = labels.find(|(have, _)| *have >= name);
        label.is_some_and(|label| *label == (name, value))
    })
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
        let mut bases = vec![Arc::new(first_base(&interner, &set(target)))];
        assign(&mut bases, &series.iter().collect::<Vec<_>>(), &interner);
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
        let mut bases = vec![Arc::new(first_base(&interner, &set("job=a")))];
        let [other, own] = ["__name__=m job=b", "job=a x=y"].map(set);
        assert_eq!(assign(&mut bases, &[&other, &own], &interner), [1, 0]);
        assert_eq!(assign(&mut bases, &[&other], &interner), [1]);
        assert_eq!(bases.len(), 2);
    }

    #[test]
    fn a_later_series_has_the_largest_base_that_it_has_all_labels_of() {
        let interner = Interner::default();
        let mut bases = vec![Arc::new(first_base(&interner, &set("job=a")))];
        let kind: Vec<_> = (0..8)
            .map(|at| set(&format!("__name__=m{at} job=a host=h cpu={at}")))
            .collect();
        assign(&mut bases, &kind.iter().collect::<Vec<_>>(), &interner);
        let later = [
            "__name__=m job=a host=h x=y",
            "__name__=m job=a host=i x=y",
            "host=h job=b",
        ];
        let later = later.map(set);
        assert_eq!(assign(&mut bases, &later.each_ref(), &interner), [1, 0, 2]);
    }
}
