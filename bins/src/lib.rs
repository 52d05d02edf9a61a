//! Composition of the libraries into programs: reading flags and configuration, wiring, running.
//!
//! - [`exporter`]: `elasticsearch-metric-exporter`, from its flags to its end.
//! - [`sidecar`]: `aiven-service-discovery`, the drop-in for operators who keep a real Prometheus.
//! - `demo`: both halves of the world on one machine, for people to try.
//! - [`config`]: the configuration file with its Aiven sections, or the environment instead.
//! - [`platform`]: what Cloud Foundry tells the applications that it runs.

pub mod args;
pub mod config;
pub mod credentials;
#[cfg(feature = "demo")]
pub mod demo;
pub mod exporter;
pub mod logging;
pub mod platform;
pub mod program;
pub mod services_file;
pub mod sidecar;
pub mod signals;
