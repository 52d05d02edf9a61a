//! What a target's scrapes leave in the sink: its samples, and the report of each scrape.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prom_model::exposition::Format;
use prom_model::exposition::negotiate::scrape_format;
use prom_model::label::{LabelSet, METRIC_NAME};
use prom_model::sample::Sample;
use prom_model::sink::{SeriesRef, TargetSink};

use super::append::{Counts, Exposition, append};
use super::cache::SeriesCache;
use super::client::{Answer, Encoding};
use super::error::ScrapeError;
use super::inflate::Inflater;
use super::rules::{EXPORTED, SampleRules};
use super::workspace::Workspace;

/// The series that tell of each scrape, in the order in which Prometheus writes them.
const REPORT: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// When a scrape was made, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScrapeTime {
    /// Timestamp of its samples.
    pub at_ms: i64,
    /// The clock now: samples far ahead of it are refused.
    pub now_ms: i64,
}

/// What was fetched of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// How the body is packed, and its format.
    pub answer: &'a Answer,
    /// The body as it was received.
    pub body: &'a [u8],
}

/// Writes the scrapes of one target into a sink, however they are fetched.
///
/// It remembers of a body where which series stands, so that the next one costs little where it is alike.
pub struct TargetWriter {
    sink: Box<dyn TargetSink>,
    labels: Arc<LabelSet>,
    cache: SeriesCache,
    report: Option<[SeriesRef; REPORT.len()]>,
}

impl TargetWriter {
    /// A writer for the target with `labels`, as yet without a scrape.
    #[must_use]
    pub fn new(sink: Box<dyn TargetSink>, labels: Arc<LabelSet>) -> Self {
        Self {
            sink,
            labels,
            cache: SeriesCache::default(),
            report: None,
        }
    }

    /// Has to be called where the rules have changed in what they make of labels.
    pub fn forget_texts(&mut self) {
        self.cache.forget_texts();
    }

    /// Writes a scrape: the samples of a body, or none of them where it failed, what has ended, and the report.
    /// All of it becomes visible at once. `took` is asked when all else is done.
    ///
    /// Beside what the scrape came to the answer says why it failed, be it in fetching or here.
    pub fn write(
        &mut self,
        time: ScrapeTime,
        fetched: Result<Received<'_>, ScrapeError>,
        rules: &SampleRules,
        workspace: &mut Workspace,
        took: impl FnOnce() -> Duration,
    ) -> (Counts, Result<(), ScrapeError>) {
        let sink = &mut *self.sink;
        sink.begin(time.at_ms);
        let Workspace { inflater, memory } = workspace;
        let unpacked = fetched.and_then(|fetched| unpack(fetched, rules, inflater));
        let (counts, result, ended) = match unpacked {
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
        let failed = result.is_err();
        if failed {
            // Drops what was appended before the scrape failed.
            sink.begin(time.at_ms);
        }
        for series in ended.stale {
            append_if_newer(sink, *series, Sample::stale());
        }
        let report = report_series(&mut self.report, sink, &self.labels);
        // A target that exposes a series of its own report doesn't take that away.
        let release = |sink: &mut dyn TargetSink| {
            for series in ended.gone.iter().filter(|series| !report.contains(series)) {
                sink.release(*series);
            }
        };
        if failed {
            // These never had a sample that anybody could see: the sink need not take them up at all.
            release(sink);
        }
        let values = [
            if failed { 0.0 } else { 1.0 },
            took().as_secs_f64(),
            counts.scraped as f64,
            counts.post_relabeling as f64,
            counts.series_added as f64,
        ];
        for (series, value) in report.iter().zip(values) {
            append_if_newer(sink, *series, Sample::new(value));
        }
        sink.commit();
        if !failed {
            release(sink);
        }
        (counts, result)
    }

    /// The target is gone: all of its series end at `at_ms`, those of the report among them.
    pub fn end(&mut self, at_ms: i64, workspace: &mut Workspace) {
        let sink = &mut *self.sink;
        sink.begin(at_ms);
        let ended = self.cache.end_all(&mut workspace.memory);
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

fn unpack<'a>(
    fetched: Received<'a>,
    rules: &SampleRules,
    inflater: &'a mut Inflater,
) -> Result<(&'a [u8], Format), ScrapeError> {
    let Received { answer, body } = fetched;
    let body = match answer.encoding {
        Encoding::Identity => body,
        Encoding::Gzip => inflater.inflate(body, rules.body_limit())?,
    };
    let format = match body {
        // Prometheus doesn't ask what an empty body would have been.
        [] => Format::Text,
        _ => scrape_format(Some(&answer.content_type), rules.fallback_format)?,
    };
    Ok((body, format))
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
        let mut labels = report_labels(target_labels);
        REPORT.map(|name| {
            labels.set(METRIC_NAME, name);
            sink.resolve(&labels, None)
        })
    })
}

/// The labels that all series of the report have.
///
/// Those of the target, but as in Prometheus a label `x` leaves nothing at `exported_x`, where a label that it displaces
/// would be, unless that comes later in the order of names.
fn report_labels(target_labels: &LabelSet) -> LabelSet {
    let mut labels = LabelSet::new();
    for (name, value) in target_labels.iter() {
        labels.remove(&format!("{EXPORTED}{name}"));
        labels.set(name, value);
    }
    labels
}

#[cfg(test)]
mod tests;
