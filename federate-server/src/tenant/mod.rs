//! Who sees what: tenants, and the part of everything that each of them may see.
//!
//! A target belongs to a tenant by the labels it has as a target, after relabelling. What its node serves doesn't
//! count: neither a scraped label, nor `honor_labels`, nor relabelling of samples moves a series to somebody else.
//! A target may belong to several tenants, or to none.
//!
//! Every request has a [`Scope`], which is found with its user; whatever answers it asks the scope first, and
//! never sees what lies outside.

pub mod config;
mod fleet;
mod view;

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use prom_model::label::LabelSet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::fleet::Fleet;
pub(crate) use self::view::{View, Views};
use crate::selector::Selector;

/// Somebody who sees a part of the targets.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// What it is called in logs and in this process's own metrics.
    pub name: Arc<str>,
    /// Which targets belong to it.
    pub targets: TargetFilter,
    /// Which of their series it sees: those that one of these selects by their own labels; all where there is none.
    pub metrics: Vec<Selector>,
    /// What its requests may take.
    pub limits: TenantLimits,
}

/// Which targets belong to a tenant, by the targets' labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetFilter {
    /// Those that one of these selects.
    Selectors(Vec<Selector>),
    /// Those whose label `name` has one of `values`; an absent label has none.
    Values {
        /// The label.
        name: Box<str>,
        /// What it may say.
        values: HashSet<Box<str>>,
    },
}

impl TargetFilter {
    /// Whether the target with `labels` is one of them.
    #[must_use]
    pub fn matches(&self, labels: &LabelSet) -> bool {
        match self {
            Self::Selectors(selectors) => selectors.iter().any(|it| it.matches(labels)),
            Self::Values { name, values } => {
                let value = labels.get(name).unwrap_or_default();
                !value.is_empty() && values.contains(value)
            }
        }
    }
}

/// What the requests of one tenant may take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// How many are answered at one time; `None` for no limit of its own. No tenant has more than [`LARGEST_SHARE`].
    pub concurrency: Option<NonZeroUsize>,
    /// How many series one answer may have; `None` for no limit.
    pub series: Option<NonZeroUsize>,
}

/// How many requests of one tenant are answered at one time at most, whatever its limit: `/federate` makes 64 answers
/// at a time, and others shall have places, too.
pub const LARGEST_SHARE: usize = 48;

/// What the sender of a request may see. Cheap to clone; clones are the same scope.
#[derive(Clone, Default)]
pub enum Scope {
    /// All of it: an operator, or everybody where there are no tenants.
    #[default]
    Everything,
    /// What belongs to a tenant.
    Tenant(Arc<TenantScope>),
}

/// The scope of one tenant, with what is kept between its requests.
#[derive(Debug)]
pub struct TenantScope {
    name: Arc<str>,
    limits: TenantLimits,
    view: Arc<View>,
    /// One for each of its requests that is being answered.
    places: Arc<Semaphore>,
}

impl TenantScope {
    /// What the tenant is called.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Which targets belong to it.
    #[must_use]
    pub fn targets(&self) -> &TargetFilter {
        self.view.targets()
    }

    /// A place among its requests that are being answered, where one is free.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// What it sees.
    pub(crate) const fn view(&self) -> &Arc<View> {
        &self.view
    }
}

impl Scope {
    /// The scope of `tenant`.
    #[must_use]
    pub fn of(tenant: Tenant) -> Self {
        let view = View::new(tenant.targets, tenant.metrics);
        Self::new(None, tenant.name, tenant.limits, Arc::new(view))
    }

    /// The scope of `tenant`, which has its view from `views`. It is `former`, which is the same tenant's, where that
    /// shows the same. Else requests of before and from now on share the places, where the limit is the same.
    pub(crate) fn succeeding(former: Option<&Self>, tenant: Tenant, views: &mut Views) -> Self {
        let view = views.view(tenant.targets, tenant.metrics);
        let former = former.and_then(Self::tenant);
        match former {
            Some(former) if former.limits == tenant.limits && Arc::ptr_eq(&former.view, &view) => {
                Self::Tenant(Arc::clone(former))
            }
            _ => Self::new(former, tenant.name, tenant.limits, view),
        }
    }

