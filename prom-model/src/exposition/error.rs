//! Where and why an exposition isn't one.

use std::fmt;

/// Why a body was rejected, and where.
///
/// Of the body it quotes at most a few characters: an exposition can hold what shouldn't be logged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {kind}")]
pub struct ParseError {
    line: usize,
    column: usize,
    kind: ParseErrorKind,
}

impl ParseError {
    /// An error of `kind` at the byte offset `at` of `body`.
    pub(super) fn new(body: &[u8], at: usize, kind: ParseErrorKind) -> Self {
        let before = &body[..at.min(body.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        Self {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: before.len() - line_start + 1,
            kind,
        }
    }

    /// The line, counted from 1.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// The column, counted in bytes from 1.
    #[must_use]
    pub const fn column(&self) -> usize {
        self.column
    }

    /// What is wrong there.
    #[must_use]
    pub const fn kind(&self) -> &ParseErrorKind {
        &self.kind
    }
}

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseErrorKind {
    /// Something else was due by the grammar.
    #[error("expected {expected}, found {found}")]
    Unexpected {
        /// What the grammar allows there.
        expected: &'static str,
        /// What is there.
        found: Found,
    },
    /// A value or a timestamp isn't a number that Go's `strconv.ParseFloat` takes.
    #[error("{found} is not a number")]
    InvalidNumber {
        /// What is there.
        found: Found,
    },
    /// A number is too large for its type.
    #[error("{found} is out of range")]
    NumberOutOfRange {
        /// What is there.
        found: Found,
    },
    /// A timestamp is NaN or infinite.
    #[error("{found} is not a point in time")]
    InvalidTimestamp {
        /// What is there.
        found: Found,
    },
    /// A `# TYPE` line names a type that the format doesn't have.
    #[error("{found} is not a metric type")]
    InvalidType {
        /// What is there.
        found: Found,
    },
    /// The unit isn't the last part of the metric family's name.
    #[error("the unit {found} is not a suffix of the metric family's name")]
    InvalidUnit {
        /// The unit.
        found: Found,
    },
    /// The help text isn't UTF-8.
    #[error("the help text is not UTF-8")]
    HelpNotUtf8,
    /// A label's value isn't UTF-8.
    #[error("the label value is not UTF-8")]
    LabelValueNotUtf8,
    /// The name of a series or of a label isn't UTF-8.
    #[error("a name is not UTF-8")]
    NameNotUtf8,
    /// A series has no metric name.
    #[error("the series has no metric name")]
    NoMetricName,
    /// A series has a second metric name.
    #[error("the series has two metric names")]
    TwoMetricNames,
    /// A label has an empty name.
    #[error("a label has no name")]
    NoLabelName,
    /// A label is given twice.
    #[error("the label {name} is given twice")]
    DuplicateLabel {
        /// The label's name.
        name: Found,
    },
    /// An OpenMetrics body ends without its last line.
    #[error("the body does not end with \"# EOF\"")]
    NoEof,
    /// An OpenMetrics body goes on after its last line.
    #[error("there is data after \"# EOF\"")]
    DataAfterEof,
}

/// A short piece of the body, as an error quotes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(Box<str>);

/// How many bytes of a body are quoted.
const QUOTED_BYTES: usize = 24;

impl Found {
    /// What starts at the byte offset `at` of `body`, up to the end of the line.
    pub(super) fn at(body: &[u8], at: usize) -> Self {
        match body.get(at) {
            None => Self("the end of the body".into()),
            Some(b'\n') => Self("the end of the line".into()),
            Some(_) => {
                let rest = &body[at..];
                let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                Self::token(&rest[..end])
            }
        }
    }

    /// All of `token`.
    pub(super) fn token(token: &[u8]) -> Self {
        let shown = &token[..token.len().min(QUOTED_BYTES)];
        let more = if shown.len() < token.len() { "…" } else { "" };
        Self(format!("{:?}{more}", String::from_utf8_lossy(shown)).into())
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
