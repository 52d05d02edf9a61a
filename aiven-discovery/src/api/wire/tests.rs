use super::*;

fn list(body: &str) -> ServiceList {
    service_list(body.as_bytes()).expect(body)
}

#[test]
fn a_whole_service() {
    let body = r#"{"services": [{
        "service_name": "prod-1", "service_type": "opensearch", "plan": "business-4",
        "cloud_name": "aws-eu-west-1", "node_count": 3, "state": "RUNNING", "powered": true,
        "service_uri": "https://avnadmin:hunter2@h:1",
        "service_uri_params": {"host": "prod-1-p.aivencloud.com", "port": "24947", "password": "hunter2"},
        "components": [
            {"component": "opensearch", "host": "prod-1-p.aivencloud.com", "port": 24947, "route": "dynamic"},
            {"component": "prometheus", "host": "pub.aivencloud.com", "port": 9274, "route": "public",
                "usage": "primary"}
        ],
        "node_states": [{"name": "n-1", "state": "running", "role": "master", "progress_updates": []}],
        "service_integrations": [
            {"integration_type": "prometheus", "source_service": "prod-1", "dest_endpoint_id": "e1", "enabled": true,
                "active": true},
            {"integration_type": "prometheus", "source_service": "other", "dest_endpoint_id": "e2"},
            {"integration_type": "datadog", "dest_endpoint_id": "e3"},
            {"integration_type": "prometheus", "dest_endpoint_id": null, "dest_service": "m3", "enabled": false}
        ],
        "tags": {"team": "search", "n": 1},
        "users": [{"username": "avnadmin", "password": "hunter2"}]
    }]}"#;
    let got = list(body);
    let want = Service {
        name: "prod-1".into(),
        service_type: "opensearch".into(),
        plan: "business-4".into(),
        cloud: "aws-eu-west-1".into(),
        node_count: Some(3),
        state: ServiceState::Running,
        host: Some("prod-1-p.aivencloud.com".into()),
        prometheus_components: vec![Component {
            host: Some("pub.aivencloud.com".into()),
            port: Some(9274),
            route: Route::Public,
        }],
        prometheus_integrations: vec![
            Integration {
                endpoint_id: Some("e1".into()),
                disabled: false,
            },
            Integration {
                endpoint_id: None,
                disabled: true,
            },
        ],
        tags: [("team".into(), "search".into())].into(),
        node_states: vec![NodeState {
            name: "n-1".into(),
            state: "running".into(),
            role: Some("master".into()),
        }],
    };
    assert_eq!(got.services, [want]);
    assert!(!format!("{got:?}").contains("hunter2"));
}

#[test]
fn null_and_missing_are_survived() {
    let bare = Service {
        name: "s".into(),
        ..Service::default()
    };
    let null = r#"{"services": [{"service_name": "s", "service_type": null, "plan": null,
        "cloud_name": null, "node_count": null, "state": null, "service_uri_params": null,
        "components": null, "node_states": null, "service_integrations": null, "tags": null}]}"#;
    assert_eq!(list(null).services, std::slice::from_ref(&bare));
    assert_eq!(
        list(r#"{"services": [{"service_name": "s"}]}"#).services,
        [bare]
    );
    let halves = r#"{"services": [{"service_name": "s", "service_uri_params": {},
        "components": [{}, {"component": "prometheus"}], "node_states": [{}],
        "service_integrations": [{}, {"integration_type": "prometheus"}]}]}"#;
    let got = &list(halves).services[0];
    assert_eq!(got.prometheus_components, [Component::default()]);
    assert_eq!(got.prometheus_integrations, [Integration::default()]);
}

