//! Scraping over HTTP/1.1.
//!
//! Each target has a connection of its own, held between scrapes and used for nothing else. HTTP/2
//! is not used: it would only add framing to what is one request at a time.

mod auth;
mod connection;
mod fetch;
mod file;
mod redirect;
mod request;
mod response;
mod stream;
mod tls;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::header::{ACCEPT, ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderName, HeaderValue, StatusCode};
use prom_config::http_client::{HttpClientConfig, Redirects};
use prom_model::target::{BasicAuth, ServerIdentity};

use self::auth::Credentials;
use self::connection::{AskError, Connection, TlsPeer};
use self::request::{OwnHeaders, Request};
use self::response::{BodyReader, Head, Input, Reuse};
use self::tls::JobTls;
use super::buffer::Body;
use super::error::ScrapeError;
use super::inflate::stated_len;
use crate::config::ScrapeProtocol;
use crate::target::{Endpoint, Scheme, Target};

pub(crate) use self::fetch::{Fetched, Fetcher};
#[doc(hidden)]
pub use self::response::check::check_response;
pub use self::tls::TlsSettings;

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
/// Redirects that are followed in one scrape, as Go does.
const MAX_REDIRECTS: usize = 10;
/// Bytes that are read of a body that nobody wants to know, so that its connection can be kept.
const MAX_SKIPPED: usize = 64 * 1024;

/// How a body is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    #[default]
    Identity,
    /// gzip.
    Gzip,
}

/// What a target answered, beside the body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// How the body is packed.
    pub encoding: Encoding,
    /// The Content-Type, empty where there is none.
    pub content_type: String,
}

impl Answer {
    /// How many bytes `body` is when inflated, as far as it tells that itself.
    pub(crate) fn size_of(&self, body: &[u8]) -> usize {
        match self.encoding {
            Encoding::Identity => body.len(),
            Encoding::Gzip => stated_len(body).max(body.len()),
        }
    }
}

/// Fetches the expositions of one target, one after the other.
#[async_trait]
pub trait Scrape: Send {
    /// Asks `target` once, and puts into `body` what it answers, packed as it came.
    ///
    /// Always called with the same target, or one that is scraped alike. Whoever calls it limits the time:
    /// a call that is dropped halfway costs the connection and nothing else.
    ///
    /// # Errors
    /// Where there is no complete answer of status 200, or its body is larger than `body_limit`
    /// bytes can be packed.
    async fn scrape(
        &mut self,
        target: &Target,
        body_limit: usize,
        body: &mut Body,
    ) -> Result<Answer, ScrapeError>;
}

/// Makes a [`Scrape`] for each target of a job.
pub trait Transport: Send + Sync + fmt::Debug {
    /// For one target; nothing is sent yet.
    fn open(&self) -> Box<dyn Scrape>;
}

/// Whether targets may pack what they answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Compression {
    /// With gzip.
    #[default]
    Gzip,
    /// Not at all (`enable_compression: false`).
    Off,
}

/// How a job asks its targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Authentication, TLS, redirects, headers.
    pub client: HttpClientConfig,
    /// Formats to ask for, most wanted first.
    pub protocols: Vec<ScrapeProtocol>,
    /// Whether targets may pack what they answer.
    pub compression: Compression,
}

/// Prometheus' defaults.
impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            client: HttpClientConfig::default(),
            protocols: ScrapeProtocol::DEFAULTS.to_vec(),
            compression: Compression::Gzip,
        }
    }
}

/// Scrapes over HTTP/1.1, with the settings of one job.
#[derive(Debug)]
pub struct HttpTransport(Arc<Settings>);

#[derive(Debug)]
struct Settings {
    credentials: Credentials,
    /// `None` where the job has no `tls_config`.
    job_tls: Option<JobTls>,
    tls: Arc<TlsSettings>,
    redirects: Redirects,
    headers: [(HeaderName, HeaderValue); 3],
}

impl HttpTransport {
    /// A transport with the settings of a job; `tls` is shared by all jobs.
    ///
    /// No file is read yet: one that can't be read fails the scrapes that need it.
    #[must_use]
    pub fn new(settings: &HttpSettings, user_agent: HeaderValue, tls: Arc<TlsSettings>) -> Self {
        let client = &settings.client;
        let encoding = match settings.compression {
            Compression::Gzip => GZIP,
            Compression::Off => IDENTITY,
        };
        Self(Arc::new(Settings {
            credentials: Credentials::new(client),
            job_tls: client.tls.clone().map(JobTls::new),
            tls,
            redirects: client.redirects,
            headers: [
                (USER_AGENT, user_agent),
                (ACCEPT, accept(&settings.protocols)),
                (ACCEPT_ENCODING, encoding),
            ],
        }))
    }
}

