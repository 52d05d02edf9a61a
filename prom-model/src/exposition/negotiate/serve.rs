//! The server's side: the best answer to an `Accept` header.

use super::media_type;
use crate::exposition::{Escaping, Format};

/// A format that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// The text format, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics1,
    /// OpenMetrics, version 0.0.1, which is the same but for the version.
    OpenMetrics0,
    /// `io.prometheus.client.MetricFamily` messages, each after its length.
    Protobuf,
}

impl ResponseFormat {
    /// The text format to encode with; `None` where it isn't text.
    #[must_use]
    pub const fn text_format(self) -> Option<Format> {
        match self {
            Self::Text => Some(Format::Text),
            Self::OpenMetrics0 | Self::OpenMetrics1 => Some(Format::OpenMetrics),
            Self::Protobuf => None,
        }
    }
}

/// What to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Response {
    /// The body's format.
    pub format: ResponseFormat,
    /// How names outside the old character set are written.
    pub escaping: Escaping,
}

impl Response {
    /// The answer to a request with the header `accept`, empty where there is none.
    ///
    /// Of the media ranges that name one of our formats the one of the highest quality wins, of equals the first; where there is
    /// none, and for `*/*`, it is the text format. The parameter `escaping` is taken from the winner or, as in Prometheus, from a
    /// range before it in that order; unless given, names are escaped to underscores.
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        best(accept, |_| true).unwrap_or_else(|escaping| Self {
            format: ResponseFormat::Text,
            escaping,
        })
    }

    /// As [`Response::negotiate`] for an answer that OpenMetrics can't express without loss; `None` where the client accepts
    /// nothing else.
    #[must_use]
    pub fn negotiate_without_openmetrics(accept: &str) -> Option<Self> {
        let is_other = |format: ResponseFormat| format.text_format() != Some(Format::OpenMetrics);
        best(accept, is_other).ok()
    }

    /// The `Content-Type` of the answer.
    #[must_use]
    pub fn content_type(self) -> String {
        let media_type = match self.format {
            ResponseFormat::Text => "text/plain; version=0.0.4; charset=utf-8",
            ResponseFormat::OpenMetrics1 => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            ResponseFormat::OpenMetrics0 => {
                "application/openmetrics-text; version=0.0.1; charset=utf-8"
            }
            ResponseFormat::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        };
        format!("{media_type}; escaping={}", self.escaping.as_str())
    }
}

/// The best of the formats that `accept` names and `is_allowed` lets pass; without any, the last escaping it names.
fn best(accept: &str, is_allowed: impl Fn(ResponseFormat) -> bool) -> Result<Response, Escaping> {
    let mut escaping = Escaping::default();
    for range in ranges(accept) {
        if let Some(scheme) = range.parameter("escaping").and_then(Escaping::from_name) {
            escaping = scheme;
        }
        if let Some(format) = range.format().filter(|format| is_allowed(*format)) {
            return Ok(Response { format, escaping });
        }
    }
    Err(escaping)
}

/// One of an `Accept` header's media ranges.
struct MediaRange {
    media_type: String,
    parameters: Vec<(String, String)>,
    /// From 0 to 1.
    quality: f64,
}

impl MediaRange {
    fn parse(text: &str) -> Option<Self> {
        let (media_type, parameters) = media_type::parse(text.trim()).ok()?;
        let quality = match parameters.iter().find(|(name, _)| name == "q") {
            Some((_, quality)) => quality.parse().ok()?,
            None => 1.0,
        };
        (0.0 < quality && quality <= 1.0).then_some(Self {
            media_type,
            parameters,
            quality,
        })
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| &**value)
    }

    fn format(&self) -> Option<ResponseFormat> {
        let version = self.parameter("version").unwrap_or_default();
        match (&*self.media_type, version) {
            // The version 1.0.0 that newer clients ask for is 0.0.4 with `escaping`.
            ("text/plain" | "text/*" | "*/*", "" | "0.0.4" | "1.0.0") => Some(ResponseFormat::Text),
            ("application/openmetrics-text", "1.0.0") => Some(ResponseFormat::OpenMetrics1),
            ("application/openmetrics-text", "" | "0.0.1") => Some(ResponseFormat::OpenMetrics0),
            ("application/vnd.google.protobuf", _)
                if self.parameter("proto") == Some("io.prometheus.client.MetricFamily")
                    && self.parameter("encoding") == Some("delimited") =>
            {
                Some(ResponseFormat::Protobuf)
            }
            _ => None,
        }
    }
}

