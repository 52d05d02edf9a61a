//! Single requests under the same settings as scrapes, for servers that are asked now and then.

use std::sync::Arc;

use http::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use hyper::body::Incoming;
use prom_config::http_client::{HttpClientConfig, Redirects};

use super::auth::{self, Credentials};
use super::connection::{Connection, Peer, TlsPeer, body_error, http_error};
use super::tls::{self, JobTls, TlsSettings};
use super::{GZIP, Headers, MAX_REDIRECTS, redirect, request};
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
        let headers = self.headers(user, headers)?;
        let mut redirected: Option<Endpoint> = None;
        for _ in 0..=MAX_REDIRECTS {
            let endpoint = redirected.as_ref().unwrap_or(first);
            let trusted = redirect::may_see_credentials(first, endpoint);
            let mut connection = Connection::open(self.peer(endpoint)?).await?;
            let answer = connection.send(request(endpoint, &headers, trusted));
            let answer = answer.await.map_err(|error| http_error(&error))?;
            if self.redirects == Redirects::Follow
                && let Some(next) = redirect::location(endpoint, &answer)
            {
                redirected = Some(next?);
                continue;
            }
            if answer.status() != StatusCode::OK {
                return Err(ScrapeError::Status(answer.status()));
            }
            return receive(&mut connection, answer, limit).await;
        }
        Err(ScrapeError::TooManyRedirects(MAX_REDIRECTS))
    }

    fn headers(
        &self,
        user: Option<(&str, &str)>,
        headers: &HeaderMap,
    ) -> Result<Headers, ScrapeError> {
        let mut all = headers.clone();
        all.insert(ACCEPT_ENCODING, GZIP);
        let mut own = HeaderMap::new();
        let authorization = match user.filter(|_| self.credentials.is_none()) {
            Some((user, password)) => Some(auth::basic(user, password)?),
            None => self.credentials.authorization()?,
        };
        if let Some(authorization) = authorization {
            own.insert(AUTHORIZATION, authorization);
        }
        for (name, value) in &*self.credentials.headers()? {
            own.append(name, value.clone());
        }
        Ok(Headers { all, own })
    }

    fn peer(&self, endpoint: &Endpoint) -> Result<Peer, ScrapeError> {
        let tls = match (endpoint.scheme, &self.job_tls) {
            (Scheme::Http, _) => None,
            (Scheme::Https, Some(job)) => Some(TlsPeer {
                config: job.config()?,
                name: tls::server_name(job.server_name().unwrap_or(&endpoint.host))?,
            }),
            (Scheme::Https, None) => Some(TlsPeer {
                config: self.tls.system()?,
                name: tls::server_name(&endpoint.host)?,
            }),
        };
        Ok(Peer {
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls,
        })
    }
}

async fn receive(
    connection: &mut Connection,
    answer: Response<Incoming>,
    limit: usize,
) -> Result<Fetched, ScrapeError> {
    let (head, mut stream) = answer.into_parts();
    let text = |name| head.headers.get(name).map(HeaderValue::as_bytes);
    let mut body = Vec::new();
    while let Some(data) = connection.next_data(&mut stream).await {
        let data = data.map_err(|error| body_error(&error))?;
        if data.len() > limit - body.len() {
            return Err(ScrapeError::BodyTooLarge);
        }
        body.extend_from_slice(&data);
    }
    if text(CONTENT_ENCODING) == Some(b"gzip") {
        body = Inflater::new().inflate(&body, limit)?.to_vec();
    }
    let content_type = text(CONTENT_TYPE).map(String::from_utf8_lossy);
    Ok(Fetched {
        content_type: content_type.unwrap_or_default().into_owned(),
        body,
    })
}
