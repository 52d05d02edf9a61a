//! The exporter's HTTP server.

use std::collections::HashSet;
use std::future::Future;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aiven_discovery::output::http_sd;
use es_scraper::scrape::Scraper;
use federate_server::auth::{Authenticator, PasswordError, Users};
use federate_server::external::ExternalUrl;
use federate_server::federate::Federation;
use federate_server::http::{AppState, ExtraHeaders, RuntimeInfo, router};
use federate_server::listener::ListenAddress;
use federate_server::metrics::ServerMetrics;
use federate_server::serve::{Drained, Limits, TlsSource, serve};
use federate_server::store::Store;
use federate_server::tenant::Fleet;
use federate_server::web_config::{LiveWebConfig, ReloadError};
use prom_model::secret::Secret;
use prom_model::target::{DiscoveryStatus, DiscoveryStatuses};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::reload::{ReloadRequests, Reloader};
use super::{build, now_ms};

/// How often the web configuration file is looked at.
const WEB_CONFIG_PERIOD: Duration = Duration::from_secs(5);

/// What the server is made of.
#[derive(Debug)]
pub(crate) struct ServerParts {
    pub(crate) listen_address: ListenAddress,
    pub(crate) authentication: Authentication,
    pub(crate) flags: Vec<(&'static str, String)>,
    pub(crate) store: Arc<Store>,
    pub(crate) federation: Arc<Federation>,
    pub(crate) scraper: Arc<Scraper>,
    pub(crate) reloader: Arc<Reloader>,
    pub(crate) registry: Registry,
    pub(crate) metrics: ServerMetrics,
}

/// Who may ask, as far as the configuration doesn't say.
#[derive(Debug)]
pub(crate) struct Authentication {
    web_config: Option<Arc<LiveWebConfig>>,
    auth: Arc<Authenticator>,
}

impl Authentication {
    /// The users of `web_config_file`, else `user` alone, else everybody.
    pub(crate) fn open(
        web_config_file: Option<&Path>,
        user: Option<&(String, Secret)>,
        metrics: &ServerMetrics,
    ) -> Result<Self, BindError> {
        let web_config = match web_config_file {
            Some(path) => {
                let metrics = metrics.web_config.clone();
                Some(Arc::new(LiveWebConfig::open(path, metrics)?))
            }
            None => None,
        };
        let auth = match (&web_config, user) {
            (Some(web_config), user) => {
                if user.is_some() {
                    warn!(
                        "--web.config.file alone says who may ask: BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD have no \
                         effect"
                    );
                }
                web_config.authenticator()
            }
            (None, Some((name, password))) => {
                let users = Users::builder().plain(name, password.expose())?.build();
                Arc::new(Authenticator::new(users))
            }
            (None, None) => Arc::new(Authenticator::open()),
        };
        Ok(Self { web_config, auth })
    }

    /// Checks users and passwords.
    pub(crate) fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.auth)
    }
}

/// Why the server doesn't listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// `--web.config.file`.
    #[error("--web.config.file")]
    WebConfig(#[from] ReloadError),
    /// The threads that answer.
    #[error("can't start threads")]
    Threads(#[source] std::io::Error),
    /// User and password of the environment.
    #[error("BASIC_AUTH_USERNAME, BASIC_AUTH_PASSWORD")]
    User(#[from] PasswordError),
}

/// A server that listens, and answers once it runs.
pub(crate) struct Server {
    listener: TcpListener,
    local_addr: SocketAddr,
    state: AppState,
    web_config: Option<Arc<LiveWebConfig>>,
    threads: Threads,
}

/// The threads that answer requests: as many as there are cores, and none that scrapes wait for.
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> Result<Self, BindError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("serve")
            .enable_all()
            .build();
        Ok(Self(Some(runtime.map_err(BindError::Threads)?)))
    }

    /// Runs `task` on them.
    async fn run<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        // Fails where it panics, or is aborted, which nobody does.
        self.0.as_ref()?.spawn(task).await.ok()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // What still blocks a thread must not hold up the end.
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("local_addr", &self.local_addr)
            .finish_non_exhaustive()
    }
}

