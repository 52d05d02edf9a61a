//! The grammar of the text format 0.0.4.

use super::error::{Found, ParseError, ParseErrorKind};
use super::float::{self, FloatError};
use super::labels::Spans;
use super::parser::{Entry, Line, family_name};
use super::scanner::{Newline, Nul, Scanner};
use super::unescape::{Escapes, unescape};
use crate::metadata::MetricType;

/// Reads up to the end of the next line that isn't blank. `None` at the end.
pub(super) fn line<'a>(
    scanner: &mut Scanner<'a>,
    spans: &mut Spans,
) -> Result<Option<Line<'a>>, ParseError> {
    loop {
        // Blanks before a name are part of it, as they are in Prometheus.
        let start = scanner.at;
        scanner.skip_blanks(Nul::Reject);
        match scanner.peek() {
            // Prometheus takes a NUL at the start of a line for the end of the body.
            None | Some(0) => return Ok(None),
            Some(b'\n') => scanner.at += 1,
            Some(b'#') => return comment(scanner),
            Some(b'{') => {
                scanner.at += 1;
                spans.read(scanner)?;
                if spans.metric_name.is_none() {
                    return Err(scanner.error(start, ParseErrorKind::NoMetricName));
                }
                return Ok(Some(Line::Series(start..scanner.at)));
            }
            Some(_) => {
                let Some(name) = scanner.eat_metric_name() else {
                    return Err(scanner.unexpected("a metric name or a comment"));
                };
                spans.metric_name = Some(start..name.end);
                scanner.skip_blanks(Nul::Reject);
                let end = if scanner.eat(b'{') {
                    spans.read(scanner)?;
                    scanner.at
                } else {
                    scanner.at = name.end;
                    name.end
                };
                return Ok(Some(Line::Series(start..end)));
            }
        }
    }
}

/// Reads what follows a series: value, timestamp, end of line.
pub(super) fn value_and_timestamp(
    scanner: &mut Scanner<'_>,
) -> Result<(f64, Option<i64>), ParseError> {
    scanner.skip_blanks(Nul::Reject);
    let start = scanner.at;
    let token = scanner.skip_token(|byte| matches!(byte, b'{' | b' ' | b'\t' | b'\n'));
    if token.is_empty() {
        return Err(scanner.unexpected("a value"));
    }
    let value = float::parse(token).map_err(|error| number_error(scanner, start, token, error))?;

    scanner.skip_blanks(Nul::Reject);
    let start = scanner.at;
    let token = scanner.skip_token(|byte| !byte.is_ascii_digit());
    let timestamp_ms = if token.is_empty() {
        None
    } else {
        let timestamp_ms = std::str::from_utf8(token)
            .ok()
            .and_then(|ms| ms.parse().ok());
        if timestamp_ms.is_none() {
            return Err(number_error(scanner, start, token, FloatError::Range));
        }
        scanner.skip_blanks(Nul::Reject);
        timestamp_ms
    };
    if !scanner.eat(b'\n') {
        return Err(scanner.unexpected(match timestamp_ms {
            None => "a timestamp in milliseconds or the end of the line",
            Some(_) => "the end of the line",
        }));
    }
    Ok((value, timestamp_ms))
}

/// The error of a `token` at `start` that isn't a number.
pub(super) fn number_error(
    scanner: &Scanner<'_>,
    start: usize,
    token: &[u8],
    error: FloatError,
) -> ParseError {
    let found = Found::token(token);
    let kind = match error {
        FloatError::Syntax => ParseErrorKind::InvalidNumber { found },
        FloatError::Range => ParseErrorKind::NumberOutOfRange { found },
    };
    scanner.error(start, kind)
}

fn comment<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Line<'a>>, ParseError> {
    let start = scanner.at;
    scanner.at += 1;
    if !matches!(scanner.peek(), Some(b' ' | b'\t')) {
        return Ok(free_comment(scanner, start, Nul::Reject));
    }
    scanner.skip_blanks(Nul::Reject);
    let keyword: &[u8] = match scanner.peek() {
        Some(b'H') => b"HELP",
        Some(b'T') => b"TYPE",
        _ => b"",
    };
    let is_metadata = !keyword.is_empty()
        && scanner.eat_word(keyword, Nul::Skip)
        && matches!(scanner.peek(), Some(b' ' | b'\t'));
    if !is_metadata {
        return Ok(free_comment(scanner, start, Nul::Skip));
    }
    scanner.skip_blanks(Nul::Skip);
    let name = if scanner.peek() == Some(b'"') {
        scanner.eat_quoted(Nul::Reject, Newline::Accept, "a metric name")?
    } else {
        match scanner.eat_metric_name() {
            Some(name) => name,
            None => return Err(scanner.unexpected("a metric name")),
        }
    };
    let name = family_name(scanner.body, name);
    let text_at = scanner.at + 1;
    let text = metadata_text(scanner);
    let entry = if keyword == b"HELP" {
        let help = std::str::from_utf8(text)
            .map_err(|_| scanner.error(text_at, ParseErrorKind::HelpNotUtf8))?;
        Entry::Help {
            name,
            help: unescape(help, Escapes::Help),
        }
    } else {
        let found = || Found::token(text);
        let metric_type = metric_type(text).ok_or_else(|| {
            scanner.error(text_at, ParseErrorKind::InvalidType { found: found() })
        })?;
        Entry::Type { name, metric_type }
    };
    if !scanner.eat(b'\n') {
        return Err(scanner.unexpected("the end of the line"));
    }
    Ok(Some(Line::Metadata(entry)))
}

/// The text behind a metric family's name, up to the end of the line and without its first byte,
/// which is a blank except behind a quoted name.
fn metadata_text<'a>(scanner: &mut Scanner<'a>) -> &'a [u8] {
    let start = scanner.at;
    if scanner.peek() == Some(0) {
        return b"";
    }
    scanner.skip_blanks(Nul::Skip);
    if scanner.peek() == Some(b'\n') {
        return b"";
    }
    scanner.rest_of_line();
    scanner.body.get(start + 1..scanner.at).unwrap_or_default()
}

fn free_comment<'a>(scanner: &mut Scanner<'a>, start: usize, nul: Nul) -> Option<Line<'a>> {
    let at = scanner.at;
    let line = scanner.rest_of_line();
    let ends_body = match nul {
        Nul::Reject => memchr::memchr(0, line).is_some(),
        Nul::Skip => line.first() == Some(&0),
    };
    if ends_body {
        scanner.at = at;
        return None;
    }
    let end = scanner.at;
    scanner.at += 1;
    Some(Line::Metadata(Entry::Comment(&scanner.body[start..end])))
}

fn metric_type(text: &[u8]) -> Option<MetricType> {
    Some(match text {
        b"counter" => MetricType::Counter,
        b"gauge" => MetricType::Gauge,
        b"histogram" => MetricType::Histogram,
        b"summary" => MetricType::Summary,
        b"untyped" => MetricType::Unknown,
        _ => return None,
    })
}
