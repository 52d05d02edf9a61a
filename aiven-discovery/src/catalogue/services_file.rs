//! The operators' list in JSON: services with the labels each adds.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use prom_model::label::{LabelSet, METRIC_NAME};
use serde::de::{
    self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};
use tracing::warn;

use super::file::ListingFile;
use super::{Catalogue, CatalogueError, Listing};

/// A file that lists services as
/// `[{"aiven_service": "NAME", "extra_labels": {"LABEL": "VALUE"}}]`.
///
/// `extra_labels` may be left out, its values are text. Keys that mean nothing here are ignored with
/// a warning. Naming a service twice is an error unless both entries say the same.
#[derive(Debug)]
pub struct ServicesFile(ListingFile);

impl ServicesFile {
    /// Nothing is read until the catalogue is asked.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(ListingFile::new(path.into()))
    }
}

#[async_trait]
impl Catalogue for ServicesFile {
    async fn list(&self) -> Result<Listing, CatalogueError> {
        self.0.list(parse).await
    }
}

/// Reads the text of a services file; `path` is for messages.
fn parse(path: &Path, text: &str) -> Result<Listing, CatalogueError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let progress = Progress::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let services = Entries(&progress)
        .deserialize(&mut json)
        .and_then(|services| json.end().map(|()| services))
        .map_err(|error| CatalogueError::Content {
            path: path.display().to_string(),
            line: error.line(),
            column: error.column(),
            problem: progress.describe(&error),
        })?;
    let unknown = progress.unknown_keys.take();
    if !unknown.is_empty() {
        let keys: Vec<_> = unknown.keys().map(String::as_str).collect();
        warn!(file = %path.display(), keys = %keys.join(", "), "unknown keys in the services file are ignored");
    }
    Ok(Listing::Services(Arc::new(services)))
}

/// How far reading has come, for messages.
#[derive(Default)]
struct Progress {
    /// The entry being read, from 1; 0 outside of entries.
    entry: Cell<usize>,
    /// The label being read.
    label: RefCell<Option<String>>,
    /// Keys that mean nothing here, a bounded number of them.
    unknown_keys: RefCell<BTreeMap<String, ()>>,
}

impl Progress {
    fn describe(&self, error: &serde_json::Error) -> String {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = text.strip_suffix(&place).unwrap_or(&text);
        match (self.entry.get(), &*self.label.borrow()) {
            (0, _) => what.to_owned(),
            (entry, None) => format!("entry {entry}: {what}"),
            (entry, Some(label)) => format!("entry {entry}, extra label {label:?}: {what}"),
        }
    }
}

struct Entries<'a>(&'a Progress);

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = BTreeMap<String, LabelSet>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = BTreeMap<String, LabelSet>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"a list of {"aiven_service": …, "extra_labels": {…}}"#)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut services = BTreeMap::new();
        let mut entries: BTreeMap<String, usize> = BTreeMap::new();
        self.0.entry.set(1);
        while let Some((name, labels)) = items.next_element_seed(OneEntry(self.0))? {
            let entry = self.0.entry.get();
            match services.entry(name) {
                Entry::Vacant(place) => {
                    entries.insert(place.key().clone(), entry);
                    place.insert(labels);
                }
                Entry::Occupied(place) if *place.get() != labels => {
                    let first = entries.get(place.key()).copied().unwrap_or_default();
                    return Err(de::Error::custom(format_args!(
                        "service {:?} is in entry {first} with other labels",
                        place.key()
                    )));
                }
                Entry::Occupied(_) => {}
            }
            self.0.entry.set(entry + 1);
        }
        self.0.entry.set(0);
        Ok(services)
    }
}

struct OneEntry<'a>(&'a Progress);

impl<'de> DeserializeSeed<'de> for OneEntry<'_> {
    type Value = (String, LabelSet);

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneEntry<'_> {
    type Value = (String, LabelSet);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"an object with "aiven_service""#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut service: Option<String> = None;
        let mut labels = None;
        while let Some(key) = fields.next_key::<String>()? {
            match key.as_str() {
                "aiven_service" if service.is_some() => {
                    return Err(de::Error::duplicate_field("aiven_service"));
                }
                "extra_labels" if labels.is_some() => {
                    return Err(de::Error::duplicate_field("extra_labels"));
                }
                "aiven_service" => service = Some(fields.next_value()?),
                "extra_labels" => labels = Some(fields.next_value_seed(Labels(self.0))?),
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                    let mut unknown = self.0.unknown_keys.borrow_mut();
                    if unknown.len() < 10 {
                        unknown.insert(key, ());
                    }
                }
            }
        }
        match service {
            None => Err(de::Error::missing_field("aiven_service")),
            Some(name) if name.is_empty() => Err(de::Error::invalid_value(
                Unexpected::Str(""),
                &"the name of a service",
            )),
            Some(name) => Ok((name, labels.unwrap_or_default())),
        }
    }
}

