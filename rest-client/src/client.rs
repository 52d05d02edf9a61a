//! One request and its answer.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder};
use url::Url;

use crate::retry::retry_after;
use crate::trust::Trusting;

/// How requests are made.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// The `User-Agent`: product and version.
    pub user_agent: String,
    /// Certificates in PEM that are trusted beside those of the system.
    pub extra_ca_pem: Option<String>,
    /// A file with more of them, 1 MiB at most, read again for each request so that a change takes effect at once. While
    /// it can't be read or holds no certificate, what it held before counts.
    pub extra_ca_file: Option<PathBuf>,
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
            extra_ca_file: None,
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
    /// The file with additional certificates can't be read.
    #[error("can't read {path}")]
    ExtraCaFile {
        /// The file.
        path: String,
        /// What reading it failed on.
        source: std::io::Error,
    },
    /// The file with additional certificates is longer than may be read.
    #[error("{path} is larger than {limit} bytes")]
    ExtraCaFileTooLarge {
        /// The file.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The file with additional certificates is not PEM, or none of them can be trusted.
    #[error("{path} is not a file of certificates in PEM")]
    ExtraCaFileContent {
        /// The file.
        path: String,
    },
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
    trusting: Arc<Trusting>,
    request_timeout: Duration,
    body_size_limit: usize,
}

impl Client {
    /// A client for requests to `url` and to whatever it refers to; nothing is sent yet.
    ///
    /// The system's certificates are read for an `https` address alone. Blocks for as long as reading files does.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn new(url: &Url, options: ClientOptions) -> Result<Self, BuildError> {
        check_url(url)?;
        let (request_timeout, body_size_limit) = (options.request_timeout, options.body_size_limit);
        let trusting = Trusting::new(options, url.scheme() == "https")?;
        Ok(Self {
            trusting: Arc::new(trusting),
            request_timeout,
            body_size_limit,
        })
    }

    /// A request, to be completed and handed to [`Client::send`].
    pub fn request(&self, method: Method, url: Url) -> RequestBuilder {
        self.trusting.client().request(method, url)
    }

    /// Sends `request` and reads its answer. A body of a failure that is too long is left out.
    ///
    /// # Errors
    /// [`CallError`]; not for a status that isn't success.
    pub async fn send(&self, request: RequestBuilder) -> Result<Answer, CallError> {
        let (_, request) = request.build_split();
        let request = request.map_err(|error| self.broken(error))?;
        self.trusting.renew().await;
        let response = self.trusting.client().execute(request).await;
        let mut response = response.map_err(|error| self.broken(error))?;
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
