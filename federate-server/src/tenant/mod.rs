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

use std::collections::HashSet;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use prom_model::label::LabelSet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use self::fleet::Fleet;
use crate::selector::Selector;
use crate::store::View;

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
#[derive(Debug, Clone)]
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
    tenant: Tenant,
    view: View,
    /// One for each of its requests that is being answered.
    places: Arc<Semaphore>,
}

impl TenantScope {
    /// The tenant.
    #[must_use]
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// A place among its requests that are being answered, where one is free.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// What it sees of the store.
    pub(crate) const fn view(&self) -> &View {
        &self.view
    }
}

impl Scope {
    /// The scope of `tenant`.
    #[must_use]
    pub fn of(tenant: Tenant) -> Self {
        let limit = tenant.limits.concurrency.map(NonZeroUsize::get);
        let places = limit.unwrap_or(LARGEST_SHARE).min(LARGEST_SHARE);
        Self::Tenant(Arc::new(TenantScope {
            tenant,
            view: View::default(),
            places: Arc::new(Semaphore::new(places)),
        }))
    }

    /// The scope of `tenant`, which sees something else than before: its requests of before and from now on share
    /// the places, where the limit is the same.
    pub(crate) fn succeeding(former: &Self, tenant: Tenant) -> Self {
        match former {
            Self::Tenant(former)
                if former.tenant.limits.concurrency == tenant.limits.concurrency =>
            {
                Self::Tenant(Arc::new(TenantScope {
                    tenant,
                    view: View::default(),
                    places: Arc::clone(&former.places),
                }))
            }
            _ => Self::of(tenant),
        }
    }

    /// Whether the target with `labels` (after relabelling) may be seen.
    #[must_use]
    pub fn sees_target(&self, labels: &LabelSet) -> bool {
        match self {
            Self::Everything => true,
            Self::Tenant(scope) => scope.tenant.targets.matches(labels),
        }
    }

    /// Which series of the targets may be seen: those that one of these selects; all of them where there is none.
    #[must_use]
    pub fn metrics(&self) -> &[Selector] {
        self.tenant().map_or(&[], |tenant| &tenant.metrics)
    }

    /// How many series one answer may have; `None` for no limit.
    #[must_use]
    pub fn series_limit(&self) -> Option<usize> {
        Some(self.tenant()?.limits.series?.get())
    }

    /// The tenant, `None` for who sees everything.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        match self {
            Self::Everything => None,
            Self::Tenant(scope) => Some(&scope.tenant),
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
            Self::Tenant(scope) => f.debug_tuple("Tenant").field(&scope.tenant.name).finish(),
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
        let tenant = |places| Tenant {
            name: "a".into(),
            targets: TargetFilter::Selectors(Vec::new()),
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
        let former = Scope::of(tenant(1));
        let taken = place(&former).unwrap();
        let scope = Scope::succeeding(&former, tenant(1));
        assert!(scope != former && place(&scope).is_none());
        assert!(place(&Scope::succeeding(&former, tenant(2))).is_some());
        drop(taken);
        assert!(place(&scope).is_some());
    }
}
