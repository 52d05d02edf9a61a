//! Writing delimited protobuf: `io.prometheus.client.MetricFamily` messages, each after its length.

use std::collections::HashMap;

use super::encode::has_unit;
use super::family::MetricFamily;
use crate::label::{LabelSet, METRIC_NAME};
use crate::metadata::{Metadata, MetricType};
use crate::sample::Sample;

/// Appends `families`.
///
/// The series of a histogram or a summary are put together to one message where they make up a whole one;
/// those that don't are written as untyped metrics under their own names, and so are the series of a counter that the
/// message has no place for.
pub fn encode_protobuf(families: &[MetricFamily], out: &mut Vec<u8>) {
    for family in families {
        encode_family(family, out);
    }
}

fn encode_family(family: &MetricFamily, out: &mut Vec<u8>) {
    let metric_type = family.metadata.metric_type;
    let rest = match metric_type {
        MetricType::Histogram | MetricType::Summary => encode_composite(family, out),
        _ => family.samples.iter().collect(),
    };
    // One message for each name, in the order in which the names first appear.
    let mut names: Vec<&str> = Vec::new();
    let mut by_name: HashMap<&str, Vec<&(LabelSet, Sample)>> = HashMap::new();
    for series in rest {
        let name = series.0.metric_name();
        let of_name = by_name.entry(name).or_default();
        if of_name.is_empty() {
            names.push(name);
        }
        of_name.push(series);
    }
    for name in names {
        let scalar = Scalar::of(name, &family.name, metric_type);
        message(out, |out| {
            family_fields(out, name, &family.metadata, scalar.type_number());
            for (labels, sample) in by_name.remove(name).unwrap_or_default() {
                nested(out, FAMILY_METRIC, |out| {
                    label_pairs(out, labels, None);
                    nested(out, scalar.field(), |out| double(out, 1, sample.value));
                    timestamp(out, sample.timestamp_ms);
                });
            }
        });
    }
}

/// Writes the histograms or summaries that the family's series make up; returns the other series.
fn encode_composite<'a>(
    family: &'a MetricFamily,
    out: &mut Vec<u8>,
) -> Vec<&'a (LabelSet, Sample)> {
    let kind = if family.metadata.metric_type == MetricType::Histogram {
        Composite::Histogram
    } else {
        Composite::Summary
    };
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_labels: HashMap<LabelSet, usize> = HashMap::new();
    let mut rest = Vec::new();
    for series in &family.samples {
        let Some(part) = kind.part(series, &family.name) else {
            rest.push(series);
            continue;
        };
        let mut labels = series.0.clone();
        labels.remove(METRIC_NAME);
        labels.remove(kind.label());
        let at = *by_labels.entry(labels).or_insert_with(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        groups[at].add(part, series);
    }
    for group in &mut groups {
        group.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let (whole, broken): (Vec<Group<'a>>, Vec<Group<'a>>) =
        groups.into_iter().partition(|group| group.is_whole(kind));
    rest.extend(broken.into_iter().flat_map(|group| group.series));
    if !whole.is_empty() {
        message(out, |out| {
            family_fields(out, &family.name, &family.metadata, kind.type_number());
            for group in &whole {
                nested(out, FAMILY_METRIC, |out| group.encode(kind, out));
            }
        });
    }
    rest
}

/// The kinds of metric that hold one number.
#[derive(Clone, Copy)]
enum Scalar {
    Counter,
    Gauge,
    Untyped,
}

impl Scalar {
    fn of(name: &str, family: &str, metric_type: MetricType) -> Self {
        let is_counter = |name: &str| matches!(name.strip_prefix(family), Some("" | "_total"));
        match metric_type {
            MetricType::Counter if is_counter(name) => Self::Counter,
            MetricType::Gauge | MetricType::Info | MetricType::StateSet => Self::Gauge,
            _ => Self::Untyped,
        }
    }

    /// The number in the enum `MetricType`.
    const fn type_number(self) -> u64 {
        match self {
            Self::Counter => 0,
            Self::Gauge => 1,
            Self::Untyped => 3,
        }
    }

    /// The field of the message `Metric`.
    const fn field(self) -> u64 {
        match self {
            Self::Counter => 3,
            Self::Gauge => 2,
            Self::Untyped => 5,
        }
    }
}

/// The kinds of metric that are made up of several series.
#[derive(Clone, Copy)]
enum Composite {
    Histogram,
    Summary,
}

/// What a series is to a histogram or a summary.
enum Part {
    /// A bucket's upper bound or a quantile, and the value.
    Point(f64, f64),
    Sum(f64),
    Count(f64),
}

impl Composite {
    const fn label(self) -> &'static str {
        match self {
            Self::Histogram => "le",
            Self::Summary => "quantile",
        }
    }

    /// The number in the enum `MetricType`.
    const fn type_number(self) -> u64 {
        match self {
            Self::Histogram => 4,
            Self::Summary => 2,
        }
    }

    /// The field of the message `Metric`.
    const fn field(self) -> u64 {
        match self {
            Self::Histogram => 7,
            Self::Summary => 4,
        }
    }

    fn part(self, (labels, sample): &(LabelSet, Sample), family: &str) -> Option<Part> {
        let value = sample.value;
        let point = labels.get(self.label());
        match (self, labels.metric_name().strip_prefix(family)?, point) {
            (_, "_sum", None) => Some(Part::Sum(value)),
            (_, "_count", None) => Some(Part::Count(value)),
            (Self::Histogram, "_bucket", Some(bound)) | (Self::Summary, "", Some(bound)) => {
                let bound = super::float::parse(bound.as_bytes()).ok()?;
                Some(Part::Point(bound, value))
            }
            _ => None,
        }
    }
}

