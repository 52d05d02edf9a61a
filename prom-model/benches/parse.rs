//! Parsing a node's capture: as on the first scrape, and as on every later one.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;
use prom_model::metadata::MetricType;

const CAPTURES: [(&str, &[u8]); 2] = [
    (
        "es-node-1",
        include_bytes!("../../fixtures/data/es-node-1.prom"),
    ),
    (
        "es-node-2",
        include_bytes!("../../fixtures/data/es-node-2.prom"),
    ),
];

/// What a scrape remembers of a line.
struct Known<'a> {
    bytes: &'a [u8],
    is_series: bool,
    /// The metric type that the line tells.
    family_type: Option<MetricType>,
}

fn remember(body: &[u8]) -> Vec<Known<'_>> {
    let mut parser = Parser::new(body, Format::Text);
    let mut known = Vec::new();
    loop {
        let start = parser.offset();
        match parser.next_entry() {
            Ok(Some(Entry::Series(series))) => known.push(Known {
                bytes: series.series,
                is_series: true,
                family_type: None,
            }),
            Ok(Some(other)) => known.push(Known {
                bytes: &body[start..parser.offset()],
                is_series: false,
                family_type: matches!(other, Entry::Type { .. }).then_some(parser.family_type()),
            }),
            Ok(None) => return known,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The sum of the values of all series, so that each is needed.
fn first_scrape(body: &[u8], labels: &mut LabelSet) -> f64 {
    let mut parser = Parser::new(body, Format::Text);
    let mut sum = 0.0;
    while let Ok(Some(entry)) = parser.next_entry() {
        if let Entry::Series(series) = entry {
            let _ = parser.labels(labels);
            black_box(&*labels);
            sum += series.value;
        }
    }
    sum
}

fn later_scrape(body: &[u8], known: &[Known<'_>]) -> f64 {
    let mut parser = Parser::new(body, Format::Text);
    let mut sum = 0.0;
    for line in known {
        let length = line.bytes.len();
        let start = parser.offset();
        if body.get(start..start + length) != Some(line.bytes) {
            continue;
        }
        if !line.is_series {
            parser.skip_known_lines(length, line.family_type);
        } else if let Some((value, _)) = parser.next_known_series(length) {
            sum += value;
        }
    }
    sum
}

fn parse(criterion: &mut Criterion) {
    for (name, body) in CAPTURES {
        let known = remember(body);
        let series = known.iter().filter(|line| line.is_series);
        let series = series.count() as u64;
        let mut labels = LabelSet::new();
        let first = first_scrape(body, &mut labels);
        assert_eq!(first.to_bits(), later_scrape(body, &known).to_bits());

        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::ElementsAndBytes {
            elements: series,
            bytes: body.len() as u64,
        });
        group.bench_function("first", |bench| {
            bench.iter(|| first_scrape(black_box(body), &mut labels));
        });
        group.bench_function("later", |bench| {
            bench.iter(|| later_scrape(black_box(body), &known));
        });
        group.finish();
    }
}

criterion_group!(benches, parse);
criterion_main!(benches);
