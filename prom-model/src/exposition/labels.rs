//! The part of a line in braces.

use std::borrow::Cow;
use std::ops::Range;

use super::Format;
use super::error::{Found, ParseError, ParseErrorKind};
use super::float;
use super::scanner::{Newline, Nul, Scanner};
use super::unescape::{Escapes, unescape};
use crate::label::{LabelSet, METRIC_NAME};
use crate::metadata::MetricType;

/// Where the name and the labels of a series are in the body, escapes not yet resolved.
#[derive(Debug, Clone, Default)]
pub(super) struct Spans {
    pub(super) metric_name: Option<Range<usize>>,
    labels: Vec<(Range<usize>, Range<usize>)>,
}

/// Which labels are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Series,
    Exemplar,
}

/// What comes first of a label, or ends them.
enum Head {
    Close,
    /// A name, quotes included.
    Name(Range<usize>),
}

impl Spans {
    pub(super) fn clear(&mut self) {
        self.metric_name = None;
        self.labels.clear();
    }

    /// Reads from behind the opening brace of a series to behind its closing one.
    pub(super) fn read(&mut self, scanner: &mut Scanner<'_>) -> Result<(), ParseError> {
        read(scanner, Place::Series, self)
    }

    /// Names that `body` gives no value.
    pub(super) fn empty<'a>(&'a self, body: &'a [u8]) -> impl Iterator<Item = Cow<'a, str>> {
        let empty = self.labels.iter().filter(|(_, value)| value.is_empty());
        empty.filter_map(|(name, _)| {
            let name = std::str::from_utf8(&body[name.clone()]).ok()?;
            Some(unescape(name, Escapes::Quoted))
        })
    }

    /// Decodes what was read of `body`, `metric_type` being the type of the family that the series is in.
    pub(super) fn decode(
        &self,
        body: &[u8],
        metric_type: MetricType,
        into: &mut LabelSet,
    ) -> Result<(), ParseError> {
        into.clear();
        let metric_name = self.metric_name.clone().unwrap_or_default();
        let mut labels = Vec::with_capacity(self.labels.len() + 1);
        labels.push(Label {
            at: metric_name.start,
            name: Cow::Borrowed(METRIC_NAME),
            value: decoded(body, &metric_name, ParseErrorKind::NameNotUtf8)?,
        });
        for (name, value) in &self.labels {
            // A label without a value isn't there, whatever its name.
            if value.is_empty() && std::str::from_utf8(&body[name.clone()]).is_err() {
                continue;
            }
            labels.push(Label {
                at: name.start,
                name: decoded(body, name, ParseErrorKind::NameNotUtf8)?,
                value: decoded(body, value, ParseErrorKind::LabelValueNotUtf8)?,
            });
        }
        // In order, so that the time taken doesn't grow with the square of what a line holds.
        labels.sort_by(|a, b| a.name.cmp(&b.name));
        for same_name in labels.chunk_by(|a, b| a.name == b.name) {
            // An empty value takes the label away, even where it is given a value too.
            if same_name.iter().any(|label| label.value.is_empty()) {
                continue;
            }
            if let Some(second) = same_name.get(1) {
                let name = Found::token(second.name.as_bytes());
                let kind = ParseErrorKind::DuplicateLabel { name };
                return Err(ParseError::new(body, second.at, kind));
            }
            for Label { at, name, value } in same_name {
                if name.is_empty() {
                    return Err(ParseError::new(body, *at, ParseErrorKind::NoLabelName));
                }
                let is_number = match metric_type {
                    MetricType::Summary => name == "quantile",
                    MetricType::Histogram => name == "le",
                    _ => false,
                };
                match is_number.then(|| float::normalize(value)).flatten() {
                    Some(number) => into.set(name, &number),
                    None => into.set(name, value),
                }
            }
        }
        if into.metric_name().is_empty() {
            let kind = ParseErrorKind::NoMetricName;
            return Err(ParseError::new(body, metric_name.start, kind));
        }
        Ok(())
    }
}

/// A label with its escapes resolved.
struct Label<'a> {
    /// Where its name is in the body.
    at: usize,
    name: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// The text at `span`, its escapes resolved.
