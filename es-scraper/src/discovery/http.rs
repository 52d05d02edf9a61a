//! http_sd: target groups from an HTTP server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use prom_config::http_client::HttpClientConfig;
use prom_model::target::TargetGroup;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{info, warn};
use url::Url;

use super::file::with_causes;
use super::format::{self, Format, FormatError};
use super::{DiscoveryMetrics, Found};
use crate::config::HttpSdConfig;
use crate::scrape::{Fetched, Fetcher, ScrapeError, TlsSettings};
use crate::target::{Endpoint, EndpointError};

const URL_LABEL: &str = "__meta_url";
const REFRESH_INTERVAL_SECONDS: HeaderName =
    HeaderName::from_static("x-prometheus-refresh-interval-seconds");
/// Bytes that an answer may have, inflated; its groups take a few times that in memory.
const BODY_SIZE_LIMIT: usize = 64 << 20;
/// Time to the first retry, doubled for each one that follows, up to the refresh interval.
const FIRST_RETRY: Duration = Duration::from_secs(1);

/// What an `http_sd_configs` entry says.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The URL that is asked. It may hold user and password, which are used where `client` has no
    /// authentication; the password is shown nowhere.
    pub url: String,
    /// Time between two refreshes, and the time that one may take; not zero.
    pub refresh_interval: Duration,
    /// How to reach the server.
    pub client: HttpClientConfig,
}

impl HttpConfig {
    /// Refresh interval where the configuration is silent.
    pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(60);
}

impl fmt::Debug for HttpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("refresh_interval", &self.refresh_interval)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl From<&HttpSdConfig> for HttpConfig {
    fn from(config: &HttpSdConfig) -> Self {
        Self {
            url: config.url.clone(),
            refresh_interval: config.refresh_interval,
            client: config.http.clone(),
        }
    }
}

