//! Which metric families an answer consists of, and what their headers say.

use prom_model::metadata::{Metadata, MetricType};

use crate::store::Selection;

/// A metric family of an answer: a header, and the metric names below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// The family's name: that of its series, without the suffix where it has several.
    pub(crate) name: Box<str>,
    /// Type and help as scraped.
    pub(crate) metadata: Metadata,
    /// Positions in [`Selection::names`].
    pub(crate) names: Vec<usize>,
}

impl Family {
    /// Whether a metric of it is made of several series.
    pub(crate) const fn has_parts(&self) -> bool {
        has_parts(self.metadata.metric_type)
    }
}

/// The families of `selection`, sorted by name.
///
/// They come in the order of the metric names, but for the parts of a histogram or summary, which stay
/// together even where another metric's name would sort between two of them.
pub(crate) fn families(selection: &Selection) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::with_capacity(selection.names().len());
    for (at, selected) in selection.names().iter().enumerate() {
        let scraped = selection
            .family_of_name(at)
            .map(|family| family.metadata.clone());
        let (name, metadata) = family_of(&selected.name, scraped.unwrap_or_default());
        let together = has_parts(metadata.metric_type);
        // A family's parts are rarely apart by more than a few names.
        let before = families
            .iter_mut()
            .rev()
            .take_while(|family| together && *family.name >= *name);
        match before.into_iter().find(|family| {
            *family.name == *name && family.metadata.metric_type == metadata.metric_type
        }) {
            Some(family) => family.names.push(at),
            None => families.push(Family {
                name: name.into(),
                metadata,
                names: vec![at],
            }),
        }
    }
    // Stable, so that within a family the names stay sorted.
    families.sort_by(|a, b| a.name.cmp(&b.name));
    families
}

/// Name and metadata of the family of a series named `name`, of which a scrape said `metadata`.
///
/// Relabelling may have renamed the series, so the family's scraped name is no help.
fn family_of(name: &str, metadata: Metadata) -> (&str, Metadata) {
    let suffixes: &[&str] = match metadata.metric_type {
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        MetricType::Summary => &["_sum", "_count"],
        _ => return (name, metadata),
    };
    let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    match family {
        Some(family) if !family.is_empty() => (family, metadata),
        _ if metadata.metric_type == MetricType::Summary => (name, metadata),
        _ => (
            name,
            Metadata {
                metric_type: MetricType::Unknown,
                ..metadata
            },
        ),
    }
}

const fn has_parts(metric_type: MetricType) -> bool {
    matches!(
        metric_type,
        MetricType::Histogram | MetricType::GaugeHistogram | MetricType::Summary
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_members_of_their_family() {
        let f = |name: &str, metric_type, want: &str, want_type| {
            let (family, metadata) = family_of(
                name,
                Metadata {
                    metric_type,
                    ..Metadata::default()
                },
            );
            assert_eq!((family, metadata.metric_type), (want, want_type), "{name}");
        };
        f(
            "a_bucket",
            MetricType::Histogram,
            "a",
            MetricType::Histogram,
        );
        f("a_count", MetricType::Histogram, "a", MetricType::Histogram);
        f("a", MetricType::Histogram, "a", MetricType::Unknown);
        f("a", MetricType::Summary, "a", MetricType::Summary);
        f("a_sum", MetricType::Summary, "a", MetricType::Summary);
        f("a_sum", MetricType::Gauge, "a_sum", MetricType::Gauge);
        f("_sum", MetricType::Summary, "_sum", MetricType::Summary);
    }
}
