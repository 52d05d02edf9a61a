//! The service instances of a Cloud Foundry.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloud_foundry::{InstanceFilter, ServiceInstance, ServiceInstances, Session};
use prom_model::label::LabelSet;
use tracing::{info, warn};

use super::{Catalogue, CatalogueError, Listing};

/// The managed service instances of a Cloud Foundry: an instance is the Aiven service `PREFIX-GUID`, and adds the
/// labels `service_guid`, `service_name`, `space_guid`, `space_name`, `org_guid`, `org_name` and `service_plan_name`.
///
/// Instances are listed whatever was last done with them. While one is being created Aiven has its service already, so
/// that it can be integrated meanwhile; one whose update or deletion failed still has nodes; and where the creation
/// failed Aiven lists no service, which is then shown as missing.
#[derive(Debug)]
pub struct CloudFoundryCatalogue {
    session: Session,
    filter: InstanceFilter,
    service_prefix: String,
    refresh_interval: Duration,
    last: Mutex<Last>,
}

/// What the last listing had.
#[derive(Debug, Default)]
struct Last {
    services: Arc<BTreeMap<String, LabelSet>>,
    unknown: Vec<String>,
}

impl CloudFoundryCatalogue {
    /// The instances that `session` shows and `filter` is for. Nothing is asked until the catalogue is.
    #[must_use]
    pub fn new(
        session: Session,
        filter: InstanceFilter,
        service_prefix: impl Into<String>,
        refresh_interval: Duration,
    ) -> Self {
        Self {
            session,
            filter,
            service_prefix: service_prefix.into(),
            refresh_interval,
            last: Mutex::default(),
        }
    }

    /// Nothing known of what the configuration names is a mistake in it, or a client that lost its rights, rather than
    /// the end of every service.
    fn check_filter(&self, found: &ServiceInstances) -> Result<(), CatalogueError> {
        let parts = [
            (
                "service offerings",
                &self.filter.service_offerings,
                &found.unknown_offerings,
            ),
            (
                "organizations",
                &self.filter.organizations,
                &found.unknown_organizations,
            ),
        ];
        for (what, asked, unknown) in parts {
            if !asked.is_empty() && asked.len() == unknown.len() {
                let names = unknown.join(", ");
                return Err(CatalogueError::NoneKnown { what, names });
            }
        }
        Ok(())
    }

    /// Logs what the filter names and nobody knows, when that changes.
    fn report_unknown(last: &mut Last, found: &ServiceInstances) {
        let unknown = [&*found.unknown_offerings, &found.unknown_organizations].concat();
        if last.unknown == unknown {
            return;
        }
        if unknown.is_empty() {
            info!("cloud foundry knows every configured offering and organization again");
        } else {
            let names = unknown.join(", ");
            warn!(
                names,
                "cloud foundry doesn't know, or show, some configured offerings or organizations"
            );
        }
        last.unknown = unknown;
    }

    fn last<T>(&self, with: impl FnOnce(&mut Last) -> T) -> T {
        with(&mut self.last.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Catalogue for CloudFoundryCatalogue {
    async fn list(&self) -> Result<Listing, CatalogueError> {
        let found = self.session.service_instances(&self.filter).await?;
        self.check_filter(&found)?;
        let services: BTreeMap<_, _> = found
            .instances
            .iter()
            .map(|it| (format!("{}-{}", self.service_prefix, it.guid), labels(it)))
            .collect();
        Ok(Listing::Services(self.last(|last| {
            Self::report_unknown(last, &found);
            if *last.services != services {
                last.services = Arc::new(services);
            }
            Arc::clone(&last.services)
        })))
    }

    fn refresh_interval(&self) -> Option<Duration> {
        Some(self.refresh_interval)
    }

    /// The API doesn't show instances whose spaces the credentials have no role in, as if there were none. Services of
    /// another prefix or organization were listed by other settings.
    fn could_hide(&self, service: &str, labels: &LabelSet) -> bool {
        let guid = service.strip_prefix(&self.service_prefix);
        let organizations = &self.filter.organizations;
        let is_of = |wanted: &String| {
            let names = ["org_guid", "org_name"].map(|name| labels.get(name));
            names.contains(&Some(wanted))
        };
        guid.is_some_and(|guid| guid.starts_with('-'))
            && (organizations.is_empty() || organizations.iter().any(is_of))
    }
}

fn labels(instance: &ServiceInstance) -> LabelSet {
    let organization = &instance.organization;
    LabelSet::from_iter([
        ("service_guid", instance.guid.as_str()),
        ("service_name", &instance.name),
        ("space_guid", &instance.space.guid),
        ("space_name", &instance.space.name),
        ("org_guid", &organization.guid),
        ("org_name", organization.name.as_deref().unwrap_or_default()),
        ("service_plan_name", &instance.plan_name),
    ])
}
