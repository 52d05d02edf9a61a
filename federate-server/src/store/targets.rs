//! The targets of a store.

use std::sync::Arc;

use prom_model::label::LabelSet;

use super::writer::StoredTarget;

/// Targets by position; a place may be empty.
pub(super) type TargetList = Vec<Option<Arc<StoredTarget>>>;

/// All targets at one moment.
#[derive(Debug, Default)]
pub(super) struct AllTargets {
    /// By position, which a target keeps; what is over leaves its place to a later one.
    places: Arc<TargetList>,
    /// Where each is, in the order in which they were opened.
    opened: Vec<Opened>,
    /// The number of the next one.
    next: u64,
}

#[derive(Debug, Clone, Copy)]
struct Opened {
    /// Targets that are opened later have higher ones.
    number: u64,
    place: usize,
}

impl AllTargets {
    /// By position.
    pub(super) const fn places(&self) -> &Arc<TargetList> {
        &self.places
    }

    /// Later targets have this number or a higher one.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// With another target, which has `labels`.
    pub(super) fn with(&self, labels: Arc<LabelSet>) -> (Self, Arc<StoredTarget>) {
        let mut places = TargetList::clone(&self.places);
        let free = places.iter().position(Option::is_none);
        let place = free.unwrap_or(places.len());
        let number = self.next;
        let target = Arc::new(StoredTarget::new(labels, place));
        let taken = Some(Arc::clone(&target));
        match places.get_mut(place) {
            Some(free) => *free = taken,
            None => places.push(taken),
        }
        let mut opened = self.opened.clone();
        opened.push(Opened { number, place });
        let all = Self {
            places: Arc::new(places),
            opened,
            next: number + 1,
        };
        (all, target)
    }

    /// Without those that are over, `None` where none is.
    pub(super) fn without(&self, is_over: impl Fn(&StoredTarget) -> bool) -> Option<Self> {
        let is_any_over = self.places.iter().flatten().any(|target| is_over(target));
        if !is_any_over {
            return None;
        }
        let kept = |place: &Option<Arc<StoredTarget>>| place.clone().filter(|it| !is_over(it));
        let places: TargetList = self.places.iter().map(kept).collect();
        let is_kept = |opened: &&Opened| places.get(opened.place).is_some_and(Option::is_some);
        let opened = self.opened.iter().filter(is_kept).copied().collect();
        Some(Self {
            places: Arc::new(places),
            opened,
            next: self.next,
        })
    }

    /// Whether `target` is one of them.
    pub(super) fn has(&self, target: &Arc<StoredTarget>) -> bool {
        let at_place = self.places.get(target.place).and_then(Option::as_ref);
        at_place.is_some_and(|there| Arc::ptr_eq(there, target))
    }

    /// Those of `number` or a higher one, in the order in which they were opened. Costs what these do.
    pub(super) fn since(&self, number: u64) -> impl Iterator<Item = &Arc<StoredTarget>> {
        let first = self.opened.partition_point(|it| it.number < number);
        let later = self.opened.iter().skip(first);
        later.filter_map(|it| self.places.get(it.place)?.as_ref())
    }
}
