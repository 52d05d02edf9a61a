//! Expositions as sets of samples that can be compared.

use std::collections::BTreeMap;

use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;
use prom_model::sample::Sample;

/// Series, written as `name{label="value"}` with labels in order, and their samples.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(BTreeMap<String, (LabelSet, Sample)>);

impl Samples {
    /// Reads the text format.
    ///
    /// # Panics
    /// When it is not well-formed, or a series comes twice.
    pub(crate) fn parse(text: &str) -> Self {
        Self::parse_as(text.as_bytes(), Format::Text)
    }

    /// Reads `body`.
    ///
    /// # Panics
    /// When it is not well-formed, or a series comes twice.
    pub(crate) fn parse_as(body: &[u8], format: Format) -> Self {
        let mut samples = BTreeMap::new();
        let mut parser = Parser::new(body, format);
        let mut labels = LabelSet::new();
        while let Some(entry) = parser.next_entry().unwrap() {
            let Entry::Series(series) = entry else {
                continue;
            };
            parser.labels(&mut labels).unwrap();
            let sample = Sample {
                value: series.value,
                timestamp_ms: series.timestamp_ms,
            };
            let twice = samples.insert(labels.to_string(), (labels.clone(), sample));
            assert!(twice.is_none(), "{labels} comes twice");
        }
        Self(samples)
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Labels, `__name__` among them, and sample of each series.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&LabelSet, Sample)> {
        self.0.values().map(|(labels, sample)| (labels, *sample))
    }

    /// Those that `keep` says.
    pub(crate) fn filter(mut self, mut keep: impl FnMut(&LabelSet, Sample) -> bool) -> Self {
        self.0.retain(|_, (labels, sample)| keep(labels, *sample));
        self
    }

    /// With values as `change` makes them.
    pub(crate) fn map_values(mut self, mut change: impl FnMut(&LabelSet, f64) -> f64) -> Self {
        for (labels, sample) in self.0.values_mut() {
            sample.value = change(labels, sample.value);
        }
        self
    }

    /// With labels as `change` leaves them.
    pub(crate) fn relabel(self, mut change: impl FnMut(&mut LabelSet)) -> Self {
        let changed = self.0.into_values().map(|(mut labels, sample)| {
            change(&mut labels);
            (labels.to_string(), (labels, sample))
        });
        Self(changed.collect())
    }

    /// Together with `other`.
    ///
    /// # Panics
    /// When they have a series in common.
    pub(crate) fn with(mut self, other: Self) -> Self {
        let sum = self.len() + other.len();
        self.0.extend(other.0);
        assert_eq!(self.len(), sum, "a series comes twice");
        self
    }

    /// The metric names.
    pub(crate) fn names(&self) -> std::collections::BTreeSet<String> {
        self.iter()
            .map(|(labels, _)| labels.metric_name().to_owned())
            .collect()
    }

    /// What differs in series and values, a line each, at most 20; timestamps may differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (series, (_, sample)) in &self.0 {
            match other.0.get(series) {
                None => lines.push(format!("only here:  {series} {}", sample.value)),
                Some((_, theirs)) if !same(sample.value, theirs.value) => {
                    lines.push(format!("{series}: {} and {}", sample.value, theirs.value));
                }
                Some(_) => {}
            }
        }
        let there = other.0.iter().filter(|(key, _)| !self.0.contains_key(*key));
        lines.extend(
            there.map(|(series, (_, sample))| format!("only there: {series} {}", sample.value)),
        );
        lines.truncate(20);
        lines
    }
}

fn same(one: f64, two: f64) -> bool {
    one == two || (one.is_nan() && two.is_nan())
}
