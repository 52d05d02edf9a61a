//! The grammar of OpenMetrics 1.0, as far as Prometheus holds to it.

use super::error::{Found, ParseError, ParseErrorKind};
use super::float;
use super::labels::{Spans, skip_exemplar_labels};
use super::parser::{Entry, Line, family_name};
use super::scanner::{Newline, Nul, Scanner};
use super::text::number_error;
use super::unescape::{Escapes, unescape};
use crate::metadata::MetricType;

/// Reads the next line. `None` at its last one, `# EOF`.
pub(super) fn line<'a>(
    scanner: &mut Scanner<'a>,
    spans: &mut Spans,
) -> Result<Option<Line<'a>>, ParseError> {
    let start = scanner.at;
    match scanner.peek() {
        None => Err(scanner.error(start, ParseErrorKind::NoEof)),
        Some(b'#') => comment(scanner),
        Some(b'{') => {
            scanner.at += 1;
            spans.read(scanner)?;
            if spans.metric_name.is_none() {
                return Err(scanner.error(start, ParseErrorKind::NoMetricName));
            }
            Ok(Some(Line::Series(start..scanner.at)))
        }
        Some(_) => {
            let Some(name) = scanner.eat_metric_name() else {
                return Err(scanner.unexpected("a metric name or a comment"));
            };
            spans.metric_name = Some(name);
            if scanner.eat(b'{') {
                spans.read(scanner)?;
            }
            Ok(Some(Line::Series(start..scanner.at)))
        }
    }
}

/// Reads what follows a series: value, timestamp, exemplar, end of line.
pub(super) fn value_and_timestamp(
    scanner: &mut Scanner<'_>,
) -> Result<(f64, Option<i64>), ParseError> {
    let value = number(scanner, "a space and a value")?;
    if scanner.eat(b'\n') || ends_in_nothing(scanner) {
        return Ok((value, None));
    }
    let timestamp_ms = if starts_exemplar(scanner) {
        None
    } else {
        Some(timestamp(scanner)?)
    };
    if starts_exemplar(scanner) {
        exemplar(scanner)?;
    } else {
        end_of_line(scanner, "an exemplar or the end of the line")?;
    }
    Ok((value, timestamp_ms))
}

fn exemplar(scanner: &mut Scanner<'_>) -> Result<(), ParseError> {
    scanner.at += EXEMPLAR.len();
    skip_exemplar_labels(scanner)?;
    number(scanner, "a space and the exemplar's value")?;
    if scanner.eat(b'\n') {
        return Ok(());
    }
    timestamp(scanner)?;
    end_of_line(scanner, "the end of the line")
}

const EXEMPLAR: &[u8] = b" # {";

fn starts_exemplar(scanner: &Scanner<'_>) -> bool {
    scanner.body[scanner.at.min(scanner.body.len())..].starts_with(EXEMPLAR)
}

/// Whether a sample has behind its value what neither a timestamp nor an exemplar can be. Prometheus takes the sample,
/// and fails at the line that it then sees there.
fn ends_in_nothing(scanner: &Scanner<'_>) -> bool {
    match &scanner.body[scanner.at.min(scanner.body.len())..] {
        [b' ', b'#', b' ', rest @ ..] => rest.first() != Some(&b'{'),
        [b' ', next, ..] => matches!(next, b' ' | b'\n'),
        _ => false,
    }
}

fn end_of_line(scanner: &mut Scanner<'_>, expected: &'static str) -> Result<(), ParseError> {
    if scanner.eat(b'\n') {
        return Ok(());
    }
    Err(match scanner.peek() {
        None => scanner.error(scanner.at, ParseErrorKind::NoEof),
        Some(_) => scanner.unexpected(expected),
    })
}

/// Reads a space and a number.
fn number(scanner: &mut Scanner<'_>, expected: &'static str) -> Result<f64, ParseError> {
    let before = scanner.at;
    let found_space = scanner.eat(b' ');
    let start = scanner.at;
    let token = scanner.skip_token(|byte| matches!(byte, b' ' | b'\n'));
    if !found_space || token.is_empty() {
        scanner.at = before;
        return Err(match scanner.peek() {
            None => scanner.error(before, ParseErrorKind::NoEof),
            Some(_) => scanner.unexpected(expected),
        });
    }
    float::parse(token).map_err(|error| number_error(scanner, start, token, error))
}

