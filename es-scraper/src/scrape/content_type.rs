//! Which format a body is in.

use prom_model::exposition::Format;

use super::error::ScrapeError;

/// The format that `content_type` names, or `fallback` where it names none.
///
/// # Errors
/// Where there is neither.
pub(crate) fn format(content_type: &str, fallback: Option<Format>) -> Result<Format, ScrapeError> {
    let reason = if content_type.is_empty() {
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol \
         specified for target"
            .to_owned()
    } else {
        match media_type(content_type).as_deref() {
            Some("text/plain") => return Ok(Format::Text),
            Some("application/openmetrics-text") => return Ok(Format::OpenMetrics),
            Some(_) => format!(
                "received unsupported Content-Type {:?} and no fallback_scrape_protocol specified \
                 for target",
                shortened(content_type)
            ),
            None => format!(
                "cannot parse Content-Type {:?} and no fallback_scrape_protocol for target",
                shortened(content_type)
            ),
        }
    };
    fallback.ok_or_else(|| ScrapeError::ContentType(reason.into()))
}

/// The media type in lower case and without its parameters, which must be well formed, as Go's
/// `mime.ParseMediaType` has it.
fn media_type(content_type: &str) -> Option<String> {
    let (media_type, parameters) = match content_type.find(';') {
        Some(at) => content_type.split_at(at),
        None => (content_type, ""),
    };
    let media_type = media_type.trim().to_ascii_lowercase();
    let is_type = match media_type.split_once('/') {
        Some((kind, subtype)) => is_token(kind) && is_token(subtype),
        None => is_token(&media_type),
    };
    let mut names = Vec::new();
    let mut rest = parameters.trim_start();
    while !rest.is_empty() {
        let Some((name, left)) = parameter(rest) else {
            // A semicolon at the end is forgiven.
            return Some(media_type).filter(|_| is_type && rest.trim() == ";");
        };
        // Go allows the same value again.
        if names
            .iter()
            .any(|(have, value)| *have == name.0 && *value != name.1)
        {
            return None;
        }
        names.push(name);
        rest = left.trim_start();
    }
    Some(media_type).filter(|_| is_type)
}

type Parameter = (String, String);

/// The parameter that `text` begins with, and what follows it.
fn parameter(text: &str) -> Option<(Parameter, &str)> {
    let text = text.strip_prefix(';')?.trim_start();
    let (name, text) = token(text)?;
    let text = text.trim_start().strip_prefix('=')?.trim_start();
    let (value, text) = match text.strip_prefix('"') {
        Some(quoted) => quoted_value(quoted)?,
        None => token(text).map(|(value, text)| (value.to_owned(), text))?,
    };
    Some(((name.to_ascii_lowercase(), value), text))
}

/// What stands up to the closing quote, and what follows that.
fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            '\r' | '\n' => return None,
            other => value.push(other),
        }
    }
    None
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !is_token_byte(byte));
    let (token, rest) = text.split_at(end.unwrap_or(text.len()));
    (!token.is_empty()).then_some((token, rest))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Bytes of an RFC 2045 token.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(
            byte,
            b'(' | b')'
                | b'<'
                | b'>'
                | b'@'
                | b','
                | b';'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'='
        )
}

/// Its beginning, since a target may send any amount of text.
fn shortened(content_type: &str) -> String {
    content_type.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats() {
        let f = |content_type: &str, want: Option<Format>| {
            assert_eq!(format(content_type, None).ok(), want, "{content_type:?}");
            let other = [Format::Text, Format::OpenMetrics];
            for fallback in other {
                let got = format(content_type, Some(fallback)).ok();
                assert_eq!(got, want.or(Some(fallback)), "{content_type:?}");
            }
        };
        let text = Some(Format::Text);
        f("text/plain", text);
        f("text/plain; version=0.0.4", text);
        f("TEXT/Plain ; Version = \"0.0.4\" ; charset=utf-8;", text);
        f("text/plain;version=1.0.0;escaping=allow-utf-8", text);
        f(
            "application/openmetrics-text; version=1.0.0",
            Some(Format::OpenMetrics),
        );
        f("", None);
        f("text/html", None);
        f("text", None);
        f("application/json", None);
        f("application/vnd.google.protobuf", None);
        f("text/plain; version=0.0.4, charset=utf-8", None);
        f("text/plain; version", None);
        f("text/plain; a=1; a=2", None);
        f("text/plain, */*;q=0.1", None);
        f("text/plain; a=\"x", None);
        f("text/plain/x", None);
        f("text plain", None);
    }

    #[test]
    fn the_reason_is_short() {
        let long = "x".repeat(10_000);
        let error = format(&long, None).unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
    }
}
