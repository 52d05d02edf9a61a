//! Target groups in JSON and YAML, the language of file_sd and http_sd.
//!
//! A list of `{"targets": ["host:port", …], "labels": {"name": "value", …}}`, read as strictly as Prometheus
//! does: other keys, other types and a group that is null are errors, and an error refuses the whole document.

use std::str::Utf8Error;
use std::sync::Arc;

use prom_config::{ConfigError, Decode, Node, yaml};
use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;
use serde_json::Value;

const ADDRESS: &str = "__address__";
/// Characters of a foreign key that an error shows.
const SHOWN_CHARS: usize = 64;

/// How a document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
}

/// Why a document is no list of target groups.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// It isn't JSON.
    #[error("not JSON")]
    Json(#[from] serde_json::Error),
    /// It isn't YAML, or has another shape.
    #[error("not YAML target groups")]
    Yaml(#[from] ConfigError),
    /// It is YAML in another encoding than UTF-8.
    #[error("not UTF-8")]
    Utf8(#[from] Utf8Error),
    /// It is JSON that isn't a list.
    #[error("expected a list of target groups")]
    NoList,
    /// A target group has another shape.
    #[error("target group {index}: {problem}")]
    Group {
        /// Where in the list it stands, from 0.
        index: usize,
        /// What is wrong with it.
        problem: GroupError,
    },
}

/// Why a value is no target group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// It is null.
    #[error("nil target group item found")]
    Null,
    /// It is a text, a number or a list.
    #[error("expected an object with targets and labels")]
    NoObject,
    /// It has a key that target groups don't have; the key's first characters.
    #[error("unknown field {0:?}, expected targets or labels")]
    UnknownField(String),
    /// `targets` is no list of texts.
    #[error("expected targets to be a list of strings")]
    Targets,
    /// `labels` is no map of texts.
    #[error("expected labels to be an object of strings")]
    Labels,
    /// The name of a label is empty.
    #[error("\"\" is not a valid label name")]
    LabelName,
}

/// A target group that has no source yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    labels: LabelSet,
    targets: Vec<LabelSet>,
}

impl Found {
    fn push_target(&mut self, address: &str) {
        self.targets
            .push([(ADDRESS, address)].into_iter().collect());
    }
}

/// The groups of a document.
pub(super) fn parse(format: Format, document: &[u8]) -> Result<Vec<Found>, FormatError> {
    match format {
        Format::Json => parse_json(document),
        Format::Yaml => parse_yaml(document),
    }
}

fn parse_yaml(document: &[u8]) -> Result<Vec<Found>, FormatError> {
    Ok(yaml::parse(std::str::from_utf8(document)?)?.root.decode()?)
}

impl Decode for Found {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        if node.is_null() {
            return Err(node.error(GroupError::Null));
        }
        let mut fields = node.fields()?;
        let targets: Vec<String> = fields.optional("targets")?.unwrap_or_default();
        let mut found = Self {
            labels: fields.optional("labels")?.unwrap_or_default(),
            targets: Vec::with_capacity(targets.len()),
        };
        fields.finish()?;
        for address in targets {
            found.push_target(&address);
        }
        Ok(found)
    }
}

/// `found` as groups of one origin: each is named after it and its place in the list, and has the
/// origin in label `origin_label`.
pub(super) fn into_groups(found: Vec<Found>, origin: &str, origin_label: &str) -> Vec<TargetGroup> {
    let group = |(index, mut found): (usize, Found)| {
        found.labels.set(origin_label, origin);
        TargetGroup {
            source: Arc::from(format!("{origin}:{index}")),
            labels: found.labels,
            targets: found.targets,
            access: None,
        }
    };
    found.into_iter().enumerate().map(group).collect()
}

fn parse_json(document: &[u8]) -> Result<Vec<Found>, FormatError> {
    // As in Go, bytes that aren't UTF-8 become U+FFFD.
    match serde_json::from_str(&String::from_utf8_lossy(document))? {
        Value::Null => Ok(Vec::new()),
        Value::Array(groups) => {
            let groups = groups.into_iter().enumerate();
            let parsed = groups.map(|(index, group)| {
                group_from_json(group).map_err(|problem| FormatError::Group { index, problem })
            });
            parsed.collect()
        }
        _ => Err(FormatError::NoList),
    }
}

fn group_from_json(group: Value) -> Result<Found, GroupError> {
    let fields = match group {
        Value::Object(fields) => fields,
        Value::Null => return Err(GroupError::Null),
        _ => return Err(GroupError::NoObject),
    };
    let mut found = Found::default();
    for (key, value) in fields {
        // As in Go, a key's case doesn't matter.
        if key.eq_ignore_ascii_case("targets") {
            found.targets.clear();
            for address in list(value).ok_or(GroupError::Targets)? {
                found.push_target(&text(address).ok_or(GroupError::Targets)?);
            }
        } else if key.eq_ignore_ascii_case("labels") {
            found.labels.clear();
            for (name, value) in object(value).ok_or(GroupError::Labels)? {
                if name.is_empty() {
                    return Err(GroupError::LabelName);
                }
                let value = text(value).ok_or(GroupError::Labels)?;
                found.labels.set(&name, &value);
            }
        } else {
            return Err(GroupError::UnknownField(
                key.chars().take(SHOWN_CHARS).collect(),
            ));
        }
    }
    Ok(found)
}

/// The text that `value` is, empty for null, as everywhere in Go's JSON.
fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null => Some(String::new()),
        _ => None,
    }
}

fn list(value: Value) -> Option<Vec<Value>> {
    match value {
        Value::Array(list) => Some(list),
        Value::Null => Some(Vec::new()),
        _ => None,
    }
}

fn object(value: Value) -> Option<serde_json::Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        Value::Null => Some(serde_json::Map::new()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
