//! What is scraped and what was discovered, to whom it may be told.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prom_model::label::LabelSet;
use prom_model::target::{
    DiscoveredJob, DiscoveryStatus, PoolStatus, Standing, TargetGroup, TargetStatus, TargetStatuses,
};

use super::Scope;
use crate::http::Provider;

const ADDRESS: &str = "__address__";

/// All targets, how they are doing, and where they came from. What it tells depends on who asks.
///
/// A tenant is told of its active targets, and of what was discovered as far as one of these came of it. What became
/// of no target, why, and how many there are is told to those who see everything.
#[derive(Clone)]
pub struct Fleet {
    targets: Arc<dyn TargetStatuses>,
    discovered: Provider<Vec<DiscoveredJob>>,
    http_sd: fn(&[TargetGroup]) -> String,
    discovery: Provider<Vec<DiscoveryStatus>>,
}

impl fmt::Debug for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fleet").finish_non_exhaustive()
    }
}

impl Fleet {
    /// How `targets` are doing, and nothing of discovery.
    #[must_use]
    pub fn new(targets: Arc<dyn TargetStatuses>) -> Self {
        Self {
            targets,
            discovered: Arc::new(Vec::new),
            http_sd: |_| "[]".to_owned(),
            discovery: Arc::new(Vec::new),
        }
    }

    /// With everything discovered, and how it is written as the JSON of http_sd.
    #[must_use]
    pub fn with_discovered(
        mut self,
        discovered: Provider<Vec<DiscoveredJob>>,
        http_sd: fn(&[TargetGroup]) -> String,
    ) -> Self {
        self.discovered = discovered;
        self.http_sd = http_sd;
        self
    }

    /// With a row for each discovery and how it is doing.
    #[must_use]
    pub fn with_discovery(mut self, discovery: Provider<Vec<DiscoveryStatus>>) -> Self {
        self.discovery = discovery;
        self
    }

    /// The scrape pools and their targets; for a tenant those with targets of its own.
    #[must_use]
    pub fn pools(&self, scope: &Scope) -> Vec<PoolStatus> {
        let pools = self.targets.pools();
        if *scope == Scope::Everything {
            return pools;
        }
        let own = pools.into_iter().map(|pool| PoolStatus {
            job: pool.job,
            active: pool
                .active
                .into_iter()
                .filter(|target| scope.sees_target(&target.labels))
                .collect(),
            ..PoolStatus::default()
        });
        own.filter(|pool| !pool.active.is_empty()).collect()
    }

    /// The discovered targets in the JSON of http_sd; for a tenant those that its own targets came of.
    #[must_use]
    pub fn http_sd(&self, scope: &Scope) -> String {
        let jobs = (self.discovered)();
        let groups = match scope {
            Scope::Everything => {
                let groups = jobs.iter().flat_map(|job| job.groups.iter());
                groups.cloned().collect()
            }
            Scope::Tenant(_) => Origins::of(&self.pools(scope)).groups(&jobs),
        };
        (self.http_sd)(&groups)
    }

    /// How each discovery is doing; for a tenant only its services, as far as own targets came of them.
    #[must_use]
    pub fn discovery(&self, scope: &Scope) -> Vec<DiscoveryStatus> {
        let mut discoveries = (self.discovery)();
        if *scope == Scope::Everything {
            return discoveries;
        }
        let mut own = HashMap::<Arc<str>, usize>::new();
        for group in Origins::of(&self.pools(scope)).groups(&(self.discovered)()) {
            // Several jobs may scrape what one discovery finds.
            let count = own.entry(group.source).or_default();
            *count = group.targets.len().max(*count);
        }
        for discovery in &mut discoveries {
            let mut services = std::mem::take(&mut discovery.services);
            services.retain_mut(|service| {
                let Some(count) = own.get(&service.source).copied() else {
                    return false;
                };
                if count < service.targets {
                    // Nodes and remarks are of all of it, and the rest is somebody else's.
                    service.nodes.clear();
                    service.remarks.clear();
                    service.standing = Standing::Well;
                    service.targets = count;
                }
                true
            });
            *discovery = DiscoveryStatus {
                services,
                ..DiscoveryStatus::default()
            };
        }
        discoveries.retain(|discovery| !discovery.services.is_empty());
        discoveries
    }
}

/// What some targets were before relabelling, by job and address.
#[derive(Debug)]
struct Origins<'a>(HashMap<(&'a str, &'a str), Vec<Origin<'a>>>);

#[derive(Debug)]
struct Origin<'a> {
    labels: &'a LabelSet,
    /// How many of them the discovered target has that shares the most with them. One that shares less differs from it
    /// in a label that the target came with, which only looks like a default.
    shared: Cell<usize>,
}