/// Series of one family with the same labels, `le` and `quantile` apart.
#[derive(Default)]
struct Group<'a> {
    series: Vec<&'a (LabelSet, Sample)>,
    points: Vec<(f64, f64)>,
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl<'a> Group<'a> {
    fn add(&mut self, part: Part, series: &'a (LabelSet, Sample)) {
        self.series.push(series);
        match part {
            Part::Point(bound, value) => self.points.push((bound, value)),
            Part::Sum(sum) => self.sums.push(sum),
            Part::Count(count) => self.counts.push(count),
        }
    }

    /// Whether a reader of the message gets back just these series.
    fn is_whole(&self, kind: Composite) -> bool {
        let ([_], [count]) = (&*self.sums, &*self.counts) else {
            return false;
        };
        let mut timestamps = self.series.iter().map(|(_, sample)| sample.timestamp_ms);
        let first = timestamps.next();
        let is_one_instant = timestamps.all(|timestamp_ms| Some(timestamp_ms) == first);
        // NaN bounds compare with nothing and so are no bounds.
        let ascends = self.points.windows(2).all(|pair| pair[0].0 < pair[1].0)
            && self.points.iter().all(|(bound, _)| !bound.is_nan());
        let points_fit = match kind {
            // Readers add the bucket without a bound where it is missing.
            Composite::Histogram => {
                self.points.iter().all(|(_, value)| is_count(*value))
                    && self
                        .points
                        .last()
                        .is_some_and(|last| last.0 == f64::INFINITY)
            }
            Composite::Summary => true,
        };
        is_count(*count) && is_one_instant && ascends && points_fit
    }

    fn encode(&self, kind: Composite, out: &mut Vec<u8>) {
        let Some((labels, sample)) = self.series.first() else {
            return;
        };
        label_pairs(out, labels, Some(kind.label()));
        nested(out, kind.field(), |out| {
            for count in &self.counts {
                integer(out, 1, as_count(*count));
            }
            for sum in &self.sums {
                double(out, 2, *sum);
            }
            for (bound, value) in &self.points {
                nested(out, 3, |out| match kind {
                    Composite::Histogram => {
                        integer(out, 1, as_count(*value));
                        double(out, 2, *bound);
                    }
                    Composite::Summary => {
                        double(out, 1, *bound);
                        double(out, 2, *value);
                    }
                });
            }
        });
        timestamp(out, sample.timestamp_ms);
    }
}

/// Whether `value` is a whole number that a double holds exactly.
fn is_count(value: f64) -> bool {
    (0.0..=9_007_199_254_740_992.0).contains(&value) && value.fract() == 0.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "is_count was asked"
)]
const fn as_count(value: f64) -> u64 {
    value as u64
}

/// The field `metric` of the message `MetricFamily`.
const FAMILY_METRIC: u64 = 4;

fn family_fields(out: &mut Vec<u8>, name: &str, metadata: &Metadata, type_number: u64) {
    string(out, 1, name);
    if !metadata.help.is_empty() {
        string(out, 2, &metadata.help);
    }
    integer(out, 3, type_number);
    let described = name.strip_suffix("_total").unwrap_or(name);
    if has_unit(described, &metadata.unit) {
        string(out, 5, &metadata.unit);
    }
}

fn label_pairs(out: &mut Vec<u8>, labels: &LabelSet, without: Option<&str>) {
    for (name, value) in labels.iter() {
        if name != METRIC_NAME && Some(name) != without {
            nested(out, 1, |out| {
                string(out, 1, name);
                string(out, 2, value);
            });
        }
    }
}

fn timestamp(out: &mut Vec<u8>, timestamp_ms: Option<i64>) {
    if let Some(timestamp_ms) = timestamp_ms {
        integer(out, 6, timestamp_ms.cast_unsigned());
    }
}

// The wire format.

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

/// Writes what `write` writes after its length.
fn message(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    write(out);
    let end = out.len();
    varint(out, (end - start) as u64);
    let length_bytes = out.len() - end;
    out[start..].rotate_right(length_bytes);
}

fn nested(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    varint(out, field << 3 | LENGTH_DELIMITED);
    message(out, write);
}

fn string(out: &mut Vec<u8>, field: u64, text: &str) {
    varint(out, field << 3 | LENGTH_DELIMITED);
    varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn integer(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, field << 3 | VARINT);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u64, value: f64) {
    varint(out, field << 3 | FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
