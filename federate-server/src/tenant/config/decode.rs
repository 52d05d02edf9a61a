//! Decoding `tenants` and `operators`.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use prom_config::{ConfigError, Fields, Node, Positioned};
use prom_model::matcher::Matcher;

use super::{
    BasicAuthUsers, DEFAULT_CONCURRENCY_LIMIT, TenantConfig, TenantSettings, TenantsConfig,
    WrittenSelector,
};
use crate::selector::Selector;
use crate::tenant::{LARGEST_SHARE, TenantLimits};

/// Longest name of a tenant, in bytes.
const MAX_NAME: usize = 200;

/// Whom a user belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Owner {
    Tenant(Arc<str>),
    Operators,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(name) => write!(f, "tenant {name:?}"),
            Self::Operators => f.write_str("the operators"),
        }
    }
}

impl TenantsConfig {
    /// Takes `tenants` and `operators` out of `fields`.
    ///
    /// # Errors
    /// Where one of them is invalid; the error is at the place of what is wrong, and quotes no hash.
    pub fn take(fields: &mut Fields) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let mut owners = HashMap::new();
        for node in fields.optional::<Vec<Node>>("tenants")?.unwrap_or_default() {
            let tenant = config.tenant(&node, &mut owners)?;
            config.tenants.push(tenant);
        }
        if let Some(node) = fields.node("operators") {
            let mut fields = node.fields()?;
            config.operators = users(&mut fields, &Owner::Operators, &mut owners)?;
            fields.finish()?;
        }
        Ok(config)
    }

    fn tenant(
        &mut self,
        node: &Node,
        owners: &mut HashMap<String, Owner>,
    ) -> Result<TenantConfig, ConfigError> {
        let mut fields = node.fields()?;
        let name: Positioned<String> = fields.required("name")?;
        let name: Arc<str> = name.check(name_of_tenant)?.into();
        if self.tenants.iter().any(|it| it.settings.name == name) {
            let message = format!("more than one tenant has the name {name:?}");
            return Err(fields.error_at("name", message));
        }
        let targets = self.targets(&mut fields)?;
        let metrics: Option<Vec<Node>> = fields.optional("metrics")?;
        let metrics = metrics.unwrap_or_default();
        let concurrency: Option<Positioned<usize>> = fields.optional("concurrency_limit")?;
        let concurrency = concurrency.map_or(DEFAULT_CONCURRENCY_LIMIT, |limit| {
            self.warn_of_share(&limit);
            limit.value
        });
        let series: Option<usize> = fields.optional("series_limit")?;
        let owner = Owner::Tenant(Arc::clone(&name));
        let users = users(&mut fields, &owner, owners)?;
        if users.is_empty() {
            let message = format!("{owner} has no basic_auth_users, so nobody can ask as it");
            self.warnings.push(fields.position().error(message));
        }
        fields.finish()?;
        Ok(TenantConfig {
            settings: TenantSettings {
                name,
                targets,
                metrics: metrics.iter().map(selector).collect::<Result<_, _>>()?,
                limits: TenantLimits {
                    concurrency: NonZeroUsize::new(concurrency),
                    series: series.and_then(NonZeroUsize::new),
                },
            },
            users,
        })
    }

    fn warn_of_share(&mut self, limit: &Positioned<usize>) {
        if limit.value > LARGEST_SHARE {
            self.warnings.push(limit.error(format_args!(
                "concurrency_limit is {}, and no tenant has more than {LARGEST_SHARE} requests answered at one time",
                limit.value
            )));
        }
    }

    fn targets(&mut self, fields: &mut Fields) -> Result<Vec<WrittenSelector>, ConfigError> {
        let nodes: Vec<Node> = fields.required("targets")?;
        if nodes.is_empty() {
            let message = "targets has no selector, expected one such as '{org_name=\"a\"}'";
            return Err(fields.error_at("targets", message));
        }
        let mut selectors = Vec::with_capacity(nodes.len());
        for node in &nodes {
            let written = selector(node)?;
            let refused = |why: &str| Err(node.error(format_args!("selector {written}: {why}")));
            let matchers = written.selector.matchers();
            if matchers.iter().any(|it| it.name() == "__name__") {
                return refused("names __name__, which targets don't have; did you mean metrics?");
            }
            if !written.selector.requires_a_label() {
                return refused(
                    "selects targets without labels, too, expected a condition that they don't meet; \
                     who may see everything is an operator",
                );
            }
            let dropped = |it: &&Matcher| it.name().starts_with("__");
            if let Some(matcher) = matchers.iter().find(dropped) {
                self.warnings.push(node.error(format_args!(
                    "selector {written}: label {:?} is dropped from targets once they are relabelled",
                    matcher.name()
                )));
            }
            selectors.push(written);
        }
        Ok(selectors)
    }
}

impl fmt::Display for WrittenSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes `basic_auth_users`, whose users become `owner`'s.
fn users(
    fields: &mut Fields,
    owner: &Owner,
    owners: &mut HashMap<String, Owner>,
) -> Result<BasicAuthUsers, ConfigError> {
    let key = "basic_auth_users";
    let users: BasicAuthUsers = fields.optional(key)?.unwrap_or_default();
    for (name, _) in users.iter() {
        if let Some(other) = owners.insert(name.to_owned(), owner.clone()) {
            let message = format!("user {name:?} belongs to {other} and to {owner}, expected one");
            return Err(fields.error_at(key, message));
        }
    }
    Ok(users)
}

fn selector(node: &Node) -> Result<WrittenSelector, ConfigError> {
    let wanted = "a selector in quotes, such as '{org_name=\"a\"}'";
    let text: String = node.decode().map_err(|_| node.mismatch(wanted))?;
    match Selector::parse(&text) {
        Ok(selector) if selector.matchers().is_empty() => Err(node.error(format_args!(
            "selector {text}: has no condition, expected {wanted}"
        ))),
        Ok(selector) => Ok(WrittenSelector {
            text: text.into(),
            selector,
        }),
        Err(error) => Err(node.error(format_args!("selector {text}: {error}"))),
    }
}

/// What becomes a label of this process's own metrics as it is.
fn name_of_tenant(name: String) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() {
        Err("name is empty".to_owned())
    } else if name.len() > MAX_NAME {
        Err(format!("name is longer than {MAX_NAME} characters"))
    } else if !name.chars().all(allowed) {
        Err(format!(
            "{name:?} is no name of a tenant, expected letters, digits, '-', '_' and '.'"
        ))
    } else {
        Ok(name)
    }
}