impl<'a> Origins<'a> {
    fn of(pools: &'a [PoolStatus]) -> Self {
        let mut origins = HashMap::<_, Vec<_>>::new();
        for pool in pools {
            for TargetStatus {
                discovered_labels, ..
            } in &pool.active
            {
                let address = discovered_labels.get(ADDRESS).unwrap_or_default();
                let of_address = origins.entry((&*pool.job, address)).or_default();
                of_address.push(Origin {
                    labels: discovered_labels,
                    shared: Cell::new(0),
                });
            }
        }
        Self(origins)
    }

    /// Those of the discovered targets that became one of them.
    fn groups(&self, jobs: &[DiscoveredJob]) -> Vec<TargetGroup> {
        for DiscoveredJob { job, groups } in jobs {
            for labels in groups.iter().flat_map(TargetGroup::discovered_labels) {
                self.share(job, &labels);
            }
        }
        let mut groups = Vec::new();
        for DiscoveredJob { job, groups: found } in jobs {
            for group in found.iter() {
                let targets = group.targets.iter().zip(group.discovered_labels());
                let own = targets.filter(|(_, labels)| self.has(job, labels));
                let targets: Vec<_> = own.map(|(target, _)| target.clone()).collect();
                if !targets.is_empty() {
                    groups.push(TargetGroup {
                        targets,
                        ..group.clone()
                    });
                }
            }
        }
        groups
    }

    fn share(&self, job: &str, discovered: &LabelSet) {
        for origin in self.matching(job, discovered) {
            let shared = origin.shared.get().max(discovered.len());
            origin.shared.set(shared);
        }
    }

    fn has(&self, job: &str, discovered: &LabelSet) -> bool {
        let mut matching = self.matching(job, discovered);
        matching.any(|origin| origin.shared.get() == discovered.len())
    }

    fn matching<'b>(
        &'b self,
        job: &'b str,
        discovered: &'b LabelSet,
    ) -> impl Iterator<Item = &'b Origin<'a>> {
        let address = discovered.get(ADDRESS).unwrap_or_default();
        let of_address = self.0.get(&(job, address)).into_iter().flatten();
        of_address.filter(move |origin| is_origin(origin.labels, discovered))
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
    use prom_model::target::{NodeStatus, ServiceStatus, TargetHealth};

    use super::*;
    use crate::tenant::{TargetFilter, Tenant, TenantLimits};

    #[derive(Debug)]
    struct Targets(Vec<&'static str>);

    impl TargetStatuses for Targets {
        fn pools(&self) -> Vec<PoolStatus> {
            let status = |address: &&'static str| {
                let labels = [("instance", *address)].into_iter().collect();
                active([(ADDRESS, *address)].into_iter().collect(), labels)
            };
            vec![PoolStatus {
                job: "j".into(),
                active: self.0.iter().map(status).collect(),
                ..PoolStatus::default()
            }]
        }
    }

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

    /// What the owner of `own` is told of the only service, whose targets are `all`.
    fn told(own: &[&'static str], all: &[&'static str]) -> ServiceStatus {
        let group = TargetGroup {
            source: "s".into(),
            targets: all
                .iter()
                .map(|it| [(ADDRESS, *it)].into_iter().collect())
                .collect(),
            ..TargetGroup::default()
        };
        let discovered = vec![DiscoveredJob {
            job: "j".into(),
            groups: Arc::new(vec![group]),
        }];
        let service = ServiceStatus {
            source: "s".into(),
            targets: all.len(),
            nodes: vec![NodeStatus::default()],
            remarks: vec!["lookup fails".to_owned()],
            standing: Standing::Failing,
            ..ServiceStatus::default()
        };
        let status = DiscoveryStatus {
            services: vec![service],
            ..DiscoveryStatus::default()
        };
        let fleet = Fleet::new(Arc::new(Targets(all.to_vec())))
            .with_discovered(Arc::new(move || discovered.clone()), |_| String::new())
            .with_discovery(Arc::new(move || vec![status.clone()]));
        let scope = Scope::of(Tenant {
            name: "t".into(),
            targets: TargetFilter::Values {
                name: "instance".into(),
                values: own.iter().map(|it| (*it).into()).collect(),
            },
            metrics: Vec::new(),
            limits: TenantLimits::default(),
        });
        fleet.discovery(&scope).remove(0).services.remove(0)
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
            let told = Origins::of(&pools).groups(&jobs);
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
    fn of_a_service_in_part_only_the_part_is_told() {
        let whole = told(&["a:1", "b:1"], &["a:1", "b:1"]);
        assert_eq!((whole.targets, whole.nodes.len()), (2, 1));
        assert_eq!(whole.standing, Standing::Failing);
        let part = told(&["a:1"], &["a:1", "b:1"]);
        assert_eq!((part.targets, part.nodes.len()), (1, 0));
        assert_eq!((part.remarks.len(), part.standing), (0, Standing::Well));
    }
}
