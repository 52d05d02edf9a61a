//! Applying relabel rules to a label set.

use std::borrow::Cow;

use md5::{Digest as _, Md5};
use prom_model::label::LabelSet;
use prom_model::regex::{RelabelRegex, Template};

use super::config::{Keep, RelabelConfig, Rule, Source};
use super::simple_case;

/// Applies `rules` in order to `labels`, stopping at the first that drops them.
///
/// `labels` count as set by one hand. That matters to `labelmap` alone, where two labels become
/// the same one: Prometheus visits labels as they came, by name, and then those that rules have
/// set, in the order of their setting; the last one visited wins.
pub fn apply(rules: &[RelabelConfig], labels: &mut LabelSet) -> Keep {
    let mut labels = Relabelled {
        labels,
        set_by_rules: rules
            .iter()
            .any(|config| matches!(config.rule, Rule::LabelMap { .. }))
            .then(Vec::new),
    };
    for config in rules {
        if labels.apply(config) == Keep::Dropped {
            return Keep::Dropped;
        }
    }
    Keep::Kept
}

struct Relabelled<'a> {
    labels: &'a mut LabelSet,
    /// Names that rules have set and not removed since, in the order of their setting; kept only
    /// for rules that include a `labelmap`.
    set_by_rules: Option<Vec<Box<str>>>,
}

impl Relabelled<'_> {
    fn apply(&mut self, config: &RelabelConfig) -> Keep {
        let regex = config.regex();
        let source = self.join(config.source());
        match &config.rule {
            Rule::Replace {
                target,
                replacement,
            } => {
                // An empty name is the only invalid one that text can be.
                if let Some([name, value]) = regex.expand(&source, [target, replacement])
                    && !name.is_empty()
                {
                    self.set(&name, &value);
                }
            }
            Rule::Keep => return keep_if(regex.is_match(&source)),
            Rule::Drop => return keep_if(!regex.is_match(&source)),
            Rule::KeepEqual { target } => return keep_if(self.value(target) == source),
            Rule::DropEqual { target } => return keep_if(self.value(target) != source),
            Rule::HashMod { target, modulus } => {
                let hash = hash(&source) % modulus.get();
                self.set(target, &hash.to_string());
            }
            Rule::LabelMap { replacement } => self.map_names(regex, replacement),
            Rule::LabelDrop => self.retain(|name| !regex.is_match(name)),
            Rule::LabelKeep => self.retain(|name| regex.is_match(name)),
            Rule::Lowercase { target } => {
                let value = simple_case::lower(&source);
                self.set(target, &value);
            }
            Rule::Uppercase { target } => {
                let value = simple_case::upper(&source);
                self.set(target, &value);
            }
        }
        Keep::Kept
    }

    fn map_names(&mut self, regex: &RelabelRegex, replacement: &Template) {
        let set_by_rules = self.set_by_rules.clone().unwrap_or_default();
        let matching = |name: &str| regex.is_match(name);
        let given: Vec<_> = self
            .labels
            .iter()
            .filter(|(name, _)| matching(name) && !set_by_rules.iter().any(|set| **set == **name))
            .map(|(name, value)| (regex.replace_all(name, replacement), Box::from(value)))
            .collect();
        let set: Vec<_> = set_by_rules
            .iter()
            .filter(|name| matching(name))
            .map(|name| {
                (
                    regex.replace_all(name, replacement),
                    self.value(name).into(),
                )
            })
            .collect();
        for (name, value) in given.into_iter().chain(set) {
            let value: Box<str> = value;
            self.set(&name, &value);
        }
    }

    fn set(&mut self, name: &str, value: &str) {
        self.labels.set(name, value);
        if let Some(set_by_rules) = &mut self.set_by_rules {
            let at = set_by_rules.iter().position(|set| **set == *name);
            match (at, value.is_empty()) {
                (Some(at), true) => drop(set_by_rules.remove(at)),
                (None, false) => set_by_rules.push(name.into()),
                (Some(_), false) | (None, true) => {}
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.labels.retain(|name, _| keep(name));
        if let Some(set_by_rules) = &mut self.set_by_rules {
            set_by_rules.retain(|name| keep(name));
        }
    }

    fn value(&self, name: &str) -> &str {
        self.labels.get(name).unwrap_or_default()
    }

    fn join(&self, source: &Source) -> Cow<'_, str> {
        if let [name] = &*source.labels {
            return Cow::Borrowed(self.value(name));
        }
        let mut text = String::new();
        for (at, name) in source.labels.iter().enumerate() {
            if at > 0 {
                text.push_str(&source.separator);
            }
            text.push_str(self.value(name));
        }
        Cow::Owned(text)
    }
}

const fn keep_if(condition: bool) -> Keep {
    if condition { Keep::Kept } else { Keep::Dropped }
}

/// The last eight bytes of the text's MD5, big-endian.
fn hash(text: &str) -> u64 {
    let digest = Md5::digest(text.as_bytes());
    digest[8..]
        .iter()
        .fold(0, |hash, &byte| (hash << 8) | u64::from(byte))
}
