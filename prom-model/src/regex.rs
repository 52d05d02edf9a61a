//! Regular expressions as Prometheus has them: RE2 syntax, matching from end to end.

/// An expression that matches a whole text or nothing.
#[derive(Debug, Clone)]
pub struct Regex(regex_automata::meta::Regex);

/// Why a text isn't an expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid regular expression `{expression}`: {reason}")]
pub struct RegexError {
    expression: String,
    reason: String,
}

impl Regex {
    /// Compiles `expression`.
    ///
    /// # Errors
    /// Where RE2 refuses it.
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        regex_automata::meta::Regex::new(&format!("^(?s:{expression})$"))
            .map(Self)
            .map_err(|err| RegexError {
                expression: expression.to_owned(),
                reason: err.to_string(),
            })
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}
