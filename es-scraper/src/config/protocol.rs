//! Exposition formats that a scrape asks for.

use prom_config::{ConfigError, Decode, Node};

/// An exposition format, by its name in a configuration.
///
/// Prometheus also knows `PrometheusProto`, which is not scraped here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScrapeProtocol {
    /// `PrometheusText0.0.4`
    PrometheusText0_0_4,
    /// `PrometheusText1.0.0`
    PrometheusText1_0_0,
    /// `OpenMetricsText0.0.1`
    OpenMetricsText0_0_1,
    /// `OpenMetricsText1.0.0`
    OpenMetricsText1_0_0,
}

/// What a configuration may name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Scraped(ScrapeProtocol),
    Protobuf,
}

const PROTOBUF: &str = "PrometheusProto";

impl ScrapeProtocol {
    /// What is asked for by default, most wanted first.
    pub const DEFAULTS: [Self; 4] = [
        Self::OpenMetricsText1_0_0,
        Self::OpenMetricsText0_0_1,
        Self::PrometheusText1_0_0,
        Self::PrometheusText0_0_4,
    ];

    /// The name in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PrometheusText0_0_4 => "PrometheusText0.0.4",
            Self::PrometheusText1_0_0 => "PrometheusText1.0.0",
            Self::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            Self::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
        }
    }

    /// The media type with its parameters, as in an `Accept` header.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::PrometheusText0_0_4 => "text/plain;version=0.0.4",
            Self::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            Self::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            Self::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
        }
    }

    /// Reads `scrape_protocols`: at least one, none twice.
    pub(super) fn read_list(
        node: &Node,
        warnings: &mut Vec<ConfigError>,
    ) -> Result<Vec<Self>, ConfigError> {
        let mut named = Vec::new();
        let mut scraped = Vec::new();
        for item in node.items()? {
            let protocol = read(item)?;
            if named.contains(&protocol) {
                return Err(item.error("scrape_protocols has this protocol twice"));
            }
            named.push(protocol);
            match protocol {
                Named::Scraped(protocol) => scraped.push(protocol),
                Named::Protobuf => warnings.push(item.error(format_args!(
                    "{PROTOBUF} is not scraped here, the other protocols are asked for"
                ))),
            }
        }
        match (named.is_empty(), scraped.is_empty()) {
            (true, _) => Err(node.error("scrape_protocols cannot be empty")),
            (false, true) => Err(node.error(format_args!(
                "{PROTOBUF} is not scraped here, expected another protocol beside it"
            ))),
            (false, false) => Ok(scraped),
        }
    }
}

impl Decode for ScrapeProtocol {
    fn decode(node: &Node) -> Result<Self, ConfigError> {
        match read(node)? {
            Named::Scraped(protocol) => Ok(protocol),
            Named::Protobuf => Err(node.error(format_args!(
                "{PROTOBUF} is not scraped here, expected a text protocol"
            ))),
        }
    }
}

fn read(node: &Node) -> Result<Named, ConfigError> {
    let name: String = node.decode()?;
    let mut known = ScrapeProtocol::DEFAULTS.into_iter();
    match known.find(|protocol| protocol.as_str() == name) {
        Some(protocol) => Ok(Named::Scraped(protocol)),
        None if name == PROTOBUF => Ok(Named::Protobuf),
        None => Err(node.error(format_args!(
            "unknown scrape protocol {name:?}, expected one of {}",
            ScrapeProtocol::DEFAULTS
                .map(ScrapeProtocol::as_str)
                .join(", ")
        ))),
    }
}
