//! The discoverer: it refreshes, integrates and resolves, and publishes target groups.

mod access;
mod known;
mod refresh;
mod rounds;
mod shown;
mod status;

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prom_model::target::TargetGroup;
use tokio::sync::{Notify, SetOnce, watch};

use crate::access::ProjectAccess;
use crate::api::AivenApi;
use crate::catalogue::Catalogue;
use crate::metrics::Metrics;
use crate::resolve::Resolve;
use crate::state::StateFile;
use crate::target_group::TargetSettings;
use known::Known;

pub use status::{DiscoveryStatus, ServiceStatus};

/// What a [`Discoverer`] does, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoverySettings {
    /// Names this discovery among all of the process, in logs and metrics.
    pub name: String,
    /// Which services become targets, and how.
    pub targets: TargetSettings,
    /// Whether the integration is enabled on listed services that lack it; needs
    /// [`TargetSettings::endpoint_id`].
    pub integrate: bool,
    /// Time between readings of the service list, and of a catalogue that has no pace of its own.
    pub refresh_interval: Duration,
    /// Time between attempts to integrate what lacks the integration.
    pub integrate_interval: Duration,
    /// Time between lookups of each service's host name.
    pub dns_refresh_interval: Duration,
}

impl DiscoverySettings {
    /// Settings with the default intervals: 120 s to refresh, 15 s to integrate, 45 s to look up.
    #[must_use]
    pub fn new(name: impl Into<String>, targets: TargetSettings) -> Self {
        Self {
            name: name.into(),
            integrate: targets.endpoint_id.is_some(),
            targets,
            refresh_interval: Duration::from_secs(120),
            integrate_interval: Duration::from_secs(15),
            dns_refresh_interval: Duration::from_secs(45),
        }
    }
}

/// How far discovery has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Progress {
    /// Nothing is known, and the first attempt isn't over.
    #[default]
    Waiting,
    /// Nothing is known, and the first attempt has failed.
    Failed,
    /// The targets are those of before the start.
    Restored,
    /// The service list was read since the start, and a first round of lookups is done.
    Discovered,
}

/// Discovers the targets of one project; made with [`Discoverer::new`], at work in
/// [`Discoverer::run`].
pub struct Discoverer {
    settings: DiscoverySettings,
    api: Arc<dyn AivenApi>,
    catalogue: Arc<dyn Catalogue>,
    resolver: Arc<dyn Resolve>,
    metrics: Metrics,
    state_file: Option<StateFile>,
    known: Arc<Mutex<Known>>,
    access: Arc<ProjectAccess>,
    groups: watch::Sender<Arc<Vec<TargetGroup>>>,
    progress: watch::Sender<Progress>,
    signals: Signals,
}

/// What the loops tell each other.
#[derive(Default)]
struct Signals {
    /// The first reading of the service list is over, however it went.
    refreshed: SetOnce<()>,
    /// The first reading of the catalogue is over, however it went.
    listed: SetOnce<()>,
    /// The first round of integrations after a refresh that succeeded is over.
    integrated: SetOnce<()>,
    /// Credentials and CA were asked for, however that went.
    access_tried: SetOnce<()>,
    /// The API has answered with the service list.
    answered: Notify,
    /// The catalogue lists a service that the service list didn't have.
    refresh: Notify,
    /// Something new may need the integration.
    integrate: Notify,
    /// Something new needs a lookup.
    resolve: Notify,
    /// Something is worth keeping.
    save: Notify,
}

/// What readers see of a [`Discoverer`]; clones see the same.
#[derive(Clone)]
pub struct Discovery {
    name: Arc<str>,
    targets: TargetSettings,
    known: Arc<Mutex<Known>>,
    access: Arc<ProjectAccess>,
    groups: watch::Receiver<Arc<Vec<TargetGroup>>>,
    progress: watch::Receiver<Progress>,
}

impl Discoverer {
    /// A discoverer and what it publishes to. Nothing happens before [`Discoverer::run`].
    #[must_use]
    pub fn new(
        settings: DiscoverySettings,
        api: Arc<dyn AivenApi>,
        catalogue: Arc<dyn Catalogue>,
        resolver: Arc<dyn Resolve>,
    ) -> (Self, Discovery) {
        let groups = watch::Sender::new(Arc::default());
        let progress = watch::Sender::new(Progress::Waiting);
        let known = Arc::new(Mutex::new(Known::default()));
        let access = Arc::<ProjectAccess>::default();
        let discovery = Discovery {
            name: settings.name.as_str().into(),
            targets: settings.targets.clone(),
            known: Arc::clone(&known),
            access: Arc::clone(&access),
            groups: groups.subscribe(),
            progress: progress.subscribe(),
        };
        let discoverer = Self {
            settings,
            api,
            catalogue,
            resolver,
            metrics: Metrics::default(),
            state_file: None,
            known,
            access,
            groups,
            progress,
            signals: Signals::default(),
        };
        (discoverer, discovery)
    }

