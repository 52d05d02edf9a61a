//! Reading the configuration again, without disturbing what it leaves as it is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use federate_server::federate::Federation;
use federate_server::http::{Readiness, Reload};
use federate_server::metrics::ReloadMetrics;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

use super::access::{AccessControl, AccessError};
use super::jobs::{Jobs, View};
use super::now_ms;
use crate::config::{self, Environment, ExporterConfig, LoadError, environment};
use crate::platform::Variables;
use crate::program::chain;

/// Where the configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigSource {
    /// A file.
    File(PathBuf),
    /// Variables of the environment.
    Environment,
}

impl ConfigSource {
    /// Reads the configuration.
    ///
    /// # Errors
    /// [`LoadError`]
    pub fn load(&self, environment: Environment<'_>) -> Result<ExporterConfig, LoadError> {
        match self {
            Self::File(path) => config::load(path, environment),
            Self::Environment => Ok(environment::load(environment)?),
        }
    }

    fn show(&self, config: &ExporterConfig) -> String {
        match self {
            Self::File(path) => config::show(config, path),
            Self::Environment => config::show(config, Path::new("")),
        }
    }
}

/// What a configuration is put to use by.
#[derive(Debug)]
pub struct Running {
    /// Discovers and scrapes.
    pub jobs: Jobs,
    /// Lets in.
    pub access: AccessControl,
}

/// Why a configuration that is valid can't be put to use; the former one stays in use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// Discovery.
    #[error(transparent)]
    Jobs(#[from] super::jobs::ApplyError),
    /// Who may ask.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Holds what runs, and replaces it when the configuration is read again.
pub struct Reloader {
    source: ConfigSource,
    environment: Variables,
    running: Mutex<Running>,
    federation: Arc<Federation>,
    metrics: ReloadMetrics,
    /// The configuration in use, as it is shown.
    shown: ArcSwap<String>,
    view: ArcSwap<View>,
    readiness: Arc<Readiness>,
}

/// Why the configuration wasn't replaced.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloader")
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl Reloader {
    /// Has `running` do what configurations say that come from `source`, none so far.
    #[must_use]
    pub fn new(
        source: ConfigSource,
        environment: Variables,
        running: Running,
        federation: Arc<Federation>,
        metrics: ReloadMetrics,
    ) -> Self {
        let readiness = running.jobs.readiness();
        Self {
            source,
            environment,
            running: Mutex::new(running),
            federation,
            metrics,
            shown: ArcSwap::default(),
            view: ArcSwap::default(),
            readiness,
        }
    }

    /// Puts `config` to use.
    ///
    /// # Errors
    /// [`ApplyError`]; then nothing has changed.
    pub fn apply(&self, config: &ExporterConfig) -> Result<(), ApplyError> {
        self.apply_to(&mut self.lock(), config)
    }

    fn apply_to(&self, running: &mut Running, config: &ExporterConfig) -> Result<(), ApplyError> {
        let access = running.access.prepare(&config.extension)?;
        let view = running.jobs.apply(config)?;
        running.access.apply(access);
        self.federation
            .set_external_labels(&config.global.external_labels);
        self.shown.store(Arc::new(self.source.show(config)));
        self.view.store(Arc::new(view));
        self.metrics.succeeded(now_ms());
        Ok(())
    }

    /// Reads the configuration and puts it to use. What fails is logged, counted and told, and changes nothing. Blocks,
    /// for as long as reading the file does.
    ///
    /// # Errors
    /// The reason, with its causes, for people.
    pub fn reload_now(&self) -> Result<(), String> {
        let result = self.try_reload();
        match &result {
            Ok(()) => info!("the configuration was read again"),
            Err(reason) => {
                self.metrics.failed();
                error!(
                    reason,
                    "the configuration can't be read again, the former one stays in use"
                );
            }
        }
        result
    }

    fn try_reload(&self) -> Result<(), String> {
        // Held while the file is read, so that of two reloads the later one can't apply the older file.
        let mut running = self.lock();
        let config = self
            .source
            .load(&*self.environment)
            .map_err(ReloadError::from);
        let config = config.map_err(|error| chain(&error))?;
        for warning in &config.warnings {
            warn!("{warning}");
        }
        self.apply_to(&mut running, &config)
            .map_err(|error| chain(&ReloadError::from(error)))
    }

    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was discovered, by the configuration in use.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.view.load_full()
    }

    /// The configuration in use as YAML, without secrets.
    #[must_use]
    pub fn shown(&self) -> String {
        String::clone(&self.shown.load())
    }

    /// Whether the first discovery has succeeded or was restored.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        Arc::clone(&self.readiness)
    }

    /// Stops discovering; unless a reload is under way, which then ends with the program.
    pub fn stop(&self) {
        if let Ok(mut running) = self.running.try_lock() {
            running.jobs.stop();
        }
    }
}

/// Reloads that are asked for while other things go on.
#[derive(Debug, Clone)]
pub struct ReloadRequests {
    reloader: Arc<Reloader>,
    runtime: Handle,
    /// One at a time, so that a file that can't be read takes one thread and not all.
    turn: Arc<Semaphore>,
}

impl ReloadRequests {
    /// What a reload starts runs where this is called, wherever the reload is asked for.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(reloader: Arc<Reloader>) -> Self {
        Self {
            reloader,
            runtime: Handle::current(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// [`Reloader::reload_now`] on a thread where a file may block.
    ///
    /// # Errors
    /// The reason, with its causes, for people.
    pub async fn request(&self) -> Result<(), String> {
        let reloader = Arc::clone(&self.reloader);
        // Fails only once the semaphore is closed, which nobody does.
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let reload = self.runtime.spawn_blocking(move || {
            let _turn = turn;
            reloader.reload_now()
        });
        reload.await.unwrap_or_else(|error| Err(chain(&error)))
    }
}

impl Reload for ReloadRequests {
    fn reload(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(self.request())
    }
}
