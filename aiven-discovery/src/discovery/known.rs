//! What is known of a project, and how each piece of news changes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prom_model::label::LabelSet;
use prom_model::target::{Access, TargetGroup};
use rest_client::Backoff;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::access::{ProjectAccess, ServiceAccess};
use crate::api::{Integration, MalformedService, Service, ServiceList, ServiceState};
use crate::catalogue::Listing;
use crate::health::Health;
use crate::resolve::Addresses;
use crate::state::LastKnown;
use crate::target_group::{NoTargets, TargetSettings, target_groups};

use super::{DiscoveryStatus, Progress, ServiceStatus};

/// How long an integration that Aiven has confirmed is believed while the service list doesn't show it; then Aiven is
/// asked for it again, which is how a list that lags even more costs no targets.
const BELIEVED: Duration = Duration::from_secs(600);

/// The last good answer of each source. A failure changes none of them.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(super) listing: Option<Listing>,
    services: Option<Vec<Service>>,
    pub(super) addresses: BTreeMap<String, Vec<IpAddr>>,
    pub(super) ca_pem: Option<String>,
    access: HashMap<String, Arc<ServiceAccess>>,
    restored: bool,
    /// The service list was asked for, however that went.
    pub(super) attempted: bool,
    /// The catalogue was asked for, however that went.
    pub(super) listing_attempted: bool,
    /// The service list was read since the start.
    pub(super) refreshed: bool,
    /// A round of lookups was made since then.
    pub(super) resolved: bool,
    pub(super) published: bool,
    /// The last list held services that couldn't be understood.
    malformed: bool,
    pub(super) last_success: Option<SystemTime>,
    pub(super) refresh_health: Health,
    pub(super) catalogue_health: Health,
    pub(super) credentials_health: Health,
    pub(super) ca_health: Health,
    pub(super) dns_health: BTreeMap<String, Health>,
    pub(super) integration: BTreeMap<String, IntegrationTrouble>,
    /// Services whose integration Aiven has confirmed, and the service list doesn't show yet: until when that is
    /// believed.
    believed: BTreeMap<String, Instant>,
}

/// A service whose integration fails.
#[derive(Debug)]
pub(super) struct IntegrationTrouble {
    pub(super) health: Health,
    pub(super) backoff: Backoff,
    pub(super) not_before: Instant,
}

/// A service that is to be looked up, and its host name where it has one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    pub(super) service: String,
    pub(super) host: Option<String>,
}

/// Services that a new listing should perhaps have.
#[derive(Debug, Default)]
pub(super) struct Hidden {
    pub(super) services: Vec<String>,
    pub(super) listed_before: usize,
    pub(super) listed_now: usize,
}

impl Known {
    pub(super) fn restore(&mut self, last: LastKnown) {
        self.listing = Some(last.listing);
        self.services = Some(last.services);
        self.addresses = last.addresses;
        self.ca_pem = last.ca_pem;
        self.restored = true;
    }

    /// What is worth keeping across a restart, once there is anything.
    pub(super) fn last_known(&self, project: &str) -> Option<LastKnown> {
        Some(LastKnown {
            project: project.to_owned(),
            ca_pem: self.ca_pem.clone(),
            listing: self.listing.clone()?,
            services: self.services.clone()?,
            addresses: self.addresses.clone(),
        })
    }

    /// Whether it is known which services are to be targets.
    pub(super) const fn is_complete(&self) -> bool {
        self.listing.is_some() && self.services.is_some()
    }

    /// Whether the targets are complete enough to replace those of before the start.
    pub(super) const fn is_publishable(&self) -> bool {
        self.is_complete() && (self.restored || self.resolved)
    }

    pub(super) fn progress(&self) -> Progress {
        if self.refreshed && self.resolved && self.listing.is_some() {
            Progress::Discovered
        } else if self.restored && self.published {
            Progress::Restored
        } else if self.attempted && self.listing_attempted && !self.is_complete() {
            Progress::Failed
        } else {
            Progress::Waiting
        }
    }

