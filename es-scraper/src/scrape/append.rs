//! A body's samples, on their way into the sink.

use std::ops::Range;

use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;
use prom_model::metadata::MetricType;
use prom_model::sample::Sample;
use prom_model::sink::{AppendError, FamilyRef, SeriesRef, TargetSink};

use super::cache::{Ended, Kind, Known, Pass, PassMemory, SeriesCache};
use super::error::ScrapeError;
use super::family::CurrentFamily;
use super::rules::{Fate, SampleRules};

/// How far ahead of the clock an explicit timestamp may be.
const MAX_AHEAD_MS: i64 = 10 * 60 * 1000;

/// Bytes of the longest line. Prometheus has no such limit; a line like this is a mistake of the target, and would be
/// held in memory as long as the series lives.
const MAX_LINE: usize = 1 << 20;

/// What a scrape's samples came to; also of a scrape that failed, up to where it failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Samples in the body.
    pub scraped: u64,
    /// Those that relabelling left.
    pub post_relabeling: u64,
    /// Those of series that had none before.
    pub series_added: u64,
    /// Those refused since their series has a newer one.
    pub out_of_order: u64,
    /// Those refused since their series has another value at the same time.
    pub duplicates: u64,
    /// Those refused since they are too far in the future.
    pub out_of_bounds: u64,
}

/// A body, and how it is to be read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Exposition<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) format: Format,
    pub(crate) rules: &'a SampleRules,
    pub(crate) target_labels: &'a LabelSet,
    /// The clock, in milliseconds since the Unix epoch.
    pub(crate) now_ms: i64,
}

/// Appends the samples of `exposition` to the scrape that `sink` has begun, and says which series
/// have ended. Where that fails, what has been appended is not to be committed.
///
/// An empty body is a good scrape in which every series has ended.
pub(crate) fn append<'m>(
    exposition: Exposition<'_>,
    cache: &mut SeriesCache,
    memory: &'m mut PassMemory,
    sink: &mut dyn TargetSink,
) -> (Counts, Result<(), ScrapeError>, Ended<'m>) {
    if exposition.body.is_empty() {
        return (Counts::default(), Ok(()), cache.end_all(memory));
    }
    let mut append = Append {
        exposition,
        parser: Parser::new(exposition.body, exposition.format),
        sink,
        labels: LabelSet::new(),
        counts: Counts::default(),
        limited: 0,
        comments: None,
        comments_type: None,
        comments_are_new: false,
        family: CurrentFamily::default(),
    };
    let mut pass = cache.pass(memory);
    let mut result = append.lines(&mut pass);
    let Append {
        counts, limited, ..
    } = append;
    let limit = exposition.rules.sample_limit;
    if result.is_ok() && limit > 0 && limited > limit {
        result = Err(ScrapeError::SampleLimit);
    }
    let ended = match result {
        Ok(()) => pass.finish(),
        Err(_) => pass.abandon(),
    };
    (counts, result, ended)
}

struct Append<'a> {
    exposition: Exposition<'a>,
    parser: Parser<'a>,
    sink: &'a mut dyn TargetSink,
    /// Those of the series at hand; here to keep its memory.
    labels: LabelSet,
    counts: Counts,
    /// Samples that count towards `sample_limit`.
    limited: u64,
    /// Comments read since the last series.
    comments: Option<Range<usize>>,
    /// The type that these tell.
    comments_type: Option<MetricType>,
    /// Whether those before the series at hand differ from those of the scrape before.
    comments_are_new: bool,
    family: CurrentFamily,
}

