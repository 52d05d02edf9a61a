//! What a Cloud Foundry has, as a services file.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aiven_discovery::catalogue::{Catalogue as _, CatalogueError, CloudFoundryCatalogue, Listing};
use aiven_discovery::output::write_atomically;
use cloud_foundry::{BuildError, CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter};
use prom_model::label::LabelSet;
use serde_json::{Map, Value, json};
use tracing::warn;

/// What the file is to say.
#[derive(Debug, Clone)]
pub struct PrintSettings {
    /// How to reach Cloud Foundry.
    pub cloud_foundry: CloudFoundryOptions,
    /// Who asks.
    pub credentials: Credentials,
    /// Which offerings' instances, and of which organizations.
    pub filter: InstanceFilter,
    /// Guids or names of spaces; empty for all.
    pub spaces: Vec<String>,
    /// What the names of Aiven services start with, without the hyphen before the guid.
    pub aiven_service_prefix: String,
    /// Where the file is written; `None` for standard output.
    pub output: Option<PathBuf>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PrintError {
    /// The client.
    #[error("the client of cloud foundry can't be set up")]
    Client(#[from] BuildError),
    /// Cloud Foundry doesn't say.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// The file can't be written.
    #[error("can't write {path}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
}

/// The text of the file, in the order of the services' names.
///
/// # Errors
/// [`PrintError`]
pub async fn services_file(settings: &PrintSettings) -> Result<String, PrintError> {
    let cloud_foundry = CloudFoundry::new(settings.cloud_foundry.clone())?;
    let catalogue = CloudFoundryCatalogue::new(
        cloud_foundry.session(settings.credentials.clone()),
        settings.filter.clone(),
        &settings.aiven_service_prefix,
        // It is asked once.
        Duration::MAX,
    );
    let services = match catalogue.list().await? {
        Listing::Services(services) => services,
        Listing::WholeProject => std::sync::Arc::default(),
    };
    for space in &settings.spaces {
        if !services.values().any(|labels| is_in(labels, space)) {
            warn!(space, "no service instance is in this space");
        }
    }
    let spaces = &settings.spaces;
    let is_wanted = |(_, labels): &(&String, &LabelSet)| {
        spaces.is_empty() || spaces.iter().any(|space| is_in(labels, space))
    };
    let entries: Vec<_> = services.iter().filter(is_wanted).map(entry).collect();
    Ok(format!("{:#}\n", Value::Array(entries)))
}

/// Writes `text` where it is to be, unless that is standard output.
///
/// # Errors
/// [`PrintError::Write`]; then the file is as it was.
pub fn write(text: &str, path: &Path) -> Result<(), PrintError> {
    write_atomically(path, text.as_bytes()).map_err(|source| PrintError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Whether a service with `labels` is in `space`, by its guid or name.
fn is_in(labels: &LabelSet, space: &str) -> bool {
    ["space_guid", "space_name"]
        .map(|name| labels.get(name))
        .contains(&Some(space))
}

fn entry((service, labels): (&String, &LabelSet)) -> Value {
    let labels = labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.into()));
    json!({"aiven_service": service, "extra_labels": labels.collect::<Map<_, _>>()})
}