#[test]
fn one_malformed_service_leaves_the_others() {
    let body = r#"{"services": [
        {"service_name": "a"},
        {"service_name": "b", "node_count": "hunter2"},
        "hunter2",
        {"service_name": 7},
        {"service_name": ""},
        {"service_name": "c"}]}"#;
    let got = list(body);
    let names: Vec<_> = got.services.iter().map(|service| &*service.name).collect();
    assert_eq!(names, ["a", "c"]);
    let malformed: Vec<_> = got
        .malformed
        .iter()
        .map(|item| item.name.as_deref())
        .collect();
    assert_eq!(malformed, [Some("b"), None, None, None]);
    assert_eq!(
        got.malformed[0].reason,
        "a value of the wrong kind at line 1 column 45"
    );
    assert!(!format!("{:?}", got.malformed).contains("hunter2"));
}

#[test]
fn nonsense_is_no_list() {
    let f = |body: &str, want: &str| {
        let error = service_list(body.as_bytes()).expect_err(body);
        assert_eq!(
            error.to_string(),
            format!("aiven's answer makes no sense: {want}")
        );
    };
    f("", "JSON that ends too soon at line 1 column 0");
    f("<html>", "not JSON at line 1 column 1");
    f("{}", "there is no list of services");
    f("null", "a value of the wrong kind at line 1 column 4");
    f(
        "\"hunter2\"",
        "a value of the wrong kind at line 1 column 9",
    );
    f(r#"{"services": null}"#, "there is no list of services");
    f(
        r#"{"services": {}}"#,
        "a value of the wrong kind at line 1 column 13",
    );
    f(
        r#"{"services": [{"service_name": "a"}"#,
        "JSON that ends too soon at line 1 column 35",
    );
    f(
        r#"{"services": [], "message": "m", "errors": [{"message": "m"}]}"#,
        "success with 1 errors",
    );
}

#[test]
fn an_empty_list_is_a_list() {
    assert_eq!(list(r#"{"services": []}"#), ServiceList::default());
    assert_eq!(
        list(r#"{"services": [], "errors": []}"#),
        ServiceList::default()
    );
}

#[test]
fn credentials_of_an_endpoint() {
    let f = |config: &str| {
        let body = format!(
            r#"{{"service_integration_endpoint": {{"endpoint_id": "e", "user_config": {config}}}}}"#
        );
        endpoint(body.as_bytes()).map_err(|error| error.to_string())
    };
    let auth = f(r#"{"basic_auth_username": "u", "basic_auth_password": "p"}"#);
    let want = BasicAuth {
        username: "u".into(),
        password: Secret::from("p"),
    };
    assert_eq!(auth, Ok(Some(want)));
    assert_eq!(f("{}"), Ok(None));
    assert_eq!(
        f(r#"{"basic_auth_username": "", "basic_auth_password": null}"#),
        Ok(None)
    );
    assert!(f(r#"{"basic_auth_username": "u", "basic_auth_password": ""}"#).is_err());
    assert!(f("null").is_err());
    assert!(f(r#"{"basic_auth_username": "u"}"#).is_err());
    assert!(endpoint(b"{}").is_err());
}

#[test]
fn certificates() {
    let pem = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    let body = serde_json::json!({ "certificate": pem }).to_string();
    assert_eq!(certificate(body.as_bytes()).unwrap(), pem);
    for body in ["{}", r#"{"certificate": null}"#, r#"{"certificate": "x"}"#] {
        assert!(certificate(body.as_bytes()).is_err(), "{body}");
    }
}

fn json() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    use proptest::prelude::*;
    use serde_json::Value;
    let names =
        "services|service_name|components|component|prometheus|port|tags|state|errors|.{0,5}";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        names.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(names, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn every_item_of_a_list_is_a_service_or_malformed(
        items in proptest::collection::vec(json(), 0..5),
    ) {
        let count = items.len();
        let body = serde_json::json!({ "services": items }).to_string();
        let got = service_list(body.as_bytes());
        proptest::prop_assert!(got.is_ok(), "{body}");
        let got = got.unwrap_or_default();
        proptest::prop_assert_eq!(got.services.len() + got.malformed.len(), count);
    }

    #[test]
    fn no_body_is_a_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = service_list(&body);
        let _ = endpoint(&body);
        let _ = certificate(&body);
    }
}
