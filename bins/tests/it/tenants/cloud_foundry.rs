//! Tenants who come with a Cloud Foundry user, and services that nobody lists.

use fixtures::cloud_foundry::{Fault, Instance, Role};
use fixtures::node::Motion;
use fixtures::{MockAiven, MockCloudFoundry};
use tempfile::TempDir;

use crate::support::exporter::{Exporter, SCRAPE_INTERVAL, discovery, indented};
use crate::support::http::Site;
use crate::support::samples::Samples;
use crate::support::{eventually, eventually_ok};

const PREFIX: &str = "prod";
/// Space developer of `SPACE_A`.
const ANN: &str = "ann@tenant-a.test";
/// Space auditor of `SPACE_B`.
const BEN: &str = "ben@tenant-b.test";
const SPACE_A: (&str, &str) = ("tenant-a", "dev");
const SPACE_B: (&str, &str) = ("tenant-b", "dev");

fn password(user: &str) -> String {
    format!("{user}-password")
}

/// Everything mocked, with a service for each of two tenants.
struct Platform {
    aiven: MockAiven,
    cloud_foundry: MockCloudFoundry,
    exporter: Exporter,
    a: Instance,
    b: Instance,
    _folder: TempDir,
}

impl Platform {
    /// What users see is remembered for `cache_time`.
    async fn start(cache_time: &str) -> Self {
        let a = Instance::opensearch("search-a").space(SPACE_A);
        let b = Instance::elasticsearch("search-b").space(SPACE_B);
        let cloud_foundry = MockCloudFoundry::builder()
            .user(ANN, &password(ANN))
            .role(ANN, Role::space_developer(SPACE_A))
            .user(BEN, &password(BEN))
            .role(BEN, Role::space_auditor(SPACE_B))
            .instance(a.clone())
            .instance(b.clone())
            .start()
            .await
            .unwrap();
        let aiven = MockAiven::builder()
            .service(a.to_service(PREFIX).nodes(1))
            .service(b.to_service(PREFIX).nodes(1))
            .motion(Motion::Frozen)
            .start()
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let discovery = discovery(&aiven)
            + "  cloud_foundry:\n"
            + &indented(&indented(&services(&cloud_foundry)));
        let discovery = indented(&discovery);
        let api = cloud_foundry.api_url();
        let text = format!(
            "global: {{scrape_interval: {SCRAPE_INTERVAL}}}\nscrape_configs:\n- job_name: aiven\n{discovery}\
             cloud_foundry_login: {{api: '{api}', cache_time: {cache_time}}}\n\
             operators: {{basic_auth_users: {{admin: {}}}}}\n",
            super::hash(super::OPERATOR)
        );
        let exporter = Exporter::start(folder.path(), &text, &[]).await;
        let platform = Self {
            aiven,
            cloud_foundry,
            exporter,
            a,
            b,
            _folder: folder,
        };
        platform.exporter.up(&platform.operator(), 2).await;
        platform
    }

    fn site(&self, user: &str) -> Site {
        self.exporter.site.clone().with_user(user, &password(user))
    }

    fn operator(&self) -> Site {
        let site = self.exporter.site.clone();
        site.with_user("admin", super::OPERATOR)
    }

    /// Status of an answer to `user`, and the guids of the service instances whose nodes are up in it.
    async fn sees(&self, user: &str) -> (u16, Vec<String>) {
        let query = [("match[]", "up")];
        let answer = self.site(user).get("/federate", &query).await;
        if answer.status != 200 {
            return (answer.status, Vec::new());
        }
        let samples = Samples::parse(answer.text());
        let up = samples.iter().filter(|(_, sample)| sample.value == 1.0);
        let mut guids: Vec<_> = up
            .map(|(labels, _)| labels.get("service_guid").unwrap().to_owned())
            .collect();
        guids.sort_unstable();
        (answer.status, guids)
    }

    async fn eventually_sees(&self, user: &str, status: u16, instances: &[&Instance]) {
        let mut want: Vec<_> = instances.iter().map(|it| it.guid().to_owned()).collect();
        want.sort_unstable();
        eventually_ok("what a user sees", async || {
            let sees = self.sees(user).await;
            match sees == (status, want.clone()) {
                true => Ok(()),
                false => Err(format!("{user} sees {sees:?}, expected {status} {want:?}")),
            }
        })
        .await;
    }
}

