use proptest::prelude::*;

use prom_model::exposition::{
    Entry, Format, MetricFamily, Parser, encode, encode_protobuf, parse_families, write_float,
    write_seconds,
};
use prom_model::label::LabelSet;
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::{NORMAL_NAN_BITS, Sample};

use crate::parse::{Known, remember};

/// The captures' first lines, and a body with some of everything.
const BODIES: [(Format, &[u8]); 2] = [
    (
        Format::Text,
        b"# HELP a \\n help\n# TYPE a histogram\na_bucket{le=\"1\", b=\"\\\"c\"} 1.5 1520879607789\n\
          \n  # free\nfoo 12\n{\"my.metric\",\"x.y\"=\"z\"} NaN\nbar -1e-3 5\n",
    ),
    (
        Format::OpenMetrics,
        b"# HELP a_s \\n help\n# TYPE a_s histogram\n# UNIT a_s s\n\
            a_s_bucket{le=\"1\",b=\"\\\"c\"} 1.5 1520879607.789\n\
          foo 12 # {t=\"u\"} 1 2\n{\"my.metric\",\"x.y\"=\"z\"} NaN\nbar -1e-3\n# EOF\n",
    ),
];

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![Just(Format::Text), Just(Format::OpenMetrics)]
}

/// One of [`BODIES`] with a few bytes replaced, inserted or removed.
fn mutated() -> impl Strategy<Value = (Format, Vec<u8>)> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(&b"\0\n\r \t\"\\{}=,#_1.-e"[..])
    ];
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, byte), 0..4);
    (prop::sample::select(&BODIES[..]), edits).prop_map(|((format, body), edits)| {
        let mut body = body.to_vec();
        for (at, edit, byte) in edits {
            let at = at.index(body.len());
            match edit {
                0 => drop(body.remove(at)),
                1 => body[at] = byte,
                _ => body.insert(at, byte),
            }
        }
        (format, body)
    })
}

/// Reads all of `body`, up to an error if there is one.
fn parse_all(body: &[u8], format: Format) {
    let mut parser = Parser::new(body, format);
    let mut labels = LabelSet::new();
    while let Ok(Some(entry)) = parser.next_entry() {
        if let Entry::Series(_) = entry {
            let _ = parser.labels(&mut labels);
        }
        assert!(parser.offset() <= body.len());
    }
}

/// Reads `body` with what is known of `before`, and compares with what is read without.
fn agrees_with_slow_path(before: &[u8], body: &[u8], format: Format) -> Result<(), TestCaseError> {
    for (start, known) in remember(before, format).unwrap_or_default() {
        let length = match known {
            Known::Series { length } | Known::Other { length, .. } => length,
        };
        let line = &before[start..start + length];
        // At every place where a line starts with the same bytes.
        let mut slow = Parser::new(body, format);
        loop {
            let at = slow.offset();
            let mut fast = slow.clone();
            let entry = slow.next_entry();
            if at < body.len() && body[at..].starts_with(line) {
                match known {
                    Known::Series { .. } => match (fast.next_known_series(length), &entry) {
                        (Some((value, timestamp_ms)), Ok(Some(Entry::Series(series)))) => {
                            prop_assert_eq!(series.series, line);
                            prop_assert_eq!(value.to_bits(), series.value.to_bits());
                            prop_assert_eq!(timestamp_ms, series.timestamp_ms);
                            prop_assert_eq!(fast.offset(), slow.offset());
                        }
                        (Some(sample), _) => prop_assert!(false, "{:?}, {:?}", sample, entry),
                        (None, _) => prop_assert_eq!(fast.offset(), at),
                    },
                    Known::Other { family_type, .. } => {
                        if fast.skip_known_lines(length, family_type) {
                            prop_assert!(matches!(entry, Ok(Some(_))));
                            prop_assert_eq!(fast.offset(), slow.offset());
                            prop_assert_eq!(fast.family_type(), slow.family_type());
                        }
                    }
                }
            }
            if !matches!(entry, Ok(Some(_))) {
                break;
            }
        }
    }
    Ok(())
}

/// Names that both formats can say: anything but NUL.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[a-zA-Z_][a-zA-Z0-9_]{0,8}",
        1 => "[^\0]{1,8}",
    ]
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec((name(), any::<String>()), 0..4)
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        (-2_000_000..2_000_000_i64).prop_map(|whole| whole as f64),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(f64::from_bits(NORMAL_NAN_BITS)),
    ]
    // All that the formats don't say: the bits of a NaN and the sign of zero.
    .prop_map(|value| {
        if value.is_nan() {
            f64::from_bits(NORMAL_NAN_BITS)
        } else {
            value + 0.0
        }
    })
}

/// Up to the year 9999.
fn timestamp_ms() -> impl Strategy<Value = Option<i64>> {
    prop::option::of(0..253_402_300_800_000_i64)
}

fn types(format: Format) -> &'static [MetricType] {
    use MetricType::{Counter, Gauge, GaugeHistogram, Histogram, Info, StateSet, Summary, Unknown};
    match format {
        Format::Text => &[Unknown, Counter, Gauge, Histogram, Summary],
        Format::OpenMetrics => &[
            Unknown,
            Counter,
            Gauge,
            Histogram,
            Summary,
            GaugeHistogram,
            Info,
            StateSet,
        ],
    }
}

