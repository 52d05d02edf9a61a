//! Which services of a project are to be discovered, and with which additional labels.

mod cloud_foundry;
mod file;
mod names_file;
mod services_file;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use ::cloud_foundry::{ListError, Transient};
use async_trait::async_trait;
use prom_model::label::LabelSet;

pub use cloud_foundry::CloudFoundryCatalogue;
pub use names_file::NamesFile;
pub use services_file::ServicesFile;

/// Tells which services are to be discovered.
///
/// It is asked at each reading of the service list, unless it has a pace of its own. After an error the last listing
/// stays in force, so that an implementation need not keep it.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The services as they are now.
    ///
    /// # Errors
    /// [`CatalogueError`] where that can't be told.
    async fn list(&self) -> Result<Listing, CatalogueError>;

    /// Time between listings of a catalogue that has a pace of its own; a service that it has newly is then asked of
    /// Aiven at once. `None` for one that costs nothing and is asked at each reading of the service list.
    fn refresh_interval(&self) -> Option<Duration> {
        None
    }

    /// Whether `service`, once listed with `labels`, could still be missing for want of rights rather than since it is
    /// gone. While Aiven has such a service, a listing that is suddenly empty isn't believed.
    fn could_hide(&self, _service: &str, _labels: &LabelSet) -> bool {
        false
    }
}

/// The services that are to be discovered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Every service of the configured types in the project, without additional labels.
    WholeProject,
    /// These alone: names of services, and the labels that each adds to its targets.
    Services(Arc<BTreeMap<String, LabelSet>>),
}

impl Listing {
    /// The additional labels of `service`, `None` where it isn't listed.
    #[must_use]
    pub fn extra_labels(&self, service: &str) -> Option<LabelSet> {
        match self {
            Self::WholeProject => Some(LabelSet::new()),
            Self::Services(services) => services.get(service).cloned(),
        }
    }
}

/// A [`Catalogue`] that lists every service of the project.
#[derive(Debug, Clone, Copy, Default)]
pub struct WholeProject;

#[async_trait]
impl Catalogue for WholeProject {
    async fn list(&self) -> Result<Listing, CatalogueError> {
        Ok(Listing::WholeProject)
    }
}

/// Why the services can't be listed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// The file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: String,
        /// What reading it failed on.
        source: std::io::Error,
    },
    /// The file is longer than may be read.
    #[error("{path} exceeds {limit} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// No answer in time.
    #[error("no answer from the service catalogue within {limit:?}")]
    TimedOut {
        /// The time-out.
        limit: Duration,
    },
    /// The file isn't what it should be.
    #[error("{path}:{line}:{column}: {problem}")]
    Content {
        /// The file.
        path: String,
        /// The line, from 1.
        line: usize,
        /// The column in bytes, from 1; where reading stopped, which may be behind the value.
        column: usize,
        /// What is wrong and what was expected; names the entry.
        problem: String,
    },
    /// Cloud Foundry doesn't list its service instances.
    #[error("cloud foundry's service instances can't be listed")]
    CloudFoundry(#[from] ListError),
    /// Cloud Foundry has, or shows, none of what the configuration names.
    #[error("cloud foundry shows none of these {what}: {names}")]
    NoneKnown {
        /// What they are.
        what: &'static str,
        /// Their names.
        names: String,
    },
    /// It lists no service any more, although Aiven has some of those that it listed.
    #[error(
        "the service catalogue lists nothing any more, but aiven has {count} of the services that it listed, such as \
         {service}"
    )]
    SuddenlyEmpty {
        /// How many.
        count: usize,
        /// One of them.
        service: String,
    },
    /// A catalogue elsewhere failed.
    #[error("the service catalogue failed")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}

impl CatalogueError {
    /// How long the catalogue asks to wait before the next listing.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CloudFoundry(error) => error.retry_after(),
            _ => None,
        }
    }
}
