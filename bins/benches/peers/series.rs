//! Sets of series that can be compared, however large they are.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Place;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;

use flate2::read::GzDecoder;
use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;

use crate::Failure;

/// How many differences are named.
const SHOWN: usize = 5;

/// The series of an answer: of each metric their number and a sum of hashes of their labels.
#[derive(Debug, Default)]
pub(crate) struct SeriesSet(BTreeMap<String, Metric>);

#[derive(Debug)]
struct Metric {
    series: u64,
    hashes: u64,
    /// One of its series.
    example: String,
}

/// Values by the label `instance`.
pub(crate) type ByInstance = BTreeMap<String, f64>;

impl SeriesSet {
    /// Those of a body in the text format.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Failure> {
        let mut set = Self::default();
        each(body, |labels, _value| set.add(labels))?;
        Ok(set)
    }

    /// What differs, a line each, apart from the metrics called as in `but`.
    pub(crate) fn differences(&self, other: &Self, but: &[&str]) -> Vec<String> {
        let names = self
            .0
            .keys()
            .chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        let names = names.filter(|name| !but.contains(&name.as_str()));
        let line = |name: &String| match (self.0.get(name), other.0.get(name)) {
            (Some(one), Some(two)) if one.series != two.series => {
                Some(format!("{name}: {} series and {}", one.series, two.series))
            }
            (Some(one), Some(two)) if one.hashes != two.hashes => Some(format!(
                "{name}: other labels, as of {} and {}",
                one.example, two.example
            )),
            (Some(one), None) => Some(format!("{name}: {} series and none", one.series)),
            (None, Some(two)) => Some(format!("{name}: none and {} series", two.series)),
            _ => None,
        };
        let mut lines: Vec<_> = names.filter_map(line).collect();
        if lines.len() > SHOWN {
            let more = lines.len() - SHOWN;
            lines.truncate(SHOWN);
            lines.push(format!("and {more} metrics more"));
        }
        lines
    }

    fn add(&mut self, labels: &LabelSet) {
        let mut hasher = DefaultHasher::new();
        labels.hash(&mut hasher);
        let hash = hasher.finish();
        match self.0.entry(labels.metric_name().to_owned()) {
            Place::Vacant(place) => {
                place.insert(Metric {
                    series: 1,
                    hashes: hash,
                    example: labels.to_string(),
                });
            }
            Place::Occupied(mut place) => {
                let metric = place.get_mut();
                metric.series += 1;
                metric.hashes = metric.hashes.wrapping_add(hash);
                // The least one, so that examples of two sets are of the same series where they can.
                let series = labels.to_string();
                if series < metric.example {
                    metric.example = series;
                }
            }
        }
    }
}

/// The values of a body in the text format whose series differ in `instance`.
pub(crate) fn by_instance(body: &[u8]) -> Result<ByInstance, Failure> {
    let mut values = ByInstance::new();
    each(body, |labels, value| {
        values.insert(labels.get("instance").unwrap_or_default().to_owned(), value);
    })?;
    Ok(values)
}

/// What a gzip stream holds.
pub(crate) fn inflate(body: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain)?;
    Ok(plain)
}

fn each(body: &[u8], mut take: impl FnMut(&LabelSet, f64)) -> Result<(), Failure> {
    let mut parser = Parser::new(body, Format::Text);
    let mut labels = LabelSet::new();
    while let Some(entry) = parser.next_entry()? {
        if let Entry::Series(series) = entry {
            parser.labels(&mut labels)?;
            take(&labels, series.value);
        }
    }
    Ok(())
}
