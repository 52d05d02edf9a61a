//! What a Cloud Foundry has, as a services file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aiven_discovery::catalogue::{Catalogue as _, CatalogueError, CloudFoundryCatalogue, Listing};
use aiven_discovery::output::write_atomically;
use cloud_foundry::{BuildError, CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter};
use prom_model::label::LabelSet;
use serde_json::{Map, Value, json};

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
    /// What an empty list means.
    pub empty: Empty,
}

/// What a list of nothing means. Whoever asks without any role sees nothing, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Empty {
    /// A mistake.
    #[default]
    Refuse,
    /// That there is nothing.
    Allow,
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
    /// An organization or a space of the settings has no service instances, or isn't known.
    #[error("no service instance is in the {kind} {name}")]
    Nowhere {
        /// `organization` or `space`.
        kind: &'static str,
        /// Its guid or name.
        name: String,
    },
    /// The name of a space is that of several, and no organization is set.
    #[error("there is a space {name} in each of the organizations {}", organizations.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// The organizations, by name where it can be seen.
        organizations: Vec<String>,
    },
    /// Whoever asks sees no service instance at all.
    #[error("no service instance of {} can be seen; --empty=allow makes an empty list of that", offerings.join(", "))]
    Nothing {
        /// The offerings that were asked for.
        offerings: Vec<String>,
    },
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
    check_places(settings, &services)?;
    let spaces = &settings.spaces;
    let is_wanted = |(_, labels): &(&String, &LabelSet)| {
        spaces.is_empty() || spaces.iter().any(|space| is_in("space", labels, space))
    };
    let entries: Vec<_> = services.iter().filter(is_wanted).map(entry).collect();
    if entries.is_empty() && settings.empty == Empty::Refuse {
        let offerings = settings.filter.service_offerings.clone();
        return Err(PrintError::Nothing { offerings });
    }
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

/// A place without instances is rather a mistake than a reason to replace a file by one with less.
fn check_places(
    settings: &PrintSettings,
    services: &BTreeMap<String, LabelSet>,
) -> Result<(), PrintError> {
    let organizations = &settings.filter.organizations;
    let organizations = organizations
        .iter()
        .map(|name| ("organization", "org", name));
    let spaces = settings.spaces.iter().map(|name| ("space", "space", name));
    for (kind, label, name) in organizations.chain(spaces) {
        if !services.values().any(|labels| is_in(label, labels, name)) {
            let name = name.clone();
            return Err(PrintError::Nowhere { kind, name });
        }
    }
    if !settings.filter.organizations.is_empty() {
        return Ok(());
    }
    for name in &settings.spaces {
        let of_space = services.values().filter(|it| is_in("space", it, name));
        let organizations: BTreeSet<_> = of_space.map(organization).collect();
        if organizations.len() > 1 {
            return Err(PrintError::Ambiguous {
                name: name.clone(),
                organizations: organizations.into_iter().map(str::to_owned).collect(),
            });
        }
    }
    Ok(())
}

/// Whether a service with `labels` is in the `org` or `space` of this guid or name.
fn is_in(kind: &str, labels: &LabelSet, place: &str) -> bool {
    ["guid", "name"]
        .map(|name| labels.get(&format!("{kind}_{name}")))
        .contains(&Some(place))
}

/// The name of a service's organization, else its guid.
fn organization(labels: &LabelSet) -> &str {
    let name = labels.get("org_name").filter(|name| !name.is_empty());
    name.or(labels.get("org_guid")).unwrap_or_default()
}

fn entry((service, labels): (&String, &LabelSet)) -> Value {
    let labels = labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.into()));
    json!({"aiven_service": service, "extra_labels": labels.collect::<Map<_, _>>()})
}
