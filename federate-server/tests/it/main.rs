//! What the crate does for those who use it, through its public interface.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

/// JSON paths: whole bodies, as Prometheus answers.
mod api;
/// Who gets in, and who doesn't.
mod auth;
/// Tenants: what each is told, and that it has nothing of another.
mod isolation;
/// Requests that compute for long.
mod load;
/// Keeps what is logged.
mod logged;
/// The process's own metrics.
mod metrics;
/// HTML for people.
mod pages;
/// A real Prometheus, for the tests named oracle.
#[path = "../../../prom-model/tests/it/prometheus.rs"]
mod prometheus;
/// Paths, methods, and what every answer has.
mod routes;
/// What `match[]` may be, and what it selects.
mod selector;
/// Connections: TLS, limits, shutdown.
mod serving;
/// A state to answer from.
mod support;
/// The web configuration file.
mod web_config;
