use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;
use prom_model::metadata::MetricType;
use prom_model::sample::NORMAL_NAN_BITS;

use crate::cases::{self, Want, series};

const CAPTURES: [(&[u8], usize); 3] = [
    (include_bytes!("../../../fixtures/data/es-node-1.prom"), 934),
    (include_bytes!("../../../fixtures/data/es-node-2.prom"), 522),
    (include_bytes!("../../../fixtures/data/es-node-3.prom"), 522),
];

#[test]
fn bodies_give_what_prometheus_gives() {
    for case in cases::all() {
        let got = series(case.body, case.format);
        let shown = case.body.escape_ascii();
        match case.want {
            Want::Series(want) => {
                assert_eq!(
                    got.as_deref(),
                    Ok(&*own(want)),
                    "{:?}: {shown}",
                    case.format
                );
            }
            Want::Failure => assert!(got.is_err(), "{:?}: {shown}: {got:?}", case.format),
        }
    }
}

fn own(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn errors_say_where_and_what() {
    let f = |format, body: &[u8], want: &str| {
        assert_eq!(series(body, format).unwrap_err().to_string(), want);
    };
    let text = |body: &[u8], want| f(Format::Text, body, want);
    text(b"a 1\nb x\n", "line 2, column 3: \"x\" is not a number");
    text(
        b"a{b=\"c\" 1\n",
        "line 1, column 9: expected a label name, found \"1\"",
    );
    text(
        b"a{b=\"c\"}",
        "line 1, column 9: expected a value, found the end of the body",
    );
    text(
        b"a{b=\"c\"}\n",
        "line 1, column 9: expected a value, found the end of the line",
    );
    text(
        b"a 1 2 3\n",
        "line 1, column 7: expected the end of the line, found \"3\"",
    );
    text(b"a 1e999\n", "line 1, column 3: \"1e999\" is out of range");
    text(
        b"# TYPE a nonsense-nonsense-nonsense\n",
        "line 1, column 10: \"nonsense-nonsense-nonsen\"… is not a metric type",
    );
    text(
        b"a{b=\"\xff\"} 1\n",
        "line 1, column 6: the label value is not UTF-8",
    );
    text(
        b"a{b=\"1\",b=\"2\"} 1\n",
        "line 1, column 9: the label \"b\" is given twice",
    );
    text(
        b"\n{b=\"1\"} 1\n",
        "line 2, column 1: the series has no metric name",
    );
    let openmetrics = |body: &[u8], want| f(Format::OpenMetrics, body, want);
    openmetrics(
        b"a 1\n",
        "line 2, column 1: the body does not end with \"# EOF\"",
    );
    openmetrics(
        b"# EOF\n\n",
        "line 2, column 1: there is data after \"# EOF\"",
    );
    openmetrics(
        b"a 1 NaN\n# EOF\n",
        "line 1, column 5: \"NaN\" is not a point in time",
    );
    openmetrics(
        b"a  1\n# EOF\n",
        "line 1, column 2: expected a space and a value, found \"  1\"",
    );
    openmetrics(
        b"# UNIT a b\n# EOF\n",
        "line 1, column 10: the unit \"b\" is not a suffix of the metric family's name",
    );
}

#[test]
fn header_lines_are_unescaped() {
    let entries = |body: &'static [u8], format| {
        let mut parser = Parser::new(body, format);
        std::iter::from_fn(move || parser.next_entry().unwrap()).collect::<Vec<_>>()
    };
    let text = entries(
        b"# HELP a  x\\n\\\\\\\"\n# HELP \"b.\\\"c\" \n# TYPE a summary\n#x\n# y",
        Format::Text,
    );
    assert_eq!(
        text,
        [
            Entry::Help {
                name: "a".into(),
                help: " x\n\\\\\"".into()
            },
            Entry::Help {
                name: "b.\"c".into(),
                help: "".into()
            },
            Entry::Type {
                name: "a".into(),
                metric_type: MetricType::Summary
            },
            Entry::Comment(b"#x"),
            Entry::Comment(b"# y"),
        ]
    );
    let openmetrics = entries(
        b"# HELP a x\\n\\\\\\\"\n# UNIT a_s s\n# TYPE a stateset\n# EOF\n",
        Format::OpenMetrics,
    );
    assert_eq!(
        openmetrics,
        [
            Entry::Help {
                name: "a".into(),
                help: "x\n\\\"".into()
            },
            Entry::Unit {
                name: "a_s".into(),
                unit: "s".into()
            },
            Entry::Type {
                name: "a".into(),
                metric_type: MetricType::StateSet
            },
        ]
    );
}