/// Reads a space and a timestamp in seconds; returns milliseconds.
fn timestamp(scanner: &mut Scanner<'_>) -> Result<i64, ParseError> {
    let start = scanner.at + 1;
    let seconds = number(scanner, "a timestamp in seconds or the end of the line")?;
    if !seconds.is_finite() {
        let found = Found::token(&scanner.body[start..scanner.at]);
        return Err(scanner.error(start, ParseErrorKind::InvalidTimestamp { found }));
    }
    let ms = seconds * 1000.0;
    // What Go makes of a float out of range on amd64.
    #[expect(clippy::cast_precision_loss, reason = "both bounds are powers of two")]
    let in_range = (i64::MIN as f64..-(i64::MIN as f64)).contains(&ms);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "truncated as Prometheus does"
    )]
    Ok(if in_range { ms as i64 } else { i64::MIN })
}

fn comment<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Line<'a>>, ParseError> {
    const EXPECTED: &str = "\"# HELP \", \"# TYPE \", \"# UNIT \" or \"# EOF\"";
    let start = scanner.at;
    scanner.at += 1;
    let keyword: &[u8] = match scanner.eat(b' ').then(|| scanner.peek()).flatten() {
        Some(b'E') => b"EOF",
        Some(b'H') => b"HELP",
        Some(b'T') => b"TYPE",
        Some(b'U') => b"UNIT",
        _ => b"",
    };
    if keyword.is_empty() || !scanner.eat_word(keyword, Nul::Skip) {
        scanner.at = start;
        return Err(scanner.unexpected(EXPECTED));
    }
    if keyword == b"EOF" {
        if scanner.peek() == Some(b'\n') {
            scanner.advance(Nul::Skip);
        }
        return match scanner.peek() {
            None => Ok(None),
            Some(_) => Err(scanner.error(scanner.at, ParseErrorKind::DataAfterEof)),
        };
    }
    if scanner.peek() != Some(b' ') {
        scanner.at = start;
        return Err(scanner.unexpected(EXPECTED));
    }
    scanner.advance(Nul::Skip);
    let name = if scanner.peek() == Some(b'"') {
        scanner.eat_quoted(Nul::Reject, Newline::Accept, "a metric name")?
    } else {
        match scanner.eat_metric_name() {
            Some(name) => name,
            None => return Err(scanner.unexpected("a metric name")),
        }
    };
    let text_at = scanner.at + 1;
    let text = metadata_text(scanner)?;
    metadata(scanner, keyword, name, text_at, text).map(|entry| Some(Line::Metadata(entry)))
}

fn metadata<'a>(
    scanner: &Scanner<'a>,
    keyword: &[u8],
    name: std::ops::Range<usize>,
    text_at: usize,
    text: &'a [u8],
) -> Result<Entry<'a>, ParseError> {
    let found = || Found::token(text);
    let family = family_name(scanner.body, name.clone());
    match keyword {
        b"HELP" => {
            let help = std::str::from_utf8(text)
                .map_err(|_| scanner.error(text_at, ParseErrorKind::HelpNotUtf8))?;
            Ok(Entry::Help {
                name: family,
                help: unescape(help, Escapes::Quoted),
            })
        }
        b"TYPE" => match metric_type(text) {
            Some(metric_type) => Ok(Entry::Type {
                name: family,
                metric_type,
            }),
            None => Err(scanner.error(text_at, ParseErrorKind::InvalidType { found: found() })),
        },
        _ => {
            let raw_name = unquoted(scanner.body, name);
            let is_suffix = raw_name
                .strip_suffix(text)
                .is_some_and(|rest| rest.ends_with(b"_"));
            if !text.is_empty() && !is_suffix {
                return Err(scanner.error(text_at, ParseErrorKind::InvalidUnit { found: found() }));
            }
            Ok(Entry::Unit {
                name: family,
                unit: String::from_utf8_lossy(text),
            })
        }
    }
}

fn unquoted(body: &[u8], name: std::ops::Range<usize>) -> &[u8] {
    let name = &body[name];
    match name {
        [b'"', inner @ .., b'"'] => inner,
        _ => name,
    }
}

/// The text behind a metric family's name and a space, and the position behind its newline.
fn metadata_text<'a>(scanner: &mut Scanner<'a>) -> Result<&'a [u8], ParseError> {
    let start = scanner.at;
    if scanner.peek() != Some(b' ') {
        return Err(scanner.unexpected("a space and a text"));
    }
    scanner.advance(Nul::Skip);
    scanner.rest_of_line();
    if scanner.peek().is_none() {
        return Err(scanner.unexpected("the end of the line"));
    }
    // NULs behind the newline are taken with it, and then the newline is part of the text.
    scanner.advance(Nul::Skip);
    Ok(&scanner.body[start + 1..scanner.at - 1])
}

fn metric_type(text: &[u8]) -> Option<MetricType> {
    Some(match text {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"gaugehistogram" => MetricType::GaugeHistogram,
        b"summary" => MetricType::Summary,
        b"info" => MetricType::Info,
        b"stateset" => MetricType::StateSet,
        b"unknown" => MetricType::Unknown,
        _ => return None,
    })
}
