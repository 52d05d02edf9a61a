//! All targets of a job.

use std::collections::HashMap;
use std::sync::Arc;

use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;

use super::Target;
use super::populate::{Outcome, Populate, TargetDefaults, TargetError};

/// What became of the discovered targets of one job.
#[derive(Debug, Clone, Default)]
pub struct Targets {
    /// To be scraped, each [`Identity`](super::Identity) once, in the order of discovery.
    pub active: Vec<Arc<Target>>,
    /// Labels before relabelling of what a rule dropped, no more than [`TargetDefaults::keep_dropped_targets`].
    pub dropped: Vec<Arc<LabelSet>>,
    /// How many targets a rule dropped, kept or not.
    pub dropped_count: usize,
    /// What could not be made a target.
    pub failed: Vec<TargetFailure>,
}

/// A discovered target that could not be made one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("instance {index} in group {group}")]
pub struct TargetFailure {
    /// Source of its group.
    pub group: Arc<str>,
    /// Where in its group it stands, from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub error: TargetError,
}

impl Targets {
    /// The targets of `groups`, made with the job's `defaults`.
    ///
    /// Of targets with the same identity the last one counts, at the place of the first: they are scraped alike, and
    /// differ in what they were before relabelling and in how they are accessed.
    #[must_use]
    pub fn from_groups(groups: &[TargetGroup], defaults: &TargetDefaults) -> Self {
        let populate = Populate::new(defaults);
        let keep_dropped = match usize::try_from(defaults.keep_dropped_targets) {
            Ok(limit) if limit > 0 => limit,
            _ => usize::MAX,
        };
        let mut targets = Self::default();
        let mut places = HashMap::new();
        for group in groups {
            for (index, labels) in group.discovered_labels().enumerate() {
                match populate.target(labels, group.access.as_ref()) {
                    Ok(Outcome::Active(target)) => {
                        let target = Arc::new(*target);
                        let next = targets.active.len();
                        let place = *places.entry(target.identity().clone()).or_insert(next);
                        if place == next {
                            targets.active.push(target);
                        } else {
                            targets.active[place] = target;
                        }
                    }
                    Ok(Outcome::Dropped(labels)) => {
                        targets.dropped_count += 1;
                        if targets.dropped.len() < keep_dropped {
                            targets.dropped.push(labels);
                        }
                    }
                    Err(error) => targets.failed.push(TargetFailure {
                        group: Arc::clone(&group.source),
                        index,
                        error,
                    }),
                }
            }
        }
        targets
    }
}
