//! From services and their addresses to target groups: pure functions.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;

use crate::api::{Integration, Service};
use crate::catalogue::Listing;

/// The port of a node's Prometheus endpoint where Aiven doesn't say.
pub const DEFAULT_PORT: u16 = 9273;

/// What decides which services become targets, and how the targets look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetSettings {
    /// The project the services belong to.
    pub project: String,
    /// The integration endpoint whose services are targets; without it an integration with any
    /// endpoint will do.
    pub endpoint_id: Option<String>,
    /// The types of services that are targets.
    pub service_types: Vec<String>,
    /// The targets' `__scheme__`.
    pub scheme: String,
}

/// Where the nodes of a service are asked for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricsEndpoint {
    /// The name with one address for each node, and the name in the nodes' certificate.
    pub host: String,
    /// The port at each address.
    pub port: u16,
}

/// Why a service has no targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoTargets {
    /// The catalogue doesn't list it.
    NotListed,
    /// It is of a type that isn't configured.
    OtherType,
    /// It is powered off.
    PoweredOff,
    /// It has no integration with the endpoint.
    NotIntegrated,
    /// Its integration with the endpoint is switched off.
    IntegrationDisabled,
    /// It has no host name yet.
    NoHost,
    /// Its host name has no known address.
    NoAddress,
}

impl fmt::Display for NoTargets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotListed => "not listed in the service catalogue",
            Self::OtherType => "of a type that is not configured",
            Self::PoweredOff => "powered off",
            Self::NotIntegrated => "without integration with the endpoint",
            Self::IntegrationDisabled => "integration with the endpoint is disabled",
            Self::NoHost => "without a host name yet",
            Self::NoAddress => "host name has no known address",
        })
    }
}

impl TargetSettings {
    /// Whether `service` is of a type that is configured and listed.
    ///
    /// # Errors
    /// [`NoTargets::NotListed`], [`NoTargets::OtherType`]
    pub fn is_wanted(&self, service: &Service, listing: &Listing) -> Result<LabelSet, NoTargets> {
        if !self.service_types.contains(&service.service_type) {
            return Err(NoTargets::OtherType);
        }
        listing
            .extra_labels(&service.name)
            .ok_or(NoTargets::NotListed)
    }

    /// Where `service` is asked for metrics, be it listed or not.
    ///
    /// Of several components named `prometheus` the one with the most general route is taken.
    ///
    /// # Errors
    /// [`NoTargets`]
    pub fn metrics_endpoint(&self, service: &Service) -> Result<MetricsEndpoint, NoTargets> {
        if service.state == crate::api::ServiceState::PowerOff {
            return Err(NoTargets::PoweredOff);
        }
        let mut ours = self.integrations(service).peekable();
        if ours.peek().is_none() {
            return Err(NoTargets::NotIntegrated);
        }
        if ours.all(|integration| integration.disabled) {
            return Err(NoTargets::IntegrationDisabled);
        }
        let component = service
            .prometheus_components
            .iter()
            .min_by_key(|component| component.route);
        let host = component
            .and_then(|component| component.host.as_ref())
            .or(service.host.as_ref())
            .ok_or(NoTargets::NoHost)?;
        let port = component.and_then(|component| component.port);
        Ok(MetricsEndpoint {
            host: host.clone(),
            port: port.unwrap_or(DEFAULT_PORT),
        })
    }

    /// The integrations of `service` with the endpoint, disabled ones too.
    pub(crate) fn integrations<'a>(
        &'a self,
        service: &'a Service,
    ) -> impl Iterator<Item = &'a Integration> {
        service
            .prometheus_integrations
            .iter()
            .filter(|integration| match &self.endpoint_id {
                Some(id) => integration.endpoint_id.as_ref() == Some(id),
                None => true,
            })
    }

    /// The name of the group of `service`.
    #[must_use]
    pub fn source(&self, service: &str) -> String {
        format!("{}/{service}", self.project)
    }

    /// The service whose group is called `source`, `None` where there can be no such service.
    #[must_use]
    pub fn service<'a>(&self, source: &'a str) -> Option<&'a str> {
        source.strip_prefix(&*self.project)?.strip_prefix('/')
    }
}

/// The target group of each service that has targets, sorted by source, without `access`.
///
/// `addresses` are those of each service by its name.
#[must_use]
pub fn target_groups(
    settings: &TargetSettings,
    services: &[Service],
    listing: &Listing,
    addresses: &BTreeMap<String, Vec<IpAddr>>,
) -> Vec<TargetGroup> {
    let mut groups: Vec<_> = services
        .iter()
        .filter_map(|service| {
            let extra_labels = settings.is_wanted(service, listing).ok()?;
            let endpoint = settings.metrics_endpoint(service).ok()?;
            let addresses = addresses.get(&service.name)?;
            target_group(settings, service, extra_labels, &endpoint, addresses)
        })
        .collect();
    groups.sort_by(|a, b| a.source.cmp(&b.source));
    groups
}

fn target_group(
    settings: &TargetSettings,
    service: &Service,
    extra_labels: LabelSet,
    endpoint: &MetricsEndpoint,
    addresses: &[IpAddr],
) -> Option<TargetGroup> {
    if addresses.is_empty() {
        return None;
    }
    let mut addresses = addresses.to_vec();
    addresses.sort_unstable();
    addresses.dedup();
    let targets = addresses
        .into_iter()
        .map(|address| {
            // `SocketAddr` puts an IPv6 address into brackets.
            let address = SocketAddr::new(address, endpoint.port).to_string();
            LabelSet::from_iter([("__address__", address)])
        })
        .collect();
    Some(TargetGroup {
        source: settings.source(&service.name).into(),
        labels: labels(settings, service, extra_labels, endpoint),
        targets,
        access: None,
    })
}

/// The labels of every target of `service`; those of this crate win over `extra_labels`.
fn labels(
    settings: &TargetSettings,
    service: &Service,
    extra_labels: LabelSet,
    endpoint: &MetricsEndpoint,
) -> LabelSet {
    let node_count = service.node_count.map(|count| count.to_string());
    let node_count = node_count.as_deref().unwrap_or_default();
    let mut labels = extra_labels;
    for (key, value) in &service.tags {
        let name = format!("__meta_aiven_tag_{}", sanitised(key));
        labels.set(&name, value);
    }
    labels.extend([
        ("__scheme__", settings.scheme.as_str()),
        ("aiven_service_name", &service.name),
        ("aiven_service_type", &service.service_type),
        ("aiven_hostname", &endpoint.host),
        ("aiven_plan", &service.plan),
        ("aiven_cloud", &service.cloud),
        ("aiven_node_count", node_count),
        ("__meta_aiven_project", &settings.project),
        ("__meta_aiven_service_name", &service.name),
        ("__meta_aiven_service_type", &service.service_type),
        ("__meta_aiven_plan", &service.plan),
        ("__meta_aiven_cloud", &service.cloud),
        ("__meta_aiven_hostname", &endpoint.host),
        ("__meta_aiven_node_count", node_count),
        ("__meta_aiven_service_state", service.state.as_str()),
    ]);
    labels
}

/// `name` with every character but ASCII letters, digits and `_` replaced by `_`, as Prometheus does
/// with names that it doesn't choose.
fn sanitised(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
        .collect()
}

#[cfg(test)]
mod tests;
