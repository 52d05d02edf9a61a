//! Services that a Cloud Foundry lists: from an instance somebody makes to its series, with nobody doing anything.

use fixtures::cloud_foundry::{ApiCall, Instance};
use fixtures::node::Motion;
use fixtures::{MockAiven, MockCloudFoundry};

use crate::support::exporter::{SCRAPE_INTERVAL, command, discovery, indented};
use crate::support::system::System;
use crate::support::{PATIENCE, eventually_ok};

const PRODUCTION: (&str, &str) = ("tenant-a", "production");
const STAGING: (&str, &str) = ("tenant-b", "staging");

/// A platform with the instance `logs` and its service, and an exporter of both.
struct Platform {
    cloud_foundry: MockCloudFoundry,
    system: System,
    logs: Instance,
}

impl Platform {
    async fn start(flags: &[&str]) -> Self {
        let logs = Instance::opensearch("logs").space(PRODUCTION);
        let cloud_foundry = MockCloudFoundry::builder()
            .instance(logs.clone())
            .space(STAGING)
            .start()
            .await
            .unwrap();
        let aiven = MockAiven::builder()
            .service(logs.to_service("prod").nodes(1))
            .motion(Motion::Frozen);
        let aiven = aiven.start().await.unwrap();
        let system = System::of_aiven(aiven, |aiven| config(aiven, &cloud_foundry), flags).await;
        Self {
            cloud_foundry,
            system,
            logs,
        }
    }

    /// Waits until `up` is served of these alone: `org/space/instance`, sorted.
    async fn serves(&self, want: &[&str]) {
        eventually_ok("the instances' series", async || {
            let samples = self.system.federate("up").await;
            let mut have: Vec<_> = samples
                .iter()
                .filter(|(_, sample)| sample.value == 1.0)
                .map(|(series, _)| {
                    let names = ["org_name", "space_name", "service_name"];
                    names
                        .map(|name| series.get(name).unwrap_or("?").to_owned())
                        .join("/")
                })
                .collect();
            have.sort_unstable();
            (have == want)
                .then_some(())
                .ok_or_else(|| format!("{have:?}"))
        })
        .await;
    }
}

/// Aiven's services are listed each ten minutes only.
fn config(aiven: &MockAiven, cloud_foundry: &MockCloudFoundry) -> String {
    let discovery =
        discovery(aiven).replace("  refresh_interval: 1s\n", "  refresh_interval: 10m\n");
    let (api, id) = (cloud_foundry.api_url(), cloud_foundry.client_id());
    format!(
        "global: {{scrape_interval: {SCRAPE_INTERVAL}}}\nscrape_configs:\n- job_name: aiven\n{}    \
         cloud_foundry: {{api: '{api}', client_id: {id}, client_secret: '{}', aiven_service_prefix: prod, \
         refresh_interval: 1s}}\n",
        indented(&discovery),
        cloud_foundry.client_secret(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_makes_is_served() {
    let platform = Platform::start(&[]).await;
    let logs = "tenant-a/production/logs";
    platform.serves(&[logs]).await;
    let (aiven, cloud_foundry) = (&platform.system.aiven, &platform.cloud_foundry);

    let search = Instance::elasticsearch("search").space(STAGING);
    let service = search.to_service("prod").nodes(1);
    let service = service.integration(fixtures::Integration::Missing);
    aiven.add_service(service).await.unwrap();
    cloud_foundry.create_instance(&search).unwrap();
    platform.serves(&[logs, "tenant-b/staging/search"]).await;
    let selector = format!(
        "{{service_guid=\"{}\",service_plan_name!=\"\"}}",
        search.guid()
    );
    assert!(platform.system.federate(&selector).await.len() > 100);

    cloud_foundry
        .rename_instance(search.guid(), "renamed")
        .unwrap();
    platform.serves(&[logs, "tenant-b/staging/renamed"]).await;
    assert!(platform.system.federate(&selector).await.len() > 100);

    // Nothing of Cloud Foundry answers, and all goes on.
    cloud_foundry.uaa().down().await;
    cloud_foundry.api().down().await;
    platform
        .system
        .logged("the service catalogue can't be read", 1)
        .await;
    for node in aiven.nodes() {
        let count = node.scrape_count() + 2;
        node.wait_for_scrapes(count, PATIENCE).await.unwrap();
    }
    platform.serves(&[logs, "tenant-b/staging/renamed"]).await;
    cloud_foundry.api().up().await.unwrap();
    cloud_foundry.uaa().up().await.unwrap();

    cloud_foundry.delete_instance(platform.logs.guid()).unwrap();
    platform.serves(&["tenant-b/staging/renamed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_credentials_lose_no_target() {
    let platform = Platform::start(&[]).await;
    let logs = ["tenant-a/production/logs"];
    platform.serves(&logs).await;
    let before = platform.system.steady().await;
    let config = config(&platform.system.aiven, &platform.cloud_foundry);
    let secret = platform.cloud_foundry.client_secret();
    platform
        .system
        .write_config(&config.replace(secret, "another-secret"));
    assert_eq!(platform.system.exporter.reload().await.status, 200);
    // Once by the former discovery, once by this one.
    platform
        .system
        .logged("the service catalogue can't be read", 1)
        .await;
    platform.system.scraped_on().await;
    platform.system.serves_again(&before).await;
    platform.serves(&logs).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_shown_nowhere() {
    let platform = Platform::start(&["--log.level=debug"]).await;
    platform.serves(&["tenant-a/production/logs"]).await;
    let site = &platform.system.exporter.site;
    let shown = site.data("/api/v1/status/config", &[]).await;
    let shown = shown["yaml"].as_str().unwrap();
    for line in [
        "client_secret: <secret>",
        "aiven_service_prefix: prod",
        "- opensearch",
        "refresh_interval: 1s",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    platform.cloud_foundry.revoke_all_tokens();
    let api = platform.cloud_foundry.api();
    let count = api.count(ApiCall::ServiceInstances) + 2;
    api.wait_for(ApiCall::ServiceInstances, count, PATIENCE)
        .await
        .unwrap();
    let mut seen = format!("{shown}{}", platform.system.exporter.program.log());
    for path in ["/targets", "/metrics", "/sd/targets", "/api/v1/targets"] {
        seen += site.get(path, &[]).await.text();
    }
    for secret in platform.cloud_foundry.secrets() {
        assert!(!seen.contains(&secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_is_located() {
    let platform = Platform::start(&[]).await;
    let file = platform.system.folder.path().join("exporter.yml");
    let check = || {
        let output = command().arg("check-config").arg(&file).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        (output.status.code(), told)
    };
    assert_eq!(check().0, Some(0));
    let good = std::fs::read_to_string(&file).unwrap();
    platform
        .system
        .write_config(&good.replace("aiven_service_prefix", "skip_ssl_validation"));
    let (code, told) = check();
    assert_eq!(code, Some(1));
    assert!(told.contains("exporter.yml:12:"), "{told}");
    assert!(
        !told.contains(platform.cloud_foundry.client_secret()),
        "{told}"
    );
}
