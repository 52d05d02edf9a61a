//! A registry as text, in either of two formats.

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;

/// A text format of `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0, or 0.0.1 for clients that ask for it: what we write is the same in both.
    OpenMetrics(OpenMetricsVersion),
}

/// Version of OpenMetrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMetricsVersion {
    /// 0.0.1
    V0_0_1,
    /// 1.0.0
    V1_0_0,
}

impl Exposition {
    /// The format that `accept`, an `Accept` header, prefers; text where it names neither.
    #[must_use]
    pub fn negotiate(accept: &str) -> Self {
        let mut best = (0.0, Self::Text);
        for clause in accept.split(',') {
            let mut parts = clause.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0, None);
            for parameter in parts {
                match parameter
                    .split_once('=')
                    .map(|(name, value)| (name.trim(), value.trim()))
                {
                    Some(("q", value)) => quality = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = Some(value.trim_matches('"')),
                    _ => {}
                }
            }
            let format = match (media.as_str(), version) {
                ("application/openmetrics-text", Some("1.0.0")) => {
                    Self::OpenMetrics(OpenMetricsVersion::V1_0_0)
                }
                ("application/openmetrics-text", None | Some("0.0.1")) => {
                    Self::OpenMetrics(OpenMetricsVersion::V0_0_1)
                }
                ("text/plain", None | Some("0.0.4")) | ("text/*" | "*/*", None) => Self::Text,
                _ => continue,
            };
            if quality > best.0 {
                best = (quality, format);
            }
        }
        best.1
    }

    /// The `Content-Type` of an answer in this format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics(OpenMetricsVersion::V0_0_1) => {
                "application/openmetrics-text; version=0.0.1; charset=utf-8"
            }
            Self::OpenMetrics(OpenMetricsVersion::V1_0_0) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
        }
    }
}

/// `registry` as text in `format`.
///
/// # Errors
/// Where a collector of the registry fails.
pub fn encode(registry: &Registry, format: Exposition) -> Result<String, fmt::Error> {
    let mut encoded = String::new();
    text::encode(&mut encoded, registry)?;
    Ok(match format {
        Exposition::Text => to_text(&encoded),
        Exposition::OpenMetrics(_) => encoded,
    })
}

/// Rewrites what `prometheus-client` writes: names in headers are those of the samples, types are those the format
/// knows, units, exemplars and the end marker go.
fn to_text(openmetrics: &str) -> String {
    let mut text = String::with_capacity(openmetrics.len());
    let mut help = None;
    for line in openmetrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (family, metric_type) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, metric_type) = match metric_type {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take().filter(|(of, _)| *of == family) {
                text.push_str(&format!("# HELP {family}{suffix} {help}\n"));
            }
            text.push_str(&format!("# TYPE {family}{suffix} {metric_type}\n"));
        } else if !line.starts_with('#') {
            text.push_str(line.split_once(" # {").map_or(line, |(sample, _)| sample));
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use prometheus_client::metrics::info::Info;
    use prometheus_client::registry::Unit;

    use super::*;

    #[test]
    fn text_names_what_the_samples_are_named() {
        let mut registry = Registry::default();
        registry.register("requests", "Requests", Counter::<u64>::default());
        registry.register_with_unit("age", "Age", Unit::Seconds, Gauge::<i64>::default());
        registry.register("build", "Build", Info::new([("version", "1")]));
        let text = encode(&registry, Exposition::Text).unwrap();
        assert_eq!(
            text,
            "# HELP requests_total Requests.\n# TYPE requests_total counter\nrequests_total 0\n\
             # HELP age_seconds Age.\n# TYPE age_seconds gauge\nage_seconds 0\n\
             # HELP build_info Build.\n# TYPE build_info gauge\nbuild_info{version=\"1\"} 1\n"
        );
    }

    #[test]
    fn the_preferred_format_wins() {
        use OpenMetricsVersion::{V0_0_1, V1_0_0};
        let f = |accept: &str, want| assert_eq!(Exposition::negotiate(accept), want, "{accept}");
        f("", Exposition::Text);
        f("*/*", Exposition::Text);
        f("application/json", Exposition::Text);
        f(
            "application/openmetrics-text",
            Exposition::OpenMetrics(V0_0_1),
        );
        f(
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Exposition::OpenMetrics(V1_0_0),
        );
        f(
            "application/openmetrics-text;version=2.0.0",
            Exposition::Text,
        );
        f(
            "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.7",
            Exposition::Text,
        );
        // What Prometheus 3 sends.
        f(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
             text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
            Exposition::OpenMetrics(V1_0_0),
        );
        f("text/plain;q=x", Exposition::Text);
        f(";;,=,;q=", Exposition::Text);
    }
}
