//! In-memory implementations of what discovery asks, each with an answer that a test sets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aiven_discovery::api::{
    AivenApi, ApiError, Integration, IntegrationOutcome, Service, ServiceList, ServiceState,
};
use aiven_discovery::catalogue::{Catalogue, CatalogueError, Listing};
use aiven_discovery::discovery::{Discoverer, Discovery, DiscoverySettings, Progress};
use aiven_discovery::resolve::{Addresses, Resolve, ResolveError};
use aiven_discovery::target_group::TargetSettings;
use async_trait::async_trait;
use prom_model::label::LabelSet;
use prom_model::target::{BasicAuth, TargetGroup};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The targets of [`Fake::new`].
pub(crate) const BOTH: [&str; 2] = ["10.0.0.1:9273", "10.0.0.2:9273"];

/// What the next answers are made from. A failure is made anew for each call.
pub(crate) struct World {
    pub(crate) list: Result<ServiceList, fn() -> ApiError>,
    /// What a question for a single service is answered with.
    pub(crate) exists: Result<bool, fn() -> ApiError>,
    /// Failures to integrate, by service.
    pub(crate) integration_failures: BTreeMap<String, fn() -> ApiError>,
    pub(crate) credentials: Result<Option<BasicAuth>, fn() -> ApiError>,
    pub(crate) ca: Result<String, fn() -> ApiError>,
    pub(crate) listing: Result<Listing, fn() -> CatalogueError>,
    /// The catalogue's own pace.
    pub(crate) listing_interval: Option<Duration>,
    /// The catalogue never answers.
    pub(crate) listing_hangs: bool,
    /// Services may be missing from the listing for want of rights.
    pub(crate) listing_could_hide: bool,
    /// Hosts that aren't here fail.
    pub(crate) hosts: BTreeMap<String, Addresses>,
    /// How long the API takes.
    pub(crate) api_delay: Duration,
    /// Every call in its order.
    pub(crate) calls: Vec<String>,
}

#[derive(Clone)]
pub(crate) struct Fake(Arc<Mutex<World>>);

impl Fake {
    /// One integrated service of two nodes, called `a`.
    pub(crate) fn new() -> Self {
        let world = World {
            list: Ok(list([service("a")])),
            exists: Ok(false),
            integration_failures: BTreeMap::new(),
            credentials: Ok(Some(auth("first"))),
            ca: Ok("the ca".to_owned()),
            listing: Ok(Listing::WholeProject),
            listing_interval: None,
            listing_hangs: false,
            listing_could_hide: false,
            hosts: BTreeMap::from([("a.host".to_owned(), addresses(&["10.0.0.1", "10.0.0.2"]))]),
            api_delay: Duration::ZERO,
            calls: Vec::new(),
        };
        Self(Arc::new(Mutex::new(world)))
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    /// How many calls there were that start with `name`.
    pub(crate) fn count(&self, name: &str) -> usize {
        let world = self.world();
        world
            .calls
            .iter()
            .filter(|call| call.starts_with(name))
            .count()
    }

    pub(crate) fn discoverer(&self) -> (Discoverer, Discovery) {
        self.discoverer_with(settings())
    }

    pub(crate) fn discoverer_with(&self, settings: DiscoverySettings) -> (Discoverer, Discovery) {
        let fake = Arc::new(self.clone());
        Discoverer::new(settings, fake.clone(), fake.clone(), fake)
    }

    /// From now on the name of `host` has these addresses.
    pub(crate) fn resolve_to(&self, host: &str, addresses: Addresses) {
        self.world().hosts.insert(host.to_owned(), addresses);
    }

    /// Runs a discoverer of the usual settings until the result is dropped.
    pub(crate) fn run(&self) -> Running {
        Running::start(self.discoverer())
    }

    /// The same once its targets are `want`.
    pub(crate) async fn run_until(&self, want: &[&str]) -> Running {
        let running = self.run();
        running.targets_become(want).await;
        running
    }

    async fn called(&self, call: String) {
        let delay = {
            let mut world = self.world();
            world.calls.push(call);
            world.api_delay
        };
        tokio::time::sleep(delay).await;
    }
}

pub(crate) struct Running {
    pub(crate) discovery: Discovery,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) fn start((discoverer, discovery): (Discoverer, Discovery)) -> Self {
        Self {
            discovery,
            task: tokio::spawn(discoverer.run()),
        }
    }

    /// Waits until the targets are `want`, an hour at most.
    pub(crate) async fn targets_become(&self, want: &[&str]) {
        let mut groups = self.discovery.groups();
        let reached = groups.wait_for(|groups| addresses_of(groups) == want);
        let reached = timeout(Duration::from_secs(3600), reached).await.is_ok();
        assert!(reached, "{:?} never became {want:?}", self.targets());
    }

    pub(crate) fn targets(&self) -> Vec<String> {
        addresses_of(&self.discovery.groups().borrow())
    }

