//! Log lines on standard error, as Prometheus' programs write them.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Why logging can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// `--log.level` is none of the levels.
    #[error("--log.level={0}: expected one of debug, info, warn, error")]
    Level(String),
    /// `--log.format` is none of the formats.
    #[error("--log.format={0}: expected one of logfmt, json")]
    Format(String),
    /// Something else has set it up already.
    #[error("logging is set up twice")]
    Twice(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts logging at `level` (`debug`, `info`, `warn`, `error`) in `format` (`logfmt`, `json`).
///
/// # Errors
/// As [`LoggingError`] says.
pub fn start(level: &str, format: &str) -> Result<(), LoggingError> {
    let filter = match level {
        "debug" => LevelFilter::DEBUG,
        "info" => LevelFilter::INFO,
        "warn" => LevelFilter::WARN,
        "error" => LevelFilter::ERROR,
        _ => return Err(LoggingError::Level(level.to_owned())),
    };
    // What the libraries below say at their debug level is about their own insides.
    let targets = Targets::new()
        .with_default(filter.min(LevelFilter::INFO))
        .with_targets(
            ["bins", "aiven_discovery", "es_scraper", "federate_server"].map(|of| (of, filter)),
        );
    let registry = tracing_subscriber::registry().with(targets);
    match format {
        "logfmt" => {
            let lines = tracing_logfmt::builder()
                .layer()
                .with_writer(std::io::stderr);
            registry.with(lines).try_init()?;
        }
        "json" => {
            let lines = tracing_subscriber::fmt::layer()
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .with_writer(std::io::stderr);
            registry.with(lines).try_init()?;
        }
        _ => return Err(LoggingError::Format(format.to_owned())),
    }
    Ok(())
}
