//! Where a job's targets come from: `static_configs`, `file_sd_configs`, `http_sd_configs`.

use std::path::Path;
use std::time::Duration;

use prom_config::http_client::HttpClientConfig;
use prom_config::{ConfigError, Decode, Fields, Node};
use prom_model::label::LabelSet;

use crate::discovery::FileConfig;

/// Targets that are written down, with labels that all of them get.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StaticConfig {
    /// Addresses, `host:port`.
    pub targets: Vec<String>,
    /// Their labels.
    pub labels: LabelSet,
}

/// Targets in files, which are watched.
///
/// # Defaults
/// `refresh_interval` 5m.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSdConfig {
    /// Paths, at least one, with `*` in the last element only, ending in `.json`, `.yml` or `.yaml`.
    /// Relative ones are already relative to the configuration file's directory.
    pub files: Vec<String>,
    /// How often they are read even if no change was noticed; never zero.
    pub refresh_interval: Duration,
}

/// Targets that an HTTP server lists.
///
/// # Defaults
/// `refresh_interval` 1m.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSdConfig {
    /// An absolute `http` or `https` URL; may hold user and password.
    pub url: String,
    /// Time between requests; never zero.
    pub refresh_interval: Duration,
    /// How to reach it.
    pub http: HttpClientConfig,
}

const FILE_REFRESH_INTERVAL: Duration = Duration::from_secs(300);
const HTTP_REFRESH_INTERVAL: Duration = Duration::from_secs(60);

impl Decode for StaticConfig {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        if node.is_null() {
            return Err(node.error("an empty section in static_configs, expected targets"));
        }
        let mut fields = node.fields()?;
        let config = Self {
            targets: fields.optional("targets")?.unwrap_or_default(),
            labels: fields.optional("labels")?.unwrap_or_default(),
        };
        fields.finish()?;
        Ok(config)
    }
}

impl StaticConfig {
    /// Reads `static_configs`. URLs are refused as addresses unless relabelling may mend them.
    pub(super) fn read_list(node: &Node, relabelled: bool) -> Result<Vec<Self>, ConfigError> {
        let configs: Vec<Self> = node.decode()?;
        if relabelled {
            return Ok(configs);
        }
        for (config, node) in configs.iter().zip(node.items()?) {
            if config.targets.iter().any(|target| target.contains('/')) {
                check_addresses(&mut node.fields()?)?;
            }
        }
        Ok(configs)
    }
}

/// The error for the first address of a static config that is none, where it stands.
fn check_addresses(fields: &mut Fields) -> Result<(), ConfigError> {
    let targets: Vec<Node> = fields.optional("targets")?.unwrap_or_default();
    for target in targets {
        let address: String = target.decode()?;
        if address.contains('/') {
            return Err(target.error("not a host and port: a target has no scheme and no path"));
        }
    }
    Ok(())
}

impl FileSdConfig {
    /// Reads an element of `file_sd_configs`; `directory` is the configuration file's.
    pub(super) fn read(node: &Node, directory: &Path) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let patterns: Vec<Node> = fields.optional("files")?.unwrap_or_default();
        if patterns.is_empty() {
            let message = "file_sd_configs without files, expected at least one path";
            return Err(fields.error_at("files", message));
        }
        let path = |node: &Node| {
            let pattern: String = node.decode()?;
            if !FileConfig::accepts(&pattern) {
                return Err(node.error(format_args!(
                    "{pattern:?} is not a path for file_sd_configs, expected one that ends in .json, .yml or \
                     .yaml with * in its last element only"
                )));
            }
            Ok(directory.join(pattern).to_string_lossy().into_owned())
        };
        let files = patterns.iter().map(path).collect::<Result<_, _>>()?;
        let refresh_interval = refresh_interval(&mut fields, FILE_REFRESH_INTERVAL)?;
        fields.finish()?;
        Ok(Self {
            files,
            refresh_interval,
        })
    }
}

impl HttpSdConfig {
    /// Reads an element of `http_sd_configs`; `directory` is the configuration file's.
    pub(super) fn read(node: &Node, directory: &Path) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let url = fields.checked("url", check_url)?;
        let Some(url) = url else {
            return Err(fields.error_at("url", URL_MISSING));
        };
        let refresh_interval = refresh_interval(&mut fields, HTTP_REFRESH_INTERVAL)?;
        let mut http = HttpClientConfig::take(&mut fields)?;
        http.set_directory(directory);
        fields.finish()?;
        Ok(Self {
            url,
            refresh_interval,
            http,
        })
    }
}

const URL_MISSING: &str = "url is missing";

/// Messages don't quote the URL, which may hold a password.
fn check_url(url: String) -> Result<String, &'static str> {
    if url.is_empty() {
        return Err(URL_MISSING);
    }
    let rest = match url.split_once(':') {
        Some((scheme, rest))
            if ["http", "https"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest
        }
        _ => return Err("the URL's scheme is neither http nor https"),
    };
    // The parser below takes the host from anywhere after the scheme.
    let authority = rest.strip_prefix("//").unwrap_or_default();
    if authority.is_empty() || authority.starts_with(['/', '?', '#']) {
        return Err("the URL has no host");
    }
    if has_bad_escape(rest) {
        return Err("the URL has a % without two hexadecimal digits behind it");
    }
    match url::Url::parse(&url) {
        Ok(_) => Ok(url),
        Err(_) => Err("not a URL, expected http://HOST/PATH or https://HOST/PATH"),
    }
}

/// Whether a `%` before the query or in the fragment doesn't start an escape, which the parser below forgives.
fn has_bad_escape(url: &str) -> bool {
    let (url, fragment) = url.split_once('#').unwrap_or((url, ""));
    let path = url.split('?').next().unwrap_or_default();
    [path, fragment].iter().any(|part| {
        part.split('%').skip(1).any(|escape| {
            let digits = escape.bytes().take(2).filter(u8::is_ascii_hexdigit);
            digits.count() < 2
        })
    })
}

/// Takes `refresh_interval`. With a zero, Prometheus loads the configuration and then crashes.
fn refresh_interval(fields: &mut Fields, default: Duration) -> Result<Duration, ConfigError> {
    let own = fields.checked("refresh_interval", |interval: Duration| {
        if interval.is_zero() {
            return Err("refresh_interval is 0, expected more");
        }
        Ok(interval)
    })?;
    Ok(own.unwrap_or(default))
}
