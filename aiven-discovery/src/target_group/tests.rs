use std::net::IpAddr;
use std::sync::Arc;

use super::*;
use crate::api::{Component, Integration, Route, ServiceState};

fn settings() -> TargetSettings {
    TargetSettings {
        project: "paas".into(),
        endpoint_id: Some("ours".into()),
        service_types: vec!["elasticsearch".into(), "opensearch".into()],
        scheme: "https".into(),
    }
}

fn integration(endpoint_id: &str) -> Integration {
    Integration {
        endpoint_id: Some(endpoint_id.into()),
        disabled: false,
    }
}

fn service() -> Service {
    Service {
        name: "prod-1".into(),
        service_type: "opensearch".into(),
        plan: "business-4".into(),
        cloud: "aws-eu-west-1".into(),
        node_count: Some(3),
        state: ServiceState::Running,
        host: Some("prod-1.aivencloud.com".into()),
        prometheus_integrations: vec![integration("ours")],
        ..Service::default()
    }
}

fn addresses(of: &[&str]) -> BTreeMap<String, Vec<IpAddr>> {
    let addresses = of.iter().map(|address| address.parse().unwrap()).collect();
    [("prod-1".to_owned(), addresses)].into()
}

#[test]
fn a_group_has_a_target_for_each_address_and_the_labels_of_its_service() {
    let mut service = service();
    service.tags = [
        ("team".to_owned(), "search".to_owned()),
        ("cost-centre/ä".to_owned(), "7".to_owned()),
    ]
    .into();
    let extra: LabelSet = [("org_name", "o"), ("aiven_plan", "forged")]
        .into_iter()
        .collect();
    let listing = Listing::Services(Arc::new([("prod-1".to_owned(), extra)].into()));
    let groups = target_groups(
        &settings(),
        &[service],
        &listing,
        &addresses(&["10.0.0.2", "2001:db8::1", "10.0.0.1", "10.0.0.2"]),
    );
    let want = TargetGroup {
        source: "paas/prod-1".into(),
        labels: [
            ("__scheme__", "https"),
            ("org_name", "o"),
            ("aiven_service_name", "prod-1"),
            ("aiven_service_type", "opensearch"),
            ("aiven_hostname", "prod-1.aivencloud.com"),
            ("aiven_plan", "business-4"),
            ("aiven_cloud", "aws-eu-west-1"),
            ("aiven_node_count", "3"),
            ("__meta_aiven_project", "paas"),
            ("__meta_aiven_service_name", "prod-1"),
            ("__meta_aiven_service_type", "opensearch"),
            ("__meta_aiven_plan", "business-4"),
            ("__meta_aiven_cloud", "aws-eu-west-1"),
            ("__meta_aiven_hostname", "prod-1.aivencloud.com"),
            ("__meta_aiven_node_count", "3"),
            ("__meta_aiven_service_state", "RUNNING"),
            ("__meta_aiven_tag_team", "search"),
            ("__meta_aiven_tag_cost_centre__", "7"),
        ]
        .into_iter()
        .collect(),
        targets: ["10.0.0.1:9273", "10.0.0.2:9273", "[2001:db8::1]:9273"]
            .map(|address| LabelSet::from_iter([("__address__", address)]))
            .into(),
        access: None,
    };
    assert_eq!(groups, [want]);
}

#[test]
fn what_aiven_leaves_out_is_an_absent_label() {
    let service = Service {
        name: "prod-1".into(),
        service_type: "opensearch".into(),
        host: Some("h".into()),
        prometheus_integrations: vec![integration("ours")],
        ..Service::default()
    };
    let groups = target_groups(
        &settings(),
        &[service],
        &Listing::WholeProject,
        &addresses(&["10.0.0.1"]),
    );
    let names: Vec<_> = groups[0].labels.iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "__meta_aiven_hostname",
            "__meta_aiven_project",
            "__meta_aiven_service_name",
            "__meta_aiven_service_type",
            "__scheme__",
            "aiven_hostname",
            "aiven_service_name",
            "aiven_service_type",
        ]
    );
}

#[test]
fn host_and_port_come_from_the_component_where_it_has_them() {
    let f = |components: &[(Option<&str>, Option<u16>, Route)], host: &str, port: u16| {
        let service = Service {
            prometheus_components: components
                .iter()
                .map(|(host, port, route)| Component {
                    host: host.map(str::to_owned),
                    port: *port,
                    route: *route,
                })
                .collect(),
            ..service()
        };
        let want = MetricsEndpoint {
            host: host.to_owned(),
            port,
        };
        assert_eq!(
            settings().metrics_endpoint(&service),
            Ok(want),
            "{components:?}"
        );
    };
    f(&[], "prod-1.aivencloud.com", 9273);
    f(&[(Some("c"), Some(1), Route::Public)], "c", 1);
    f(
        &[(None, Some(1), Route::Dynamic)],
        "prod-1.aivencloud.com",
        1,
    );
    f(&[(Some("c"), None, Route::Dynamic)], "c", 9273);
    f(
        &[
            (Some("link"), Some(1), Route::PrivateLink),
            (Some("public"), Some(2), Route::Public),
            (Some("dynamic"), Some(3), Route::Dynamic),
        ],
        "dynamic",
        3,
    );
}

#[test]
fn services_without_targets_say_why() {
    let f = |change: fn(&mut Service), want: NoTargets| {
        let mut service = service();
        change(&mut service);
        let listing = Listing::Services(Arc::new([("prod-1".to_owned(), LabelSet::new())].into()));
        let settings = settings();
        let got = settings
            .is_wanted(&service, &listing)
            .and_then(|_| settings.metrics_endpoint(&service));
        assert_eq!(got, Err(want));
        let known = addresses(&["10.0.0.1"]);
        assert_eq!(target_groups(&settings, &[service], &listing, &known), []);
    };
    f(|s| s.name = "dev-1".into(), NoTargets::NotListed);
    f(|s| s.service_type = "pg".into(), NoTargets::OtherType);
    f(|s| s.state = ServiceState::PowerOff, NoTargets::PoweredOff);
    f(
        |s| s.prometheus_integrations.clear(),
        NoTargets::NotIntegrated,
    );
    f(
        |s| s.prometheus_integrations = vec![integration("theirs")],
        NoTargets::NotIntegrated,
    );
    f(
        |s| s.prometheus_integrations[0].disabled = true,
        NoTargets::IntegrationDisabled,
    );
    f(|s| s.host = None, NoTargets::NoHost);
}

#[test]
fn without_an_endpoint_any_integration_will_do() {
    let settings = TargetSettings {
        endpoint_id: None,
        ..settings()
    };
    let mut service = service();
    service.prometheus_integrations = vec![integration("theirs")];
    assert!(settings.metrics_endpoint(&service).is_ok());
}

#[test]
fn groups_are_sorted_and_unresolved_services_have_none() {
    let named = |name: &str| Service {
        name: name.into(),
        ..service()
    };
    let services = ["c", "a", "b"].map(named);
    let addresses = ["a", "c"]
        .map(|name| (name.to_owned(), vec![IpAddr::from([10, 0, 0, 1])]))
        .into();
    let groups = target_groups(&settings(), &services, &Listing::WholeProject, &addresses);
    let sources: Vec<_> = groups.iter().map(|group| &*group.source).collect();
    assert_eq!(sources, ["paas/a", "paas/c"]);
}
