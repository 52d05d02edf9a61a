//! What the targets that are scraped were when they were discovered.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prom_model::label::LabelSet;
use prom_model::target::{DiscoveredJob, PoolStatus, TargetGroup};

const ADDRESS: &str = "__address__";

/// Finds what became of discovered targets. Everything discovered is looked through once, whoever asks, and then what
/// is asked for.
#[derive(Debug, Default)]
pub(super) struct Origins(Mutex<Vec<Arc<Addresses>>>);

/// Targets of some groups by address.
#[derive(Debug)]
struct Addresses {
    of: Weak<Vec<TargetGroup>>,
    places: HashMap<Box<str>, Vec<Place>>,
}

/// Where a target is among some groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    group: usize,
    target: usize,
}

impl Origins {
    /// Of the targets that were discovered for `jobs`, those that became one of `pools`.
    ///
    /// Each of these came of what has most of its labels. What has fewer, and them all, differs in a label that the
    /// target came with, which only looks like a default.
    pub(super) fn groups(&self, jobs: &[DiscoveredJob], pools: &[PoolStatus]) -> Vec<TargetGroup> {
        let addresses = self.addresses(jobs);
        let mut found = BTreeSet::new();
        for pool in pools {
            for target in &pool.active {
                let origin = &*target.discovered_labels;
                let mut matching = Vec::new();
                let of_job = jobs.iter().zip(&addresses).enumerate();
                for (at, (job, addresses)) in of_job.filter(|(_, (job, _))| job.job == pool.job) {
                    let matches = addresses.matching(&job.groups, origin);
                    matching.extend(matches.map(|(shared, place)| (shared, (at, place))));
                }
                let most = matching.iter().map(|(shared, _)| *shared).max();
                matching.retain(|(shared, _)| Some(*shared) == most);
                found.extend(matching.into_iter().map(|(_, place)| place));
            }
        }
        let found: Vec<(usize, Place)> = found.into_iter().collect();
        let of_groups =
            found.chunk_by(|(a_job, a), (b_job, b)| (a_job, a.group) == (b_job, b.group));
        let groups = of_groups.filter_map(|places| {
            let (job, Place { group, .. }) = places.first()?;
            let group = jobs.get(*job)?.groups.get(*group)?;
            let targets = places
                .iter()
                .map(|(_, place)| group.targets.get(place.target));
            Some(TargetGroup {
                source: Arc::clone(&group.source),
                labels: group.labels.clone(),
                targets: targets.flatten().cloned().collect(),
                access: group.access.clone(),
            })
        });
        groups.collect()
    }

    /// Those of each job.
    fn addresses(&self, jobs: &[DiscoveredJob]) -> Vec<Arc<Addresses>> {
        // Replaced as a whole, so a panic of another holder leaves nothing half done.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_job = |DiscoveredJob { groups, .. }: &DiscoveredJob| {
            let same = known
                .iter()
                .find(|it| std::ptr::eq(it.of.as_ptr(), Arc::as_ptr(groups)));
            same.map_or_else(|| Arc::new(Addresses::of(groups)), Arc::clone)
        };
        let addresses: Vec<_> = jobs.iter().map(of_job).collect();
        known.clone_from(&addresses);
        addresses
    }
}

impl Addresses {
    fn of(groups: &Arc<Vec<TargetGroup>>) -> Self {
        let mut places = HashMap::<Box<str>, Vec<Place>>::new();
        for (group, of_group) in groups.iter().enumerate() {
            for (target, own) in of_group.targets.iter().enumerate() {
                let address = own.get(ADDRESS).or_else(|| of_group.labels.get(ADDRESS));
                let of_address = places.entry(address.unwrap_or_default().into());
                of_address.or_default().push(Place { group, target });
            }
        }
        let of = Arc::downgrade(groups);
        Self { of, places }
    }

    /// The targets of `groups`, which these are of, that may have become the one that was `origin` before relabelling,
    /// each with the number of labels that it shares with it.
    fn matching<'a>(
        &'a self,
        groups: &'a [TargetGroup],
        origin: &'a LabelSet,
    ) -> impl Iterator<Item = (usize, Place)> + 'a {
        let places = self.places.get(origin.get(ADDRESS).unwrap_or_default());
        places.into_iter().flatten().filter_map(|place| {
            let group = groups.get(place.group)?;
            let labels = group.labels_of(group.targets.get(place.target)?);
            is_origin(origin, &labels).then_some((labels.len(), *place))
        })
    }
}

/// Whether `origin` are the labels `discovered`, to which a scrape configuration has added its defaults.
fn is_origin(origin: &LabelSet, discovered: &LabelSet) -> bool {
    let mut discovered = discovered.iter().peekable();
    for label in origin.iter() {
        if discovered.next_if_eq(&label).is_none() && !is_default(label.0) {
            return false;
        }
    }
    discovered.next().is_none()
}

