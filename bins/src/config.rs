//! The exporter's configuration: a file in Prometheus' language with Aiven's sections, or the environment.

use std::path::{Path, PathBuf};

use aiven_discovery::config::AivenSdConfig;
use es_scraper::config::{Config, Extension, LoadOptions};
use prom_config::render::{Mapping, Value};
use prom_config::{ConfigError, Fields, Node};

pub mod access;
pub mod environment;

use self::access::Access;

/// A configuration with everything that the exporter knows.
pub type ExporterConfig = Config<Access, Vec<AivenSdConfig>>;

/// Reads a variable of the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// It has been read and is no configuration; the error names file, line and column.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no file, and the environment doesn't say enough.
    #[error(transparent)]
    Environment(#[from] environment::EnvironmentError),
}

/// Reads the configuration file at `path`.
///
/// # Errors
/// [`LoadError::Read`] and [`LoadError::Config`].
pub fn load(path: &Path, environment: Environment<'_>) -> Result<ExporterConfig, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(parse(&text, path, environment)?)
}

/// Loads the configuration `text` as that of the file at `path`.
///
/// # Errors
/// Where it is invalid; the error names the file, line and column.
pub fn parse(
    text: &str,
    path: &Path,
    environment: Environment<'_>,
) -> Result<ExporterConfig, ConfigError> {
    let options = LoadOptions {
        file: path,
        environment,
    };
    let mut config = Config::load(text, options, &Sections { file: path })?;
    let warnings = std::mem::take(&mut config.extension.tenants.warnings);
    let warnings = warnings.into_iter().map(|warning| warning.in_file(path));
    config.warnings.extend(warnings);
    config.warnings.sort_by_key(ConfigError::position);
    Ok(config)
}

/// The configuration as it may be shown, in YAML, without a secret.
#[must_use]
pub fn show(config: &ExporterConfig, path: &Path) -> String {
    config.to_yaml(&Sections { file: path })
}

/// The sections that Prometheus doesn't have.
struct Sections<'a> {
    file: &'a Path,
}

impl Sections<'_> {
    fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }
}

impl Extension for Sections<'_> {
    type Root = Access;
    type Job = Vec<AivenSdConfig>;

    fn root(&self, fields: &mut Fields) -> Result<Access, ConfigError> {
        Access::take(fields, self.directory())
    }

    fn job(&self, fields: &mut Fields) -> Result<Vec<AivenSdConfig>, ConfigError> {
        let nodes: Vec<Node> = fields.optional("aiven_sd_configs")?.unwrap_or_default();
        let mut configs = nodes
            .iter()
            .map(Node::decode)
            .collect::<Result<Vec<AivenSdConfig>, _>>()?;
        for config in &mut configs {
            config.set_directory(self.directory());
        }
        Ok(configs)
    }

    fn show_root(&self, access: &Access) -> Mapping {
        access.shown()
    }

    fn show_job(&self, configs: &Vec<AivenSdConfig>) -> Mapping {
        let shown: Value =
            Value::List(configs.iter().map(|config| config.shown().into()).collect());
        Mapping::new().with_nonzero("aiven_sd_configs", shown)
    }
}
