//! The mocked nodes in a process of their own, and how scrapers are told of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fixtures::process::{Config, Description, MockProcess, NodeDescription};
use serde_json::{Value, json};

use crate::Failure;
use crate::options::{Options, Transport};
use crate::system::many_descriptors;

/// What makes this program the nodes' process instead of the benchmark.
pub(crate) const SERVE: &str = "serve-nodes";
pub(crate) const NODES_PER_SERVICE: usize = 3;
/// The one name that all certificates are for: Prometheus can verify one name a job.
const HOST: &str = "nodes.aivencloud.test";

pub(crate) struct Nodes {
    process: MockProcess,
    /// The configuration file of all systems.
    config: PathBuf,
}

impl Nodes {
    /// Starts them, and writes the configuration and the list of targets to `folder`.
    pub(crate) fn start(options: &Options, folder: &Path) -> Result<Self, Failure> {
        let transport = match options.transport {
            Transport::Plain => "plain",
            Transport::Tls => "tls",
        };
        let mut command = many_descriptors(&std::env::current_exe()?);
        command
            .arg(SERVE)
            .arg(format!("services={}", options.services))
            .arg(format!("nodes={NODES_PER_SERVICE}"))
            .arg(format!("transport={transport}"))
            .arg(format!("host={HOST}"))
            .arg("motion=per-scrape");
        let process = MockProcess::spawn(&mut command)
            .map_err(|error| format!("cannot start the nodes: {error}"))?;
        let description = process.description();
        let targets = folder.join("targets.json");
        std::fs::write(&targets, target_groups(description)?.to_string())?;
        let authority = folder.join("ca.pem");
        std::fs::write(&authority, &description.ca_pem)?;
        let config = folder.join("scrape.yml");
        std::fs::write(
            &config,
            configuration(description, options, &targets, &authority),
        )?;
        Ok(Self { process, config })
    }

    /// A YAML file that means the same to all systems.
    pub(crate) fn config(&self) -> &Path {
        &self.config
    }

    /// The name of one service, as in the label `aiven_service_name`.
    pub(crate) fn service(&self) -> &str {
        let nodes = &self.process.description().nodes;
        &nodes[nodes.len() / 2].service
    }

    /// How often each node was asked since it was started, by its address.
    pub(crate) fn scrapes(&mut self) -> Result<BTreeMap<String, u64>, Failure> {
        let counts = self.process.summary()?.scrapes_by_node;
        let nodes = self.process.description().nodes.iter();
        Ok(nodes
            .zip(counts)
            .map(|(node, count)| (node.address.to_string(), count))
            .collect())
    }
}

/// A service a group, with the labels that discovery gives it.
fn target_groups(description: &Description) -> Result<Value, Failure> {
    let services = description
        .services_file
        .as_array()
        .ok_or("the mock's services file is no list")?;
    let mut nodes: BTreeMap<&str, Vec<&NodeDescription>> = BTreeMap::new();
    for node in &description.nodes {
        nodes.entry(&node.service).or_default().push(node);
    }
    let group = |service: &Value| {
        let name = service["aiven_service"].as_str().unwrap_or_default();
        let nodes = nodes.get(name).map_or(&[][..], Vec::as_slice);
        let addresses = nodes.iter().map(|node| node.address.to_string());
        let mut labels = service["extra_labels"].clone();
        labels["aiven_service_name"] = name.into();
        labels["aiven_service_type"] = "elasticsearch".into();
        labels["aiven_hostname"] = format!("{name}.{HOST}").into();
        labels["aiven_plan"] = "business-8".into();
        labels["aiven_cloud"] = "aws-eu-west-1".into();
        labels["aiven_node_count"] = nodes.len().to_string().into();
        json!({"targets": addresses.collect::<Vec<_>>(), "labels": labels})
    };
    Ok(services.iter().map(group).collect())
}

fn configuration(
    description: &Description,
    options: &Options,
    targets: &Path,
    authority: &Path,
) -> String {
    let (user, password) = (&description.user, &description.password);
    let interval = prom_config::duration::format(options.interval);
    let security = match options.transport {
        Transport::Plain => "  scheme: http\n".to_owned(),
        Transport::Tls => format!(
            "  scheme: https\n  tls_config: {{ca_file: '{}', server_name: {HOST}}}\n",
            authority.display()
        ),
    };
    format!(
        "global: {{scrape_interval: {interval}}}\n\
         scrape_configs:\n\
         - job_name: aiven\n\
         {security}  \
           basic_auth: {{username: '{user}', password: '{password}'}}\n  \
           file_sd_configs:\n  \
           - files: ['{}']\n",
        targets.display()
    )
}

/// The other process' part.
pub(crate) fn serve(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let config = Config::parse(arguments)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let served = fixtures::process::serve(&config, std::io::stdin(), std::io::stdout());
    Ok(runtime.block_on(served)?)
}
