//! What is counted for each tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::{FederateMetrics, ServerMetrics, clean};
use crate::tenant::{Scope, TenantScope};

/// Tenants that are counted by name. Configurations have fewer; what comes beyond is counted as `other`, since names
/// may come from elsewhere, too.
const NAMED: usize = 1000;

const OTHER: &str = "other";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

/// Requests of tenants. Who sees everything isn't counted here.
#[derive(Debug, Clone, Default)]
pub struct TenantMetrics {
    requests: Family<TenantLabels, Counter>,
    refused: Family<TenantLabels, Counter>,
    series: Family<TenantLabels, Counter>,
    known: Arc<Mutex<HashMap<Arc<str>, Counters>>>,
}

/// The counters of one tenant.
#[derive(Debug, Clone)]
pub(crate) struct Counters {
    pub(crate) requests: Counter,
    /// Those that were one too many at a time.
    pub(crate) refused: Counter,
    /// Series served by federation.
    pub(crate) series: Counter,
}

impl TenantMetrics {
    /// The counters of `tenant`.
    pub(crate) fn of(&self, tenant: &TenantScope) -> Counters {
        let name = tenant.name();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counters) = known.get(name) {
            return counters.clone();
        }
        let tenant = if known.len() < NAMED {
            clean(name)
        } else {
            OTHER.to_owned()
        };
        let labels = TenantLabels { tenant };
        let counters = Counters {
            requests: self.requests.get_or_create(&labels).clone(),
            refused: self.refused.get_or_create(&labels).clone(),
            series: self.series.get_or_create(&labels).clone(),
        };
        if known.len() < NAMED {
            known.insert(Arc::clone(name), counters.clone());
        }
        counters
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests of each tenant", self.requests.clone());
        registry.register(
            "refused_requests",
            "Requests of each tenant that were refused since as many as it may have were being answered",
            self.refused.clone(),
        );
        registry.register(
            "series",
            "Series served to each tenant by federation",
            self.series.clone(),
        );
    }
}

/// What one federation answer counts as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct SentMetrics {
    federate: FederateMetrics,
    series: Option<Counter>,
}

impl ServerMetrics {
    /// For an answer in `scope`.
    pub(crate) fn sent(&self, scope: &Scope) -> SentMetrics {
        SentMetrics {
            federate: self.federate.clone(),
            series: scope.tenant().map(|tenant| self.tenants.of(tenant).series),
        }
    }
}

impl SentMetrics {
    /// See [`FederateMetrics::sent`].
    pub(crate) fn sent(&self, series: u64, bytes: u64) {
        self.federate.sent(series, bytes);
        if let Some(counter) = &self.series {
            counter.inc_by(series);
        }
    }

    /// See [`FederateMetrics::finished`].
    pub(crate) fn finished(&self, duration: Duration) {
        self.federate.finished(duration);
    }

    /// See [`FederateMetrics::abandoned`].
    pub(crate) fn abandoned(&self) {
        self.federate.abandoned();
    }
}