impl Append<'_> {
    fn lines(&mut self, pass: &mut Pass<'_, '_>) -> Result<(), ScrapeError> {
        loop {
            if self.known_line(pass) {
                continue;
            }
            let start = self.parser.offset();
            let entry = self.parser.next_entry().map_err(ScrapeError::Parse)?;
            if self.parser.offset() - start > MAX_LINE {
                return Err(ScrapeError::LineTooLong { limit: MAX_LINE });
            }
            match entry {
                Some(Entry::Series(entry)) => {
                    self.blank_lines(start);
                    self.end_comments(pass);
                    let (value, timestamp_ms) = (entry.value, entry.timestamp_ms);
                    self.counts.scraped += 1;
                    match pass.find(entry.series) {
                        Some(known) => self.known_series(pass, known, value, timestamp_ms)?,
                        None => self.new_series(pass, entry.series, value, timestamp_ms)?,
                    }
                }
                Some(comment) => {
                    if let Entry::Type { metric_type, .. } = comment {
                        self.comments_type = Some(metric_type);
                    }
                    let start = self
                        .comments
                        .as_ref()
                        .map_or(start, |comments| comments.start);
                    self.comments = Some(start..self.parser.offset());
                }
                None => {
                    self.end_comments(pass);
                    return Ok(());
                }
            }
        }
    }

    /// Takes the next line the short way, if it is what it was last time.
    fn known_line(&mut self, pass: &mut Pass<'_, '_>) -> bool {
        if self.comments.is_some() {
            return false;
        }
        let Some((kind, len)) = pass.expected() else {
            return false;
        };
        let start = self.parser.offset();
        let range = start..start + len;
        let Some(text) = self.exposition.body.get(range.clone()) else {
            return false;
        };
        if !pass.is_expected(text) {
            return false;
        }
        match kind {
            Kind::Series | Kind::Dropped => {
                // New comments may have changed what the series is.
                if self.comments_are_new {
                    return false;
                }
                let Some((value, timestamp_ms)) = self.parser.next_known_series(len) else {
                    return false;
                };
                let known = pass.accept();
                self.counts.scraped += 1;
                self.sample(pass, known, value, timestamp_ms);
                true
            }
            Kind::Comments => {
                let family_type = family_type(pass.expected_data());
                if !self.parser.skip_known_lines(len, family_type) {
                    return false;
                }
                pass.accept();
                self.comments_are_new = false;
                self.known_comments(pass, range);
                true
            }
            Kind::Forgotten => false,
        }
    }

    /// Counts blank lines before a series to the comments, so that the series is found where it
    /// begins next time.
    fn blank_lines(&mut self, start: usize) {
        let rest = &self.exposition.body[start..];
        let blank = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let blank = &rest[..blank.count()];
        if let Some(last) = blank.iter().rposition(|byte| *byte == b'\n') {
            let from = self
                .comments
                .as_ref()
                .map_or(start, |comments| comments.start);
            self.comments = Some(from..start + last + 1);
        }
    }

    fn end_comments(&mut self, pass: &mut Pass<'_, '_>) {
        let Some(comments) = self.comments.take() else {
            return;
        };
        let comments_type = self.comments_type.take();
        let body = self.exposition.body;
        let text = &body[comments.clone()];
        self.comments_are_new = pass.find(text).is_none();
        if self.comments_are_new {
            pass.insert(Kind::Comments, text, family_type_data(comments_type));
            self.family
                .describe(body, self.exposition.format, comments, self.sink);
        } else {
            self.known_comments(pass, comments);
        }
    }

    fn known_comments(&mut self, pass: &Pass<'_, '_>, comments: Range<usize>) {
        if pass.tells_again() {
            let Exposition { body, format, .. } = self.exposition;
            self.family.describe(body, format, comments, self.sink);
        } else {
            self.family.known(comments);
        }
    }

    /// A series that was there last time, under comments that may be new.
    fn known_series(
        &mut self,
        pass: &mut Pass<'_, '_>,
        mut known: Known,
        value: f64,
        timestamp_ms: Option<i64>,
    ) -> Result<(), ScrapeError> {
        if self.comments_are_new && known.kind == Kind::Series && !known.repeated {
            let (fate, family) = self.labels()?;
            if fate == Fate::Kept {
                known.series = self.sink.resolve(&self.labels, family);
                pass.relink(known.place, known.series);
            }
        }
        self.sample(pass, known, value, timestamp_ms);
        Ok(())
    }

    fn new_series(
        &mut self,
        pass: &mut Pass<'_, '_>,
        text: &[u8],
        value: f64,
        timestamp_ms: Option<i64>,
    ) -> Result<(), ScrapeError> {
        let (fate, family) = self.labels()?;
        if fate == Fate::Dropped {
            pass.insert(Kind::Dropped, text, NO_SERIES);
            return Ok(());
        }
        let limit = self.exposition.rules.sample_limit;
        if limit > 0 && self.limited >= limit {
            // The scrape fails; what is beyond the limit is counted and costs the sink nothing.
            self.limited += 1;
            self.counts.post_relabeling += 1;
            return Ok(());
        }
        let series = self.sink.resolve(&self.labels, family);
        let known = pass.insert(Kind::Series, text, series);
        self.sample(pass, known, value, timestamp_ms);
        Ok(())
    }

    /// Makes `self.labels` those that the series at hand has in the sink.
    fn labels(&mut self) -> Result<(Fate, Option<FamilyRef>), ScrapeError> {
        let Exposition {
            body,
            format,
            rules,
            target_labels,
            ..
        } = self.exposition;
        self.parser
            .labels(&mut self.labels)
            .map_err(ScrapeError::Parse)?;
        let family = self
            .family
            .of(self.labels.metric_name(), body, format, self.sink);
        let fate = rules.apply(target_labels, &mut self.labels, self.parser.empty_labels())?;
        Ok((fate, family))
    }

    fn sample(
        &mut self,
        pass: &mut Pass<'_, '_>,
        known: Known,
        value: f64,
        timestamp_ms: Option<i64>,
    ) {
        if known.kind != Kind::Series {
            return;
        }
        let rules = self.exposition.rules;
        self.counts.post_relabeling += 1;
        let timestamp_ms = timestamp_ms.filter(|_| rules.honor_timestamps);
        if known.repeated && timestamp_ms.is_none() {
            self.counts.duplicates += 1;
            return;
        }
        self.limited += 1;
        if rules.sample_limit > 0 && self.limited > rules.sample_limit {
            return;
        }
        let tracked = timestamp_ms.is_none() || rules.track_timestamps_staleness;
        let is_ahead = timestamp_ms.is_some_and(|timestamp_ms| {
            timestamp_ms > self.exposition.now_ms.saturating_add(MAX_AHEAD_MS)
        });
        let refused = if is_ahead {
            &mut self.counts.out_of_bounds
        } else {
            let sample = Sample {
                value,
                timestamp_ms,
            };
            // Of several texts that mean the same series the first one counts, without complaint.
            let appended = if known.shadowed && timestamp_ms.is_none() {
                Ok(())
            } else {
                self.sink.append(known.series, sample)
            };
            match appended {
                Ok(()) => {
                    self.counts.series_added += u64::from(pass.taken(known.place, tracked));
                    return;
                }
                Err(AppendError::OutOfOrder) => &mut self.counts.out_of_order,
                Err(AppendError::DuplicateTimestamp) => &mut self.counts.duplicates,
            }
        };
        *refused += 1;
        pass.refused(known.place, tracked);
    }
}

/// What stands for the series where there is none.
const NO_SERIES: SeriesRef = SeriesRef(u32::MAX);

const FAMILY_TYPES: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

/// The type that comments tell, as the cache keeps it in the place of a series.
fn family_type_data(family_type: Option<MetricType>) -> SeriesRef {
    let mut places = (0..).zip(FAMILY_TYPES);
    let place = places.find(|(_, have)| Some(*have) == family_type);
    place.map_or(NO_SERIES, |(place, _)| SeriesRef(place))
}

fn family_type(data: SeriesRef) -> Option<MetricType> {
    FAMILY_TYPES.get(data.0 as usize).copied()
}
