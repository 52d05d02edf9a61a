use std::sync::Arc;

use prom_model::exposition::negotiate::Response;
use prom_model::exposition::{self, Entry, Format, Parser};
use prom_model::label::LabelSet;
use prom_model::metadata::{Metadata, MetricType};
use prom_model::sample::Sample;
use prom_model::sink::{SeriesRef, Sink, TargetSink};

use super::*;
use crate::store::{DEFAULT_LOOKBACK, Effort};

mod changes;

const NOW_MS: i64 = 1_700_000_000_123;

fn set(labels: &[(&str, &str)]) -> LabelSet {
    labels.iter().copied().collect()
}

/// Scrapes text into a new target of `store`, as a scraper without relabelling would.
fn scrape(store: &Store, target: &LabelSet, format: Format, body: &str) -> Box<dyn TargetSink> {
    let mut writer = store.open(Arc::new(target.clone()));
    scrape_again(&mut *writer, target, format, body, NOW_MS, &[]);
    writer
}

/// Scrapes once more, where the `former` series may vanish; those that there are.
fn scrape_again(
    writer: &mut dyn TargetSink,
    target: &LabelSet,
    format: Format,
    body: &str,
    at_ms: i64,
    former: &[SeriesRef],
) -> Vec<SeriesRef> {
    let families = exposition::parse_families(body.as_bytes(), format).unwrap();
    let mut samples = Vec::new();
    for family in &families {
        let described = writer.describe(&family.name, &family.metadata);
        for (labels, sample) in &family.samples {
            let mut labels = labels.clone();
            labels.extend(target.iter());
            samples.push((writer.resolve(&labels, Some(described)), *sample));
        }
    }
    writer.begin(at_ms);
    let mut scraped = Vec::new();
    for (series, sample) in samples {
        writer.append(series, sample).unwrap();
        scraped.push(series);
    }
    let vanished: Vec<_> = former.iter().filter(|it| !scraped.contains(it)).collect();
    for series in &vanished {
        writer.append(**series, Sample::stale()).unwrap();
    }
    writer.commit();
    for series in vanished {
        writer.release(*series);
    }
    scraped
}

struct Asked<'a> {
    selectors: &'a [&'a str],
    accept: &'a str,
    timestamps: Timestamps,
    external_labels: LabelSet,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            selectors: &["{__name__=~\".+\"}"],
            accept: "",
            timestamps: Timestamps::Written,
            external_labels: LabelSet::new(),
        }
    }
}

fn federate(store: Arc<Store>, asked: &Asked<'_>) -> Vec<u8> {
    let federation = Federation::new(store, &asked.external_labels);
    let selectors: Vec<_> = asked
        .selectors
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
    let style = Response::negotiate(asked.accept);
    let mut exposition = federation
        .exposition(
            &Scope::Everything,
            &selectors,
            style,
            asked.timestamps,
            NOW_MS,
        )
        .unwrap();
    let mut body = Vec::new();
    // A small limit, so that every way of resuming is taken.
    let mut chunk = Vec::new();
    while exposition.write(&mut chunk, 1, Effort(2)) {
        body.append(&mut chunk);
    }
    body.append(&mut chunk);
    body
}

fn text(store: Arc<Store>, asked: &Asked<'_>) -> String {
    String::from_utf8(federate(store, asked)).unwrap()
}

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8";

