//! One parser over both text formats, with a short way for lines that are known from the scrape before.

use std::borrow::Cow;
use std::ops::Range;

use super::error::ParseError;
use super::float;
use super::labels::Spans;
use super::scanner::Scanner;
use super::unescape::{Escapes, unescape};
use super::{Format, openmetrics, text};
use crate::label::LabelSet;
use crate::metadata::MetricType;

/// One line of an exposition.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// `# TYPE`: the type of the metric family `name`, which lasts up to the next such line.
    Type {
        /// The metric family's name, unescaped.
        name: Cow<'a, str>,
        /// Its type.
        metric_type: MetricType,
    },
    /// `# HELP`: the help text of the metric family `name`.
    Help {
        /// The metric family's name, unescaped.
        name: Cow<'a, str>,
        /// The help text, unescaped.
        help: Cow<'a, str>,
    },
    /// `# UNIT`: the unit of the metric family `name` (OpenMetrics).
    Unit {
        /// The metric family's name, unescaped.
        name: Cow<'a, str>,
        /// The unit, maybe empty.
        unit: Cow<'a, str>,
    },
    /// A comment that means nothing, from its `#` on (text format).
    Comment(&'a [u8]),
    /// A series with its sample. An exemplar has been checked and left out.
    Series(SeriesEntry<'a>),
}

/// A series with its sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesEntry<'a> {
    /// The bytes of name and labels, as they stand in the body; what [`Parser::next_known_series`] goes by.
    pub series: &'a [u8],
    /// The value; every NaN is the same one.
    pub value: f64,
    /// Milliseconds since the Unix epoch; `None` takes the scrape's time.
    pub timestamp_ms: Option<i64>,
}

/// What the grammars tell the parser of a line.
pub(super) enum Line<'a> {
    /// Read to its end.
    Metadata(Entry<'a>),
    /// Read up to its value.
    Series(Range<usize>),
}

/// Reads an exposition line by line.
///
/// The input decides neither recursion nor allocation: what grows is one vector by the labels of a line.
#[derive(Debug, Clone)]
pub struct Parser<'a> {
    scanner: Scanner<'a>,
    spans: Spans,
    family_type: MetricType,
}

impl<'a> Parser<'a> {
    /// A parser at the start of `body`.
    ///
    /// An empty body is a valid one without series in either format, as it is to a scrape of Prometheus.
    #[must_use]
    pub fn new(body: &'a [u8], format: Format) -> Self {
        Self {
            scanner: Scanner {
                body,
                // Behind the end is where a finished parser stands.
                at: usize::from(body.is_empty()),
                format,
            },
            spans: Spans::default(),
            family_type: MetricType::Unknown,
        }
    }

