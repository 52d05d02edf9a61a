//! Mappings with known keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use crate::decode::Decode;
use crate::error::{ConfigError, Position};
use crate::yaml::{Content, Node};

/// The keys of a mapping, taken one by one; [`Fields::finish`] refuses those that nobody took.
///
/// Merge keys (`<<`) are resolved as yaml.v2 does it for a structure: in the order of the file, so
/// that what comes later wins, be it the merged key or the mapping's own.
///
/// ```
/// use prom_config::{ConfigError, Decode, Node, yaml};
///
/// #[derive(Debug, PartialEq)]
/// struct Tenant { name: String, limit: u64 }
///
/// impl Decode for Tenant {
///     fn decode(node: &Node) -> Result<Self, ConfigError> {
///         let mut fields = node.fields()?;
///         let tenant = Self {
///             name: fields.required("name")?,
///             limit: fields.optional("limit")?.unwrap_or(10),
///         };
///         fields.finish()?;
///         Ok(tenant)
///     }
/// }
///
/// let tenant: Tenant = yaml::parse("name: a")?.root.decode()?;
/// assert_eq!(tenant, Tenant { name: "a".to_owned(), limit: 10 });
/// let error = yaml::parse("name: a\nlimti: 5")?.root.decode::<Tenant>().unwrap_err();
/// assert_eq!(error.to_string(), "2:1: unknown field \"limti\", did you mean \"limit\"?");
/// # Ok::<(), ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Fields {
    position: Position,
    entries: BTreeMap<String, Entry>,
    /// Every name that was asked for.
    known: BTreeSet<&'static str>,
    /// Where the values of taken keys are.
    taken: BTreeMap<&'static str, Position>,
}

#[derive(Debug, Clone)]
struct Entry {
    key: Position,
    value: Node,
}

/// What happens to a key that a mapping and a merged one have both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnMerge {
    /// The later one wins: for structures.
    Override,
    /// It is an error: for maps.
    Refuse,
}

impl Fields {
    pub(crate) fn new(node: &Node) -> Result<Self, ConfigError> {
        Self::with_merge(node, OnMerge::Override)
    }

    pub(crate) fn with_merge(node: &Node, on_merge: OnMerge) -> Result<Self, ConfigError> {
        let mut entries = BTreeMap::new();
        if !node.is_null() {
            let Content::Mapping(pairs) = node.content() else {
                return Err(node.mismatch("a mapping"));
            };
            collect(pairs, on_merge, &mut entries)?;
        }
        Ok(Self {
            position: node.position(),
            entries,
            known: BTreeSet::new(),
            taken: BTreeMap::new(),
        })
    }

