//! What tenants see, kept between their requests.

use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::TargetFilter;
use super::fleet::Membership;
use crate::selector::Selector;
use crate::store::StoreView;

/// Targets and series that a tenant sees, or several tenants do, and what is kept of them between requests.
#[derive(Debug)]
pub(crate) struct View {
    targets: TargetFilter,
    metrics: Vec<Selector>,
    stored: StoreView,
    active: Membership,
}

impl View {
    /// Of the targets that `targets` takes, the series that one of `metrics` selects, all where there is none.
    pub(super) fn new(targets: TargetFilter, metrics: Vec<Selector>) -> Self {
        Self {
            targets,
            metrics,
            stored: StoreView::default(),
            active: Membership::default(),
        }
    }

    /// Which targets are seen.
    pub(crate) const fn targets(&self) -> &TargetFilter {
        &self.targets
    }

    /// Which of their series are: those that one of these selects, all where there is none.
    pub(crate) fn metrics(&self) -> &[Selector] {
        &self.metrics
    }

    /// Of the store.
    pub(crate) const fn stored(&self) -> &StoreView {
        &self.stored
    }

    /// Of the targets that are scraped.
    pub(super) const fn active(&self) -> &Membership {
        &self.active
    }

    fn shows(&self, targets: &TargetFilter, metrics: &[Selector]) -> bool {
        self.targets == *targets && self.metrics == metrics
    }
}

/// The views of many tenants. Those who see the same have the same one, as users of one organization do.
#[derive(Debug, Default)]
pub(crate) struct Views {
    hasher: RandomState,
    /// With their hashes, since what they are of may be gone.
    views: HashTable<(u64, Weak<View>)>,
}

impl Views {
    /// The view of `targets` and `metrics`, kept for as long as somebody has it.
    pub(crate) fn view(&mut self, targets: TargetFilter, metrics: Vec<Selector>) -> Arc<View> {
        let hash = self.hash(&targets, &metrics);
        let shown = |(_, view): &(u64, Weak<View>)| {
            let view = view.upgrade()?;
            view.shows(&targets, &metrics).then_some(view)
        };
        if let Some(view) = self.views.iter_hash(hash).find_map(shown) {
            return view;
        }
        if self.views.len() == self.views.capacity() {
            self.views.retain(|(_, view)| view.strong_count() > 0);
        }
        let view = Arc::new(View::new(targets, metrics));
        let known = (hash, Arc::downgrade(&view));
        self.views.insert_unique(hash, known, |(hash, _)| *hash);
        view
    }

    fn hash(&self, targets: &TargetFilter, metrics: &[Selector]) -> u64 {
        let targets = match targets {
            TargetFilter::Selectors(selectors) => self.hasher.hash_one(selectors),
            // They have no order.
            TargetFilter::Values { name, values } => {
                let values = values.iter().map(|value| self.hasher.hash_one(value));
                let values = values.fold(0, u64::wrapping_add);
                self.hasher.hash_one((name, values))
            }
        };
        self.hasher.hash_one((targets, metrics))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(of: &[&str]) -> TargetFilter {
        TargetFilter::Values {
            name: "service_guid".into(),
            values: of.iter().copied().map(Into::into).collect(),
        }
    }

    fn selectors(of: &[&str]) -> Vec<Selector> {
        of.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn who_sees_the_same_has_the_same_view() {
        let mut views = Views::default();
        let first = views.view(values(&["1", "2"]), Vec::new());
        let mut f = |targets, metrics: &[&str], want: bool| {
            let view = views.view(targets, selectors(metrics));
            assert_eq!(Arc::ptr_eq(&view, &first), want, "{view:?}");
        };
        f(values(&["2", "1"]), &[], true);
        f(values(&["1"]), &[], false);
        f(values(&["1", "2", "3"]), &[], false);
        f(values(&["1", "2"]), &["up"], false);
        let named = |name: &str| TargetFilter::Values {
            name: name.into(),
            values: ["1".into(), "2".into()].into(),
        };
        f(named("service_guid"), &[], true);
        f(named("org_guid"), &[], false);
        let written = |text: &str| TargetFilter::Selectors(selectors(&[text]));
        f(written(r#"{service_guid=~"1|2"}"#), &[], false);
        let [one, same, other] = [r#"{a="1"}"#, r#"{ a = "1" }"#, r#"{a!="1"}"#]
            .map(|text| views.view(written(text), Vec::new()));
        assert!(Arc::ptr_eq(&one, &same) && !Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn views_that_nobody_has_are_forgotten() {
        let mut views = Views::default();
        let kept = views.view(values(&["kept"]), Vec::new());
        for number in 0..10_000 {
            views.view(values(&[&number.to_string()]), Vec::new());
        }
        assert!(views.views.len() < 64, "{}", views.views.len());
        assert!(Arc::ptr_eq(
            &kept,
            &views.view(values(&["kept"]), Vec::new())
        ));
    }
}
