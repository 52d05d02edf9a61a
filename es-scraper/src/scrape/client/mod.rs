//! Scraping over HTTP/1.1.
//!
//! Each target has a connection of its own, held between scrapes and used for nothing else. HTTP/2
//! is not used: it would only add framing to what is one request at a time.

mod auth;
mod connection;
mod fetch;
mod file;
mod redirect;
mod tls;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::poll_immediate;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use hyper::body::Incoming;
use prom_config::http_client::{HttpClientConfig, Redirects};
use prom_model::target::{BasicAuth, ServerIdentity};

use self::auth::Credentials;
use self::connection::{Connection, Peer, TlsPeer, body_error, http_error, was_closed};
use self::tls::JobTls;
use super::buffer::Body;
use super::error::ScrapeError;
use super::inflate::stated_len;
use crate::config::ScrapeProtocol;
use crate::target::{Endpoint, Scheme, Target};

pub(crate) use self::fetch::{Fetched, Fetcher};
pub use self::tls::TlsSettings;

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");
const TIMEOUT_SECONDS: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");
/// Redirects that are followed in one scrape, as Go does.
const MAX_REDIRECTS: usize = 10;

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
    compression: Compression,
    accept: HeaderValue,
    user_agent: HeaderValue,
}

impl HttpTransport {
    /// A transport with the settings of a job; `tls` is shared by all jobs.
    ///
    /// No file is read yet: one that can't be read fails the scrapes that need it.
    #[must_use]
    pub fn new(settings: &HttpSettings, user_agent: HeaderValue, tls: Arc<TlsSettings>) -> Self {
        let client = &settings.client;
        Self(Arc::new(Settings {
            credentials: Credentials::new(client),
            job_tls: client.tls.clone().map(JobTls::new),
            tls,
            redirects: client.redirects,
            compression: settings.compression,
            accept: accept(&settings.protocols),
            user_agent,
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
    unread: Option<Incoming>,
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
        let headers = self.headers(target, access_auth.as_deref())?;
        let mut redirected: Option<Endpoint> = None;
        for _ in 0..=MAX_REDIRECTS {
            let endpoint = redirected.as_ref().unwrap_or(first);
            let trusted = redirect::may_see_credentials(first, endpoint);
            let peer = self.peer(target, endpoint, trusted)?;
            let request = request(endpoint, &headers, trusted);
            let (mut connection, answer) = self.exchange(peer, request).await?;
            if answer.status() == StatusCode::UNAUTHORIZED
                && trusted
                && let (Some(access), Some(used)) = (target.access(), &access_auth)
            {
                access.rejected(used);
            }
            if self.settings.redirects == Redirects::Follow
                && let Some(next) = redirect::location(endpoint, &answer)
            {
                redirected = Some(next?);
                continue;
            }
            if answer.status() != StatusCode::OK {
                let status = answer.status();
                // What the body says is nobody's business, and it may never end.
                self.keep(connection, Some(answer.into_body()), redirected.is_none());
                return Err(ScrapeError::Status(status));
            }
            let answer = receive(&mut connection, answer, body_limit, body).await?;
            self.keep(connection, None, redirected.is_none());
            return Ok(answer);
        }
        Err(ScrapeError::TooManyRedirects(MAX_REDIRECTS))
    }
}

/// Headers of a request, apart from `Host`.
struct Headers {
    all: HeaderMap,
    /// Those that only the target itself may see, `Authorization` among them.
    own: HeaderMap,
}

impl HttpScrape {
    fn headers(
        &self,
        target: &Target,
        access_auth: Option<&BasicAuth>,
    ) -> Result<Headers, ScrapeError> {
        let settings = &self.settings;
        let mut all = HeaderMap::with_capacity(8);
        all.insert(USER_AGENT, settings.user_agent.clone());
        all.insert(ACCEPT, settings.accept.clone());
        let encoding = match settings.compression {
            Compression::Gzip => GZIP,
            Compression::Off => IDENTITY,
        };
        all.insert(ACCEPT_ENCODING, encoding);
        let seconds = target.timeout().as_secs_f64().to_string();
        if let Ok(seconds) = HeaderValue::try_from(seconds) {
            all.insert(TIMEOUT_SECONDS, seconds);
        }
        let mut own = HeaderMap::new();
        let authorization = match access_auth {
            Some(access) => Some(auth::basic(&access.username, access.password.expose())?),
            None => settings.credentials.authorization()?,
        };
        if let Some(authorization) = authorization {
            own.insert(AUTHORIZATION, authorization);
        }
        for (name, value) in &*settings.credentials.headers()? {
            own.append(name, value.clone());
        }
        Ok(Headers { all, own })
    }

    /// Where the connection for `endpoint` must lead; `trusted` where it is the target and not some
    /// other host.
    fn peer(
        &mut self,
        target: &Target,
        endpoint: &Endpoint,
        trusted: bool,
    ) -> Result<Peer, ScrapeError> {
        let tls = match endpoint.scheme {
            Scheme::Http => None,
            Scheme::Https => Some(self.tls_peer(target, endpoint, trusted)?),
        };
        Ok(Peer {
            host: endpoint.host.clone(),
            port: endpoint.port,
            tls,
        })
    }

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

    /// Sends `request` on the kept connection if it leads to `peer`, else on a new one.
    async fn exchange(
        &mut self,
        peer: Peer,
        request: Request<Empty<Bytes>>,
    ) -> Result<(Connection, Response<Incoming>), ScrapeError> {
        // While a request is under way no connection is kept: an answer cut short must not be
        // taken for that of the next one.
        if let Some(Kept {
            mut connection,
            unread,
        }) = self.kept.take()
            && finish(&mut connection, unread).await
            && connection.serves(&peer).await
        {
            match connection.send(request.clone()).await {
                Ok(answer) => return Ok((connection, answer)),
                // The target closed it while nobody looked. Asking again is what a browser does, too.
                Err(error) if was_closed(&error) => {}
                Err(error) => return Err(http_error(&error)),
            }
        }
        let mut connection = Connection::open(peer).await?;
        let answer = connection.send(request).await;
        Ok((connection, answer.map_err(|error| http_error(&error))?))
    }

    fn keep(&mut self, connection: Connection, unread: Option<Incoming>, is_target: bool) {
        self.kept = is_target.then_some(Kept { connection, unread });
    }
}

fn request(endpoint: &Endpoint, headers: &Headers, trusted: bool) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = endpoint.path_and_query.clone().into();
    let fields = request.headers_mut();
    fields.insert(HOST, endpoint.host_header.clone());
    fields.extend(headers.all.clone());
    if trusted {
        fields.extend(headers.own.clone());
    }
    request
}

/// Reads an answer of status 200.
async fn receive(
    connection: &mut Connection,
    answer: Response<Incoming>,
    body_limit: usize,
    body: &mut Body,
) -> Result<Answer, ScrapeError> {
    let (head, mut stream) = answer.into_parts();
    let text = |name| head.headers.get(name).map(HeaderValue::as_bytes);
    let encoding = match text(CONTENT_ENCODING) {
        Some(b"gzip") => Encoding::Gzip,
        _ => Encoding::Identity,
    };
    let limit = match encoding {
        Encoding::Identity => body_limit,
        // What can't be packed grows by five bytes in 64 KiB and a frame around it.
        Encoding::Gzip => body_limit
            .saturating_add(body_limit / 1024)
            .saturating_add(1024),
    };
    let stated = text(CONTENT_LENGTH).and_then(|len| std::str::from_utf8(len).ok()?.parse().ok());
    if stated.is_some_and(|len: u64| len > limit as u64) {
        return Err(ScrapeError::BodyTooLarge);
    }
    body.clear();
    while let Some(data) = connection.next_data(&mut stream).await {
        let data = data.map_err(|error| body_error(&error))?;
        body.push(&data, limit)?;
    }
    let content_type = text(CONTENT_TYPE).map(String::from_utf8_lossy);
    Ok(Answer {
        encoding,
        content_type: content_type.unwrap_or_default().into_owned(),
    })
}

/// Reads over a body that has had the time since the last scrape to come; whether it is a short one, and at its end.
async fn finish(connection: &mut Connection, unread: Option<Incoming>) -> bool {
    const MOST: usize = 64 * 1024;
    let Some(mut stream) = unread else {
        return true;
    };
    let mut len = 0;
    loop {
        match poll_immediate(connection.next_data(&mut stream)).await {
            Some(None) => return true,
            Some(Some(Ok(data))) if len + data.len() <= MOST => len += data.len(),
            _ => return false,
        }
    }
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
