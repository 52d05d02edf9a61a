use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use prom_model::exposition::{Entry, Format, Parser, encode_protobuf, parse_families};
use prom_model::label::LabelSet;
use prom_model::sample::NORMAL_NAN_BITS;

use crate::cases::{self, Since};
use crate::prometheus::{Method, Prometheus};

/// Target label that holds the number of the body.
const CASE: &str = "oracle_case";

/// Serves every body to a Prometheus and compares which of them are scraped, and what they give.
///
/// Of a Prometheus 2 only the bodies that it is known to see the same way are asked.
#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let is_3 = Prometheus::start(folder.path(), "{}").major() >= 3;
    let cases = cases::all().into_iter();
    let cases = cases.filter(|case| is_3 || case.since == Since::Always);
    let mut bodies: Vec<_> = cases
        .map(|case| (case.format, case.body.to_vec()))
        .collect();
    if is_3 {
        bodies.extend(mutants());
    }
    let address = serve(
        bodies
            .iter()
            .map(|(format, body)| (content_type(*format), body.clone()))
            .collect(),
    );
    let prometheus = Prometheus::start(folder.path(), &config(&address, bodies.len()));
    let seen = wait_for_all(&prometheus, bodies.len());

    let differences: Vec<String> = bodies
        .iter()
        .enumerate()
        .filter_map(|(number, (format, body))| {
            let ours = our_samples(body, *format);
            let theirs = seen.get(&number).cloned().flatten();
            (ours != theirs).then(|| {
                let body = body.escape_ascii();
                format!("{format:?} {body}\n  ours: {ours:?}\n  Prometheus: {theirs:?}")
            })
        })
        .collect();
    assert!(
        differences.is_empty(),
        "{} of {}:\n{}",
        differences.len(),
        bodies.len(),
        differences.join("\n")
    );
}

/// Prometheus reads the protobuf encoding of families as it would read their text.
#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_reads_our_protobuf() {
    let text: &[u8] = b"# HELP a_total A.\n# TYPE a_total counter\na_total{b=\"c\"} 2\na_total 3\n\
        # TYPE g gauge\ng NaN\ng{h=\"\xc3\xa4\"} -1.5\nlone 1e300\n\
        # TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.5\nh_count 2\n\
        h_bucket{le=\"7\",broken=\"yes\"} 1\nh_count{broken=\"yes\"} 2\n\
        # TYPE s summary\ns{quantile=\"0.5\"} 7\ns_sum 1\ns_count 2\ns_sum{broken=\"yes\"} 2\n";
    let families = parse_families(text, Format::Text).unwrap();
    let mut body = Vec::new();
    encode_protobuf(&families, &mut body);
    let folder = tempfile::tempdir().unwrap();
    let content_type = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let address = serve(vec![(content_type, body)]);
    let prometheus = Prometheus::start(folder.path(), &config(&address, 1));
    let mut theirs = wait_for_all(&prometheus, 1);
    assert_eq!(theirs.remove(&0), Some(our_samples(text, Format::Text)));
}

/// Samples of a scrape by their labels; `None` where it fails.
type Samples = Option<BTreeMap<String, u64>>;

fn our_samples(body: &[u8], format: Format) -> Samples {
    let mut parser = Parser::new(body, format);
    let mut labels = LabelSet::new();
    let mut samples = BTreeMap::new();
    while let Some(entry) = parser.next_entry().ok()? {
        if let Entry::Series(series) = entry {
            parser.labels(&mut labels).ok()?;
            // Of several samples for one series Prometheus keeps the first.
            let bits = comparable(series.value);
            samples.entry(labels.to_string()).or_insert(bits);
        }
    }
    Some(samples)
}

/// The bits of `value`, those of every NaN the same.
fn comparable(value: f64) -> u64 {
    if value.is_nan() {
        NORMAL_NAN_BITS
    } else {
        value.to_bits()
    }
}

