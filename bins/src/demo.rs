//! `demo`: the whole system on one machine, with nothing to set up.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use federate_server::listener::{ListenAddress, ListenAddressError};
use fixtures::node::Motion;
use fixtures::{MockAiven, wait_until};
use prom_config::render::{Mapping, Value};
use prom_model::secret::Secret;

use crate::args::{Args, Flag};
use crate::exporter::reload::ConfigSource;
use crate::exporter::{Exporter, Settings, StartError};
use crate::logging;

/// One line on how to call the program.
pub const USAGE: &str = "usage: demo [FLAGS]

Runs a mocked Aiven (API, DNS, TLS nodes on 127.x.y.z that serve recorded metrics with moving values) and the exporter.";

/// Every flag.
pub const FLAGS: &[Flag] = &[
    Flag {
        name: "services",
        value: "N",
        default: "3",
        help: "How many services there are.",
    },
    Flag {
        name: "nodes",
        value: "N",
        default: "3",
        help: "How many nodes each has.",
    },
    Flag {
        name: "web.listen-address",
        value: "HOST:PORT",
        default: "127.0.0.1:9090",
        help: "Where the exporter listens; another free port where this one is taken.",
    },
    Flag {
        default: "warn",
        ..logging::LEVEL
    },
    logging::FORMAT,
];

/// User that the exporter asks for.
const USER: &str = "tenant-a";
/// Two of the intervals at which nodes are scraped.
const PATIENCE: Duration = Duration::from_secs(10);
/// The user's password.
const PASSWORD: &str = "tenant-password";

/// Why there is no demo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// A flag's value is no number, or too large a one.
    #[error("--{flag}={value}: expected a number from 1 to {most}")]
    Number {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
        /// The largest number that goes.
        most: usize,
    },
    /// The address to listen on.
    #[error("--web.listen-address")]
    ListenAddress(#[from] ListenAddressError),
    /// The mocked Aiven.
    #[error("the mocked Aiven doesn't start")]
    Mock(#[from] fixtures::StartError),
    /// A folder or file for its settings.
    #[error("the demo's files can't be written")]
    Files(#[from] io::Error),
    /// The exporter.
    #[error(transparent)]
    Exporter(#[from] StartError),
}

/// A running mock, and the exporter that is to run on it.
#[derive(Debug)]
pub struct Demo {
    aiven: MockAiven,
    exporter: Exporter,
    /// Holds the configuration; removed at the end.
    _folder: tempfile::TempDir,
}

impl Demo {
    /// Starts everything.
    ///
    /// # Errors
    /// [`DemoError`]
    pub async fn start(args: &Args) -> Result<Self, DemoError> {
        let services = number(args, "services", 500)?;
        let nodes = number(args, "nodes", 100)?;
        let address: ListenAddress = args.value("web.listen-address").parse()?;
        let builder = MockAiven::builder()
            .services(services)
            .nodes(nodes)
            .motion(Motion::PerSecond);
        let aiven = builder.start().await?;
        let folder = tempfile::tempdir()?;
        let services_file = aiven.write_services_file(folder.path())?;
        let config = folder.path().join("exporter.yml");
        std::fs::write(
            &config,
            configuration(&aiven, &services_file.display().to_string()),
        )?;
        let exporter =
            match Exporter::start(settings(address, config.clone()), Arc::new(|_| None)).await {
                Err(StartError::Server(_)) if args.given("web.listen-address").is_none() => {
                    let address: ListenAddress = "127.0.0.1:0".parse()?;
                    Exporter::start(settings(address, config), Arc::new(|_| None)).await?
                }
                started => started?,
            };
        Ok(Self {
            aiven,
            exporter,
            _folder: folder,
        })
    }

    /// What to try, for people.
    #[must_use]
    pub fn greeting(&self) -> String {
        let address = self.exporter.local_addr();
        let curl = format!("curl -sS -u {USER}:{PASSWORD}");
        let service = self.aiven.services().into_iter().next().unwrap_or_default();
        let lines = [
            format!(
                "{} nodes of {} services are scraped every 5 seconds.",
                self.aiven.nodes().len(),
                self.aiven.services().len()
            ),
            String::new(),
            format!("  page      http://{address}/targets"),
            format!("  user      {USER}"),
            format!("  password  {PASSWORD}"),
            String::new(),
            "All samples of all nodes:".to_owned(),
            format!(
                "  {curl} -G --data-urlencode 'match[]={{job=\"aiven\"}}' http://{address}/federate"
            ),
            "One metric of one service:".to_owned(),
            format!(
                "  {curl} -G --data-urlencode 'match[]=elasticsearch_jvm_uptime_in_millis{{aiven_service_name=\"{service}\"}}' http://{address}/federate"
            ),
            "Everything discovered, and the exporter's own metrics:".to_owned(),
            format!("  {curl} http://{address}/sd/targets"),
            format!("  {curl} http://{address}/metrics"),
            String::new(),
            "Ctrl-C ends it.".to_owned(),
        ];
        lines.join("\n") + "\n"
    }

    /// Runs until `shutdown` resolves.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (_, no_reloads) = tokio::sync::mpsc::channel(1);
        self.exporter.run(no_reloads, shutdown).await;
    }

    /// Resolves once every node has been scraped, or after 10 seconds: then something is wrong that the page of
    /// targets shows.
    pub async fn scraped(&self) {
        let nodes = self.aiven.nodes().len();
        // Given up for the page to be looked at.
        let _ = wait_until(PATIENCE, || self.exporter.scraped_targets() >= nodes).await;
    }
}

fn settings(listen_address: ListenAddress, config: PathBuf) -> Settings {
    Settings {
        config: ConfigSource::File(config),
        listen_address,
        web_config_file: None,
        user: Some((USER.to_owned(), Secret::from(PASSWORD))),
        trusted_proxies: 0,
        state_path: None,
        api_token: None,
        api_url: None,
        cloud_foundry_credentials: None,
        flags: Vec::new(),
    }
}

/// The exporter's configuration for `aiven`.
fn configuration(aiven: &MockAiven, services_file: &str) -> String {
    let discovery = Mapping::new()
        .with("project", aiven.project())
        .with("api_token", aiven.token())
        .with("api_url", aiven.api_url())
        .with("prometheus_endpoint_id", aiven.endpoint_id())
        .with("services_file", services_file)
        .with(
            "nameservers",
            Value::List(vec![aiven.nameserver().to_string().into()]),
        );
    let job = Mapping::new()
        .with("job_name", "aiven")
        .with("aiven_sd_configs", Value::List(vec![discovery.into()]));
    let global = Mapping::new().with("scrape_interval", "5s");
    Mapping::new()
        .with("global", global)
        .with("scrape_configs", Value::List(vec![job.into()]))
        .to_yaml()
}

fn number(args: &Args, flag: &'static str, most: usize) -> Result<usize, DemoError> {
    let value = args.value(flag);
    let number = value
        .parse()
        .ok()
        .filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| DemoError::Number {
        flag,
        value: value.to_owned(),
        most,
    })
}