    /// Logs services that can't be understood, unless the list before had some as well.
    pub(super) fn report_malformed(&mut self, discovery: &str, malformed: &[MalformedService]) {
        let before = std::mem::replace(&mut self.malformed, !malformed.is_empty());
        match malformed {
            [first, ..] if !before => {
                let name = first.name.as_deref().unwrap_or_default();
                let reason = first.reason.as_str();
                let count = malformed.len();
                warn!(
                    discovery,
                    count,
                    name,
                    reason,
                    "services that make no sense are listed; they stay as they were"
                );
            }
            [] if before => info!(discovery, "every listed service makes sense again"),
            _ => {}
        }
    }

    /// A service that was known until now, one that is wanted rather than another.
    pub(super) fn any_service(&self, settings: &TargetSettings) -> Option<String> {
        let mut any = self.services.iter().flatten();
        let service = self.wanted(settings).next().or_else(|| any.next())?;
        Some(service.name.clone())
    }

    /// Services that the last listing has, `listing` doesn't, and Aiven does, as far as `could_hide` tells so.
    pub(super) fn hidden(
        &self,
        listing: &Listing,
        could_hide: impl Fn(&str, &LabelSet) -> bool,
    ) -> Hidden {
        let (Some(Listing::Services(before)), Listing::Services(now)) = (&self.listing, listing)
        else {
            return Hidden::default();
        };
        if Arc::ptr_eq(before, now) {
            return Hidden::default();
        }
        let services = self.services.iter().flatten();
        let running: BTreeSet<_> = services.map(|service| &service.name).collect();
        let hidden = before.iter().filter(|(name, labels)| {
            !now.contains_key(*name) && running.contains(name) && could_hide(name, labels)
        });
        Hidden {
            services: hidden.map(|(name, _)| name.clone()).collect(),
            listed_before: before.len(),
            listed_now: now.len(),
        }
    }

    /// Takes over a listing; whether it has a service that neither the one before nor the service list has.
    pub(super) fn replace_listing(&mut self, listing: Listing) -> bool {
        let missing = self.missing(&listing);
        let is_new = missing.into_iter().any(|name| match &self.listing {
            Some(before) => before.extra_labels(name).is_none(),
            None => self.services.is_some(),
        });
        self.listing = Some(listing);
        is_new
    }

    /// Takes over a list that was read.
    ///
    /// A listed service that can't be understood stays as it was known. Where not even its name can
    /// be read any service missing from the list may be it, so that none goes. A list that is older than an integration
    /// doesn't undo it.
    pub(super) fn replace_services(&mut self, list: ServiceList, settings: &TargetSettings) {
        let mut services: BTreeMap<String, Service> = BTreeMap::new();
        for mut service in list.services {
            if settings.integrations(&service).next().is_some() {
                self.believed.remove(&service.name);
            } else if self.believed.contains_key(&service.name) {
                let endpoint_id = settings.endpoint_id.clone();
                service.prometheus_integrations.push(enabled(endpoint_id));
            }
            services.entry(service.name.clone()).or_insert(service);
        }
        let nameless = list.malformed.iter().any(|item| item.name.is_none());
        let malformed: BTreeSet<_> = list
            .malformed
            .into_iter()
            .filter_map(|item| item.name)
            .collect();
        for service in self.services.take().unwrap_or_default() {
            if nameless || malformed.contains(&service.name) {
                services.entry(service.name.clone()).or_insert(service);
            }
        }
        self.services = Some(services.into_values().collect());
        self.refreshed = true;
    }

    /// Forgets what belongs to services that are gone or have no nodes.
    pub(super) fn prune(&mut self, settings: &TargetSettings) {
        let (Some(services), Some(listing)) = (&self.services, &self.listing) else {
            return;
        };
        let kept: BTreeSet<&str> = services
            .iter()
            .filter(|service| settings.is_wanted(service, listing).is_ok())
            .map(|service| service.name.as_str())
            .collect();
        let powered_off: BTreeSet<&str> = services
            .iter()
            .filter(|service| service.state == ServiceState::PowerOff)
            .map(|service| service.name.as_str())
            .collect();
        self.access.retain(|name, _| kept.contains(name.as_str()));
        self.integration
            .retain(|name, _| kept.contains(name.as_str()));
        self.believed.retain(|name, _| kept.contains(name.as_str()));
        let has_nodes = |name: &str| kept.contains(name) && !powered_off.contains(name);
        self.dns_health.retain(|name, _| has_nodes(name));
        self.addresses.retain(|name, _| has_nodes(name));
    }

