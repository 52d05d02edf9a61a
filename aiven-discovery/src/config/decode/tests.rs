use std::path::{Path, PathBuf};

use prom_config::yaml;

use super::*;

fn decode(text: &str) -> Result<AivenSdConfig, String> {
    yaml::parse(text)
        .and_then(|document| document.root.decode())
        .map_err(|error: ConfigError| error.to_string())
}

#[test]
fn defaults() {
    let want = AivenSdConfig {
        prometheus_endpoint_id: Some("e".into()),
        ..AivenSdConfig::new("paas")
    };
    assert_eq!(
        decode("project: paas\nprometheus_endpoint_id: e"),
        Ok(want.clone())
    );
    let empty = "project: paas\nprometheus_endpoint_id: e\napi_token:\napi_url:\nservices_file: ''\nnameservers: []";
    assert_eq!(decode(empty), Ok(want));
}

#[test]
fn every_key() {
    let text = "
project: paas-cf-prod
api_token_file: token
api_url: https://aiven.example/base/
prometheus_endpoint_id: b3c3d9aa
integrate: false
service_types: [opensearch]
services_file: services.json
scheme: http
refresh_interval: 1m
dns_refresh_interval: 10s
nameservers: [10.0.0.2, '10.0.0.3:5353', '::1', '[::1]:5353']
";
    let mut got = decode(text).unwrap();
    let want = AivenSdConfig {
        project: "paas-cf-prod".into(),
        api_token: Some(SecretSource::File("token".into())),
        api_url: Some(Url::parse("https://aiven.example/base/").unwrap()),
        prometheus_endpoint_id: Some("b3c3d9aa".into()),
        integrate: false,
        service_types: vec!["opensearch".into()],
        services: ServicesSource::ServicesFile("services.json".into()),
        scheme: "http".into(),
        refresh_interval: Duration::from_secs(60),
        integrate_interval: Duration::from_secs(15),
        dns_refresh_interval: Duration::from_secs(10),
        nameservers: ["10.0.0.2:53", "10.0.0.3:5353", "[::1]:53", "[::1]:5353"]
            .map(|address| address.parse().unwrap())
            .into(),
    };
    assert_eq!(got, want);
    got.set_directory(Path::new("/etc/exporter"));
    assert_eq!(
        (got.api_token, got.services),
        (
            Some(SecretSource::File(PathBuf::from("/etc/exporter/token"))),
            ServicesSource::ServicesFile("/etc/exporter/services.json".into())
        )
    );
}

#[test]
fn mistakes() {
    let f = |text: &str, want: &str| {
        let text = format!("prometheus_endpoint_id: e\n{text}");
        assert_eq!(decode(&text), Err(want.to_owned()), "{text}");
    };
    f("scheme: https", "1:1: project is missing");
    f(
        "project: ''",
        "2:10: project is empty, expected the name of an Aiven project",
    );
    f(
        "project: a/b",
        "2:10: \"a/b\" is no project, expected letters, digits, '-', '_' and '.'",
    );
    f(
        "project: p\nprojet: p",
        "3:1: unknown field \"projet\", did you mean \"project\"?",
    );
    f(
        "project: p\napi_token: s3cret\napi_token_file: f",
        "4:17: api_token and api_token_file are both set, expected at most one",
    );
    let url = "not an address for the API, expected http:// or https://, a host, and no user";
    for text in [
        "api.aiven.io",
        "ftp://h",
        "https://u:s3cret@h",
        "https://u@h",
    ] {
        f(
            &format!("project: p\napi_url: {text}"),
            &format!("3:10: {url}"),
        );
    }
    f(
        "project: p\nscheme: ftp",
        "3:9: \"ftp\" is no scheme, expected http or https",
    );
    f(
        "project: p\nrefresh_interval: 0s",
        "3:19: too short, expected 1s or more",
    );
    f(
        "project: p\nservice_types: []",
        "3:16: service_types names no type, expected elasticsearch, opensearch or both",
    );
    f(
        "project: p\nnameservers: [dns.example]",
        "3:14: \"dns.example\" is no name server, expected IP or IP:PORT",
    );
    assert_eq!(
        decode("project: p"),
        Err("1:1: prometheus_endpoint_id is missing, which integrate: true needs".to_owned())
    );
    assert!(decode("project: p\nintegrate: false").is_ok());
}

#[test]
fn secrets_are_not_shown() {
    let text = "project: p\nprometheus_endpoint_id: e\napi_token: s3cret\nnameservers: [10.0.0.2]";
    let config = decode(text).unwrap();
    let shown = config.shown().to_yaml();
    let want = "\
project: p
api_token: <secret>
prometheus_endpoint_id: e
integrate: true
service_types:
- elasticsearch
- opensearch
scheme: https
refresh_interval: 2m
dns_refresh_interval: 45s
nameservers:
- 10.0.0.2:53
";
    assert_eq!(shown, want);
    assert!(!format!("{config:?}").contains("s3cret"));
}
