//! `global`.

use std::time::Duration;

use prom_config::{ByteSize, ConfigError, Fields, Node};
use prom_model::label::LabelSet;

use super::ScrapeProtocol;
use super::expand::expand;

/// What holds for all jobs.
///
/// # Defaults
/// `scrape_interval` and `evaluation_interval` 1m, `scrape_timeout` 10s or the interval if that is
/// less, `body_size_limit` 64MB, no other limits, no external labels.
#[derive(Debug, Clone, PartialEq)]
pub struct GlobalConfig {
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// When a scrape is given up; at most the interval.
    pub scrape_timeout: Duration,
    /// Formats to ask for, most wanted first; at least one.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// Taken and shown, without effect: there are no rules.
    pub evaluation_interval: Duration,
    /// Labels of every series that is handed on, environment variables replaced.
    pub external_labels: LabelSet,
    /// Limits of each job.
    pub limits: Limits,
}

/// Bounds of what a job or a scrape may bring. 0 is no limit, except for `body_size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `body_size_limit`: decompressed bytes of an answer; never 0.
    pub body_size: u64,
    /// `sample_limit`: samples of a scrape after relabelling.
    pub samples: u64,
    /// `target_limit`: targets of a job after relabelling.
    pub targets: u64,
    /// `label_limit`: labels of a series.
    pub labels: u64,
    /// `label_name_length_limit`: bytes of a label's name.
    pub label_name_length: u64,
    /// `label_value_length_limit`: bytes of a label's value.
    pub label_value_length: u64,
    /// `keep_dropped_targets`: dropped targets of a job that are kept to be shown.
    pub keep_dropped_targets: u64,
}

const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
/// Prometheus has no limit; here memory must stay bounded.
const DEFAULT_BODY_SIZE_LIMIT: u64 = 64 << 20;

impl Default for GlobalConfig {
    fn default() -> Self {
        Self {
            scrape_interval: DEFAULT_INTERVAL,
            scrape_timeout: DEFAULT_TIMEOUT,
            scrape_protocols: ScrapeProtocol::DEFAULTS.to_vec(),
            evaluation_interval: DEFAULT_INTERVAL,
            external_labels: LabelSet::new(),
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_size: DEFAULT_BODY_SIZE_LIMIT,
            samples: 0,
            targets: 0,
            labels: 0,
            label_name_length: 0,
            label_value_length: 0,
            keep_dropped_targets: 0,
        }
    }
}

impl GlobalConfig {
    pub(super) fn read(
        node: &Node,
        environment: &dyn Fn(&str) -> Option<String>,
        warnings: &mut Vec<ConfigError>,
    ) -> Result<Self, ConfigError> {
        let mut fields = node.fields()?;
        let default = Self::default();
        let times = read_times(&mut fields, default.scrape_interval, default.scrape_timeout)?;
        let protocols = fields
            .node("scrape_protocols")
            .filter(|node| !node.is_null());
        let labels = fields.node("external_labels");
        let global = Self {
            scrape_interval: times.interval,
            scrape_timeout: times.timeout,
            scrape_protocols: match protocols {
                Some(node) => ScrapeProtocol::read_list(&node, warnings)?,
                None => default.scrape_protocols,
            },
            evaluation_interval: nonzero(fields.optional("evaluation_interval")?)
                .unwrap_or(default.evaluation_interval),
            external_labels: match labels {
                Some(node) => external_labels(&node, environment, warnings)?,
                None => LabelSet::new(),
            },
            limits: default.limits.overridden(&mut fields)?,
        };
        // Rules are evaluated elsewhere.
        fields.optional::<Duration>("rule_query_offset")?;
        read_names_and_histograms(&mut fields)?;
        fields.unsupported(&["query_log_file", "scrape_failure_log_file"])?;
        fields.finish()?;
        Ok(global)
    }
}

