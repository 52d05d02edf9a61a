//! Aiven's API over HTTP.

use std::time::Duration;

use async_trait::async_trait;
use prom_model::secret::Secret;
use prom_model::target::BasicAuth;
use rest_client::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use rest_client::{
    Answer, BuildError, CallError, Client, ClientOptions, Method, RetryPolicy, SecretSource,
};
use url::Url;

use super::error::message_of;
use super::retry::asked_wait;
use super::{AivenApi, ApiError, IntegrationOutcome, ServiceList, TokenError, wire};
use crate::metrics::{ApiCall, Metrics};

/// How to reach the API of one project.
#[derive(Debug, Clone)]
pub struct HttpApiOptions {
    /// The API's address without `/v1`, such as `https://api.aiven.io`.
    pub url: Url,
    /// The project's name.
    pub project: String,
    /// The token.
    pub token: SecretSource,
    /// Certificates in PEM that are trusted beside those of the system.
    pub extra_ca_pem: Option<String>,
    /// The `User-Agent`: product and version.
    pub user_agent: String,
    /// When an attempt is given up, the reading of its answer included.
    pub request_timeout: Duration,
    /// Longest answer that is read, in bytes after decompression.
    pub body_size_limit: usize,
    /// What happens after a failure.
    pub retry: RetryPolicy,
    /// Where calls are counted.
    pub metrics: Metrics,
}

impl HttpApiOptions {
    /// Options with their defaults: 30 s for a request, 64 MiB for an answer, this crate's name and
    /// version as `User-Agent`.
    #[must_use]
    pub fn new(url: Url, project: impl Into<String>, token: SecretSource) -> Self {
        Self {
            url,
            project: project.into(),
            token,
            extra_ca_pem: None,
            user_agent: concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")).to_owned(),
            request_timeout: Duration::from_secs(30),
            body_size_limit: 64 * 1024 * 1024,
            retry: RetryPolicy::default(),
            metrics: Metrics::default(),
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpApiBuildError {
    /// The project's name can't be part of an address.
    #[error("{0:?} is no name of a project")]
    Project(String),
    /// The client, or the API's address.
    #[error(transparent)]
    Client(#[from] BuildError),
}

/// [`AivenApi`] over HTTP.
///
/// Redirects are never followed, so that the token goes nowhere else, and no proxy is taken from
/// the environment.
#[derive(Debug)]
pub struct HttpAivenApi {
    client: Client,
    base: Url,
    token: SecretSource,
    retry: RetryPolicy,
    metrics: Metrics,
}

impl HttpAivenApi {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`HttpApiBuildError`]
    pub fn new(options: HttpApiOptions) -> Result<Self, HttpApiBuildError> {
        let HttpApiOptions {
            mut url,
            project,
            token,
            ..
        } = options;
        if matches!(project.as_str(), "" | "." | "..") {
            return Err(HttpApiBuildError::Project(project));
        }
        let client_options = ClientOptions {
            extra_ca_pem: options.extra_ca_pem,
            request_timeout: options.request_timeout,
            body_size_limit: options.body_size_limit,
            ..ClientOptions::new(options.user_agent)
        };
        let client = Client::new(&url, client_options)?;
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| BuildError::Url)?
            .pop_if_empty()
            .extend(["v1", "project", &project]);
        Ok(Self {
            client,
            base: url,
            token,
            retry: options.retry,
            metrics: options.metrics,
        })
    }

    async fn call<T>(
        &self,
        request: &Request<'_>,
        decode: impl Fn(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let decode = &decode;
        self.retry
            .run(|| async move {
                let token = self.read_token().await?;
                let result = self.attempt(request, &token, decode).await;
                let refused = matches!(
                    result,
                    Err(ApiError::Unauthorized { .. } | ApiError::Forbidden { .. })
                );
                // A token that was replaced meanwhile is worth another attempt at once.
                if refused
                    && let Ok(now) = self.read_token().await
                    && now != token
                {
                    return self.attempt(request, &now, decode).await;
                }
                result
            })
            .await
    }

    async fn read_token(&self) -> Result<Secret, TokenError> {
        let token = self.token.read().await?;
        let token = token.expose().trim();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unsendable);
        }
        Ok(Secret::new(token))
    }

    async fn attempt<T>(
        &self,
        request: &Request<'_>,
        token: &Secret,
        decode: impl Fn(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let answer = self.send(request, token.expose()).await;
        let result = answer.and_then(|body| decode(&body));
        self.metrics
            .count_api_request(request.call, result.as_ref().err());
        result
    }

    async fn send(&self, request: &Request<'_>, token: &str) -> Result<Vec<u8>, ApiError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(request.path);
        }
        url.set_query(request.query);
        let mut authorization = HeaderValue::try_from(format!("aivenv1 {token}"))
            .map_err(|_| TokenError::Unsendable)?;
        authorization.set_sensitive(true);
        let mut message = self
            .client
            .request(request.method.clone(), url)
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json");
        if let Some(body) = &request.body {
            message = message
                .header(CONTENT_TYPE, "application/json")
                .body(body.clone());
        }
        let answer = self.client.send(message).await?;
        if answer.is_success() {
            return Ok(answer.body);
        }
        Err(failure(&answer, token))
    }
}

fn failure(answer: &Answer, token: &str) -> ApiError {
    let message = message_of(&answer.body, token);
    let wait = asked_wait(answer.retry_after(), &message);
    ApiError::from_status(answer.status, message, wait)
}

impl From<CallError> for ApiError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::TimedOut { limit } => Self::TimedOut { limit },
            CallError::BodyTooLarge { limit } => Self::BodyTooLarge { limit },
            CallError::NotConnected { source } | CallError::Unreachable { source } => {
                Self::Unreachable { source }
            }
            other => Self::Unreachable {
                source: Box::new(other),
            },
        }
    }
}

