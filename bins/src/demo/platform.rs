//! The mocked platform: services of two organizations, and who may see which.

use std::io;

use fixtures::cloud_foundry::{Instance, Role};
use fixtures::node::Motion;
use fixtures::{MockAiven, MockCloudFoundry};
use prom_config::render::{Mapping, Value};

use super::DemoError;

/// The service that the recorded metrics come from.
const RECORDED: &str = "0c1b4d0e-93a8-4c3f-8f5b-6c1d9d1e7a11";
/// What the names of Aiven's services start with.
const PREFIX: &str = "prod";
/// The organizations, each that of the tenant of its name.
pub(super) const TENANTS: [&str; 2] = ["tenant-a", "tenant-b"];
const SPACE: &str = "live";
/// What `tenant-b` is shown, as tenants may be shown a part.
const METRICS: &str = r#"{__name__=~"elasticsearch_.*|up"}"#;

/// Somebody who may ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    pub(super) name: &'static str,
    pub(super) password: &'static str,
    /// The password's, at a low cost: it is no secret.
    hash: &'static str,
}

pub(super) const TENANT_A: User = User {
    name: "tenant-a",
    password: "tenant-password",
    hash: "$2b$06$8pxC.CkwsQSDvWaeTP3IluNGkU4f7Dm.4wO9KBn2JzB9rYxGowOF6",
};
pub(super) const TENANT_B: User = User {
    name: "tenant-b",
    password: "tenant-b-password",
    hash: "$2b$06$O9VT91kZNEIkJ0Q.yOLGHObVWz1UO/q3XcCXYoNPeOBeVmO6aMPVm",
};
pub(super) const OPERATOR: User = User {
    name: "operator",
    password: "operator-password",
    hash: "$2b$06$1cZTUL33oVeWx8dzXs.Te.gzbc4haIpAWkRHZZZK74d/crjWpivh6",
};
/// Known to Cloud Foundry alone, where it is space auditor in `tenant-a`.
pub(super) const CLOUD_FOUNDRY_USER: (&str, &str) = ("auditor@tenant-a.test", "cf-password");

/// A mocked Aiven, and a mocked Cloud Foundry that knows whose its services are.
#[derive(Debug)]
pub(super) struct Platform {
    pub(super) aiven: MockAiven,
    pub(super) cloud_foundry: MockCloudFoundry,
    nodes: usize,
}

impl Platform {
    /// `services` of `nodes` nodes each, by turns of `tenant-a` and `tenant-b`.
    pub(super) async fn start(services: usize, nodes: usize) -> Result<Self, DemoError> {
        let (user, password) = CLOUD_FOUNDRY_USER;
        let mut cloud_foundry = MockCloudFoundry::builder()
            .user(user, password)
            .role(user, Role::space_auditor((TENANTS[0], SPACE)));
        let mut aiven = MockAiven::builder().motion(Motion::PerSecond);
        for number in 0..services {
            let instance = instance(number);
            aiven = aiven.service(instance.to_service(PREFIX).nodes(nodes));
            cloud_foundry = cloud_foundry.instance(instance);
        }
        Ok(Self {
            aiven: aiven.start().await?,
            cloud_foundry: cloud_foundry.start().await?,
            nodes,
        })
    }

    /// Has `tenant-a` create a service instance called `name`, as its developers would.
    pub(super) async fn create(&self, name: &str) -> io::Result<()> {
        let instance = Instance::opensearch(name).space((TENANTS[0], SPACE));
        let created = self.cloud_foundry.create_instance(&instance);
        created.map_err(io::Error::other)?;
        let service = instance.to_service(PREFIX).nodes(self.nodes);
        let added = self.aiven.add_service(service.without_integration()).await;
        added.map_err(io::Error::other)
    }

    /// The exporter's configuration.
    pub(super) fn configuration(&self) -> String {
        let Self {
            aiven,
            cloud_foundry,
            ..
        } = self;
        let one = |value: Mapping| Value::List(vec![value.into()]);
        let services = Mapping::new()
            .with("api", cloud_foundry.api_url())
            .with("client_id", cloud_foundry.client_id())
            .with("client_secret", cloud_foundry.client_secret())
            .with("aiven_service_prefix", PREFIX)
            .with("refresh_interval", "2s");
        let discovery = Mapping::new()
            .with("project", aiven.project())
            .with("api_token", aiven.token())
            .with("api_url", aiven.api_url())
            .with("prometheus_endpoint_id", aiven.endpoint_id())
            .with("cloud_foundry", services)
            .with("nameservers", vec![aiven.nameserver().to_string()]);
        let job = Mapping::new()
            .with("job_name", "aiven")
            .with("aiven_sd_configs", one(discovery));
        let tenant = |user: User| {
            let selector = format!("{{org_name=\"{}\"}}", user.name);
            Mapping::new()
                .with("name", user.name)
                .with("targets", vec![selector])
                .with(
                    "basic_auth_users",
                    Mapping::new().with(user.name, user.hash),
                )
        };
        let tenants = vec![
            tenant(TENANT_A),
            tenant(TENANT_B).with("metrics", vec![METRICS]),
        ];
        let operators = Mapping::new().with(OPERATOR.name, OPERATOR.hash);
        let login = Mapping::new().with("api", cloud_foundry.api_url());
        Mapping::new()
            .with("global", Mapping::new().with("scrape_interval", "5s"))
            .with("scrape_configs", one(job))
            .with("tenants", tenants)
            .with(
                "operators",
                Mapping::new().with("basic_auth_users", operators),
            )
            .with("cloud_foundry_login", login)
            .to_yaml()
    }
}

fn instance(number: usize) -> Instance {
    let name = format!("search-{number}");
    let instance = match number % 2 {
        0 => Instance::elasticsearch(name),
        _ => Instance::opensearch(name),
    };
    let guid = match number {
        0 => RECORDED.to_owned(),
        number => format!("5e2a7c1d-4b0f-4c3e-9d68-{number:012}"),
    };
    let tenant = TENANTS[number % TENANTS.len()];
    instance.with_guid(guid).space((tenant, SPACE))
}
