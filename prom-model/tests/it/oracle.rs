use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use prom_model::exposition::{Entry, Format, Parser, parse_families};
use prom_model::label::LabelSet;

use crate::cases::{self, Since};

/// Target label that holds the number of the body.
const CASE: &str = "oracle_case";

/// Serves every body to a Prometheus, `$PROMETHEUS` or the one on the path, and compares which of them are
/// scraped and what they give.
///
/// Of a Prometheus 2 only the bodies that it is known to see the same way are asked.
#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_agrees() {
    let program = std::env::var("PROMETHEUS").unwrap_or_else(|_| "prometheus".to_owned());
    let version = Command::new(&program).arg("--version").output().unwrap();
    let is_3 = String::from_utf8_lossy(&version.stdout).contains("version 3.");
    let mut bodies: Vec<(Format, Vec<u8>)> = cases::all()
        .into_iter()
        .filter(|case| is_3 || case.since == Since::Always)
        .map(|case| (case.format, case.body.to_vec()))
        .collect();
    if is_3 {
        bodies.extend(mutants());
    }

    let seen = Prometheus::start(&program, &bodies).wait_for_all(bodies.len());
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

/// The bits of `value`; Prometheus' text output doesn't tell the zeros apart.
fn comparable(value: f64) -> u64 {
    (value + 0.0).to_bits()
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

/// A Prometheus that scrapes the bodies.
struct Prometheus {
    process: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Prometheus {
    fn start(program: &str, bodies: &[(Format, Vec<u8>)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let targets = serve(bodies.to_vec());
        let mut config = String::from(
            "global: {scrape_interval: 10s, scrape_timeout: 10s}\n\
             scrape_configs:\n- job_name: oracle\n  honor_timestamps: false\n  static_configs:\n",
        );
        for number in 0..bodies.len() {
            writeln!(
                config,
                "  - {{targets: ['{targets}'], labels: {{__metrics_path__: '/{number}', {CASE}: '{number}'}}}}"
            )
            .unwrap();
        }
        let config_file = folder.path().join("prometheus.yml");
        std::fs::write(&config_file, config).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = Command::new(program)
            .arg(format!("--config.file={}", config_file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.path().join("data").display()
            ))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            process,
            address,
            _folder: folder,
        }
    }

    /// What every body gave, once each has been scraped.
    fn wait_for_all(&self, count: usize) -> HashMap<usize, Samples> {
        let patience = Instant::now();
        loop {
            let seen = self
                .federate()
                .map(|body| by_case(&body))
                .unwrap_or_default();
            if seen.len() == count {
                return seen;
            }
            let waited = patience.elapsed();
            assert!(
                waited < Duration::from_secs(120),
                "{} of {count}",
                seen.len()
            );
            std::thread::yield_now();
        }
    }

    fn federate(&self) -> Option<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let selector = "%7Boracle_case%21%3D%22%22%7D";
        write!(
            stream,
            "GET /federate?match[]={selector} HTTP/1.0\r\nAccept: text/plain;version=0.0.4;escaping=allow-utf-8\r\n\r\n"
        )
        .ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        let body = answer.windows(4).position(|end| end == b"\r\n\r\n")?;
        answer
            .starts_with(b"HTTP/1.0 200")
            .then(|| answer.split_off(body + 4))
    }
}

fn by_case(body: &[u8]) -> HashMap<usize, Samples> {
    let mut seen: HashMap<usize, Samples> = HashMap::new();
    let series: Vec<_> = parse_families(body, Format::Text)
        .unwrap()
        .into_iter()
        .flat_map(|family| family.samples)
        .collect();
    for (labels, sample) in &series {
        if labels.metric_name() == "up" {
            let samples = (sample.value > 0.0).then(BTreeMap::new);
            seen.insert(labels.get(CASE).unwrap().parse().unwrap(), samples);
        }
    }
    for (mut labels, sample) in series {
        let name = labels.metric_name();
        let number = labels.get(CASE).unwrap().parse().unwrap();
        if name == "up" || name.starts_with("scrape_") {
            continue;
        }
        for own in [CASE, "job", "instance"] {
            labels.remove(own);
        }
        if let Some(Some(samples)) = seen.get_mut(&number) {
            samples.insert(labels.to_string(), comparable(sample.value));
        }
    }
    seen
}

/// Serves body `N` at `/N` for as long as the test runs.
fn serve(bodies: Vec<(Format, Vec<u8>)>) -> String {
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
            let Some((format, body)) = number.and_then(|number| bodies.get(number)) else {
                continue;
            };
            let content_type = match format {
                Format::Text => "text/plain; version=0.0.4",
                Format::OpenMetrics => "application/openmetrics-text; version=1.0.0",
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
