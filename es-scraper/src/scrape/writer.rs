//! What a target's scrapes leave in the sink: its samples, and the report of each scrape.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prom_model::exposition::Format;
use prom_model::label::{LabelSet, METRIC_NAME};
use prom_model::sample::Sample;
use prom_model::sink::{SeriesRef, TargetSink};

use super::append::{Counts, Exposition, append};
use super::cache::{PassMemory, SeriesCache};
use super::error::ScrapeError;
use super::rules::SampleRules;

/// The series that tell of each scrape, in the order in which Prometheus writes them.
const REPORT: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// When a scrape was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ScrapeTime {
    /// Timestamp of its samples, in milliseconds since the Unix epoch.
    pub(crate) at_ms: i64,
    /// The clock now.
    pub(crate) now_ms: i64,
}

/// Writes the scrapes of one target.
pub(crate) struct TargetWriter {
    sink: Box<dyn TargetSink>,
    labels: Arc<LabelSet>,
    cache: SeriesCache,
    report: Option<[SeriesRef; REPORT.len()]>,
}

impl TargetWriter {
    pub(crate) fn new(sink: Box<dyn TargetSink>, labels: Arc<LabelSet>) -> Self {
        Self {
            sink,
            labels,
            cache: SeriesCache::default(),
            report: None,
        }
    }

    /// The rules have changed in what they make of labels.
    pub(crate) fn forget_texts(&mut self) {
        self.cache.forget_texts();
    }

    /// Writes a scrape: the samples of a body, or none of them where it failed, what has ended, and the report.
    /// All of it becomes visible at once. `took` is asked when all else is done.
    pub(crate) fn write(
        &mut self,
        time: ScrapeTime,
        fetched: Result<(&[u8], Format), ScrapeError>,
        rules: &SampleRules,
        memory: &mut PassMemory,
        took: impl FnOnce() -> Duration,
    ) -> (Counts, Result<(), ScrapeError>) {
        let sink = &mut *self.sink;
        sink.begin(time.at_ms);
        let (counts, result, ended) = match fetched {
            Ok((body, format)) => {
                let exposition = Exposition {
                    body,
                    format,
                    rules,
                    target_labels: &self.labels,
                    now_ms: time.now_ms,
                };
                append(exposition, &mut self.cache, memory, sink)
            }
            Err(error) => (Counts::default(), Err(error), self.cache.end_all(memory)),
        };
        if result.is_err() {
            // Drops what was appended before the scrape failed.
            sink.begin(time.at_ms);
        }
        for series in ended.stale {
            append_if_newer(sink, *series, Sample::stale());
        }
        let report = report_series(&mut self.report, sink, &self.labels);
        let values = [
            if result.is_ok() { 1.0 } else { 0.0 },
            took().as_secs_f64(),
            counts.scraped as f64,
            counts.post_relabeling as f64,
            counts.series_added as f64,
        ];
        for (series, value) in report.iter().zip(values) {
            append_if_newer(sink, *series, Sample::new(value));
        }
        sink.commit();
        // A target that exposes a series of its own report doesn't take that away.
        for series in ended.gone.iter().filter(|series| !report.contains(series)) {
            sink.release(*series);
        }
        (counts, result)
    }

    /// The target is gone: all of its series end at `at_ms`, those of the report among them.
    pub(crate) fn end(&mut self, at_ms: i64, memory: &mut PassMemory) {
        let sink = &mut *self.sink;
        sink.begin(at_ms);
        let ended = self.cache.end_all(memory);
        let report = report_series(&mut self.report, sink, &self.labels);
        for series in ended.stale.iter().chain(&report) {
            append_if_newer(sink, *series, Sample::stale());
        }
        sink.commit();
    }
}

impl fmt::Debug for TargetWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TargetWriter")
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// What the scraper itself has to say of a series gives way to what the target says, and to a
/// writer that has replaced this one: neither is an error.
fn append_if_newer(sink: &mut dyn TargetSink, series: SeriesRef, sample: Sample) {
    let _ = sink.append(series, sample);
}

fn report_series(
    known: &mut Option<[SeriesRef; REPORT.len()]>,
    sink: &mut dyn TargetSink,
    target_labels: &LabelSet,
) -> [SeriesRef; REPORT.len()] {
    *known.get_or_insert_with(|| {
        let mut labels = target_labels.clone();
        REPORT.map(|name| {
            labels.set(METRIC_NAME, name);
            sink.resolve(&labels, None)
        })
    })
}

#[cfg(test)]
mod tests;
