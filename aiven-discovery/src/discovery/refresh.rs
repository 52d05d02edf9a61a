//! Readings of the service list and of the catalogue.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use prom_model::label::LabelSet;
use rest_client::Backoff;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::Discoverer;
use super::known::Known;
use super::rounds::{FIRST_WAIT, wait_after};
use crate::api::{ApiError, ServiceList, with_causes};
use crate::catalogue::{CatalogueError, Listing};

/// When a reading of the catalogue is given up, so that a file on a dead network file system pins nothing.
const CATALOGUE_TIMEOUT: Duration = Duration::from_secs(30);
/// The same for a catalogue with a pace of its own, which is elsewhere, has pages, and tries again by itself.
const REMOTE_CATALOGUE_TIMEOUT: Duration = Duration::from_secs(300);

impl Discoverer {
    pub(super) async fn refresh_loop(&self) {
        let interval = self.settings.refresh_interval;
        let mut backoff = Backoff::new(FIRST_WAIT, interval);
        let mut settling = Settling::new(interval);
        loop {
            // The reading that starts now has whatever asked for one until now.
            let _ = self.signals.refresh.notified().now_or_never();
            let result = self.refresh().await;
            let _ = self.signals.refreshed.set(());
            let (wait, asked) = match result {
                Ok(()) => {
                    backoff.reset();
                    (settling.wait(self.unsettled()), Duration::ZERO)
                }
                Err(error) => {
                    let asked = error.retry_after().unwrap_or_default();
                    (wait_after(&error, &mut backoff, interval), asked)
                }
            };
            sleep(asked).await;
            tokio::select! {
                () = sleep(wait.saturating_sub(asked)) => {}
                () = self.signals.refresh.notified() => {}
            }
        }
    }

    /// Services that are worth another reading of the service list soon.
    fn unsettled(&self) -> BTreeSet<String> {
        if self.tells_of_new_services() {
            self.known().unsettled(&self.settings.targets)
        } else {
            BTreeSet::new()
        }
    }

    /// Whether the catalogue tells of new services by itself, since whoever made one waits for it. Others keep to the
    /// intervals.
    pub(super) fn tells_of_new_services(&self) -> bool {
        self.catalogue.refresh_interval().is_some()
    }

    /// Reads the catalogue at its own pace, where it has one.
    pub(super) async fn catalogue_loop(&self) {
        let Some(interval) = self.catalogue.refresh_interval() else {
            return;
        };
        let mut backoff = Backoff::new(FIRST_WAIT, interval);
        loop {
            let listing = self.listing(REMOTE_CATALOGUE_TIMEOUT).await;
            let wait = match &listing {
                Ok(_) => {
                    backoff.reset();
                    interval
                }
                Err(error) => {
                    let asked = error.retry_after().unwrap_or_default();
                    backoff.next_delay().max(asked)
                }
            };
            let has_new = {
                let mut known = self.known();
                let has_new = self.take_listing(&mut known, listing);
                known.prune(&self.settings.targets);
                has_new
            };
            if has_new {
                self.signals.refresh.notify_one();
            }
            self.spread();
            let _ = self.signals.listed.set(());
            sleep(wait).await;
        }
    }

    /// Reads the service list, and a catalogue that has no pace of its own. Each keeps its last good answer by itself.
    async fn refresh(&self) -> Result<(), ApiError> {
        let started = Instant::now();
        let listing = async {
            match self.catalogue.refresh_interval() {
                None => Some(self.listing(CATALOGUE_TIMEOUT).await),
                Some(_) => None,
            }
        };
        let (listing, list) = tokio::join!(listing, self.services());
        let seconds = started.elapsed().as_secs_f64();
        self.metrics.count_refresh(list.is_ok(), seconds);
        let mut known = self.known();
        if let Some(listing) = listing {
            self.take_listing(&mut known, listing);
            let _ = self.signals.listed.set(());
        }
        let result = self.take_services(&mut known, list);
        known.prune(&self.settings.targets);
        drop(known);
        self.spread();
        result
    }

    async fn listing(&self, limit: Duration) -> Result<Listing, CatalogueError> {
        let listing = timeout(limit, self.catalogue.list()).await;
        let listing = listing.unwrap_or(Err(CatalogueError::TimedOut { limit }));
        let listing = listing.and_then(|listing| self.doubt(listing));
        self.metrics.count_catalogue_reading(listing.is_ok());
        listing
    }

