//! Regular expressions as Prometheus has them: RE2 syntax, matching from end to end.
//!
//! The syntax is that of Go's `regexp/syntax` with Perl flags, which differs from that of the
//! `regex` crates in a hundred small things (ASCII `\d`, `\w`, `\s` and `\b`, `\Q…\E`, `x{2` as a
//! literal, repetition limits, no `[a&&b]`). So expressions are parsed here, and only their
//! meaning is handed to `regex-automata`. `.` matches a newline, as in Prometheus 3.
//!
//! - [`Regex`]: whether a whole text matches, for label matchers.
//! - [`RelabelRegex`]: also what its groups captured, for relabelling.
//!
//! Expressions come from strangers (`match[]`), so everything is bounded: nesting, repetition
//! and size as in Go, and the compiled automaton's memory. Matching takes linear time.
//!
//! ```
//! use prom_model::regex::{Regex, RelabelRegex};
//!
//! let regex = Regex::new(r"es_(jvm|os)_\w+")?;
//! assert!(regex.is_match("es_jvm_threads"));
//! assert!(!regex.is_match("my_es_jvm_threads"));
//!
//! let regex = RelabelRegex::new(r"([^:]+)(?::\d+)?")?;
//! let template = regex.template("${1}:9273");
//! assert_eq!(regex.expand("10.0.0.1:80", [&template]).unwrap(), ["10.0.0.1:9273"]);
//! # Ok::<(), prom_model::regex::RegexError>(())
//! ```

mod class;
mod engine;
mod error;
mod node;
mod parse;
mod relabel;
mod shape;
mod template;

use std::fmt;
use std::sync::Arc;

pub use self::error::{RegexError, RegexErrorKind};
pub use self::relabel::RelabelRegex;
pub use self::template::Template;

use self::engine::Engine;
use self::shape::Shape;

/// An expression that matches a whole text or nothing.
///
/// Cheap to clone. Two are equal if they are spelt alike.
#[derive(Clone)]
pub struct Regex(Arc<Inner>);

struct Inner {
    expression: Box<str>,
    program: Program,
}

enum Program {
    Shape(Shape),
    Engine(Engine),
}

impl Regex {
    /// Compiles `expression` as Prometheus does for a label matcher.
    ///
    /// # Errors
    /// Where Go's parser refuses it, or where its automaton would be too large.
    pub fn new(expression: &str) -> Result<Self, RegexError> {
        let parsed = parse::parse(expression, parse::DotMatchesNewline::Yes)?;
        let program = engine::on_deep_stack(expression, parsed.height, || {
            Ok(match Shape::of(&parsed.hir) {
                Some(shape) => Program::Shape(shape),
                None => Program::Engine(Engine::matching(expression, parsed.hir)?),
            })
        })?;
        Ok(Self(Arc::new(Inner {
            expression: expression.into(),
            program,
        })))
    }

    /// Whether the whole of `text` matches.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        match &self.0.program {
            Program::Shape(shape) => shape.is_match(text),
            Program::Engine(engine) => engine.is_match(text),
        }
    }

    /// The expression as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.expression
    }

    /// Bytes that the compiled expression takes, without what it caches while it matches.
    ///
    /// For whoever compiles many expressions for one stranger and has to stop somewhere.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        match &self.0.program {
            Program::Shape(shape) => shape.memory_usage(),
            Program::Engine(engine) => engine.memory_usage(),
        }
    }

    /// The texts that match, sorted, where the expression is but a list of them: `a|b`, `es_(a|b)`.
    ///
    /// `None` for any other expression; an index then has to be searched with [`is_match`](Self::is_match).
    #[must_use]
    pub fn literals(&self) -> Option<impl ExactSizeIterator<Item = &str>> {
        match &self.0.program {
            Program::Shape(shape) => shape.literals(),
            Program::Engine(_) => None,
        }
    }
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Regex {}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Regex").field(&self.as_str()).finish()
    }
}
