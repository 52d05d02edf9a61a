//! Discovers the Prometheus endpoints of Aiven services.
//!
//! Aiven runs a Prometheus endpoint on every node of a service once the service is integrated with
//! an endpoint of type `prometheus`. This crate lists a project's services through Aiven's API,
//! enables that integration where it is missing, looks up the nodes' addresses, and publishes a
//! target group for each service whenever something changes. It knows nothing of scraping.
//!
//! - [`config`]: the settings, as `aiven_sd_configs` has them, and [`config::AivenSdConfig::build`].
//! - [`discovery`]: the [`discovery::Discoverer`] and what readers see of it.
//! - [`api`], [`catalogue`], [`resolve`]: what it asks, each a trait with the real implementations.
//! - [`target_group`]: the pure function from services and addresses to target groups.
//! - [`output`]: target groups as JSON for `http_sd`, `file_sd`, and readers of the old sidecar.
//! - [`state`]: the last-known discovery, kept across restarts.
//! - [`metrics`]: what is counted.
//!
//! Whatever fails, the last good targets stay: each source keeps its last good answer by itself, and
//! target groups are made from these answers. Only an answer that makes sense removes anything.
//!
//! ```
//! use aiven_discovery::config::{AivenSdConfig, BuildOptions};
//! use aiven_discovery::discovery::Progress;
//! use aiven_discovery::output::http_sd;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = AivenSdConfig {
//!     prometheus_endpoint_id: Some("b3c3d9aa-0000-4000-8000-000000000000".to_owned()),
//!     nameservers: vec!["10.0.0.2:53".parse()?],
//!     api_url: Some("http://127.0.0.1:1".parse()?),
//!     ..AivenSdConfig::new("paas-cf-prod")
//! };
//! let options = BuildOptions {
//!     api_token: Some("token".into()),
//!     ..BuildOptions::default()
//! };
//! let (discoverer, discovery) = config.build("aiven", &options)?;
//! // A program spawns `discoverer.run()`, and follows `discovery.groups()`.
//! let not_started = discoverer.run();
//! assert_eq!(*discovery.progress().borrow(), Progress::Waiting);
//! assert_eq!(http_sd::render(&discovery.groups().borrow()), "[]");
//! # drop(not_started);
//! # Ok(())
//! # }
//! ```

mod access;
pub mod api;
mod atomic_file;
pub mod catalogue;
pub mod config;
pub mod discovery;
mod health;
pub mod metrics;
pub mod output;
pub mod resolve;
pub mod state;
pub mod target_group;

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