/// The `Accept` header for `protocols`, written as Prometheus writes it.
fn accept(protocols: &[ScrapeProtocol]) -> HeaderValue {
    use ScrapeProtocol::{OpenMetricsText1_0_0, PrometheusText1_0_0};

    // One more than the formats that Prometheus knows.
    let mut weight = 6;
    let mut accept = String::new();
    for protocol in protocols {
        accept.push_str(protocol.media_type());
        if matches!(protocol, OpenMetricsText1_0_0 | PrometheusText1_0_0) {
            accept.push_str(";escaping=allow-utf-8");
        }
        accept.push_str(&format!(";q=0.{weight},"));
        weight -= 1;
    }
    accept.push_str(&format!("*/*;q=0.{weight}"));
    HeaderValue::try_from(accept).unwrap_or(ANYTHING)
}

impl Transport for HttpTransport {
    fn open(&self) -> Box<dyn Scrape> {
        Box::new(HttpScrape {
            settings: Arc::clone(&self.0),
            kept: None,
            identity: None,
        })
    }
}

struct HttpScrape {
    settings: Arc<Settings>,
    /// The connection of the last scrape, if another one may follow on it.
    kept: Option<Kept>,
    /// Whom the target's certificate had to name last time, so that it isn't worked out anew.
    identity: Option<(Arc<ServerIdentity>, TlsPeer)>,
}

struct Kept {
    connection: Connection,
    /// The body of the last answer, where nobody wanted to know it.
    unread: Option<Unread>,
}

struct Unread {
    reader: BodyReader,
    /// What has come of it and isn't read over.
    bytes: Vec<u8>,
}

#[async_trait]
impl Scrape for HttpScrape {
    async fn scrape(
        &mut self,
        target: &Target,
        body_limit: usize,
        body: &mut Body,
    ) -> Result<Answer, ScrapeError> {
        let first = target.endpoint().map_err(|error| error.clone())?;
        let access_auth = match target.access() {
            Some(access) if self.settings.credentials.is_none() => access.basic_auth(),
            _ => None,
        };
        let own = self.own_headers(access_auth.as_deref())?;
        let settings = Arc::clone(&self.settings);
        let mut redirected: Option<Endpoint> = None;
        for _ in 0..=MAX_REDIRECTS {
            let endpoint = redirected.as_ref().unwrap_or(first);
            let trusted = redirect::may_see_credentials(first, endpoint);
            let tls = match endpoint.scheme {
                Scheme::Http => None,
                Scheme::Https => Some(self.tls_peer(target, endpoint, trusted)?),
            };
            let request = Request {
                endpoint,
                shared: &settings.headers,
                timeout: Some(target.timeout()),
                own: trusted.then_some(&own),
            };
            let (mut connection, head) = self.exchange(&request, tls, body).await?;
            if head.status == StatusCode::UNAUTHORIZED
                && trusted
                && let (Some(access), Some(used)) = (target.access(), &access_auth)
            {
                access.rejected(used);
            }
            if let Some(next) = redirect::followed(settings.redirects, first, endpoint, &head) {
                redirected = Some(next?);
                continue;
            }
            let kept = if head.status == StatusCode::OK {
                let is_followed = receive(&mut connection, &head, body_limit, body).await?;
                let keeps = head.reuse == Reuse::Keep && !is_followed;
                keeps.then_some(Kept {
                    connection,
                    unread: None,
                })
            } else {
                // What the body says is nobody's business, and it may never end.
                leave_unread(connection, &head, body)
            };
            self.kept = kept.filter(|_| redirected.is_none());
            if head.status != StatusCode::OK {
                return Err(ScrapeError::Status(head.status));
            }
            return Ok(Answer {
                encoding: head.encoding,
                content_type: head.content_type,
            });
        }
        Err(ScrapeError::TooManyRedirects(MAX_REDIRECTS))
    }
}

