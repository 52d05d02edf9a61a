use prom_config::yaml;

use super::*;
use crate::config::{AivenSdConfig, ServicesSource};

/// The section `text` within an entry, whose second line it starts at.
fn decode(text: &str) -> Result<CloudFoundryConfig, String> {
    let indented: String = text.lines().map(|line| format!("  {line}\n")).collect();
    let entry = format!("{{}}\ncloud_foundry:\n{indented}").replacen("{}", "project: p", 1);
    let entry = format!("{entry}integrate: false\n");
    let document = yaml::parse(&entry).and_then(|document| document.root.decode());
    let config: AivenSdConfig = document.map_err(|error: ConfigError| error.to_string())?;
    match config.services {
        ServicesSource::CloudFoundry(config) => Ok(*config),
        other => panic!("{other:?}"),
    }
}

const LEAST: &str =
    "api: https://api.x\nclient_id: c\nclient_secret: s3cret\naiven_service_prefix: prod";

fn least() -> CloudFoundryConfig {
    let credentials = Credentials::Client {
        id: "c".to_owned(),
        secret: SecretSource::Inline("s3cret".into()),
    };
    CloudFoundryConfig::new("https://api.x".parse().unwrap(), credentials, "prod")
}

#[test]
fn defaults() {
    let config = decode(LEAST).unwrap();
    assert_eq!(config, least());
    assert_eq!(config.service_offerings, ["elasticsearch", "opensearch"]);
    assert_eq!(config.refresh_interval, Duration::from_secs(60));
    let empty = "organizations: []\nusername:\npassword: ''\nclient_secret_file:\nca_file: ''";
    assert_eq!(decode(&format!("{LEAST}\n{empty}")), Ok(config));
}

#[test]
fn every_key() {
    let text = "\
api: https://api.x/base
username: exporter@x
password_file: password
service_offerings: [opensearch]
aiven_service_prefix: staging-lon
organizations: [tenant-a, 11111111-0000-4000-8000-000000000000]
refresh_interval: 90s
ca_file: /etc/ca.pem";
    let mut config = decode(text).unwrap();
    config.set_directory(Path::new("/etc/exporter"));
    let want = CloudFoundryConfig {
        api: "https://api.x/base".parse().unwrap(),
        credentials: Some(Credentials::User {
            username: "exporter@x".to_owned(),
            password: SecretSource::File("/etc/exporter/password".into()),
        }),
        service_offerings: vec!["opensearch".to_owned()],
        aiven_service_prefix: "staging-lon".to_owned(),
        organizations: vec![
            "tenant-a".to_owned(),
            "11111111-0000-4000-8000-000000000000".to_owned(),
        ],
        refresh_interval: Duration::from_secs(90),
        ca_file: Some("/etc/ca.pem".into()),
    };
    assert_eq!(config, want);
    let shown = "\
api: https://api.x/base
username: exporter@x
password_file: /etc/exporter/password
service_offerings:
- opensearch
aiven_service_prefix: staging-lon
organizations:
- tenant-a
- 11111111-0000-4000-8000-000000000000
refresh_interval: 1m30s
ca_file: /etc/ca.pem
";
    assert_eq!(config.shown().to_yaml(), shown);
}