#[test]
fn every_nan_is_the_same() {
    for body in ["a nan\n", "a NaN\n"] {
        let entry = Parser::new(body.as_bytes(), Format::Text).next_entry();
        let Ok(Some(Entry::Series(series))) = entry else {
            panic!("{entry:?}");
        };
        assert_eq!(series.value.to_bits(), NORMAL_NAN_BITS);
    }
}

#[test]
fn captures_parse() {
    for (body, count) in CAPTURES {
        let parsed = series(body, Format::Text).unwrap();
        assert_eq!(parsed.len(), count);
    }
    let first = &series(CAPTURES[0].0, Format::Text).unwrap()[0];
    assert_eq!(
        first,
        "cpu_usage_guest{cloud=\"aws-eu-west-1\", cpu=\"cpu-total\", \
         host=\"prod-0c1b4d0e-93a8-4c3f-8f5b-6c1d9d1e7a11-1\", project=\"paas-cf-prod\", \
         service=\"prod-0c1b4d0e-93a8-4c3f-8f5b-6c1d9d1e7a11\", service_type=\"elasticsearch\"} 29.487562"
    );
}

/// What a scrape remembers of one line of the scrape before.
pub(crate) enum Known {
    Series {
        length: usize,
    },
    Other {
        length: usize,
        /// Of a line that tells a type.
        family_type: Option<MetricType>,
    },
}

/// Parses `body` and remembers its lines.
pub(crate) fn remember(body: &[u8], format: Format) -> Option<Vec<(usize, Known)>> {
    let mut parser = Parser::new(body, format);
    let mut known = Vec::new();
    loop {
        let start = parser.offset();
        match parser.next_entry().ok()? {
            None => return Some(known),
            Some(Entry::Series(entry)) => {
                // Blank lines before it are not part of a series.
                let start = entry.series.as_ptr().addr() - body.as_ptr().addr();
                let length = entry.series.len();
                known.push((start, Known::Series { length }));
            }
            Some(other) => {
                let length = parser.offset() - start;
                let tells_type = matches!(other, Entry::Type { .. });
                let family_type = tells_type.then_some(parser.family_type());
                known.push((
                    start,
                    Known::Other {
                        length,
                        family_type,
                    },
                ));
            }
        }
    }
}

#[test]
fn known_lines_give_the_same_samples() {
    for (body, count) in CAPTURES {
        let known = remember(body, Format::Text).unwrap();
        let mut slow = Parser::new(body, Format::Text);
        let mut fast = Parser::new(body, Format::Text);
        let mut samples = 0;
        for (_, line) in &known {
            let entry = slow.next_entry().unwrap();
            match *line {
                Known::Series { length } => {
                    let Some(Entry::Series(entry)) = entry else {
                        panic!("{entry:?}");
                    };
                    let sample = fast.next_known_series(length);
                    assert_eq!(sample, Some((entry.value, entry.timestamp_ms)));
                    samples += 1;
                }
                Known::Other {
                    length,
                    family_type,
                } => {
                    assert!(fast.skip_known_lines(length, family_type));
                }
            }
            assert_eq!(fast.offset(), slow.offset());
        }
        assert_eq!(samples, count);
        assert_eq!(fast.next_entry(), Ok(None));
    }
}