/// Whether a scrape configuration has a default for the label `name`, as Prometheus' do.
fn is_default(name: &str) -> bool {
    const DEFAULTS: [&str; 5] = [
        "job",
        "__scheme__",
        "__metrics_path__",
        "__scrape_interval__",
        "__scrape_timeout__",
    ];
    DEFAULTS.contains(&name) || name.starts_with("__param_")
}

#[cfg(test)]
mod tests {
    use prom_model::target::{TargetHealth, TargetStatus};

    use super::*;

    fn active(discovered_labels: LabelSet, labels: LabelSet) -> TargetStatus {
        TargetStatus {
            discovered_labels: Arc::new(discovered_labels),
            labels: Arc::new(labels),
            scrape_url: "".into(),
            last_error: "".into(),
            last_scrape_ms: None,
            last_scrape_duration: std::time::Duration::ZERO,
            health: TargetHealth::Unknown,
            scrape_interval: "1m".into(),
            scrape_timeout: "10s".into(),
        }
    }

    #[test]
    fn a_target_comes_of_what_it_shares_most_labels_with() {
        let labels = |of: &[(&'static str, &'static str)]| -> LabelSet {
            let address = [(ADDRESS, "a:1")];
            address.into_iter().chain(of.iter().copied()).collect()
        };
        // Which of the targets with these labels became the one with the labels `origin`.
        let f = |discovered: &[&[(&'static str, &'static str)]],
                 origin: &[(&'static str, &'static str)],
                 want: &[usize]| {
            let pools = [PoolStatus {
                job: "j".into(),
                active: vec![active(labels(origin), LabelSet::new())],
                ..PoolStatus::default()
            }];
            let targets: Vec<_> = discovered.iter().map(|of| labels(of)).collect();
            let jobs = [DiscoveredJob {
                job: "j".into(),
                groups: Arc::new(vec![TargetGroup {
                    targets: targets.clone(),
                    ..TargetGroup::default()
                }]),
            }];
            let told = Origins::default().groups(&jobs, &pools);
            let told: Vec<_> = told.into_iter().flat_map(|group| group.targets).collect();
            let want: Vec<_> = want.iter().map(|at| targets[*at].clone()).collect();
            assert_eq!(told, want, "{discovered:?}");
        };
        let scheme = ("__scheme__", "http");
        let param = ("__param_org", "a");
        let job = ("job", "j");
        f(&[&[]], &[job, param, scheme], &[0]);
        f(&[&[param]], &[job, param, scheme], &[0]);
        // Others of the same address, without or with another value of what may be a default.
        f(&[&[param], &[]], &[job, param, scheme], &[0]);
        f(
            &[&[], &[param, scheme], &[scheme], &[("__param_org", "b")]],
            &[job, param, scheme],
            &[1],
        );
        f(&[&[], &[param]], &[job, scheme], &[0]);
        f(&[&[("x", "y")], &[]], &[job, ("x", "y")], &[0]);
    }

    #[test]
    fn what_is_discovered_is_looked_through_once() {
        let of = |addresses: &[&'static str]| {
            let labels = |address: &&'static str| [(ADDRESS, *address)].into_iter().collect();
            let group = TargetGroup {
                labels: [("org", "a")].into_iter().collect(),
                targets: addresses.iter().map(labels).collect(),
                ..TargetGroup::default()
            };
            DiscoveredJob {
                job: "j".into(),
                groups: Arc::new(vec![group]),
            }
        };
        let pool = |address| PoolStatus {
            job: "j".into(),
            active: vec![active(
                [(ADDRESS, address), ("job", "j"), ("org", "a")]
                    .into_iter()
                    .collect(),
                LabelSet::new(),
            )],
            ..PoolStatus::default()
        };
        let origins = Origins::default();
        let first = of(&["a:1", "b:1"]);
        let known = || origins.0.lock().unwrap().clone();
        assert_eq!(
            origins
                .groups(std::slice::from_ref(&first), &[pool("b:1")])
                .len(),
            1
        );
        let before = known();
        assert!(
            origins
                .groups(std::slice::from_ref(&first), &[pool("c:1")])
                .is_empty()
        );
        assert!(Arc::ptr_eq(&before[0], &known()[0]));
        // What has changed is looked through again, and nothing else.
        let jobs = [of(&["c:1"]), first];
        assert_eq!(origins.groups(&jobs, &[pool("c:1")]), *jobs[0].groups);
        assert!(Arc::ptr_eq(&before[0], &known()[1]));
    }
}
