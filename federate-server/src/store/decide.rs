//! What selectors say before a single series is looked at.

use std::sync::Arc;

use prom_model::label::METRIC_NAME;
use prom_model::matcher::Matcher;

use crate::selector::Selector;

use super::table::{Base, Member, SeriesLabels, Table};
use super::writer::Published;

/// What conditions on labels say of all series of one target that share a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    None,
    All,
    /// It depends on labels that the series have of their own.
    Some,
}

impl Verdict {
    /// Of two sets of conditions, `other` the verdict on the second.
    fn and(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::None => Self::None,
            Self::All => other(),
            Self::Some => match other() {
                Self::None => Self::None,
                Self::All | Self::Some => Self::Some,
            },
        }
    }
}

/// The selectors of a request, decided as far as targets go.
#[derive(Debug)]
pub(crate) struct Decisions {
    selectors: Vec<Decided>,
    conditions: Vec<Conditions>,
}

/// One selector.
#[derive(Debug)]
pub(crate) struct Decided {
    /// Matchers on `__name__`.
    name: Vec<Matcher>,
    /// Position of its matchers on other labels in [`Decisions::conditions`].
    conditions: usize,
    /// A selector without a matcher takes nothing, as in Prometheus.
    is_empty: bool,
}

/// Matchers on labels other than `__name__`, which one or more selectors have.
#[derive(Debug)]
struct Conditions {
    matchers: Vec<Matcher>,
    /// By base, when those of all targets are counted through.
    verdicts: Vec<Verdict>,
}

impl Decided {
    /// Whether series named `name` may be among the selected ones.
    pub(crate) fn takes_name(&self, name: &str) -> bool {
        !self.is_empty && self.name.iter().all(|matcher| matcher.matches_value(name))
    }
}

impl Decisions {
    /// What `selectors` say of the bases of `tables`.
    pub(crate) fn new<'a>(
        selectors: &[Selector],
        tables: impl Iterator<Item = &'a Arc<Table>> + Clone,
    ) -> Self {
        let mut conditions: Vec<Conditions> = Vec::new();
        let decide = |selector: &Selector| {
            let matchers = selector.matchers().iter().cloned();
            let (name, labels): (Vec<_>, Vec<_>) =
                matchers.partition(|matcher| matcher.name() == METRIC_NAME);
            let is_empty = name.is_empty() && labels.is_empty();
            // Selectors that differ in the metric's name only are the rule.
            let known = conditions.iter().position(|it| it.matchers == labels);
            let conditions = known.unwrap_or_else(|| {
                conditions.push(Conditions::new(labels, tables.clone()));
                conditions.len() - 1
            });
            Decided {
                name,
                conditions,
                is_empty,
            }
        };
        Self {
            selectors: selectors.iter().map(decide).collect(),
            conditions,
        }
    }

    /// In the order of the request.
    pub(crate) fn selectors(&self) -> &[Decided] {
        &self.selectors
    }

    /// Whether the selector at `selector` takes a series of the base at `base`; `labels` are looked at only
    /// where they matter. The series' name is one that the selector takes.
    pub(crate) fn takes<'a>(
        &self,
        selector: usize,
        base: usize,
        labels: impl FnOnce() -> Option<SeriesLabels<'a>>,
    ) -> bool {
        let conditions = &self.conditions[self.selectors[selector].conditions];
        match conditions.verdicts[base] {
            Verdict::None => false,
            Verdict::All => true,
            Verdict::Some => labels().is_some_and(|labels| {
                let mut matchers = conditions.matchers.iter();
                matchers.all(|matcher| matcher.matches_value(labels.value(matcher.name())))
            }),
        }
    }

    /// Leaves those of `published` of which some series may be selected, if they have few of all the series, and tells
    /// then how many there are in all.
    pub(crate) fn narrow(&mut self, published: &mut Vec<Arc<Published>>) -> Option<usize> {
        let mut first_base = 0;
        let mut series = [0, 0];
        let wanted: Vec<bool> = published
            .iter()
            .map(|target| {
                let bases = first_base..first_base + target.table.bases.len();
                first_base = bases.end;
                let may_match = |conditions: &Conditions| {
                    let mut verdicts = conditions.verdicts[bases.clone()].iter();
                    verdicts.any(|verdict| *verdict != Verdict::None)
                };
                let is_wanted = self.conditions.iter().any(may_match);
                series[usize::from(is_wanted)] += target.table.members.len();
                is_wanted
            })
            .collect();
        let [unwanted, few] = series;
        if unwanted < few * FEW {
            return None;
        }
        let is_wanted = published.iter().zip(&wanted);
        let bases =
            is_wanted.flat_map(|(target, wanted)| target.table.bases.iter().map(|_| *wanted));
        let bases: Vec<bool> = bases.collect();
        for Conditions { verdicts, .. } in &mut self.conditions {
            let mut is_wanted = bases.iter();
            verdicts.retain(|_| is_wanted.next().is_some_and(|wanted| *wanted));
        }
        let mut is_wanted = wanted.iter();
        published.retain(|_| is_wanted.next().is_some_and(|wanted| *wanted));
        Some(few + unwanted)
    }
}

