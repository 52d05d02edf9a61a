//! Targets: what discovery found, made into what is scraped.
//!
//! [`Targets::from_groups`] turns the target groups of one job into its targets, as Prometheus 3 does: the job's
//! defaults are filled in, the target rules applied, the outcome checked, and duplicates merged. A
//! target that can't be made is reported beside the others and costs none of them.
//!
//! ```
//! use std::time::Duration;
//!
//! use es_scraper::target::{TargetDefaults, Targets};
//! use prom_model::target::TargetGroup;
//!
//! let defaults = TargetDefaults {
//!     job: "aiven".into(),
//!     scheme: "https".into(),
//!     ..TargetDefaults::default()
//! };
//! let group = TargetGroup {
//!     targets: vec![[("__address__", "192.0.2.1:9273")].into_iter().collect()],
//!     ..TargetGroup::default()
//! };
//! let targets = Targets::from_groups(&[group], &defaults);
//! let target = &targets.active[0];
//! assert_eq!(target.url(), "https://192.0.2.1:9273/metrics");
//! assert_eq!(target.labels().to_string(), r#"{instance="192.0.2.1:9273", job="aiven"}"#);
//! assert_eq!(target.interval(), Duration::from_secs(60));
//! ```

mod group;
mod populate;
mod url;

use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use prom_model::label::LabelSet;
use prom_model::target::Access;

pub use group::{TargetFailure, Targets};
pub use populate::{TargetDefaults, TargetError};
pub use url::{Endpoint, EndpointError, Scheme};

/// One endpoint that is scraped.
#[derive(Clone)]
pub struct Target {
    identity: Identity,
    labels: Arc<LabelSet>,
    discovered_labels: Arc<LabelSet>,
    endpoint: Result<Endpoint, EndpointError>,
    interval: Duration,
    timeout: Duration,
    access: Option<Arc<dyn Access>>,
}

impl Target {
    /// What makes two targets the same one.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Labels of the target's series: those after relabelling that don't start with `__`.
    #[must_use]
    pub const fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// Labels before relabelling, the job's defaults among them.
    #[must_use]
    pub const fn discovered_labels(&self) -> &Arc<LabelSet> {
        &self.discovered_labels
    }

    /// The URL as people are shown it, without user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.identity.url
    }

    /// Where a scrape connects to and what it asks for.
    ///
    /// # Errors
    /// Where the target's address or scheme can't be asked; each scrape fails of it.
    pub const fn endpoint(&self) -> Result<&Endpoint, &EndpointError> {
        self.endpoint.as_ref()
    }

    /// Time between two scrapes, above zero.
    #[must_use]
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// When a scrape is given up; above zero, and no longer than the interval.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// [`Target::interval`] as the label `__scrape_interval__` has it.
    #[must_use]
    pub fn interval_label(&self) -> &str {
        let labels = &self.identity.labels;
        labels.get(populate::SCRAPE_INTERVAL).unwrap_or_default()
    }

    /// [`Target::timeout`] as the label `__scrape_timeout__` has it.
    #[must_use]
    pub fn timeout_label(&self) -> &str {
        let labels = &self.identity.labels;
        labels.get(populate::SCRAPE_TIMEOUT).unwrap_or_default()
    }

    /// How discovery says to reach the target, `None` where it leaves that to the configuration.
    #[must_use]
    pub const fn access(&self) -> Option<&Arc<dyn Access>> {
        self.access.as_ref()
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &self.identity.url)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// What makes two targets of one job the same one: every label after relabelling, hidden ones such as
/// `__scrape_interval__` included and only `__meta_*` left out, and the URL.
///
/// Labels before relabelling are no part of it, so that what discovery merely tells of a target may change without a
/// new scrape loop; nor is [`Target::access`], which is asked anew before each scrape.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    labels: Arc<LabelSet>,
    /// Shown form; what it hides of the address is in `labels`.
    url: Arc<str>,
}

impl Identity {
    /// Every label after relabelling but `__meta_*`.
    #[must_use]
    pub const fn labels(&self) -> &Arc<LabelSet> {
        &self.labels
    }

    /// A number that spreads targets evenly and is the same after a restart, for the moment of
    /// their scrapes within the interval.
    #[must_use]
    pub fn spread(&self) -> u64 {
        let mut hash = Fnv1a::default();
        for (name, value) in self.labels.iter() {
            hash.write(name.as_bytes());
            // No byte of UTF-8, so that no two sets of labels are written alike.
            hash.write_u8(0xff);
            hash.write(value.as_bytes());
            hash.write_u8(0xff);
        }
        hash.write(self.url.as_bytes());
        hash.finish()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.url).finish()
    }
}

/// FNV-1a of 64 bits, the same on every machine and in every version, unlike std's.
struct Fnv1a(u64);

impl Default for Fnv1a {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv1a {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests;
