//! The client: how it is set up, and where it sends what.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rest_client::header::ACCEPT;
use rest_client::{Answer, BuildError, Client, ClientOptions, Method, RequestBuilder, RetryPolicy};
use url::Url;

use crate::credentials::Credentials;
use crate::error::{AnswerError, Server, message_of};
use crate::roots::{Roots, below};
use crate::session::Session;

/// How to reach a Cloud Foundry.
#[derive(Debug, Clone)]
pub struct CloudFoundryOptions {
    /// The API's address, such as `https://api.cloud.example`.
    pub api: Url,
    /// Certificates in PEM that are trusted beside those of the system.
    pub extra_ca_pem: Option<String>,
    /// A file with more of them, read again for each request so that a change takes effect at once. While it can't be
    /// read or holds no certificate, what it held before counts.
    pub extra_ca_file: Option<PathBuf>,
    /// The `User-Agent`: product and version, and whatever helps the platform's operators to find who asks.
    pub user_agent: String,
    /// When a request is given up, the reading of its answer included.
    pub request_timeout: Duration,
    /// When a login is given up, the listing of what the user sees included.
    pub login_timeout: Duration,
    /// Longest answer that is read, in bytes after decompression.
    pub body_size_limit: usize,
    /// How many bytes the pages of one list may have together, after decompression.
    pub list_size_limit: usize,
    /// What happens after a failure.
    pub retry: RetryPolicy,
}

impl CloudFoundryOptions {
    /// Options with their defaults: 30 s for a request, 10 s for a login, 64 MiB for an answer, 256 MiB for a list,
    /// this crate's name and version as `User-Agent`.
    #[must_use]
    pub fn new(api: Url) -> Self {
        let user_agent = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));
        let client = ClientOptions::new(user_agent);
        Self {
            api,
            extra_ca_pem: client.extra_ca_pem,
            extra_ca_file: client.extra_ca_file,
            user_agent: client.user_agent,
            request_timeout: client.request_timeout,
            login_timeout: Duration::from_secs(10),
            body_size_limit: client.body_size_limit,
            list_size_limit: 256 * 1024 * 1024,
            retry: RetryPolicy::default(),
        }
    }
}

/// A Cloud Foundry: its API and its UAA. Clones are the same one.
///
/// Where both are is asked at the first call, remembered, and asked again after a failure. Credentials go nowhere but
/// where the configured API says; redirects are never followed, and no proxy is taken from the environment.
#[derive(Debug, Clone)]
pub struct CloudFoundry(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    api: Url,
    roots: Mutex<KnownRoots>,
    login_timeout: Duration,
    list_size_limit: usize,
    retry: RetryPolicy,
}

#[derive(Debug, Default)]
struct KnownRoots {
    last: Option<Arc<Roots>>,
    /// A call has failed since they were read.
    doubted: bool,
}

impl CloudFoundry {
    /// A client; nothing is sent yet.
    ///
    /// # Errors
    /// [`BuildError`]
    pub fn new(options: CloudFoundryOptions) -> Result<Self, BuildError> {
        let client_options = ClientOptions {
            user_agent: options.user_agent,
            extra_ca_pem: options.extra_ca_pem,
            extra_ca_file: options.extra_ca_file,
            request_timeout: options.request_timeout,
            body_size_limit: options.body_size_limit,
        };
        Ok(Self(Arc::new(Inner {
            client: Client::new(&options.api, client_options)?,
            api: options.api,
            roots: Mutex::default(),
            login_timeout: options.login_timeout,
            list_size_limit: options.list_size_limit,
            retry: options.retry,
        })))
    }

    /// Whatever is asked with `credentials`; nothing is sent yet.
    #[must_use]
    pub fn session(&self, credentials: Credentials) -> Session {
        Session::new(self.clone(), credentials)
    }

    pub(crate) fn retry(&self) -> &RetryPolicy {
        &self.0.retry
    }

    pub(crate) fn login_timeout(&self) -> Duration {
        self.0.login_timeout
    }

    pub(crate) fn list_size_limit(&self) -> usize {
        self.0.list_size_limit
    }

    pub(crate) fn request(&self, method: Method, url: Url) -> RequestBuilder {
        let request = self.0.client.request(method, url);
        request.header(ACCEPT, "application/json")
    }

    /// Sends `request` to `server`, of whose address a failure makes doubt.
    pub(crate) async fn send(
        &self,
        server: Server,
        request: RequestBuilder,
    ) -> Result<Answer, AnswerError> {
        let answer = self.0.client.send(request).await;
        // 404 and redirects: it may have moved. 5xx: so it may, behind a router.
        if !matches!(&answer, Ok(answer) if matches!(answer.status, 200..=299 | 400..=403 | 429)) {
            self.known_roots().doubted = true;
        }
        answer.map_err(|error| AnswerError::from_call(server, error))
    }

    /// Where API and UAA are.
    pub(crate) async fn roots(&self) -> Result<Arc<Roots>, AnswerError> {
        let last = {
            let known = self.known_roots();
            match &known.last {
                Some(roots) if !known.doubted => return Ok(Arc::clone(roots)),
                last => last.clone(),
            }
        };
        match (self.read_roots().await, last) {
            (Ok(roots), _) => {
                let roots = Arc::new(roots);
                *self.known_roots() = KnownRoots {
                    last: Some(Arc::clone(&roots)),
                    doubted: false,
                };
                Ok(roots)
            }
            // UAA can be well while the API isn't, so what was known is worth a try.
            (Err(error), Some(last)) => {
                tracing::debug!(%error, "the addresses of before are used");
                Ok(last)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn read_roots(&self) -> Result<Roots, AnswerError> {
        let url = below(&self.0.api, &[""]);
        let answer = self.send(Server::Api, self.request(Method::GET, url));
        let answer = answer.await?;
        if !answer.is_success() {
            let message = message_of(&answer.body, "");
            return Err(AnswerError::from_status(Server::Api, &answer, message));
        }
        Roots::parse(&self.0.api, &answer.body)
    }

    /// Nothing that holds the lock leaves it half changed, so a panic elsewhere spoils nothing.
    fn known_roots(&self) -> MutexGuard<'_, KnownRoots> {
        let roots = self.0.roots.lock();
        roots.unwrap_or_else(PoisonError::into_inner)
    }
}
