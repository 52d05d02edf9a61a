//! The process's own metrics.
//!
//! [`ServerMetrics::register`] puts them into a registry that the caller owns; the router shows that registry at
//! `/metrics`. `prometheus-client` writes label values as they are, so only fixed or cleaned ones are used.

mod exposition;
mod process;
mod tenants;

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

pub use self::exposition::{Exposition, encode};
pub use self::process::ProcessMetrics;
pub(crate) use self::tenants::SentMetrics;
pub use self::tenants::TenantMetrics;
use crate::auth::AuthMetrics;
use crate::http::{BuildInfo, Endpoint, Shared, plain};

/// All metrics of this crate; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct ServerMetrics {
    /// Requests of every kind.
    pub http: HttpMetrics,
    /// Federation.
    pub federate: FederateMetrics,
    /// Requests of tenants.
    pub tenants: TenantMetrics,
    /// Reading of the configuration.
    pub config: ReloadMetrics,
    /// Reading of the web configuration file, see [`crate::web_config`].
    pub web_config: ReloadMetrics,
    /// Users and passwords.
    pub auth: AuthMetrics,
}

impl ServerMetrics {
    /// Registers all of them, and `build`, with `prefix` (such as `elasticsearch_metric_exporter`) before their names.
    #[must_use]
    pub fn register(registry: &mut Registry, prefix: &str, build: &BuildInfo) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix(prefix);
        let info = Family::<Vec<(String, String)>, Gauge>::default();
        info.get_or_create(&build_labels(build)).set(1);
        registry.register(
            "build_info",
            "What is running, in labels; the value is always 1",
            info,
        );
        metrics
            .http
            .register(registry.sub_registry_with_prefix("http"));
        metrics
            .federate
            .register(registry.sub_registry_with_prefix("federate"));
        metrics
            .tenants
            .register(registry.sub_registry_with_prefix("tenant"));
        metrics
            .config
            .register(registry.sub_registry_with_prefix("config"), "configuration");
        metrics.web_config.register(
            registry.sub_registry_with_prefix("web_config"),
            "web configuration",
        );
        metrics
            .auth
            .register(registry.sub_registry_with_prefix("auth"));
        metrics
    }
}

fn build_labels(build: &BuildInfo) -> Vec<(String, String)> {
    let labels = [
        ("version", &build.version),
        ("revision", &build.revision),
        ("branch", &build.branch),
        ("rustversion", &build.rust_version),
    ];
    labels
        .map(|(name, value)| (name.to_owned(), clean(value)))
        .into()
}

/// `value` as `prometheus-client` may write it.
fn clean(value: &str) -> String {
    value.replace(['"', '\\', '\n'], "_")
}

/// How the configuration's last reading went.
#[derive(Debug, Clone, Default)]
pub struct ReloadMetrics {
    successful: Gauge,
    success_seconds: Gauge,
}

impl ReloadMetrics {
    /// The configuration was read and is in use since `now_ms` (milliseconds since the Unix epoch).
    pub fn succeeded(&self, now_ms: i64) {
        self.successful.set(1);
        self.success_seconds.set(now_ms.div_euclid(1000));
    }

    /// It was broken, and the former one stays in use.
    pub fn failed(&self) {
        self.successful.set(0);
    }

    /// Whether the last reading succeeded.
    #[must_use]
    pub fn last_succeeded(&self) -> bool {
        self.successful.get() == 1
    }

    /// When it last succeeded, in seconds since the Unix epoch; zero before the first time.
    #[must_use]
    pub fn last_success_seconds(&self) -> i64 {
        self.success_seconds.get()
    }

    fn register(&self, registry: &mut Registry, what: &str) {
        registry.register(
            "last_reload_successful",
            format!("Whether the last attempt to read the {what} succeeded"),
            self.successful.clone(),
        );
        registry.register(
            "last_reload_success_timestamp_seconds",
            format!("When the {what} was last read successfully, in seconds since the Unix epoch"),
            self.success_seconds.clone(),
        );
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    handler: String,
    code: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: u16,
}

/// Requests of every kind.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: Family<RequestLabels, Counter>,
    duration: Histogram,
}

impl Default for HttpMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
        }
    }
}

impl HttpMetrics {
    /// Counts a request whose answer's head took `duration`. `endpoint` is `None` for a path that doesn't exist.
    pub fn observe(&self, endpoint: Option<Endpoint>, status: StatusCode, duration: Duration) {
        let handler = endpoint.map_or_else(|| "None".to_owned(), |it| format!("{it:?}"));
        let code = status.as_u16();
        self.requests
            .get_or_create(&RequestLabels { handler, code })
            .inc();
        self.duration.observe(duration.as_secs_f64());
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Requests by what answered them and by status code",
            self.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time until the head of an answer was known",
            self.duration.clone(),
        );
    }
}

/// Federation requests.
#[derive(Debug, Clone)]
pub struct FederateMetrics {
    requests: Family<CodeLabels, Counter>,
    duration: Histogram,
    series: Counter,
    bytes: Counter,
    unfinished: Counter,
}

impl Default for FederateMetrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            duration: Histogram::new(exponential_buckets(0.001, 4.0, 8)),
            series: Counter::default(),
            bytes: Counter::default(),
            unfinished: Counter::default(),
        }
    }
}

impl FederateMetrics {
    /// Counts a request, when its status is known.
    pub fn answered(&self, status: StatusCode) {
        let code = status.as_u16();
        self.requests.get_or_create(&CodeLabels { code }).inc();
    }

    /// Counts what was sent as it is sent; `bytes` after compression.
    pub fn sent(&self, series: u64, bytes: u64) {
        self.series.inc_by(series);
        self.bytes.inc_by(bytes);
    }

    /// The whole answer was handed to the connection, `duration` after the request.
    pub fn finished(&self, duration: Duration) {
        self.duration.observe(duration.as_secs_f64());
    }

    /// The client went away, or was too slow, before the answer's end.
    pub fn abandoned(&self) {
        self.unfinished.inc();
    }

    fn register(&self, registry: &mut Registry) {
        registry.register(
            "requests",
            "Federation requests by status code",
            self.requests.clone(),
        );
        registry.register(
            "duration_seconds",
            "Time until the whole answer was handed to the connection",
            self.duration.clone(),
        );
        registry.register("series", "Series served", self.series.clone());
        registry.register(
            "bytes",
            "Bytes served, after compression",
            self.bytes.clone(),
        );
        registry.register(
            "unfinished",
            "Answers whose client went away or was too slow",
            self.unfinished.clone(),
        );
    }
}

/// The registry in the format that the client asks for.
pub(crate) async fn serve(State(state): State<Shared>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Exposition::negotiate(accept.unwrap_or_default());
    match encode(&state.registry, format) {
        Ok(text) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(_) => plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            "metrics cannot be encoded",
        ),
    }
}
