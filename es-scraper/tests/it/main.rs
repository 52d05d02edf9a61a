//! Behaviour of the library as its users see it.

#![expect(
    clippy::unwrap_used,
    reason = "in tests, also in functions that the lint takes for others"
)]

mod config;
mod discovery;
mod file_sd;
mod http_sd;
mod input_progress;
mod inputs;
#[path = "../../../prom-model/tests/it/prometheus.rs"]
mod prometheus;
mod recording;
mod relabel;
mod scrape_client;
mod scrape_faults;
mod scrape_loop;
mod scrape_panics;
mod scraping;
mod sd_oracle;
