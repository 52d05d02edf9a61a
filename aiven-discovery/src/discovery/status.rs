//! How discovery is doing, for pages and people.

use std::net::IpAddr;
use std::time::SystemTime;

use crate::api::{NodeState, ServiceState};
use crate::target_group::NoTargets;

use super::Progress;

/// How discovery is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscoveryStatus {
    /// How far it has come.
    pub progress: Progress,
    /// When the service list was last read.
    pub last_success: Option<SystemTime>,
    /// Why the service list can't be read at the moment.
    pub refresh_error: Option<String>,
    /// Why the catalogue can't be read at the moment.
    pub catalogue_error: Option<String>,
    /// Why the credentials can't be read at the moment.
    pub credentials_error: Option<String>,
    /// Why the project's CA can't be read at the moment.
    pub ca_error: Option<String>,
    /// The services of the configured types, in the order of their names.
    pub services: Vec<ServiceStatus>,
    /// Names of services that are to be discovered and that Aiven doesn't list.
    pub missing: Vec<String>,
}

/// How a service is doing.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceStatus {
    /// The service's name.
    pub name: String,
    /// The service's type.
    pub service_type: String,
    /// The service's plan.
    pub plan: String,
    /// What the service is doing.
    pub state: ServiceState,
    /// Its nodes, and what each is doing.
    pub node_states: Vec<NodeState>,
    /// The host name that is looked up.
    pub host: Option<String>,
    /// The last-known addresses.
    pub addresses: Vec<IpAddr>,
    /// Why there are no targets; `None` where there are.
    pub no_targets: Option<NoTargets>,
    /// Why the host name can't be looked up at the moment.
    pub dns_error: Option<String>,
    /// Why the integration can't be enabled at the moment.
    pub integration_error: Option<String>,
}
