//! What a scrape costs once its body is there: inflating, parsing, relabelling, writing.
//!
//! The body is a recorded node's; from one scrape to the next every value may change. The sink
//! stores nothing, so this is the scraper's own share.

use std::hint::black_box;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use es_scraper::scrape::{
    Answer, Counts, Encoding, Received, SampleRules, ScrapeTime, TargetWriter, Workspace,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;
use prom_model::sample::Sample;
use prom_model::sink::{AppendError, FamilyRef, SeriesRef, TargetSink};

const CAPTURE: &str = include_str!("../../fixtures/data/es-node-1.prom");

/// Adds samples up, so that none of them can be left out.
#[derive(Default)]
struct Sum {
    series: u32,
    families: u32,
    sum: f64,
}

impl TargetSink for Sum {
    fn resolve(&mut self, _labels: &LabelSet, _family: Option<FamilyRef>) -> SeriesRef {
        self.series += 1;
        SeriesRef(self.series)
    }

    fn describe(&mut self, _name: &str, _metadata: &Metadata) -> FamilyRef {
        self.families += 1;
        FamilyRef(self.families)
    }

    fn begin(&mut self, _timestamp_ms: i64) {
        self.sum = 0.0;
    }

    fn append(&mut self, _series: SeriesRef, sample: Sample) -> Result<(), AppendError> {
        self.sum += sample.value;
        Ok(())
    }

    fn commit(&mut self) {
        black_box(self.sum);
    }

    fn release(&mut self, _series: SeriesRef) {}
}

/// The capture with other values: of each number in the place of one the first digit.
fn moved(capture: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, value)) if !line.starts_with('#') && !value.starts_with('-') => {
            format!("{series} 1{value}\n")
        }
        _ => format!("{line}\n"),
    };
    capture.lines().map(line).collect()
}

/// The capture without every hundredth line.
fn thinned(capture: &str) -> String {
    let lines = capture.lines().enumerate();
    let kept = lines.filter(|(place, line)| line.starts_with('#') || place % 100 != 0);
    kept.map(|(_, line)| format!("{line}\n")).collect()
}

fn gzip(body: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

struct Bench {
    writer: TargetWriter,
    workspace: Workspace,
    rules: SampleRules,
}

impl Bench {
    fn new() -> Self {
        let labels: LabelSet = [("instance", "192.0.2.1:9273"), ("job", "aiven")]
            .into_iter()
            .collect();
        Self {
            writer: TargetWriter::new(Box::<Sum>::default(), Arc::new(labels)),
            workspace: Workspace::new(),
            rules: SampleRules::default(),
        }
    }

    fn scrape(&mut self, encoding: Encoding, body: &[u8]) -> Counts {
        let answer = Answer {
            encoding,
            content_type: "text/plain; version=0.0.4".to_owned(),
        };
        let received = Received {
            answer: &answer,
            body,
        };
        let time = ScrapeTime {
            at_ms: 0,
            now_ms: 0,
        };
        let (counts, result) =
            self.writer
                .write(time, Ok(received), &self.rules, &mut self.workspace, || {
                    Duration::ZERO
                });
        result.expect("the capture is an exposition");
        counts
    }
}

fn scrape(criterion: &mut Criterion) {
    let bodies = [CAPTURE.to_owned(), moved(CAPTURE)];
    let packed = bodies.each_ref().map(|body| gzip(body));
    let samples = Bench::new()
        .scrape(Encoding::Identity, CAPTURE.as_bytes())
        .scraped;
    assert_eq!(samples, 934);

    let mut group = criterion.benchmark_group("scrape");
    group.throughput(Throughput::Bytes(CAPTURE.len() as u64));
    group.bench_function("first", |bencher| {
        let mut workspace = Workspace::new();
        bencher.iter(|| {
            let mut bench = Bench::new();
            std::mem::swap(&mut bench.workspace, &mut workspace);
            let counts = bench.scrape(Encoding::Gzip, &packed[0]);
            assert_eq!(counts.series_added, samples);
            workspace = bench.workspace;
        });
    });
    let mut repeated = |name: &str, encoding, bodies: [&[u8]; 2]| {
        let mut bench = Bench::new();
        bench.scrape(encoding, bodies[0]);
        bench.scrape(encoding, bodies[1]);
        let mut round = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                round += 1;
                bench.scrape(encoding, bodies[round % 2])
            });
        });
    };
    repeated("repeated", Encoding::Gzip, [&packed[0], &packed[1]]);
    let plain = [bodies[0].as_bytes(), bodies[1].as_bytes()];
    repeated("repeated, not packed", Encoding::Identity, plain);
    let thin = thinned(CAPTURE);
    repeated(
        "one line in a hundred comes or goes",
        Encoding::Identity,
        [plain[0], thin.as_bytes()],
    );
    group.finish();
}

criterion_group!(benches, scrape);
criterion_main!(benches);
