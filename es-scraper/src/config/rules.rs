//! `relabel_configs` and `metric_relabel_configs`.

use std::fmt::{self, Display};
use std::ops::Deref;
use std::sync::Arc;

use prom_config::render::{Mapping, Value};
use prom_config::{ConfigError, Decode, Node};

use crate::relabel::{RelabelConfig, RelabelConfigError, RelabelFields};

/// Checked relabel rules, with what was written to show it again.
#[derive(Clone, Default, PartialEq)]
pub struct RelabelRules {
    rules: Arc<[RelabelConfig]>,
    written: Arc<[RelabelFields]>,
}

impl RelabelRules {
    /// The rules, to share.
    #[must_use]
    pub const fn shared(&self) -> &Arc<[RelabelConfig]> {
        &self.rules
    }

    /// The rules as they are shown, defaults filled in.
    pub(super) fn shown(&self) -> Value {
        let rules = self.rules.iter().zip(&*self.written);
        rules.map(|(rule, written)| shown(rule, written)).collect()
    }
}

impl Deref for RelabelRules {
    type Target = [RelabelConfig];

    fn deref(&self) -> &[RelabelConfig] {
        &self.rules
    }
}

impl fmt::Debug for RelabelRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules.fmt(f)
    }
}

impl Decode for RelabelRules {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        let written: Vec<_> = (node.items()?.iter().map(read)).collect::<Result<_, _>>()?;
        let (rules, written): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        Ok(Self {
            rules: rules.into(),
            written: written.into(),
        })
    }
}

fn read(node: &Node) -> Result<(RelabelConfig, RelabelFields), ConfigError> {
    if node.is_null() {
        return Err(node.error("an empty relabel rule"));
    }
    let mut fields = node.fields()?;
    let written = RelabelFields {
        source_labels: fields.optional("source_labels")?.unwrap_or_default(),
        separator: fields.optional("separator")?,
        regex: fields.optional("regex")?,
        modulus: fields.optional("modulus")?,
        target_label: fields.optional("target_label")?,
        replacement: fields.optional("replacement")?,
        action: fields.optional("action")?,
    };
    let rule = match RelabelConfig::new(written.clone()) {
        Ok(rule) => rule,
        Err(error) => return Err(fields.error_at(error.field(), whole(&error))),
    };
    fields.finish()?;
    Ok((rule, written))
}

/// An error with its causes, since a [`ConfigError`] has none.
fn whole(error: &RelabelConfigError) -> impl Display {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// As Prometheus shows a rule, except that what was set to nothing is shown, too.
fn shown(rule: &RelabelConfig, written: &RelabelFields) -> Mapping {
    let or = |value: &Option<String>, default: &str| match value {
        Some(value) => value.clone(),
        None => default.to_owned(),
    };
    Mapping::new()
        .with_nonzero("source_labels", Value::Flow(written.source_labels.clone()))
        .with("separator", or(&written.separator, ";"))
        .with_some("regex", written.regex.as_ref())
        .with_nonzero("modulus", written.modulus.unwrap_or(0))
        .with_nonzero("target_label", or(&written.target_label, ""))
        .with("replacement", or(&written.replacement, "$1"))
        .with("action", rule.action().as_str())
}
