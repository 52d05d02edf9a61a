//! `elasticsearch-metric-exporter`: discovers nodes, scrapes them, serves their samples.

pub mod access;
pub mod build;
pub mod check;
pub mod flags;
pub mod jobs;
mod ready;
pub mod reload;
pub mod server;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use es_scraper::scrape::{ScrapeMetrics, Scraper, ScraperOptions, offset_seed};
use federate_server::federate::Federation;
use federate_server::metrics::{ProcessMetrics, ServerMetrics};
use federate_server::serve::Drained;
use federate_server::store::{DEFAULT_LOOKBACK, Store};
use futures_util::FutureExt as _;
use prom_model::target::TargetStatuses as _;
use prometheus_client::registry::Registry;
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use self::access::AccessControl;
use self::jobs::{Jobs, JobsOptions};
use self::reload::{ConfigSource, ReloadRequests, Reloader, Running};
use self::server::{Authentication, Server, ServerParts};
use crate::platform::Variables;
use crate::program::LAST_MOMENT;

/// Before the names of this program's own metrics.
pub const METRICS_PREFIX: &str = "elasticsearch_metric_exporter";

/// How often samples of targets that are gone are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

/// What the program runs with; see [`flags`] for what each is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the configuration is read from, at the start and at each reload.
    pub config: ConfigSource,
    /// `--web.listen-address`.
    pub listen_address: federate_server::listener::ListenAddress,
    /// `--web.config.file`.
    pub web_config_file: Option<PathBuf>,
    /// User and password that are asked for where there is no web configuration file.
    pub user: Option<(String, prom_model::secret::Secret)>,
    /// `--web.trusted-proxies`.
    pub trusted_proxies: usize,
    /// `--state.path`.
    pub state_path: Option<PathBuf>,
    /// The API's token, where the configuration has none.
    pub api_token: Option<prom_model::secret::Secret>,
    /// The API's address, where the configuration has none.
    pub api_url: Option<String>,
    /// Who asks a Cloud Foundry, where the configuration has no credentials for it.
    pub cloud_foundry_credentials: Option<cloud_foundry::Credentials>,
    /// Every flag and its value, to be shown.
    pub flags: Vec<(&'static str, String)>,
}

/// The exporter, listening and ready to run.
#[derive(Debug)]
pub struct Exporter {
    server: Server,
    scraper: Arc<Scraper>,
    store: Arc<Store>,
    reloader: Arc<Reloader>,
}