fn decoded<'a>(
    body: &'a [u8],
    span: &Range<usize>,
    not_utf8: ParseErrorKind,
) -> Result<Cow<'a, str>, ParseError> {
    match std::str::from_utf8(&body[span.clone()]) {
        Ok(text) => Ok(unescape(text, Escapes::Quoted)),
        Err(_) => Err(ParseError::new(body, span.start, not_utf8)),
    }
}

/// Reads the labels of an exemplar, which have to be well-formed and are otherwise ignored.
pub(super) fn skip_exemplar_labels(scanner: &mut Scanner<'_>) -> Result<(), ParseError> {
    read(scanner, Place::Exemplar, &mut Spans::default())
}

fn read(scanner: &mut Scanner<'_>, place: Place, spans: &mut Spans) -> Result<(), ParseError> {
    loop {
        let Head::Name(mut name) = head(scanner, place)? else {
            return Ok(());
        };
        skip_blanks(scanner, Nul::Reject);
        if place == Place::Series && matches!(scanner.peek(), Some(b',' | b'}')) {
            set_metric_name(scanner, name, spans)?;
            if scanner.eat(b'}') {
                return Ok(());
            }
            scanner.at += 1;
            continue;
        }
        if scanner.body[name.start] == b'"' {
            name = name.start + 1..name.end - 1;
        }
        if !scanner.eat(b'=') {
            return Err(scanner.unexpected("\"=\""));
        }
        let value = value(scanner, place)?;
        if place == Place::Series {
            spans.labels.push((name, value));
        }
        skip_blanks(scanner, Nul::Reject);
        // The text format takes labels that nothing separates.
        if !scanner.eat(b',')
            && scanner.format == Format::OpenMetrics
            && scanner.peek() != Some(b'}')
        {
            return Err(scanner.unexpected("\",\" or \"}\""));
        }
    }
}

/// Blanks are allowed between the parts of labels in the text format only.
fn skip_blanks(scanner: &mut Scanner<'_>, nul: Nul) {
    if scanner.format == Format::Text {
        scanner.skip_blanks(nul);
    }
}

fn head(scanner: &mut Scanner<'_>, place: Place) -> Result<Head, ParseError> {
    skip_blanks(scanner, Nul::Reject);
    match scanner.peek() {
        Some(b'}') => {
            scanner.at += 1;
            Ok(Head::Close)
        }
        Some(b'"') => {
            let newline = match place {
                Place::Series => Newline::Accept,
                Place::Exemplar => Newline::Reject,
            };
            scanner
                .eat_quoted(Nul::Reject, newline, "a label name")
                .map(Head::Name)
        }
        _ => match scanner.eat_label_name() {
            Some(name) => Ok(Head::Name(name)),
            None => Err(scanner.unexpected("a label name")),
        },
    }
}

/// Takes `token`, which has no value, for the metric's name.
fn set_metric_name(
    scanner: &Scanner<'_>,
    token: Range<usize>,
    spans: &mut Spans,
) -> Result<(), ParseError> {
    if spans.metric_name.is_some() {
        return Err(scanner.error(token.start, ParseErrorKind::TwoMetricNames));
    }
    // Prometheus takes a name without quotes here and cuts its first and last letter off; of a single letter it
    // can't.
    if token.len() < 2 {
        return Err(scanner.error(token.start, ParseErrorKind::NoMetricName));
    }
    spans.metric_name = Some(token.start + 1..token.end - 1);
    Ok(())
}

/// Reads a label's value and returns where it is, without its quotes.
fn value(scanner: &mut Scanner<'_>, place: Place) -> Result<Range<usize>, ParseError> {
    skip_blanks(scanner, Nul::Skip);
    let nul = match place {
        Place::Series => Nul::Skip,
        Place::Exemplar => Nul::Reject,
    };
    let newline = match scanner.format {
        Format::Text => Newline::Accept,
        Format::OpenMetrics => Newline::Reject,
    };
    let token = scanner.eat_quoted(nul, newline, "a label value in quotes")?;
    // Where NULs follow the closing quote, Prometheus takes the quote for part of the value.
    let value = token.start + 1..token.end - 1;
    if std::str::from_utf8(&scanner.body[value.clone()]).is_err() {
        return Err(scanner.error(value.start, ParseErrorKind::LabelValueNotUtf8));
    }
    Ok(value)
}