    /// The next line that isn't blank, `None` at the end of the body.
    ///
    /// # Errors
    /// Where Prometheus would fail the scrape. What was returned before is then not to be used, and nothing after.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        if self.is_finished() {
            return Ok(None);
        }
        self.spans.clear();
        let scanner = &mut self.scanner;
        let line = match scanner.format {
            Format::Text => text::line(scanner, &mut self.spans),
            Format::OpenMetrics => openmetrics::line(scanner, &mut self.spans),
        }?;
        match line {
            None => {
                self.scanner.at = self.scanner.body.len() + 1;
                Ok(None)
            }
            Some(Line::Metadata(entry)) => {
                if let Entry::Type { metric_type, .. } = entry {
                    self.family_type = metric_type;
                }
                Ok(Some(entry))
            }
            Some(Line::Series(span)) => {
                let (value, timestamp_ms) = self.value_and_timestamp()?;
                Ok(Some(Entry::Series(SeriesEntry {
                    series: &self.scanner.body[span],
                    value,
                    timestamp_ms,
                })))
            }
        }
    }

    /// Replaces the contents of `into` by the labels, `__name__` among them, of the series that
    /// [`Parser::next_entry`] just returned.
    ///
    /// Labels with an empty value are left out. The values of `le` in a histogram and of `quantile` in a summary are written
    /// as OpenMetrics writes numbers (`1` becomes `1.0`).
    ///
    /// # Errors
    /// Where the metric has no name, a label has no name or comes twice, or a name isn't UTF-8: for Prometheus these
    /// aren't errors of the syntax, but the scrape fails all the same.
    pub fn labels(&self, into: &mut LabelSet) -> Result<(), ParseError> {
        self.spans.decode(self.scanner.body, self.family_type, into)
    }

    /// Names of the labels that [`Parser::labels`] has left out, since the series gives them an empty value.
    ///
    /// They are absent from the series, but keep a label of the target from taking their place where exposed labels are
    /// honored.
    pub fn empty_labels(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.spans.empty(self.scanner.body)
    }

    /// The type in the last `# TYPE` line, whatever family it was for; to be handed to
    /// [`Parser::skip_known_lines`] when that line comes again.
    #[must_use]
    pub const fn family_type(&self) -> MetricType {
        self.family_type
    }

    /// The byte offset of the next line.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.scanner.at.min(self.scanner.body.len())
    }

    /// The value and the timestamp behind a series of `length` bytes that starts at [`Parser::offset`].
    ///
    /// The caller vouches that those bytes are what [`SeriesEntry::series`] once was, in a body of the same format.
    /// `None` where more would have to be known, as of a longer name; the position is then unchanged, and
    /// [`Parser::next_entry`] tells.
    #[inline]
    pub fn next_known_series(&mut self, length: usize) -> Option<(f64, Option<i64>)> {
        let start = self.scanner.at;
        let line = self.scanner.body.get(start + length..)?;
        // A blank ends the name, and a number rules out that braces follow.
        let number = line.strip_prefix(b" ")?;
        if let Some((value, read)) = float::parse_plain(number) {
            match number.get(read) {
                Some(b'\n') => {
                    self.scanner.at = start + length + read + 2;
                    return Some((value, None));
                }
                Some(b' ') if self.scanner.format == Format::Text => {
                    let timestamp = &number[read + 1..];
                    if let Some((timestamp_ms, digits)) = parse_timestamp_ms(timestamp) {
                        self.scanner.at = start + length + read + digits + 3;
                        return Some((value, Some(timestamp_ms)));
                    }
                }
                _ => {}
            }
        }
        self.scanner.at = start + length;
        let sample = self.value_and_timestamp().ok();
        if sample.is_none() {
            self.scanner.at = start;
        }
        sample
    }

    /// Steps over `length` bytes at [`Parser::offset`], for which [`Parser::next_entry`] returned something other than
    /// series in a body of the same format. `family_type` is what [`Parser::family_type`] was after them if a `# TYPE`
    /// line is among them, and `None` if they leave it as it is.
    ///
    /// `false`, the position unchanged, where these lines might now mean something else; then [`Parser::next_entry`] tells.
    #[inline]
    pub fn skip_known_lines(&mut self, length: usize, family_type: Option<MetricType>) -> bool {
        let body = self.scanner.body;
        let end = self.scanner.at + length;
        let ends_line = length > 0 && body.get(end - 1) == Some(&b'\n');
        if !ends_line || body.get(end) == Some(&0) {
            return false;
        }
        self.scanner.at = end;
        self.family_type = family_type.unwrap_or(self.family_type);
        true
    }

    fn value_and_timestamp(&mut self) -> Result<(f64, Option<i64>), ParseError> {
        match self.scanner.format {
            Format::Text => text::value_and_timestamp(&mut self.scanner),
            Format::OpenMetrics => openmetrics::value_and_timestamp(&mut self.scanner),
        }
    }

    fn is_finished(&self) -> bool {
        self.scanner.at > self.scanner.body.len()
    }
}

/// The whole number up to the end of the line, and its length; `None` where it is something else
/// or might be out of range.
#[inline]
fn parse_timestamp_ms(bytes: &[u8]) -> Option<(i64, usize)> {
    let mut timestamp_ms = 0_i64;
    let mut at = 0;
    loop {
        match bytes.get(at)? {
            digit @ b'0'..=b'9' if at < 18 => {
                timestamp_ms = timestamp_ms * 10 + i64::from(digit - b'0');
            }
            b'\n' if at > 0 => return Some((timestamp_ms, at)),
            _ => return None,
        }
        at += 1;
    }
}

/// The name of a metric family at `span`, without quotes and escapes. Prometheus doesn't check that it is UTF-8.
pub(super) fn family_name(body: &[u8], span: Range<usize>) -> Cow<'_, str> {
    let name = match &body[span] {
        [b'"', inner @ .., b'"'] => inner,
        name => name,
    };
    match String::from_utf8_lossy(name) {
        Cow::Borrowed(name) => unescape(name, Escapes::Quoted),
        Cow::Owned(name) => Cow::Owned(unescape(&name, Escapes::Quoted).into_owned()),
    }
}
