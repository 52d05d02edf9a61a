//! Who may ask, and what each sees: `tenants`, `operators` and `cloud_foundry_login`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use federate_server::tenant::config::TenantsConfig;
use prom_config::render::{Mapping, Value};
use prom_config::{ConfigError, Decode, Fields, Node};

use url::Url;

/// How long it is remembered whom Cloud Foundry let in, and what they may see, where `cache_time` isn't set.
pub const DEFAULT_CACHE_TIME: Duration = Duration::from_secs(300);

/// The sections on who sees what. Without any of them everybody who may ask sees everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `tenants` and `operators`.
    pub tenants: TenantsConfig,
    /// `cloud_foundry_login`
    pub cloud_foundry_login: Option<CloudFoundryLogin>,
}

/// Lets users of Cloud Foundry see the service instances that they can see there. Equal settings let in the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudFoundryLogin {
    /// `api`: Cloud Foundry's address.
    pub api: Url,
    /// `ca_file`: a file with certificates in PEM that API and UAA may have beside those the system trusts.
    pub ca_file: Option<PathBuf>,
    /// `cache_time`: how long a login stands; as long a revoked role goes on to hold.
    pub cache_time: Duration,
}

impl Access {
    /// Takes the sections out of `fields`. Relative paths are relative to `directory`.
    ///
    /// # Errors
    /// Where one of them is invalid.
    pub fn take(fields: &mut Fields, directory: &Path) -> Result<Self, ConfigError> {
        let tenants = TenantsConfig::take(fields)?;
        let login: Option<Option<CloudFoundryLogin>> = fields.optional("cloud_foundry_login")?;
        let mut login = login.flatten();
        if let Some(path) = login.as_mut().and_then(|login| login.ca_file.as_mut()) {
            // An absolute path replaces the directory.
            *path = directory.join(&*path);
        }
        Ok(Self {
            tenants,
            cloud_foundry_login: login,
        })
    }

    /// Whether there is none of the sections, so that who may ask sees everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty() && self.cloud_foundry_login.is_none()
    }

    /// The sections as they are shown.
    #[must_use]
    pub fn shown(&self) -> Mapping {
        let login = self.cloud_foundry_login.as_ref().map(|login| {
            Mapping::new()
                .with("api", Value::url(login.api.as_str()))
                .with("cache_time", login.cache_time)
                .with_some("ca_file", login.ca_file.as_deref())
        });
        self.tenants.shown().with_some("cloud_foundry_login", login)
    }
}

impl Decode for CloudFoundryLogin {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let api = fields.checked("api", api)?;
        let api = api.ok_or_else(|| fields.error_at("api", "api is missing"))?;
        let cache_time = fields.checked("cache_time", cache_time)?;
        let ca_file: Option<String> = fields.optional("ca_file")?;
        fields.finish()?;
        Ok(Self {
            api,
            ca_file: ca_file.filter(|path| !path.is_empty()).map(Into::into),
            cache_time: cache_time.unwrap_or(DEFAULT_CACHE_TIME),
        })
    }
}

/// Doesn't quote what may hold a password.
fn api(text: String) -> Result<Url, &'static str> {
    let wanted =
        "not an address of cloud foundry, expected http:// or https://, a host, and no user";
    cloud_foundry::api_url(&text).map_err(|_| wanted)
}

fn cache_time(time: Duration) -> Result<Duration, &'static str> {
    let hour = Duration::from_secs(3600);
    if (Duration::from_secs(1)..=hour).contains(&time) {
        Ok(time)
    } else {
        Err("expected 1s to 1h: as long a role that was taken away goes on to hold")
    }
}

#[cfg(test)]
mod tests {
    use prom_config::yaml;

    use super::*;

    fn take(text: &str) -> Result<Access, String> {
        let taken = || {
            let mut fields = yaml::parse(text)?.root.fields()?;
            let access = Access::take(&mut fields, Path::new("/etc"))?;
            fields.finish()?;
            Ok(access)
        };
        taken().map_err(|error: ConfigError| error.to_string())
    }

    #[test]
    fn absent_and_empty_sections_say_nothing() {
        for text in [
            "",
            "tenants:\noperators:\ncloud_foundry_login:",
            "cloud_foundry_login: ~",
        ] {
            let access = take(text).unwrap();
            assert!(access.is_empty(), "{text}");
            assert_eq!(access.shown(), Mapping::new());
        }
    }

    #[test]
    fn a_login_is_shown_as_it_is() {
        let text =
            "cloud_foundry_login: {api: https://api.example.org, ca_file: ca.pem, cache_time: 90s}";
        let access = take(text).unwrap();
        assert!(!access.is_empty());
        assert_eq!(
            access.shown().to_yaml(),
            "cloud_foundry_login:\n  api: https://api.example.org/\n  cache_time: 1m30s\n  ca_file: /etc/ca.pem\n"
        );
        let access = take("cloud_foundry_login: {api: 'https://a'}").unwrap();
        let login = access.cloud_foundry_login.unwrap();
        assert_eq!(login.cache_time, DEFAULT_CACHE_TIME);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        let f = |login: &str, want: &str| {
            let text = format!("cloud_foundry_login: {login}");
            assert_eq!(take(&text).unwrap_err(), want, "{login}");
        };
        f("{}", "1:22: api is missing");
        f("a", "1:22: expected a mapping, found a string");
        let wanted =
            "not an address of cloud foundry, expected http:// or https://, a host, and no user";
        for api in ["''", "a", "'ftp://a'", "'https://u:secret@a'"] {
            f(&format!("{{api: {api}}}"), &format!("1:28: {wanted}"));
        }
        f(
            "{api: 'http://a', cache_time: 2h}",
            "1:52: expected 1s to 1h: as long a role that was taken away goes on to hold",
        );
        f(
            "{api: 'http://a', client_secret: x}",
            "1:40: unknown field \"client_secret\", expected one of api, ca_file, cache_time",
        );
    }
}
