//! `aiven-service-discovery`: keeps a target file for a real Prometheus, as the Go program of that name did.

pub mod flags;

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use aiven_discovery::config::{AivenSdConfig, BuildError, BuildOptions};
use aiven_discovery::discovery::Discovery;
use aiven_discovery::metrics::Metrics;
use aiven_discovery::output::file_sd::TargetFile;
use aiven_discovery::output::{http_sd, sidecar};
use axum::Router;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use federate_server::listener::ListenAddress;
use federate_server::metrics::{Exposition, ProcessMetrics, encode};
use federate_server::serve::{Limits, serve};
use prom_model::target::TargetGroup;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use crate::program::LAST_MOMENT;

/// The program's name.
pub const PROGRAM: &str = "aiven-service-discovery";

/// What the program runs with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What is discovered, and how often.
    pub discovery: AivenSdConfig,
    /// The API's token and address.
    pub options: BuildOptions,
    /// The target file.
    pub target_path: PathBuf,
    /// Where `/metrics` is served.
    pub metrics_address: ListenAddress,
    /// Where `/sd/targets` is served, if anywhere.
    pub http_sd_address: Option<ListenAddress>,
}

/// Why the program doesn't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// Discovery.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// An address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: ListenAddress,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// The program, listening and ready to run.
#[derive(Debug)]
pub struct Sidecar {
    discovery: Discovery,
    metrics: Bound,
    http_sd: Option<Bound>,
    registry: Arc<Registry>,
    /// Discovering, and writing the file.
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    async fn new(address: &ListenAddress) -> Result<Self, StartError> {
        let bind = async || {
            let listener = address.bind().await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bind().await.map_err(|source| StartError::Listen {
            address: address.clone(),
            source,
        })
    }
}

impl Sidecar {
    /// Listens, and starts to discover and to write the file.
    ///
    /// # Errors
    /// [`StartError`]
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let mut registry = Registry::default();
        let metrics = Metrics::default();
        metrics.register_sidecar(&mut registry);
        ProcessMetrics.register(&mut registry);
        let options = BuildOptions {
            metrics: metrics.clone(),
            ..settings.options
        };
        let (discoverer, discovery) = settings
            .discovery
            .build(&settings.discovery.project, &options)?;
        let discoverer = match tokio::fs::read_to_string(&settings.target_path).await {
            // The addresses of before the start, for services whose first lookup fails.
            Ok(file) => discoverer.with_last_addresses(sidecar::addresses(&file)),
            Err(_) => discoverer,
        };
        let bound = Bound::new(&settings.metrics_address).await?;
        info!(address = %bound.address, "listening, metrics");
        let http_sd = match &settings.http_sd_address {
            Some(address) => {
                let bound = Bound::new(address).await?;
                info!(address = %bound.address, "listening, http_sd");
                Some(bound)
            }
            None => None,
        };
        let file = TargetFile::new(
            settings.target_path,
            sidecar::render,
            settings.discovery.dns_refresh_interval,
            metrics,
        );
        let mut tasks = JoinSet::new();
        tasks.spawn(discoverer.run());
        tasks.spawn(file.follow(discovery.groups()));
        Ok(Self {
            discovery,
            metrics: bound,
            http_sd,
            registry: Arc::new(registry),
            tasks,
        })
    }

    /// Where `/metrics` is served.
    #[must_use]
    pub const fn metrics_addr(&self) -> SocketAddr {
        self.metrics.address
    }

    /// Where `/sd/targets` is served, if anywhere.
    #[must_use]
    pub fn http_sd_addr(&self) -> Option<SocketAddr> {
        self.http_sd.as_ref().map(|bound| bound.address)
    }

    /// Runs until `shutdown` resolves and answers in flight are finished, or 9.5 seconds have passed since.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let (stop, stopped) = watch::channel(());
        let until = |mut stopped: watch::Receiver<()>| async move {
            // It closes when the program is to stop.
            let _ = stopped.changed().await;
        };
        let mut servers = JoinSet::new();
        let app = Router::new()
            .route("/metrics", get(serve_metrics))
            .with_state(Arc::clone(&self.registry));
        let limits = Limits::default();
        servers.spawn(serve(
            self.metrics.listener,
            app,
            Arc::new(()),
            limits.clone(),
            until(stopped.clone()),
        ));
        if let Some(bound) = self.http_sd {
            let app = Router::new()
                .route("/sd/targets", get(serve_targets))
                .with_state(self.discovery.groups());
            servers.spawn(serve(
                bound.listener,
                app,
                Arc::new(()),
                limits,
                until(stopped),
            ));
        }
        tokio::select! {
            () = shutdown => {}
            Some(ended) = self.tasks.join_next() => {
                warn!(panicked = ended.is_err(), "discovery has ended by itself");
            }
        }
        drop(stop);
        let end = async {
            servers.join_all().await;
            self.tasks.shutdown().await;
        };
        if timeout(LAST_MOMENT, end).await.is_err() {
            warn!(limit = ?LAST_MOMENT, "not everything has stopped in time");
        }
        info!("stopped");
    }
}

async fn serve_metrics(State(registry): State<Arc<Registry>>, headers: HeaderMap) -> Response {
    let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Exposition::negotiate(accept.unwrap_or_default());
    match encode(&registry, format) {
        Ok(text) => ([(CONTENT_TYPE, format.content_type())], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn serve_targets(State(groups): State<watch::Receiver<Arc<Vec<TargetGroup>>>>) -> Response {
    let groups = Arc::clone(&groups.borrow());
    (
        [(CONTENT_TYPE, http_sd::CONTENT_TYPE)],
        http_sd::render(&groups),
    )
        .into_response()
}
