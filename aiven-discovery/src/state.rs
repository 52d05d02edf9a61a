//! The last-known discovery, kept across restarts.
//!
//! With it a start while Aiven's API is down scrapes the targets of before. No secret is in it: the
//! CA's certificate is public, and credentials are read from the API once it answers.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::api::Service;
use crate::atomic_file::{remove_leftovers, write_atomically};
use crate::catalogue::Listing;

const VERSION: u32 = 1;

/// A file with the last-known discovery of one project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFile {
    path: PathBuf,
}

/// What discovery last knew.
#[derive(Debug, Clone, PartialEq)]
pub struct LastKnown {
    /// The project it is of.
    pub project: String,
    /// The project CA's certificate in PEM, where it was known.
    pub ca_pem: Option<String>,
    /// The services that were to be discovered.
    pub listing: Listing,
    /// The project's services.
    pub services: Vec<Service>,
    /// The addresses of each service by its name.
    pub addresses: BTreeMap<String, Vec<IpAddr>>,
}

/// Why a file's state can't be taken over; discovery then starts without.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadStateError {
    /// The file can't be read.
    #[error("can't read {path}")]
    Read {
        /// The file.
        path: String,
        /// What reading it failed on.
        source: io::Error,
    },
    /// The file holds something else, or only a part.
    #[error("{path} is no state of discovery")]
    Corrupt {
        /// The file.
        path: String,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// Another version of this crate wrote the file.
    #[error("{path} has version {found}, expected {VERSION}")]
    Version {
        /// The file.
        path: String,
        /// Its version.
        found: u32,
    },
    /// The state is that of another project.
    #[error("{path} is the state of project {found:?}")]
    OtherProject {
        /// The file.
        path: String,
        /// The project.
        found: String,
    },
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    version: u32,
    project: String,
    ca_pem: Option<String>,
    listing: StoredListing,
    services: Vec<Service>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StoredListing {
    WholeProject,
    Services(BTreeMap<String, BTreeMap<String, String>>),
}

impl StateFile {
    /// The file at `path`, which need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The file in `folder` of the discovery called `name`; other names have other files.
    #[must_use]
    pub fn in_folder(folder: &Path, name: &str) -> Self {
        let mut file = String::from("aiven-");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
                file.push(char::from(byte));
            } else {
                file.push_str(&format!("%{byte:02x}"));
            }
        }
        file.push_str(".json");
        Self::new(folder.join(file))
    }

    /// The path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the file holds for `project`, `None` where there is no file. Blocks.
    ///
    /// # Errors
    /// [`LoadStateError`]
    pub fn load(&self, project: &str) -> Result<Option<LastKnown>, LoadStateError> {
        let path = || self.path.display().to_string();
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(LoadStateError::Read {
                    path: path(),
                    source,
                });
            }
        };
        let corrupt = |source| LoadStateError::Corrupt {
            path: path(),
            source,
        };
        let Versioned { version } = serde_json::from_slice(&text).map_err(corrupt)?;
        if version != VERSION {
            return Err(LoadStateError::Version {
                path: path(),
                found: version,
            });
        }
        let stored: Stored = serde_json::from_slice(&text).map_err(corrupt)?;
        if stored.project != project {
            return Err(LoadStateError::OtherProject {
                path: path(),
                found: stored.project,
            });
        }
        Ok(Some(LastKnown {
            project: stored.project,
            ca_pem: stored.ca_pem,
            listing: match stored.listing {
                StoredListing::WholeProject => Listing::WholeProject,
                StoredListing::Services(services) => {
                    let services = services
                        .into_iter()
                        .map(|(name, labels)| (name, labels.into_iter().collect()));
                    Listing::Services(Arc::new(services.collect()))
                }
            },
            services: stored.services,
            addresses: stored.addresses,
        }))
    }

    /// Removes what writes that were killed have left beside the file; a write that is under way would fail. Blocks.
    pub(crate) fn remove_leftovers(&self) {
        remove_leftovers(&self.path);
    }

    /// Replaces the file's content. Blocks.
    ///
    /// # Errors
    /// Any I/O error; the file is then as it was.
    pub fn save(&self, known: &LastKnown) -> io::Result<()> {
        let listing = match &known.listing {
            Listing::WholeProject => StoredListing::WholeProject,
            Listing::Services(services) => {
                let services = services.iter().map(|(name, labels)| {
                    let labels = labels
                        .iter()
                        .map(|(name, value)| (name.to_owned(), value.to_owned()));
                    (name.clone(), labels.collect())
                });
                StoredListing::Services(services.collect())
            }
        };
        let stored = Stored {
            version: VERSION,
            project: known.project.clone(),
            ca_pem: known.ca_pem.clone(),
            listing,
            services: known.services.clone(),
            addresses: known.addresses.clone(),
        };
        let text = serde_json::to_vec(&stored)?;
        write_atomically(&self.path, &text)
    }
}