impl Server {
    pub(crate) async fn bind(parts: ServerParts) -> Result<Self, BindError> {
        let auth = parts.authentication.authenticator();
        let web_config = parts.authentication.web_config.clone();
        // A socket belongs to the threads that open it.
        let threads = Threads::start()?;
        let address = parts.listen_address.clone();
        let listen = async move {
            let listener = address.bind().await?;
            let local_addr = listener.local_addr()?;
            Ok((listener, local_addr))
        };
        let listening = threads.run(listen).await;
        let listening = listening.unwrap_or_else(|| Err(ErrorKind::Interrupted.into()));
        let (listener, local_addr) = listening.map_err(|source| BindError::Listen {
            address: parts.listen_address.clone(),
            source,
        })?;
        if !auth.is_required() && !local_addr.ip().is_loopback() {
            warn!(address = %local_addr, "nobody is asked for a password: everybody who can connect sees everything");
        }
        let is_tls = web_config
            .as_ref()
            .is_some_and(|web_config| web_config.is_tls());
        info!(address = %local_addr, tls = is_tls, "listening");
        let state = app_state(parts, auth, local_addr, is_tls);
        Ok(Self {
            listener,
            local_addr,
            state,
            web_config,
            threads,
        })
    }

    pub(crate) const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    pub(crate) async fn run(self, shutdown: impl Future<Output = ()>) -> Drained {
        let (tls, headers): (Arc<dyn TlsSource>, ExtraHeaders) = match &self.web_config {
            Some(web_config) => (Arc::clone(web_config) as _, web_config.headers()),
            None => (Arc::new(()), Arc::new(|| Arc::new([]))),
        };
        let app = router(self.state, headers);
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // Without the sender it is the end, too.
            let _ = stopped.await;
        };
        let watch = self
            .web_config
            .map(|web_config| tokio::spawn(web_config.watch(WEB_CONFIG_PERIOD)));
        let served = serve(self.listener, app, tls, Limits::default(), stopped);
        let mut served = pin!(self.threads.run(served));
        let drained = tokio::select! {
            drained = &mut served => drained,
            () = shutdown => {
                let _ = stop.send(());
                served.await
            }
        };
        if let Some(watch) = watch {
            watch.abort();
        }
        drained.unwrap_or(Drained::CutOff)
    }
}

/// How the discoveries of the running configuration are doing.
struct Discoveries(Arc<Reloader>);

impl DiscoveryStatuses for Discoveries {
    fn discoveries(&self) -> Vec<DiscoveryStatus> {
        self.0.view().rows()
    }

    fn services(&self, sources: &HashSet<Arc<str>>) -> Vec<DiscoveryStatus> {
        self.0.view().services(sources)
    }
}

fn app_state(
    parts: ServerParts,
    auth: Arc<Authenticator>,
    local_addr: SocketAddr,
    is_tls: bool,
) -> AppState {
    let reloader = Arc::clone(&parts.reloader);
    let (discovered, shown) = (Arc::clone(&reloader), Arc::clone(&reloader));
    let hostname = build::hostname();
    let scheme = if is_tls { "https" } else { "http" };
    let external_url = ExternalUrl::of_host(scheme, &hostname, local_addr.port());
    let working_directory = std::env::current_dir().unwrap_or_default();
    let fleet = Fleet::new(parts.scraper)
        .with_discovered(
            Arc::new(move || discovered.view().discovered()),
            http_sd::render,
        )
        .with_discovery(Arc::new(Discoveries(Arc::clone(&reloader))));
    AppState {
        federation: parts.federation,
        series: parts.store,
        fleet: Arc::new(fleet),
        auth,
        readiness: reloader.readiness(),
        reload: Arc::new(ReloadRequests::new(Arc::clone(&reloader))),
        config_yaml: Arc::new(move || shown.shown()),
        flags: Arc::new(
            parts
                .flags
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        ),
        build: Arc::new(build::info()),
        runtime: Arc::new(RuntimeInfo {
            start_ms: now_ms(),
            working_directory: working_directory.display().to_string(),
            hostname,
        }),
        external_url: Arc::new(external_url),
        registry: Arc::new(parts.registry),
        metrics: parts.metrics,
        now_ms: Arc::new(now_ms),
    }
}
