//! Prometheus' configuration language.
//!
//! - [`yaml`], [`Decode`], [`Fields`]: YAML with Prometheus' habits, strictly decoded; every
//!   [`ConfigError`] names line and column.
//! - [`duration`], [`size`]: `1h30m` and `64MB`.
//! - [`http_client`]: the settings of Prometheus' HTTP clients.
//! - [`render`]: a configuration as text for people, without secrets.
//!
//! No I/O: a caller passes the text of a file, and files that a configuration names are not read.
//!
//! ```
//! use std::time::Duration;
//! use prom_config::yaml;
//!
//! let mut fields = yaml::parse("interval: 1m30s\nlimit: 1e3\n")?.root.fields()?;
//! assert_eq!(fields.required::<Duration>("interval")?, Duration::from_secs(90));
//! assert_eq!(fields.optional::<u64>("limit")?, Some(1000));
//! fields.finish()?;
//! # Ok::<(), prom_config::ConfigError>(())
//! ```

mod decode;
pub mod duration;
mod error;
mod fields;
pub mod http_client;
pub mod render;
pub mod size;
pub mod yaml;

pub use decode::{Decode, Positioned};
pub use error::{ConfigError, Position};
pub use fields::Fields;
pub use size::ByteSize;
pub use yaml::Node;

/// The README's example, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
