use prom_model::exposition::{
    Escaping, Format, MetricFamily, encode, encode_protobuf, parse_families, write_float,
    write_openmetrics_float, write_sample, write_seconds, write_series,
};
use prom_model::metadata::MetricType;
use prom_model::sample::Sample;

fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

/// What Prometheus 3.5 answers at `/federate` for these values.
#[test]
fn floats_are_printed_as_go_prints_them() {
    let f = |value: f64, text: &str, openmetrics: &str| {
        assert_eq!(written(|out| write_float(out, value)), text);
        let got = written(|out| write_openmetrics_float(out, value));
        assert_eq!(got, openmetrics);
    };
    f(0.0, "0", "0.0");
    f(-0.0, "0", "0.0");
    f(1.0, "1", "1.0");
    f(-1.0, "-1", "-1.0");
    f(0.5, "0.5", "0.5");
    f(-17.25, "-17.25", "-17.25");
    f(999_999.0, "999999", "999999.0");
    f(1_000_000.0, "1e+06", "1e+06");
    f(-1_000_000.0, "-1e+06", "-1e+06");
    f(1_234_567.0, "1.234567e+06", "1.234567e+06");
    f(1_234_567.5, "1.2345675e+06", "1.2345675e+06");
    f(999_999.9, "999999.9", "999999.9");
    f(100.001, "100.001", "100.001");
    f(0.0001, "0.0001", "0.0001");
    f(0.000_123, "0.000123", "0.000123");
    f(0.000_01, "1e-05", "1e-05");
    f(0.000_012_3, "1.23e-05", "1.23e-05");
    f(1e20, "1e+20", "1e+20");
    f(1e100, "1e+100", "1e+100");
    f(1.5e300, "1.5e+300", "1.5e+300");
    f(1e-320, "1e-320", "1e-320");
    f(5e-324, "5e-324", "5e-324");
    f(
        f64::MAX,
        "1.7976931348623157e+308",
        "1.7976931348623157e+308",
    );
    f(f64::NAN, "NaN", "NaN");
    f(f64::INFINITY, "+Inf", "+Inf");
    f(f64::NEG_INFINITY, "-Inf", "-Inf");
}

