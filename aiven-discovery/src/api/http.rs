//! Aiven's API over HTTP.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use prom_model::target::BasicAuth;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use super::error::message_of;
use super::retry::asked_wait;
use super::{AivenApi, ApiError, ApiToken, IntegrationOutcome, RetryPolicy, ServiceList, wire};
use crate::metrics::{ApiCall, Metrics};

/// How to reach the API of one project.
#[derive(Debug, Clone)]
pub struct HttpApiOptions {
    /// The API's address without `/v1`, such as `https://api.aiven.io`.
    pub url: Url,
    /// The project's name.
    pub project: String,
    /// The token.
    pub token: ApiToken,
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
    pub fn new(url: Url, project: impl Into<String>, token: ApiToken) -> Self {
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
    /// The address isn't `http://` or `https://`, or holds user and password.
    #[error("the api's address must be http:// or https:// and without user and password")]
    Url,
    /// The project's name can't be part of an address.
    #[error("{0:?} is no name of a project")]
    Project(String),
    /// The additional certificates are not PEM, or none of them can be trusted.
    #[error("the additional ca is not a certificate in PEM")]
    ExtraCa,
    /// There is nobody to trust.
    #[error("the system has no trusted certificates and none were given")]
    NoTrustedCertificates,
    /// TLS can't be set up.
    #[error("tls can't be set up")]
    Tls(#[source] rustls::Error),
    /// The HTTP client can't be set up.
    #[error("the http client can't be set up")]
    Client(#[source] reqwest::Error),
}

/// [`AivenApi`] over HTTP.
///
/// Redirects are never followed, so that the token goes nowhere else, and no proxy is taken from
/// the environment.
#[derive(Debug)]
pub struct HttpAivenApi {
    client: reqwest::Client,
    base: Url,
    token: ApiToken,
    request_timeout: Duration,
    body_size_limit: usize,
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
        if !url.username().is_empty() || url.password().is_some() {
            return Err(HttpApiBuildError::Url);
        }
        if matches!(project.as_str(), "" | "." | "..") {
            return Err(HttpApiBuildError::Project(project));
        }
        let encrypted = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return Err(HttpApiBuildError::Url),
        };
        url.set_query(None);
        url.set_fragment(None);
        url.path_segments_mut()
            .map_err(|()| HttpApiBuildError::Url)?
            .pop_if_empty()
            .extend(["v1", "project", &project]);
        let tls = tls_config(options.extra_ca_pem.as_deref(), encrypted)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(options.user_agent)
            .timeout(options.request_timeout)
            .connect_timeout(options.request_timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(HttpApiBuildError::Client)?;
        Ok(Self {
            client,
            base: url,
            token,
            request_timeout: options.request_timeout,
            body_size_limit: options.body_size_limit,
            retry: options.retry,
            metrics: options.metrics,
        })
    }

    async fn call<T>(
        &self,
        request: &Request<'_>,
        decode: impl Fn(&[u8]) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut backoff = self.retry.backoff();
        let mut attempt = 1;
        loop {
            let token = self.token.read().await?;
            let result = self.attempt(request, token.expose()).await;
            let result = result.and_then(|body| decode(&body));
            self.metrics
                .count_api_request(request.call, result.as_ref().err());
            let error = match result {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempt >= self.retry.attempts {
                return Err(error);
            }
            if matches!(
                error,
                ApiError::Unauthorized { .. } | ApiError::Forbidden { .. }
            ) {
                let changed = self.token.read().await.is_ok_and(|now| now != token);
                if !changed {
                    return Err(error);
                }
            } else if error.is_transient() {
                let asked = error.retry_after().unwrap_or_default();
                if asked > self.retry.asked_wait_limit {
                    return Err(error);
                }
                tokio::time::sleep(backoff.next_delay().max(asked)).await;
            } else {
                return Err(error);
            }
            attempt += 1;
        }
    }

    async fn attempt(&self, request: &Request<'_>, token: &str) -> Result<Vec<u8>, ApiError> {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(request.path);
        }
        url.set_query(request.query);
        let mut authorization = HeaderValue::try_from(format!("aivenv1 {token}"))
            .map_err(|_| super::TokenError::Unsendable)?;
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
        let response = message.send().await.map_err(|error| self.broken(error))?;
        let status = response.status();
        if status.is_success() {
            return self.body(response).await;
        }
        Err(self.failure(status, response, token).await)
    }

    async fn failure(&self, status: StatusCode, response: Response, token: &str) -> ApiError {
        let header = response.headers().get(RETRY_AFTER);
        let header = header.and_then(|value| Some(value.to_str().ok()?.to_owned()));
        let body = self.body(response).await.unwrap_or_default();
        let message = message_of(&body, token);
        let wait = asked_wait(header.as_deref(), &message, SystemTime::now());
        ApiError::from_status(status.as_u16(), message, wait)
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, ApiError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + chunk.len() > self.body_size_limit {
                return Err(ApiError::BodyTooLarge {
                    limit: self.body_size_limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn broken(&self, error: reqwest::Error) -> ApiError {
        if error.is_timeout() {
            return ApiError::TimedOut {
                limit: self.request_timeout,
            };
        }
        ApiError::Unreachable {
            source: Box::new(error.without_url()),
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

/// The system's certificates and the additional ones. Without `encrypted` nobody need be trusted.
fn tls_config(
    extra_ca_pem: Option<&str>,
    encrypted: bool,
) -> Result<rustls::ClientConfig, HttpApiBuildError> {
    let mut roots = rustls::RootCertStore::empty();
    if encrypted {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    if let Some(pem) = extra_ca_pem {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| HttpApiBuildError::ExtraCa)?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(HttpApiBuildError::ExtraCa);
        }
    }
    if encrypted && roots.is_empty() {
        return Err(HttpApiBuildError::NoTrustedCertificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(HttpApiBuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
