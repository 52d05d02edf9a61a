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

    /// Decodes what was read of `body`, `metric_type` being the type of the family that the series is in.
    pub(super) fn decode(
        &self,
        body: &[u8],
        metric_type: MetricType,
        into: &mut LabelSet,
    ) -> Result<(), ParseError> {
        into.clear();
        let at = |span: &Range<usize>, kind| ParseError::new(body, span.start, kind);
        let name = self.metric_name.clone().unwrap_or(0..0);
        let metric_name = std::str::from_utf8(&body[name.clone()])
            .map_err(|_| at(&name, ParseErrorKind::NameNotUtf8))?;
        if metric_name.is_empty() {
            return Err(at(&name, ParseErrorKind::NoMetricName));
        }
        into.set(METRIC_NAME, &unescape(metric_name, Escapes::Quoted));

        for (name, value) in &self.labels {
            let raw = std::str::from_utf8(&body[value.clone()])
                .map_err(|_| at(value, ParseErrorKind::LabelValueNotUtf8))?;
            if raw.is_empty() {
                continue;
            }
            let label = std::str::from_utf8(&body[name.clone()])
                .map_err(|_| at(name, ParseErrorKind::NameNotUtf8))?;
            if label.is_empty() {
                return Err(at(name, ParseErrorKind::NoLabelName));
            }
            let label = unescape(label, Escapes::Quoted);
            let text = unescape(raw, Escapes::Quoted);
            if into.get(&label).is_some() && !self.is_removed(body, &label) {
                let name_found = Found::token(label.as_bytes());
                return Err(at(
                    name,
                    ParseErrorKind::DuplicateLabel { name: name_found },
                ));
            }
            let is_number = match metric_type {
                MetricType::Summary => label == "quantile",
                MetricType::Histogram => label == "le",
                _ => false,
            };
            match is_number.then(|| float::normalize(&text)).flatten() {
                Some(number) => into.set(&label, &number),
                None => into.set(&label, &text),
            }
        }
        for label in self.empty_labels(body) {
            into.remove(&label);
        }
        if into.metric_name().is_empty() {
            return Err(at(&name, ParseErrorKind::NoMetricName));
        }
        Ok(())
    }

    /// The names of the labels that are given without a value, which takes away any value they were given beside that.
    fn empty_labels<'a>(&self, body: &'a [u8]) -> impl Iterator<Item = Cow<'a, str>> {
        let empty = self.labels.iter().filter(|(_, value)| value.is_empty());
        empty.filter_map(|(name, _)| {
            let name = std::str::from_utf8(&body[name.clone()]).ok()?;
            Some(unescape(name, Escapes::Quoted))
        })
    }

    fn is_removed(&self, body: &[u8], label: &str) -> bool {
        self.empty_labels(body).any(|removed| removed == label)
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
