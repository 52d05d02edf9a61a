//! Log lines on standard error, as Prometheus' programs write them.

mod lines;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::lines::{LineFormat, Lines};
use crate::args::Flag;

/// `--log.level`, the first argument of [`start`].
pub const LEVEL: Flag = Flag {
    name: "log.level",
    value: "LEVEL",
    default: "info",
    help: "debug, info, warn or error.",
};

/// `--log.format`, the second argument of [`start`].
pub const FORMAT: Flag = Flag {
    name: "log.format",
    value: "FORMAT",
    default: "logfmt",
    help: "logfmt or json.",
};

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
    let lines = match format {
        "logfmt" => Lines(LineFormat::Logfmt),
        "json" => Lines(LineFormat::Json),
        _ => return Err(LoggingError::Format(format.to_owned())),
    };
    tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init()?;
    Ok(())
}
