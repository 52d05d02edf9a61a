//! The client's side: what a scrape asks for, and what its answer is taken for.

use super::media_type::{self, MediaTypeError};
use crate::exposition::Format;

/// The `Accept` header of a scrape: Prometheus 3's default, from which protobuf is absent too.
pub const ACCEPT: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
    text/plain;version=0.0.4;q=0.3,\
    */*;q=0.2";

/// Why an answer can't be parsed, in the words of Prometheus 3 where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentTypeError {
    /// There is no `Content-Type`, and no format to fall back to.
    #[error(
        "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target"
    )]
    Blank,
    /// The `Content-Type` isn't a media type, and there is no format to fall back to.
    #[error(
        "cannot parse Content-Type {content_type:?} and no fallback_scrape_protocol for target"
    )]
    Invalid {
        /// The header, cut off where it is long.
        content_type: String,
        /// What is wrong with it.
        source: MediaTypeError,
    },
    /// The `Content-Type` is of something else, and there is no format to fall back to.
    #[error(
        "received unsupported Content-Type {content_type:?} and no fallback_scrape_protocol specified for target"
    )]
    Unsupported {
        /// The header, cut off where it is long.
        content_type: String,
    },
    /// The answer is protobuf, which was not asked for and can't be parsed.
    #[error("received Content-Type {content_type:?}, a protocol that is not supported")]
    Protobuf {
        /// The header, cut off where it is long.
        content_type: String,
    },
}

/// What nearly all exporters send, which need not be taken apart each time.
const USUAL_TEXT: [&str; 4] = [
    "text/plain; version=0.0.4; charset=utf-8",
    "text/plain; version=0.0.4; charset=utf-8; escaping=underscores",
    "text/plain; version=0.0.4; charset=utf-8; escaping=values",
    "text/plain; version=0.0.4",
];

/// The format of a scrape's answer by its `Content-Type`, or `fallback`, the scrape's `fallback_scrape_protocol`, where that
/// is missing, invalid or of something else. An empty header is a missing one.
///
/// Prometheus takes an answer that says it is protobuf for that, whatever the fallback; so does this.
///
/// # Errors
/// Where there is no `fallback` and it would be needed, and where the answer is protobuf.
pub fn scrape_format(
    content_type: Option<&str>,
    fallback: Option<Format>,
) -> Result<Format, ContentTypeError> {
    let header = content_type.unwrap_or_default();
    if USUAL_TEXT.contains(&header) {
        return Ok(Format::Text);
    }
    let quoted = || header.chars().take(100).collect::<String>();
    let error = if header.is_empty() {
        ContentTypeError::Blank
    } else {
        match media_type::parse(header) {
            Ok((media_type, _)) => match &*media_type {
                "text/plain" => return Ok(Format::Text),
                "application/openmetrics-text" => return Ok(Format::OpenMetrics),
                "application/vnd.google.protobuf" => {
                    let content_type = quoted();
                    return Err(ContentTypeError::Protobuf { content_type });
                }
                _ => ContentTypeError::Unsupported {
                    content_type: quoted(),
                },
            },
            Err(source) => ContentTypeError::Invalid {
                content_type: quoted(),
                source,
            },
        }
    };
    fallback.ok_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types() {
        let f = |header: &str, want: Option<Format>| {
            assert_eq!(scrape_format(Some(header), None).ok(), want, "{header}");
        };
        let text = Some(Format::Text);
        let openmetrics = Some(Format::OpenMetrics);
        f("text/plain", text);
        f("TEXT/Plain ; Version=0.0.4", text);
        f("text/plain; version=0.0.4; charset=utf-8", text);
        f("text/plain; version=0.0.4; charset=utf-8;", text);
        f("text/plain; version=0.0.4; charset=\"u\\\"8\"; ;", None);
        f("TEXT/Plain ; Version = \"0.0.4\" ; charset=utf-8;", text);
        f("text/plain;version=1.0.0;escaping=allow-utf-8", text);
        f("text/plain; version=9", text);
        f("text/plain;version=1;version=1", text);
        f("text/plain;version=1;version=2", None);
        f("text/plain; version=0.0.4; , charset=utf-8", None);
        f("text/plain; version=0.0.4, charset=utf-8", None);
        f("text/plain; version", None);
        f("text/plain; version=", None);
        f("text/plain; version=\"\"", text);
        f("text/plain; version=\"0.0.4", None);
        f("text/plain text/html", None);
        f("text", None);
        f("/plain", None);
        f("text/", None);
        f("text/plain/x", None);
        f("text plain", None);
        f("text/plain, */*;q=0.1", None);
        f("text/plain; a=1; a=2", None);
        f("text/plain; a=\"x", None);
        f("text/html", None);
        f("application/json", None);
        f("application/vnd.google.protobuf", None);
        f(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            openmetrics,
        );
        f(
            "application/openmetrics-text; escaping=allow-utf-8;q=0.6,application/json",
            None,
        );
    }

    #[test]
    fn errors_say_what_prometheus_says() {
        let f = |header: Option<&str>, want: &str| {
            let error = scrape_format(header, None).unwrap_err();
            assert_eq!(error.to_string(), want);
        };
        let blank = "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol specified for target";
        f(None, blank);
        f(Some(""), blank);
        f(
            Some("text/plain;;"),
            "cannot parse Content-Type \"text/plain;;\" and no fallback_scrape_protocol for target",
        );
        f(
            Some("text/html"),
            "received unsupported Content-Type \"text/html\" and no fallback_scrape_protocol specified for target",
        );
    }

    #[test]
    fn the_fallback_is_for_all_but_protobuf() {
        let others = [
            None,
            Some(""),
            Some("text/html"),
            Some("text"),
            Some("text/plain;;"),
            Some("text/plain; a=1; a=2"),
        ];
        for fallback in [Format::Text, Format::OpenMetrics] {
            for header in others {
                let format = scrape_format(header, Some(fallback));
                assert_eq!(format, Ok(fallback), "{header:?}");
            }
            let text = scrape_format(Some("text/plain"), Some(fallback));
            assert_eq!(text, Ok(Format::Text));
            let openmetrics = scrape_format(Some("application/openmetrics-text"), Some(fallback));
            assert_eq!(openmetrics, Ok(Format::OpenMetrics));
        }
        let header = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
        assert!(scrape_format(Some(header), Some(Format::Text)).is_err());
    }

    #[test]
    fn the_reason_is_short() {
        for header in [
            "x".repeat(10_000),
            format!("text/plain;{}", "x".repeat(10_000)),
        ] {
            let error = scrape_format(Some(&header), None).unwrap_err().to_string();
            assert!(error.len() < 200, "{error}");
        }
    }
}