struct Labels<'a>(&'a Progress);

impl<'de> DeserializeSeed<'de> for Labels<'_> {
    type Value = LabelSet;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Labels<'_> {
    type Value = LabelSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of labels, whose values are strings")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(LabelSet::new())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut labels = LabelSet::new();
        let mut names = std::collections::BTreeSet::new();
        while let Some(name) = fields.next_key::<String>()? {
            *self.0.label.borrow_mut() = Some(name.clone());
            if name.is_empty() || name == METRIC_NAME {
                return Err(de::Error::custom("no name for a label of a target"));
            }
            let value: String = fields.next_value()?;
            labels.set(&name, &value);
            if !names.insert(name) {
                return Err(de::Error::custom("the label is there twice"));
            }
        }
        *self.0.label.borrow_mut() = None;
        Ok(labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(text: &str) -> Result<String, String> {
        match parse(Path::new("s.json"), text) {
            Ok(Listing::Services(services)) => Ok(format!("{services:?}")),
            Ok(Listing::WholeProject) => Ok("whole project".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn services_with_labels() {
        let f = |text: &str, want: &str| assert_eq!(listing(text).as_deref(), Ok(want), "{text}");
        f("[]", "{}");
        f("\u{feff}[]\n", "{}");
        f(
            r#"[{"aiven_service": "b", "extra_labels": {"org_name": "o", "space_guid": "s", "none": ""}},
               {"aiven_service": "a"}, {"extra_labels": null, "aiven_service": "c", "comment": [1]}]"#,
            r#"{"a": {}, "b": {"org_name": "o", "space_guid": "s"}, "c": {}}"#,
        );
        f(
            r#"[{"aiven_service": "a"}, {"aiven_service": "a"}]"#,
            r#"{"a": {}}"#,
        );
    }

    #[test]
    fn mistakes_are_located() {
        let f = |text: &str, want: &str| {
            assert_eq!(listing(text), Err(format!("s.json:{want}")), "{text}");
        };
        let expected = r#"expected a list of {"aiven_service": …, "extra_labels": {…}}"#;
        f("", "1:0: EOF while parsing a value");
        f("{}", &format!("1:0: invalid type: map, {expected}"));
        f("[] x", "1:4: trailing characters");
        f(
            "[\n7]",
            r#"2:1: entry 1: invalid type: integer `7`, expected an object with "aiven_service""#,
        );
        f("[{}]", "1:3: entry 1: missing field `aiven_service`");
        f(
            "[{\"aiven_service\": \"a\"},\n {\"aiven_service\": 7}]",
            "2:20: entry 2: invalid type: integer `7`, expected a string",
        );
        f(
            "[{\"aiven_service\": \"a\",\n  \"extra_labels\": {\"n\": 7}}]",
            "2:25: entry 1, extra label \"n\": invalid type: integer `7`, expected a string",
        );
        f(
            r#"[{"aiven_service": "a", "extra_labels": {"n": null}}]"#,
            "1:50: entry 1, extra label \"n\": invalid type: null, expected a string",
        );
        f(
            r#"[{"aiven_service": "a", "extra_labels": ["n"]}]"#,
            "1:41: entry 1: invalid type: sequence, expected an object of labels, whose values are strings",
        );
        f(
            r#"[{"aiven_service": "a", "extra_labels": {"__name__": "x"}}]"#,
            "1:51: entry 1, extra label \"__name__\": no name for a label of a target",
        );
        f(
            r#"[{"aiven_service": "a", "extra_labels": {"n": "1", "n": "1"}}]"#,
            "1:60: entry 1, extra label \"n\": the label is there twice",
        );
        f(
            r#"[{"aiven_service": "a"}, {"aiven_service": "a", "extra_labels": {"n": "1"}}]"#,
            "1:76: entry 2: service \"a\" is in entry 1 with other labels",
        );
        f(
            r#"[{"aiven_service": ""}]"#,
            "1:22: entry 1: invalid value: string \"\", expected the name of a service",
        );
        f(
            r#"[{"aiven_service": "a"},]"#,
            "1:25: entry 2: trailing comma",
        );
    }
}
