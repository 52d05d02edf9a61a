//! A service, as far as discovery looks at it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// An Aiven service. Text that Aiven left out is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The name, unique in its project.
    pub name: String,
    /// `elasticsearch`, `opensearch` and so on.
    pub service_type: String,
    /// The plan, such as `business-4`.
    pub plan: String,
    /// Cloud and region, such as `aws-eu-west-1`.
    pub cloud: String,
    /// How many nodes the plan has.
    pub node_count: Option<u32>,
    /// What the service is doing.
    pub state: ServiceState,
    /// The service's host name; absent while it is being built or powered off.
    pub host: Option<String>,
    /// The components named `prometheus`, present once the integration is enabled.
    pub prometheus_components: Vec<Component>,
    /// The integrations of type `prometheus` that start at this service.
    pub prometheus_integrations: Vec<Integration>,
    /// The service's tags.
    pub tags: BTreeMap<String, String>,
    /// The nodes, and what each is doing.
    pub node_states: Vec<NodeState>,
}

/// What a service is doing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ServiceState {
    /// Up.
    Running,
    /// Being built, or built anew during maintenance or a change of plan.
    Rebuilding,
    /// Moving data between nodes.
    Rebalancing,
    /// Switched off: there are no nodes.
    PowerOff,
    /// Aiven didn't say.
    #[default]
    Unknown,
    /// A state this crate doesn't know.
    Other(String),
}

impl ServiceState {
    /// The name in Aiven's API, empty where Aiven didn't say.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Running => "RUNNING",
            Self::Rebuilding => "REBUILDING",
            Self::Rebalancing => "REBALANCING",
            Self::PowerOff => "POWEROFF",
            Self::Unknown => "",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for ServiceState {
    fn from(name: String) -> Self {
        match name.as_str() {
            "RUNNING" => Self::Running,
            "REBUILDING" => Self::Rebuilding,
            "REBALANCING" => Self::Rebalancing,
            "POWEROFF" => Self::PowerOff,
            "" => Self::Unknown,
            _ => Self::Other(name),
        }
    }
}

impl From<ServiceState> for String {
    fn from(state: ServiceState) -> Self {
        state.as_str().to_owned()
    }
}

impl fmt::Display for ServiceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a part of a service can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The host name, where Aiven gives one.
    pub host: Option<String>,
    /// The port, where Aiven gives one.
    pub port: Option<u16>,
    /// The network it is reached through.
    pub route: Route,
}

/// The network through which a component is reached, in the order of preference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Route {
    /// Public or private, as the service is set up; also where Aiven doesn't say.
    #[default]
    Dynamic,
    /// The internet.
    Public,
    /// A peered network.
    Private,
    /// A private link.
    PrivateLink,
    /// A route this crate doesn't know.
    Other,
}

/// An integration of type `prometheus`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integration {
    /// The endpoint whose credentials the nodes ask for.
    pub endpoint_id: Option<String>,
    /// Whether it was switched off.
    pub disabled: bool,
}

/// A node of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeState {
    /// The node's name.
    pub name: String,
    /// `running`, `setting_up_vm`, `syncing_data`, `leaving` and so on.
    pub state: String,
    /// Its role, where it has one.
    pub role: Option<String>,
}