    /// Services that lack the integration, or have been believed to have it for long enough; that have nodes to be
    /// integrated, and may be tried now.
    pub(super) fn to_integrate(&self, settings: &TargetSettings, now: Instant) -> Vec<String> {
        self.wanted(settings)
            .filter(|service| match settings.metrics_endpoint(service) {
                Err(NoTargets::NotIntegrated) => true,
                Err(NoTargets::PoweredOff) => false,
                _ => {
                    let believed = self.believed.get(&service.name);
                    believed.is_some_and(|until| *until <= now)
                }
            })
            .filter(|service| {
                let trouble = self.integration.get(&service.name);
                trouble.is_none_or(|trouble| trouble.not_before <= now)
            })
            .map(|service| service.name.clone())
            .collect()
    }

    /// Aiven has integrated `service`, which one of the next lists will say as well.
    pub(super) fn integrated(&mut self, service: &str, endpoint_id: &str, now: Instant) {
        self.integration.remove(service);
        let integration = enabled(Some(endpoint_id.to_owned()));
        if let Some(known) = self.service_mut(service) {
            let integrations = &mut known.prometheus_integrations;
            if !integrations.contains(&integration) {
                integrations.push(integration);
            }
            self.believed.insert(service.to_owned(), now + BELIEVED);
        }
    }

    /// Aiven refuses to integrate `service`; whether it was believed to be integrated.
    pub(super) fn not_integrated(&mut self, service: &str, endpoint_id: &str) -> bool {
        let believed = self.believed.remove(service).is_some();
        if believed && let Some(known) = self.service_mut(service) {
            let integration = enabled(Some(endpoint_id.to_owned()));
            known
                .prometheus_integrations
                .retain(|known| *known != integration);
        }
        believed
    }

    /// Believes what `former`, of the same endpoint, believes.
    pub(super) fn believe(&mut self, former: &Self) {
        self.believed.clone_from(&former.believed);
    }

    fn service_mut(&mut self, name: &str) -> Option<&mut Service> {
        let mut services = self.services.iter_mut().flatten();
        services.find(|service| service.name == name)
    }

    /// The integrated services, whether they have a host name yet or not.
    pub(super) fn to_resolve(&self, settings: &TargetSettings) -> Vec<Lookup> {
        self.wanted(settings)
            .filter_map(|service| {
                let host = match settings.metrics_endpoint(service) {
                    Ok(endpoint) => Some(endpoint.host),
                    Err(NoTargets::NoHost) => None,
                    Err(_) => return None,
                };
                Some(Lookup {
                    service: service.name.clone(),
                    host,
                })
            })
            .collect()
    }

