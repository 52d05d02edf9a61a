mod end;
mod page;
mod readiness;
mod users;

use fixtures::MockAiven;

/// A job that discovers everything of `aiven` each second, with more lines of `aiven_sd_configs`.
fn aiven_job(name: &str, aiven: &MockAiven, more: &str) -> String {
    let (project, token, url) = (aiven.project(), aiven.token(), aiven.api_url());
    let (endpoint, nameserver) = (aiven.endpoint_id(), aiven.nameserver());
    format!(
        "- job_name: {name}\n  scrape_interval: 250ms\n  aiven_sd_configs:\n  - project: {project}\n    \
         api_token: {token}\n    api_url: {url}\n    prometheus_endpoint_id: {endpoint}\n    \
         nameservers: ['{nameserver}']\n    refresh_interval: 1s\n    dns_refresh_interval: 1s\n{more}"
    )
}
