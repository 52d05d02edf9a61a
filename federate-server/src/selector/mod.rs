//! Selectors, as `match[]` has them.
//!
//! This is the part of PromQL that Prometheus' `ParseMetricSelector` takes: a metric name, a list
//! of matchers in braces, or both; no range, offset, `@`, operator, function or parenthesis. It is
//! small enough to be read here, which is the way to have it in linear time, with bounds on what a
//! stranger's text may cost, RE2 expressions as Prometheus anchors them, and Prometheus' own error
//! messages. The general PromQL parsers take more than Prometheus (`a="1" or b="2"`) and panic on
//! some texts.
//!
//! ```
//! use federate_server::selector::Selector;
//! use prom_model::label::LabelSet;
//!
//! let selector = Selector::parse(r#"up{job=~"aiv.*"}"#)?;
//! let labels: LabelSet = [("__name__", "up"), ("job", "aiven")].into_iter().collect();
//! assert!(selector.matches(&labels));
//!
//! let error = Selector::parse("up[5m]").unwrap_err();
//! assert_eq!(error.to_string(), r#"1:3: parse error: unexpected "[""#);
//! # Ok::<(), federate_server::selector::SelectorError>(())
//! ```

mod error;
mod lex;
mod parse;
mod unquote;

use std::collections::HashSet;
use std::str::FromStr;

use prom_model::label::LabelSet;
use prom_model::matcher::Matcher;

pub use self::error::{SelectorError, SelectorErrorKind};

/// Bytes of a selector's text. A list of every metric name of a node takes about 30 kB.
pub const MAX_SELECTOR_BYTES: usize = 64 << 10;

/// Bytes that the compiled expressions of one selector may take.
pub const MAX_EXPRESSION_BYTES: usize = 8 << 20;

/// Bytes that the compiled expressions of all selectors of a request may take.
pub const MAX_REQUEST_EXPRESSION_BYTES: usize = 16 << 20;

/// Conditions that a series has to meet, all of them. Equal to those with the same conditions in the same order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Selector(Box<[Matcher]>);

impl Selector {
    /// Parses `text` as Prometheus does a `match[]` parameter.
    ///
    /// As at Prometheus' `/federate`, `{}` and `{a=""}` are selectors; its HTTP API refuses them, see
    /// [`requires_a_label`](Self::requires_a_label). Unlike there, a string whose escapes don't
    /// make UTF-8 is an error: no label could ever match it.
    ///
    /// # Errors
    /// Where `text` isn't a selector, one of its expressions isn't RE2, or it passes
    /// [`MAX_SELECTOR_BYTES`] or [`MAX_EXPRESSION_BYTES`].
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        parse::parse(text).map(|matchers| Self(matchers.into()))
    }

    /// Parses all `texts` of a request, each once: every selector costs a look at every series.
    ///
    /// # Errors
    /// The first text that isn't a selector, or with which they pass [`MAX_REQUEST_EXPRESSION_BYTES`], and why.
    pub(crate) fn parse_all<'a>(
        texts: impl Iterator<Item = &'a str>,
    ) -> Result<Vec<Self>, (&'a str, SelectorError)> {
        let mut seen = HashSet::new();
        let mut bytes = 0;
        let texts = texts.filter(|text| seen.insert(*text));
        let parse = |text| {
            let selector = Self::parse(text).map_err(|error| (text, error))?;
            bytes += selector.expression_bytes();
            if bytes > MAX_REQUEST_EXPRESSION_BYTES {
                let limit = MAX_REQUEST_EXPRESSION_BYTES;
                let kind = SelectorErrorKind::TooLargeTogether { limit };
                return Err((text, SelectorError::at(text, 0, kind)));
            }
            Ok(selector)
        };
        texts.map(parse).collect()
    }

    fn expression_bytes(&self) -> usize {
        let expressions = self.0.iter().filter_map(Matcher::regex);
        expressions.map(|regex| regex.memory_usage()).sum()
    }

    /// The conditions in the order in which they were written, the one on a bare metric name last.
    #[must_use]
    pub fn matchers(&self) -> &[Matcher] {
        &self.0
    }

    /// Whether one of the conditions at least is not met by a series without labels.
    ///
    /// Prometheus' HTTP API asks for that, lest a mistake select every series.
    #[must_use]
    pub fn requires_a_label(&self) -> bool {
        self.0.iter().any(|matcher| !matcher.matches_value(""))
    }

    /// Whether `labels` meet every condition. Nothing meets none: `{}` selects no series, as in Prometheus.
    #[must_use]
    pub fn matches(&self, labels: &LabelSet) -> bool {
        !self.0.is_empty() && self.0.iter().all(|matcher| matcher.matches(labels))
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        Self::parse(text)
    }
}
