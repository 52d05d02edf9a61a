//! The configuration file: `global` and `scrape_configs`, in Prometheus' own language.
//!
//! What Prometheus 3 has means here what it means there, defaults and YAML habits included.
//! Everything is checked once, by [`Config::load`]; the types can't hold what is invalid.
//! A program adds keys of its own, such as another service discovery, with an [`Extension`].
//!
//! ```
//! use std::path::Path;
//! use std::time::Duration;
//! use es_scraper::config::{Config, LoadOptions};
//!
//! let text = "
//! global:
//!   scrape_interval: 30s
//! scrape_configs:
//! - job_name: nodes
//!   static_configs:
//!   - targets: ['192.0.2.1:9273']
//! ";
//! let options = LoadOptions { file: Path::new("/etc/exporter.yml"), environment: &|_| None };
//! let config = Config::load(text, options, &())?;
//! let job = &config.scrape_configs[0];
//! assert_eq!(job.scrape_interval, Duration::from_secs(30));
//! assert_eq!(job.limits.body_size, 64 << 20);
//!
//! let error = Config::load("scrape_configs: [{}]", options, &()).unwrap_err();
//! assert_eq!(error.to_string(), "/etc/exporter.yml:1:18: job_name is missing");
//! # Ok::<(), prom_config::ConfigError>(())
//! ```

mod discovery;
mod expand;
mod extension;
mod global;
mod protocol;
mod rules;
mod scrape;
mod show;
mod warnings;

use std::collections::HashSet;
use std::path::Path;

use prom_config::{ConfigError, Fields, Node, Positioned, yaml};

pub use self::discovery::{FileSdConfig, HttpSdConfig, StaticConfig};
pub use self::extension::Extension;
pub use self::global::{GlobalConfig, Limits};
pub use self::protocol::ScrapeProtocol;
pub use self::rules::RelabelRules;
pub use self::scrape::ScrapeConfig;

/// Sections of Prometheus' configuration that scraping has no use for.
const UNSUPPORTED: [&str; 9] = [
    "alerting",
    "otlp",
    "remote_read",
    "remote_write",
    "rule_files",
    "runtime",
    "scrape_config_files",
    "storage",
    "tracing",
];

/// A checked configuration. `R` and `J` are what an [`Extension`] reads at the top and in each job.
#[derive(Debug, Clone, PartialEq)]
pub struct Config<R = (), J = ()> {
    /// `global`.
    pub global: GlobalConfig,
    /// `scrape_configs`, in the order of the file; job names are unique.
    pub scrape_configs: Vec<ScrapeConfig<J>>,
    /// What else there is at the top.
    pub extension: R,
    /// What is valid and likely not meant, in the order of the file.
    pub warnings: Vec<ConfigError>,
}

/// Where a configuration comes from.
#[derive(Clone, Copy)]
pub struct LoadOptions<'a> {
    /// Its file: named in errors, and relative paths are relative to its directory. It isn't read.
    pub file: &'a Path,
    /// Values of the variables that `external_labels` name as `$NAME` or `${NAME}`.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
}

impl std::fmt::Debug for LoadOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadOptions")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl<R, J> Config<R, J> {
    /// Loads a configuration from the text of its file.
    ///
    /// # Errors
    /// Where the text isn't YAML, has a key that nothing here or in `extension` knows, or a value
    /// that is invalid. The error names the file, line and column.
    pub fn load<X>(text: &str, options: LoadOptions<'_>, extension: &X) -> Result<Self, ConfigError>
    where
        X: Extension<Root = R, Job = J>,
    {
        let in_file = |error: ConfigError| error.in_file(options.file);
        let mut config = Self::read(text, options, extension).map_err(in_file)?;
        let warnings = config.warnings.drain(..).map(in_file).collect();
        config.warnings = warnings;
        config.warnings.sort_by_key(ConfigError::position);
        Ok(config)
    }

    fn read<X>(text: &str, options: LoadOptions<'_>, extension: &X) -> Result<Self, ConfigError>
    where
        X: Extension<Root = R, Job = J>,
    {
        let document = yaml::parse(text)?;
        let mut warnings = Vec::new();
        if let Some(position) = document.ignored {
            warnings
                .push(position.error("only the first document of a file is read, not this one"));
        }
        let mut fields = document.root.fields()?;
        let global = match fields.node("global") {
            Some(node) => GlobalConfig::read(&node, options.environment, &mut warnings)?,
            None => GlobalConfig::default(),
        };
        let mut reader = JobReader {
            global: &global,
            extension,
            directory: options.file.parent().unwrap_or(Path::new("")),
            names: HashSet::new(),
            warnings: &mut warnings,
        };
        let jobs = fields.optional::<Vec<Node>>("scrape_configs")?;
        let scrape_configs = (jobs.unwrap_or_default().iter())
            .map(|node| reader.read(node))
            .collect::<Result<_, _>>()?;
        fields.unsupported(&UNSUPPORTED)?;
        let root = extension.root(&mut fields)?;
        fields.finish()?;
        Ok(Self {
            global,
            scrape_configs,
            extension: root,
            warnings,
        })
    }
}

/// Reads the jobs of one configuration.
struct JobReader<'a, X> {
    global: &'a GlobalConfig,
    extension: &'a X,
    directory: &'a Path,
    names: HashSet<String>,
    warnings: &'a mut Vec<ConfigError>,
}

impl<X: Extension> JobReader<'_, X> {
    fn read(&mut self, node: &Node) -> Result<ScrapeConfig<X::Job>, ConfigError> {
        if node.is_null() {
            return Err(node.error("an empty scrape config, expected at least job_name"));
        }
        let mut fields = node.fields()?;
        let name = job_name(&mut fields)?;
        let job = ScrapeConfig::read(
            &name.value,
            &mut fields,
            self.global,
            self.directory,
            self.warnings,
        )?;
        let extension = self.extension.job(&mut fields)?;
        fields.finish()?;
        if !self.names.insert(name.value.clone()) {
            return Err(name.error(format_args!(
                "more than one scrape config has the job name {:?}",
                name.value
            )));
        }
        Ok(job.with_extension(extension))
    }
}

fn job_name(fields: &mut Fields) -> Result<Positioned<String>, ConfigError> {
    let name: Positioned<String> = fields.required("job_name")?;
    if name.value.is_empty() {
        return Err(name.error("job_name is empty"));
    }
    Ok(name)
}
