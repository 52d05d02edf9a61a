//! The target file of the sidecar that this crate replaces.
//!
//! Unlike [`http_sd`](super::http_sd) its targets are bare addresses, to which operators append the
//! port by relabelling, and its labels are the six `aiven_…` ones and the catalogue's additional ones.

use std::collections::BTreeMap;
use std::net::IpAddr;

use prom_model::target::TargetGroup;
use serde::{Deserialize, Serialize};

const LABELS: [(&str, &str); 6] = [
    ("aiven_service_name", ""),
    ("aiven_service_type", ""),
    ("aiven_hostname", ""),
    ("aiven_plan", ""),
    ("aiven_cloud", ""),
    ("aiven_node_count", "0"),
];

#[derive(Serialize)]
struct Group<'a> {
    targets: Vec<&'a str>,
    labels: BTreeMap<&'a str, &'a str>,
}

/// `groups` as `[{"targets": ["IP"], "labels": {…}}]`, sorted by service, `[]` where there is none.
///
/// All six labels are always there. An IPv6 address is in brackets, so that `:9273` can be appended
/// to it as well.
#[must_use]
pub fn render(groups: &[TargetGroup]) -> String {
    let mut rendered: Vec<_> = groups
        .iter()
        .filter(|group| !group.targets.is_empty())
        .map(|group| {
            let own = group
                .labels
                .iter()
                .filter(|(name, _)| !name.starts_with("__"));
            let mut targets: Vec<_> = group
                .targets
                .iter()
                .filter_map(|target| without_port(target.get("__address__")?))
                .collect();
            targets.sort_unstable();
            Group {
                targets,
                labels: LABELS.into_iter().chain(own).collect(),
            }
        })
        .collect();
    rendered.sort_by(|a, b| a.labels.cmp(&b.labels));
    rendered.sort_by_key(|group| group.labels["aiven_service_name"]);
    // Strings and lists of them can't fail to serialize.
    serde_json::to_string(&rendered).unwrap_or_else(|_| "[]".to_owned())
}

/// The addresses of each service in a target file, whoever wrote it.
///
/// For the first round after a start, when a lookup that fails would otherwise cost a service its
/// targets. What can't be understood is left out.
#[must_use]
pub fn addresses(target_file: &str) -> BTreeMap<String, Vec<IpAddr>> {
    #[derive(Deserialize)]
    struct Read {
        targets: Vec<String>,
        labels: BTreeMap<String, String>,
    }
    let groups: Vec<Read> = serde_json::from_str(target_file).unwrap_or_default();
    let mut addresses: BTreeMap<String, Vec<IpAddr>> = BTreeMap::new();
    for mut group in groups {
        let Some(service) = group.labels.remove("aiven_service_name") else {
            continue;
        };
        let of_group = group.targets.iter().filter_map(|target| {
            let bare = target.trim_start_matches('[').trim_end_matches(']');
            bare.parse::<IpAddr>().ok()
        });
        addresses.entry(service).or_default().extend(of_group);
    }
    addresses.retain(|service, addresses| !service.is_empty() && !addresses.is_empty());
    addresses
}

fn without_port(address: &str) -> Option<&str> {
    Some(address.rsplit_once(':')?.0)
}

#[cfg(test)]
mod tests {
    use prom_model::label::LabelSet;

    use super::*;

    fn group(name: &str, labels: &[(&str, &str)], addresses: &[&str]) -> TargetGroup {
        let mut all: LabelSet = labels.iter().copied().collect();
        all.set("aiven_service_name", name);
        TargetGroup {
            source: format!("p/{name}").into(),
            labels: all,
            targets: addresses
                .iter()
                .map(|address| LabelSet::from_iter([("__address__", address)]))
                .collect(),
            access: None,
        }
    }

    #[test]
    fn the_old_format() {
        let labels = [
            ("__meta_aiven_project", "p"),
            ("__scheme__", "https"),
            ("aiven_cloud", "aws-eu-west-1"),
            ("aiven_hostname", "h"),
            ("aiven_node_count", "3"),
            ("aiven_plan", "business-4"),
            ("aiven_service_type", "opensearch"),
            ("org_name", "o"),
        ];
        let groups = [
            group(
                "b",
                &labels,
                &["4.3.2.1:9273", "1.2.3.4:9273", "[::1]:9273"],
            ),
            group("c", &[], &[]),
            group("a", &[], &["1.2.3.4:1"]),
        ];
        let want = concat!(
            r#"[{"targets":["1.2.3.4"],"labels":{"aiven_cloud":"","aiven_hostname":"","aiven_node_count":"0","#,
            r#""aiven_plan":"","aiven_service_name":"a","aiven_service_type":""}},"#,
            r#"{"targets":["1.2.3.4","4.3.2.1","[::1]"],"labels":{"aiven_cloud":"aws-eu-west-1","aiven_hostname":"h","#,
            r#""aiven_node_count":"3","aiven_plan":"business-4","aiven_service_name":"b","aiven_service_type":"opensearch","org_name":"o"}}]"#,
        );
        assert_eq!(render(&groups), want);
        assert_eq!(render(&[]), "[]");
        let read: Vec<_> = addresses(want)
            .into_iter()
            .map(|(name, of)| (name, of.len()))
            .collect();
        assert_eq!(read, [("a".to_owned(), 1), ("b".to_owned(), 3)]);
    }

    #[test]
    fn whatever_is_not_a_target_file_has_no_addresses() {
        for text in [
            "",
            "[]",
            "{",
            "[1]",
            r#"[{"targets":["x"],"labels":{"aiven_service_name":"a"}}]"#,
        ] {
            assert!(addresses(text).is_empty(), "{text}");
        }
    }
}
