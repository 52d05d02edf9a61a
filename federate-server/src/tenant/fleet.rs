//! What is scraped and what was discovered, to whom it may be told.

mod membership;
mod origin;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use prom_model::target::{
    DiscoveredJob, DiscoveryStatus, DiscoveryStatuses, PoolStatus, Standing, TargetGroup,
    TargetStatuses,
};

pub(crate) use self::membership::Membership;
use self::origin::Origins;
use super::Scope;
use crate::http::Provider;

/// All targets, how they are doing, and where they came from. What it tells depends on who asks.
///
/// A tenant is told of its active targets, and of what was discovered as far as one of these came of it. What became
/// of no target, why, and how many there are is told to those who see everything.
#[derive(Clone)]
pub struct Fleet {
    targets: Arc<dyn TargetStatuses>,
    discovered: Provider<Vec<DiscoveredJob>>,
    http_sd: fn(&[TargetGroup]) -> String,
    discovery: Arc<dyn DiscoveryStatuses>,
    origins: Arc<Origins>,
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
            origins: Arc::default(),
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
    pub fn with_discovery(mut self, discovery: Arc<dyn DiscoveryStatuses>) -> Self {
        self.discovery = discovery;
        self
    }

    /// The scrape pools and their targets; for a tenant those with targets of its own, at the cost of these.
    #[must_use]
    pub fn pools(&self, scope: &Scope) -> Vec<PoolStatus> {
        match scope {
            Scope::Everything => self.targets.pools(),
            Scope::Tenant(tenant) => {
                let view = tenant.view();
                view.active().pools(&self.targets.active(), view.targets())
            }
        }
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
            Scope::Tenant(_) => self.origins.groups(&jobs, &self.pools(scope)),
        };
        (self.http_sd)(&groups)
    }

    /// How each discovery is doing; for a tenant only its services, as far as own targets came of them.
    #[must_use]
    pub fn discovery(&self, scope: &Scope) -> Vec<DiscoveryStatus> {
        if *scope == Scope::Everything {
            return self.discovery.discoveries();
        }
        let mut own = HashMap::<Arc<str>, usize>::new();
        let groups = self
            .origins
            .groups(&(self.discovered)(), &self.pools(scope));
        for group in groups {
            // Several jobs may scrape what one discovery finds.
            let count = own.entry(group.source).or_default();
            *count = group.targets.len().max(*count);
        }
        let sources = own.keys().cloned().collect();
        let mut discoveries = self.discovery.services(&sources);
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

#[cfg(test)]
mod tests {
    use prom_model::target::{NodeStatus, ServiceStatus, TargetHealth, TargetStatus};

    use super::*;
    use crate::tenant::{TargetFilter, Tenant, TenantLimits};

    #[derive(Debug)]
    struct Targets(Vec<&'static str>);

    impl TargetStatuses for Targets {
        fn pools(&self) -> Vec<PoolStatus> {
            let status = |address: &&'static str| {
                let labels = |name| Arc::new([(name, *address)].into_iter().collect());
                TargetStatus {
                    discovered_labels: labels("__address__"),
                    labels: labels("instance"),
                    scrape_url: "".into(),
                    last_error: "".into(),
                    last_scrape_ms: None,
                    last_scrape_duration: std::time::Duration::ZERO,
                    health: TargetHealth::Unknown,
                    scrape_interval: "1m".into(),
                    scrape_timeout: "10s".into(),
                }
            };
            vec![PoolStatus {
                job: "j".into(),
                active: self.0.iter().map(status).collect(),
                ..PoolStatus::default()
            }]
        }
    }

    /// What the owner of `own` is told of the only service, whose targets are `all`.
    fn told(own: &[&'static str], all: &[&'static str]) -> ServiceStatus {
        let group = TargetGroup {
            source: "s".into(),
            targets: all
                .iter()
                .map(|it| [("__address__", *it)].into_iter().collect())
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
    fn of_a_service_in_part_only_the_part_is_told() {
        let whole = told(&["a:1", "b:1"], &["a:1", "b:1"]);
        assert_eq!((whole.targets, whole.nodes.len()), (2, 1));
        assert_eq!(whole.standing, Standing::Failing);
        let part = told(&["a:1"], &["a:1", "b:1"]);
        assert_eq!((part.targets, part.nodes.len()), (1, 0));
        assert_eq!((part.remarks.len(), part.standing), (0, Standing::Well));
    }
}