#[test]
fn series_are_sorted_typed_and_stamped() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let body = "# HELP b_total Has \\\\ and\\nlines.\n# TYPE b_total counter\nb_total{z=\"2\"} 2\n\
        b_total{z=\"1\"} 1e6\n# TYPE a gauge\na 0.5\nc NaN\n";
    let _b = scrape(
        &store,
        &set(&[("job", "j"), ("instance", "b")]),
        Format::Text,
        body,
    );
    let _a = scrape(
        &store,
        &set(&[("job", "j"), ("instance", "a")]),
        Format::Text,
        "a -1\n",
    );
    let want = "\
# TYPE a gauge
a{instance=\"a\",job=\"j\"} -1 1700000000123
a{instance=\"b\",job=\"j\"} 0.5 1700000000123
# HELP b_total Has \\\\ and\\nlines.
# TYPE b_total counter
b_total{instance=\"b\",job=\"j\",z=\"1\"} 1e+06 1700000000123
b_total{instance=\"b\",job=\"j\",z=\"2\"} 2 1700000000123
# TYPE c untyped
c{instance=\"b\",job=\"j\"} NaN 1700000000123
";
    assert_eq!(text(Arc::clone(&store), &Asked::default()), want);
    let without = Asked {
        timestamps: Timestamps::LeftOut,
        ..Asked::default()
    };
    assert_eq!(text(store, &without), want.replace(" 1700000000123", ""));
}

#[test]
fn labels_are_added_where_absent() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let _a = scrape(
        &store,
        &set(&[("job", "j"), ("region", "eu")]),
        Format::Text,
        "a{dc=\"1\"} 1\nb 1\n",
    );
    let external_labels = set(&[("dc", "x"), ("region", "us"), ("zone", "z")]);
    let asked = Asked {
        external_labels,
        timestamps: Timestamps::LeftOut,
        ..Asked::default()
    };
    let want = "\
# TYPE a untyped
a{dc=\"1\",job=\"j\",region=\"eu\",instance=\"\",zone=\"z\"} 1
# TYPE b untyped
b{job=\"j\",region=\"eu\",dc=\"x\",instance=\"\",zone=\"z\"} 1
";
    assert_eq!(text(store, &asked), want);
}

#[test]
fn openmetrics_names_counters_without_their_suffix() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let body = "# TYPE a_total counter\na_total 1\n# TYPE b counter\nb 2\n# TYPE c_total counter\nc_total 3\n\
        # TYPE c gauge\nc 4\n";
    let _t = scrape(&store, &set(&[("instance", "i")]), Format::Text, body);
    let want = "\
# TYPE a counter
a_total{instance=\"i\"} 1.0 1700000000.123
# TYPE b unknown
b{instance=\"i\"} 2.0 1700000000.123
# TYPE c gauge
c{instance=\"i\"} 4.0 1700000000.123
# TYPE c_total unknown
c_total{instance=\"i\"} 3.0 1700000000.123
# EOF
";
    assert_eq!(
        text(
            store,
            &Asked {
                accept: OPENMETRICS,
                ..Asked::default()
            }
        ),
        want
    );
}

#[test]
fn parts_of_a_histogram_stay_together() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let body = "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 3\nh_count 2\n\
        # TYPE h_cache gauge\nh_cache 1\n";
    let _t = scrape(&store, &set(&[("instance", "i")]), Format::Text, body);
    let asked = Asked {
        timestamps: Timestamps::LeftOut,
        ..Asked::default()
    };
    let want = "\
# TYPE h histogram
h_bucket{instance=\"i\",le=\"+Inf\"} 2
h_bucket{instance=\"i\",le=\"1.0\"} 1
h_count{instance=\"i\"} 2
h_sum{instance=\"i\"} 3
# TYPE h_cache gauge
h_cache{instance=\"i\"} 1
";
    assert_eq!(text(store, &asked), want);
}

#[test]
fn utf8_names_are_quoted_or_escaped() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let _t = scrape(
        &store,
        &set(&[("instance", "i")]),
        Format::Text,
        "{\"a.b\",\"c.d\"=\"e\"} 1\n",
    );
    let f = |accept: &str, want: &str| {
        let asked = Asked {
            accept,
            timestamps: Timestamps::LeftOut,
            ..Asked::default()
        };
        assert_eq!(text(Arc::clone(&store), &asked), want);
    };
    f("", "# TYPE a_b untyped\na_b{c_d=\"e\",instance=\"i\"} 1\n");
    f(
        "text/plain;version=1.0.0;escaping=allow-utf-8",
        "# TYPE \"a.b\" untyped\n{\"a.b\",\"c.d\"=\"e\",instance=\"i\"} 1\n",
    );
}

#[test]
fn nothing_is_selected_without_a_selector() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let _t = scrape(&store, &set(&[("instance", "i")]), Format::Text, "a 1\n");
    let f = |accept: &str, want: &str| {
        assert_eq!(
            text(
                Arc::clone(&store),
                &Asked {
                    selectors: &[],
                    accept,
                    ..Asked::default()
                }
            ),
            want
        );
    };
    f("", "");
    f(OPENMETRICS, "# EOF\n");
}

#[test]
fn overlapping_selectors_repeat_nothing() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let _t = scrape(
        &store,
        &set(&[("instance", "i")]),
        Format::Text,
        "a 1\nb 2\nc 3\n",
    );
    let asked = Asked {
        selectors: &[
            "a",
            "{instance=\"i\",__name__!=\"b\"}",
            "{__name__=~\"a|c\"}",
        ],
        timestamps: Timestamps::LeftOut,
        ..Asked::default()
    };
    let want = "# TYPE a untyped\na{instance=\"i\"} 1\n# TYPE c untyped\nc{instance=\"i\"} 3\n";
    assert_eq!(text(store, &asked), want);
}

/// What a scraper reads of an answer is what was stored.
#[test]
fn a_capture_comes_out_as_it_went_in() {
    let capture = include_str!("../../../fixtures/data/es-node-1.prom");
    let target = set(&[("job", "aiven"), ("instance", "127.0.0.1:9273")]);
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let _t = scrape(&store, &target, Format::Text, capture);
    let read = |body: &[u8], format| {
        let mut parser = Parser::new(body, format);
        let (mut samples, mut types) = (Vec::new(), Vec::new());
        while let Some(entry) = parser.next_entry().unwrap() {
            match entry {
                Entry::Series(series) => {
                    let mut labels = LabelSet::new();
                    parser.labels(&mut labels).unwrap();
                    samples.push((labels, series.value.to_bits(), series.timestamp_ms));
                }
                Entry::Type { name, metric_type } => types.push((name.to_string(), metric_type)),
                _ => {}
            }
        }
        samples.sort();
        types.sort();
        (samples, types)
    };
    let (mut want, types) = read(capture.as_bytes(), Format::Text);
    for (labels, _, timestamp_ms) in &mut want {
        labels.extend(target.iter());
        *timestamp_ms = Some(NOW_MS);
    }
    want.sort();
    assert_eq!(want.len(), 934);
    let (samples, have_types) = read(
        &federate(Arc::clone(&store), &Asked::default()),
        Format::Text,
    );
    assert_eq!(samples, want);
    assert_eq!(have_types, types);
    let openmetrics = federate(
        store,
        &Asked {
            accept: OPENMETRICS,
            ..Asked::default()
        },
    );
    assert_eq!(read(&openmetrics, Format::OpenMetrics).0, want);
}

#[test]
fn gzip_is_chosen_by_accept_encoding() {
    let f = |accepted: &str, want| assert_eq!(content_encoding(accepted), want, "{accepted}");
    f("", ContentEncoding::Identity);
    f("gzip", ContentEncoding::Gzip);
    f("deflate, gzip;q=0.5", ContentEncoding::Gzip);
    f("gzip;q=0", ContentEncoding::Identity);
    f("*;q=0.1", ContentEncoding::Gzip);
    f("gzip;q=0, *", ContentEncoding::Identity);
    f("br", ContentEncoding::Identity);
}

#[test]
fn a_type_told_of_relabelled_series_is_kept() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let mut writer = store.open(Arc::new(set(&[("instance", "i")])));
    let metadata = Metadata {
        metric_type: MetricType::Counter,
        help: "H.".into(),
        unit: "".into(),
    };
    let family = writer.describe("old", &metadata);
    let series = writer.resolve(
        &set(&[("__name__", "new"), ("instance", "i")]),
        Some(family),
    );
    writer.begin(NOW_MS);
    writer.append(series, Sample::new(1.0)).unwrap();
    writer.commit();
    let asked = Asked {
        timestamps: Timestamps::LeftOut,
        ..Asked::default()
    };
    assert_eq!(
        text(store, &asked),
        "# HELP new H.\n# TYPE new counter\nnew{instance=\"i\"} 1\n"
    );
}

/// Name and number of metrics of each protobuf message of a body.
fn messages(mut body: &[u8]) -> Vec<(String, usize)> {
    fn varint(bytes: &mut &[u8]) -> usize {
        let mut number = 0;
        for shift in (0..).step_by(7) {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }
    fn delimited<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
        let length = varint(bytes);
        let (field, rest) = bytes.split_at(length);
        *bytes = rest;
        field
    }
    let mut messages = Vec::new();
    while !body.is_empty() {
        let mut message = delimited(&mut body);
        let (mut name, mut metrics) = (String::new(), 0);
        while !message.is_empty() {
            match varint(&mut message) {
                // MetricFamily.name
                0x0a => name = String::from_utf8_lossy(delimited(&mut message)).into_owned(),
                // MetricFamily.type
                0x18 => {
                    varint(&mut message);
                }
                // MetricFamily.metric
                0x22 => {
                    delimited(&mut message);
                    metrics += 1;
                }
                _ => {
                    delimited(&mut message);
                }
            }
        }
        messages.push((name, metrics));
    }
    messages
}

#[test]
fn a_large_family_comes_in_several_protobuf_messages() {
    let store = Arc::new(Store::new(DEFAULT_LOOKBACK));
    let mut body = String::from("# TYPE large gauge\n");
    for n in 0..2500 {
        body += &format!("large{{n=\"{n}\"}} 1\n");
    }
    body += "# TYPE parts histogram\n";
    for n in 0..1500 {
        body += &format!(
            "parts_bucket{{le=\"+Inf\",n=\"{n}\"}} 2\nparts_sum{{n=\"{n}\"}} 1\nparts_count{{n=\"{n}\"}} 2\n"
        );
    }
    let _t = scrape(&store, &set(&[("instance", "i")]), Format::Text, &body);
    let federation = Federation::new(store, &LabelSet::new());
    let style = Response::negotiate(
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
    );
    let selectors = ["{__name__=~\".+\"}".parse().unwrap()];
    let body = federation
        .encode(
            &Scope::Everything,
            &selectors,
            style,
            Timestamps::Written,
            NOW_MS,
        )
        .unwrap();
    // A histogram's parts make one metric, which can't be had before all of its family's series are.
    let want = [
        ("large", 1000),
        ("large", 1000),
        ("large", 500),
        ("parts", 1500),
    ];
    assert_eq!(
        messages(&body),
        want.map(|(name, metrics)| (name.to_owned(), metrics))
    );
}
