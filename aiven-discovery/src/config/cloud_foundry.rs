//! The section `cloud_foundry` of an entry of `aiven_sd_configs`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloud_foundry::{CloudFoundry, CloudFoundryOptions, Credentials, InstanceFilter, SecretSource};
use prom_config::render::{Mapping, Value};
use prom_config::{ConfigError, Decode, Fields, Node};
use prom_model::secret::Secret;
use url::Url;

use super::decode::{api_url, interval, optional_text};
use super::{BuildError, BuildOptions, texts};
use crate::catalogue::CloudFoundryCatalogue;

/// A Cloud Foundry whose service instances are the services that are discovered.
///
/// Equal settings list the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudFoundryConfig {
    /// The API's address; required.
    pub api: Url,
    /// `client_id` with `client_secret` or `client_secret_file`, or `username` with `password` or `password_file`;
    /// where none are set somebody else has to know them.
    pub credentials: Option<Credentials>,
    /// The offerings whose instances are listed; default `elasticsearch` and `opensearch`.
    pub service_offerings: Vec<String>,
    /// What the names of the instances' Aiven services start with, without the hyphen before the guid; required.
    pub aiven_service_prefix: String,
    /// Guids or names of organizations; default all that can be seen.
    pub organizations: Vec<String>,
    /// Time between listings; default 1 minute.
    pub refresh_interval: Duration,
    /// A file with certificates in PEM that API and UAA may have beside those the system trusts; a change takes effect
    /// at the next request.
    pub ca_file: Option<PathBuf>,
}

impl CloudFoundryConfig {
    /// The defaults for the Cloud Foundry at `api`.
    #[must_use]
    pub fn new(
        api: Url,
        credentials: Credentials,
        aiven_service_prefix: impl Into<String>,
    ) -> Self {
        Self {
            credentials: Some(credentials),
            ..Self::without_credentials(api, aiven_service_prefix)
        }
    }

    /// The same, asked with [`BuildOptions::cloud_foundry_credentials`].
    #[must_use]
    pub fn without_credentials(api: Url, aiven_service_prefix: impl Into<String>) -> Self {
        Self {
            api,
            credentials: None,
            service_offerings: vec!["elasticsearch".to_owned(), "opensearch".to_owned()],
            aiven_service_prefix: aiven_service_prefix.into(),
            organizations: Vec::new(),
            refresh_interval: Duration::from_secs(60),
            ca_file: None,
        }
    }

    /// Whether `other` lists the same instances, whoever asks and how often.
    #[must_use]
    pub fn lists_the_same_as(&self, other: &Self) -> bool {
        self.api == other.api
            && self.service_offerings == other.service_offerings
            && self.aiven_service_prefix == other.aiven_service_prefix
            && self.organizations == other.organizations
    }

    /// Makes relative paths relative to `directory`.
    pub(super) fn set_directory(&mut self, directory: &Path) {
        let secret = match &mut self.credentials {
            Some(Credentials::Client { secret, .. }) => Some(secret),
            Some(Credentials::User { password, .. }) => Some(password),
            Some(Credentials::Token(token)) => Some(token),
            None => None,
        };
        let secret_file = match secret {
            Some(SecretSource::File(path)) => Some(path),
            Some(SecretSource::Inline(_)) | None => None,
        };
        for path in secret_file.into_iter().chain(&mut self.ca_file) {
            // An absolute path replaces the directory.
            *path = directory.join(&*path);
        }
    }

    pub(super) fn catalogue(
        &self,
        build: &BuildOptions,
    ) -> Result<CloudFoundryCatalogue, BuildError> {
        let credentials = self.credentials.clone();
        let credentials = credentials.or_else(|| build.cloud_foundry_credentials.clone());
        let credentials = credentials.ok_or(BuildError::NoCloudFoundryCredentials)?;
        let mut options = CloudFoundryOptions::new(self.api.clone());
        if let Some(user_agent) = &build.user_agent {
            options.user_agent.clone_from(user_agent);
        }
        options.extra_ca_pem.clone_from(&build.extra_ca_pem);
        options.extra_ca_file.clone_from(&self.ca_file);
        let cloud_foundry = CloudFoundry::new(options).map_err(BuildError::CloudFoundry)?;
        let filter = InstanceFilter {
            service_offerings: self.service_offerings.clone(),
            organizations: self.organizations.clone(),
        };
        Ok(CloudFoundryCatalogue::new(
            cloud_foundry.session(credentials),
            filter,
            &self.aiven_service_prefix,
            self.refresh_interval,
        ))
    }

    pub(super) fn shown(&self) -> Mapping {
        let mapping = Mapping::new().with("api", Value::url(self.api.as_str()));
        let mapping = match &self.credentials {
            None => mapping,
            Some(Credentials::Client { id, secret }) => shown_secret(
                mapping.with("client_id", id.as_str()),
                "client_secret",
                secret,
            ),
            Some(Credentials::User { username, password }) => shown_secret(
                mapping.with("username", username.as_str()),
                "password",
                password,
            ),
            Some(Credentials::Token(token)) => shown_secret(mapping, "token", token),
        };
        mapping
            .with("service_offerings", texts(&self.service_offerings))
            .with("aiven_service_prefix", self.aiven_service_prefix.as_str())
            .with_nonzero("organizations", texts(&self.organizations))
            .with("refresh_interval", self.refresh_interval)
            .with_some("ca_file", self.ca_file.as_deref())
    }
}

