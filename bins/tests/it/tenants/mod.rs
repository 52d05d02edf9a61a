//! Many tenants, one exporter: who is let in, and who sees what.

/// Cloud Foundry says which services there are, and who may see them.
mod cloud_foundry;
/// The sections on tenants, checked, reloaded and shown.
mod configuration;
/// Passwords that are guessed.
mod guessing;
/// Nothing of one tenant is ever sent to another.
mod isolation;
/// What the requests of a tenant may take.
mod limits;
/// An application on Cloud Foundry.
mod platform;
/// A real Prometheus for each tenant.
mod prometheus;

use std::fmt::Write as _;
use std::path::Path;

use fixtures::node::Motion;
use fixtures::{Builder, MockAiven, Service};
use tempfile::TempDir;

use crate::support::exporter::{Exporter, SCRAPE_INTERVAL, discovery, indented};
use crate::support::http::Site;

/// The operator's password.
const OPERATOR: &str = "operator-password";

/// A tenant of a configuration. Its user is called as it is, its password is its name and `-password`.
#[derive(Debug, Clone)]
struct Tenant {
    name: &'static str,
    /// YAML of further keys, not indented.
    more: String,
    /// What checking the password costs, as bcrypt counts it.
    cost: u32,
}

impl Tenant {
    /// The tenant to whom the targets of the organization `name` belong.
    fn of_organization(name: &'static str) -> Self {
        let targets = format!("targets: ['{{org_name=\"{name}\"}}']\n");
        Self {
            name,
            more: targets,
            cost: CHEAP,
        }
    }

    fn with_cost(mut self, cost: u32) -> Self {
        self.cost = cost;
        self
    }

    fn password(&self) -> String {
        format!("{}-password", self.name)
    }
}

/// The cost of the cheapest hashes.
const CHEAP: u32 = 4;

/// A bcrypt hash, as cheap as there are.
fn hash(password: &str) -> String {
    bcrypt::hash(password, CHEAP).unwrap()
}

/// The section `tenants`, and the operator `admin`.
fn sections(tenants: &[Tenant]) -> String {
    let mut text = format!(
        "operators:\n  basic_auth_users: {{admin: {}}}\ntenants:\n",
        hash(OPERATOR)
    );
    for tenant in tenants {
        let (name, more) = (tenant.name, indented(&tenant.more));
        let hash = bcrypt::hash(tenant.password(), tenant.cost).unwrap();
        write!(
            text,
            "- name: {name}\n  basic_auth_users: {{{name}: {hash}}}\n{more}"
        )
        .unwrap();
    }
    text
}

/// The job `aiven` with the services file in the exporter's folder.
fn job(aiven: &MockAiven, more: &str) -> String {
    let mut discovery = indented(&discovery(aiven));
    discovery.push_str("    services_file: services.json\n");
    let more = indented(more);
    format!(
        "global: {{scrape_interval: {SCRAPE_INTERVAL}}}\nscrape_configs:\n- job_name: aiven\n{discovery}{more}"
    )
}

/// A mocked Aiven and the exporter.
struct World {
    aiven: MockAiven,
    exporter: Exporter,
    folder: TempDir,
}

impl World {
    /// Services of what `builder` makes, for `tenants`.
    async fn start(builder: Builder, tenants: &[Tenant]) -> Self {
        Self::start_with(builder, tenants, "", &[]).await
    }

    /// The same with more keys of the job, and more flags.
    async fn start_with(builder: Builder, tenants: &[Tenant], more: &str, flags: &[&str]) -> Self {
        let aiven = builder.motion(Motion::Frozen).start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        aiven.write_services_file(folder.path()).unwrap();
        let text = job(&aiven, more) + &sections(tenants);
        let exporter = Exporter::start(folder.path(), &text, flags).await;
        Self {
            aiven,
            exporter,
            folder,
        }
    }

    /// A service of two nodes for each of two tenants, `tenant-a` and `tenant-b`.
    async fn of_two() -> Self {
        let world = Self::start(
            two_services(),
            &["tenant-a", "tenant-b"].map(Tenant::of_organization),
        )
        .await;
        world.exporter.up(&world.operator(), 4).await;
        world
    }

    fn operator(&self) -> Site {
        let site = self.exporter.site.clone();
        site.with_user("admin", OPERATOR)
    }

    /// The user of the tenant called `name`.
    fn tenant(&self, name: &str) -> Site {
        let site = self.exporter.site.clone();
        site.with_user(name, &format!("{name}-password"))
    }

    /// Replaces the configuration, so that no half of it can be read, and has it read; the answer's status and text.
    async fn reload(&self, text: &str) -> (u16, String) {
        write(self.folder.path(), text);
        let answer = self.operator();
        let answer = answer.ask(reqwest::Method::POST, "/-/reload", &[], &[]);
        let answer = answer.await;
        (answer.status, answer.text().to_owned())
    }
}

fn write(folder: &Path, text: &str) {
    let new = folder.join("new.yml");
    std::fs::write(&new, text).unwrap();
    std::fs::rename(new, folder.join("exporter.yml")).unwrap();
}

/// One service of two nodes in each of the organizations `tenant-a` and `tenant-b`.
fn two_services() -> Builder {
    let service = |name: &str, organization| {
        let service = Service::opensearch(name).nodes(2);
        service.owner(organization, "dev")
    };
    MockAiven::builder()
        .service(service("prod-aaaa", "tenant-a"))
        .service(service("prod-bbbb", "tenant-b"))
}
