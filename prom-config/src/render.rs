//! Writing a configuration down again, for people to look at.
//!
//! The text looks like what Prometheus prints of its own configuration. It holds no secrets because
//! a [`Value`] can't be made of one: [`Value::secret`] is `<secret>` whatever it stands for.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use prom_model::label::LabelSet;

use crate::duration;
use crate::size::ByteSize;
use crate::yaml::{self, is_printable};

/// A value to be written as YAML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text, quoted where it must be.
    Text(String),
    /// A boolean.
    Bool(bool),
    /// An integer.
    Integer(u64),
    /// A list.
    List(Vec<Self>),
    /// A list of texts on one line: `[a, b]`.
    Flow(Vec<String>),
    /// A mapping, in this order.
    Mapping(Mapping),
}

/// Keys and values of a mapping, in the order in which they were added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(Vec<(String, Value)>);

impl Value {
    /// What stands in the place of a secret.
    #[must_use]
    pub fn secret() -> Self {
        Self::Text("<secret>".to_owned())
    }

    /// A URL, its user and password replaced.
    #[must_use]
    pub fn url(url: &str) -> Self {
        Self::Text(redact_url(url))
    }

    /// Whether this is an empty text, list or mapping, `false` or zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::Bool(value) => !value,
            Self::Integer(value) => *value == 0,
            Self::List(items) => items.is_empty(),
            Self::Flow(items) => items.is_empty(),
            Self::Mapping(mapping) => mapping.0.is_empty(),
        }
    }
}

impl Mapping {
    /// A mapping without keys.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds `key`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.push((key.to_owned(), value.into()));
        self
    }

    /// Adds `key` unless the value is zero ([`Value::is_zero`]), as Prometheus leaves most keys out.
    #[must_use]
    pub fn with_nonzero(self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.is_zero() {
            self
        } else {
            self.with(key, value)
        }
    }

    /// Adds `key` if there is a value.
    #[must_use]
    pub fn with_some(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    /// Adds the keys of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The mapping as a YAML document.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        if self.0.is_empty() {
            text.push_str("{}\n");
        }
        write_mapping(&mut text, self, 0);
        text
    }
}

macro_rules! from {
    ($($from:ty => $value:ident => $made:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($value: $from) -> Self {
                $made
            }
        }
    )*};
}
from! {
    String => value => Self::Text(value);
    &str => value => Self::Text(value.to_owned());
    &String => value => Self::Text(value.clone());
    &Path => value => Self::Text(value.display().to_string());
    bool => value => Self::Bool(value);
    u64 => value => Self::Integer(value);
    Duration => value => Self::Text(duration::format(value));
    ByteSize => value => Self::Text(value.to_string());
    Mapping => value => Self::Mapping(value);
    &LabelSet => value => Self::Mapping(
        value.iter().fold(Mapping::new(), |mapping, (name, value)| mapping.with(name, value))
    );
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// A list of whatever can be a value.
impl<T: Into<Self>> FromIterator<T> for Value {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self::List(items.into_iter().map(Into::into).collect())
    }
}

/// `url` with `<secret>` for the user and password before its host, if it has any.
#[must_use]
pub fn redact_url(url: &str) -> String {
    let authority_at = url.find("//").map_or(0, |at| at + 2);
    let (before, rest) = url.split_at(authority_at);
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{before}<secret>{}", &rest[at..]),
        None => url.to_owned(),
    }
}

fn write_mapping(text: &mut String, mapping: &Mapping, indent: usize) {
    for (at, (key, value)) in mapping.0.iter().enumerate() {
        // The first key stands behind its list's dash, or at the start of the document.
        if at > 0 {
            pad(text, indent);
        }
        write_scalar(text, key);
        text.push(':');
        match value {
            Value::List(items) if !items.is_empty() => {
                text.push('\n');
                write_list(text, items, indent);
            }
            Value::Mapping(inner) if !inner.0.is_empty() => {
                text.push('\n');
                pad(text, indent + 2);
                write_mapping(text, inner, indent + 2);
            }
            scalar => {
                text.push(' ');
                write_flat(text, scalar);
            }
        }
    }
}

fn write_list(text: &mut String, items: &[Value], indent: usize) {
    for item in items {
        pad(text, indent);
        text.push_str("- ");
        match item {
            Value::Mapping(inner) if !inner.0.is_empty() => write_mapping(text, inner, indent + 2),
            // A list in a list starts on the line of its parent's dash.
            Value::List(inner) if !inner.is_empty() => {
                let mut nested = String::new();
                write_list(&mut nested, inner, indent + 2);
                text.push_str(nested.trim_start());
            }
            scalar => write_flat(text, scalar),
        }
    }
}

