//! Why a text isn't a selector.

use std::fmt;

use prom_model::regex::RegexError;

/// Why a text isn't a selector, and where.
///
/// Shown as Prometheus does: `1:8: parse error: unexpected identifier "or" in label matching,
/// expected "," or "}"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SelectorError {
    position: Option<Position>,
    kind: SelectorErrorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    line: usize,
    /// In bytes, from 1.
    column: usize,
}

/// What is wrong with a selector.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectorErrorKind {
    /// A token that has no place here; the text says which, and what was expected.
    #[error("unexpected {0}")]
    Unexpected(String),
    /// Text that isn't a token of the language.
    #[error("{0}")]
    Lexical(String),
    /// A string whose escapes make bytes that aren't UTF-8.
    #[error("string is not UTF-8")]
    NotUtf8,
    /// An expression that isn't RE2.
    #[error(transparent)]
    Regex(#[from] RegexError),
    /// The text is too long.
    #[error("selector is longer than {limit} bytes")]
    TooLong {
        /// Largest length in bytes.
        limit: usize,
    },
    /// The expressions of all selectors of a request are too large taken together.
    #[error("expressions of all selectors take more than {limit} bytes")]
    TooLargeTogether {
        /// Largest size in bytes.
        limit: usize,
    },
    /// The expressions are too large taken together.
    #[error("expressions of selector take more than {limit} bytes")]
    TooLarge {
        /// Largest size in bytes.
        limit: usize,
    },
}

impl SelectorError {
    /// An error at byte `at` of `text`.
    pub(super) fn at(text: &str, at: usize, kind: SelectorErrorKind) -> Self {
        let before = &text.as_bytes()[..at.min(text.len())];
        let mut lines = before.split(|&byte| byte == b'\n');
        let column = lines.next_back().map_or(0, <[u8]>::len) + 1;
        let line = lines.count() + 1;
        let position = Position { line, column };
        Self {
            position: (!text.is_empty()).then_some(position),
            kind,
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> &SelectorErrorKind {
        &self.kind
    }
}

impl fmt::Display for SelectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(Position { line, column }) => write!(f, "{line}:{column}")?,
            None => f.write_str("unknown position")?,
        }
        write!(f, ": parse error: {}", self.kind)
    }
}

impl std::error::Error for SelectorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The cause, where there is one, is part of the message: it is shown to clients as a whole.
        None
    }
}
