//! Replacement templates, by the rules of Go's `Regexp.Expand`.

use super::class;

/// A replacement text such as `${1}_total`, read against the groups of one expression.
///
/// `$1` and `${1}` are the group's text, `$name` and `${name}` that of the first group of that
/// name which took part, `$$` is a dollar. The longest run of letters, digits and underscores
/// counts: `$1x` is the group named `1x`. A group that there isn't is empty, and a `$` that
/// starts none of these stands for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// The first of these groups that took part.
    Groups(Box<[usize]>),
}

impl Template {
    /// Reads `text`; `names` are the names of the groups 1, 2, …, empty for a nameless one.
    pub(super) fn parse(text: &str, names: &[Box<str>]) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            rest = after;
            if let Some(after) = rest.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some((name, after)) = split_reference(rest) {
                let groups = resolve(name, names);
                if !groups.is_empty() {
                    if !literal.is_empty() {
                        parts.push(Part::Literal(std::mem::take(&mut literal).into()));
                    }
                    parts.push(Part::Groups(groups));
                }
                rest = after;
            } else {
                literal.push('$');
            }
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Literal(literal.into()));
        }
        Self(parts)
    }

    /// The result, where it is the same for every match.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// The highest group that is asked for, 0 where none is.
    pub(super) fn highest_group(&self) -> usize {
        self.0
            .iter()
            .filter_map(|part| match part {
                Part::Literal(_) => None,
                Part::Groups(groups) => groups.iter().max().copied(),
            })
            .max()
            .unwrap_or(0)
    }

    /// Appends the result to `out`, with `group` giving what a group captured.
    pub(super) fn expand<'t>(&self, out: &mut String, group: impl Fn(usize) -> Option<&'t str>) {
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Groups(groups) => {
                    out.push_str(groups.iter().find_map(|&at| group(at)).unwrap_or_default());
                }
            }
        }
    }
}

/// Splits `name` or `{name}` off what follows a `$`.
fn split_reference(text: &str) -> Option<(&str, &str)> {
    let (braced, text) = match text.strip_prefix('{') {
        Some(text) => (true, text),
        None => (false, text),
    };
    let end = text.find(|c: char| !is_name_char(c)).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if name.is_empty() {
        return None;
    }
    if braced {
        return Some((name, rest.strip_prefix('}')?));
    }
    Some((name, rest))
}

fn is_name_char(c: char) -> bool {
    if c.is_ascii() {
        c == '_' || c.is_ascii_alphanumeric()
    } else {
        class::is_letter_or_digit(c)
    }
}

/// The groups that `name` stands for: one for a number, maybe several for a name.
fn resolve(name: &str, names: &[Box<str>]) -> Box<[usize]> {
    let number = name.bytes().all(|byte| byte.is_ascii_digit());
    if number && (name == "0" || !name.starts_with('0')) && name.len() <= 9 {
        let group = name.parse().unwrap_or(usize::MAX);
        return if group <= names.len() {
            Box::new([group])
        } else {
            Box::default()
        };
    }
    names
        .iter()
        .enumerate()
        .filter(|(_, have)| &***have == name)
        .map(|(at, _)| at + 1)
        .collect()
}