#[test]
fn series_and_samples() {
    let f = |name, labels: &[(&str, &str)], want: &str| {
        assert_eq!(
            written(|out| write_series(out, name, labels.iter().copied())),
            want
        );
    };
    f("up", &[], "up");
    f("up", &[("__name__", "up"), ("a", "b")], r#"up{a="b"}"#);
    f("up", &[("a", "\\\"\n")], r#"up{a="\\\"\n"}"#);
    f("my.metric", &[], r#"{"my.metric"}"#);
    f(
        "my.metric",
        &[("a:b", "c"), ("d", "")],
        r#"{"my.metric","a:b"="c",d=""}"#,
    );

    let sample = Sample {
        value: 1.0,
        timestamp_ms: Some(1_520_879_607_789),
    };
    let line = |format| written(|out| write_sample(out, format, sample));
    assert_eq!(line(Format::Text), " 1 1520879607789\n");
    assert_eq!(line(Format::OpenMetrics), " 1.0 1520879607.789\n");
}

#[test]
fn seconds_are_read_back_as_the_same_millisecond() {
    let f = |timestamp_ms, want: &str| {
        assert_eq!(written(|out| write_seconds(out, timestamp_ms)), want);
    };
    f(0, "0");
    f(1, "0.001");
    f(-1500, "-1.500");
    f(1_520_879_607_000, "1520879607");
    f(1_520_879_607_789, "1520879607.789");
    // 1.001 times 1000 is less than 1001.
    f(1001, "1.0011");
    f(-1001, "-1.0011");
}

const TEXT: &str = r#"# HELP requests_total All \\ of them,\nby "code".
# TYPE requests_total counter
requests_total{code="200"} 1.5e+06 1520879607789
requests_total{code="a\\\"\n"} 3
# TYPE "my.gauge" gauge
{"my.gauge","a.b"="c"} NaN
# TYPE latency_seconds histogram
latency_seconds_bucket{le="0.1"} 1
latency_seconds_bucket{le="+Inf"} 2
latency_seconds_sum 0.5
latency_seconds_count 2
# TYPE lone untyped
lone -Inf
"#;

#[test]
fn families_are_written_as_they_were_read() {
    let families = parse_families(TEXT.as_bytes(), Format::Text).unwrap();
    let names: Vec<&str> = families.iter().map(|family| &*family.name).collect();
    assert_eq!(
        names,
        ["requests_total", "my.gauge", "latency_seconds", "lone"]
    );
    assert_eq!(written(|out| encode(&families, Format::Text, out)), TEXT);
}

#[test]
fn openmetrics_knows_only_counters_that_end_in_total() {
    let body = "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# TYPE b counter\nb 1\n";
    let families = parse_families(body.as_bytes(), Format::Text).unwrap();
    let want = "# HELP a A.\n# TYPE a counter\na_total 1.0\n# TYPE b unknown\nb 1.0\n# EOF\n";
    assert_eq!(
        written(|out| encode(&families, Format::OpenMetrics, out)),
        want
    );
}

#[test]
fn text_has_no_types_of_openmetrics() {
    let body = "# TYPE a_s counter\n# UNIT a_s s\na_s_total 1.0\n# TYPE b info\nb_info{v=\"1\"} 1.0\n\
                # TYPE c stateset\nc{c=\"on\"} 1.0\n# TYPE d gaugehistogram\nd_gcount 1.0\n# EOF\n";
    let families = parse_families(body.as_bytes(), Format::OpenMetrics).unwrap();
    let want = "# TYPE a_s_total counter\na_s_total 1\n# TYPE b_info gauge\nb_info{v=\"1\"} 1\n\
                # TYPE c gauge\nc{c=\"on\"} 1\n# TYPE d untyped\nd_gcount 1\n";
    assert_eq!(written(|out| encode(&families, Format::Text, out)), want);
    assert_eq!(
        written(|out| encode(&families, Format::OpenMetrics, out)),
        body
    );
}

#[test]
fn names_are_escaped_as_the_client_wants() {
    let f = |scheme: Escaping, name: &str, metric: &str, label: &str| {
        assert_eq!(scheme.metric_name(name), metric, "{scheme:?} {name}");
        assert_eq!(scheme.label_name(name), label, "{scheme:?} {name}");
    };
    f(Escaping::AllowUtf8, "a.b", "a.b", "a.b");
    f(Escaping::Underscores, "a:b_1", "a:b_1", "a_b_1");
    f(Escaping::Underscores, "1a.ä b", "_a___b", "_a___b");
    f(Escaping::Dots, "a.b_c", "a_dot_b__c", "a_dot_b__c");
    f(Escaping::Dots, "a b", "a__b", "a__b");
    f(Escaping::Dots, "a_b", "a_b", "a_b");
    f(Escaping::Values, "a.b_c", "U__a_2e_b__c", "U__a_2e_b__c");
    f(Escaping::Values, "plain_name", "plain_name", "plain_name");
}

/// Reads messages back without a schema: field numbers with their contents.
#[derive(Debug, PartialEq)]
enum Field {
    Integer(u64),
    Double(f64),
    Bytes(Vec<u8>),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    value
}

fn taken<'a>(bytes: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let field = match tag & 7 {
            0 => Field::Integer(varint(&mut bytes)),
            1 => Field::Double(f64::from_le_bytes(taken(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes).try_into().unwrap();
                Field::Bytes(taken(&mut bytes, length).to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((tag >> 3, field));
    }
    fields
}

/// The messages as text: `1=up 3=1 4[1[1=job 2=aiven] 2[1=1.0]]`.
fn shown(bytes: &[u8], path: &[u64]) -> String {
    let is_text = |path: &[u64]| matches!(path, [1 | 2 | 5] | [4, 1, 1 | 2]);
    let parts = fields(bytes).into_iter().map(|(number, field)| {
        let path = [path, &[number]].concat();
        match field {
            Field::Integer(value) => format!("{number}={value}"),
            Field::Double(value) => format!("{number}={value:?}"),
            Field::Bytes(bytes) if is_text(&path) => {
                format!("{number}={}", String::from_utf8(bytes).unwrap())
            }
            Field::Bytes(bytes) => format!("{number}[{}]", shown(&bytes, &path)),
        }
    });
    parts.collect::<Vec<_>>().join(" ")
}

fn protobuf(body: &str) -> Vec<String> {
    let families = parse_families(body.as_bytes(), Format::Text).unwrap();
    let mut out = Vec::new();
    encode_protobuf(&families, &mut out);
    let mut rest = &*out;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let length = varint(&mut rest).try_into().unwrap();
        messages.push(shown(taken(&mut rest, length), &[]));
    }
    messages
}

#[test]
fn protobuf_messages() {
    let f = |body: &str, want: &[&str]| assert_eq!(protobuf(body), want, "{body}");
    f("up 1\n", &["1=up 3=3 4[5[1=1.0]]"]);
    f(
        "# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\"} 2 5\n",
        &["1=a_total 2=A. 3=0 4[1[1=b 2=c] 3[1=2.0] 6=5]"],
    );
    f(
        "# TYPE a gauge\na 0\na{b=\"c\"} 1\n",
        &["1=a 3=1 4[2[1=0.0]] 4[1[1=b 2=c] 2[1=1.0]]"],
    );
    f(
        "# TYPE a histogram\na_bucket{le=\"1\",b=\"c\"} 2\na_bucket{le=\"+Inf\",b=\"c\"} 3\na_sum{b=\"c\"} 4.5\n\
         a_count{b=\"c\"} 3\n",
        &["1=a 3=4 4[1[1=b 2=c] 7[1=3 2=4.5 3[1=2 2=1.0] 3[1=3 2=inf]]]"],
    );
    f(
        "# TYPE a summary\na_sum 1\na_count 2\na{quantile=\"0.5\"} 7\n",
        &["1=a 3=2 4[4[1=2 2=1.0 3[1=0.5 2=7.0]]]"],
    );
}

#[test]
fn protobuf_keeps_what_makes_no_histogram() {
    let f = |body: &str, want: &[&str]| assert_eq!(protobuf(body), want, "{body}");
    // Without a count; with half a count; without the bucket that has no bound; at two instants.
    f(
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_sum 1\n",
        &[
            "1=a_bucket 3=3 4[1[1=le 2=+Inf] 5[1=2.0]]",
            "1=a_sum 3=3 4[5[1=1.0]]",
        ],
    );
    f(
        "# TYPE a summary\na_sum 1\na_count 0.5\n",
        &["1=a_sum 3=3 4[5[1=1.0]]", "1=a_count 3=3 4[5[1=0.5]]"],
    );
    let without_infinity =
        protobuf("# TYPE a histogram\na_bucket{le=\"1\"} 2\na_sum 1\na_count 2\n");
    assert_eq!(without_infinity.len(), 3);
    let two_instants = protobuf("# TYPE a summary\na_sum 1 5\na_count 1 6\n");
    assert_eq!(two_instants.len(), 2);
    // One of two histograms is whole.
    f(
        "# TYPE a summary\na_sum 1\na_count 1\na_sum{b=\"c\"} 1\na{d=\"e\"} 1\n",
        &[
            "1=a 3=2 4[4[1=1 2=1.0]]",
            "1=a 3=3 4[1[1=d 2=e] 5[1=1.0]]",
            "1=a_sum 3=3 4[1[1=b 2=c] 5[1=1.0]]",
        ],
    );
}

#[test]
fn the_metadata_of_a_family_without_series_is_kept() {
    let family = MetricFamily {
        name: "a".to_owned(),
        metadata: prom_model::metadata::Metadata {
            metric_type: MetricType::Counter,
            ..Default::default()
        },
        samples: Vec::new(),
    };
    let text = written(|out| encode(std::slice::from_ref(&family), Format::OpenMetrics, out));
    assert_eq!(text, "# TYPE a counter\n# EOF\n");
    assert_eq!(
        parse_families(text.as_bytes(), Format::OpenMetrics),
        Ok(vec![family])
    );
}