impl HttpScrape {
    fn own_headers(&self, access_auth: Option<&BasicAuth>) -> Result<OwnHeaders, ScrapeError> {
        let credentials = &self.settings.credentials;
        Ok(OwnHeaders {
            authorization: match access_auth {
                Some(access) => Some(auth::basic(&access.username, access.password.expose())?),
                None => credentials.authorization()?,
            },
            configured: credentials.headers()?,
        })
    }

    /// Whom a connection for `endpoint` must lead to; `trusted` where it is the target and not some other host.
    fn tls_peer(
        &mut self,
        target: &Target,
        endpoint: &Endpoint,
        trusted: bool,
    ) -> Result<TlsPeer, ScrapeError> {
        let settings = &self.settings;
        if let Some(job) = &settings.job_tls {
            return Ok(TlsPeer {
                config: job.config()?,
                name: tls::server_name(job.server_name().unwrap_or(&endpoint.host))?,
            });
        }
        let access = target.access().filter(|_| trusted);
        let Some(identity) = access.and_then(|access| access.server_identity()) else {
            return Ok(TlsPeer {
                config: settings.tls.system()?,
                name: tls::server_name(&endpoint.host)?,
            });
        };
        if let Some((last, peer)) = &self.identity
            && (Arc::ptr_eq(last, &identity) || last == &identity)
        {
            return Ok(peer.clone());
        }
        let peer = TlsPeer {
            config: settings.tls.trusting(&identity)?,
            name: tls::server_name(&identity.server_name)?,
        };
        self.identity = Some((identity, peer.clone()));
        Ok(peer)
    }

    /// Sends `request` on the kept connection if it leads there, else on a new one.
    async fn exchange(
        &mut self,
        request: &Request<'_>,
        tls: Option<TlsPeer>,
        body: &mut Body,
    ) -> Result<(Connection, Head), ScrapeError> {
        // While a request is under way no connection is kept: an answer cut short must not be
        // taken for that of the next one.
        if let Some(mut kept) = self.kept.take()
            && kept.connection.leads_to(request.endpoint, tls.as_ref())
            && kept.finish(body).await
            && kept.connection.is_idle().await
        {
            match kept.connection.ask(request, body).await {
                Ok(head) => return Ok((kept.connection, head)),
                // The target closed it while nobody looked. Asking again is what a browser does, too.
                Err(AskError::Unanswered(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Seldom needed, and much larger than what is.
        let opening = Box::pin(Connection::open(request.endpoint, tls, body.buffers()));
        let mut connection = opening.await?;
        let head = connection.ask(request, body).await?;
        Ok((connection, head))
    }
}

impl Kept {
    /// Reads over a body that has had the time since the last scrape to come; whether it is at its end.
    async fn finish(&mut self, body: &mut Body) -> bool {
        let Some(Unread { mut reader, bytes }) = self.unread.take() else {
            return true;
        };
        body.restart().extend_from_slice(&bytes);
        let skipped = self.connection.skip(&mut reader, body).await;
        matches!(skipped, Ok(Some(false)))
    }
}

/// Keeps `connection` although the answer's body is not read, if that is a short one.
fn leave_unread(connection: Connection, head: &Head, body: &mut Body) -> Option<Kept> {
    if head.reuse == Reuse::Close {
        return None;
    }
    let received = body.received();
    let mut reader = BodyReader::new(head.framing, head.len, MAX_SKIPPED).ok()?;
    let unread = match reader.read(received, Input::Open).ok()? {
        Some(finished) if finished.is_followed => return None,
        Some(_) => None,
        None => {
            reader.forget(received);
            let bytes = received.clone();
            Some(Unread { reader, bytes })
        }
    };
    Some(Kept { connection, unread })
}

/// Reads the body of an answer of status 200. Returns whether something follows it.
async fn receive(
    connection: &mut Connection,
    head: &Head,
    body_limit: usize,
    body: &mut Body,
) -> Result<bool, ScrapeError> {
    let limit = match head.encoding {
        Encoding::Identity => body_limit,
        // What can't be packed grows by five bytes in 64 KiB and a frame around it.
        Encoding::Gzip => body_limit
            .saturating_add(body_limit / 1024)
            .saturating_add(1024),
    };
    let mut reader = BodyReader::new(head.framing, head.len, limit)?;
    connection.read(&mut reader, body).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_is_that_of_prometheus() {
        assert_eq!(
            accept(&ScrapeProtocol::DEFAULTS),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
        );
        let one = [ScrapeProtocol::PrometheusText0_0_4];
        assert_eq!(accept(&one), "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
    }
}
