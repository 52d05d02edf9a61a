//! Behaviour of the crate through its public interface.
#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml's exception for tests leaves out what tests call"
)]

/// In-memory API, resolver and catalogue.
mod fakes;

/// Credentials and CA of nodes.
mod access;
/// The HTTP client against a server: retries, limits, what errors hold.
mod api;
/// A catalogue with a pace of its own, with paused time.
mod catalogue;
/// Everything together against a mocked Cloud Foundry and Aiven.
mod cloud_foundry;
/// The loops with paused time: order, pace, what is kept when something fails.
mod discovery;
/// Files: target files, catalogues, state.
mod files;
/// Integrations that the service list doesn't show yet.
mod integration;
/// What is logged, and what isn't.
mod logs;
/// The names and values of metrics.
mod metrics;
/// Everything together against a mocked Aiven.
mod mocked_aiven;
/// The HTTP client over TLS.
mod tls;
