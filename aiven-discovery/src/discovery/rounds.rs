//! The loops of discovery, and one round of each.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use rest_client::Backoff;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::known::{IntegrationTrouble, Lookup};
use super::{Discoverer, Progress};
use crate::api::{ApiError, IntegrationOutcome, with_causes};
use crate::health::Health;
use crate::resolve::ResolveError;

/// The first wait after a round that failed; calls have retried for a while by themselves then.
pub(super) const FIRST_WAIT: Duration = Duration::from_secs(5);
/// How long the first lookups wait for the first integrations, and for credentials.
const ORDER_PATIENCE: Duration = Duration::from_secs(15);
/// How many lookups are under way at a time.
const LOOKUPS: usize = 16;
/// How long a round of lookups gathers answers before it publishes them.
const LOOKUP_BATCH: Duration = Duration::from_secs(2);
/// The longest wait after a writing of the state that failed.
const STATE_WAIT_LIMIT: Duration = Duration::from_secs(300);
/// The longest wait between attempts to integrate a service that Aiven refuses to integrate.
const INTEGRATION_WAIT_LIMIT: Duration = Duration::from_secs(600);
/// So many services in a row that fail for reasons which aren't theirs end a round of integrations.
const TRANSIENT_FAILURES: usize = 3;
/// How many services a log line names.
const NAMES: usize = 5;

