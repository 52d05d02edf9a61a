//! Targets: as discovery publishes them, and as scraping finds them; and how both are doing.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::label::LabelSet;
use crate::secret::Secret;

/// The targets of one source, the unit that discovery replaces as a whole.
///
/// The labels of a target are those of its group overlaid by its own; `__address__` is `host:port`.
#[derive(Debug, Clone, Default)]
pub struct TargetGroup {
    /// Names the group among all of its discovery; a group of the same source replaces it.
    pub source: Arc<str>,
    /// Labels of every target of the group.
    pub labels: LabelSet,
    /// Labels of each target, `__address__` among them.
    pub targets: Vec<LabelSet>,
    /// How to reach the targets, where discovery knows it and the scrape configuration is silent.
    pub access: Option<Arc<dyn Access>>,
}

impl TargetGroup {
    /// Labels of each target: the group's, overlaid by its own.
    pub fn discovered_labels(&self) -> impl Iterator<Item = LabelSet> + '_ {
        self.targets.iter().map(|target| self.labels_of(target))
    }

    /// Labels of one of the targets, which has `own` ones: the group's, overlaid by those.
    #[must_use]
    pub fn labels_of(&self, own: &LabelSet) -> LabelSet {
        let mut labels = self.labels.clone();
        labels.extend(own.iter());
        labels
    }
}

/// What was discovered for one scrape job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DiscoveredJob {
    /// The job's name.
    pub job: Arc<str>,
    /// Its target groups.
    pub groups: Arc<Vec<TargetGroup>>,
}

/// Equal when the same targets are reached the same way: `access` is compared by identity.
impl PartialEq for TargetGroup {
    fn eq(&self, other: &Self) -> bool {
        let same_access = match (&self.access, &other.access) {
            (Some(mine), Some(theirs)) => Arc::ptr_eq(mine, theirs),
            (None, None) => true,
            _ => false,
        };
        same_access
            && self.source == other.source
            && self.labels == other.labels
            && self.targets == other.targets
    }
}

/// How the targets of a group are reached: asked before each scrape, so that a change of
/// credentials needs no new target group.
///
/// Both answers must be cheap: a snapshot that is there already, never I/O.
pub trait Access: Send + Sync + fmt::Debug {
    /// User and password, `None` where the target asks for none.
    fn basic_auth(&self) -> Option<Arc<BasicAuth>>;

    /// How the target's certificate is verified, `None` for the scraper's default.
    fn server_identity(&self) -> Option<Arc<ServerIdentity>>;

    /// A target answered 401 to `used`. An implementation reads its credentials again soon,
    /// unless they have already changed since.
    fn rejected(&self, used: &BasicAuth);
}

/// User and password of HTTP basic authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BasicAuth {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// Whom a target's certificate must name, and who must have issued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerIdentity {
    /// Host name in the certificate, whatever address the connection goes to.
    pub server_name: String,
    /// Certificates in PEM; one of them is the issuer.
    pub ca_pem: String,
}

/// Whether a target's last scrape succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TargetHealth {
    /// Not scraped yet.
    #[default]
    Unknown,
    /// The last scrape succeeded.
    Up,
    /// The last scrape failed.
    Down,
}

impl TargetHealth {
    /// The name in Prometheus' HTTP API: `unknown`, `up` or `down`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A target and how its last scrape went.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetStatus {
    /// Labels before relabelling, defaults such as `__scheme__` included.
    pub discovered_labels: Arc<LabelSet>,
    /// Labels after relabelling, without those that start with `__`.
    pub labels: Arc<LabelSet>,
    /// The URL that is scraped, with parameters and without user and password.
    pub scrape_url: Arc<str>,
    /// Why the last scrape failed; empty where it succeeded or there was none.
    pub last_error: Arc<str>,
    /// Start of the last scrape in milliseconds since the Unix epoch; `None` before the first.
    pub last_scrape_ms: Option<i64>,
    /// How long the last scrape took; zero before the first.
    pub last_scrape_duration: Duration,
    /// Whether it succeeded.
    pub health: TargetHealth,
    /// Time between scrapes, as the configuration or a label writes it: `90s` for example.
    pub scrape_interval: Arc<str>,
    /// When a scrape is given up, in the same form.
    pub scrape_timeout: Arc<str>,
}