/// Bodies with one to three bytes changed, the same ones on every run.
fn mutants() -> Vec<(Format, Vec<u8>)> {
    const TEXT: &[&[u8]] = &[
        b"# HELP a help \\n text\n# TYPE a counter\na{b=\"c\",d=\"e\\\"\"} 1.5e3 \nxyz 2\n",
        b"{\"a.b\", c = \"d\", \"e f\"=\"g\"} NaN\n# comment\nxyz{le=\"1\"} -.5\n",
        b"# TYPE h histogram\nh_bucket{le=\"1\",} 1 \nh_bucket{le=\"+Inf\"} 2\nh_sum -Inf\n",
    ];
    const OPENMETRICS: &[&[u8]] = &[
        b"# HELP a help \\n text\n# TYPE a counter\na_total{b=\"c\",d=\"e\\\"\"} 1.5e3 # {t=\"u\"} 1 2\n# EOF\n",
        b"{\"a.b\",c=\"d\",\"e f\"=\"g\"} NaN\nxyz{le=\"1\"} -.5\n# EOF\n",
        b"# TYPE h_s histogram\n# UNIT h_s s\nh_s_bucket{le=\"1\",} 1 # {} 1\nh_s_sum -Inf\n# EOF\n",
    ];
    const BYTES: &[u8] = b"\0\n\r\t  \"\"\\\\{}=,,##_:.+-0159aeEnx\x7f\xc3\xff";
    let mut state = 1_u64;
    let mut random = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % bound
    };
    let text = TEXT.iter().map(|body| (Format::Text, *body));
    let openmetrics = OPENMETRICS.iter().map(|body| (Format::OpenMetrics, *body));
    let mut mutants = Vec::new();
    for (format, body) in text.chain(openmetrics) {
        for _ in 0..120 {
            let mut mutant = body.to_vec();
            for _ in 0..=random(3) {
                let at = random(mutant.len());
                match random(3) {
                    0 => drop(mutant.remove(at)),
                    1 => mutant[at] = BYTES[random(BYTES.len())],
                    _ => mutant.insert(at, BYTES[random(BYTES.len())]),
                }
            }
            mutants.push((format, mutant));
        }
    }
    // Prometheus crashes on a name of one letter, in braces and without quotes.
    mutants.retain(|(_, body)| {
        let compact: Vec<u8> = body
            .iter()
            .copied()
            .filter(|b| !b" \t".contains(b))
            .collect();
        !compact.windows(3).any(|w| {
            matches!(w[0], b'{' | b',' | b'"')
                && w[1].is_ascii_alphabetic()
                && matches!(w[2], b',' | b'}')
        })
    });
    mutants
}

fn content_type(format: Format) -> &'static str {
    match format {
        Format::Text => "text/plain; version=0.0.4",
        Format::OpenMetrics => "application/openmetrics-text; version=1.0.0",
    }
}

/// A configuration that scrapes `count` bodies at `address`.
fn config(address: &str, count: usize) -> String {
    let mut config = String::from(
        "global: {scrape_interval: 10s, scrape_timeout: 10s}\n\
         scrape_configs:\n- job_name: oracle\n  honor_timestamps: false\n  static_configs:\n",
    );
    for number in 0..count {
        let labels = format!("{{__metrics_path__: '/{number}', {CASE}: '{number}'}}");
        writeln!(config, "  - {{targets: ['{address}'], labels: {labels}}}").unwrap();
    }
    config
}

/// What every body gave, once each has been scraped.
fn wait_for_all(prometheus: &Prometheus, count: usize) -> HashMap<usize, Samples> {
    let start = Instant::now();
    loop {
        let query = format!("{{{CASE}!=\"\"}}");
        let (status, answer) = prometheus.ask(Method::Get, "/api/v1/query", &[("query", &query)]);
        assert_eq!(status, 200, "{answer}");
        let seen = by_case(&answer);
        if seen.len() == count {
            return seen;
        }
        let patience = Duration::from_secs(120);
        assert!(start.elapsed() < patience, "{} of {count}", seen.len());
        std::thread::yield_now();
    }
}

fn by_case(answer: &str) -> HashMap<usize, Samples> {
    let answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let series = answer["data"]["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|series| {
            let labels = series["metric"].as_object().unwrap();
            let labels = labels
                .iter()
                .map(|(name, value)| (name, value.as_str().unwrap()));
            let value: f64 = series["value"][1].as_str().unwrap().parse().unwrap();
            (labels.collect::<LabelSet>(), value)
        });
    let (ups, series): (Vec<_>, Vec<_>) =
        series.partition(|(labels, _)| labels.metric_name() == "up");
    let number = |labels: &LabelSet| labels.get(CASE).unwrap().parse::<usize>().unwrap();

    let mut seen: HashMap<usize, Samples> = HashMap::new();
    for (labels, up) in &ups {
        seen.insert(number(labels), (*up > 0.0).then(BTreeMap::new));
    }
    for (mut labels, value) in series {
        let case = number(&labels);
        if labels.metric_name().starts_with("scrape_") {
            continue;
        }
        for own in [CASE, "job", "instance"] {
            labels.remove(own);
        }
        if let Some(Some(samples)) = seen.get_mut(&case) {
            samples.insert(labels.to_string(), comparable(value));
        }
    }
    seen
}

/// Serves body `N` at `/N` for as long as the test runs.
fn serve(bodies: Vec<(&'static str, Vec<u8>)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = BufReader::new(&stream).lines().map_while(Result::ok);
            let line = request.next().unwrap_or_default();
            request.find(String::is_empty);
            let number = line
                .split(['/', ' '])
                .nth(2)
                .and_then(|path| path.parse::<usize>().ok());
            let Some((content_type, body)) = number.and_then(|number| bodies.get(number)) else {
                continue;
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(head.as_bytes());
            let _ = stream.write_all(body);
        }
    });
    address
}
