//! `demo`: the whole system on one machine, with nothing to set up.

mod platform;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use federate_server::listener::{ListenAddress, ListenAddressError};
use fixtures::wait_until;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use self::platform::{CLOUD_FOUNDRY_USER, OPERATOR, Platform, TENANT_A, TENANT_B, TENANTS, User};
use crate::args::{Args, Flag};
use crate::exporter::reload::ConfigSource;
use crate::exporter::{Exporter, Settings, StartError};
use crate::{logging, program};

/// One line on how to call the program.
pub const USAGE: &str = "usage: demo [FLAGS]

Runs a mocked Aiven (API, DNS, TLS nodes on 127.x.y.z that serve recorded metrics with moving values), a mocked
Cloud Foundry (which services there are, of which tenant, and who may see them), and the exporter.
A line on standard input creates a service instance of that name.";

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

/// Two of the intervals at which nodes are scraped.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest name of a service instance that is created.
const MAX_NAME: usize = 50;

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
    /// The mocked Cloud Foundry.
    #[error("the mocked Cloud Foundry doesn't start")]
    CloudFoundry(#[from] fixtures::cloud_foundry::StartError),
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
    platform: Platform,
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
        let platform = Platform::start(services, nodes).await?;
        let folder = tempfile::tempdir()?;
        let config = folder.path().join("exporter.yml");
        std::fs::write(&config, platform.configuration())?;
        let start =
            |address| Exporter::start(settings(address, config.clone()), Arc::new(|_| None));
        let exporter = match start(address).await {
            Err(StartError::Server(_)) if args.given("web.listen-address").is_none() => {
                start("127.0.0.1:0".parse()?).await?
            }
            started => started?,
        };
        Ok(Self {
            platform,
            exporter,
            _folder: folder,
        })
    }

    /// What to try, for people.
    #[must_use]
    pub fn greeting(&self) -> String {
        let address = self.exporter.local_addr();
        let federate = |user: (&str, &str), selector: &str| {
            let (user, password) = user;
            format!(
                "  curl -sS -u {user}:{password} -G --data-urlencode 'match[]={selector}' http://{address}/federate"
            )
        };
        let of = |user: User| (user.name, user.password);
        let get = |path: &str| {
            let (user, password) = of(OPERATOR);
            format!("  curl -sS -u {user}:{password} http://{address}{path}")
        };
        let service = self.platform.aiven.services().into_iter().next();
        let uptime = format!(
            "elasticsearch_jvm_uptime_in_millis{{aiven_service_name=\"{}\"}}",
            service.unwrap_or_default()
        );
        let all = "{job=\"aiven\"}";
        let lines = [
            format!(
                "{} nodes of {} services, by turns of {}, are scraped every 5 seconds.",
                self.platform.aiven.nodes().len(),
                self.platform.aiven.services().len(),
                TENANTS.join(" and "),
            ),
            String::new(),
            format!("  page      http://{address}/targets"),
            format!("  user      {}", TENANT_A.name),
            format!("  password  {}", TENANT_A.password),
            String::new(),
            "All samples of the tenant's own nodes:".to_owned(),
            federate(of(TENANT_A), all),
            "One metric of one service:".to_owned(),
            federate(of(TENANT_A), &uptime),
            "The same as another tenant, who sees its own nodes alone, and of these some metrics:".to_owned(),
            federate(of(TENANT_B), all),
            "As a Cloud Foundry user, who sees what it sees there:".to_owned(),
            federate(CLOUD_FOUNDRY_USER, all),
            "As an operator: samples of all nodes, everything discovered, and the exporter's own metrics:".to_owned(),
            federate(of(OPERATOR), all),
            get("/sd/targets"),
            get("/metrics"),
            String::new(),
            format!(
                "A name and Enter creates a service instance in {}, which nobody tells the exporter: look at its page.",
                TENANTS[0]
            ),
            "Ctrl-C ends it.".to_owned(),
        ];
        lines.join("\n") + "\n"
    }

    /// Runs until `shutdown` resolves.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let (_, no_reloads) = tokio::sync::mpsc::channel(1);
        let platform = self.platform;
        tokio::select! {
            () = self.exporter.run(no_reloads, shutdown) => {}
            () = create_by_name(&platform) => {}
        }
    }

    /// Resolves once every node has been scraped, or after 10 seconds: then something is wrong that the page of
    /// targets shows.
    pub async fn scraped(&self) {
        let nodes = self.platform.aiven.nodes().len();
        // Given up for the page to be looked at.
        let _ = wait_until(PATIENCE, || self.exporter.scraped_targets() >= nodes).await;
    }
}

/// Creates a service instance for each line of standard input; never resolves.
async fn create_by_name(platform: &Platform) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let name: String = line.trim().chars().take(MAX_NAME).collect();
        if name.is_empty() {
            continue;
        }
        let told = match platform.create(&name).await {
            Ok(()) => format!("{name} is being created.\n"),
            Err(error) => format!("{name} isn't created: {error}\n"),
        };
        let _ = program::print(&told);
    }
    std::future::pending().await
}

fn settings(listen_address: ListenAddress, config: PathBuf) -> Settings {
    Settings {
        config: ConfigSource::File(config),
        listen_address,
        web_config_file: None,
        user: None,
        trusted_proxies: 0,
        state_path: None,
        api_token: None,
        api_url: None,
        cloud_foundry_credentials: None,
        flags: Vec::new(),
    }
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