    /// Those of `listing` that the service list doesn't have; none while there is no service list.
    fn missing<'a>(&self, listing: &'a Listing) -> Vec<&'a str> {
        let (Listing::Services(listed), Some(services)) = (listing, &self.services) else {
            return Vec::new();
        };
        let known: BTreeSet<_> = services.iter().map(|service| &service.name).collect();
        let names = listed.keys().filter(|name| !known.contains(name));
        names.map(String::as_str).collect()
    }

    /// Services that one of the next service lists may say more about: listed ones that it doesn't have yet, those
    /// without a host name, and those whose integration, with the port to be scraped, it doesn't show yet.
    pub(super) fn unsettled(&self, settings: &TargetSettings) -> BTreeSet<String> {
        let missing = self.listing.iter().flat_map(|it| self.missing(it));
        let lookups = self.to_resolve(settings).into_iter();
        let hostless = lookups.filter(|lookup| lookup.host.is_none());
        let hostless = hostless.map(|lookup| lookup.service);
        let believed = self.believed.keys().cloned();
        let missing = missing.map(str::to_owned);
        missing.chain(hostless).chain(believed).collect()
    }

    /// Whether a service that could have targets has no addresses.
    pub(super) fn lacks_addresses(&self, settings: &TargetSettings) -> bool {
        self.to_resolve(settings)
            .iter()
            .any(|lookup| lookup.host.is_some() && !self.addresses.contains_key(&lookup.service))
    }

    /// Takes over the answer to a lookup. Of a family that wasn't answered the old addresses stay.
    pub(super) fn set_addresses(&mut self, service: &str, answer: Addresses) {
        let mut addresses = answer.addresses;
        if let Some(unknown) = answer.unknown {
            let old = self.addresses.get(service).into_iter().flatten();
            addresses.extend(old.filter(|address| unknown.contains(address)));
        }
        addresses.sort_unstable();
        addresses.dedup();
        if !addresses.is_empty() {
            self.addresses.insert(service.to_owned(), addresses);
        }
    }

    /// The target groups with the access to each.
    pub(super) fn target_groups(
        &mut self,
        settings: &TargetSettings,
        project: &Arc<ProjectAccess>,
    ) -> Vec<TargetGroup> {
        let (Some(services), Some(listing)) = (&self.services, &self.listing) else {
            return Vec::new();
        };
        let mut groups = target_groups(settings, services, listing, &self.addresses);
        for group in &mut groups {
            let name = group.labels.get("aiven_service_name").unwrap_or_default();
            let access = self
                .access
                .entry(name.to_owned())
                .or_insert_with(|| Arc::new(ServiceAccess::new(project)));
            if let (Some(host), Some(ca)) = (group.labels.get("aiven_hostname"), &self.ca_pem) {
                access.expect(host, ca);
            }
            group.access = Some(Arc::clone(access) as Arc<dyn Access>);
        }
        groups
    }

    pub(super) fn count_wanted(&self, settings: &TargetSettings) -> usize {
        self.wanted(settings).count()
    }

    pub(super) fn status(&self, settings: &TargetSettings) -> DiscoveryStatus {
        let error = |health: &Health| health.error().map(str::to_owned);
        let services = self.service_statuses(settings, |_| true);
        let missing = self.listing.iter().flat_map(|it| self.missing(it));
        let missing = missing.map(str::to_owned).collect();
        DiscoveryStatus {
            progress: self.progress(),
            last_success: self.last_success,
            refresh_error: error(&self.refresh_health),
            catalogue_error: error(&self.catalogue_health),
            credentials_error: error(&self.credentials_health),
            ca_error: error(&self.ca_health),
            services,
            missing,
        }
    }

    /// Of the services of the configured types whose name `is_asked`.
    pub(super) fn service_statuses(
        &self,
        settings: &TargetSettings,
        is_asked: impl Fn(&str) -> bool,
    ) -> Vec<ServiceStatus> {
        let services = self.services.iter().flatten();
        services
            .filter(|service| settings.service_types.contains(&service.service_type))
            .filter(|service| is_asked(&service.name))
            .map(|service| self.service_status(settings, service))
            .collect()
    }

    fn service_status(&self, settings: &TargetSettings, service: &Service) -> ServiceStatus {
        let name = &service.name;
        let addresses = self.addresses.get(name).cloned().unwrap_or_default();
        let listed = match &self.listing {
            Some(listing) => settings.is_wanted(service, listing).map(drop),
            None => Err(NoTargets::NotListed),
        };
        let endpoint = settings.metrics_endpoint(service);
        let no_targets = listed
            .and(endpoint.as_ref().map(drop).map_err(|reason| *reason))
            .and(if addresses.is_empty() {
                Err(NoTargets::NoAddress)
            } else {
                Ok(())
            })
            .err();
        let trouble = self.integration.get(name);
        ServiceStatus {
            name: name.clone(),
            service_type: service.service_type.clone(),
            plan: service.plan.clone(),
            state: service.state.clone(),
            node_states: service.node_states.clone(),
            host: endpoint.ok().map(|endpoint| endpoint.host),
            addresses,
            no_targets,
            dns_error: self
                .dns_health
                .get(name)
                .and_then(|health| health.error().map(str::to_owned)),
            integration_error: trouble
                .and_then(|trouble| trouble.health.error().map(str::to_owned)),
        }
    }

    fn wanted(&self, settings: &TargetSettings) -> impl Iterator<Item = &Service> {
        let services = self
            .listing
            .iter()
            .flat_map(|_| self.services.iter().flatten());
        services.filter(move |service| {
            let listing = self.listing.as_ref();
            listing.is_some_and(|listing| settings.is_wanted(service, listing).is_ok())
        })
    }
}

const fn enabled(endpoint_id: Option<String>) -> Integration {
    Integration {
        endpoint_id,
        disabled: false,
    }
}
