//! What relabelling costs: the rules of a tenant's configuration over every series of a node.

use std::hint::black_box;
use std::path::Path;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use es_scraper::config::{Config, LoadOptions};
use es_scraper::relabel::{Keep, RelabelConfig, apply};
use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;

const CAPTURE: &[u8] = include_bytes!("../../fixtures/data/es-node-1.prom");
const TENANT: &str = include_str!("../../fixtures/data/tenant-prometheus.yml");

/// As many series as Prometheus 3.5.3 keeps of the capture.
const KEPT: usize = 63;

fn series() -> Vec<LabelSet> {
    let mut parser = Parser::new(CAPTURE, Format::Text);
    let mut series = Vec::new();
    while let Some(entry) = parser.next_entry().expect("the capture is an exposition") {
        if let Entry::Series(_) = entry {
            let mut labels = LabelSet::new();
            parser
                .labels(&mut labels)
                .expect("the capture is an exposition");
            series.push(labels);
        }
    }
    series
}

fn rules() -> Vec<RelabelConfig> {
    let options = LoadOptions {
        file: Path::new("tenant-prometheus.yml"),
        environment: &|_| None,
    };
    let config: Config = Config::load(TENANT, options, &()).expect("the configuration is valid");
    config.scrape_configs[0].metric_relabel_configs.to_vec()
}

fn kept(rules: &[RelabelConfig], series: &mut [LabelSet]) -> usize {
    series
        .iter_mut()
        .map(|labels| apply(rules, labels))
        .filter(|keep| *keep == Keep::Kept)
        .count()
}

fn relabel(criterion: &mut Criterion) {
    let rules = rules();
    let series = series();
    assert_eq!(kept(&rules, &mut series.clone()), KEPT);

    let mut group = criterion.benchmark_group("relabel");
    let count = u64::try_from(series.len()).expect("a thousand series");
    group.throughput(Throughput::Elements(count));
    group.bench_function("tenant", |bencher| {
        bencher.iter_batched_ref(
            || series.clone(),
            |series| black_box(kept(&rules, series)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, relabel);
criterion_main!(benches);
