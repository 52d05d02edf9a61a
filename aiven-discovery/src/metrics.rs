//! What discovery counts.
//!
//! One set of metrics under two sets of names: those of this crate ([`Metrics::register`]), and
//! those of the tool that [`crate::output::sidecar`] replaces ([`Metrics::register_sidecar`]).

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::api::ApiError;

/// Counters, gauges and a histogram; a clone counts in the same ones.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    refreshes: Counter,
    refresh_failures: Counter,
    refresh_duration: Histogram,
    malformed_services: Counter,
    discoveries: Counter,
    discovery_failures: Counter,
    lookups: Counter,
    lookup_failures: Counter,
    integration_requests: Counter,
    integration_failures: Counter,
    catalogue_readings: Counter,
    catalogue_reading_failures: Counter,
    credential_readings: Counter,
    credential_reading_failures: Counter,
    target_writes: Counter,
    target_write_failures: Counter,
    state_writes: Counter,
    state_write_failures: Counter,
    api_requests: Family<ApiLabels, Counter>,
    last_success: Family<ConfigLabel, Gauge<f64, AtomicU64>>,
    services: Family<ConfigLabel, Gauge>,
    targets: Family<ConfigLabel, Gauge>,
}

/// A call of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum ApiCall {
    Services,
    Service,
    CreateIntegration,
    Endpoint,
    ProjectCa,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
