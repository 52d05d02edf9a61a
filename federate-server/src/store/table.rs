//! Which series a target has: the part of it that changes only when a series comes or goes.

use std::cmp::Ordering;
use std::sync::{Arc, OnceLock};

use hashbrown::HashSet;
use prom_model::label::{LabelSet, METRIC_NAME};

use super::decide::Visible;
use super::intern::{Family, Label, Shape};

/// Labels that many series of one target share; each series adds a [`Shape`].
///
/// Its label names and those of the shape never overlap.
#[derive(Debug)]
pub(crate) struct Base {
    /// Sorted by name.
    pub(crate) labels: Box<[Arc<Label>]>,
    /// All labels of the target's first base are among them.
    pub(crate) extends_first: bool,
    /// Sum of the hashes of its labels.
    pub(crate) hash: u64,
}

impl Base {
    /// Names and values, sorted by name.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.labels.iter().map(|it| (&*it.name, &*it.value))
    }

    /// The value of label `name`, `None` where it has none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|it| (*it.name).cmp(name));
        at.ok().map(|at| &*self.labels[at].value)
    }
}

/// One series of a target.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) shape: Arc<Shape>,
    /// Position in [`Table::bases`].
    pub(crate) base: u16,
}

/// The series of one target by slot, a `SeriesRef`'s number. Free slots are `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Table {
    pub(crate) bases: Vec<Arc<Base>>,
    pub(crate) members: Vec<Option<Member>>,
    /// Families that the target describes and has no series of.
    pub(crate) described: Vec<Arc<Family>>,
    order: Order,
}

/// The slots of a table sorted by their series, once a reader has asked for it. A changed table has another one.
#[derive(Debug, Default)]
struct Order(OnceLock<Box<[u32]>>);

impl Clone for Order {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Table {
    /// A table without series; most will have the labels of `base`.
    pub(crate) fn new(base: Base) -> Self {
        Self {
            bases: vec![Arc::new(base)],
            ..Self::default()
        }
    }

    /// The slots of all series, sorted by metric name and labels.
    pub(crate) fn sorted(&self) -> &[u32] {
        self.order.0.get_or_init(|| {
            let slots = (0..).zip(&self.members);
            let taken = slots.filter_map(|(slot, member)| member.as_ref().map(|_| slot));
            let mut sorted: Box<[u32]> = taken.collect();
            sorted.sort_unstable_by(|a, b| self.series(*a).cmp(&self.series(*b)));
            sorted
        })
    }

    /// The series in `slot`, `None` where it is free.
    pub(crate) fn series(&self, slot: u32) -> Option<SeriesLabels<'_>> {
        let member = self.members.get(slot as usize)?.as_ref()?;
        Some(self.labels(member))
    }

    /// The labels of one of its members.
    pub(crate) fn labels<'a>(&'a self, member: &'a Member) -> SeriesLabels<'a> {
        SeriesLabels {
            base: &self.bases[usize::from(member.base)],
            shape: &member.shape,
        }
    }

    /// The hash of the series in `slot`, `None` where it is free.
    pub(crate) fn hash(&self, slot: u32) -> Option<u64> {
        let series = self.series(slot)?;
        Some(series.base.hash.wrapping_add(series.shape.hash))
    }

    /// The family that the target says the series in `slot` is a member of.
    pub(crate) fn family(&self, slot: u32) -> Option<&Arc<Family>> {
        let member = self.members.get(slot as usize)?.as_ref()?;
        member.shape.family.as_ref()
    }

    /// Every family that the target describes, once.
    pub(crate) fn families(&self) -> impl Iterator<Item = &Arc<Family>> {
        let members = self.members.iter().flatten();
        once(families_of(members).chain(&self.described))
    }

    /// The families of those series that are `visible`, once each; the table is the one at `at`.
    pub(crate) fn visible_families(
        &self,
        at: usize,
        visible: &Visible,
    ) -> impl Iterator<Item = &Arc<Family>> {
        let members = self.members.iter().flatten();
        let seen = members.filter(move |member| visible.has(at, member, self.labels(member)));
        // That a target describes what it has no series of is told to who sees all series.
        let described = self.described.iter().filter(|_| visible.is_all());
        once(families_of(seen).chain(described))
    }
}

fn families_of<'a>(
    members: impl Iterator<Item = &'a Member>,
) -> impl Iterator<Item = &'a Arc<Family>> {
    members.filter_map(|member| member.shape.family.as_ref())
}

fn once<'a>(
    families: impl Iterator<Item = &'a Arc<Family>>,
) -> impl Iterator<Item = &'a Arc<Family>> {
    let mut seen = HashSet::new();
    families.filter(move |family| seen.insert(Arc::as_ptr(family)))
}