impl Limits {
    /// These limits, but those that `fields` has; a 0 there is as if it weren't there.
    pub(super) fn overridden(self, fields: &mut Fields) -> Result<Self, ConfigError> {
        let mut limit = |name, inherited: u64| {
            let own: Option<u64> = fields.optional(name)?;
            Ok(own.filter(|limit| *limit != 0).unwrap_or(inherited))
        };
        let limits = Self {
            body_size: self.body_size,
            samples: limit("sample_limit", self.samples)?,
            targets: limit("target_limit", self.targets)?,
            labels: limit("label_limit", self.labels)?,
            label_name_length: limit("label_name_length_limit", self.label_name_length)?,
            label_value_length: limit("label_value_length_limit", self.label_value_length)?,
            keep_dropped_targets: limit("keep_dropped_targets", self.keep_dropped_targets)?,
        };
        let body_size = fields.optional::<ByteSize>("body_size_limit")?;
        Ok(Self {
            body_size: (body_size.filter(|limit| limit.0 != 0))
                .map_or(self.body_size, |size| size.0),
            ..limits
        })
    }
}

/// Interval and timeout of a scrape.
pub(super) struct Times {
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

/// Takes `scrape_interval` and `scrape_timeout`, of which a zero is as if it weren't there. An
/// inherited timeout is cut to the interval, one that is written down is an error if it is longer.
pub(super) fn read_times(
    fields: &mut Fields,
    interval: Duration,
    timeout: Duration,
) -> Result<Times, ConfigError> {
    let interval = nonzero(fields.optional("scrape_interval")?).unwrap_or(interval);
    let timeout = match nonzero(fields.optional("scrape_timeout")?) {
        None => timeout.min(interval),
        Some(own) if own <= interval => own,
        Some(own) => {
            let message = format!(
                "scrape_timeout of {} is longer than the scrape_interval of {}",
                prom_config::duration::format(own),
                prom_config::duration::format(interval)
            );
            return Err(fields.error_at("scrape_timeout", message));
        }
    };
    Ok(Times { interval, timeout })
}

/// Takes the settings about metric names and native histograms, which are the same for `global`
/// and jobs: names are UTF-8, and there are no native histograms.
pub(super) fn read_names_and_histograms(fields: &mut Fields) -> Result<(), ConfigError> {
    let only = |value: &'static str, others: &'static [&'static str]| {
        move |chosen: String| match &*chosen {
            "" => Ok(()),
            chosen if chosen == value => Ok(()),
            chosen if others.contains(&chosen) => Err(format!(
                "{chosen:?} is not supported by this exporter, expected {value:?}"
            )),
            chosen => Err(format!("unknown value {chosen:?}, expected {value:?}")),
        }
    };
    fields.checked("metric_name_validation_scheme", only("utf8", &["legacy"]))?;
    let escaping = only("allow-utf-8", &["underscores", "dots", "values"]);
    fields.checked("metric_name_escaping_scheme", escaping)?;
    fields.optional::<bool>("always_scrape_classic_histograms")?;
    fields.checked("convert_classic_histograms_to_nhcb", |convert: bool| {
        let message = "classic histograms are not converted by this exporter, expected false";
        if convert { Err(message) } else { Ok(()) }
    })?;
    Ok(())
}

fn external_labels(
    node: &Node,
    environment: &dyn Fn(&str) -> Option<String>,
    warnings: &mut Vec<ConfigError>,
) -> Result<LabelSet, ConfigError> {
    let labels: LabelSet = node.decode()?;
    let expanded = labels.iter().map(|(name, value)| {
        let value = expand(value, |variable| {
            if variable == "$" {
                return "$".to_owned();
            }
            let set = environment(variable).filter(|value| !value.is_empty());
            if set.is_none() {
                warnings.push(node.error(format_args!(
                    "external label {name:?} names the environment variable {variable:?}, which is empty"
                )));
            }
            set.unwrap_or_default()
        });
        (name, value)
    });
    Ok(expanded.collect())
}

fn nonzero(duration: Option<Duration>) -> Option<Duration> {
    duration.filter(|duration| !duration.is_zero())
}
