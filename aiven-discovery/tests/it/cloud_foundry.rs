use std::path::Path;
use std::time::Duration;

use aiven_discovery::api::SecretSource;
use aiven_discovery::config::{
    AivenSdConfig, BuildError, BuildOptions, CloudFoundryConfig, ServicesSource,
};
use aiven_discovery::discovery::Progress;
use cloud_foundry::Credentials;
use fixtures::cloud_foundry::{ApiCall, Fault, Instance, OperationState, Role, UaaCall};
use fixtures::{Integration, MockAiven, MockCloudFoundry, wait_until};
use prom_model::secret::Secret;
use tempfile::tempdir;

use crate::fakes::Running;

const BOUND: Duration = Duration::from_secs(20);
const PRODUCTION: (&str, &str) = ("tenant-a", "production");
const STAGING: (&str, &str) = ("tenant-b", "staging");

const USER: &str = "exporter@tenant-a.test";
const PASSWORD: &str = "mock-password-ZXhw";

struct Platform {
    cloud_foundry: MockCloudFoundry,
    aiven: MockAiven,
}

impl Platform {
    /// With an instance `logs` of `tenant-a`, and the service behind it; and a service that no instance is for.
    async fn start() -> Self {
        let logs = Instance::opensearch("logs").space(PRODUCTION);
        let nobodys = Instance::opensearch("nobody's");
        let cloud_foundry = MockCloudFoundry::builder()
            .instance(logs.clone())
            .instance(Instance::managed("db", "postgres", "small").space(PRODUCTION))
            .space(STAGING)
            .user(USER, PASSWORD)
            .role(USER, Role::space_auditor(PRODUCTION))
            .start()
            .await
            .unwrap();
        let aiven = MockAiven::builder()
            .service(logs.to_service("prod"))
            .service(nobodys.to_service("prod"))
            .start()
            .await
            .unwrap();
        Self {
            cloud_foundry,
            aiven,
        }
    }

    fn config(&self) -> AivenSdConfig {
        let credentials = Credentials::Client {
            id: self.cloud_foundry.client_id().to_owned(),
            secret: SecretSource::Inline(self.cloud_foundry.client_secret().into()),
        };
        let api = self.cloud_foundry.api_url().parse().unwrap();
        let cloud_foundry = CloudFoundryConfig {
            refresh_interval: Duration::from_millis(100),
            ..CloudFoundryConfig::new(api, credentials, "prod")
        };
        AivenSdConfig {
            prometheus_endpoint_id: Some(self.aiven.endpoint_id().to_owned()),
            api_url: Some(self.aiven.api_url().parse().unwrap()),
            nameservers: vec![self.aiven.nameserver()],
            services: ServicesSource::CloudFoundry(Box::new(cloud_foundry)),
            ..AivenSdConfig::new(self.aiven.project())
        }
    }

    /// The same asked as a user who is auditor of the space of `logs`.
    fn config_of_user(&self) -> AivenSdConfig {
        let mut config = self.config();
        config.refresh_interval = Duration::from_secs(1);
        let ServicesSource::CloudFoundry(cloud_foundry) = &mut config.services else {
            unreachable!("it is that");
        };
        cloud_foundry.credentials = Some(Credentials::User {
            username: USER.to_owned(),
            password: SecretSource::Inline(PASSWORD.into()),
        });
        config
    }

    fn run(&self) -> Running {
        self.run_with(&self.config(), None)
    }

    fn run_with(&self, config: &AivenSdConfig, state_folder: Option<&Path>) -> Running {
        let options = BuildOptions {
            api_token: Some(Secret::new(self.aiven.token())),
            state_folder: state_folder.map(Path::to_owned),
            user_agent: Some("exporter/1.0 (application 1; instance 0)".to_owned()),
            ..BuildOptions::default()
        };
        Running::start(config.build("mock", &options).unwrap())
    }

    fn logs(&self) -> Instance {
        self.cloud_foundry.instances()[0].clone()
    }

    /// Waits until `count` more listings were asked for.
    async fn more_listings(&self, count: u64) {
        let api = self.cloud_foundry.api();
        let count = api.count(ApiCall::ServiceInstances) + count;
        api.wait_for(ApiCall::ServiceInstances, count, BOUND)
            .await
            .unwrap();
    }
}