/// Where a series has a label from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Base,
    Shape,
}

/// The labels of one series, in their two parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SeriesLabels<'a> {
    pub(crate) base: &'a Arc<Base>,
    pub(crate) shape: &'a Arc<Shape>,
}

impl<'a> SeriesLabels<'a> {
    /// Names and values without the metric name, sorted by name.
    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs().map(|(name, value, _)| (&**name, &**value))
    }

    /// The same as they are interned, and which part each label is of.
    pub(crate) fn pairs(self) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>, Part)> {
        let shape = self.shape;
        let base = self.base.labels.iter();
        let mut base = base
            .map(|label| (&label.name, &label.value, Part::Base))
            .peekable();
        let own = shape.layout.0.iter().zip(&shape.values);
        let mut own = own
            .map(|(name, value)| (name, value, Part::Shape))
            .peekable();
        std::iter::from_fn(move || match (base.peek(), own.peek()) {
            (Some((mine, ..)), Some((theirs, ..))) if mine > theirs => own.next(),
            (None, Some(_)) => own.next(),
            _ => base.next(),
        })
    }

    /// All labels, `__name__` among them.
    pub(crate) fn to_label_set(self) -> LabelSet {
        let mut labels: LabelSet = self.base.iter().collect();
        labels.extend(self.shape.own());
        labels.set(METRIC_NAME, &self.shape.name);
        labels
    }

    /// The value of label `name`, empty where the series has none.
    pub(crate) fn value(self, name: &str) -> &'a str {
        if name == METRIC_NAME {
            return &self.shape.name;
        }
        self.base
            .get(name)
            .unwrap_or_else(|| self.shape.own_value(name))
    }

    /// Whether these are exactly `labels`.
    pub(crate) fn equal(self, labels: &LabelSet) -> bool {
        labels.len() == self.base.labels.len() + self.shape.values.len() + 1
            && labels.metric_name() == &*self.shape.name
            && self
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value))
    }

    /// Order by labels of two series of one metric name.
    pub(crate) fn cmp_same_name(self, other: Self) -> Ordering {
        if Arc::ptr_eq(self.base, other.base)
            && Arc::ptr_eq(&self.shape.layout, &other.shape.layout)
        {
            return self.shape.values.cmp(&other.shape.values);
        }
        // Of two strings that are equal there is one copy, so most are compared by their address.
        let compare = |a: &Arc<str>, b: &Arc<str>| match Arc::ptr_eq(a, b) {
            true => Ordering::Equal,
            false => a.cmp(b),
        };
        let (mut mine, mut theirs) = (self.pairs(), other.pairs());
        loop {
            let order = match (mine.next(), theirs.next()) {
                (Some(a), Some(b)) => compare(a.0, b.0).then_with(|| compare(a.1, b.1)),
                (None, None) => return Ordering::Equal,
                (a, b) => a.is_some().cmp(&b.is_some()),
            };
            if order.is_ne() {
                return order;
            }
        }
    }
}

/// By metric name, then by labels.
impl Ord for SeriesLabels<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let [mine, theirs] = [self, other].map(|series| &series.shape.name);
        if Arc::ptr_eq(mine, theirs) {
            return self.cmp_same_name(*other);
        }
        mine.cmp(theirs).then_with(|| self.cmp_same_name(*other))
    }
}

impl PartialOrd for SeriesLabels<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SeriesLabels<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SeriesLabels<'_> {}

#[cfg(test)]
mod tests {
    use super::super::intern::Interner;
    use super::*;

    #[test]
    fn labels_come_sorted_whichever_part_they_are_in() {
        let interner = Interner::default();
        let base = Arc::new(Base {
            labels: [interner.label("b", "1"), interner.label("d", "2")].into(),
            extends_first: true,
            hash: 0,
        });
        let shape = interner.shape("m", &[("a", "3"), ("c", "4"), ("e", "5")], None);
        let series = SeriesLabels {
            base: &base,
            shape: &shape,
        };
        let sorted = [("a", "3"), ("b", "1"), ("c", "4"), ("d", "2"), ("e", "5")];
        assert_eq!(series.iter().collect::<Vec<_>>(), sorted);
        let mut all: LabelSet = sorted.into_iter().collect();
        all.set("__name__", "m");
        assert_eq!(series.to_label_set(), all);
        assert!(series.equal(&all));
        assert_eq!(
            (
                series.value("__name__"),
                series.value("d"),
                series.value("x")
            ),
            ("m", "2", "")
        );
        all.set("f", "6");
        assert!(!series.equal(&all));
    }
}