/// Which series exist for a tenant, by its `metrics`.
#[derive(Debug)]
pub(crate) struct Visible {
    /// `None` where all do.
    decided: Option<Decisions>,
    /// Number of the first base of each table.
    first_base: Vec<usize>,
}

impl Visible {
    /// Those of `tables` that any of `metrics` takes; all of them where there is none.
    pub(crate) fn new<'a>(
        metrics: &[Selector],
        tables: impl Iterator<Item = &'a Arc<Table>> + Clone,
    ) -> Self {
        let mut bases = 0;
        let first_base = |table: &Arc<Table>| {
            let first = bases;
            bases += table.bases.len();
            first
        };
        Self {
            first_base: tables.clone().map(first_base).collect(),
            decided: (!metrics.is_empty()).then(|| Decisions::new(metrics, tables)),
        }
    }

    /// Whether every series exists.
    pub(crate) const fn is_all(&self) -> bool {
        self.decided.is_none()
    }

    /// Whether the series `member` of the table at `table` does.
    pub(crate) fn has(&self, table: usize, member: &Member, labels: SeriesLabels<'_>) -> bool {
        let Some(decided) = &self.decided else {
            return true;
        };
        let base = self.first_base[table] + usize::from(member.base);
        let mut selectors = decided.selectors.iter().enumerate();
        selectors.any(|(at, selector)| {
            selector.takes_name(&member.shape.name) && decided.takes(at, base, || Some(labels))
        })
    }
}

/// Sorting a few series is cheaper than passing this many times as many others.
const FEW: usize = 7;

fn verdict<'a>(base: &Base, matchers: impl IntoIterator<Item = &'a &'a Matcher>) -> Verdict {
    let mut verdict = Verdict::All;
    for matcher in matchers {
        match base.get(matcher.name()) {
            Some(value) if matcher.matches_value(value) => {}
            Some(_) => return Verdict::None,
            None => verdict = Verdict::Some,
        }
    }
    verdict
}

impl Conditions {
    fn new<'a>(matchers: Vec<Matcher>, tables: impl Iterator<Item = &'a Arc<Table>>) -> Self {
        let mut verdicts = Vec::new();
        for table in tables {
            let bases = &table.bases;
            let Some(first) = bases.first() else { continue };
            // What the target's own labels decide needs no second look.
            let (own, others): (Vec<_>, Vec<_>) = matchers
                .iter()
                .partition(|matcher| first.get(matcher.name()).is_some());
            let of_own = verdict(first, &own);
            verdicts.extend(bases.iter().map(|base| {
                if base.extends_first {
                    of_own.and(|| verdict(base, &others))
                } else {
                    verdict(base, &matchers.iter().collect::<Vec<_>>())
                }
            }));
        }
        Self { matchers, verdicts }
    }
}
