//! Prometheus' JSON of target groups, which `http_sd_configs` and `file_sd_configs` read.

use std::collections::BTreeMap;

use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;
use serde::Serialize;

/// Content type of [`render`]'s answer, which Prometheus insists on.
pub const CONTENT_TYPE: &str = "application/json";

#[derive(Serialize)]
struct Group<'a> {
    targets: Vec<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

/// Every target of `groups` as `[{"targets": ["HOST:PORT"], "labels": {…}}]`, `[]` where there is
/// none.
///
/// `__scheme__`, `__meta_…` and whatever else the reader's relabelling can use are among the labels.
/// Groups come in the order given, targets with labels of their own as groups of their own.
#[must_use]
pub fn render(groups: &[TargetGroup]) -> String {
    // Targets of a group by the labels that are theirs alone.
    let mut split: Vec<(&TargetGroup, BTreeMap<LabelSet, Vec<&str>>)> = Vec::new();
    for group in groups {
        let mut by_labels: BTreeMap<LabelSet, Vec<&str>> = BTreeMap::new();
        for target in &group.targets {
            let Some(address) = target.get("__address__") else {
                continue;
            };
            let mut own = target.clone();
            own.remove("__address__");
            by_labels.entry(own).or_default().push(address);
        }
        split.push((group, by_labels));
    }
    let rendered: Vec<_> = split
        .iter()
        .flat_map(|(group, by_labels)| {
            by_labels.iter().map(|(own, targets)| Group {
                targets: targets.clone(),
                labels: group.labels.iter().chain(own.iter()).collect(),
            })
        })
        .collect();
    // Strings and lists of them can't fail to serialize.
    serde_json::to_string(&rendered).unwrap_or_else(|_| "[]".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&str, &str)]) -> LabelSet {
        of.iter().copied().collect()
    }

    #[test]
    fn groups_are_as_prometheus_reads_them() {
        let group = TargetGroup {
            source: "p/s".into(),
            labels: labels(&[("__scheme__", "https"), ("a", "\"1\"")]),
            targets: vec![
                labels(&[("__address__", "10.0.0.1:9273")]),
                labels(&[("__address__", "10.0.0.2:9273"), ("a", "2")]),
                labels(&[("__address__", "[::1]:9273")]),
            ],
            access: None,
        };
        assert_eq!(
            render(&[group]),
            concat!(
                r#"[{"targets":["10.0.0.1:9273","[::1]:9273"],"labels":{"__scheme__":"https","a":"\"1\""}},"#,
                r#"{"targets":["10.0.0.2:9273"],"labels":{"__scheme__":"https","a":"2"}}]"#,
            )
        );
        assert_eq!(render(&[]), "[]");
    }
}
