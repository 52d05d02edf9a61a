//! Which metric families an answer consists of, and what their headers say.

use prom_model::metadata::{Metadata, MetricType};

use crate::store::Selection;

/// A metric family of an answer: a header, and the metric names below it. It says what it says of a [`Selection`],
/// which holds all texts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// Bytes of the first metric name that are the family's name.
    name_bytes: usize,
    /// The type as scraped, as far as the names let it be.
    pub(crate) metric_type: MetricType,
    /// Position of the first name in [`Selection::names`].
    first: usize,
    /// Those of the others. Most families have none.
    others: Vec<usize>,
}

impl Family {
    /// The family's name: that of its series, without the suffix where it has several.
    pub(crate) fn name<'a>(&self, selection: &'a Selection) -> &'a str {
        &selection.names()[self.first].name[..self.name_bytes]
    }

    /// Help as scraped.
    pub(crate) fn help<'a>(&self, selection: &'a Selection) -> &'a str {
        self.scraped(selection).map_or("", |it| &it.help)
    }

    /// Unit as scraped.
    pub(crate) fn unit<'a>(&self, selection: &'a Selection) -> &'a str {
        self.scraped(selection).map_or("", |it| &it.unit)
    }

    fn scraped<'a>(&self, selection: &'a Selection) -> Option<&'a Metadata> {
        let family = selection.family_of_name(self.first)?;
        Some(&family.metadata)
    }

    /// Position in [`Selection::names`] of the name at `at` of the family's.
    pub(crate) fn position(&self, at: usize) -> Option<usize> {
        match at.checked_sub(1) {
            None => Some(self.first),
            Some(other) => self.others.get(other).copied(),
        }
    }

    /// Whether a metric of it is made of several series.
    pub(crate) const fn has_parts(&self) -> bool {
        has_parts(self.metric_type)
    }
}

/// The families of `selection`, sorted by name.
///
/// They come in the order of the metric names, but for the parts of a histogram or summary, which stay
/// together even where another metric's name would sort between two of them.
pub(crate) fn families(selection: &Selection) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::with_capacity(selection.names().len());
    for (at, selected) in selection.names().iter().enumerate() {
        let scraped = selection.family_of_name(at);
        let scraped = scraped.map_or(MetricType::Unknown, |it| it.metadata.metric_type);
        let (name, metric_type) = family_of(&selected.name, scraped);
        let together = has_parts(metric_type);
        // A family's parts are rarely apart by more than a few names.
        let before = families
            .iter_mut()
            .rev()
            .take_while(|family| together && family.name(selection) >= name);
        match before
            .into_iter()
            .find(|family| family.name(selection) == name && family.metric_type == metric_type)
        {
            Some(family) => family.others.push(at),
            None => families.push(Family {
                name_bytes: name.len(),
                metric_type,
                first: at,
                others: Vec::new(),
            }),
        }
    }
    // Stable, so that within a family the names stay sorted.
    families.sort_by(|a, b| a.name(selection).cmp(b.name(selection)));
    families
}

/// Name and type of the family of a series named `name`, of which a scrape said that it is a `metric_type`.
///
/// Relabelling may have renamed the series, so the family's scraped name is no help.
fn family_of(name: &str, metric_type: MetricType) -> (&str, MetricType) {
    let suffixes: &[&str] = match metric_type {
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        MetricType::Summary => &["_sum", "_count"],
        _ => return (name, metric_type),
    };
    let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
    match family {
        Some(family) if !family.is_empty() => (family, metric_type),
        _ if metric_type == MetricType::Summary => (name, metric_type),
        _ => (name, MetricType::Unknown),
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
            let got = family_of(name, metric_type);
            assert_eq!(got, (want, want_type), "{name}");
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