/// All targets of one scrape job.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PoolStatus {
    /// The job's name.
    pub job: Arc<str>,
    /// The targets that are scraped.
    pub active: Vec<TargetStatus>,
    /// Labels before relabelling of targets that relabelling dropped, as many as are kept.
    pub dropped: Vec<Arc<LabelSet>>,
    /// How many targets relabelling dropped, kept or not.
    pub dropped_count: usize,
    /// Targets that could not be made, and why; no labels' text in it beyond the target's own.
    pub failed: Vec<String>,
}

/// Tells how the targets are doing; the scraper implements it, and the server shows it.
pub trait TargetStatuses: Send + Sync {
    /// Every pool, in the order of the configuration. Jobs without a target are among them.
    fn pools(&self) -> Vec<PoolStatus>;

    /// The targets that the same pools scrape. Who asks often should be given the same lists until there are others,
    /// so that which of the targets are whose need be found once only.
    fn active(&self) -> Vec<Arc<dyn ActiveTargets>> {
        let pools = self.pools().into_iter();
        pools.map(|pool| Arc::new(pool) as _).collect()
    }
}

/// The targets that one job scrapes. Which these are never changes, how they are doing does.
pub trait ActiveTargets: Send + Sync + fmt::Debug {
    /// The job's name.
    fn job(&self) -> &Arc<str>;

    /// Labels of each target after relabelling.
    fn labels(&self) -> Box<dyn Iterator<Item = &LabelSet> + '_>;

    /// How the target is doing whose labels are at this position.
    fn status(&self, at: usize) -> Option<TargetStatus>;
}

impl ActiveTargets for PoolStatus {
    fn job(&self) -> &Arc<str> {
        &self.job
    }

    fn labels(&self) -> Box<dyn Iterator<Item = &LabelSet> + '_> {
        Box::new(self.active.iter().map(|target| &*target.labels))
    }

    fn status(&self, at: usize) -> Option<TargetStatus> {
        self.active.get(at).cloned()
    }
}

/// How one discovery is doing, for people. Its texts are whatever the discovery was told: hostile until escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiscoveryStatus {
    /// Which discovery, such as `Aiven project paas-cf-prod`.
    pub name: String,
    /// How many targets it knows.
    pub targets: usize,
    /// When it last succeeded, in milliseconds since the Unix epoch; `None` before the first time.
    pub last_success_ms: Option<i64>,
    /// Why its last attempt failed; empty where it succeeded.
    pub last_error: String,
    /// The services that are to be discovered, in the order of their names; may be empty.
    pub services: Vec<ServiceStatus>,
}

/// Tells how every discovery is doing.
pub trait DiscoveryStatuses: Send + Sync {
    /// A row for each discovery.
    fn discoveries(&self) -> Vec<DiscoveryStatus>;

    /// The rows' services whose [`source`](ServiceStatus::source) is one of `sources`, and nothing else of them. Others
    /// should cost as little as can be.
    fn services(&self, sources: &HashSet<Arc<str>>) -> Vec<DiscoveryStatus> {
        let only_services = |mut discovery: DiscoveryStatus| {
            discovery.services.retain(|it| sources.contains(&it.source));
            DiscoveryStatus {
                services: discovery.services,
                ..DiscoveryStatus::default()
            }
        };
        let discoveries = self.discoveries().into_iter();
        discoveries.map(only_services).collect()
    }
}

impl<F: Fn() -> Vec<DiscoveryStatus> + Send + Sync> DiscoveryStatuses for F {
    fn discoveries(&self) -> Vec<DiscoveryStatus> {
        self()
    }
}

/// How a service that is to be discovered is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceStatus {
    /// The service's name.
    pub name: String,
    /// The [`source`](TargetGroup::source) of the group that its targets are in. Empty where it can have none.
    pub source: Arc<str>,
    /// What it is doing, in its operator's word: `RUNNING` for example. Empty where nobody said.
    pub state: String,
    /// Whether somebody should look at it.
    pub standing: Standing,
    /// How many targets it has.
    pub targets: usize,
    /// Its nodes.
    pub nodes: Vec<NodeStatus>,
    /// What is wrong, or why there are no targets: a clause each.
    pub remarks: Vec<String>,
}

/// What a node of a service is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// What it is doing, in its operator's word: `running`, `syncing_data` and so on.
    pub state: String,
    /// Whether that is what a node should be doing.
    pub standing: Standing,
}

/// Whether something is as it should be; better ones come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is.
    #[default]
    Well,
    /// Not at the moment, and nobody need act: it is changing, or off on purpose.
    Unsettled,
    /// Something fails.
    Failing,
}
