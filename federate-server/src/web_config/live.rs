//! A web configuration file in use.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use http::header::{HeaderName, HeaderValue};
use prom_config::ConfigError;
use rustls::ServerConfig;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{TlsError, WebConfig};
use crate::auth::Authenticator;
use crate::http::ExtraHeaders;
use crate::metrics::ReloadMetrics;
use crate::serve::TlsSource;

/// Why a web configuration file isn't used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It can't be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error("{}:{source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What and where.
        source: ConfigError,
    },
    /// Its certificates can't be used.
    #[error("{}: TLS", path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TlsError,
    },
    /// It has users no more, and nobody else has any. A file that is half written looks like that, so it takes a
    /// restart.
    #[error("{}: authentication can only be switched off by a restart", path.display())]
    NoUsers {
        /// The file.
        path: PathBuf,
    },
    /// It switches TLS on or off.
    #[error("{}: TLS can only be switched on or off by a restart", path.display())]
    TlsSwitched {
        /// The file.
        path: PathBuf,
    },
}

/// A web configuration file in use: each connection and request asks it.
///
/// A changed file that is broken changes nothing.
#[derive(Debug)]
pub struct LiveWebConfig {
    path: PathBuf,
    auth: Arc<Authenticator>,
    active: ArcSwap<Active>,
    /// The files at the last attempt, good or not.
    seen: Mutex<Files>,
    metrics: ReloadMetrics,
}

#[derive(Debug)]
struct Active {
    tls: Option<Arc<ServerConfig>>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

/// Digests of the file and of those it names, `None` where one can't be read.
type Files = BTreeMap<PathBuf, Option<[u8; 32]>>;

impl LiveWebConfig {
    /// Reads the file at `path` and what it names. Blocks. `metrics` tell how later attempts went.
    ///
    /// # Errors
    /// As [`ReloadError`] says.
    pub fn open(path: &Path, metrics: ReloadMetrics) -> Result<Self, ReloadError> {
        let mut seen = Files::new();
        let loaded = Loaded::read(path, &mut seen)?;
        metrics.succeeded(now_ms());
        Ok(Self {
            path: path.to_owned(),
            auth: Arc::new(Authenticator::new(loaded.users)),
            active: ArcSwap::from_pointee(loaded.active),
            seen: Mutex::new(seen),
            metrics,
        })
    }

    /// Checks the users of the file, as it is now; other parts of it are for the caller to set.
    #[must_use]
    pub fn authenticator(&self) -> Arc<Authenticator> {
        Arc::clone(&self.auth)
    }

    /// The headers of the file, as it is now.
    #[must_use]
    pub fn headers(self: &Arc<Self>) -> ExtraHeaders {
        let live = Arc::clone(self);
        Arc::new(move || Arc::clone(&live.active.load().headers))
    }

    /// Whether TLS is spoken.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.active.load().tls.is_some()
    }

    /// Reads the files again where they have changed since the last attempt. Blocks.
    ///
    /// # Errors
    /// Where what changed is broken; the former configuration stays in use.
    pub fn reload(&self) -> Result<(), ReloadError> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let paths = seen.keys().cloned();
        if paths
            .map(|path| (digest(&path), path))
            .all(|(now, path)| seen.get(&path) == Some(&now))
        {
            return Ok(());
        }
        let loaded = self.load(&mut seen);
        match &loaded {
            Ok(_) => self.metrics.succeeded(now_ms()),
            Err(_) => self.metrics.failed(),
        }
        let loaded = loaded?;
        self.auth.set_web_users(loaded.users);
        self.active.store(Arc::new(loaded.active));
        info!(file = %self.path.display(), "web configuration reloaded");
        Ok(())
    }

    fn load(&self, seen: &mut Files) -> Result<Loaded, ReloadError> {
        let path = || self.path.clone();
        let loaded = Loaded::read(&self.path, seen)?;
        if loaded.users.is_empty() && self.auth.is_required_by_web_users_alone() {
            return Err(ReloadError::NoUsers { path: path() });
        }
        if loaded.active.tls.is_some() != self.is_tls() {
            return Err(ReloadError::TlsSwitched { path: path() });
        }
        Ok(loaded)
    }

    /// Looks for changes every `period`, for ever. A broken file is logged once.
    pub async fn watch(self: Arc<Self>, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let live = Arc::clone(&self);
            let reloaded = tokio::task::spawn_blocking(move || live.reload()).await;
            if let Ok(Err(error)) = reloaded {
                let reason = std::error::Error::source(&error).map(ToString::to_string);
                warn!(%error, reason, "web configuration not reloaded");
            }
        }
    }
}

impl TlsSource for LiveWebConfig {
    fn server_config(&self) -> Option<Arc<ServerConfig>> {
        self.active.load().tls.clone()
    }
}

struct Loaded {
    users: crate::auth::Users,
    active: Active,
}

impl Loaded {
    /// Reads everything, and puts what was read into `seen` even where it is broken.
    fn read(path: &Path, seen: &mut Files) -> Result<Self, ReloadError> {
        let owned = || path.to_owned();
        seen.insert(owned(), digest(path));
        let text = fs::read_to_string(path).map_err(|source| ReloadError::Read {
            path: owned(),
            source,
        })?;
        let directory = path.parent().unwrap_or(Path::new(""));
        let config = WebConfig::parse(&text, directory).map_err(|source| ReloadError::Config {
            path: owned(),
            source,
        })?;
        let named = config.tls.iter().flat_map(|tls| tls.files());
        let named: Files = named.map(|file| (file.to_owned(), digest(file))).collect();
        seen.retain(|file, _| file == path);
        seen.extend(named);
        let tls = config.tls.map(|tls| tls.server_config()).transpose();
        let tls = tls.map_err(|source| ReloadError::Tls {
            path: owned(),
            source,
        })?;
        Ok(Self {
            users: config.users,
            active: Active {
                tls: tls.map(Arc::new),
                headers: config.headers.into(),
            },
        })
    }
}

fn digest(path: &Path) -> Option<[u8; 32]> {
    let content = fs::read(path).ok()?;
    ring::digest::digest(&ring::digest::SHA256, &content)
        .as_ref()
        .try_into()
        .ok()
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.ok()
        .and_then(|now| i64::try_from(now.as_millis()).ok())
        .unwrap_or_default()
}
