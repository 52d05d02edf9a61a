//! Prometheus' HTTP API, as much of it as is about current series, targets and the process.
//!
//! Paths, parameters, JSON and errors are those of Prometheus 3. Of a series only the latest sample is known, so
//! `start` and `end` select the series whose latest sample lies between them.

mod answer;
mod metadata;
mod params;
mod series;
mod source;
mod status;
mod targets;
mod time;

pub(crate) use self::metadata::{metadata, targets_metadata};
pub(crate) use self::params::Params;
pub(crate) use self::series::{label_values, labels, series};
pub use self::source::{CurrentSeries, FamilyMetadata, ReadSeries, TooManySeries};
pub(crate) use self::status::{build_info, config, flags, runtime_info};
pub(crate) use self::targets::{discovered, targets};
