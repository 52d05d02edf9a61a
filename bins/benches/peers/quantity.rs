//! What is measured: names, units and what the exporter has to reach.

use std::collections::BTreeMap;
use std::fmt;

use crate::federate::{Encoding, Query, Selection};
use crate::options::Transport;

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    CpuPerMillionSamples,
    Resident,
    ResidentPerSeries,
    PeakRise(Encoding),
    P50(Query),
    P99(Query),
    Cpu(Query),
    Bytes(Query),
}

/// Values in seconds and bytes.
pub(crate) type Figures = BTreeMap<Quantity, f64>;

/// What the exporter has to reach.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// This part of what Prometheus takes: the denominator.
    Part(f64),
    /// This value.
    AtMost(f64),
}

impl Quantity {
    /// Those of the table, line by line.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![
            Self::CpuPerMillionSamples,
            Self::Resident,
            Self::ResidentPerSeries,
        ];
        all.extend(Encoding::ALL.map(Self::PeakRise));
        for query in Query::all() {
            all.extend([
                Self::P50(query),
                Self::P99(query),
                Self::Cpu(query),
                Self::Bytes(query),
            ]);
        }
        all
    }

    pub(crate) fn target(self, transport: Transport) -> Option<Target> {
        match self {
            Self::CpuPerMillionSamples => Some(Target::Part(match transport {
                Transport::Plain => 10.0,
                Transport::Tls => 8.0,
            })),
            Self::ResidentPerSeries => Some(Target::Part(15.0)),
            Self::PeakRise(_) => Some(Target::AtMost(64e6)),
            Self::P50(query) | Self::Cpu(query) => Some(Target::Part(match query {
                Query {
                    encoding: Encoding::Gzip,
                    ..
                } => 12.0,
                Query {
                    selection: Selection::All,
                    ..
                } => 30.0,
                Query {
                    selection: Selection::OneService | Selection::Names,
                    ..
                } => 15.0,
            })),
            Self::Resident | Self::P99(_) | Self::Bytes(_) => None,
        }
    }

    /// `value` in the unit that the name says.
    pub(crate) fn show(self, value: f64) -> String {
        let shown = value
            * match self {
                Self::CpuPerMillionSamples | Self::ResidentPerSeries => 1.0,
                Self::P50(_) | Self::P99(_) | Self::Cpu(_) => 1e3,
                Self::Resident | Self::PeakRise(_) | Self::Bytes(_) => 1e-6,
            };
        // Three digits that say something.
        match shown.abs() {
            100.0.. => format!("{shown:.0}"),
            10.0.. => format!("{shown:.1}"),
            1.0.. => format!("{shown:.2}"),
            _ => format!("{shown:.3}"),
        }
    }

    /// The name in the JSON file.
    pub(crate) fn key(self) -> String {
        let of = |query: Query| {
            let selection = match query.selection {
                Selection::All => "all",
                Selection::OneService => "one_service",
                Selection::Names => "names",
            };
            format!("federate_{selection}_{}", query.encoding.coding())
        };
        match self {
            Self::CpuPerMillionSamples => "cpu_seconds_per_million_samples".to_owned(),
            Self::Resident => "resident_bytes".to_owned(),
            Self::ResidentPerSeries => "resident_bytes_per_series".to_owned(),
            Self::PeakRise(encoding) => {
                format!("peak_above_resident_{}_bytes", encoding.coding())
            }
            Self::P50(query) => format!("{}_p50_seconds", of(query)),
            Self::P99(query) => format!("{}_p99_seconds", of(query)),
            Self::Cpu(query) => format!("{}_cpu_seconds", of(query)),
            Self::Bytes(query) => format!("{}_bytes", of(query)),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CpuPerMillionSamples => formatter.write_str("CPU-seconds per million samples"),
            Self::Resident => formatter.write_str("resident memory, MB"),
            Self::ResidentPerSeries => formatter.write_str("resident bytes per series"),
            Self::PeakRise(Encoding::Identity) => {
                formatter.write_str("peak above it with 4 clients, MB")
            }
            Self::PeakRise(Encoding::Gzip) => {
                formatter.write_str("peak above it with 4 clients, gzip, MB")
            }
            Self::P50(query) => write!(formatter, "{query}: p50, ms"),
            Self::P99(query) => write!(formatter, "{query}: p99, ms"),
            Self::Cpu(query) => write!(formatter, "{query}: CPU, ms"),
            Self::Bytes(query) => write!(formatter, "{query}: MB"),
        }
    }
}