/// The ranges that are acceptable at all, the best first.
fn ranges(accept: &str) -> Vec<MediaRange> {
    let mut ranges: Vec<MediaRange> = accept.split(',').filter_map(MediaRange::parse).collect();
    ranges.sort_by(|a, b| b.quality.total_cmp(&a.quality));
    ranges
}

#[cfg(test)]
mod tests {
    use super::super::ACCEPT;
    use super::*;

    #[test]
    fn the_best_range_wins() {
        let f = |accept: &str, format, escaping| {
            let want = Response { format, escaping };
            assert_eq!(Response::negotiate(accept), want, "{accept}");
        };
        use Escaping::{AllowUtf8, Dots, Underscores, Values};
        use ResponseFormat::{OpenMetrics0, OpenMetrics1, Protobuf, Text};
        f("", Text, Underscores);
        f("*/*", Text, Underscores);
        f("text/html", Text, Underscores);
        f(
            "text/html,application/xhtml+xml,*/*;q=0.8",
            Text,
            Underscores,
        );
        f(ACCEPT, OpenMetrics1, AllowUtf8);
        f("application/openmetrics-text", OpenMetrics0, Underscores);
        f(
            "application/openmetrics-text;version=7,text/plain;q=0.1",
            Text,
            Underscores,
        );
        f(
            "text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.9",
            OpenMetrics1,
            Underscores,
        );
        f(
            "text/plain,application/openmetrics-text;version=1.0.0",
            Text,
            Underscores,
        );
        f(
            "text/plain;q=0,application/openmetrics-text;version=1.0.0;q=0.1",
            OpenMetrics1,
            Underscores,
        );
        f(
            "text/plain;version=1.0.0;escaping=allow-utf-8",
            Text,
            AllowUtf8,
        );
        f("text/plain;escaping=dots", Text, Dots);
        f("text/plain;escaping=values", Text, Values);
        f("text/plain;escaping=nonsense", Text, Underscores);
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        f(&format!("{protobuf};q=0.7,{ACCEPT}"), Protobuf, Underscores);
        f(&protobuf.replace("delimited", "text"), Text, Underscores);
    }

    #[test]
    fn openmetrics_can_be_left_out() {
        let f = |accept: &str, want| {
            let response = Response::negotiate_without_openmetrics(accept);
            assert_eq!(response.map(|it| it.format), want, "{accept}");
        };
        let openmetrics = "application/openmetrics-text;version=1.0.0";
        f(ACCEPT, Some(ResponseFormat::Text));
        f(openmetrics, None);
        f("", None);
        f(
            &format!("{openmetrics},*/*;q=0.1"),
            Some(ResponseFormat::Text),
        );
        f(&format!("{openmetrics},text/plain;q=0"), None);
        let escaping = Response::negotiate_without_openmetrics(ACCEPT).map(|it| it.escaping);
        assert_eq!(escaping, Some(Escaping::AllowUtf8));
    }

    #[test]
    fn content_type_is_what_prometheus_answers() {
        let text = Response::negotiate("").content_type();
        assert_eq!(
            text,
            "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
        );
        let openmetrics = Response::negotiate(ACCEPT).content_type();
        assert_eq!(
            openmetrics,
            "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
        );
    }
}
