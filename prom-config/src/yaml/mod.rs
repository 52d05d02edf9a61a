//! YAML with positions, read the way Prometheus reads it.
//!
//! Prometheus decodes with Go's yaml.v2 in strict mode. What that means is kept: the types of
//! YAML 1.1 (`yes` is a boolean, `017` is fifteen), only the first document counts, anchors,
//! aliases and merge keys. The parser below is one of YAML 1.2, so a few odd layouts differ: a
//! tab between a key's colon and its value, and a flow mapping whose lines are not indented, are
//! refused.

mod layout;
mod parse;
mod scalar;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::scalar::{Resolved, Scalar};
use crate::decode::Decode;
use crate::error::{ConfigError, Position};
use crate::fields::Fields;

pub use self::parse::parse;

/// A YAML document.
#[derive(Debug, Clone)]
pub struct Document {
    /// Its content, a null where the text is empty.
    pub root: Node,
    /// Where a second document starts, which is ignored, as Prometheus does.
    pub ignored: Option<Position>,
}

/// A value in a YAML document, and where it is. Cloning is cheap.
///
/// `Debug` shows the kind and the place, never the text, which may be a secret.
#[derive(Clone)]
pub struct Node {
    position: Position,
    content: Arc<Content>,
    size: Size,
}

/// What a node is.
#[derive(PartialEq)]
pub(crate) enum Content {
    Scalar(Scalar),
    Sequence(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.content == other.content
    }
}

/// How much a node is once its aliases are expanded.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    /// Nodes, itself included.
    nodes: u64,
    /// Of those, nodes that are there because of an alias.
    aliased_nodes: u64,
    /// Bytes of text.
    bytes: u64,
    /// Of those, bytes that are there because of an alias.
    aliased_bytes: u64,
    /// Levels below and with it.
    height: usize,
}

impl Node {
    /// Where it starts. Of an alias, the place of the alias.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Whether it is a null: nothing, `~` or `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        match &*self.content {
            Content::Scalar(scalar) => scalar.resolve() == Ok(Resolved::Null),
            _ => false,
        }
    }

    /// Whether it says nothing: a null, an empty text, `false`, and a list or mapping of nothing
    /// but these. That is what a setting looks like that is written down and not used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &*self.content {
            Content::Scalar(scalar) => {
                scalar.text.is_empty()
                    || matches!(scalar.resolve(), Ok(Resolved::Null | Resolved::Bool(false)))
            }
            Content::Sequence(items) => items.iter().all(Self::is_empty),
            Content::Mapping(entries) => entries.iter().all(|(_, value)| value.is_empty()),
        }
    }

    /// Decodes it.
    ///
    /// # Errors
    /// Where it is not a `T`.
    pub fn decode<T: Decode>(&self) -> Result<T, ConfigError> {
        T::decode(self)
    }

    /// Reads it as a mapping, a null as an empty one.
    ///
    /// # Errors
    /// Where it is neither, has a key twice, or a merge key with something else than mappings.
    pub fn fields(&self) -> Result<Fields, ConfigError> {
        Fields::new(self)
    }

    /// The elements of a list, none of a null.
    ///
    /// # Errors
    /// Where it is neither.
    pub fn items(&self) -> Result<&[Self], ConfigError> {
        match &*self.content {
            Content::Sequence(items) => Ok(items),
            _ if self.is_null() => Ok(&[]),
            _ => Err(self.mismatch("a list")),
        }
    }

    /// An error at its position.
    #[must_use]
    pub fn error(&self, message: impl fmt::Display) -> ConfigError {
        self.position.error(message)
    }

    /// The error that it is of the wrong kind; `expected` has its article. Its text isn't quoted.
    #[must_use]
    pub fn mismatch(&self, expected: &str) -> ConfigError {
        self.error(format_args!("expected {expected}, found {}", self.noun()))
    }

    /// What it is, with an article.
    fn noun(&self) -> &'static str {
        match &*self.content {
            Content::Scalar(scalar) => scalar.resolve().map_or("a value", Resolved::noun),
            Content::Sequence(_) => "a list",
            Content::Mapping(_) => "a mapping",
        }
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// The scalar and its type, `None` where it is a list or a mapping.
    pub(crate) fn scalar(&self) -> Result<Option<(&Scalar, Resolved)>, ConfigError> {
        match &*self.content {
            Content::Scalar(scalar) => match scalar.resolve() {
                Ok(resolved) => Ok(Some((scalar, resolved))),
                Err(message) => Err(self.error(message)),
            },
            _ => Ok(None),
        }
    }
}

/// Whether `text`, written without quotes, is a YAML string and reads back as itself.
pub(crate) fn is_plain_string(text: &str) -> bool {
    let starts_badly = text.starts_with(|first| "!&*-?|>@`%'\"#,[]{}:".contains(first));
    looks_like_string(text)
        && !starts_badly
        && text != "<<"
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !text.starts_with(' ')
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && is_printable(text)
}

/// Whether `text`, written without quotes, is no null, boolean, number or date.
pub(crate) fn looks_like_string(text: &str) -> bool {
    let scalar = Scalar::plain(text);
    scalar.resolve() == Ok(Resolved::Str) && !scalar.is_timestamp()
}

/// Whether every character can stand in YAML as it is, on one line.
pub(crate) fn is_printable(text: &str) -> bool {
    text.chars().all(|character| {
        matches!(character, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
            && !matches!(character, '\u{2028}' | '\u{2029}' | '\u{feff}')
    })
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Node({} at {})", self.noun(), self.position)
    }
}

#[cfg(test)]
mod tests;
