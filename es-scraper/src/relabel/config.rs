//! Relabel rules as the configuration writes them, and the checks that Prometheus makes of them.

use std::fmt;
use std::num::NonZeroU64;

use prom_model::label::METRIC_NAME;
use prom_model::regex::{RegexError, RelabelRegex, Template};

const DEFAULT_SEPARATOR: &str = ";";
const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_REPLACEMENT: &str = "$1";

/// A rule's fields as written; `None` is an absent key.
///
/// A key that is there without a value is not absent: to Prometheus `regex:` is the empty
/// expression, so the reader of the file gives `Some("")` for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelabelFields {
    /// Labels whose values are joined into the source text.
    pub source_labels: Vec<String>,
    /// What stands between the joined values; `;` where absent.
    pub separator: Option<String>,
    /// What the source text, or for the `label…` actions a label's name, must match; `(.*)` where absent.
    pub regex: Option<String>,
    /// Divisor for `hashmod`.
    pub modulus: Option<u64>,
    /// Label that receives the result.
    pub target_label: Option<String>,
    /// Template of the result; `$1` where absent.
    pub replacement: Option<String>,
    /// Name of a [`RelabelAction`] in any case; `replace` where absent.
    pub action: Option<String>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RelabelAction {
    /// Sets the target label to the expanded replacement where the source text matches.
    Replace,
    /// Drops the label set unless the source text matches.
    Keep,
    /// Drops the label set if the source text matches.
    Drop,
    /// Drops the label set unless the source text equals the target label's value.
    KeepEqual,
    /// Drops the label set if the source text equals the target label's value.
    DropEqual,
    /// Sets the target label to the source text's hash, modulo [`RelabelFields::modulus`].
    HashMod,
    /// Copies each label whose name matches to the name that the replacement makes of it.
    LabelMap,
    /// Removes the labels whose names match.
    LabelDrop,
    /// Removes the labels whose names don't match.
    LabelKeep,
    /// Sets the target label to the source text in lower case.
    Lowercase,
    /// Sets the target label to the source text in upper case.
    Uppercase,
}

impl RelabelAction {
    const ALL: [Self; 11] = [
        Self::Replace,
        Self::Keep,
        Self::Drop,
        Self::KeepEqual,
        Self::DropEqual,
        Self::HashMod,
        Self::LabelMap,
        Self::LabelDrop,
        Self::LabelKeep,
        Self::Lowercase,
        Self::Uppercase,
    ];

    /// The action's name in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Replace => "replace",
            Self::Keep => "keep",
            Self::Drop => "drop",
            Self::KeepEqual => "keepequal",
            Self::DropEqual => "dropequal",
            Self::HashMod => "hashmod",
            Self::LabelMap => "labelmap",
            Self::LabelDrop => "labeldrop",
            Self::LabelKeep => "labelkeep",
            Self::Lowercase => "lowercase",
            Self::Uppercase => "uppercase",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|action| name.eq_ignore_ascii_case(action.as_str()))
    }
}

impl fmt::Display for RelabelAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why fields aren't a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RelabelConfigError {
    /// There is no such action.
    #[error("unknown relabel action {action:?}")]
    UnknownAction {
        /// What was written.
        action: String,
    },
    /// A label's name is empty.
    #[error("{name:?} is not a valid label name")]
    SourceLabel {
        /// What was written.
        name: String,
    },
    /// The expression isn't RE2.
    #[error("invalid regex")]
    Regex(#[source] RegexError),
    /// `hashmod` has nothing to divide by.
    #[error("relabel configuration for hashmod requires non-zero modulus")]
    ModulusMissing,
    /// The action needs a target label.
    #[error("relabel configuration for {action} action requires 'target_label' value")]
    TargetLabelMissing {
        /// The rule's action.
        action: RelabelAction,
    },
    /// What `labelmap` would make of each name is empty.
    #[error("{replacement:?} is invalid 'replacement' for {action} action")]
    Replacement {
        /// The rule's action.
        action: RelabelAction,
        /// What was written.
        replacement: String,
    },
    /// The action leaves no room for this field.
    #[error("'{field}' can not be set for {action} action")]
    FieldNotAllowed {
        /// The rule's action.
        action: RelabelAction,
        /// The field's key.
        field: &'static str,
    },
}

