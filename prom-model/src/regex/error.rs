//! Why a text isn't an expression.

/// Why a text isn't an expression, in the words of Go's parser.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {kind}: `{fragment}`")]
pub struct RegexError {
    kind: RegexErrorKind,
    fragment: Box<str>,
}

impl RegexError {
    pub(super) fn new(kind: RegexErrorKind, fragment: &str) -> Self {
        Self {
            kind,
            fragment: fragment.into(),
        }
    }

    /// What is wrong.
    #[must_use]
    pub const fn kind(&self) -> RegexErrorKind {
        self.kind
    }

    /// The part of the expression that is wrong, or all of it.
    #[must_use]
    pub fn fragment(&self) -> &str {
        &self.fragment
    }
}

/// What is wrong with an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum RegexErrorKind {
    /// `[b-a]`, `[[:word]]`, `\p{Nothing}`.
    #[error("invalid character class range")]
    InvalidCharRange,
    /// `\y`, `\1`, `\C`.
    #[error("invalid escape sequence")]
    InvalidEscape,
    /// `(?P<a-b>x)`.
    #[error("invalid named capture")]
    InvalidNamedCapture,
    /// `(?x)`, `(?=x)`.
    #[error("invalid or unsupported Perl syntax")]
    InvalidPerlOp,
    /// `a**`.
    #[error("invalid nested repetition operator")]
    InvalidRepeatOp,
    /// `a{1001}`, `(a{100}){11}`.
    #[error("invalid repeat count")]
    InvalidRepeatSize,
    /// `[a`.
    #[error("missing closing ]")]
    MissingBracket,
    /// `(a`.
    #[error("missing closing )")]
    MissingParen,
    /// `*a`.
    #[error("missing argument to repetition operator")]
    MissingRepeatArgument,
    /// `a\`.
    #[error("trailing backslash at end of expression")]
    TrailingBackslash,
    /// `a)`.
    #[error("unexpected )")]
    UnexpectedParen,
    /// More than a thousand groups or repetitions within one another.
    #[error("expression nests too deeply")]
    NestingDepth,
    /// The expression is too long, or what it compiles to is.
    #[error("expression too large")]
    TooLarge,
}
