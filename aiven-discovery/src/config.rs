//! One entry of `aiven_sd_configs`.

mod cloud_foundry;
mod decode;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ::cloud_foundry::Credentials;
use prom_config::render::{Mapping, Value};
use prom_model::secret::Secret;
use url::Url;

use crate::api::{HttpAivenApi, HttpApiBuildError, HttpApiOptions, SecretSource};
use crate::catalogue::{Catalogue, NamesFile, ServicesFile, WholeProject};
use crate::discovery::{Discoverer, Discovery, DiscoverySettings};
use crate::metrics::Metrics;
use crate::resolve::{Nameservers, Resolve, ResolverBuildError, SystemResolver};
use crate::state::StateFile;
use crate::target_group::TargetSettings;

pub use cloud_foundry::CloudFoundryConfig;

/// Where Aiven's API is.
pub const DEFAULT_API_URL: &str = "https://api.aiven.io";
/// When the lookup of a host name is given up.
pub const DNS_TIMEOUT: Duration = Duration::from_secs(10);

/// Settings of the discovery of one project: an entry of `aiven_sd_configs`.
///
/// Equal settings discover the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AivenSdConfig {
    /// The project; required.
    pub project: String,
    /// `api_token` or `api_token_file`; where neither is set somebody else has to know it.
    pub api_token: Option<SecretSource>,
    /// The API's address without `/v1`; [`DEFAULT_API_URL`] where nobody else knows better.
    pub api_url: Option<Url>,
    /// The integration endpoint whose credentials the nodes ask for; required to integrate. Without
    /// it every service with any Prometheus integration is discovered, and without credentials.
    pub prometheus_endpoint_id: Option<String>,
    /// Whether to enable the integration on listed services that lack it; default `true`.
    pub integrate: bool,
    /// The types of services that are discovered; default `elasticsearch` and `opensearch`.
    pub service_types: Vec<String>,
    /// Which services are discovered; default every one of these types in the project.
    pub services: ServicesSource,
    /// The targets' `__scheme__`; default `https`.
    pub scheme: String,
    /// Time between readings of the service list; default 2 minutes.
    pub refresh_interval: Duration,
    /// Time between attempts to integrate; 15 seconds, and not part of the file.
    pub integrate_interval: Duration,
    /// Time between lookups of a host name; default 45 seconds.
    pub dns_refresh_interval: Duration,
    /// The name servers to ask; the system's resolver where there are none.
    pub nameservers: Vec<SocketAddr>,
}

/// Where the list of services comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ServicesSource {
    /// Every service of the configured types in the project.
    #[default]
    WholeProject,
    /// `services_file`: JSON, with additional labels.
    ServicesFile(PathBuf),
    /// A name a line; not part of the file, but what the old sidecar had.
    NamesFile(PathBuf),
    /// `cloud_foundry`: its service instances.
    CloudFoundry(Box<CloudFoundryConfig>),
}

impl ServicesSource {
    /// Whether `other` has the same services, however they are asked for.
    #[must_use]
    pub fn lists_the_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::CloudFoundry(mine), Self::CloudFoundry(theirs)) => {
                mine.lists_the_same_as(theirs)
            }
            _ => self == other,
        }
    }

    fn catalogue(&self, options: &BuildOptions) -> Result<Arc<dyn Catalogue>, BuildError> {
        Ok(match self {
            Self::WholeProject => Arc::new(WholeProject),
            Self::ServicesFile(path) => Arc::new(ServicesFile::new(path)),
            Self::NamesFile(path) => Arc::new(NamesFile::new(path)),
            Self::CloudFoundry(config) => Arc::new(config.catalogue(options)?),
        })
    }

    /// Makes relative paths relative to `directory`; an absolute one replaces it.
    fn set_directory(&mut self, directory: &Path) {
        match self {
            Self::WholeProject => {}
            Self::ServicesFile(path) | Self::NamesFile(path) => *path = directory.join(&*path),
            Self::CloudFoundry(config) => config.set_directory(directory),
        }
    }
}

/// What a discovery needs beside its settings.
#[derive(Debug, Clone, Default)]
pub struct BuildOptions {
    /// The token where the settings have none.
    pub api_token: Option<Secret>,
    /// The API's address where the settings have none.
    pub api_url: Option<Url>,
    /// Who asks a Cloud Foundry where the settings have no credentials for it.
    pub cloud_foundry_credentials: Option<Credentials>,
    /// The `User-Agent` of calls to Aiven's and Cloud Foundry's APIs: product and version. That of the crate that calls
    /// where there is none.
    pub user_agent: Option<String>,
    /// Certificates in PEM that these APIs may have beside those the system trusts.
    pub extra_ca_pem: Option<String>,
    /// The folder where the last-known discovery is kept.
    pub state_folder: Option<PathBuf>,
    /// Where discovery counts.
    pub metrics: Metrics,
}