impl Discoverer {
    pub(super) async fn restore(&self) {
        if self.known().is_complete() {
            return;
        }
        let Some(file) = self.state_file.clone() else {
            return;
        };
        let project = self.settings.targets.project.clone();
        let load = move || {
            file.remove_leftovers();
            file.load(&project)
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        match loaded {
            Ok(Ok(Some(last))) => {
                self.known().restore(last);
                self.publish();
                info!(discovery = %self.settings.name, "restored the targets of before the start");
            }
            Ok(Ok(None)) => {}
            Ok(Err(error)) => {
                let error = with_causes(&error);
                warn!(discovery = %self.settings.name, %error, "starting without the targets of before");
            }
            Err(error) => {
                warn!(discovery = %self.settings.name, %error, "starting without the targets of before");
            }
        }
    }

    pub(super) async fn integrate_loop(&self) {
        let Some(endpoint_id) = self.settings.targets.endpoint_id.clone() else {
            return;
        };
        if !self.settings.integrate {
            return;
        }
        self.signals.refreshed.wait().await;
        self.signals.listed.wait().await;
        let interval = self.settings.integrate_interval;
        loop {
            // The round that starts now sees whatever asked for one until now.
            let _ = self.signals.integrate.notified().now_or_never();
            let asked = self.integrate(&endpoint_id).await.unwrap_or_default();
            let _ = self.signals.integrated.set(());
            sleep(asked).await;
            tokio::select! {
                () = sleep(interval.saturating_sub(asked)) => {}
                () = self.signals.integrate.notified() => {}
            }
        }
    }

    /// Integrates what lacks it; how long to wait at least, where Aiven asked for it or refuses the
    /// token.
    async fn integrate(&self, endpoint_id: &str) -> Option<Duration> {
        let services = self
            .known()
            .to_integrate(&self.settings.targets, Instant::now());
        let mut in_a_row = 0;
        let mut asked = None;
        let mut created = false;
        for service in services {
            let result = self
                .api
                .create_prometheus_integration(&service, endpoint_id)
                .await;
            self.metrics.count_integration(result.is_ok());
            match result {
                Ok(outcome) => {
                    in_a_row = 0;
                    if outcome == IntegrationOutcome::Created {
                        created = true;
                        info!(discovery = %self.settings.name, service, "enabled the prometheus integration");
                    }
                    self.known()
                        .integrated(&service, endpoint_id, Instant::now());
                    self.signals.resolve.notify_one();
                }
                Err(error) => {
                    self.integration_failed(&service, &error);
                    let refused = matches!(
                        error,
                        ApiError::NotFound { .. } | ApiError::UnexpectedStatus { .. }
                    );
                    if refused && self.known().not_integrated(&service, endpoint_id) {
                        self.publish();
                    }
                    asked = asked.max(error.retry_after());
                    in_a_row = if error.is_transient() {
                        in_a_row + 1
                    } else {
                        0
                    };
                    if matches!(error, ApiError::Unauthorized { .. } | ApiError::Token(_)) {
                        asked = asked.max(Some(self.settings.refresh_interval));
                        break;
                    }
                    if in_a_row >= TRANSIENT_FAILURES {
                        break;
                    }
                }
            }
        }
        if created && self.tells_of_new_services() {
            self.signals.refresh.notify_one();
        }
        asked
    }

    fn integration_failed(&self, service: &str, error: &ApiError) {
        let mut known = self.known();
        let now = Instant::now();
        let trouble = known
            .integration
            .entry(service.to_owned())
            .or_insert_with(|| IntegrationTrouble {
                health: Health::default(),
                backoff: Backoff::new(self.settings.integrate_interval, INTEGRATION_WAIT_LIMIT),
                not_before: now,
            });
        if !error.is_transient() {
            trouble.not_before = now + trouble.backoff.next_delay();
        }
        if trouble.health.call_failed(error) {
            let error = with_causes(error);
            warn!(discovery = %self.settings.name, service, error, "can't enable the prometheus integration");
        }
    }

    pub(super) async fn resolve_loop(&self) {
        if *self.progress.borrow() < Progress::Restored {
            self.signals.refreshed.wait().await;
            self.signals.listed.wait().await;
            let in_order = async {
                self.signals.access_tried.wait().await;
                if self.settings.integrate && self.settings.targets.endpoint_id.is_some() {
                    self.signals.integrated.wait().await;
                }
            };
            let _ = timeout(ORDER_PATIENCE, in_order).await;
        }
        loop {
            // The round that starts now sees whatever asked for one until now.
            let _ = self.signals.resolve.notified().now_or_never();
            self.resolve().await;
            tokio::select! {
                () = sleep(self.settings.dns_refresh_interval) => {}
                () = self.signals.resolve.notified() => {}
            }
        }
    }

    async fn resolve(&self) {
        let (lookups, refreshed) = {
            let known = self.known();
            if !known.is_complete() {
                return;
            }
            (known.to_resolve(&self.settings.targets), known.refreshed)
        };
        let mut answers = stream::iter(lookups)
            .map(|lookup| async move {
                let result = match &lookup.host {
                    Some(host) => {
                        let result = self.resolver.resolve(host).await;
                        self.metrics.count_lookup(result.is_ok());
                        result.map(Some)
                    }
                    None => Ok(None),
                };
                (lookup, result)
            })
            .buffer_unordered(LOOKUPS);
        let mut news = LookupNews::default();
        let mut batch = Instant::now();
        while let Some((lookup, result)) = answers.next().await {
            self.take_answer(&lookup, result, &mut news);
            if batch.elapsed() >= LOOKUP_BATCH {
                batch = Instant::now();
                self.publish();
            }
        }
        news.report(&self.settings.name);
        self.known().resolved |= refreshed;
        self.publish();
    }

    fn take_answer(
        &self,
        lookup: &Lookup,
        result: Result<Option<crate::resolve::Addresses>, ResolveError>,
        news: &mut LookupNews,
    ) {
        let mut known = self.known();
        let health = known.dns_health.entry(lookup.service.clone()).or_default();
        match result {
            Ok(Some(addresses)) => {
                if health.succeeded() {
                    news.recovered.push(lookup.service.clone());
                }
                self.metrics.count_discovery(true);
                known.set_addresses(&lookup.service, addresses);
            }
            // Without a host name there is nothing to look up, and nothing to recover from.
            Ok(None) => self.metrics.count_discovery(false),
            Err(error) => {
                self.metrics.count_discovery(false);
                if health.failed(&error) {
                    news.failed.push(lookup.service.clone());
                    news.error.get_or_insert_with(|| with_causes(&error));
                }
            }
        }
    }

    pub(super) async fn save_loop(&self) {
        let Some(file) = self.state_file.clone() else {
            return;
        };
        let mut health = Health::default();
        let mut backoff = Backoff::new(FIRST_WAIT, STATE_WAIT_LIMIT);
        loop {
            self.signals.save.notified().await;
            let Some(last) = self.known().last_known(&self.settings.targets.project) else {
                continue;
            };
            let writer = file.clone();
            let written = tokio::task::spawn_blocking(move || writer.save(&last)).await;
            let written = written.map_err(std::io::Error::other).flatten();
            self.metrics.count_state_write(written.is_ok());
            let path = file.path().display();
            match written {
                Ok(()) => {
                    backoff.reset();
                    if health.succeeded() {
                        info!(%path, "the last-known discovery can be written again");
                    }
                }
                Err(error) => {
                    if health.failed(&error) {
                        warn!(%path, %error, "the last-known discovery can't be written");
                    }
                    self.signals.save.notify_one();
                    sleep(backoff.next_delay()).await;
                }
            }
        }
    }
}

/// How long to wait after `error`: what Aiven asked for at least; the whole `interval` where only an
/// operator can help.
pub(super) fn wait_after(error: &ApiError, backoff: &mut Backoff, interval: Duration) -> Duration {
    let own = if error.is_transient() || matches!(error, ApiError::Nonsense { .. }) {
        backoff.next_delay()
    } else {
        interval
    };
    own.max(error.retry_after().unwrap_or_default())
}

/// Changes of a round of lookups, told in one line each.
#[derive(Default)]
struct LookupNews {
    failed: Vec<String>,
    error: Option<String>,
    recovered: Vec<String>,
}

impl LookupNews {
    fn report(self, discovery: &str) {
        if let Some(error) = self.error {
            let count = self.failed.len();
            let services = some_of(self.failed);
            warn!(
                discovery,
                count, services, error, "lookups fail; the last addresses stay"
            );
        }
        if !self.recovered.is_empty() {
            let count = self.recovered.len();
            let services = some_of(self.recovered);
            info!(discovery, count, services, "lookups succeed again");
        }
    }
}

fn some_of(mut names: Vec<String>) -> String {
    names.sort_unstable();
    let more = names.len().saturating_sub(NAMES);
    names.truncate(NAMES);
    let mut text = names.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    text
}
