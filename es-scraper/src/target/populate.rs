//! Labels of one target: defaults, rules, checks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prom_config::duration::{self, DurationError};
use prom_model::label::{INSTANCE, JOB, LabelSet};
use prom_model::target::Access;

use super::url::{self, Parts};
use super::{Identity, Target};
use crate::relabel::{self, Keep, RelabelConfig};

const ADDRESS: &str = "__address__";
const SCHEME: &str = "__scheme__";
const METRICS_PATH: &str = "__metrics_path__";
pub(super) const SCRAPE_INTERVAL: &str = "__scrape_interval__";
pub(super) const SCRAPE_TIMEOUT: &str = "__scrape_timeout__";
const PARAM_PREFIX: &str = "__param_";
const META_PREFIX: &str = "__meta_";
const RESERVED_PREFIX: &str = "__";

/// What a scrape configuration says of its targets where discovery is silent, and its rules for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetDefaults {
    /// The job's name, default of the label `job`.
    pub job: Arc<str>,
    /// Default of `__scheme__`.
    pub scheme: String,
    /// Default of `__metrics_path__`.
    pub metrics_path: String,
    /// Parameters of the URL. The first value of each is the default of `__param_<name>`.
    pub params: BTreeMap<String, Vec<String>>,
    /// Default of `__scrape_interval__`.
    pub scrape_interval: Duration,
    /// Default of `__scrape_timeout__`.
    pub scrape_timeout: Duration,
    /// How many dropped targets are kept to be shown; 0 is no limit.
    pub keep_dropped_targets: u64,
    /// Rules for the labels of targets.
    pub relabel_configs: Vec<RelabelConfig>,
}

/// Prometheus' defaults, with a job that has no name.
impl Default for TargetDefaults {
    fn default() -> Self {
        Self {
            job: Arc::default(),
            scheme: "http".to_owned(),
            metrics_path: "/metrics".to_owned(),
            params: BTreeMap::new(),
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            keep_dropped_targets: 0,
            relabel_configs: Vec::new(),
        }
    }
}

/// Why labels make no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// There is no `__address__`.
    #[error("no address")]
    NoAddress,
    /// `__address__` holds a `/`, as a URL does.
    #[error("{0:?} is not a valid hostname")]
    Address(Box<str>),
    /// `__scrape_interval__` is no duration.
    #[error("error parsing scrape interval")]
    Interval(#[source] DurationError),
    /// `__scrape_interval__` is zero.
    #[error("scrape interval cannot be 0")]
    ZeroInterval,
    /// `__scrape_timeout__` is no duration.
    #[error("error parsing scrape timeout")]
    Timeout(#[source] DurationError),
    /// `__scrape_timeout__` is zero.
    #[error("scrape timeout cannot be 0")]
    ZeroTimeout,
    /// `__scrape_timeout__` is longer than `__scrape_interval__`.
    #[error("scrape timeout cannot be greater than scrape interval ({timeout:?} > {interval:?})")]
    TimeoutAboveInterval {
        /// The time-out as the label has it.
        timeout: Box<str>,
        /// The interval as the label has it.
        interval: Box<str>,
    },
}

/// What becomes of one discovered target.
#[derive(Debug)]
pub(super) enum Outcome {
    Active(Box<Target>),
    Dropped(Arc<LabelSet>),
}

/// The job's defaults as labels, made once for all of its targets.
#[derive(Debug)]
pub(super) struct Populate<'a> {
    defaults: &'a TargetDefaults,
    labels: Vec<(String, String)>,
}

impl<'a> Populate<'a> {
    pub(super) fn new(defaults: &'a TargetDefaults) -> Self {
        let mut labels = vec![
            (JOB.to_owned(), defaults.job.to_string()),
            (
                SCRAPE_INTERVAL.to_owned(),
                duration::format(defaults.scrape_interval),
            ),
            (
                SCRAPE_TIMEOUT.to_owned(),
                duration::format(defaults.scrape_timeout),
            ),
            (METRICS_PATH.to_owned(), defaults.metrics_path.clone()),
            (SCHEME.to_owned(), defaults.scheme.clone()),
        ];
        for (name, values) in &defaults.params {
            if let Some(first) = values.first() {
                labels.push((format!("{PARAM_PREFIX}{name}"), first.clone()));
            }
        }
        Self { defaults, labels }
    }

    /// The target with `labels`, the group's among them.
    pub(super) fn target(
        &self,
        mut labels: LabelSet,
        access: Option<&Arc<dyn Access>>,
    ) -> Result<Outcome, TargetError> {
        for (name, value) in &self.labels {
            if labels.get(name).is_none() {
                labels.set(name, value);
            }
        }
        let discovered_labels = Arc::new(labels.clone());
        if relabel::apply(&self.defaults.relabel_configs, &mut labels) == Keep::Dropped {
            return Ok(Outcome::Dropped(discovered_labels));
        }

        let address: Box<str> = labels.get(ADDRESS).ok_or(TargetError::NoAddress)?.into();
        if address.contains('/') {
            return Err(TargetError::Address(address));
        }
        let (interval, timeout) = interval_and_timeout(&labels)?;
        labels.retain(|name, _| !name.starts_with(META_PREFIX));
        if labels.get(INSTANCE).is_none() {
            labels.set(INSTANCE, &address);
        }

        let query = self.query(&labels);
        let parts = Parts {
            scheme: labels.get(SCHEME).unwrap_or_default(),
            address: &address,
            path: labels.get(METRICS_PATH).unwrap_or_default(),
        };
        let url = parts.display(&query).into();
        let endpoint = parts.endpoint(&query);
        let mut public = labels.clone();
        public.retain(|name, _| !name.starts_with(RESERVED_PREFIX));
        Ok(Outcome::Active(Box::new(Target {
            identity: Identity {
                labels: Arc::new(labels),
                url,
            },
            labels: Arc::new(public),
            discovered_labels,
            endpoint,
            interval,
            timeout,
            access: access.cloned(),
        })))
    }

    /// The parameters of the configuration, the first value of each overlaid by its `__param_` label. A
    /// rule that removes the label doesn't remove the parameter.
    fn query(&self, labels: &LabelSet) -> String {
        let params = self.defaults.params.iter();
        let mut params: BTreeMap<&str, Vec<&str>> = params
            .map(|(name, values)| (&**name, values.iter().map(|value| &**value).collect()))
            .collect();
        for (label, value) in labels.iter() {
            let Some(name) = label.strip_prefix(PARAM_PREFIX) else {
                continue;
            };
            let values = params.entry(name).or_default();
            match values.first_mut() {
                Some(first) => *first = value,
                None => values.push(value),
            }
        }
        url::encode_query(&params)
    }
}

fn interval_and_timeout(labels: &LabelSet) -> Result<(Duration, Duration), TargetError> {
    let interval_label = labels.get(SCRAPE_INTERVAL).unwrap_or_default();
    let interval = duration::parse(interval_label).map_err(TargetError::Interval)?;
    if interval.is_zero() {
        return Err(TargetError::ZeroInterval);
    }
    let timeout_label = labels.get(SCRAPE_TIMEOUT).unwrap_or_default();
    let timeout = duration::parse(timeout_label).map_err(TargetError::Timeout)?;
    if timeout.is_zero() {
        return Err(TargetError::ZeroTimeout);
    }
    if timeout > interval {
        return Err(TargetError::TimeoutAboveInterval {
            timeout: timeout_label.into(),
            interval: interval_label.into(),
        });
    }
    Ok((interval, timeout))
}
