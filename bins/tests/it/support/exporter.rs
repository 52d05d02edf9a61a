//! The exporter as a process of its own.

use std::path::Path;
use std::process::Command;

use fixtures::MockAiven;
use reqwest::Method;

use super::eventually_ok;
use super::http::{Answer, Site};
use super::program::{Program, field};
use super::samples::Samples;

/// The time between scrapes in [`config`], and what a scrape may take. A machine that is busy with other things may
/// hold up one scrape for so long: tests wait for what they expect of the next ones.
pub(crate) const SCRAPE_INTERVAL: &str = "500ms";

/// A running exporter, listening on a free port of 127.0.0.1.
pub(crate) struct Exporter {
    /// The process.
    pub(crate) program: Program,
    /// Where it answers, without credentials.
    pub(crate) site: Site,
    /// Host and port.
    pub(crate) address: String,
}

impl Exporter {
    /// Starts with the configuration file's text `config`, kept in `folder`, and further flags.
    pub(crate) async fn start(folder: &Path, config: &str, flags: &[&str]) -> Self {
        let file = folder.join("exporter.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = command();
        command
            .arg(format!("--config.file={}", file.display()))
            .args(flags);
        Self::run(&mut command).await
    }

    /// Starts `command`, one of [`command`] with more flags and variables, and waits until it listens.
    pub(crate) async fn run(command: &mut Command) -> Self {
        let mut program = Program::start(command);
        let address = program.log_line(listening).await;
        Self {
            program,
            site: Site::new(format!("http://{address}")),
            address,
        }
    }

    /// Waits until each of `aiven`'s nodes is up and all targets are.
    pub(crate) async fn all_up(&self, aiven: &MockAiven) {
        self.up(&self.site, aiven.nodes().len()).await;
    }

    /// Asks for a reload.
    pub(crate) async fn reload(&self) -> Answer {
        self.site.ask(Method::POST, "/-/reload", &[], &[]).await
    }

    /// Waits until `count` targets are up, and no other is there, asking as `site`'s user.
    pub(crate) async fn up(&self, site: &Site, count: usize) {
        eventually_ok("targets that are up", async || {
            let answer = site.get("/federate", &[("match[]", "up")]).await;
            let up = Samples::parse(answer.text());
            let good = up.iter().filter(|(_, sample)| sample.value == 1.0).count();
            match good == count && up.len() == count {
                true => Ok(()),
                false => Err(format!("{} {}", answer.status, answer.text())),
            }
        })
        .await;
    }
}

/// The exporter's command on a free port, logging at level debug, without variables from outside.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elasticsearch-metric-exporter"));
    command
        .env_clear()
        .args(["--web.listen-address=127.0.0.1:0", "--log.level=debug"]);
    command
}

/// Keys of a job for tests in which no scrape may ever fail.
pub(crate) const PATIENT: &str = "scrape_interval: 1s\n";

/// A configuration with one job, `aiven`, that scrapes everything of `aiven`. `job` is YAML for more keys of the job,
/// not indented.
pub(crate) fn config(aiven: &MockAiven, job: &str) -> String {
    format!(
        "global: {{scrape_interval: {SCRAPE_INTERVAL}}}\nscrape_configs:\n- job_name: aiven\n{}{}",
        indented(&discovery(aiven)),
        indented(job),
    )
}

/// The section `aiven_sd_configs` for `aiven`, which looks for services and nodes each second.
pub(crate) fn discovery(aiven: &MockAiven) -> String {
    let (project, token, url) = (aiven.project(), aiven.token(), aiven.api_url());
    let (endpoint, nameserver) = (aiven.endpoint_id(), aiven.nameserver());
    format!(
        "aiven_sd_configs:\n- project: {project}\n  api_token: {token}\n  api_url: {url}\n  \
         prometheus_endpoint_id: {endpoint}\n  nameservers: ['{nameserver}']\n  \
         refresh_interval: 1s\n  dns_refresh_interval: 1s\n"
    )
}

/// `yaml` two columns to the right.
pub(crate) fn indented(yaml: &str) -> String {
    yaml.lines().map(|line| format!("  {line}\n")).collect()
}

/// The address in the log line of a listener.
fn listening(line: &str) -> Option<String> {
    line.contains("listening")
        .then(|| field(line, "address").map(str::to_owned))
        .flatten()
}
