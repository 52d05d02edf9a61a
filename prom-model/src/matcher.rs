//! Label matchers.

use std::hash::{Hash, Hasher};

use crate::label::LabelSet;
use crate::regex::{Regex, RegexError};

/// How a [`Matcher`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    /// The operator as PromQL writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// One condition on one label. An absent label compares as an empty value, as in Prometheus.
///
/// Equal to those that are written the same: name, operator and value.
#[derive(Debug, Clone)]
pub struct Matcher {
    name: Box<str>,
    op: MatchOp,
    value: Box<str>,
    regex: Option<Regex>,
}

impl Matcher {
    /// The condition that label `name` compares by `op` with `value`.
    ///
    /// # Errors
    /// Where `op` is one of the two for expressions and `value` isn't one.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, RegexError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => Some(Regex::new(value)?),
        };
        Ok(Self {
            name: name.into(),
            op,
            value: value.into(),
            regex,
        })
    }

    /// The label's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it compares.
    #[must_use]
    pub const fn op(&self) -> MatchOp {
        self.op
    }

    /// What it compares with, an expression for [`MatchOp::Regex`] and [`MatchOp::NotRegex`].
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The compiled expression of [`MatchOp::Regex`] and [`MatchOp::NotRegex`].
    #[must_use]
    pub const fn regex(&self) -> Option<&Regex> {
        self.regex.as_ref()
    }

    /// Whether a label with `value` (empty for an absent one) satisfies the condition.
    #[must_use]
    pub fn matches_value(&self, value: &str) -> bool {
        match (self.op, &self.regex) {
            (MatchOp::NotEqual, _) => value != &*self.value,
            (MatchOp::Regex, Some(regex)) => regex.is_match(value),
            (MatchOp::NotRegex, Some(regex)) => !regex.is_match(value),
            _ => value == &*self.value,
        }
    }

    /// Whether `labels` satisfy the condition.
    #[must_use]
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.matches_value(labels.get(&self.name).unwrap_or_default())
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.value == other.value && self.name == other.name
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.op, &self.name, &self.value).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_label_compares_as_empty() {
        let labels: LabelSet = [("job", "aiven")].into_iter().collect();
        let f = |name: &str, op, value: &str, want| {
            let matcher = Matcher::new(name, op, value).unwrap();
            assert_eq!(
                matcher.matches(&labels),
                want,
                "{name}{}{value:?}",
                op.as_str()
            );
        };
        f("job", MatchOp::Equal, "aiven", true);
        f("job", MatchOp::NotEqual, "aiven", false);
        f("job", MatchOp::Regex, "aiv", false);
        f("job", MatchOp::Regex, "aiv.*", true);
        f("job", MatchOp::NotRegex, "aiv.*", false);
        f("none", MatchOp::Equal, "", true);
        f("none", MatchOp::NotEqual, "", false);
        f("none", MatchOp::Regex, "x?", true);
        f("none", MatchOp::NotRegex, ".+", true);
    }
}
