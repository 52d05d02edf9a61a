//! Single requests under the same settings as scrapes, for servers that are asked now and then.

use std::sync::Arc;

use http::header::ACCEPT_ENCODING;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use prom_config::http_client::{HttpClientConfig, Redirects};

use super::auth::{self, Credentials};
use super::connection::{Connection, TlsPeer};
use super::request::{OwnHeaders, Request};
use super::response::BodyReader;
use super::tls::{self, JobTls, TlsSettings};
use super::{Encoding, GZIP, MAX_REDIRECTS, redirect};
use crate::scrape::buffer::{Body, Buffers};
use crate::scrape::error::ScrapeError;
use crate::scrape::inflate::Inflater;
use crate::target::{Endpoint, Scheme};

/// Asks a server with HTTP client settings, each time on a connection of its own. Files that the settings name are
/// read anew when they have changed.
#[derive(Debug)]
pub(crate) struct Fetcher {
    credentials: Credentials,
    job_tls: Option<JobTls>,
    tls: Arc<TlsSettings>,
    redirects: Redirects,
}

/// An answer of status 200.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// The Content-Type, empty where there is none.
    pub(crate) content_type: String,
    /// The body, inflated.
    pub(crate) body: Vec<u8>,
}

impl Fetcher {
    pub(crate) fn new(config: &HttpClientConfig, tls: Arc<TlsSettings>) -> Self {
        Self {
            credentials: Credentials::new(config),
            job_tls: config.tls.clone().map(JobTls::new),
            tls,
            redirects: config.redirects,
        }
    }

    /// Gets what is at `first`, with `headers` beside those of the settings. `user` and password are those of the
    /// URL, for where the settings have no authentication. Whoever calls it limits the time.
    ///
    /// # Errors
    /// Where there is no complete answer of status 200, or its body is larger than `limit` bytes.
    pub(crate) async fn get(
        &self,
        first: &Endpoint,
        user: Option<(&str, &str)>,
        headers: &HeaderMap,
        limit: usize,
    ) -> Result<Fetched, ScrapeError> {
        let own = self.own_headers(user)?;
        let shared: Vec<(HeaderName, HeaderValue)> = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .chain([(ACCEPT_ENCODING, GZIP)])
            .collect();
        let mut body = Body::new(Buffers::new(1));
        let mut redirected: Option<Endpoint> = None;
        for _ in 0..=MAX_REDIRECTS {
            let endpoint = redirected.as_ref().unwrap_or(first);
            let trusted = redirect::may_see_credentials(first, endpoint);
            let tls = self.tls_peer(endpoint)?;
            let mut connection = Connection::open(endpoint, tls, body.buffers()).await?;
            let request = Request {
                endpoint,
                shared: &shared,
                timeout: None,
                own: trusted.then_some(&own),
            };
            let head = connection.ask(&request, &mut body).await?;
            if let Some(next) = redirect::followed(self.redirects, first, endpoint, &head) {
                redirected = Some(next?);
                continue;
            }
            if head.status != StatusCode::OK {
                return Err(ScrapeError::Status(head.status));
            }
            let mut reader = BodyReader::new(head.framing, head.len, limit)?;
            connection.read(&mut reader, &mut body).await?;
            let body = match head.encoding {
                Encoding::Identity => body.bytes().to_vec(),
                Encoding::Gzip => Inflater::new().inflate(body.bytes(), limit)?.to_vec(),
            };
            return Ok(Fetched {
                content_type: head.content_type,
                body,
            });
        }
        Err(ScrapeError::TooManyRedirects(MAX_REDIRECTS))
    }

    fn own_headers(&self, user: Option<(&str, &str)>) -> Result<OwnHeaders, ScrapeError> {
        Ok(OwnHeaders {
            authorization: match user.filter(|_| self.credentials.is_none()) {
                Some((user, password)) => Some(auth::basic(user, password)?),
                None => self.credentials.authorization()?,
            },
            configured: self.credentials.headers()?,
        })
    }

    /// Whom a connection for `endpoint` must lead to; `None` without TLS.
    fn tls_peer(&self, endpoint: &Endpoint) -> Result<Option<TlsPeer>, ScrapeError> {
        Ok(match (endpoint.scheme, &self.job_tls) {
            (Scheme::Http, _) => None,
            (Scheme::Https, Some(job)) => Some(TlsPeer {
                config: job.config()?,
                name: tls::server_name(job.server_name().unwrap_or(&endpoint.host))?,
            }),
            (Scheme::Https, None) => Some(TlsPeer {
                config: self.tls.system()?,
                name: tls::server_name(&endpoint.host)?,
            }),
        })
    }
}