enum ApiOutcome {
    Success,
    Unauthorized,
    Forbidden,
    NotFound,
    RateLimited,
    Unavailable,
    OtherStatus,
    Unreachable,
    TimedOut,
    Nonsense,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ApiLabels {
    call: ApiCall,
    outcome: ApiOutcome,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ConfigLabel {
    config: Box<str>,
}

impl Default for Metrics {
    fn default() -> Self {
        let buckets = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
        Self(Arc::new(Inner {
            refreshes: Counter::default(),
            refresh_failures: Counter::default(),
            refresh_duration: Histogram::new(buckets),
            malformed_services: Counter::default(),
            discoveries: Counter::default(),
            discovery_failures: Counter::default(),
            lookups: Counter::default(),
            lookup_failures: Counter::default(),
            integration_requests: Counter::default(),
            integration_failures: Counter::default(),
            catalogue_readings: Counter::default(),
            catalogue_reading_failures: Counter::default(),
            credential_readings: Counter::default(),
            credential_reading_failures: Counter::default(),
            target_writes: Counter::default(),
            target_write_failures: Counter::default(),
            state_writes: Counter::default(),
            state_write_failures: Counter::default(),
            api_requests: Family::default(),
            last_success: Family::default(),
            services: Family::default(),
            targets: Family::default(),
        }))
    }
}

impl Metrics {
    /// Registers the metrics under this crate's names, all of which start with `aiven_sd_`.
    pub fn register(&self, registry: &mut Registry) {
        let inner = &*self.0;
        let registry = registry.sub_registry_with_prefix("aiven_sd");
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter(
            "refreshes",
            "Readings of the service list",
            &inner.refreshes,
        );
        counter(
            "refresh_failures",
            "Readings of the service list that failed",
            &inner.refresh_failures,
        );
        counter(
            "malformed_services",
            "Listed services that could not be understood",
            &inner.malformed_services,
        );
        counter("dns_lookups", "Lookups of host names", &inner.lookups);
        counter(
            "dns_lookup_failures",
            "Lookups of host names that failed",
            &inner.lookup_failures,
        );
        counter(
            "integration_requests",
            "Attempts to enable the Prometheus integration of a service",
            &inner.integration_requests,
        );
        counter(
            "integration_failures",
            "Attempts to enable the Prometheus integration of a service that failed",
            &inner.integration_failures,
        );
        counter(
            "catalogue_readings",
            "Readings of the catalogue of services that are to be discovered",
            &inner.catalogue_readings,
        );
        counter(
            "catalogue_reading_failures",
            "Readings of the catalogue of services that failed",
            &inner.catalogue_reading_failures,
        );
        counter(
            "credential_readings",
            "Readings of the endpoint's credentials",
            &inner.credential_readings,
        );
        counter(
            "credential_reading_failures",
            "Readings of the endpoint's credentials that failed or no longer found any",
            &inner.credential_reading_failures,
        );
        counter(
            "state_writes",
            "Attempts to write the last-known discovery",
            &inner.state_writes,
        );
        counter(
            "state_write_failures",
            "Attempts to write the last-known discovery that failed",
            &inner.state_write_failures,
        );
        registry.register(
            "refresh_duration_seconds",
            "How long reading the service list took",
            inner.refresh_duration.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the API of Aiven",
            inner.api_requests.clone(),
        );
        registry.register(
            "last_success_timestamp_seconds",
            "When the service list was last read, in seconds since the Unix epoch",
            inner.last_success.clone(),
        );
        registry.register(
            "services",
            "Services of the configured types that are listed",
            inner.services.clone(),
        );
        registry.register("targets", "Targets discovered", inner.targets.clone());
    }

    /// Registers the counters that the old sidecar had, under its names.
    pub fn register_sidecar(&self, registry: &mut Registry) {
        let inner = &*self.0;
        let mut counter = |name: &str, help: &str, counter: &Counter| {
            registry.register(name, help, counter.clone());
        };
        counter(
            "fetcher_fetches",
            "Readings of the service list",
            &inner.refreshes,
        );
        counter(
            "fetcher_aiven_service_list_errors",
            "Readings of the service list that failed",
            &inner.refresh_failures,
        );
        counter(
            "discoverer_dns_discoveries",
            "Discoveries of a service through DNS",
            &inner.discoveries,
        );
        counter(
            "discoverer_dns_discovery_errors",
            "Discoveries of a service through DNS that failed",
            &inner.discovery_failures,
        );
        counter(
            "discoverer_write_targets",
            "Attempts to write the target file",
            &inner.target_writes,
        );
        counter(
            "discoverer_write_targets_errors",
            "Attempts to write the target file that failed",
            &inner.target_write_failures,
        );
        counter(
            "integrator_create_service_integrations",
            "Attempts to enable the Prometheus integration of a service",
            &inner.integration_requests,
        );
        counter(
            "integrator_create_service_integration_errors",
            "Attempts to enable the Prometheus integration of a service that failed",
            &inner.integration_failures,
        );
        counter("resolver_resolves", "Lookups of host names", &inner.lookups);
        counter(
            "resolver_resolve_failures",
            "Lookups of host names that failed",
            &inner.lookup_failures,
        );
    }

    /// Drops the series of the discovery named `config`, once it is gone for good.
    pub fn forget(&self, config: &str) {
        let label = ConfigLabel {
            config: config.into(),
        };
        self.0.last_success.remove(&label);
        self.0.services.remove(&label);
        self.0.targets.remove(&label);
    }

    pub(crate) fn count_api_request(&self, call: ApiCall, error: Option<&ApiError>) {
        let outcome = match error {
            None => ApiOutcome::Success,
            Some(ApiError::Unauthorized { .. }) => ApiOutcome::Unauthorized,
            Some(ApiError::Forbidden { .. }) => ApiOutcome::Forbidden,
            Some(ApiError::NotFound { .. }) => ApiOutcome::NotFound,
            Some(ApiError::RateLimited { .. }) => ApiOutcome::RateLimited,
            Some(ApiError::Unavailable { .. }) => ApiOutcome::Unavailable,
            Some(ApiError::UnexpectedStatus { .. }) => ApiOutcome::OtherStatus,
            Some(ApiError::Unreachable { .. } | ApiError::Token(_)) => ApiOutcome::Unreachable,
            Some(ApiError::TimedOut { .. }) => ApiOutcome::TimedOut,
            Some(ApiError::Nonsense { .. } | ApiError::BodyTooLarge { .. }) => ApiOutcome::Nonsense,
        };
        self.0
            .api_requests
            .get_or_create(&ApiLabels { call, outcome })
            .inc();
    }

    pub(crate) fn count_refresh(&self, succeeded: bool, seconds: f64) {
        self.0.refreshes.inc();
        self.0.refresh_duration.observe(seconds);
        if !succeeded {
            self.0.refresh_failures.inc();
        }
    }

    pub(crate) fn count_malformed_services(&self, count: usize) {
        self.0.malformed_services.inc_by(count as u64);
    }

    pub(crate) fn count_discovery(&self, succeeded: bool) {
        count(&self.0.discoveries, &self.0.discovery_failures, succeeded);
    }

    pub(crate) fn count_lookup(&self, succeeded: bool) {
        count(&self.0.lookups, &self.0.lookup_failures, succeeded);
    }

    pub(crate) fn count_integration(&self, succeeded: bool) {
        count(
            &self.0.integration_requests,
            &self.0.integration_failures,
            succeeded,
        );
    }

    pub(crate) fn count_catalogue_reading(&self, succeeded: bool) {
        count(
            &self.0.catalogue_readings,
            &self.0.catalogue_reading_failures,
            succeeded,
        );
    }

    pub(crate) fn count_credential_reading(&self, succeeded: bool) {
        count(
            &self.0.credential_readings,
            &self.0.credential_reading_failures,
            succeeded,
        );
    }

    pub(crate) fn count_target_write(&self, succeeded: bool) {
        count(
            &self.0.target_writes,
            &self.0.target_write_failures,
            succeeded,
        );
    }

    pub(crate) fn count_state_write(&self, succeeded: bool) {
        count(
            &self.0.state_writes,
            &self.0.state_write_failures,
            succeeded,
        );
    }

    pub(crate) fn set_last_success(&self, config: &str, unix_seconds: f64) {
        set_float(&self.0.last_success, config, unix_seconds);
    }

    pub(crate) fn set_discovered(&self, config: &str, services: usize, targets: usize) {
        set(&self.0.services, config, services);
        set(&self.0.targets, config, targets);
    }
}

fn count(attempts: &Counter, failures: &Counter, succeeded: bool) {
    attempts.inc();
    if !succeeded {
        failures.inc();
    }
}

fn set(gauges: &Family<ConfigLabel, Gauge>, config: &str, value: usize) {
    let label = ConfigLabel {
        config: config.into(),
    };
    let value = i64::try_from(value).unwrap_or(i64::MAX);
    gauges.get_or_create(&label).set(value);
}

fn set_float(gauges: &Family<ConfigLabel, Gauge<f64, AtomicU64>>, config: &str, value: f64) {
    let label = ConfigLabel {
        config: config.into(),
    };
    gauges.get_or_create(&label).set(value);
}
