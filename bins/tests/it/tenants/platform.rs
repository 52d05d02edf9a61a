//! The exporter as an application on Cloud Foundry.

use std::process::Command;

use fixtures::cloud_foundry::Instance;
use fixtures::{MockAiven, MockCloudFoundry};
use serde_json::json;

use crate::support::exporter::{Exporter, SCRAPE_INTERVAL, command};

const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../deploy/cloudfoundry/exporter.yml"
);
const MANIFEST: &str = include_str!("../../../../deploy/cloudfoundry/manifest.yml");

#[test]
fn the_example_is_a_configuration() {
    let binary = env!("CARGO_BIN_EXE_elasticsearch-metric-exporter");
    let output = Command::new(binary)
        .env_clear()
        .args(["check-config", EXAMPLE])
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, format!("{EXAMPLE}: valid\n"));
    assert!(output.status.success());
}

/// The command of the manifest, but for what a test has to change, on what a bound service says.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_from_the_bound_service() {
    let instance = Instance::opensearch("search").space(("search-team", "live"));
    let cloud_foundry = MockCloudFoundry::builder().instance(instance.clone());
    let cloud_foundry = cloud_foundry.start().await.unwrap();
    let aiven = MockAiven::builder().service(instance.to_service("prod").nodes(1));
    let aiven = aiven.start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(EXAMPLE).unwrap();
    let text = text
        .replace("https://api.cloud.example.org", &cloud_foundry.api_url())
        .replace("b3c3d9aa-93a8-4c3f-8f5b-6c1d9d1e7a11", aiven.endpoint_id())
        .replace("paas-cf-prod", aiven.project())
        .replace(
            "scrape_interval: 30s",
            &format!("scrape_interval: {SCRAPE_INTERVAL}"),
        )
        .replace(
            "    cloud_foundry:\n",
            &format!(
                "    nameservers: ['{}']\n    cloud_foundry:\n",
                aiven.nameserver()
            ),
        );
    std::fs::write(folder.path().join("exporter.yml"), text).unwrap();
    let service = json!({"user-provided": [{
        "name": "elasticsearch-metric-exporter",
        "label": "user-provided",
        "tags": [],
        "credentials": {
            "aiven_api_token": aiven.token(),
            "aiven_web_url": aiven.api_url(),
            "cf_client_id": cloud_foundry.client_id(),
            "cf_client_secret": cloud_foundry.client_secret(),
            "basic_auth_username": "admin",
            "basic_auth_password": "bound-password",
        },
    }]});
    let services = folder.path().join("vcap_services");
    std::fs::write(&services, service.to_string()).unwrap();
    let started = MANIFEST
        .lines()
        .find_map(|line| line.trim().strip_prefix("command: "));
    let flags = started.unwrap().split(' ').skip(1);
    let mut command = command();
    command
        .current_dir(&folder)
        .args(flags)
        .env("VCAP_SERVICES_FILE_PATH", &services)
        .env(
            "VCAP_APPLICATION",
            r#"{"application_id": "0c1b4d0e-93a8", "limits": {"mem": 256}}"#,
        )
        .env("CF_INSTANCE_INDEX", "1");
    let exporter = Exporter::run(&mut command).await;
    let operator = exporter.site.clone().with_user("admin", "bound-password");
    exporter.up(&operator, 1).await;

    let version = env!("CARGO_PKG_VERSION");
    let want =
        format!("elasticsearch-metric-exporter/{version} (application 0c1b4d0e-93a8; instance 1)");
    let agents = cloud_foundry.api().requests().into_iter();
    let mut agents: Vec<_> = agents
        .map(|request| request.header("user-agent").unwrap().to_owned())
        .collect();
    agents.extend(
        aiven
            .api()
            .requests()
            .iter()
            .map(|it| it.header("user-agent").unwrap().to_owned()),
    );
    agents.extend(
        aiven.nodes()[0]
            .scrapes()
            .iter()
            .map(|it| it.header("user-agent").unwrap().to_owned()),
    );
    agents.dedup();
    assert_eq!(agents, [want]);

    let (log, shown) = (
        exporter.program.log(),
        operator.get("/api/v1/status/config", &[]).await,
    );
    let mut secrets = [aiven.secrets(), cloud_foundry.secrets()].concat();
    secrets.push("bound-password".to_owned());
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(
            !log.contains(secret) && !shown.text().contains(secret),
            "{secret}"
        );
    }
}