/// The labels of Cloud Foundry that the targets of each service have.
fn labels(running: &Running) -> Vec<String> {
    let groups = running.discovery.groups();
    let groups = groups.borrow();
    let of_group = groups.iter().map(|group| {
        let names = [
            "org_name",
            "space_name",
            "service_name",
            "service_plan_name",
        ];
        let values = names.map(|name| group.labels.get(name).unwrap_or_default().to_owned());
        values.join("/")
    });
    let mut labels: Vec<_> = of_group.collect();
    labels.sort_unstable();
    labels
}

async fn labels_become(running: &Running, want: &[&str]) {
    let reached = wait_until(BOUND, || labels(running) == want).await;
    assert!(
        reached.is_ok(),
        "{:?} never became {want:?}",
        labels(running)
    );
}

#[tokio::test]
async fn instances_come_change_and_go() {
    let platform = Platform::start().await;
    let running = platform.run();
    let logs = "tenant-a/production/logs/medium-ha-7";
    labels_become(&running, &[logs]).await;
    running.progress_becomes(Progress::Discovered).await;
    let group = running.discovery.groups().borrow()[0].clone();
    let instance = platform.logs();
    assert_eq!(group.labels.get("service_guid"), Some(instance.guid()));
    assert_eq!(
        group.labels.get("aiven_service_name"),
        Some(&*instance.aiven_service("prod"))
    );
    for name in ["org_guid", "space_guid"] {
        assert!(
            group.labels.get(name).is_some_and(|guid| guid.len() == 36),
            "{name}"
        );
    }

    // Aiven's list is read each two minutes; these come through the catalogue.
    let search = Instance::elasticsearch("search")
        .space(STAGING)
        .last_operation("create", OperationState::InProgress);
    let service = search.to_service("prod").integration(Integration::Missing);
    platform.aiven.add_service(service).await.unwrap();
    platform.cloud_foundry.create_instance(&search).unwrap();
    let found = "tenant-b/staging/search/medium-ha-7";
    labels_become(&running, &[logs, found]).await;

    platform
        .cloud_foundry
        .rename_instance(search.guid(), "böse \"{}\"")
        .unwrap();
    platform
        .cloud_foundry
        .share_instance(search.guid(), PRODUCTION)
        .unwrap();
    labels_become(
        &running,
        &[logs, "tenant-b/staging/böse \"{}\"/medium-ha-7"],
    )
    .await;
    platform
        .cloud_foundry
        .delete_instance(platform.logs().guid())
        .unwrap();
    labels_become(&running, &["tenant-b/staging/böse \"{}\"/medium-ha-7"]).await;

    let agents = platform.cloud_foundry.api().requests();
    assert!(
        agents
            .iter()
            .all(|it| it.user_agent() == Some("exporter/1.0 (application 1; instance 0)"))
    );
}

#[tokio::test]
async fn a_service_that_aiven_has_later_is_found() {
    let platform = Platform::start().await;
    let running = platform.run();
    let logs = "tenant-a/production/logs/medium-ha-7";
    labels_become(&running, &[logs]).await;
    let search = Instance::elasticsearch("search").space(STAGING);
    platform.cloud_foundry.create_instance(&search).unwrap();
    let missing = wait_until(BOUND, || {
        running.discovery.status().missing == [search.aiven_service("prod")]
    });
    missing.await.unwrap();
    platform
        .aiven
        .add_service(search.to_service("prod"))
        .await
        .unwrap();
    labels_become(&running, &[logs, "tenant-b/staging/search/medium-ha-7"]).await;
}

#[tokio::test]
async fn whatever_fails_everything_stays() {
    let platform = Platform::start().await;
    let running = platform.run();
    let logs = ["tenant-a/production/logs/medium-ha-7"];
    labels_become(&running, &logs).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Disconnect,
        Fault::MalformedJson,
        Fault::RouterPage(404),
        Fault::Null,
        Fault::Nonsense,
        Fault::EmptyList,
        Fault::NextElsewhere("http://127.0.0.1:1/v3/service_instances".to_owned()),
    ];
    let api = platform.cloud_foundry.api();
    for fault in faults {
        api.heal();
        wait_until(BOUND, || {
            running.discovery.status().catalogue_error.is_none()
        })
        .await
        .unwrap();
        api.fail(fault.clone());
        let told = wait_until(BOUND, || {
            running.discovery.status().catalogue_error.is_some()
        })
        .await;
        assert!(told.is_ok(), "{fault:?}");
        let error = running.discovery.status().catalogue_error.unwrap();
        for secret in platform.cloud_foundry.secrets() {
            assert!(!error.contains(&secret), "{fault:?}: {error}");
        }
        assert_eq!(labels(&running), logs, "{fault:?}");
    }
    assert!(!groups.has_changed().unwrap());
}

