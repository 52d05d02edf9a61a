//! `--state.path`: what was discovered last, kept over a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::{MockAiven, api, dns};

use crate::support::eventually;
use crate::support::exporter::{Exporter, config};
use crate::support::system::System;

const OWN_AUTH: &str = "basic_auth: {username: own, password: own-password}\n";

/// A mock with two nodes that accept [`OWN_AUTH`], and a folder for state, outside the exporter's.
async fn aiven() -> (MockAiven, tempfile::TempDir) {
    let aiven = MockAiven::builder()
        .nodes(2)
        .credentials("own", "own-password")
        .start()
        .await
        .unwrap();
    (aiven, tempfile::tempdir().unwrap())
}

async fn start(aiven: MockAiven, job: &str, state: &Path) -> System {
    let flag = format!("--state.path={}", state.display());
    System::of_aiven(aiven, |aiven| config(aiven, job), &[&flag]).await
}

/// The file in `folder`, once it is there and its content has `text`.
async fn state_file(folder: &Path, text: &str) -> PathBuf {
    eventually("the state file", async || {
        let mut entries = std::fs::read_dir(folder).unwrap();
        let path = entries.find_map(|entry| {
            let path = entry.unwrap().path();
            path.extension()
                .is_some_and(|it| it == "json")
                .then_some(path)
        })?;
        let content = std::fs::read_to_string(&path).ok()?;
        content.contains(text).then_some(path)
    })
    .await
}

impl System {
    /// Ends the exporter, and starts it again with API and name server out of order.
    async fn restart_alone(mut self, job: &str, state: &Path) -> Self {
        self.exporter.program.signal("TERM");
        assert_eq!(self.exporter.program.ended().await.code(), Some(0));
        self.aiven.api().down().await;
        self.aiven.dns().fail(dns::Fault::ServerFailure);
        let Self { aiven, .. } = self;
        start(aiven, job, state).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_without_aiven_scrapes_the_targets_of_before() {
    let (aiven, folder) = aiven().await;
    let system = start(aiven, OWN_AUTH, folder.path()).await;
    system.complete().await;
    state_file(folder.path(), "BEGIN CERTIFICATE").await;
    let before = system.steady().await;
    let mut system = system.restart_alone(OWN_AUTH, folder.path()).await;
    system
        .logs("restored the targets of before the start")
        .await;
    // It neither waits for Aiven nor says that it isn't ready.
    let ready = system.exporter.site.get("/-/ready", &[]).await;
    assert_eq!(ready.status, 200);
    system.scraped_on().await;
    let after = system.steady().await;
    assert_eq!(before.names(), after.names());
    // And goes on from there once Aiven is back.
    system.aiven.api().up().await.unwrap();
    system.aiven.dns().heal();
    let service = system.aiven.services()[0].clone();
    let new = system.aiven.add_node(&service).await.unwrap();
    system.complete().await;
    state_file(folder.path(), &new.address().ip().to_string()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_credentials_of_its_own_it_waits_for_aivens() {
    let (aiven, folder) = aiven().await;
    let system = start(aiven, "", folder.path()).await;
    system.complete().await;
    state_file(folder.path(), "BEGIN CERTIFICATE").await;
    let system = system.restart_alone("", folder.path()).await;
    // The targets are there, with the reason why they can't be scraped.
    for node in system.aiven.nodes() {
        let refused = "server returned HTTP status 401 Unauthorized";
        system.down(node.address(), refused).await;
    }
    system.aiven.api().up().await.unwrap();
    system.complete().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_file_that_makes_no_sense_is_no_obstacle() {
    let (aiven, folder) = aiven().await;
    let mut system = start(aiven, "", folder.path()).await;
    system.complete().await;
    let path = state_file(folder.path(), "BEGIN CERTIFICATE").await;
    let good = std::fs::read_to_string(&path).unwrap();
    let broken = [
        String::new(),
        good[..good.len() / 2].to_owned(),
        "\0\0\0\0".to_owned(),
        good.replacen("\"version\":1", "\"version\":99", 1),
        good.replacen("\"project\":\"paas-cf-prod\"", "\"project\":\"other\"", 1),
    ];
    for content in broken {
        assert_ne!(content, good);
        system.exporter.program.signal("TERM");
        system.exporter.program.ended().await;
        std::fs::write(&path, &content).unwrap();
        let System { aiven, .. } = system;
        system = start(aiven, "", folder.path()).await;
        system.complete().await;
        let without = "starting without the targets of before";
        let told = system.logged(without, 1).await;
        assert!(told[0].contains("level=WARN"), "{told:?}");
        // It is written anew.
        state_file(folder.path(), "\"version\":1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_cannot_be_written_costs_nothing_but_the_state() {
    let (aiven, folder) = aiven().await;
    let system = start(aiven, "", folder.path()).await;
    system.complete().await;
    let path = state_file(folder.path(), "BEGIN CERTIFICATE").await;
    // A folder in the file's place can't be replaced by a file, whoever asks.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let service = system.aiven.services()[0].clone();
    system.aiven.add_node(&service).await.unwrap();
    system.complete().await;
    let failures = "aiven_sd_state_write_failures_total";
    system.metric_reaches(failures, "", 1.0).await;
    let told = "the last-known discovery can't be written";
    system.logged(told, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_kill_leaves_half_a_file() {
    let (aiven, folder) = aiven().await;
    let config = config(&aiven, "");
    let flag = format!("--state.path={}", folder.path().display());
    let services = aiven.services();
    let mut written = 0;
    for round in 0..24 {
        // Each start finds other nodes than are in the file, and so writes it.
        let new = aiven.add_node(&services[0]).await.unwrap();
        let own = tempfile::tempdir().unwrap();
        let mut exporter = Exporter::start(own.path(), &config, &[&flag]).await;
        let discovered = format!("targets={}", aiven.nodes().len());
        let found = |line: &str| {
            let is_it = line.contains("targets changed") && line.contains(&discovered);
            is_it.then_some(())
        };
        exporter.program.log_line(found).await;
        // From before the write to long after it.
        tokio::time::sleep(Duration::from_micros(400 * round)).await;
        exporter.program.signal("KILL");
        exporter.program.ended().await;
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "json") {
                let content = std::fs::read(&path).unwrap();
                let state: serde_json::Value = serde_json::from_slice(&content)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let address = new.address().ip().to_string();
                written += usize::from(state.to_string().contains(&address));
            }
        }
    }
    assert!(
        written > 0,
        "no write was finished, so that nothing was tested"
    );
    // What kills have left behind does not stay for ever.
    let (aiven, state) = (aiven, folder.path());
    let system = start(aiven, "", state).await;
    system.complete().await;
    let names = std::fs::read_dir(state).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_has_no_secret() {
    let (aiven, folder) = aiven().await;
    let system = start(aiven, OWN_AUTH, folder.path()).await;
    system.complete().await;
    let path = state_file(folder.path(), "BEGIN CERTIFICATE").await;
    let content = std::fs::read_to_string(path).unwrap();
    let mut secrets = system.aiven.secrets();
    secrets.push(api::LEAKED_IN_FAILURES.to_owned());
    for secret in secrets {
        assert!(!content.contains(&secret), "{secret}");
    }
}
