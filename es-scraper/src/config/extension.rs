//! Keys beyond Prometheus'.

use prom_config::render::Mapping;
use prom_config::{ConfigError, Fields};

/// The keys that a program adds to Prometheus' configuration language.
///
/// `()` adds none. An implementation takes its keys out of [`Fields`], so that its errors have a
/// position and a misspelt key is told from a known one; it never calls [`Fields::finish`].
/// Paths of files are its own affair: [`super::LoadOptions::file`] says what they are relative to.
///
/// ```
/// use es_scraper::config::{Config, Extension, LoadOptions};
/// use prom_config::render::{Mapping, Value};
/// use prom_config::{ConfigError, Fields};
///
/// struct Dns;
/// impl Extension for Dns {
///     type Root = ();
///     type Job = Vec<String>;
///     fn root(&self, _: &mut Fields) -> Result<(), ConfigError> {
///         Ok(())
///     }
///     fn job(&self, fields: &mut Fields) -> Result<Vec<String>, ConfigError> {
///         Ok(fields.optional("names")?.unwrap_or_default())
///     }
///     fn show_root(&self, (): &()) -> Mapping {
///         Mapping::new()
///     }
///     fn show_job(&self, names: &Vec<String>) -> Mapping {
///         Mapping::new().with_nonzero("names", names.iter().collect::<Value>())
///     }
/// }
///
/// let text = "scrape_configs: [{job_name: a, names: [b, c]}]";
/// let options = LoadOptions { file: "a.yml".as_ref(), environment: &|_| None };
/// let config = Config::load(text, options, &Dns)?;
/// assert_eq!(config.scrape_configs[0].extension, ["b", "c"]);
/// # Ok::<(), ConfigError>(())
/// ```
pub trait Extension {
    /// What the additional keys beside `scrape_configs` say.
    type Root;
    /// What the additional keys in a scrape configuration say.
    type Job;

    /// Takes the additional keys beside `scrape_configs`.
    ///
    /// # Errors
    /// Where one is invalid.
    fn root(&self, fields: &mut Fields) -> Result<Self::Root, ConfigError>;

    /// Takes the additional keys of a scrape configuration.
    ///
    /// # Errors
    /// Where one is invalid.
    fn job(&self, fields: &mut Fields) -> Result<Self::Job, ConfigError>;

    /// The additional keys beside `scrape_configs` as they are shown.
    fn show_root(&self, root: &Self::Root) -> Mapping;

    /// The additional keys of a scrape configuration as they are shown.
    fn show_job(&self, job: &Self::Job) -> Mapping;
}

/// Prometheus' language as it is.
impl Extension for () {
    type Root = ();
    type Job = ();

    fn root(&self, _: &mut Fields) -> Result<(), ConfigError> {
        Ok(())
    }

    fn job(&self, _: &mut Fields) -> Result<(), ConfigError> {
        Ok(())
    }

    fn show_root(&self, (): &()) -> Mapping {
        Mapping::new()
    }

    fn show_job(&self, (): &()) -> Mapping {
        Mapping::new()
    }
}