fn write_flat(text: &mut String, value: &Value) {
    match value {
        Value::Text(value) => write_scalar(text, value),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Integer(value) => text.push_str(&value.to_string()),
        Value::List(_) => text.push_str("[]"),
        Value::Flow(items) => {
            text.push('[');
            for (at, item) in items.iter().enumerate() {
                text.push_str(if at == 0 { "" } else { ", " });
                write_text(text, item, Place::Flow);
            }
            text.push(']');
        }
        Value::Mapping(_) => text.push_str("{}"),
    }
    text.push('\n');
}

fn pad(text: &mut String, indent: usize) {
    text.extend(std::iter::repeat_n(' ', indent));
}

/// Where a text is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Block,
    /// Between brackets, where more characters have a meaning.
    Flow,
}

fn write_scalar(text: &mut String, value: &str) {
    write_text(text, value, Place::Block);
}

/// Writes `value` without quotes where it reads back as the same string, in double quotes where it
/// would be of another type or needs an escape, otherwise in single ones.
fn write_text(text: &mut String, value: &str, place: Place) {
    let in_flow = place == Place::Flow && value.contains([',', '[', ']', '{', '}', ':', '?']);
    if yaml::is_plain_string(value) && !in_flow {
        text.push_str(value);
    } else if is_printable(value) && yaml::looks_like_string(value) {
        text.push('\'');
        text.push_str(&value.replace('\'', "''"));
        text.push('\'');
    } else {
        text.push('"');
        for character in value.chars() {
            match character {
                '"' => text.push_str("\\\""),
                '\\' => text.push_str("\\\\"),
                '\n' => text.push_str("\\n"),
                '\t' => text.push_str("\\t"),
                '\r' => text.push_str("\\r"),
                printable if is_printable(printable.encode_utf8(&mut [0; 4])) => {
                    text.push(printable);
                }
                other => {
                    // Writing to a string can't fail.
                    let _ = write!(text, "\\U{:08X}", u32::from(other));
                }
            }
        }
        text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::yaml::parse;

    #[test]
    fn the_layout_is_that_of_prometheus() {
        let mapping = Mapping::new()
            .with(
                "global",
                Mapping::new()
                    .with("scrape_interval", Duration::from_secs(90))
                    .with_nonzero("sample_limit", 0)
                    .with("protocols", vec!["a", "b"]),
            )
            .with(
                "jobs",
                vec![
                    Mapping::new()
                        .with("name", "a")
                        .with("list", Vec::<String>::new())
                        .with("auth", Mapping::new().with("password", Value::secret())),
                    Mapping::new()
                        .with("on", true)
                        .with("limit", ByteSize(1 << 20)),
                ],
            );
        let want = "\
global:
  scrape_interval: 1m30s
  protocols:
  - a
  - b
jobs:
- name: a
  list: []
  auth:
    password: <secret>
- \"on\": true
  limit: 1MiB
";
        assert_eq!(mapping.to_yaml(), want);
        assert_eq!(Mapping::new().to_yaml(), "{}\n");
    }

    #[test]
    fn urls_lose_their_user_and_password() {
        let f = |url: &str, want: &str| assert_eq!(redact_url(url), want);
        f("http://a/b@c", "http://a/b@c");
        f("http://u:p@a:1/b", "http://<secret>@a:1/b");
        f("https://u:p@x@a", "https://<secret>@a");
        f("http://u@a?q=x@y", "http://<secret>@a?q=x@y");
        f("u:p@a/b", "<secret>@a/b");
    }

    proptest! {
        #[test]
        fn a_text_reads_back_as_itself(
            text in prop_oneof![any::<String>(), "[-a-z0-9:{}\\[\\],&*!|>%@`'\"?#~<.$() \t\n\\\\]{0,20}"]
        ) {
            for list in [Value::from(vec![text.as_str()]), Value::Flow(vec![text.clone()])] {
                let yaml = Mapping::new().with(&text, list).to_yaml();
                let entries: std::collections::BTreeMap<String, Vec<String>> = parse(&yaml)
                    .and_then(|document| document.root.decode())
                    .map_err(|error| TestCaseError::fail(format!("{yaml}: {error}")))?;
                let entries: Vec<_> = entries.into_iter().collect();
                prop_assert_eq!(entries, [(text.clone(), vec![text.clone()])]);
            }
        }
    }
}