#[test]
fn secrets_are_not_shown() {
    let config = decode(LEAST).unwrap();
    let shown = "\
api: https://api.x/
client_id: c
client_secret: <secret>
service_offerings:
- elasticsearch
- opensearch
aiven_service_prefix: prod
refresh_interval: 1m
";
    assert_eq!(config.shown().to_yaml(), shown);
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn mistakes() {
    let f = |text: &str, want: &str| assert_eq!(decode(text), Err(want.to_owned()), "{text}");
    let with = |text: &str, want: &str| f(&format!("{LEAST}\n{text}"), want);
    f("client_id: c", "3:3: api is missing");
    f(
        "api: https://u:s3cret@api.x",
        "3:8: not an address for the API, expected http:// or https://, a host, and no user",
    );
    f(
        "api: https://api.x\nclient_id: c\nclient_secret: s",
        "3:3: aiven_service_prefix is missing",
    );
    let keys = "aiven_service_prefix, api, ca_file, client_id, client_secret, client_secret_file, organizations, \
        password, password_file, refresh_interval, service_offerings, username";
    for key in ["offerings", "skip_ssl_validation"] {
        with(
            &format!("{key}: true"),
            &format!("7:3: unknown field \"{key}\", expected one of {keys}"),
        );
    }
    with(
        "refresh_intervall: 1m",
        "7:3: unknown field \"refresh_intervall\", did you mean \"refresh_interval\"?",
    );
    with(
        "refresh_interval: 10ms",
        "7:21: too short, expected 1s or more",
    );
    with(
        "service_offerings: []",
        "7:22: service_offerings names no offering, expected elasticsearch, opensearch or both",
    );
    with(
        "organizations: ['']",
        "7:18: an organization is empty, expected its guid or name",
    );
    for (prefix, want) in [
        (
            "''",
            "aiven_service_prefix is empty, expected what the names of services start with",
        ),
        (
            "a/b",
            "\"a/b\" starts no service's name, expected letters, digits, '-' and '_'",
        ),
        (
            "prod-",
            "\"prod-\" ends with '-', which is put between it and the guid anyway",
        ),
    ] {
        f(
            &format!(
                "api: https://api.x\nclient_id: c\nclient_secret: s\naiven_service_prefix: {prefix}"
            ),
            &format!("6:25: {want}"),
        );
    }
}

#[test]
fn credentials_are_one_of_two_kinds() {
    let both = "credentials of a client and of a user are both set, expected one of them";
    for (text, want) in [
        (
            "client_id: c",
            "4:14: client_id needs client_secret or client_secret_file".into(),
        ),
        (
            "client_secret: s3cret",
            "4:18: client_secret needs client_id".into(),
        ),
        (
            "client_secret_file: f",
            "4:23: client_secret_file needs client_id".into(),
        ),
        (
            "username: u",
            "4:13: username needs password or password_file".into(),
        ),
        ("password: s3cret", "4:13: password needs username".into()),
        (
            "password_file: f",
            "4:18: password_file needs username".into(),
        ),
        ("client_id: c\nusername: u", format!("5:13: {both}")),
        (
            "client_secret: s3cret\npassword_file: f",
            format!("5:18: {both}"),
        ),
        (
            "client_id: c\nclient_secret: s3cret\nusername: u\npassword: s3cret",
            format!("6:13: {both}"),
        ),
        (
            "client_id: c\nclient_secret: s3cret\nclient_secret_file: f",
            "6:23: client_secret and client_secret_file are both set, expected at most one".into(),
        ),
    ] {
        let got = decode(&format!(
            "api: https://api.x\n{text}\naiven_service_prefix: prod"
        ));
        assert_eq!(got, Err(want), "{text}");
    }
}

#[test]
fn somebody_else_may_know_the_credentials() {
    let config = decode("api: https://api.x\naiven_service_prefix: prod").unwrap();
    let api = "https://api.x".parse().unwrap();
    assert_eq!(config, CloudFoundryConfig::without_credentials(api, "prod"));
    let mut options = BuildOptions::default();
    let error = config.catalogue(&options).unwrap_err();
    assert!(matches!(error, BuildError::NoCloudFoundryCredentials));
    options.cloud_foundry_credentials = least().credentials;
    assert!(config.catalogue(&options).is_ok());
}

#[test]
fn a_services_file_beside_it_is_one_too_many() {
    let text = "project: p\nintegrate: false\nservices_file: f\ncloud_foundry:\n  api: https://api.x\n  \
        client_id: c\n  client_secret: s\n  aiven_service_prefix: prod";
    let config = yaml::parse(text).and_then(|document| document.root.decode::<AivenSdConfig>());
    assert_eq!(
        config.unwrap_err().to_string(),
        "5:3: services_file and cloud_foundry are both set, expected at most one"
    );
}

#[test]
fn other_credentials_list_the_same() {
    let mine = least();
    let f = |change: fn(&mut CloudFoundryConfig), want: bool| {
        let mut other = least();
        change(&mut other);
        assert_eq!(mine.lists_the_same_as(&other), want, "{other:?}");
    };
    f(|_| (), true);
    f(|it| it.refresh_interval *= 2, true);
    f(|it| it.ca_file = Some("ca".into()), true);
    f(
        |it| it.credentials = Some(Credentials::Token(SecretSource::File("f".into()))),
        true,
    );
    f(|it| it.organizations.push("o".into()), false);
    f(|it| it.aiven_service_prefix.push('2'), false);
    f(|it| it.api.set_path("/base"), false);
}