impl RelabelConfigError {
    /// Key of the field at fault.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::UnknownAction { .. } => "action",
            Self::SourceLabel { .. } => "source_labels",
            Self::Regex(_) => "regex",
            Self::ModulusMissing => "modulus",
            Self::TargetLabelMissing { .. } => "target_label",
            Self::Replacement { .. } => "replacement",
            Self::FieldNotAllowed { field, .. } => field,
        }
    }
}

/// One checked relabel rule, with Prometheus' defaults for what was absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelabelConfig {
    action: RelabelAction,
    source: Source,
    regex: RelabelRegex,
    target_label: Option<Box<str>>,
    pub(super) rule: Rule,
}

impl RelabelConfig {
    /// Checks `fields` as Prometheus 3 does when it reads them.
    ///
    /// # Errors
    /// Where a field isn't valid in itself or for the action. [`RelabelConfigError::field`] says which.
    pub fn new(fields: RelabelFields) -> Result<Self, RelabelConfigError> {
        let action = match &fields.action {
            None => RelabelAction::Replace,
            Some(name) => {
                RelabelAction::parse(name).ok_or_else(|| RelabelConfigError::UnknownAction {
                    action: name.clone(),
                })?
            }
        };
        if let Some(name) = fields.source_labels.iter().find(|name| name.is_empty()) {
            return Err(RelabelConfigError::SourceLabel { name: name.clone() });
        }
        check_unused_fields(action, &fields)?;
        let regex = fields.regex.as_deref().unwrap_or(DEFAULT_REGEX);
        let regex = RelabelRegex::new(regex).map_err(RelabelConfigError::Regex)?;
        let separator = fields.separator.as_deref().unwrap_or(DEFAULT_SEPARATOR);
        let source = Source {
            labels: fields
                .source_labels
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            separator: separator.into(),
        };
        let target_label = fields
            .target_label
            .as_deref()
            .filter(|name| !name.is_empty());
        let replacement = fields.replacement.as_deref().unwrap_or(DEFAULT_REPLACEMENT);
        let rule = rule(action, &regex, target_label, replacement, fields.modulus)?;
        Ok(Self {
            action,
            source,
            regex,
            target_label: target_label.map(Into::into),
            rule,
        })
    }

    /// What the rule does.
    #[must_use]
    pub const fn action(&self) -> RelabelAction {
        self.action
    }

    /// Labels whose values the rule reads, but for those that `labelmap` selects by their names.
    ///
    /// `check-config` warns of a rule for targets that reads `__name__`: targets have none.
    pub fn reads(&self) -> impl Iterator<Item = &str> {
        let compared = match self.rule {
            Rule::KeepEqual { .. } | Rule::DropEqual { .. } => self.target_label.as_deref(),
            _ => None,
        };
        self.source
            .labels
            .iter()
            .map(|name| &**name)
            .chain(compared)
    }

    /// The label that the rule sets, where that doesn't depend on the labels it is given.
    #[must_use]
    pub fn writes(&self) -> Option<&str> {
        match &self.rule {
            Rule::Replace { target, .. } => target.as_literal(),
            Rule::HashMod { target, .. }
            | Rule::Lowercase { target }
            | Rule::Uppercase { target } => Some(target),
            Rule::Keep
            | Rule::Drop
            | Rule::KeepEqual { .. }
            | Rule::DropEqual { .. }
            | Rule::LabelMap { .. }
            | Rule::LabelDrop
            | Rule::LabelKeep => None,
        }
    }

    /// Whether the rule reads or sets the metric's name, which only samples have.
    #[must_use]
    pub fn names_metric_name(&self) -> bool {
        self.reads()
            .chain(self.writes())
            .any(|name| name == METRIC_NAME)
    }

    pub(super) const fn source(&self) -> &Source {
        &self.source
    }

    pub(super) const fn regex(&self) -> &RelabelRegex {
        &self.regex
    }
}

