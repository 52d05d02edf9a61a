//! Writing the text formats: the pieces of a line, and whole metric families.

use super::Format;
use super::family::MetricFamily;
use super::float::{write_float, write_int, write_openmetrics_float};
use crate::label::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};
use crate::metadata::MetricType;
use crate::sample::Sample;

/// Appends `families` in `format`, with the `# EOF` that ends an OpenMetrics body.
///
/// What a format can't say is said as near as it can: in the text format `info` and `stateset` are
/// gauges, and in OpenMetrics a counter whose series don't end in `_total` is `unknown`. Series
/// are never renamed.
pub fn encode(families: &[MetricFamily], format: Format, out: &mut Vec<u8>) {
    for family in families {
        let (name, metric_type) = family.header(format);
        write_header(out, format, &name, metric_type, &family.metadata.help);
        if format == Format::OpenMetrics {
            write_unit(out, &name, &family.metadata.unit);
        }
        for (labels, sample) in &family.samples {
            write_series(out, labels.metric_name(), labels.iter());
            write_sample(out, format, *sample);
        }
    }
    if format == Format::OpenMetrics {
        write_eof(out);
    }
}

/// Appends the `# HELP` line, unless `help` is empty, and the `# TYPE` line of the family `name`.
///
/// For a family that is described by the name of its series, ask [`header`] first.
pub fn write_header(
    out: &mut Vec<u8>,
    format: Format,
    name: &str,
    metric_type: MetricType,
    help: &str,
) {
    if !help.is_empty() {
        out.extend_from_slice(b"# HELP ");
        write_metric_name(out, name);
        out.push(b' ');
        write_escaped(out, help, format == Format::OpenMetrics);
        out.push(b'\n');
    }
    out.extend_from_slice(b"# TYPE ");
    write_metric_name(out, name);
    out.push(b' ');
    out.extend_from_slice(type_name(metric_type, format).as_bytes());
    out.push(b'\n');
}

/// Appends the `# UNIT` line of the family `name` (OpenMetrics), unless `unit` is empty or isn't the last part of the name.
pub fn write_unit(out: &mut Vec<u8>, name: &str, unit: &str) {
    if has_unit(name, unit) {
        out.extend_from_slice(b"# UNIT ");
        write_metric_name(out, name);
        out.push(b' ');
        out.extend_from_slice(unit.as_bytes());
        out.push(b'\n');
    }
}

/// Whether `name` ends in `_` and `unit`, as the parsers want it, and `unit` fits on a line.
pub(super) fn has_unit(name: &str, unit: &str) -> bool {
    let is_suffix = name
        .strip_suffix(unit)
        .is_some_and(|rest| rest.ends_with('_'));
    !unit.is_empty() && is_suffix && !unit.contains(['\n', '\\', '"'])
}

/// The name and the type to describe a family by whose series are called `name`.
///
/// OpenMetrics describes the counter `a_total` as `a`, and has no counters that are called otherwise: these are
/// `unknown`. The like holds for `info`.
#[must_use]
pub fn header(name: &str, metric_type: MetricType, format: Format) -> (&str, MetricType) {
    let suffix = match (format, metric_type) {
        (Format::OpenMetrics, MetricType::Counter) => "_total",
        (Format::OpenMetrics, MetricType::Info) => "_info",
        _ => return (name, metric_type),
    };
    match name.strip_suffix(suffix) {
        Some(base) if !base.is_empty() => (base, metric_type),
        _ => (name, MetricType::Unknown),
    }
}

/// Appends `name{label="value",…}`. A label called `__name__` is left out.
pub fn write_series<'a>(
    out: &mut Vec<u8>,
    name: &str,
    labels: impl IntoIterator<Item = (&'a str, &'a str)>,
) {
    let (mut open, mut separator) = (false, b'{');
    if is_legacy_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        out.push(b'{');
        write_quoted(out, name);
        (open, separator) = (true, b',');
    }
    for (label, value) in labels {
        if label == METRIC_NAME {
            continue;
        }
        out.push(separator);
        if is_legacy_label_name(label) {
            out.extend_from_slice(label.as_bytes());
        } else {
            write_quoted(out, label);
        }
        out.push(b'=');
        write_quoted(out, value);
        (open, separator) = (true, b',');
    }
    if open {
        out.push(b'}');
    }
}

/// Appends what follows a series on its line: value, timestamp where there is one, newline.
pub fn write_sample(out: &mut Vec<u8>, format: Format, sample: Sample) {
    out.push(b' ');
    match format {
        Format::Text => write_float(out, sample.value),
        Format::OpenMetrics => write_openmetrics_float(out, sample.value),
    }
    if let Some(timestamp_ms) = sample.timestamp_ms {
        out.push(b' ');
        match format {
            Format::Text => write_int(out, timestamp_ms),
            Format::OpenMetrics => write_seconds(out, timestamp_ms),
        }
    }
    out.push(b'\n');
}

/// Appends the last line of an OpenMetrics body.
pub fn write_eof(out: &mut Vec<u8>) {
    out.extend_from_slice(b"# EOF\n");
}

/// Appends a timestamp in seconds that Prometheus reads as `timestamp_ms`, if a double can hold it.
///
/// Prometheus multiplies by 1000 and truncates, which for some timestamps comes out one below. These get a
/// fourth decimal.
pub fn write_seconds(out: &mut Vec<u8>, timestamp_ms: i64) {
    let magnitude = timestamp_ms.unsigned_abs();
    if timestamp_ms < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(itoa::Buffer::new().format(magnitude / 1000).as_bytes());
    let fraction = magnitude % 1000;
    if fraction == 0 {
        return;
    }
    out.push(b'.');
    let digits = [fraction / 100, fraction / 10 % 10, fraction % 10];
    out.extend(digits.iter().map(|digit| b"0123456789"[*digit as usize]));
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "what the reader does"
    )]
    let read_back = (magnitude as f64 / 1000.0 * 1000.0) as u64;
    if read_back < magnitude {
        out.push(b'1');
    }
}

/// Appends the name of a metric, in quotes where it isn't a legacy name, as header lines have it.
fn write_metric_name(out: &mut Vec<u8>, name: &str) {
    if is_legacy_metric_name(name) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_quoted(out, name);
    }
}

/// Appends `text` in quotes: a label's value, or a name that isn't a legacy one.
pub fn write_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    write_label_value(out, text);
    out.push(b'"');
}

/// Appends `text` as it stands between the quotes of a label's value.
pub fn write_label_value(out: &mut Vec<u8>, text: &str) {
    write_escaped(out, text, true);
}

fn write_escaped(out: &mut Vec<u8>, text: &str, escapes_quotes: bool) {
    let mut rest = text.as_bytes();
    while let Some(at) = memchr::memchr3(b'\\', b'\n', b'"', rest) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ if escapes_quotes => out.extend_from_slice(b"\\\""),
            byte => out.push(byte),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

const fn type_name(metric_type: MetricType, format: Format) -> &'static str {
    match (format, metric_type) {
        (Format::OpenMetrics, _) => metric_type.as_str(),
        (Format::Text, MetricType::Unknown | MetricType::GaugeHistogram) => "untyped",
        (Format::Text, MetricType::Info | MetricType::StateSet) => "gauge",
        (Format::Text, _) => metric_type.as_str(),
    }
}
