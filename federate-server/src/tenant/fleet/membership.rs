//! Which of the targets that are scraped are a tenant's own.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use prom_model::target::{ActiveTargets, PoolStatus};

use crate::tenant::TargetFilter;

/// A tenant's own among the targets that are scraped, by the labels they have as targets. Found once for each list of
/// them, so that a request costs what they do, however many others there are.
#[derive(Debug, Default)]
pub(crate) struct Membership(Mutex<Vec<Own>>);

/// A tenant's own targets of one list.
#[derive(Debug, Clone)]
struct Own {
    of: Weak<dyn ActiveTargets>,
    at: Arc<[usize]>,
}

impl Membership {
    /// Those of the targets in `lists` that `filter` takes, which is the same each time. Lists without any are left
    /// out.
    pub(super) fn pools(
        &self,
        lists: &[Arc<dyn ActiveTargets>],
        filter: &TargetFilter,
    ) -> Vec<PoolStatus> {
        let own = self.own(lists, filter);
        let own = lists.iter().zip(own).filter(|(_, own)| !own.at.is_empty());
        let pools = own.map(|(list, own)| PoolStatus {
            job: Arc::clone(list.job()),
            active: own.at.iter().filter_map(|at| list.status(*at)).collect(),
            ..PoolStatus::default()
        });
        pools.collect()
    }

    fn own(&self, lists: &[Arc<dyn ActiveTargets>], filter: &TargetFilter) -> Vec<Own> {
        // Replaced as a whole, so a panic of another holder leaves nothing half done.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_list = |list: &Arc<dyn ActiveTargets>| {
            let is_same = |own: &&Own| std::ptr::addr_eq(own.of.as_ptr(), Arc::as_ptr(list));
            let same = known.iter().find(is_same);
            same.cloned().unwrap_or_else(|| Own::of(list, filter))
        };
        let own: Vec<_> = lists.iter().map(of_list).collect();
        known.clone_from(&own);
        own
    }
}

impl Own {
    fn of(list: &Arc<dyn ActiveTargets>, filter: &TargetFilter) -> Self {
        let labels = list.labels().enumerate();
        let own = labels.filter(|(_, labels)| filter.matches(labels));
        Self {
            of: Arc::downgrade(list),
            at: own.map(|(at, _)| at).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use prom_model::label::LabelSet;
    use prom_model::target::TargetStatus;

    use super::*;

    /// A list that counts what it is asked for.
    #[derive(Debug)]
    struct Counting {
        job: Arc<str>,
        labels: Vec<LabelSet>,
        looked_at: AtomicUsize,
        told: AtomicUsize,
    }

    impl Counting {
        /// Of targets of two owners, every tenth the first one's.
        fn of(count: usize) -> Arc<Self> {
            let owner = |at: usize| if at.is_multiple_of(10) { "a" } else { "b" };
            let labels = |at| [("org_name", owner(at))].into_iter().collect();
            Arc::new(Self {
                job: "j".into(),
                labels: (0..count).map(labels).collect(),
                looked_at: AtomicUsize::new(0),
                told: AtomicUsize::new(0),
            })
        }

        fn counts(&self) -> (usize, usize) {
            let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
            (count(&self.looked_at), count(&self.told))
        }
    }

    impl ActiveTargets for Counting {
        fn job(&self) -> &Arc<str> {
            &self.job
        }

        fn labels(&self) -> Box<dyn Iterator<Item = &LabelSet> + '_> {
            let count = |_: &&LabelSet| {
                self.looked_at.fetch_add(1, Ordering::Relaxed);
            };
            Box::new(self.labels.iter().inspect(count))
        }

        fn status(&self, at: usize) -> Option<TargetStatus> {
            self.told.fetch_add(1, Ordering::Relaxed);
            let labels = Arc::new(self.labels.get(at)?.clone());
            Some(TargetStatus {
                discovered_labels: Arc::clone(&labels),
                labels,
                scrape_url: "".into(),
                last_error: "".into(),
                last_scrape_ms: None,
                last_scrape_duration: std::time::Duration::ZERO,
                health: prom_model::target::TargetHealth::Unknown,
                scrape_interval: "1m".into(),
                scrape_timeout: "10s".into(),
            })
        }
    }

    #[test]
    fn a_request_costs_what_own_targets_cost() {
        let owner = |name: &str| TargetFilter::Values {
            name: "org_name".into(),
            values: [name.into()].into(),
        };
        let (a, nobody) = (owner("a"), owner("c"));
        let (membership, of_nobody) = (Membership::default(), Membership::default());
        let (first, second) = (Counting::of(1000), Counting::of(500));
        let lists = [
            Arc::clone(&first) as Arc<dyn ActiveTargets>,
            Arc::clone(&second) as _,
        ];
        let told = |lists: &[_]| -> Vec<usize> {
            let pools = membership.pools(lists, &a);
            let own = |target: &TargetStatus| target.labels.get("org_name") == Some("a");
            assert!(pools.iter().all(|pool| pool.active.iter().all(own)));
            pools.iter().map(|pool| pool.active.len()).collect()
        };
        for request in 1..=3 {
            assert_eq!(told(&lists), [100, 50]);
            // Every target is looked at once, and foreign ones are never asked how they are doing.
            assert_eq!(first.counts(), (1000, 100 * request));
            assert_eq!(second.counts(), (500, 50 * request));
        }
        assert!(of_nobody.pools(&lists, &nobody).is_empty());
        assert_eq!(second.counts(), (1000, 150));
        // Another list in the place of the first, which leaves the second as it is.
        let third = Counting::of(20);
        let [_, second_list] = lists;
        assert_eq!(told(&[Arc::clone(&third) as _, second_list]), [2, 50]);
        assert_eq!(third.counts(), (20, 2));
        assert_eq!(second.counts(), (1000, 200));
    }
}
