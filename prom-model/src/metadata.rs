//! What an exposition says of a metric family beside its samples.

use std::fmt;

/// Type of a metric family.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MetricType {
    /// No type was given, or `untyped` (text) or `unknown` (OpenMetrics).
    #[default]
    Unknown,
    /// A value that only rises, or starts again at zero.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// Cumulative buckets with a sum and a count.
    Histogram,
    /// As a histogram, of values that rise and fall (OpenMetrics).
    GaugeHistogram,
    /// Quantiles with a sum and a count.
    Summary,
    /// Constant 1 with information in its labels (OpenMetrics).
    Info,
    /// One of several states is 1 (OpenMetrics).
    StateSet,
}

impl MetricType {
    /// The type's name in OpenMetrics and in Prometheus' HTTP API (`unknown`, `gaugehistogram`, …).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
        }
    }
}

impl fmt::Display for MetricType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Type, help and unit of a metric family; each is empty where the exposition is silent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Metadata {
    /// The type.
    pub metric_type: MetricType,
    /// The help text, unescaped.
    pub help: Box<str>,
    /// The unit (OpenMetrics).
    pub unit: Box<str>,
}