struct Request<'a> {
    call: ApiCall,
    method: Method,
    path: &'a [&'a str],
    query: Option<&'a str>,
    body: Option<String>,
}

impl<'a> Request<'a> {
    const fn get(call: ApiCall, path: &'a [&'a str]) -> Self {
        Self {
            call,
            method: Method::GET,
            path,
            query: None,
            body: None,
        }
    }
}

#[async_trait]
impl AivenApi for HttpAivenApi {
    async fn services(&self) -> Result<ServiceList, ApiError> {
        let request = Request::get(ApiCall::Services, &["service"]);
        self.call(&request, wire::service_list).await
    }

    async fn service_exists(&self, name: &str) -> Result<bool, ApiError> {
        let path = ["service", name];
        let request = Request::get(ApiCall::Service, &path);
        match self.call(&request, wire::is_service).await {
            Ok(()) => Ok(true),
            Err(ApiError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn create_prometheus_integration(
        &self,
        service: &str,
        endpoint_id: &str,
    ) -> Result<IntegrationOutcome, ApiError> {
        let body = serde_json::json!({
            "integration_type": "prometheus",
            "source_service": service,
            "dest_endpoint_id": endpoint_id,
        });
        let request = Request {
            method: Method::POST,
            body: Some(body.to_string()),
            ..Request::get(ApiCall::CreateIntegration, &["integration"])
        };
        match self.call(&request, wire::integration).await {
            Ok(()) => Ok(IntegrationOutcome::Created),
            Err(ApiError::UnexpectedStatus { status: 409, .. }) => {
                Ok(IntegrationOutcome::AlreadyThere)
            }
            Err(error) => Err(error),
        }
    }

    async fn endpoint_credentials(&self, endpoint_id: &str) -> Result<Option<BasicAuth>, ApiError> {
        let path = ["integration_endpoint", endpoint_id];
        let request = Request {
            query: Some("include_secrets=true"),
            ..Request::get(ApiCall::Endpoint, &path)
        };
        self.call(&request, wire::endpoint).await
    }

    async fn project_ca(&self) -> Result<String, ApiError> {
        let request = Request::get(ApiCall::ProjectCa, &["kms", "ca"]);
        self.call(&request, wire::certificate).await
    }
}
