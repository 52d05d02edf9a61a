//! `services-file check`.

use std::process::Command;

use fixtures::{Integration, MockAiven, Service};
use serde_json::json;

use crate::support::program::Program;

/// Runs the command on what `entries` lists; exit code, standard output and standard error.
async fn check(aiven: &MockAiven, file: &str, set: &[(&str, &str)]) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("services.json"), file).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_services-file"));
    command
        .env_clear()
        .current_dir(&folder)
        .args(["check", "services.json"])
        .arg(format!("--aiven-project={}", aiven.project()))
        .arg(format!("--nameserver={}", aiven.nameserver()))
        .env("AIVEN_API_TOKEN", aiven.token())
        .env("AIVEN_WEB_URL", aiven.api_url())
        .env("AIVEN_PROMETHEUS_ENDPOINT_ID", aiven.endpoint_id())
        .envs(set.iter().copied());
    let mut program = Program::start(&mut command);
    let code = program.ended().await.code().unwrap();
    (code, program.stdout(), program.log())
}

fn file(services: &[&str]) -> String {
    let entry = |name: &&str| json!({"aiven_service": name, "extra_labels": {"org_name": "o"}});
    json!(services.iter().map(entry).collect::<Vec<_>>()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_trouble_is_told() {
    let aiven = MockAiven::builder()
        .service(Service::opensearch("prod-good"))
        .service(Service::opensearch("prod-lacking").without_integration())
        .service(
            Service::opensearch("prod-elsewhere")
                .integration(Integration::OtherEndpoint("other".to_owned())),
        )
        .service(Service::elasticsearch("prod-off").powered_off())
        .service(Service::elasticsearch("prod-built").building())
        .service(
            Service::opensearch("prod-empty")
                .nodes(0)
                .host("empty.aiven.test"),
        )
        .start()
        .await
        .unwrap();
    let all = [
        "prod-off",
        "prod-good",
        "prod-unknown",
        "prod-lacking",
        "prod-elsewhere",
        "prod-built",
        "prod-empty",
    ];
    let (code, told, log) = check(&aiven, &file(&all), &[]).await;
    assert_eq!(
        told,
        "prod-built: without a host name yet\n\
         prod-elsewhere: without integration with the endpoint\n\
         prod-empty: no nodes: empty.aiven.test: no addresses\n\
         prod-lacking: without integration with the endpoint\n\
         prod-off: powered off\n\
         prod-unknown: doesn't exist in the project\n\
         1 of 7 services are well\n"
    );
    assert_eq!((code, &*log), (1, ""));
    let (code, told, log) = check(&aiven, &file(&["prod-good"]), &[]).await;
    assert_eq!((code, &*told, &*log), (0, "1 of 1 services are well\n", ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_can_be_checked_that_is_told() {
    let aiven = MockAiven::start().await.unwrap();
    let good = file(&[]);
    let f = async |file: &str, set: &[(&str, &str)], want: &str| {
        let (code, told, log) = check(&aiven, file, set).await;
        assert_eq!((code, &*told), (2, ""), "{log}");
        assert!(log.contains(want), "{log}");
        assert!(!log.contains("secret-token"), "{log}");
    };
    f(
        "[{}]",
        &[],
        "services.json:1:3: entry 1: missing field `aiven_service`",
    )
    .await;
    let token = ("AIVEN_API_TOKEN", "secret-token");
    f(
        &good,
        &[token],
        "services-file: aiven doesn't list the services: ",
    )
    .await;
    f(
        &good,
        &[("AIVEN_API_TOKEN", "")],
        "AIVEN_API_TOKEN is missing",
    )
    .await;
    f(
        &good,
        &[("AIVEN_WEB_URL", "x")],
        "AIVEN_WEB_URL is no URL: ",
    )
    .await;
}