fn shown_secret(mapping: Mapping, name: &str, secret: &SecretSource) -> Mapping {
    match secret {
        SecretSource::Inline(_) => mapping.with(name, Value::secret()),
        SecretSource::File(path) => mapping.with(&format!("{name}_file"), path.as_path()),
    }
}

impl Decode for CloudFoundryConfig {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let api = fields
            .checked("api", api_url)?
            .flatten()
            .ok_or_else(|| fields.error_at("api", "api is missing"))?;
        let credentials = credentials(&mut fields)?;
        let prefix = fields
            .checked("aiven_service_prefix", prefix)?
            .ok_or_else(|| {
                fields.error_at("aiven_service_prefix", "aiven_service_prefix is missing")
            })?;
        let mut config = Self {
            credentials,
            ..Self::without_credentials(api, prefix)
        };
        if let Some(offerings) = fields.checked("service_offerings", offerings)? {
            config.service_offerings = offerings;
        }
        if let Some(organizations) = fields.checked("organizations", organizations)? {
            config.organizations = organizations;
        }
        if let Some(refresh_interval) = fields.checked("refresh_interval", interval)? {
            config.refresh_interval = refresh_interval;
        }
        config.ca_file = optional_text(&mut fields, "ca_file")?.map(PathBuf::from);
        fields.finish()?;
        Ok(config)
    }
}

/// `None` where there are none.
fn credentials(fields: &mut Fields) -> Result<Option<Credentials>, ConfigError> {
    let client = optional_text(fields, "client_id")?;
    let client_secret = secret(fields, ["client_secret", "client_secret_file"])?;
    let user = optional_text(fields, "username")?;
    let password = secret(fields, ["password", "password_file"])?;
    let user_key = user.as_ref().map(|_| "username");
    let user_key = user_key.or(password.as_ref().map(|(key, _)| *key));
    match (client, client_secret, user, password) {
        (Some(_), _, Some(_), _)
        | (Some(_), _, _, Some(_))
        | (_, Some(_), Some(_), _)
        | (_, Some(_), _, Some(_)) => Err(fields.error_at(
            user_key.unwrap_or_default(),
            "credentials of a client and of a user are both set, expected one of them",
        )),
        (Some(id), Some((_, secret)), ..) => Ok(Some(Credentials::Client { id, secret })),
        (Some(_), None, ..) => Err(fields.error_at(
            "client_id",
            "client_id needs client_secret or client_secret_file",
        )),
        (None, Some((key, _)), ..) => {
            Err(fields.error_at(key, format_args!("{key} needs client_id")))
        }
        (_, _, Some(username), Some((_, password))) => {
            Ok(Some(Credentials::User { username, password }))
        }
        (_, _, Some(_), None) => {
            Err(fields.error_at("username", "username needs password or password_file"))
        }
        (_, _, None, Some((key, _))) => {
            Err(fields.error_at(key, format_args!("{key} needs username")))
        }
        (None, None, None, None) => Ok(None),
    }
}

/// A secret and the key that it stands at. An empty one counts as absent.
fn secret(
    fields: &mut Fields,
    [inline, file]: [&'static str; 2],
) -> Result<Option<(&'static str, SecretSource)>, ConfigError> {
    let secret: Option<Secret> = fields.optional(inline)?;
    let secret = secret.filter(|secret| !secret.expose().is_empty());
    match (secret, optional_text(fields, file)?) {
        (Some(_), Some(_)) => Err(fields.error_at(
            file,
            format_args!("{inline} and {file} are both set, expected at most one"),
        )),
        (Some(secret), None) => Ok(Some((inline, SecretSource::Inline(secret)))),
        (None, Some(path)) => Ok(Some((file, SecretSource::File(path.into())))),
        (None, None) => Ok(None),
    }
}

fn prefix(prefix: String) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if prefix.is_empty() {
        Err("aiven_service_prefix is empty, expected what the names of services start with".into())
    } else if !prefix.chars().all(allowed) {
        Err(format!(
            "{prefix:?} starts no service's name, expected letters, digits, '-' and '_'"
        ))
    } else if prefix.ends_with('-') {
        Err(format!(
            "{prefix:?} ends with '-', which is put between it and the guid anyway"
        ))
    } else {
        Ok(prefix)
    }
}

fn offerings(offerings: Vec<String>) -> Result<Vec<String>, &'static str> {
    if offerings.is_empty() || offerings.iter().any(String::is_empty) {
        return Err(
            "service_offerings names no offering, expected elasticsearch, opensearch or both",
        );
    }
    Ok(offerings)
}

fn organizations(organizations: Vec<String>) -> Result<Vec<String>, &'static str> {
    if organizations.iter().any(String::is_empty) {
        return Err("an organization is empty, expected its guid or name");
    }
    Ok(organizations)
}

#[cfg(test)]
mod tests;