    fn new(
        former: Option<&Arc<TenantScope>>,
        name: Arc<str>,
        limits: TenantLimits,
        view: Arc<View>,
    ) -> Self {
        let former = former.filter(|it| it.limits.concurrency == limits.concurrency);
        let places = former.map(|former| Arc::clone(&former.places));
        let places = places.unwrap_or_else(|| {
            let limit = limits.concurrency.map(NonZeroUsize::get);
            let places = limit.unwrap_or(LARGEST_SHARE).min(LARGEST_SHARE);
            Arc::new(Semaphore::new(places))
        });
        Self::Tenant(Arc::new(TenantScope {
            name,
            limits,
            view,
            places,
        }))
    }

    /// Whether the target with `labels` (after relabelling) may be seen.
    #[must_use]
    pub fn sees_target(&self, labels: &LabelSet) -> bool {
        match self {
            Self::Everything => true,
            Self::Tenant(scope) => scope.targets().matches(labels),
        }
    }

    /// Which series of the targets may be seen: those that one of these selects; all of them where there is none.
    #[must_use]
    pub fn metrics(&self) -> &[Selector] {
        self.tenant().map_or(&[], |tenant| tenant.view.metrics())
    }

    /// How many series one answer may have; `None` for no limit.
    #[must_use]
    pub fn series_limit(&self) -> Option<usize> {
        Some(self.tenant()?.limits.series?.get())
    }

    /// The tenant's scope, `None` for who sees everything.
    #[must_use]
    pub const fn tenant(&self) -> Option<&Arc<TenantScope>> {
        match self {
            Self::Everything => None,
            Self::Tenant(scope) => Some(scope),
        }
    }
}

/// Equal when it is the same scope, not an equal one.
impl PartialEq for Scope {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, Self::Everything) => true,
            (Self::Tenant(mine), Self::Tenant(theirs)) => Arc::ptr_eq(mine, theirs),
            _ => false,
        }
    }
}

impl Eq for Scope {}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("Everything"),
            Self::Tenant(scope) => f.debug_tuple("Tenant").field(&scope.name).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&str, &str)]) -> LabelSet {
        of.iter().copied().collect()
    }

    fn selectors(texts: &[&str]) -> Vec<Selector> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn targets_belong_by_their_labels() {
        let f = |filter: &TargetFilter, target: &[(&str, &str)], want| {
            assert_eq!(filter.matches(&labels(target)), want, "{target:?}");
        };
        let filter = selectors(&[r#"{org_name="a",job=~"aiv.*"}"#, r#"{space_guid="1"}"#]);
        let filter = TargetFilter::Selectors(filter);
        f(&filter, &[("org_name", "a"), ("job", "aiven")], true);
        f(&filter, &[("org_name", "a")], false);
        f(&filter, &[("space_guid", "1")], true);
        f(&filter, &[], false);
        f(&TargetFilter::Selectors(Vec::new()), &[("a", "b")], false);
        let values = HashSet::from(["1".into(), "".into()]);
        let name = "service_guid".into();
        let filter = TargetFilter::Values { name, values };
        f(&filter, &[("service_guid", "1")], true);
        f(&filter, &[("service_guid", "2")], false);
        f(&filter, &[], false);
    }

    #[test]
    fn who_sees_something_else_has_no_more_places() {
        let tenant = |service: &str, places| Tenant {
            name: "a".into(),
            targets: TargetFilter::Selectors(selectors(&[&format!("{{service=\"{service}\"}}")])),
            metrics: Vec::new(),
            limits: TenantLimits {
                concurrency: NonZeroUsize::new(places),
                series: None,
            },
        };
        let place = |scope: &Scope| match scope {
            Scope::Everything => None,
            Scope::Tenant(scope) => scope.place(),
        };
        let mut views = Views::default();
        let former = Scope::succeeding(None, tenant("a", 1), &mut views);
        let mut succeeding =
            |service, places| Scope::succeeding(Some(&former), tenant(service, places), &mut views);
        let taken = place(&former).unwrap();
        assert_eq!(succeeding("a", 1), former);
        let scope = succeeding("b", 1);
        assert!(scope != former && place(&scope).is_none());
        assert!(place(&succeeding("a", 2)).is_some());
        drop(taken);
        assert!(place(&scope).is_some());
    }
}
