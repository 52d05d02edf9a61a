//! A real Prometheus: the binary that `PROMETHEUS_BINARY` names, or `prometheus` on PATH.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::http::Site;
use super::program::{Program, field};
use super::samples::Samples;

/// A running Prometheus, listening on a free port of 127.0.0.1.
pub(crate) struct Prometheus {
    /// The process.
    pub(crate) program: Program,
    /// Where it answers.
    pub(crate) site: Site,
    /// Its major version, 3 for 3.5.3.
    pub(crate) major: u32,
}

impl Prometheus {
    /// Starts with the configuration file's text `config`, keeping everything in `folder`.
    pub(crate) async fn start(folder: &Path, config: &str) -> Self {
        Self::start_with(folder, config, &[]).await
    }

    /// Like [`Prometheus::start`], with more flags.
    pub(crate) async fn start_with(folder: &Path, config: &str, flags: &[&str]) -> Self {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(binary());
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("prometheus-data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(flags);
        let mut program = Program::start(&mut command);
        let major = program
            .log_line(|line| field(line, "version").and_then(major))
            .await;
        let listening = |line: &str| {
            line.contains("Listening on")
                .then(|| field(line, "address").map(str::to_owned))
                .flatten()
        };
        let address = program.log_line(listening).await;
        program
            .log_line(|line| line.contains("Server is ready").then_some(()))
            .await;
        Self {
            program,
            site: Site::new(format!("http://{address}")),
            major,
        }
    }

    /// The series of an instant query, labels as JSON's `metric` and the value beside.
    pub(crate) async fn query(&self, query: &str) -> Vec<Value> {
        let mut data = self.site.data("/api/v1/query", &[("query", query)]).await;
        match data["result"].take() {
            Value::Array(result) => result,
            other => panic!("{query}: {other}"),
        }
    }

    /// The major version of the Prometheus that would be started.
    pub(crate) fn installed_major() -> u32 {
        let said = Command::new(binary()).arg("--version").output().unwrap();
        // Some print it on standard error.
        let said = [said.stdout, said.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        let version = said.split("version ").nth(1).unwrap();
        version.split('.').next().unwrap().parse().unwrap()
    }

    /// What it serves of `selectors` itself.
    pub(crate) async fn federate(&self, selectors: &[&str]) -> Samples {
        let query: Vec<_> = selectors.iter().map(|it| ("match[]", *it)).collect();
        let answer = self.site.get("/federate", &query).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        Samples::parse(answer.text())
    }

    /// Its active targets, as its API shows them.
    pub(crate) async fn targets(&self) -> Vec<Value> {
        let mut data = self
            .site
            .data("/api/v1/targets", &[("state", "active")])
            .await;
        match data["activeTargets"].take() {
            Value::Array(targets) => targets,
            other => panic!("{other}"),
        }
    }
}

/// The Prometheus to run.
fn binary() -> OsString {
    std::env::var_os("PROMETHEUS_BINARY").unwrap_or_else(|| "prometheus".into())
}

/// The promtool to run: the one beside `PROMETHEUS_BINARY` if it is there, or else `promtool` on PATH.
pub(crate) fn promtool() -> Command {
    let beside = PathBuf::from(binary()).with_file_name("promtool");
    match beside.is_file() {
        true => Command::new(beside),
        false => Command::new("promtool"),
    }
}

/// The major version in `(version=3.5.3+ds1, branch=…)`.
fn major(version: &str) -> Option<u32> {
    version
        .strip_prefix("(version=")?
        .split('.')
        .next()?
        .parse()
        .ok()
}