#[tokio::test]
async fn rights_that_are_lost_cost_no_targets() {
    let platform = Platform::start().await;
    let folder = tempdir().unwrap();
    let logs = ["tenant-a/production/logs/medium-ha-7"];
    let service = platform.logs().aiven_service("prod");
    let want = format!(
        "the service catalogue lists nothing any more, but aiven has 1 of the services that it listed, such as \
         {service}"
    );
    let refused = async |running: &Running| {
        let error = || running.discovery.status().catalogue_error;
        let told = wait_until(BOUND, || error().as_ref() == Some(&want)).await;
        assert!(told.is_ok(), "{:?}", error());
        assert_eq!(labels(running), logs);
    };
    let config = platform.config_of_user();
    {
        let running = platform.run_with(&config, Some(folder.path()));
        labels_become(&running, &logs).await;
        let state = folder.path().join("aiven-mock.json");
        wait_until(BOUND, || state.exists()).await.unwrap();
        platform
            .cloud_foundry
            .revoke(USER, &Role::space_auditor(PRODUCTION));
        refused(&running).await;
    }
    let restarted = platform.run_with(&config, Some(folder.path()));
    restarted.progress_becomes(Progress::Discovered).await;
    refused(&restarted).await;
    // What is deleted indeed is soon gone from Aiven too.
    platform.aiven.remove_service(&service).await.unwrap();
    labels_become(&restarted, &[]).await;
    wait_until(BOUND, || {
        restarted.discovery.status().catalogue_error.is_none()
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn other_organizations_are_taken_for_what_they_are() {
    let platform = Platform::start().await;
    let folder = tempdir().unwrap();
    let mut config = platform.config();
    {
        let running = platform.run_with(&config, Some(folder.path()));
        labels_become(&running, &["tenant-a/production/logs/medium-ha-7"]).await;
        let state = folder.path().join("aiven-mock.json");
        wait_until(BOUND, || state.exists()).await.unwrap();
    }
    let ServicesSource::CloudFoundry(cloud_foundry) = &mut config.services else {
        unreachable!("it is that");
    };
    cloud_foundry.organizations = vec!["tenant-b".to_owned()];
    let restarted = platform.run_with(&config, Some(folder.path()));
    restarted.progress_becomes(Progress::Discovered).await;
    labels_become(&restarted, &[]).await;
}

#[tokio::test]
async fn uaa_and_api_may_go_away_for_a_while() {
    let platform = Platform::start().await;
    let running = platform.run();
    let logs = ["tenant-a/production/logs/medium-ha-7"];
    labels_become(&running, &logs).await;
    platform.cloud_foundry.revoke_all_tokens();
    platform.cloud_foundry.uaa().down().await;
    wait_until(BOUND, || {
        running.discovery.status().catalogue_error.is_some()
    })
    .await
    .unwrap();
    assert_eq!(labels(&running), logs);
    platform.cloud_foundry.uaa().up().await.unwrap();
    platform
        .cloud_foundry
        .rename_instance(platform.logs().guid(), "renamed")
        .unwrap();
    labels_become(&running, &["tenant-a/production/renamed/medium-ha-7"]).await;
}

#[tokio::test]
async fn refused_credentials_are_not_tried_again_and_again() {
    let platform = Platform::start().await;
    let folder = tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "wrong").unwrap();
    let mut config = platform.config();
    let ServicesSource::CloudFoundry(cloud_foundry) = &mut config.services else {
        unreachable!("it is that");
    };
    cloud_foundry.credentials = Some(Credentials::Client {
        id: platform.cloud_foundry.client_id().to_owned(),
        secret: SecretSource::File(file.clone()),
    });
    let running = platform.run_with(&config, None);
    running.progress_becomes(Progress::Failed).await;
    let paused = wait_until(BOUND, || {
        let error = running
            .discovery
            .status()
            .catalogue_error
            .unwrap_or_default();
        error.contains("they are tried again in")
    });
    paused.await.unwrap();
    assert_eq!(
        platform
            .cloud_foundry
            .uaa()
            .count(UaaCall::ClientCredentials),
        1
    );
    std::fs::write(&file, platform.cloud_foundry.client_secret()).unwrap();
    labels_become(&running, &["tenant-a/production/logs/medium-ha-7"]).await;
}

#[tokio::test]
async fn a_restart_without_cloud_foundry_has_the_targets_of_before() {
    let platform = Platform::start().await;
    let folder = tempdir().unwrap();
    let logs = ["tenant-a/production/logs/medium-ha-7"];
    let config = platform.config();
    {
        let running = platform.run_with(&config, Some(folder.path()));
        labels_become(&running, &logs).await;
        let saved = || {
            std::fs::read_dir(folder.path()).is_ok_and(|mut it| {
                it.any(|it| it.is_ok_and(|it| it.file_name() == "aiven-mock.json"))
            })
        };
        wait_until(BOUND, saved).await.unwrap();
    }
    platform.cloud_foundry.api().down().await;
    let restarted = platform.run_with(&config, Some(folder.path()));
    labels_become(&restarted, &logs).await;
    // Aiven answers, so that this is more than what was restored.
    restarted.progress_becomes(Progress::Discovered).await;
    wait_until(BOUND, || {
        restarted.discovery.status().catalogue_error.is_some()
    })
    .await
    .unwrap();
    assert_eq!(labels(&restarted), logs);
    platform.cloud_foundry.api().up().await.unwrap();
    platform
        .cloud_foundry
        .rename_instance(platform.logs().guid(), "renamed")
        .unwrap();
    labels_become(&restarted, &["tenant-a/production/renamed/medium-ha-7"]).await;
}

#[tokio::test]
async fn an_unchanged_listing_changes_nothing() {
    let platform = Platform::start().await;
    let running = platform.run();
    labels_become(&running, &["tenant-a/production/logs/medium-ha-7"]).await;
    running.progress_becomes(Progress::Discovered).await;
    let mut groups = running.discovery.groups();
    groups.borrow_and_update();
    platform.more_listings(5).await;
    assert!(!groups.has_changed().unwrap());
}

#[tokio::test]
async fn only_the_configured_organizations_are_listed() {
    let platform = Platform::start().await;
    let search = Instance::elasticsearch("search").space(STAGING);
    platform
        .aiven
        .add_service(search.to_service("prod"))
        .await
        .unwrap();
    platform.cloud_foundry.create_instance(&search).unwrap();
    let mut config = platform.config();
    let ServicesSource::CloudFoundry(cloud_foundry) = &mut config.services else {
        unreachable!("it is that");
    };
    cloud_foundry.organizations = vec!["tenant-b".to_owned(), "unknown".to_owned()];
    let running = platform.run_with(&config, None);
    labels_become(&running, &["tenant-b/staging/search/medium-ha-7"]).await;
}

#[tokio::test]
async fn a_ca_file_must_be_one() {
    let platform = Platform::start().await;
    let folder = tempdir().unwrap();
    let mut config = platform.config();
    let ServicesSource::CloudFoundry(cloud_foundry) = &mut config.services else {
        unreachable!("it is that");
    };
    cloud_foundry.ca_file = Some(folder.path().join("ca.pem"));
    let options = BuildOptions {
        api_token: Some("t".into()),
        ..BuildOptions::default()
    };
    let error = config.build("mock", &options).unwrap_err();
    let BuildError::CloudFoundry(error) = error else {
        panic!("{error}");
    };
    assert!(
        matches!(error, rest_client::BuildError::ExtraCaFile { .. }),
        "{error}"
    );
    std::fs::write(folder.path().join("ca.pem"), "nothing").unwrap();
    let error = config.build("mock", &options).unwrap_err();
    assert!(matches!(error, BuildError::CloudFoundry(_)), "{error}");
    std::fs::write(folder.path().join("ca.pem"), platform.aiven.ca_pem()).unwrap();
    assert!(config.build("mock", &options).is_ok());
}
