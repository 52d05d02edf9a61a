//! `tenants` and `operators` of a configuration file.
//!
//! [`TenantsConfig::take`] reads and checks both sections; [`TenantScopes`] makes scopes of them, and keeps those of
//! tenants that stay as they are when the file is read again.

mod decode;
mod users;

use std::num::NonZeroUsize;
use std::sync::Arc;

use prom_config::ConfigError;
use prom_config::render::{Mapping, Value};

use super::{Scope, TargetFilter, Tenant, TenantLimits, Views};
use crate::selector::Selector;

pub use self::users::BasicAuthUsers;

/// How many requests of a tenant are answered at one time where `concurrency_limit` isn't set.
pub const DEFAULT_CONCURRENCY_LIMIT: usize = 20;

/// `tenants` and `operators`, checked: names are unique, and no user belongs to two of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantsConfig {
    /// `tenants`, in the order of the file.
    pub tenants: Vec<TenantConfig>,
    /// `basic_auth_users` of `operators`, who see everything.
    pub operators: BasicAuthUsers,
    /// What is valid and likely not meant.
    pub warnings: Vec<ConfigError>,
}

/// An element of `tenants`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantConfig {
    /// What its users may see.
    pub settings: TenantSettings,
    /// `basic_auth_users`
    pub users: BasicAuthUsers,
}

/// What a tenant may see. Equal settings show the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSettings {
    /// `name`: letters, digits, `-`, `_` and `.`.
    pub name: Arc<str>,
    /// `targets`: one selector at least, none of which selects a target without labels.
    pub targets: Vec<WrittenSelector>,
    /// `metrics`: none for all.
    pub metrics: Vec<WrittenSelector>,
    /// `concurrency_limit` ([`DEFAULT_CONCURRENCY_LIMIT`]) and `series_limit` (no limit).
    pub limits: TenantLimits,
}

/// A selector and its text; equal to those of the same text.
#[derive(Debug, Clone)]
pub struct WrittenSelector {
    text: Box<str>,
    selector: Selector,
}

impl WrittenSelector {
    /// The selector.
    #[must_use]
    pub const fn selector(&self) -> &Selector {
        &self.selector
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for WrittenSelector {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for WrittenSelector {}

impl TenantsConfig {
    /// Whether there are neither tenants nor operators, so that it says nothing of who sees what.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty() && self.operators.is_empty()
    }

    /// Both sections as they are shown, hashes of passwords replaced.
    #[must_use]
    pub fn shown(&self) -> Mapping {
        let operators = Mapping::new().with_nonzero("basic_auth_users", self.operators.shown());
        let tenants: Value = self.tenants.iter().map(TenantConfig::shown).collect();
        Mapping::new()
            .with_nonzero("tenants", tenants)
            .with_nonzero("operators", operators)
    }
}

impl TenantConfig {
    fn shown(&self) -> Mapping {
        let TenantSettings {
            name,
            targets,
            metrics,
            limits,
        } = &self.settings;
        let selectors =
            |of: &[WrittenSelector]| of.iter().map(WrittenSelector::as_str).collect::<Value>();
        let limit = |limit: Option<NonZeroUsize>| limit.map_or(0, NonZeroUsize::get) as u64;
        Mapping::new()
            .with("name", &**name)
            .with("targets", selectors(targets))
            .with_nonzero("metrics", selectors(metrics))
            .with("concurrency_limit", limit(limits.concurrency))
            .with_nonzero("series_limit", limit(limits.series))
            .with_nonzero("basic_auth_users", self.users.shown())
    }
}

impl From<&TenantSettings> for Tenant {
    fn from(settings: &TenantSettings) -> Self {
        let selectors = |of: &[WrittenSelector]| {
            let selectors = of.iter().map(WrittenSelector::selector);
            selectors.cloned().collect()
        };
        Self {
            name: Arc::clone(&settings.name),
            targets: TargetFilter::Selectors(selectors(&settings.targets)),
            metrics: selectors(&settings.metrics),
            limits: settings.limits,
        }
    }
}

/// The scopes of a configuration's tenants.
#[derive(Debug, Clone, Default)]
pub struct TenantScopes(Vec<(TenantSettings, Scope)>);

impl TenantScopes {
    /// The scopes of `tenants`. Whose settings are the same as in `self` keeps its scope, and with it what
    /// is kept between its requests; users and passwords don't count. Who sees something else from now on has
    /// no more places for that, see [`TenantLimits::concurrency`].
    #[must_use]
    pub fn succeeded_by(&self, tenants: &[TenantConfig]) -> Self {
        let scope = |tenant: &TenantConfig| {
            let settings = tenant.settings.clone();
            let mut known = self.0.iter();
            let former = known.find(|(former, _)| former.name == settings.name);
            let scope = match former {
                Some((same, scope)) if *same == settings => scope.clone(),
                _ => {
                    let former = former.map(|(_, scope)| scope);
                    let tenant = Tenant::from(&settings);
                    Scope::succeeding(former, tenant, &mut Views::default())
                }
            };
            (settings, scope)
        };
        Self(tenants.iter().map(scope).collect())
    }

    /// The scope of each tenant, in the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter().map(|(_, scope)| scope)
    }
}

#[cfg(test)]
mod tests;
