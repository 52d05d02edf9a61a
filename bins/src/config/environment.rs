//! The configuration that the old manifests set as variables of the environment.

use std::path::Path;

use prom_config::ConfigError;
use prom_config::render::{Mapping, Value};

use super::{Environment, ExporterConfig};

/// Time between scrapes where `SCRAPE_INTERVAL` isn't set.
const SCRAPE_INTERVAL: &str = "30s";

/// Stands for the file's name in errors.
const NAME: &str = "environment";

/// Why the environment is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// A variable isn't set, or empty.
    #[error("there is no --config.file, and {0} is not set")]
    Missing(&'static str),
    /// Variables have values that don't do.
    #[error(
        "a variable of the environment is invalid, as the configuration made of them shows: {0}"
    )]
    Invalid(#[from] ConfigError),
}

/// The configuration of `AIVEN_PROJECT`, `AIVEN_PROMETHEUS_ENDPOINT_ID`, `SERVICES_FILE` (optional) and
/// `SCRAPE_INTERVAL` (default 30 s): one job, called `aiven`.
///
/// `AIVEN_API_TOKEN` must be set and is no part of it, nor are `PORT` and the variables of basic authentication, which
/// are settings of the server.
///
/// # Errors
/// [`EnvironmentError`]
pub fn load(environment: Environment<'_>) -> Result<ExporterConfig, EnvironmentError> {
    let set = |name| environment(name).filter(|value| !value.is_empty());
    let required = |name| set(name).ok_or(EnvironmentError::Missing(name));
    required("AIVEN_API_TOKEN")?;
    let discovery = Mapping::new()
        .with("project", required("AIVEN_PROJECT")?)
        .with(
            "prometheus_endpoint_id",
            required("AIVEN_PROMETHEUS_ENDPOINT_ID")?,
        )
        .with_some("services_file", set("SERVICES_FILE"));
    let job = Mapping::new()
        .with("job_name", "aiven".to_owned())
        .with("aiven_sd_configs", Value::List(vec![discovery.into()]));
    let interval = set("SCRAPE_INTERVAL").unwrap_or_else(|| SCRAPE_INTERVAL.to_owned());
    let config = Mapping::new()
        .with("global", Mapping::new().with("scrape_interval", interval))
        .with("scrape_configs", Value::List(vec![job.into()]));
    Ok(super::parse(
        &config.to_yaml(),
        Path::new(NAME),
        environment,
    )?)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use aiven_discovery::config::ServicesSource;

    use super::*;
    use crate::args::given;

    fn of(variables: &[(&str, &str)]) -> Result<ExporterConfig, EnvironmentError> {
        load(&given::environment(variables))
    }

    const REQUIRED: [(&str, &str); 3] = [
        ("AIVEN_API_TOKEN", "t"),
        ("AIVEN_PROJECT", "p"),
        ("AIVEN_PROMETHEUS_ENDPOINT_ID", "e"),
    ];

    #[test]
    fn three_variables_are_a_configuration() {
        let config = of(&REQUIRED).unwrap();
        let job = &config.scrape_configs[0];
        assert_eq!(
            (&*job.job_name, job.scrape_interval),
            ("aiven", Duration::from_secs(30))
        );
        let discovery = &job.extension[0];
        assert_eq!(discovery.project, "p");
        assert_eq!(discovery.prometheus_endpoint_id.as_deref(), Some("e"));
        assert_eq!(
            (discovery.integrate, &discovery.services),
            (true, &ServicesSource::WholeProject)
        );
    }

    #[test]
    fn the_others_are_optional() {
        let mut variables = REQUIRED.to_vec();
        variables.extend([
            ("SERVICES_FILE", "services: #1.json"),
            ("SCRAPE_INTERVAL", "5s"),
        ]);
        let config = of(&variables).unwrap();
        let job = &config.scrape_configs[0];
        assert_eq!(
            (job.scrape_interval, job.scrape_timeout),
            (Duration::from_secs(5), Duration::from_secs(5))
        );
        assert_eq!(
            job.extension[0].services,
            ServicesSource::ServicesFile("services: #1.json".into())
        );
    }

    #[test]
    fn what_is_missing_or_invalid_is_told() {
        for missing in 0..REQUIRED.len() {
            let mut variables = REQUIRED.to_vec();
            let (name, _) = variables.remove(missing);
            let error = of(&variables).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("there is no --config.file, and {name} is not set")
            );
        }
        let mut variables = REQUIRED.to_vec();
        variables.push(("SCRAPE_INTERVAL", "soon"));
        let error = of(&variables).unwrap_err().to_string();
        assert!(error.contains("environment:2:20: "), "{error}");
    }
}