/// Why there is no discovery.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Neither settings nor options have a token.
    #[error("there is no api token for project {0:?}")]
    NoToken(String),
    /// Services are to be integrated with no endpoint.
    #[error("integrate needs prometheus_endpoint_id")]
    NoEndpoint,
    /// The API's client.
    #[error("the client of aiven's api can't be set up")]
    Api(#[from] HttpApiBuildError),
    /// The client of Cloud Foundry's API.
    #[error("the client of the cloud foundry api can't be set up")]
    CloudFoundry(#[source] rest_client::BuildError),
    /// Neither settings nor options have credentials for Cloud Foundry.
    #[error("there are no credentials for cloud foundry")]
    NoCloudFoundryCredentials,
    /// The resolver.
    #[error("the resolver can't be set up")]
    Resolver(#[from] ResolverBuildError),
}

impl AivenSdConfig {
    /// The defaults for `project`.
    #[must_use]
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            project: project.into(),
            api_token: None,
            api_url: None,
            prometheus_endpoint_id: None,
            integrate: true,
            service_types: vec!["elasticsearch".to_owned(), "opensearch".to_owned()],
            services: ServicesSource::default(),
            scheme: "https".to_owned(),
            refresh_interval: Duration::from_secs(120),
            integrate_interval: Duration::from_secs(15),
            dns_refresh_interval: Duration::from_secs(45),
            nameservers: Vec::new(),
        }
    }

    /// Makes relative paths relative to `directory`, that of the configuration file.
    pub fn set_directory(&mut self, directory: &Path) {
        if let Some(SecretSource::File(path)) = &mut self.api_token {
            *path = directory.join(&*path);
        }
        self.services.set_directory(directory);
    }

    /// What decides which services become targets.
    #[must_use]
    pub fn target_settings(&self) -> TargetSettings {
        TargetSettings {
            project: self.project.clone(),
            endpoint_id: self.prometheus_endpoint_id.clone(),
            service_types: self.service_types.clone(),
            scheme: self.scheme.clone(),
        }
    }

    /// The discovery of these settings, through HTTP and DNS. `name` sets it apart from others of
    /// the process in logs and metrics, and names its file in the state folder, so that it should
    /// stay the same across restarts.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn build(
        &self,
        name: &str,
        options: &BuildOptions,
    ) -> Result<(Discoverer, Discovery), BuildError> {
        if self.integrate && self.prometheus_endpoint_id.is_none() {
            return Err(BuildError::NoEndpoint);
        }
        let token = self
            .api_token
            .clone()
            .or_else(|| options.api_token.clone().map(SecretSource::Inline))
            .ok_or_else(|| BuildError::NoToken(self.project.clone()))?;
        let url = match self.api_url.clone().or_else(|| options.api_url.clone()) {
            Some(url) => url,
            None => Url::parse(DEFAULT_API_URL)
                .map_err(|_| HttpApiBuildError::from(rest_client::BuildError::Url))?,
        };
        let mut api = HttpApiOptions::new(url, &self.project, token);
        api.extra_ca_pem.clone_from(&options.extra_ca_pem);
        api.metrics = options.metrics.clone();
        if let Some(user_agent) = &options.user_agent {
            api.user_agent.clone_from(user_agent);
        }
        let api = HttpAivenApi::new(api)?;
        let resolver: Arc<dyn Resolve> = if self.nameservers.is_empty() {
            Arc::new(SystemResolver::new(DNS_TIMEOUT))
        } else {
            Arc::new(Nameservers::new(&self.nameservers, DNS_TIMEOUT)?)
        };
        let settings = DiscoverySettings {
            name: name.to_owned(),
            targets: self.target_settings(),
            integrate: self.integrate,
            refresh_interval: self.refresh_interval,
            integrate_interval: self.integrate_interval,
            dns_refresh_interval: self.dns_refresh_interval,
        };
        let catalogue = self.services.catalogue(options)?;
        let (discoverer, discovery) = Discoverer::new(settings, Arc::new(api), catalogue, resolver);
        let discoverer = discoverer.with_metrics(options.metrics.clone());
        let discoverer = match &options.state_folder {
            Some(folder) => discoverer.with_state_file(StateFile::in_folder(folder, name)),
            None => discoverer,
        };
        Ok((discoverer, discovery))
    }

    /// The settings as they may be shown: with defaults, without the token.
    #[must_use]
    pub fn shown(&self) -> Mapping {
        let mapping = Mapping::new().with("project", self.project.as_str());
        let mapping = match &self.api_token {
            None => mapping,
            Some(SecretSource::Inline(_)) => mapping.with("api_token", Value::secret()),
            Some(SecretSource::File(path)) => mapping.with("api_token_file", path.as_path()),
        };
        let url = self.api_url.as_ref();
        let mapping = mapping
            .with_some("api_url", url.map(|url| Value::url(url.as_str())))
            .with_some(
                "prometheus_endpoint_id",
                self.prometheus_endpoint_id.as_deref(),
            )
            .with("integrate", self.integrate)
            .with("service_types", texts(&self.service_types));
        let mapping = match &self.services {
            ServicesSource::WholeProject => mapping,
            ServicesSource::ServicesFile(path) => mapping.with("services_file", path.as_path()),
            ServicesSource::NamesFile(path) => mapping.with("service_names_file", path.as_path()),
            ServicesSource::CloudFoundry(config) => mapping.with("cloud_foundry", config.shown()),
        };
        mapping
            .with("scheme", self.scheme.as_str())
            .with("refresh_interval", self.refresh_interval)
            .with("dns_refresh_interval", self.dns_refresh_interval)
            .with_nonzero("nameservers", texts(&self.nameservers))
    }
}

fn texts<T: ToString>(of: &[T]) -> Value {
    Value::List(
        of.iter()
            .map(|item| Value::Text(item.to_string()))
            .collect(),
    )
}
