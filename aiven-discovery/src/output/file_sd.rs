//! A target file that follows discovery.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prom_model::target::TargetGroup;
use rest_client::Backoff;
use tokio::sync::watch;
use tracing::{info, warn};

use crate::atomic_file::{remove_leftovers, write_atomically};
use crate::health::Health;
use crate::metrics::Metrics;

/// Keeps a target file as discovery has it.
///
/// Nothing is written before discovery has published for the first time, so that a start never
/// empties a file of targets that are still good.
#[derive(Debug)]
pub struct TargetFile {
    path: PathBuf,
    render: fn(&[TargetGroup]) -> String,
    rewrite_interval: Duration,
    metrics: Metrics,
}

impl TargetFile {
    /// Writes to `path` what `render` makes of the groups, [`super::http_sd::render`] or
    /// [`super::sidecar::render`], at each change and every `rewrite_interval`.
    #[must_use]
    pub fn new(
        path: impl Into<PathBuf>,
        render: fn(&[TargetGroup]) -> String,
        rewrite_interval: Duration,
        metrics: Metrics,
    ) -> Self {
        Self {
            path: path.into(),
            render,
            rewrite_interval,
            metrics,
        }
    }

    /// Runs until the sender of `groups` is gone; drop it to stop earlier.
    ///
    /// A write that fails leaves the old file and is tried again with growing waits.
    pub async fn follow(self, mut groups: watch::Receiver<Arc<Vec<TargetGroup>>>) {
        let mut health = Health::default();
        let mut backoff = Backoff::new(Duration::from_secs(1), self.rewrite_interval);
        let path = self.path.clone();
        // A panic in it concerns nobody.
        let _ = tokio::task::spawn_blocking(move || remove_leftovers(&path)).await;
        if groups.changed().await.is_err() {
            return;
        }
        loop {
            let current = Arc::clone(&groups.borrow_and_update());
            let result = self.write(&current).await;
            self.metrics.count_target_write(result.is_ok());
            let wait = match result {
                Ok(()) => {
                    if health.succeeded() {
                        info!(path = %self.path.display(), "the target file can be written again");
                    }
                    backoff.reset();
                    self.rewrite_interval
                }
                Err(error) => {
                    if health.failed(&error) {
                        warn!(path = %self.path.display(), %error, "the target file can't be written");
                    }
                    backoff.next_delay()
                }
            };
            tokio::select! {
                changed = groups.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn write(&self, groups: &[TargetGroup]) -> std::io::Result<()> {
        let content = (self.render)(groups);
        let path = self.path.clone();
        tokio::task::spawn_blocking(move || write_atomically(&path, content.as_bytes()))
            .await
            .map_err(std::io::Error::other)?
    }
}
