//! Serves the latest samples of scraped targets: Prometheus federation, HTTP API and pages.

pub mod auth;
pub mod listener;
pub mod serve;
pub mod selector;
