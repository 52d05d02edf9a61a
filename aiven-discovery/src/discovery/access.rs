//! How nodes are reached: the loop that reads credentials and CA, and one round of it.

use std::time::Duration;

use futures_util::FutureExt;
use rest_client::Backoff;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{info, warn};

use super::Discoverer;
use super::rounds::{FIRST_WAIT, wait_after};
use crate::api::{ApiError, with_causes};

/// Time between readings of credentials and CA that nothing asked for.
const ACCESS_INTERVAL: Duration = Duration::from_secs(600);
/// The longest wait after a reading of credentials and CA that failed.
const ACCESS_WAIT_LIMIT: Duration = Duration::from_secs(300);
/// Bounds of the time between readings that nodes' refusals ask for; it grows while they don't
/// bring other credentials.
const REJECTION_WAITS: (Duration, Duration) = (Duration::from_secs(10), ACCESS_WAIT_LIMIT);

impl Discoverer {
    pub(super) async fn access_loop(&self) {
        let mut backoff = Backoff::new(FIRST_WAIT, ACCESS_WAIT_LIMIT);
        let mut rejections = Backoff::new(REJECTION_WAITS.0, REJECTION_WAITS.1);
        loop {
            let result = self.read_access().await;
            let _ = self.signals.access_tried.set(());
            match result {
                Ok(changed) => {
                    backoff.reset();
                    if changed {
                        rejections.reset();
                    }
                    let read = Instant::now();
                    tokio::select! {
                        () = sleep(ACCESS_INTERVAL) => rejections.reset(),
                        () = self.access.rejected.notified() => {
                            sleep_until(read + rejections.next_delay()).await;
                        }
                    }
                }
                Err(error) => {
                    let asked = error.retry_after().unwrap_or_default();
                    let wait = wait_after(&error, &mut backoff, ACCESS_WAIT_LIMIT);
                    // Only an answer from now on says that the API is well again.
                    let _ = self.signals.answered.notified().now_or_never();
                    sleep(asked).await;
                    let _ = timeout(wait - asked, self.signals.answered.notified()).await;
                }
            }
        }
    }

    /// Reads credentials and CA; whether the credentials are other ones.
    async fn read_access(&self) -> Result<bool, ApiError> {
        let credentials = async {
            match &self.settings.targets.endpoint_id {
                Some(id) => Some(self.api.endpoint_credentials(id).await),
                None => None,
            }
        };
        let (credentials, ca) = tokio::join!(credentials, self.api.project_ca());
        // Nodes that ask for no password don't mind one; those that do have not stopped because Aiven shows none.
        let credentials = match credentials {
            Some(Ok(None)) if self.access.has_basic_auth() => Some(Err(ApiError::Nonsense {
                reason: "the endpoint has no credentials, where it had some".to_owned(),
            })),
            credentials => credentials,
        };
        let discovery = self.settings.name.as_str();
        let mut known = self.known();
        let mut changed = false;
        let mut error = None;
        if let Some(credentials) = &credentials {
            self.metrics.count_credential_reading(credentials.is_ok());
        }
        match credentials {
            Some(Ok(credentials)) => {
                changed = self.access.set_basic_auth(credentials);
                if known.credentials_health.succeeded() {
                    info!(discovery, "the credentials can be read again");
                }
            }
            Some(Err(failure)) => {
                if known.credentials_health.call_failed(&failure) {
                    let error = with_causes(&failure);
                    warn!(
                        discovery,
                        error, "the endpoint's credentials can't be read; the last ones stay"
                    );
                }
                error = Some(failure);
            }
            None => {}
        }
        match ca {
            Ok(ca) => {
                if known.ca_health.succeeded() {
                    info!(discovery, "the project's ca can be read again");
                }
                if known.ca_pem.as_ref() != Some(&ca) {
                    known.ca_pem = Some(ca);
                    self.signals.save.notify_one();
                }
            }
            Err(failure) => {
                if known.ca_health.call_failed(&failure) {
                    let error = with_causes(&failure);
                    warn!(discovery, error, "the project's ca can't be read");
                }
                error = error.or(Some(failure));
            }
        }
        drop(known);
        self.publish();
        match error {
            None => Ok(changed),
            Some(error) => Err(error),
        }
    }
}