/// What a rule does, with what only that action needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    Replace {
        target: Template,
        replacement: Template,
    },
    Keep,
    Drop,
    KeepEqual {
        target: Box<str>,
    },
    DropEqual {
        target: Box<str>,
    },
    HashMod {
        target: Box<str>,
        modulus: NonZeroU64,
    },
    LabelMap {
        replacement: Template,
    },
    LabelDrop,
    LabelKeep,
    Lowercase {
        target: Box<str>,
    },
    Uppercase {
        target: Box<str>,
    },
}

fn rule(
    action: RelabelAction,
    regex: &RelabelRegex,
    target_label: Option<&str>,
    replacement: &str,
    modulus: Option<u64>,
) -> Result<Rule, RelabelConfigError> {
    let target = || {
        target_label
            .map(Box::from)
            .ok_or(RelabelConfigError::TargetLabelMissing { action })
    };
    Ok(match action {
        RelabelAction::Replace => Rule::Replace {
            target: regex.template(&target()?),
            replacement: regex.template(replacement),
        },
        RelabelAction::Keep => Rule::Keep,
        RelabelAction::Drop => Rule::Drop,
        RelabelAction::KeepEqual => Rule::KeepEqual { target: target()? },
        RelabelAction::DropEqual => Rule::DropEqual { target: target()? },
        RelabelAction::HashMod => Rule::HashMod {
            modulus: modulus
                .and_then(NonZeroU64::new)
                .ok_or(RelabelConfigError::ModulusMissing)?,
            target: target()?,
        },
        RelabelAction::LabelMap => {
            if replacement.is_empty() {
                return Err(RelabelConfigError::Replacement {
                    action,
                    replacement: replacement.to_owned(),
                });
            }
            Rule::LabelMap {
                replacement: regex.template(replacement),
            }
        }
        RelabelAction::LabelDrop => Rule::LabelDrop,
        RelabelAction::LabelKeep => Rule::LabelKeep,
        RelabelAction::Lowercase => Rule::Lowercase { target: target()? },
        RelabelAction::Uppercase => Rule::Uppercase { target: target()? },
    })
}

/// Refuses the fields that an action has no use for, as far as Prometheus does.
fn check_unused_fields(
    action: RelabelAction,
    fields: &RelabelFields,
) -> Result<(), RelabelConfigError> {
    let differs = |field: &Option<String>, default: &str| {
        field.as_deref().is_some_and(|value| value != default)
    };
    let replacement = differs(&fields.replacement, DEFAULT_REPLACEMENT);
    let separator = differs(&fields.separator, DEFAULT_SEPARATOR);
    let modulus = fields.modulus.is_some_and(|modulus| modulus != 0);
    let target_label = differs(&fields.target_label, "");
    let refused: &[(&'static str, bool)] = match action {
        RelabelAction::Lowercase | RelabelAction::Uppercase => &[("replacement", replacement)],
        RelabelAction::KeepEqual | RelabelAction::DropEqual => &[
            ("replacement", replacement),
            // Even the default expression is refused where it is written out.
            ("regex", fields.regex.is_some()),
            ("modulus", modulus),
            ("separator", separator),
        ],
        RelabelAction::LabelDrop | RelabelAction::LabelKeep => &[
            ("source_labels", !fields.source_labels.is_empty()),
            ("target_label", target_label),
            ("modulus", modulus),
            ("separator", separator),
            ("replacement", replacement),
        ],
        RelabelAction::Replace
        | RelabelAction::Keep
        | RelabelAction::Drop
        | RelabelAction::HashMod
        | RelabelAction::LabelMap => &[],
    };
    match refused.iter().find(|(_, set)| *set) {
        Some(&(field, _)) => Err(RelabelConfigError::FieldNotAllowed { action, field }),
        None => Ok(()),
    }
}

/// The labels whose joined values a rule works on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) labels: Box<[Box<str>]>,
    pub(super) separator: Box<str>,
}

/// Whether relabelling left a label set or dropped it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub enum Keep {
    /// Every rule let it through.
    Kept,
    /// A rule dropped it; what is left of its labels means nothing.
    Dropped,
}