fn family(format: Format) -> impl Strategy<Value = MetricFamily> {
    let samples = prop::collection::vec((labels(), value(), timestamp_ms(), 0..4_usize), 0..4);
    let metric_type = prop::sample::select(types(format));
    (name(), metric_type, any::<String>(), any::<bool>(), samples).prop_map(
        move |(mut name, metric_type, help, has_unit, samples)| {
            let has_unit = has_unit && format == Format::OpenMetrics;
            if has_unit {
                name.push_str("_seconds");
            }
            let suffixes: &[&str] = match (format, metric_type) {
                (Format::Text, MetricType::Counter) => &[""],
                (_, MetricType::Counter) => &["_total", "_created"],
                (_, MetricType::Histogram) => &["_bucket", "_sum", "_count"],
                (_, MetricType::GaugeHistogram) => &["_bucket", "_gsum", "_gcount"],
                (_, MetricType::Summary) => &["", "_sum", "_count"],
                (_, MetricType::Info) => &["_info"],
                _ => &[""],
            };
            let samples = samples
                .into_iter()
                .map(|(pairs, value, timestamp_ms, suffix)| {
                    let mut labels: LabelSet = pairs.into_iter().collect();
                    // Their numbers would be rewritten.
                    labels.remove("le");
                    labels.remove("quantile");
                    let suffix = suffixes[suffix % suffixes.len()];
                    labels.set("__name__", &format!("{name}{suffix}"));
                    (
                        labels,
                        Sample {
                            value,
                            timestamp_ms,
                        },
                    )
                });
            let samples: Vec<_> = samples.collect();
            // Blanks and NULs before nothing are not part of a help text.
            let help = if help.trim_matches([' ', '\t', '\0']).is_empty() {
                String::new()
            } else {
                help
            };
            let unit = if has_unit { "seconds" } else { "" };
            let metadata = Metadata {
                metric_type,
                help: help.into(),
                unit: unit.into(),
            };
            MetricFamily {
                name,
                metadata,
                samples,
            }
        },
    )
}

fn families() -> impl Strategy<Value = (Format, Vec<MetricFamily>)> {
    format().prop_flat_map(|format| {
        let one = prop::collection::vec(family(format), 0..4);
        one.prop_map(move |mut families| {
            families.sort_by(|a, b| a.name.cmp(&b.name));
            families.dedup_by(|a, b| a.name == b.name);
            (format, families)
        })
    })
}

/// NaN is equal to itself here.
fn comparable(mut families: Vec<MetricFamily>) -> Vec<MetricFamily> {
    for sample in families.iter_mut().flat_map(|family| &mut family.samples) {
        if sample.1.value.to_bits() == NORMAL_NAN_BITS {
            sample.1.value = 0.125;
        }
    }
    families
}

proptest! {
    #[test]
    fn what_is_encoded_is_parsed_again((format, families) in families()) {
        let mut body = Vec::new();
        encode(&families, format, &mut body);
        let parsed = parse_families(&body, format);
        prop_assert_eq!(parsed.map(comparable), Ok(comparable(families)));
    }

    #[test]
    fn any_bytes_are_survived(body in prop::collection::vec(any::<u8>(), 0..200), format in format()) {
        parse_all(&body, format);
    }

    #[test]
    fn mutated_bodies_are_survived((format, body) in mutated()) {
        parse_all(&body, format);
        agrees_with_slow_path(BODIES[usize::from(format == Format::OpenMetrics)].1, &body, format)?;
        agrees_with_slow_path(&body, &body, format)?;
    }

    #[test]
    fn any_family_makes_protobuf((_, families) in families()) {
        encode_protobuf(&families, &mut Vec::new());
    }

    #[test]
    fn floats_are_read_back(value in value()) {
        let mut body = b"a ".to_vec();
        write_float(&mut body, value);
        let entry = Parser::new(&body, Format::Text).next_entry();
        let Ok(Some(Entry::Series(series))) = entry else {
            return Err(TestCaseError::fail(format!("{entry:?}")));
        };
        prop_assert_eq!(series.value.to_bits(), value.to_bits());
    }

    /// The short way with numbers gives what the standard library gives.
    #[test]
    fn decimals_are_rounded_right(
        text in "-?[0-9]{1,20}(\\.[0-9]{0,20})?([eE][-+]?[0-9]{1,3})?",
    ) {
        let body = format!("a {text}\n");
        let sample = Parser::new(body.as_bytes(), Format::Text).next_known_series(1);
        let want: f64 = text.parse().unwrap();
        let want = want.is_finite().then_some(want.to_bits());
        prop_assert_eq!(sample.map(|(value, _)| value.to_bits()), want);
    }

    #[test]
    fn seconds_are_read_back(timestamp_ms in -62_135_596_800_000..253_402_300_800_000_i64) {
        let mut body = b"a 1 ".to_vec();
        write_seconds(&mut body, timestamp_ms);
        body.push(b'\n');
        let sample = Parser::new(&body, Format::OpenMetrics).next_known_series(1);
        prop_assert_eq!(sample, Some((1.0, Some(timestamp_ms))));
    }
}
