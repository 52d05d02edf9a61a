//! What the handlers answer from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use prometheus_client::registry::Registry;

use crate::api::ReadSeries;
use crate::auth::Authenticator;
use crate::external::ExternalUrl;
use crate::federate::Federation;
use crate::metrics::ServerMetrics;
use crate::tenant::Fleet;

/// A value that is asked for at each request.
pub type Provider<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// Everything that handlers answer from.
#[derive(Clone)]
pub struct AppState {
    /// What `/federate` serves.
    pub federation: Arc<Federation>,
    /// The latest samples.
    pub series: Arc<dyn ReadSeries>,
    /// What is scraped and discovered.
    pub fleet: Arc<Fleet>,
    /// Who may ask.
    pub auth: Arc<Authenticator>,
    /// Whether the first discovery has succeeded.
    pub readiness: Arc<Readiness>,
    /// Reads the configuration again.
    pub reload: Arc<dyn Reload>,
    /// The running configuration as YAML, secrets already replaced.
    pub config_yaml: Provider<String>,
    /// Names of the command line's flags (without dashes) and their values.
    pub flags: Arc<BTreeMap<String, String>>,
    /// What is running.
    pub build: Arc<BuildInfo>,
    /// Where and since when.
    pub runtime: Arc<RuntimeInfo>,
    /// Where users reach this process.
    pub external_url: Arc<ExternalUrl>,
    /// The process's own metrics, as `/metrics` shows them.
    pub registry: Arc<Registry>,
    /// Those of them that the handlers count.
    pub metrics: ServerMetrics,
    /// The time, in milliseconds since the Unix epoch.
    pub now_ms: Provider<i64>,
}

/// What each part of the router has of it, and clones time and again for each request.
pub(crate) type Shared = Arc<AppState>;

impl fmt::Debug for AppState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppState").finish_non_exhaustive()
    }
}

/// Whether requests can be answered sensibly. Starts as not ready.
#[derive(Debug, Default)]
pub struct Readiness(AtomicBool);

impl Readiness {
    /// Not ready.
    #[must_use]
    pub const fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Ready from now on.
    pub fn set_ready(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Reads the configuration again, and logs how that went: it happens for other reasons than a request, too.
pub trait Reload: Send + Sync {
    /// Resolves once the new configuration is in use.
    ///
    /// # Errors
    /// Where it is broken; the former one stays in use. The text is shown to the user.
    fn reload(&self) -> BoxFuture<'_, Result<(), String>>;
}

/// What is running. Values are chosen at build time; they become labels of a metric.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// The program's name, such as `elasticsearch-metric-exporter`.
    pub program: String,
    /// The version.
    pub version: String,
    /// The commit it was built from.
    pub revision: String,
    /// The branch it was built from.
    pub branch: String,
    /// Who built it.
    pub build_user: String,
    /// When it was built.
    pub build_date: String,
    /// The compiler's version.
    pub rust_version: String,
}

/// Where and since when the process runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RuntimeInfo {
    /// Start of the process, in milliseconds since the Unix epoch.
    pub start_ms: i64,
    /// The working directory.
    pub working_directory: String,
    /// The machine's name.
    pub hostname: String,
}