    /// Aiven's service list is the witness to a loss: an empty listing is refused while Aiven has one of the services,
    /// which it drops soon after the last is deleted. Of other great losses there is a warning.
    fn doubt(&self, listing: Listing) -> Result<Listing, CatalogueError> {
        let hidden = {
            let could_hide =
                |service: &str, labels: &LabelSet| self.catalogue.could_hide(service, labels);
            self.known().hidden(&listing, could_hide)
        };
        let lost = hidden.services.len();
        let (before, now) = (hidden.listed_before, hidden.listed_now);
        match hidden.services.into_iter().next() {
            Some(service) if now == 0 => Err(CatalogueError::SuddenlyEmpty {
                count: lost,
                service,
            }),
            Some(service) if lost > 1 && lost > before / 2 => {
                let discovery = self.settings.name.as_str();
                warn!(
                    discovery,
                    before,
                    now,
                    lost,
                    service,
                    "the service catalogue lists far fewer services, which aiven still has"
                );
                Ok(listing)
            }
            _ => Ok(listing),
        }
    }

    /// Whether the service list should be read, since the listing has a service that it didn't have.
    fn take_listing(&self, known: &mut Known, listing: Result<Listing, CatalogueError>) -> bool {
        let discovery = self.settings.name.as_str();
        known.listing_attempted = true;
        match listing {
            Ok(listing) => {
                if known.catalogue_health.succeeded() {
                    info!(discovery, "the service catalogue can be read again");
                }
                known.replace_listing(listing)
            }
            Err(error) => {
                if known.catalogue_health.failed(&error) {
                    let error = with_causes(&error);
                    warn!(discovery, error, "the service catalogue can't be read");
                }
                false
            }
        }
    }

    fn take_services(
        &self,
        known: &mut Known,
        list: Result<ServiceList, ApiError>,
    ) -> Result<(), ApiError> {
        let discovery = self.settings.name.as_str();
        known.attempted = true;
        match list {
            Ok(list) => {
                if known.refresh_health.succeeded() {
                    info!(discovery, "the service list can be read again");
                }
                let now = SystemTime::now();
                known.last_success = Some(now);
                let since_epoch = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                self.metrics
                    .set_last_success(discovery, since_epoch.as_secs_f64());
                self.metrics.count_malformed_services(list.malformed.len());
                known.report_malformed(discovery, &list.malformed);
                known.replace_services(list, &self.settings.targets);
                self.signals.answered.notify_one();
                Ok(())
            }
            Err(error) => {
                if known.refresh_health.call_failed(&error) {
                    let error = with_causes(&error);
                    warn!(
                        discovery,
                        error, "the service list can't be read; the targets stay"
                    );
                }
                Err(error)
            }
        }
    }

    /// Publishes what is new, and has the other loops do their part at once.
    fn spread(&self) {
        self.publish();
        let known = self.known();
        let targets = &self.settings.targets;
        if known.lacks_addresses(targets) || !known.resolved {
            self.signals.resolve.notify_one();
        }
        if !known.to_integrate(targets, Instant::now()).is_empty() {
            self.signals.integrate.notify_one();
        }
    }

    /// The service list; one that is suddenly empty only if a service of before is gone indeed.
    async fn services(&self) -> Result<ServiceList, ApiError> {
        let list = self.api.services().await?;
        if !list.services.is_empty() || !list.malformed.is_empty() {
            return Ok(list);
        }
        let before = self.known().any_service(&self.settings.targets);
        match before {
            Some(service) if self.api.service_exists(&service).await? => Err(ApiError::Nonsense {
                reason: format!("the list of services is empty, but {service} exists"),
            }),
            _ => Ok(list),
        }
    }
}

/// How long to wait for the next service list: less while it doesn't say enough about a service, but longer and
/// longer, since it may never.
struct Settling {
    interval: Duration,
    backoff: Backoff,
    unsettled: BTreeSet<String>,
}

impl Settling {
    fn new(interval: Duration) -> Self {
        Self {
            interval,
            backoff: Backoff::new(FIRST_WAIT, interval),
            unsettled: BTreeSet::new(),
        }
    }

    fn wait(&mut self, unsettled: BTreeSet<String>) -> Duration {
        if !unsettled.is_subset(&self.unsettled) {
            self.backoff.reset();
        }
        self.unsettled = unsettled;
        if self.unsettled.is_empty() {
            self.interval
        } else {
            self.backoff.next_delay()
        }
    }
}