/// Why an [`HttpConfig`] can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HttpConfigError {
    /// Its URL is none.
    #[error("invalid URL of http_sd")]
    Url(#[from] url::ParseError),
    /// Its refresh interval is zero.
    #[error("refresh interval of http_sd is zero")]
    ZeroInterval,
    /// Its URL can't be asked.
    #[error("URL of http_sd can't be asked")]
    Endpoint(#[from] EndpointError),
}

/// Asks one server.
#[derive(Debug)]
pub(super) struct HttpDiscovery {
    /// The URL without its password.
    shown_url: String,
    endpoint: Endpoint,
    user: Option<User>,
    headers: HeaderMap,
    refresh_interval: Duration,
    fetcher: Fetcher,
}

/// User and password of a URL.
struct User {
    name: String,
    password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    #[error(transparent)]
    Request(#[from] ScrapeError),
    #[error("unsupported content type {0:?}")]
    ContentType(String),
    #[error("not a list of target groups")]
    Format(#[from] FormatError),
}

impl HttpDiscovery {
    pub(super) fn new(
        config: &HttpConfig,
        user_agent: HeaderValue,
        tls: Arc<TlsSettings>,
    ) -> Result<Self, HttpConfigError> {
        if config.refresh_interval.is_zero() {
            return Err(HttpConfigError::ZeroInterval);
        }
        let url = Url::parse(&config.url)?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, user_agent);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let seconds = config.refresh_interval.as_secs_f64().to_string();
        if let Ok(seconds) = HeaderValue::try_from(seconds) {
            headers.insert(REFRESH_INTERVAL_SECONDS, seconds);
        }
        Ok(Self {
            shown_url: shown(&config.url, &url),
            endpoint: Endpoint::from_url(&url)?,
            user: user(&url),
            headers,
            refresh_interval: config.refresh_interval,
            fetcher: Fetcher::new(&config.client, tls),
        })
    }

    /// Publishes what the server answers for as long as it runs.
    pub(super) async fn run(self, groups: watch::Sender<Found>, metrics: DiscoveryMetrics) {
        let url = &*self.shown_url;
        let mut failures = 0;
        let mut logged = String::new();
        loop {
            let began = Instant::now();
            match self.refresh().await {
                Ok(found) => {
                    if failures > 0 {
                        info!(url, failures, "http_sd answers again");
                    }
                    failures = 0;
                    logged.clear();
                    publish(&groups, found);
                }
                Err(err) => {
                    metrics.http_refresh_failed();
                    failures += 1;
                    let error = with_causes(&err);
                    if error != logged {
                        warn!(url, error, "http_sd keeps its last good targets");
                        logged = error;
                    }
                    groups.send_if_modified(Found::fail);
                }
            }
            let pause = match failures {
                0 => self.refresh_interval,
                failures => retry_pause(failures, self.refresh_interval),
            };
            sleep_until(began + pause).await;
        }
    }

    async fn refresh(&self) -> Result<Vec<TargetGroup>, RefreshError> {
        let user = self.user.as_ref();
        let user = user.map(|user| (&*user.name, &*user.password));
        let limit = BODY_SIZE_LIMIT;
        let fetch = self.fetcher.get(&self.endpoint, user, &self.headers, limit);
        let Fetched { content_type, body } = timeout(self.refresh_interval, fetch)
            .await
            .map_err(|_| RefreshError::Timeout(self.refresh_interval))??;
        if !is_json(&content_type) {
            return Err(RefreshError::ContentType(content_type));
        }
        let found = format::parse(Format::Json, &body)?;
        Ok(format::into_groups(found, &self.shown_url, URL_LABEL))
    }
}

fn publish(groups: &watch::Sender<Found>, found: Vec<TargetGroup>) {
    groups.send_if_modified(|published| {
        let news = published.groups().map(|groups| &**groups) != Some(&found);
        if news {
            *published = Found::Groups(Arc::new(found));
        }
        news
    });
}

/// How long after the start of the last of `failures` in a row the next try begins. It differs from call to call, so
/// that many who wait for one server don't come back at once.
fn retry_pause(failures: u32, longest: Duration) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(longest).mul_f64(rand::random_range(0.5..1.0))
}

/// Whether a `Content-Type` is one that Prometheus takes: JSON, in UTF-8 if it says so.
fn is_json(content_type: &str) -> bool {
    let content_type = content_type.trim().to_ascii_lowercase();
    let Some(parameters) = content_type.strip_prefix("application/json") else {
        return false;
    };
    let Some(parameter) = parameters.strip_prefix(';') else {
        return parameters.is_empty();
    };
    let charset = parameter.trim_ascii_start().strip_prefix("charset=");
    matches!(charset, Some("utf-8" | "\"utf-8\""))
}

/// The URL as it was written, but for its password.
fn shown(written: &str, url: &Url) -> String {
    if url.password().is_none() {
        return written.to_owned();
    }
    let mut url = url.clone();
    match url.set_password(Some("xxxxx")) {
        Ok(()) => url.into(),
        // There is no host, hence no password either.
        Err(()) => String::new(),
    }
}

fn user(url: &Url) -> Option<User> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    Some(User {
        name: decoded(url.username()),
        password: decoded(url.password().unwrap_or_default()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_those_that_prometheus_takes() {
        let f =
            |content_type: &str, want| assert_eq!(is_json(content_type), want, "{content_type}");
        f("application/json", true);
        f("  Application/JSON ", true);
        f("application/json;charset=utf-8", true);
        f("application/json; \tcharset=UTF-8", true);
        f("application/json; charset=\"utf-8\"", true);
        f("", false);
        f("text/plain", false);
        f("application/jsonp", false);
        f("application/json ; charset=utf-8", false);
        f("application/json;", false);
        f("application/json; charset=utf8", false);
        f("application/json; charset=latin1", false);
        f("application/json; charset=utf-8; x=y", false);
    }

    #[test]
    fn a_password_is_not_shown() {
        let f = |url: &str, want: &str| {
            assert_eq!(shown(url, &Url::parse(url).unwrap()), want, "{url}");
        };
        f("http://h", "http://h");
        f("http://u@h/%41", "http://u@h/%41");
        f("http://u:p@h", "http://u:xxxxx@h/");
    }

    #[test]
    fn retries_come_sooner_than_refreshes() {
        let longest = Duration::from_secs(60);
        for failures in [1, 2, 7, 100] {
            let pause = retry_pause(failures, longest);
            let doubled = Duration::from_secs(1 << failures.min(7).saturating_sub(1));
            assert!(pause >= doubled.min(longest) / 2, "{failures} {pause:?}");
            assert!(pause <= doubled.min(longest), "{failures} {pause:?}");
        }
    }
}
