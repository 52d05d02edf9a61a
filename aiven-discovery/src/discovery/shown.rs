//! How discovery is doing, in the words that people are shown.

use std::time::UNIX_EPOCH;

use prom_model::target::{
    DiscoveryStatus as Shown, NodeStatus, ServiceStatus as Service, Standing,
};

use super::{DiscoveryStatus, ServiceStatus};
use crate::api::{NodeState, ServiceState};
use crate::target_group::NoTargets;

/// What `status` says of the discovery called `name`: of the services that are to be discovered, no other. `source`
/// names the target group of a service.
pub(super) fn shown(name: &str, source: impl Fn(&str) -> String, status: DiscoveryStatus) -> Shown {
    let since_epoch = status
        .last_success
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let errors = [
        ("", status.refresh_error),
        ("service catalogue: ", status.catalogue_error),
        ("credentials of the nodes: ", status.credentials_error),
        ("project ca: ", status.ca_error),
    ];
    let errors = errors
        .into_iter()
        .filter_map(|(what, error)| Some(format!("{what}{}", error?)));
    let missing = status.missing.iter().map(|name| missing(name));
    let mut services: Vec<_> = services(source, &status.services).chain(missing).collect();
    services.sort_by(|a, b| a.name.cmp(&b.name));
    Shown {
        name: format!("Aiven project {name}"),
        targets: services.iter().map(|service| service.targets).sum(),
        last_success_ms: since_epoch.and_then(|since| i64::try_from(since.as_millis()).ok()),
        last_error: errors.collect::<Vec<_>>().join("; "),
        services,
    }
}

/// What is said of those of the services that are to be discovered.
pub(super) fn services(
    source: impl Fn(&str) -> String,
    services: &[ServiceStatus],
) -> impl Iterator<Item = Service> {
    let listed = |service: &&ServiceStatus| service.no_targets != Some(NoTargets::NotListed);
    let listed = services.iter().filter(listed);
    listed.map(move |status| service(status, source(&status.name)))
}

fn service(status: &ServiceStatus, source: String) -> Service {
    let nodes: Vec<_> = status.node_states.iter().map(node).collect();
    let errors = [
        ("lookup of its host name fails: ", &status.dns_error),
        ("integration can't be enabled: ", &status.integration_error),
    ];
    let mut remarks: Vec<_> = errors
        .into_iter()
        .filter_map(|(what, error)| Some(format!("{what}{}", error.as_ref()?)))
        .collect();
    let state = match status.state {
        ServiceState::Running | ServiceState::Unknown => Standing::Well,
        _ => Standing::Unsettled,
    };
    let standing = match (&*remarks, status.no_targets) {
        ([], None) => state,
        ([], Some(_)) => Standing::Unsettled,
        _ => Standing::Failing,
    };
    let worst_node = nodes.iter().map(|node| node.standing).max();
    if let Some(reason) = status.no_targets {
        remarks.push(format!("no targets: {reason}"));
    }
    Service {
        name: status.name.clone(),
        source: source.into(),
        state: status.state.to_string(),
        standing: standing.max(worst_node.unwrap_or_default()),
        targets: match status.no_targets {
            None => status.addresses.len(),
            Some(_) => 0,
        },
        nodes,
        remarks,
    }
}

fn missing(name: &str) -> Service {
    Service {
        name: name.to_owned(),
        standing: Standing::Failing,
        remarks: vec!["in the catalogue, but not in the project".to_owned()],
        ..Service::default()
    }
}

fn node(node: &NodeState) -> NodeStatus {
    NodeStatus {
        name: node.name.clone(),
        state: node.state.clone(),
        standing: match &*node.state {
            "" | "running" => Standing::Well,
            _ => Standing::Unsettled,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::discovery::Progress;

    fn status(services: Vec<ServiceStatus>) -> DiscoveryStatus {
        DiscoveryStatus {
            progress: Progress::Discovered,
            last_success: Some(UNIX_EPOCH + Duration::from_secs(5)),
            refresh_error: None,
            catalogue_error: None,
            credentials_error: None,
            ca_error: None,
            services,
            missing: Vec::new(),
        }
    }

    fn well() -> ServiceStatus {
        let node = |name: &str| NodeState {
            name: name.to_owned(),
            state: "running".to_owned(),
            role: None,
        };
        ServiceStatus {
            name: "s".to_owned(),
            service_type: "opensearch".to_owned(),
            plan: "business-4".to_owned(),
            state: ServiceState::Running,
            node_states: vec![node("s-1"), node("s-2")],
            host: Some("s.host".to_owned()),
            addresses: vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()],
            no_targets: None,
            dns_error: None,
            integration_error: None,
        }
    }

    #[test]
    fn what_makes_a_service_unwell() {
        let f = |change: fn(&mut ServiceStatus), standing, targets, remarks: &[&str]| {
            let mut service = well();
            change(&mut service);
            let shown = shown("p", |name| format!("p/{name}"), status(vec![service]));
            let got = &shown.services[0];
            assert_eq!(&*got.source, "p/s");
            assert_eq!(got.remarks, remarks);
            assert_eq!((got.standing, got.targets), (standing, targets), "{got:?}");
            assert_eq!(shown.targets, targets);
        };
        f(|_| (), Standing::Well, 2, &[]);
        f(
            |it| it.state = ServiceState::Unknown,
            Standing::Well,
            2,
            &[],
        );
        f(
            |it| it.state = ServiceState::Rebuilding,
            Standing::Unsettled,
            2,
            &[],
        );
        f(
            |it| it.node_states[1].state = "syncing_data".to_owned(),
            Standing::Unsettled,
            2,
            &[],
        );
        f(
            |it| it.dns_error = Some("no addresses".to_owned()),
            Standing::Failing,
            2,
            &["lookup of its host name fails: no addresses"],
        );
        f(
            |it| {
                it.state = ServiceState::PowerOff;
                it.no_targets = Some(NoTargets::PoweredOff);
            },
            Standing::Unsettled,
            0,
            &["no targets: powered off"],
        );
        f(
            |it| {
                it.no_targets = Some(NoTargets::NotIntegrated);
                it.integration_error = Some("aiven forbids this to the token (403): no".to_owned());
            },
            Standing::Failing,
            0,
            &[
                "integration can't be enabled: aiven forbids this to the token (403): no",
                "no targets: without integration with the endpoint",
            ],
        );
    }

    #[test]
    fn services_are_those_that_are_to_be_discovered() {
        let unlisted = ServiceStatus {
            name: "unlisted".to_owned(),
            no_targets: Some(NoTargets::NotListed),
            ..well()
        };
        let shown = shown(
            "p",
            str::to_owned,
            DiscoveryStatus {
                refresh_error: Some("aiven's api is unreachable".to_owned()),
                ca_error: Some("no answer".to_owned()),
                missing: vec!["absent".to_owned()],
                ..status(vec![well(), unlisted])
            },
        );
        let names: Vec<_> = shown
            .services
            .iter()
            .map(|service| (&*service.name, service.standing))
            .collect();
        assert_eq!(
            names,
            [("absent", Standing::Failing), ("s", Standing::Well)]
        );
        assert_eq!(shown.name, "Aiven project p");
        assert_eq!(shown.last_success_ms, Some(5000));
        assert_eq!(
            shown.last_error,
            "aiven's api is unreachable; project ca: no answer"
        );
    }
}