    /// Where the mapping starts.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.position
    }

    /// Where the value of `name` starts if it was there and taken, otherwise the mapping.
    #[must_use]
    pub fn position_of(&self, name: &str) -> Position {
        self.taken.get(name).copied().unwrap_or(self.position)
    }

    /// An error at the value of `name`, or at the mapping where there is none.
    #[must_use]
    pub fn error_at(&self, name: &str, message: impl Display) -> ConfigError {
        self.position_of(name).error(message)
    }

    /// Takes the value of `name` as it is, `None` where the key is absent.
    pub fn node(&mut self, name: &'static str) -> Option<Node> {
        self.known.insert(name);
        let value = self.entries.remove(name)?.value;
        self.taken.insert(name, value.position());
        Some(value)
    }

    /// Takes the value of `name`, `None` where the key is absent. A null is [`Decode::null`].
    ///
    /// # Errors
    /// Where the value isn't a `T`.
    pub fn optional<T: Decode>(&mut self, name: &'static str) -> Result<Option<T>, ConfigError> {
        match self.node(name) {
            None => Ok(None),
            Some(node) if node.is_null() => Ok(T::null()),
            Some(node) => node.decode().map(Some),
        }
    }

    /// Takes the value of `name`.
    ///
    /// # Errors
    /// Where the key is absent or the value isn't a `T`.
    pub fn required<T: Decode>(&mut self, name: &'static str) -> Result<T, ConfigError> {
        self.optional(name)?
            .ok_or_else(|| self.error_at(name, format_args!("{name} is missing")))
    }

    /// Takes the value of `name` through `check`, whose error gets the value's position.
    ///
    /// # Errors
    /// Where the value isn't a `T`, and those of `check`.
    pub fn checked<T: Decode, U, E: Display>(
        &mut self,
        name: &'static str,
        check: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Option<U>, ConfigError> {
        match self.optional(name)? {
            None => Ok(None),
            Some(value) => (check(value).map(Some)).map_err(|error| self.error_at(name, error)),
        }
    }

    /// Refuses settings of Prometheus that this program doesn't have, unless they are empty.
    ///
    /// # Errors
    /// Where one of `names` has a value.
    pub fn unsupported(&mut self, names: &[&'static str]) -> Result<(), ConfigError> {
        for name in names {
            let entry = self.entries.remove(*name);
            if let Some(entry) = entry.filter(|entry| !entry.value.is_empty()) {
                return Err(entry.key.error(format_args!(
                    "{name} is a Prometheus setting that this exporter does not have"
                )));
            }
        }
        Ok(())
    }

    /// Ends the mapping.
    ///
    /// # Errors
    /// Where a key is left that nobody took; the error names a similar one, or else all.
    pub fn finish(self) -> Result<(), ConfigError> {
        // The first one in the file.
        let left = self.entries.iter().min_by_key(|(_, entry)| entry.key);
        let Some((name, entry)) = left else {
            return Ok(());
        };
        let close = (self.known.iter())
            .map(|known| (distance(name, known), known))
            .filter(|(distance, known)| *distance <= known.len().min(2 + known.len() / 20))
            .min();
        Err(entry.key.error(match close {
            Some((_, known)) => format!("unknown field {name:?}, did you mean {known:?}?"),
            None => {
                let known: Vec<_> = self.known.iter().copied().collect();
                format!(
                    "unknown field {name:?}, expected one of {}",
                    known.join(", ")
                )
            }
        }))
    }

    /// Every key with its place and value, sorted by key: for maps, whose keys are data.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (String, Position, Node)> {
        (self.entries.into_iter()).map(|(name, entry)| (name, entry.key, entry.value))
    }
}

fn collect(
    pairs: &[(Node, Node)],
    on_merge: OnMerge,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<(), ConfigError> {
    let mut own = BTreeMap::new();
    for (key, value) in pairs {
        if let Content::Scalar(scalar) = key.content()
            && scalar.is_merge_key()
        {
            merge(value, on_merge, entries)?;
            continue;
        }
        let name = key_name(key)?;
        if let Some(first) = own.insert(name.clone(), key.position()) {
            return Err(key.error(format_args!(
                "{name:?} is set twice, the first time in line {}",
                first.line
            )));
        }
        let entry = Entry {
            key: key.position(),
            value: value.clone(),
        };
        if entries.insert(name.clone(), entry).is_some() && on_merge == OnMerge::Refuse {
            return Err(key.error(format_args!("{name:?} is set here and in a merged mapping")));
        }
    }
    Ok(())
}

fn merge(
    value: &Node,
    on_merge: OnMerge,
    entries: &mut BTreeMap<String, Entry>,
) -> Result<(), ConfigError> {
    let wanted = "a mapping or a list of mappings to merge";
    match value.content() {
        Content::Mapping(pairs) => collect(pairs, on_merge, entries),
        // Backwards, so that the first of the list wins.
        Content::Sequence(sources) => sources.iter().rev().try_for_each(|source| {
            let Content::Mapping(pairs) = source.content() else {
                return Err(source.mismatch("a mapping to merge"));
            };
            collect(pairs, on_merge, entries)
        }),
        Content::Scalar(_) => Err(value.mismatch(wanted)),
    }
}

fn key_name(key: &Node) -> Result<String, ConfigError> {
    match key.scalar()? {
        Some(_) => key.decode(),
        None => Err(key.mismatch("a key")),
    }
}

/// Levenshtein's distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