#[test]
fn a_longer_name_is_another_series() {
    let f = |format, body: &str, want: Option<(f64, Option<i64>)>| {
        let mut parser = Parser::new(body.as_bytes(), format);
        assert_eq!(parser.next_known_series(3), want, "{body}");
        if want.is_none() {
            assert_eq!(parser.offset(), 0, "{body}");
        }
    };
    let text = |body, want| f(Format::Text, body, want);
    text("foo 1\n", Some((1.0, None)));
    text("foo 1", Some((1.0, None)));
    text("foo -1.5 20\n", Some((-1.5, Some(20))));
    text("foo  1e3  20 \n", Some((1000.0, Some(20))));
    text("foo 1 99999999999999999999\n", None);
    text("foobar 1\n", None);
    text("foo:1 1\n", None);
    text("foo{a=\"b\"} 1\n", None);
    text("foo {a=\"b\"} 1\n", None);
    text("foo  {a=\"b\"} 1\n", None);
    text("foo\n", None);
    text("foo", None);
    text("foo 1{\n", None);
    text("fo", None);
    let openmetrics = |body, want| f(Format::OpenMetrics, body, want);
    openmetrics("foo 1\n", Some((1.0, None)));
    openmetrics("foo 1 1.5\n", Some((1.0, Some(1500))));
    openmetrics("foo 1 1.5 # {a=\"b\"} 1 2\n", Some((1.0, Some(1500))));
    openmetrics("foo 1 # {a=\"b\"}\n", None);
    openmetrics("foo 1", None);
    openmetrics("foo{a=\"b\"} 1\n", None);
}

#[test]
fn openmetrics_fails_behind_a_sample_that_ends_badly() {
    for body in ["foo 1 \n", "foo 1  2\n", "foo 1 # EOF\n"] {
        let mut parser = Parser::new(body.as_bytes(), Format::OpenMetrics);
        let entry = parser.next_entry();
        assert!(matches!(entry, Ok(Some(Entry::Series(_)))), "{body:?}");
        assert!(parser.next_entry().is_err(), "{body:?}");
    }
}

#[test]
fn labels_left_out_are_told() {
    let mut parser = Parser::new(b"foo{a=\"\",b=\"1\",\"c.d\"=\"\"} 1\n", Format::Text);
    assert!(matches!(parser.next_entry(), Ok(Some(Entry::Series(_)))));
    assert_eq!(parser.empty_labels().collect::<Vec<_>>(), ["a", "c.d"]);
}

#[test]
fn known_lines_restore_the_type() {
    let body = b"# TYPE a summary\na{quantile=\"1\"} 1\n";
    let mut parser = Parser::new(body, Format::Text);
    assert!(parser.skip_known_lines(17, Some(MetricType::Summary)));
    assert!(matches!(parser.next_entry(), Ok(Some(Entry::Series(_)))));
    let mut labels = LabelSet::new();
    parser.labels(&mut labels).unwrap();
    assert_eq!(labels.get("quantile"), Some("1.0"));

    let body = b"# TYPE a summary\n# HELP a b\n";
    let mut parser = Parser::new(body, Format::Text);
    assert!(parser.skip_known_lines(17, Some(MetricType::Summary)));
    assert!(parser.skip_known_lines(11, None));
    assert_eq!(parser.family_type(), MetricType::Summary);

    let mut parser = Parser::new(b"# TYPE a summary", Format::Text);
    assert!(!parser.skip_known_lines(16, Some(MetricType::Summary)));
}

/// What a hostile target can put on a line costs about as much for each byte as an honest one's.
#[test]
fn a_line_of_many_labels_is_no_trap() {
    const COUNT: usize = 200_000;
    let mut body = String::from("a{");
    for number in (0..COUNT).rev() {
        body += &format!("l{number:06}=\"v\",");
    }
    body += "} 1\n";
    let mut parser = Parser::new(body.as_bytes(), Format::Text);
    assert!(matches!(parser.next_entry(), Ok(Some(Entry::Series(_)))));
    let mut labels = LabelSet::new();
    parser.labels(&mut labels).unwrap();
    assert_eq!(labels.len(), COUNT + 1);
}
