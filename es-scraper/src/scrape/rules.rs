//! What a job's configuration says of the samples of its targets.

use std::borrow::Cow;
use std::sync::Arc;

use prom_model::exposition::Format;
use prom_model::label::{LabelSet, METRIC_NAME};

use super::error::ScrapeError;
use crate::relabel::{self, Keep, RelabelConfig};

/// What stands before the name of an exposed label that a label of the target displaces.
pub(super) const EXPORTED: &str = "exported_";
/// How much of a name an error shows.
const SHOWN: usize = 50;

/// What a job's configuration says of the samples of its targets. Limits of zero are none.
#[derive(Debug, Clone, PartialEq)]
pub struct SampleRules {
    /// Whether an exposed label wins over a label of the target of the same name.
    pub honor_labels: bool,
    /// Whether exposed timestamps count.
    pub honor_timestamps: bool,
    /// Whether series with exposed timestamps get stale when they vanish.
    pub track_timestamps_staleness: bool,
    /// Rules for the labels of samples.
    pub metric_relabel_configs: Arc<[RelabelConfig]>,
    /// Largest number of samples after relabelling.
    pub sample_limit: u64,
    /// Largest number of labels of a series.
    pub label_limit: u64,
    /// Largest number of bytes of a label's name.
    pub label_name_length_limit: u64,
    /// Largest number of bytes of a label's value.
    pub label_value_length_limit: u64,
    /// Size in bytes, inflated, that a body has to stay below, as in Prometheus. 0 is no limit.
    pub body_size_limit: u64,
    /// The format of a body whose Content-Type doesn't tell.
    pub fallback_format: Option<Format>,
}

/// Prometheus' defaults, but for a body size limit of 64 MiB.
impl Default for SampleRules {
    fn default() -> Self {
        Self {
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            metric_relabel_configs: Arc::default(),
            sample_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            body_size_limit: 64 << 20,
            fallback_format: None,
        }
    }
}

/// What becomes of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Kept,
    Dropped,
}

impl SampleRules {
    /// Largest size of a body in bytes.
    pub(crate) fn body_limit(&self) -> usize {
        match usize::try_from(self.body_size_limit) {
            Ok(limit) if limit > 0 => limit - 1,
            _ => usize::MAX,
        }
    }

    /// Whether every series gets the same labels by `other`.
    pub(crate) fn label_alike(&self, other: &Self) -> bool {
        let relevant = |rules: &Self| Self {
            honor_timestamps: true,
            track_timestamps_staleness: true,
            sample_limit: 0,
            body_size_limit: 0,
            fallback_format: None,
            ..rules.clone()
        };
        relevant(self) == relevant(other)
    }

    /// Makes exposed `labels` those that the series is stored with. `empty` has the names that are exposed with an
    /// empty value: where exposed labels are honored they keep the target's labels away.
    ///
    /// # Errors
    /// Where the whole scrape fails of this series.
    pub(crate) fn apply<'a>(
        &self,
        target: &LabelSet,
        labels: &mut LabelSet,
        empty: impl Iterator<Item = Cow<'a, str>>,
    ) -> Result<Fate, ScrapeError> {
        if self.honor_labels {
            let empty: Vec<_> = empty.collect();
            for (name, value) in target.iter() {
                if labels.get(name).is_none() && !empty.iter().any(|empty| empty == name) {
                    labels.set(name, value);
                }
            }
        } else {
            displace(target, labels);
        }
        let keep = relabel::apply(&self.metric_relabel_configs, labels);
        if keep == Keep::Dropped || labels.is_empty() {
            return Ok(Fate::Dropped);
        }
        if labels.get(METRIC_NAME).is_none() {
            return Err(ScrapeError::NoMetricName);
        }
        self.check_limits(labels)?;
        Ok(Fate::Kept)
    }

    fn check_limits(&self, labels: &LabelSet) -> Result<(), ScrapeError> {
        let exceeds = |count: usize, limit: u64| limit > 0 && count as u64 > limit;
        let metric = shown(labels.metric_name());
        let error = |text: String| Err(ScrapeError::LabelLimit(text.into()));
        let (count, limit) = (labels.len(), self.label_limit);
        if exceeds(count, limit) {
            return error(format!(
                "label_limit exceeded (metric: {metric}, number of labels: {count}, limit: {limit})"
            ));
        }
        for (name, value) in labels.iter() {
            let (length, limit) = (name.len(), self.label_name_length_limit);
            if exceeds(length, limit) {
                return error(format!(
                    "label_name_length_limit exceeded (metric: {metric}, label name: {}, \
                     length: {length}, limit: {limit})",
                    shown(name)
                ));
            }
            let (length, limit) = (value.len(), self.label_value_length_limit);
            if exceeds(length, limit) {
                return error(format!(
                    "label_value_length_limit exceeded (metric: {metric}, label name: {}, \
                     value: {:?}, length: {length}, limit: {limit})",
                    shown(name),
                    shown(value)
                ));
            }
        }
        Ok(())
    }
}

/// Sets the target's labels; an exposed one in the way moves to `exported_` and its name, as often
/// as it takes.
fn displace(target: &LabelSet, labels: &mut LabelSet) {
    let mut displaced = Vec::new();
    for (name, value) in target.iter() {
        if let Some(exposed) = labels.remove(name) {
            displaced.push((name, exposed));
        }
        labels.set(name, value);
    }
    displaced.sort_by_key(|(name, _)| name.len());
    for (name, value) in displaced {
        let mut name = format!("{EXPORTED}{name}");
        while labels.get(&name).is_some() {
            name.insert_str(0, EXPORTED);
        }
        labels.set(&name, &value);
    }
}

fn shown(text: &str) -> &str {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