/// The section `cloud_foundry`.
fn services(cloud_foundry: &MockCloudFoundry) -> String {
    let (api, id) = (cloud_foundry.api_url(), cloud_foundry.client_id());
    let secret = cloud_foundry.client_secret();
    format!(
        "api: {api}\nclient_id: {id}\nclient_secret: {secret}\naiven_service_prefix: {PREFIX}\nrefresh_interval: 1s\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_federated_from_its_creation_to_its_end() {
    let platform = Platform::start("1s").await;
    let (a, b) = (&platform.a, &platform.b);
    platform.eventually_sees(ANN, 200, &[a]).await;
    platform.eventually_sees(BEN, 200, &[b]).await;

    // Nobody tells the exporter.
    let new = Instance::opensearch("new").space(SPACE_A).plan("small-1");
    platform.cloud_foundry.create_instance(&new).unwrap();
    platform
        .aiven
        .add_service(new.to_service(PREFIX).nodes(1))
        .await
        .unwrap();
    platform.eventually_sees(ANN, 200, &[a, &new]).await;
    let query = format!("up{{service_guid=\"{}\"}}", new.guid());
    let up = platform
        .site(ANN)
        .get("/federate", &[("match[]", &query)])
        .await;
    let up = Samples::parse(up.text());
    let (labels, _) = up.iter().next().unwrap();
    let want = [
        ("service_name", "new"),
        ("service_plan_name", "small-1"),
        ("space_name", "dev"),
        ("org_name", "tenant-a"),
        ("aiven_service_name", &new.aiven_service(PREFIX)),
    ];
    for (name, value) in want {
        assert_eq!(labels.get(name), Some(value), "{name}");
    }
    // It stays whose it is under another name.
    platform
        .cloud_foundry
        .rename_instance(new.guid(), "renamed")
        .unwrap();
    eventually("the new name", async || {
        let renamed = format!(
            "up{{service_guid=\"{}\",service_name=\"renamed\"}}",
            new.guid()
        );
        let answer = platform
            .site(ANN)
            .get("/federate", &[("match[]", &renamed)])
            .await;
        (Samples::parse(answer.text()).len() == 1).then_some(())
    })
    .await;

    platform.cloud_foundry.delete_instance(new.guid()).unwrap();
    platform
        .aiven
        .remove_service(&new.aiven_service(PREFIX))
        .await
        .unwrap();
    platform.eventually_sees(ANN, 200, &[a]).await;
    assert_eq!(platform.sees(BEN).await, (200, vec![b.guid().to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_what_counts() {
    let platform = Platform::start("1s").await;
    let (a, b) = (&platform.a, &platform.b);
    platform.eventually_sees(ANN, 200, &[a]).await;
    platform
        .cloud_foundry
        .grant(ANN, Role::space_supporter(SPACE_B));
    platform.eventually_sees(ANN, 200, &[a, b]).await;
    platform
        .cloud_foundry
        .revoke(ANN, &Role::space_developer(SPACE_A));
    platform.eventually_sees(ANN, 200, &[b]).await;
    platform
        .cloud_foundry
        .revoke(ANN, &Role::space_supporter(SPACE_B));
    platform.eventually_sees(ANN, 200, &[]).await;
    // Shared with ben's space.
    platform.eventually_sees(BEN, 200, &[b]).await;
    platform
        .cloud_foundry
        .share_instance(a.guid(), SPACE_B)
        .unwrap();
    platform.eventually_sees(BEN, 200, &[a, b]).await;
    platform.cloud_foundry.remove_user(BEN).unwrap();
    platform.eventually_sees(BEN, 401, &[]).await;
    let wrong = platform.exporter.site.clone().with_user(ANN, "wrong");
    assert_eq!(wrong.get("/federate", &[]).await.status, 401);
    assert_eq!(platform.site(ANN).get("/metrics", &[]).await.status, 403);
    // What they ask for is counted, and not by person.
    let metrics = platform.operator().get("/metrics", &[]).await;
    assert!(metrics.text().contains("tenant=\"cf:users\""));
    assert!(!metrics.text().contains("@tenant-"));

    let log = platform.exporter.program.log();
    for secret in platform.cloud_foundry.secrets() {
        assert!(!log.contains(&secret), "{secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn users_go_on_while_uaa_is_away() {
    let platform = Platform::start("1s").await;
    platform.eventually_sees(ANN, 200, &[&platform.a]).await;
    let uaa = platform.cloud_foundry.uaa();
    platform.cloud_foundry.revoke_all_tokens();
    uaa.fail(Fault::Status(503));
    let before = uaa.requests().len();
    // Who hasn't been here before isn't told that the password is wrong.
    let answer = platform.site(BEN).get("/federate", &[]).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(!answer.header("retry-after").is_empty());
    assert!(!answer.header("www-authenticate").is_empty());
    // Asked again, in vain, for who has: what was true goes on to hold.
    eventually_ok("another question to uaa", async || {
        assert_eq!(
            platform.sees(ANN).await,
            (200, vec![platform.a.guid().to_owned()])
        );
        let asked = uaa.requests().len() - before;
        (asked >= 4).then_some(()).ok_or_else(|| asked.to_string())
    })
    .await;
    assert_eq!(platform.operator().get("/metrics", &[]).await.status, 200);
    uaa.heal();
    platform.eventually_sees(BEN, 200, &[&platform.b]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_go_on_while_the_api_is_away() {
    let platform = Platform::start("1h").await;
    platform.eventually_sees(ANN, 200, &[&platform.a]).await;
    let node = platform.aiven.nodes_of(&platform.a.aiven_service(PREFIX))[0].clone();
    for fault in [
        Fault::Status(503),
        Fault::EmptyList,
        Fault::Nonsense,
        Fault::MalformedJson,
    ] {
        let api = platform.cloud_foundry.api();
        let empty = fault == Fault::EmptyList;
        api.fail(fault);
        let asked = api.requests().len() + 3;
        eventually("more questions to the api", async || {
            (api.requests().len() >= asked).then_some(())
        })
        .await;
        let count = node.scrape_count() + 1;
        node.wait_for_scrapes(count, crate::support::PATIENCE)
            .await
            .unwrap();
        if !empty {
            assert_eq!(platform.sees(ANN).await.1, [platform.a.guid()]);
        }
        api.heal();
        platform.exporter.up(&platform.operator(), 2).await;
    }
}
