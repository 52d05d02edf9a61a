use std::time::Duration;

use aiven_discovery::api::ApiError;
use aiven_discovery::metrics::Metrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::time::sleep;

use crate::fakes::{BOTH, Fake, Running, bare_service, list, service, unreachable};

fn text(register: impl Fn(&mut Registry)) -> String {
    let mut registry = Registry::default();
    register(&mut registry);
    let mut text = String::new();
    encode(&mut text, &registry).expect("writing to a string");
    text
}

fn value(text: &str, series: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line?.parse().ok()
}

pub(crate) fn sidecar_value(metrics: &Metrics, name: &str) -> u64 {
    let text = text(|registry| metrics.register_sidecar(registry));
    value(&text, name).unwrap_or_else(|| panic!("no {name} in {text}"))
}

#[tokio::test(start_paused = true)]
async fn attempts_and_failures_are_counted_under_the_old_names() {
    let fake = Fake::new();
    let mut homeless = service("c");
    homeless.host = None;
    fake.world().list = Ok(list([service("a"), bare_service("b"), homeless]));
    fake.world()
        .integration_failures
        .insert("b".to_owned(), || ApiError::UnexpectedStatus {
            status: 400,
            message: String::new(),
        });
    let metrics = Metrics::default();
    let (discoverer, discovery) = fake.discoverer();
    let running = Running::start((discoverer.with_metrics(metrics.clone()), discovery));
    running.targets_become(&BOTH).await;
    fake.world().list = Err(unreachable);
    fake.world().hosts.clear();
    sleep(Duration::from_secs(121)).await;
    let expected = [
        ("fetcher_fetches_total", 2),
        ("fetcher_aiven_service_list_errors_total", 1),
        ("discoverer_dns_discoveries_total", 6),
        ("discoverer_dns_discovery_errors_total", 5),
        ("discoverer_write_targets_total", 0),
        ("discoverer_write_targets_errors_total", 0),
        ("resolver_resolves_total", 3),
        ("resolver_resolve_failures_total", 2),
    ];
    for (name, want) in expected {
        assert_eq!(sidecar_value(&metrics, name), want, "{name}");
    }
    let tried = sidecar_value(&metrics, "integrator_create_service_integrations_total");
    let failed = sidecar_value(
        &metrics,
        "integrator_create_service_integration_errors_total",
    );
    assert!(tried > 0);
    assert_eq!(tried, failed);
}

#[tokio::test(start_paused = true)]
async fn the_metrics_of_this_crate() {
    let fake = Fake::new();
    let metrics = Metrics::default();
    let mut settings = crate::fakes::settings();
    settings.name = "a \"job\"".to_owned();
    let (discoverer, discovery) = fake.discoverer_with(settings);
    let running = Running::start((discoverer.with_metrics(metrics.clone()), discovery));
    running.targets_become(&BOTH).await;
    let shown = text(|registry| metrics.register(registry));
    let f = |series: &str, want: u64| assert_eq!(value(&shown, series), Some(want), "{shown}");
    f("aiven_sd_refreshes_total", 1);
    f("aiven_sd_refresh_failures_total", 0);
    f("aiven_sd_refresh_duration_seconds_count", 1);
    f("aiven_sd_dns_lookups_total", 1);
    f("aiven_sd_catalogue_readings_total", 1);
    f("aiven_sd_catalogue_reading_failures_total", 0);
    f("aiven_sd_credential_readings_total", 1);
    f("aiven_sd_credential_reading_failures_total", 0);
    f("aiven_sd_services{config=\"a \\\"job\\\"\"}", 1);
    f("aiven_sd_targets{config=\"a \\\"job\\\"\"}", 2);
    metrics.forget("a \"job\"");
    let shown = text(|registry| metrics.register(registry));
    assert!(!shown.contains("config="), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_no_longer_shown_are_counted() {
    let fake = Fake::new();
    let metrics = Metrics::default();
    let (discoverer, discovery) = fake.discoverer();
    let running = Running::start((discoverer.with_metrics(metrics.clone()), discovery));
    running.targets_become(&BOTH).await;
    fake.world().credentials = Ok(None);
    sleep(Duration::from_secs(601)).await;
    let shown = text(|registry| metrics.register(registry));
    let f = |series: &str, want: u64| assert_eq!(value(&shown, series), Some(want), "{shown}");
    let readings = value(&shown, "aiven_sd_credential_readings_total").unwrap();
    assert!(readings > 1, "{shown}");
    // All but the first.
    f("aiven_sd_credential_reading_failures_total", readings - 1);
}