    /// Counts in `metrics`.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Starts from what `file` holds, and keeps there what is discovered.
    #[must_use]
    pub fn with_state_file(mut self, file: StateFile) -> Self {
        self.state_file = Some(file);
        self
    }

    /// Takes `addresses`, by service, for services whose first lookup fails. Publishes nothing by
    /// itself.
    #[must_use]
    pub fn with_last_addresses(self, addresses: BTreeMap<String, Vec<IpAddr>>) -> Self {
        lock(&self.known).addresses = addresses;
        self
    }

    /// Starts from what `former` knows of the same project, under other settings, and publishes it at once: so its
    /// targets stay while the API can't be asked. A state file is then not read.
    #[must_use]
    pub fn succeeding(self, former: &Discovery) -> Self {
        let same_endpoint = former.targets.endpoint_id == self.settings.targets.endpoint_id;
        {
            let former = lock(&former.known);
            let mut known = self.known();
            if let Some(last) = former.last_known(&self.settings.targets.project) {
                known.restore(last);
            }
            if same_endpoint {
                known.believe(&former);
            }
        }
        if same_endpoint {
            self.access.take_over(&former.access);
        }
        self.publish();
        self
    }

    /// Discovers for ever; drop the future to stop.
    ///
    /// What the state file holds is published first. Then come a refresh, a round of integrations
    /// and a round of lookups, in that order and at once; what they find is published together,
    /// and from there on each goes its own pace. A failure anywhere leaves what is published as it
    /// is.
    pub async fn run(self) {
        self.restore().await;
        tokio::join!(
            self.refresh_loop(),
            self.catalogue_loop(),
            self.integrate_loop(),
            self.resolve_loop(),
            self.access_loop(),
            self.save_loop(),
        );
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Publishes the target groups where they have changed, or for the first time.
    fn publish(&self) {
        let mut known = self.known();
        if !known.is_publishable() {
            let progress = known.progress();
            drop(known);
            self.advance(progress);
            return;
        }
        let targets = &self.settings.targets;
        let groups = known.target_groups(targets, &self.access);
        let count = groups.iter().map(|group| group.targets.len()).sum();
        self.metrics
            .set_discovered(&self.settings.name, known.count_wanted(targets), count);
        let first = !std::mem::replace(&mut known.published, true);
        let progress = known.progress();
        drop(known);
        let changed = self.groups.send_if_modified(|current| {
            let changed = first || **current != groups;
            if changed {
                *current = Arc::new(groups);
            }
            changed
        });
        self.advance(progress);
        if changed {
            tracing::info!(discovery = %self.settings.name, targets = count, "targets changed");
            self.signals.save.notify_one();
        }
    }

    fn advance(&self, progress: Progress) {
        self.progress.send_if_modified(|current| {
            let further = progress > *current;
            if further {
                *current = progress;
            }
            further
        });
    }
}

impl std::fmt::Debug for Discoverer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discoverer")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Discovery {
    /// The name of [`DiscoverySettings::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The target groups, one for each service with targets, sorted by source.
    ///
    /// The receiver sees a change at the first publication, even where there are no targets, and
    /// then whenever the groups change. It closes when the discoverer is gone.
    #[must_use]
    pub fn groups(&self) -> watch::Receiver<Arc<Vec<TargetGroup>>> {
        self.groups.clone()
    }

    /// How far discovery has come; it never goes back.
    #[must_use]
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }

    /// How discovery and each service are doing.
    #[must_use]
    pub fn status(&self) -> DiscoveryStatus {
        lock(&self.known).status(&self.targets)
    }

    /// The same in words, for a page that people look at: the services that are to be discovered, and what is wrong
    /// with them.
    #[must_use]
    pub fn shown_status(&self) -> prom_model::target::DiscoveryStatus {
        let source = |service: &str| self.targets.source(service);
        shown::shown(&self.name, source, self.status())
    }

    /// The same of those services alone whose target groups are called one of `sources`, in the order of their names.
    #[must_use]
    pub fn shown_services(
        &self,
        sources: &HashSet<Arc<str>>,
    ) -> Vec<prom_model::target::ServiceStatus> {
        let source = |service: &str| self.targets.source(service);
        let asked = sources.iter().filter_map(|it| self.targets.service(it));
        let asked: HashSet<&str> = asked.collect();
        let is_asked = |service: &str| asked.contains(service);
        let services = lock(&self.known).service_statuses(&self.targets, is_asked);
        shown::services(source, &services).collect()
    }
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Discovery")
            .field("name", &self.name)
            .field("progress", &*self.progress.borrow())
            .finish_non_exhaustive()
    }
}

/// Nothing that holds the lock leaves it half changed, so a panic elsewhere spoils nothing.
fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}