    pub(crate) async fn progress_becomes(&self, want: Progress) {
        let mut progress = self.discovery.progress();
        let reached = progress.wait_for(|progress| *progress == want);
        let reached = timeout(Duration::from_secs(3600), reached).await.is_ok();
        assert!(reached, "progress never became {want:?}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn settings() -> DiscoverySettings {
    let targets = TargetSettings {
        project: "paas".to_owned(),
        endpoint_id: Some("ours".to_owned()),
        service_types: vec!["opensearch".to_owned()],
        scheme: "https".to_owned(),
    };
    DiscoverySettings::new("test", targets)
}

/// A service that runs and is integrated, with the host `NAME.host`.
pub(crate) fn service(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        service_type: "opensearch".to_owned(),
        plan: "business-4".to_owned(),
        state: ServiceState::Running,
        host: Some(format!("{name}.host")),
        prometheus_integrations: vec![Integration {
            endpoint_id: Some("ours".to_owned()),
            disabled: false,
        }],
        ..Service::default()
    }
}

/// A service that runs and isn't integrated.
pub(crate) fn bare_service(name: &str) -> Service {
    Service {
        prometheus_integrations: Vec::new(),
        ..service(name)
    }
}

pub(crate) fn list(services: impl IntoIterator<Item = Service>) -> ServiceList {
    ServiceList {
        services: services.into_iter().collect(),
        malformed: Vec::new(),
    }
}

pub(crate) fn addresses(of: &[&str]) -> Addresses {
    Addresses {
        addresses: of
            .iter()
            .map(|text| text.parse::<IpAddr>().unwrap())
            .collect(),
        unknown: None,
    }
}

pub(crate) fn auth(password: &str) -> BasicAuth {
    BasicAuth {
        username: "prometheus".to_owned(),
        password: password.into(),
    }
}

pub(crate) fn addresses_of(groups: &[TargetGroup]) -> Vec<String> {
    let targets = groups.iter().flat_map(TargetGroup::discovered_labels);
    targets
        .map(|labels| labels.get("__address__").unwrap().to_owned())
        .collect()
}

pub(crate) fn unreachable() -> ApiError {
    ApiError::Unreachable {
        source: Box::new(std::io::Error::other("connection refused")),
    }
}

pub(crate) fn unauthorized() -> ApiError {
    ApiError::Unauthorized {
        message: "invalid token".to_owned(),
    }
}

#[async_trait]
impl AivenApi for Fake {
    async fn services(&self) -> Result<ServiceList, ApiError> {
        self.called("services".to_owned()).await;
        self.world().list.clone().map_err(|failure| failure())
    }

    async fn service_exists(&self, name: &str) -> Result<bool, ApiError> {
        self.called(format!("service {name}")).await;
        self.world().exists.map_err(|failure| failure())
    }

    async fn create_prometheus_integration(
        &self,
        service: &str,
        endpoint_id: &str,
    ) -> Result<IntegrationOutcome, ApiError> {
        self.called(format!("integrate {service} {endpoint_id}"))
            .await;
        match self.world().integration_failures.get(service) {
            Some(failure) => Err(failure()),
            None => Ok(IntegrationOutcome::Created),
        }
    }

    async fn endpoint_credentials(&self, endpoint_id: &str) -> Result<Option<BasicAuth>, ApiError> {
        self.called(format!("credentials {endpoint_id}")).await;
        self.world()
            .credentials
            .clone()
            .map_err(|failure| failure())
    }

    async fn project_ca(&self) -> Result<String, ApiError> {
        self.called("ca".to_owned()).await;
        self.world().ca.clone().map_err(|failure| failure())
    }
}

#[async_trait]
impl Catalogue for Fake {
    async fn list(&self) -> Result<Listing, CatalogueError> {
        let hangs = {
            let mut world = self.world();
            world.calls.push("list".to_owned());
            world.listing_hangs
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        self.world().listing.clone().map_err(|failure| failure())
    }

    fn refresh_interval(&self) -> Option<Duration> {
        self.world().listing_interval
    }

    fn could_hide(&self, _service: &str, _labels: &LabelSet) -> bool {
        self.world().listing_could_hide
    }
}

#[async_trait]
impl Resolve for Fake {
    async fn resolve(&self, host: &str) -> Result<Addresses, ResolveError> {
        let mut world = self.world();
        world.calls.push(format!("resolve {host}"));
        world
            .hosts
            .get(host)
            .cloned()
            .ok_or(ResolveError::NoAddresses)
    }
}

/// A listing of these services, each with a label.
pub(crate) fn listed(names: &[&str]) -> Result<Listing, fn() -> CatalogueError> {
    let services = names.iter().map(|name| {
        let labels = LabelSet::from_iter([("service_name", format!("name of {name}"))]);
        ((*name).to_owned(), labels)
    });
    let services: BTreeMap<_, _> = services.collect();
    Ok(Listing::Services(Arc::new(services)))
}
