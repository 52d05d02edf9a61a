//! Which services of a project are to be discovered, and with which additional labels.

mod file;
mod names_file;
mod services_file;

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use prom_model::label::LabelSet;

pub use names_file::NamesFile;
pub use services_file::ServicesFile;

/// Tells which services are to be discovered.
///
/// It is asked at each refresh. After an error the last listing stays in force, so that an
/// implementation need not keep it.
#[async_trait]
pub trait Catalogue: Send + Sync {
    /// The services as they are now.
    ///
    /// # Errors
    /// [`CatalogueError`] where that can't be told.
    async fn list(&self) -> Result<Listing, CatalogueError>;
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
        limit: std::time::Duration,
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
    /// A catalogue elsewhere failed.
    #[error("the service catalogue failed")]
    Other(#[source] Box<dyn Error + Send + Sync>),
}
