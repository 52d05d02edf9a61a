//! Metric families: an exposition as a whole, for those who don't mind that it is copied.

use std::borrow::Cow;
use std::collections::HashMap;

use super::{Entry, Format, ParseError, Parser};
use crate::label::LabelSet;
use crate::metadata::{Metadata, MetricType};
use crate::sample::Sample;

/// A metric family: what is said of it, and its series with their samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricFamily {
    /// The name that the header lines give; in OpenMetrics a counter's without its `_total`.
    pub name: String,
    /// Type, help and unit.
    pub metadata: Metadata,
    /// The series, `__name__` among their labels, in the exposition's order.
    pub samples: Vec<(LabelSet, Sample)>,
}

impl MetricFamily {
    /// The name and the type that describe this family in `format` without any series renamed.
    pub(super) fn header(&self, format: Format) -> (Cow<'_, str>, MetricType) {
        let metric_type = self.metadata.metric_type;
        let (suffix, others): (_, &[&str]) = match metric_type {
            MetricType::Counter => ("_total", &["_created"]),
            MetricType::Info => ("_info", &[]),
            _ => return (Cow::Borrowed(&self.name), metric_type),
        };
        match format {
            Format::Text => {
                let is_short = !self.samples.is_empty() && self.all_end_in(&self.name, &[suffix]);
                let name = if is_short {
                    Cow::Owned(format!("{}{suffix}", self.name))
                } else {
                    Cow::Borrowed(&*self.name)
                };
                (name, metric_type)
            }
            Format::OpenMetrics => {
                let base = self.name.strip_suffix(suffix).unwrap_or(&self.name);
                let suffixes: Vec<&str> = [suffix].iter().chain(others).copied().collect();
                if !base.is_empty() && self.all_end_in(base, &suffixes) {
                    (Cow::Borrowed(base), metric_type)
                } else {
                    (Cow::Borrowed(&*self.name), MetricType::Unknown)
                }
            }
        }
    }

    fn all_end_in(&self, base: &str, suffixes: &[&str]) -> bool {
        self.samples.iter().all(|(labels, _)| {
            let rest = labels.metric_name().strip_prefix(base);
            rest.is_some_and(|rest| suffixes.contains(&rest))
        })
    }
}

/// Parses all of `body`.
///
/// Series without header lines of their own become families of unknown type. A family whose lines
/// are scattered over the body is put together where it first appears.
///
/// # Errors
/// Where a scrape would fail, see [`Parser::next_entry`] and [`Parser::labels`].
pub fn parse_families(body: &[u8], format: Format) -> Result<Vec<MetricFamily>, ParseError> {
    let mut families = Families::default();
    let mut parser = Parser::new(body, format);
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Type { name, metric_type } => {
                families.described(&name).metadata.metric_type = metric_type;
            }
            Entry::Help { name, help } => families.described(&name).metadata.help = help.into(),
            Entry::Unit { name, unit } => families.described(&name).metadata.unit = unit.into(),
            Entry::Comment(_) => {}
            Entry::Series(series) => {
                let mut labels = LabelSet::new();
                parser.labels(&mut labels)?;
                let sample = Sample {
                    value: series.value,
                    timestamp_ms: series.timestamp_ms,
                };
                let family = families.of_series(labels.metric_name());
                family.samples.push((labels, sample));
            }
        }
    }
    Ok(families.all)
}

#[derive(Default)]
struct Families {
    all: Vec<MetricFamily>,
    by_name: HashMap<String, usize>,
    /// The family that the last header line was for.
    current: Option<usize>,
}

impl Families {
    fn described(&mut self, name: &str) -> &mut MetricFamily {
        let at = self.named(name);
        self.current = Some(at);
        &mut self.all[at]
    }

    fn of_series(&mut self, metric_name: &str) -> &mut MetricFamily {
        let current = self.current.filter(|at| {
            let family = &self.all[*at];
            is_member(metric_name, &family.name, family.metadata.metric_type)
        });
        let at = current.unwrap_or_else(|| self.named(metric_name));
        &mut self.all[at]
    }

    fn named(&mut self, name: &str) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let at = self.all.len();
        self.by_name.insert(name.to_owned(), at);
        self.all.push(MetricFamily {
            name: name.to_owned(),
            ..MetricFamily::default()
        });
        at
    }
}

/// Whether a series called `metric_name` is of the family `family` of `metric_type`, by the suffixes that
/// the formats give the series of a family.
#[must_use]
pub fn is_member(metric_name: &str, family: &str, metric_type: MetricType) -> bool {
    let Some(suffix) = metric_name.strip_prefix(family) else {
        return false;
    };
    match metric_type {
        MetricType::Counter => matches!(suffix, "" | "_total" | "_created"),
        MetricType::Histogram => matches!(suffix, "" | "_bucket" | "_sum" | "_count" | "_created"),
        MetricType::GaugeHistogram => matches!(suffix, "" | "_bucket" | "_gsum" | "_gcount"),
        MetricType::Summary => matches!(suffix, "" | "_sum" | "_count" | "_created"),
        MetricType::Info => matches!(suffix, "" | "_info"),
        MetricType::Unknown | MetricType::Gauge | MetricType::StateSet => suffix.is_empty(),
    }
}
