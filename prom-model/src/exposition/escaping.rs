//! Names for clients that know the old character set only.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::label::{is_legacy_label_name, is_legacy_metric_name};

/// How names outside `[a-zA-Z_:][a-zA-Z0-9_:]*` are written (`model.EscapingScheme` of Prometheus).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Escaping {
    /// As they are, in quotes.
    AllowUtf8,
    /// With `_` for each character that doesn't fit; different names can become the same.
    #[default]
    Underscores,
    /// With `_dot_` for `.`, `__` for `_` and for other characters. Names that fit stay as they are, so that `a_b` and
    /// `a__b` can't be told from what other names become.
    Dots,
    /// With `U__` before, `__` for `_` and `_1F600_` for other characters, so that they can be read back.
    Values,
}

impl Escaping {
    /// The scheme's name in the parameter `escaping` of media types.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// The scheme called `name` in the parameter `escaping`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let schemes = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];
        schemes.into_iter().find(|scheme| scheme.as_str() == name)
    }

    /// The name of a metric as this scheme writes it.
    #[must_use]
    pub fn metric_name(self, name: &str) -> Cow<'_, str> {
        if is_legacy_metric_name(name) {
            return Cow::Borrowed(name);
        }
        self.escape(name, |character| matches!(character, '_' | ':'))
    }

    /// The name of a label as this scheme writes it.
    ///
    /// Other than in Prometheus, which writes it as it is, a `:` is escaped: no parser takes it in a label's name.
    #[must_use]
    pub fn label_name(self, name: &str) -> Cow<'_, str> {
        if is_legacy_label_name(name) {
            return Cow::Borrowed(name);
        }
        self.escape(name, |character| character == '_')
    }

    fn escape<'a>(self, name: &'a str, special: impl Fn(char) -> bool) -> Cow<'a, str> {
        if self == Self::AllowUtf8 || name.is_empty() {
            return Cow::Borrowed(name);
        }
        let mut escaped = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            escaped.push_str("U__");
        }
        for (at, character) in name.char_indices() {
            let fits = character.is_ascii_alphabetic()
                || special(character)
                || (at > 0 && character.is_ascii_digit());
            match (self, character) {
                (Self::Dots | Self::Values, '_') => escaped.push_str("__"),
                (Self::Dots, '.') => escaped.push_str("_dot_"),
                (_, character) if fits => escaped.push(character),
                (Self::Dots, _) => escaped.push_str("__"),
                (Self::Values, character) => {
                    // Writing to a string doesn't fail.
                    let _ = write!(escaped, "_{:x}_", u32::from(character));
                }
                _ => escaped.push('_'),
            }
        }
        Cow::Owned(escaped)
    }
}
