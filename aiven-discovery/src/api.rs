//! Aiven's REST API, as far as discovery needs it.
//!
//! [`AivenApi`] is the seam, [`HttpAivenApi`] speaks to the real thing. Both serve one project.

mod error;
mod http;
mod retry;
mod service;
mod wire;

use async_trait::async_trait;
use prom_model::target::BasicAuth;

pub use error::{ApiError, TokenError};
pub use http::{HttpAivenApi, HttpApiBuildError, HttpApiOptions};
pub(crate) use rest_client::with_causes;
pub use rest_client::{RetryPolicy, SecretError, SecretSource};
pub use service::{Component, Integration, NodeState, Route, Service, ServiceState};

/// The API of one Aiven project.
///
/// Calls retry by themselves what may pass by itself; an error that comes back needs a longer wait
/// or an operator.
#[async_trait]
pub trait AivenApi: Send + Sync {
    /// Every service of the project.
    ///
    /// # Errors
    /// [`ApiError`]; never for a single service that can't be understood, which is
    /// [`ServiceList::malformed`].
    async fn services(&self) -> Result<ServiceList, ApiError>;

    /// Whether the project has a service called `name`.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn service_exists(&self, name: &str) -> Result<bool, ApiError>;

    /// Has `service` expose its metrics with the credentials of the endpoint `endpoint_id`.
    ///
    /// # Errors
    /// [`ApiError`]; not where the integration is there already.
    async fn create_prometheus_integration(
        &self,
        service: &str,
        endpoint_id: &str,
    ) -> Result<IntegrationOutcome, ApiError>;

    /// User and password that the nodes of integrated services ask for, `None` where the endpoint
    /// has none. Once there were some, discovery takes `None` for a failure.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn endpoint_credentials(&self, endpoint_id: &str) -> Result<Option<BasicAuth>, ApiError>;

    /// The certificate, in PEM, of the CA that issues the certificates of the project's services.
    ///
    /// # Errors
    /// [`ApiError`]
    async fn project_ca(&self) -> Result<String, ApiError>;
}

/// What became of a wish for an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntegrationOutcome {
    /// Aiven made it.
    Created,
    /// It was there already.
    AlreadyThere,
}

/// The services of a project, as one answer listed them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceList {
    /// Those that could be understood.
    pub services: Vec<Service>,
    /// Those that couldn't. They exist, so whatever is known of them still holds.
    pub malformed: Vec<MalformedService>,
}

/// An item of a service list that isn't a service as this crate knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MalformedService {
    /// The service's name, where at least that could be read.
    pub name: Option<String>,
    /// What is wrong; holds nothing of the item's text.
    pub reason: String,
}
