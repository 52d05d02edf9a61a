mod end;
mod page;
mod readiness;
mod users;

use fixtures::MockAiven;

use crate::support::exporter::{SCRAPE_INTERVAL, discovery, indented};

/// A job that discovers everything of `aiven` each second, with more lines of `aiven_sd_configs`.
fn aiven_job(name: &str, aiven: &MockAiven, more: &str) -> String {
    let discovery = indented(&discovery(aiven));
    format!("- job_name: {name}\n  scrape_interval: {SCRAPE_INTERVAL}\n{discovery}{more}")
}
