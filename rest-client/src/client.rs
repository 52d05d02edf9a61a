//! One request and its answer.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Url;

use crate::retry::retry_after;

/// How requests are made.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The `User-Agent`: product and version.
    pub user_agent: String,
    /// Certificates in PEM that are trusted beside those of the system.
    pub extra_ca_pem: Option<String>,
    /// When a request is given up, the reading of its answer included.
    pub request_timeout: Duration,
    /// Longest answer that is read, in bytes after decompression.
    pub body_size_limit: usize,
}

impl ClientOptions {
    /// Options with their defaults: 30 s for a request, 64 MiB for an answer.
    #[must_use]
    pub fn new(user_agent: impl Into<String>) -> Self {
        Self {
            user_agent: user_agent.into(),
            extra_ca_pem: None,
            request_timeout: Duration::from_secs(30),
            body_size_limit: 64 * 1024 * 1024,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The address isn't `http://` or `https://`, or holds user and password.
    #[error("the api's address must be http:// or https:// and without user and password")]
    Url,
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

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No connection; nothing was sent.
    #[error("unreachable")]
    NotConnected {
        /// What connecting failed on; names no address.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The connection broke; the request may have arrived.
    #[error("unreachable")]
    Unreachable {
        /// What the connection failed on; names no address.
        source: Box<dyn Error + Send + Sync>,
    },
    /// No complete answer in time.
    #[error("no answer within {limit:?}")]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
    /// The answer's body is longer than may be read.
    #[error("the answer exceeds {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// An answer of whatever status.
#[derive(Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body after decompression.
    pub body: Vec<u8>,
}

impl Answer {
    /// Whether the status is one of success.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.status, 200..=299)
    }

    /// The header of that name, where it is text.
    #[must_use]
    pub fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// How long `Retry-After` asks to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header(RETRY_AFTER)?, SystemTime::now())
    }
}

/// Shows no body, which may hold secrets.
impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Makes requests. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    client: reqwest::Client,
    request_timeout: Duration,
    body_size_limit: usize,
}

impl Client {
    /// A client for requests to `url` and to whatever it refers to; nothing is sent yet.
    ///
    /// The system's certificates are read for an `https` address alone.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn new(url: &Url, options: ClientOptions) -> Result<Self, BuildError> {
        check_url(url)?;
        let encrypted = url.scheme() == "https";
        let tls = tls_config(options.extra_ca_pem.as_deref(), encrypted)?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(options.user_agent)
            .timeout(options.request_timeout)
            .connect_timeout(options.request_timeout.min(Duration::from_secs(10)))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(BuildError::Client)?;
        Ok(Self {
            client,
            request_timeout: options.request_timeout,
            body_size_limit: options.body_size_limit,
        })
    }

    /// A request, to be completed and handed to [`Client::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.client.request(method, url)
    }

    /// Sends `request` and reads its answer. A body of a failure that is too long is left out.
    ///
    /// # Errors
    /// [`CallError`]; not for a status that isn't success.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        let mut response = request.send().await.map_err(|error| self.broken(error))?;
        let success = response.status().is_success();
        let body = match self.body(&mut response).await {
            Err(_) if !success => Vec::new(),
            body => body?,
        };
        Ok(Answer {
            status: response.status().as_u16(),
            headers: std::mem::take(response.headers_mut()),
            body,
        })
    }

    async fn body(&self, response: &mut reqwest::Response) -> Result<Vec<u8>, CallError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.broken(error))? {
            if body.len() + chunk.len() > self.body_size_limit {
                return Err(CallError::BodyTooLarge {
                    limit: self.body_size_limit,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn broken(&self, error: reqwest::Error) -> CallError {
        if error.is_timeout() {
            return CallError::TimedOut {
                limit: self.request_timeout,
            };
        }
        let connecting = error.is_connect();
        let source = Box::new(error.without_url());
        match connecting {
            true => CallError::NotConnected { source },
            false => CallError::Unreachable { source },
        }
    }
}

/// The address of an API that `text` is, as [`Client::new`] takes it.
///
/// # Errors
/// [`BuildError::Url`], which doesn't quote what may hold a password.
pub fn api_url(text: &str) -> Result<Url, BuildError> {
    let url = Url::parse(text).map_err(|_| BuildError::Url)?;
    check_url(&url)?;
    Ok(url)
}

fn check_url(url: &Url) -> Result<(), BuildError> {
    let plain = url.username().is_empty() && url.password().is_none();
    let complete = matches!(url.scheme(), "http" | "https") && url.has_host();
    match plain && complete {
        true => Ok(()),
        false => Err(BuildError::Url),
    }
}

/// The system's certificates and the additional ones. Without `encrypted` nobody need be trusted.
fn tls_config(
    extra_ca_pem: Option<&str>,
    encrypted: bool,
) -> Result<rustls::ClientConfig, BuildError> {
    let mut roots = rustls::RootCertStore::empty();
    if encrypted {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
    }
    if let Some(pem) = extra_ca_pem {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|_| BuildError::ExtraCa)?;
        let (added, _) = roots.add_parsable_certificates(certificates);
        if added == 0 {
            return Err(BuildError::ExtraCa);
        }
    }
    if encrypted && roots.is_empty() {
        return Err(BuildError::NoTrustedCertificates);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(BuildError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