impl Exporter {
    /// Reads the configuration, starts discovering and scraping, and listens. Nothing is answered before
    /// [`Exporter::run`].
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(settings: Settings, environment: Variables) -> Result<Self, StartError> {
        let config = settings.config.load(&*environment)?;
        let user_agent = build::user_agent(&*environment);
        for warning in &config.warnings {
            warn!("{warning}");
        }
        if let Some(folder) = &settings.state_path {
            std::fs::create_dir_all(folder).map_err(|source| StartError::StatePath {
                path: folder.clone(),
                source,
            })?;
        }
        let mut registry = Registry::default();
        let metrics = ServerMetrics::register(&mut registry, METRICS_PREFIX, &build::info());
        ProcessMetrics.register(&mut registry);
        let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
        store.register(registry.sub_registry_with_prefix(METRICS_PREFIX));
        let external_labels = &config.global.external_labels;
        let federation = Arc::new(Federation::new(Arc::clone(&store), external_labels));
        let scraper = Arc::new(Scraper::new(
            Arc::clone(&store) as _,
            ScrapeMetrics::register(&mut registry),
            ScraperOptions {
                user_agent: user_agent.clone(),
                offset_seed: offset_seed(&build::hostname(), external_labels),
                ..ScraperOptions::default()
            },
        ));
        let options = JobsOptions {
            api_token: settings.api_token,
            api_url: settings.api_url,
            cloud_foundry_credentials: settings.cloud_foundry_credentials,
            state_path: settings.state_path,
            user_agent: user_agent.clone(),
        };
        let jobs = Jobs::new(Arc::clone(&scraper), options, &mut registry);
        let jobs = jobs.map_err(reload::ApplyError::from)?;
        let authentication = Authentication::open(
            settings.web_config_file.as_deref(),
            settings.user.as_ref(),
            &metrics,
        )?;
        let auth = authentication.authenticator();
        auth.set_trusted_proxies(settings.trusted_proxies);
        let access = AccessControl::new(auth, &user_agent);
        let reloader = Arc::new(Reloader::new(
            settings.config,
            environment,
            Running { jobs, access },
            Arc::clone(&federation),
            metrics.config.clone(),
        ));
        reloader.apply(&config)?;
        let server = Server::bind(ServerParts {
            listen_address: settings.listen_address,
            authentication,
            flags: settings.flags,
            store: Arc::clone(&store),
            federation,
            scraper: Arc::clone(&scraper),
            reloader: Arc::clone(&reloader),
            registry,
            metrics,
        })
        .await?;
        Ok(Self {
            server,
            scraper,
            store,
            reloader,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    /// How many targets have been scraped at least once, with or without success.
    #[must_use]
    pub fn scraped_targets(&self) -> usize {
        let pools = self.scraper.pools();
        let targets = pools.iter().flat_map(|pool| &pool.active);
        targets
            .filter(|target| target.last_scrape_ms.is_some())
            .count()
    }

    /// Serves until `shutdown` resolves; reads the configuration again at each item of `reloads`. Returns once answers
    /// in flight are finished, or were cut off after 8 seconds, and scraping has stopped; or 9.5 seconds after
    /// `shutdown` whatever still goes on.
    pub async fn run(self, mut reloads: mpsc::Receiver<()>, shutdown: impl Future<Output = ()>) {
        let requests = ReloadRequests::new(Arc::clone(&self.reloader));
        let on_signal = tokio::spawn(async move {
            while reloads.recv().await.is_some() {
                // What fails is logged and counted there.
                let _ = requests.request().await;
            }
        });
        let store = Arc::clone(&self.store);
        let sweep = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP_INTERVAL);
            loop {
                ticks.tick().await;
                let store = Arc::clone(&store);
                // It may take long where there are millions of series, and this thread has scrapes to make. It panics
                // only where the store does.
                let _ = tokio::task::spawn_blocking(move || store.sweep(now_ms())).await;
            }
        });
        let serve = async |stopped: oneshot::Receiver<()>| {
            let drained = self.server.run(stopped.map(drop)).await;
            on_signal.abort();
            sweep.abort();
            self.reloader.stop();
            self.scraper.shutdown().await;
            drained
        };
        let drained = bounded(LAST_MOMENT, shutdown, serve).await;
        if drained.is_none() {
            warn!(limit = ?LAST_MOMENT, "not everything has stopped in time");
        }
        info!(clean = drained == Some(Drained::Clean), "stopped");
    }
}

/// What `run` comes to, which is told when `shutdown` resolves; `None` where it goes on for longer than `limit` after
/// that.
async fn bounded<T>(
    limit: Duration,
    shutdown: impl Future<Output = ()>,
    run: impl AsyncFnOnce(oneshot::Receiver<()>) -> T,
) -> Option<T> {
    let (stop, stopped) = oneshot::channel();
    let last_moment = async {
        shutdown.await;
        // It may have ended by itself.
        let _ = stop.send(());
        tokio::time::sleep(limit).await;
    };
    tokio::select! {
        result = run(stopped) => Some(result),
        () = last_moment => None,
    }
}

/// Why the exporter doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] crate::config::LoadError),
    /// What the configuration asks for can't be set up.
    #[error(transparent)]
    Apply(#[from] reload::ApplyError),
    /// The folder of `--state.path`.
    #[error("--state.path={path}", path = path.display())]
    StatePath {
        /// The folder.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The server.
    #[error(transparent)]
    Server(#[from] server::BindError),
}

impl StartError {
    /// Whether the user has to change the configuration, rather than the surroundings.
    #[must_use]
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::Config(_) | Self::Apply(_))
    }
}

/// The time, in milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whatever_hangs_is_left_behind() {
        let limit = Duration::from_millis(10);
        let hang = async |_| std::future::pending::<()>().await;
        assert_eq!(bounded(limit, async {}, hang).await, None);
        // It is told, and has its time.
        let heed = async |stopped: oneshot::Receiver<()>| stopped.await.is_ok();
        assert_eq!(bounded(SWEEP_INTERVAL, async {}, heed).await, Some(true));
        // Nothing is cut off before.
        let quick = async |_| 1;
        assert_eq!(bounded(limit, std::future::pending(), quick).await, Some(1));
    }
}
