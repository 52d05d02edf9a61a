//! How it starts, and says why it doesn't.

use std::path::Path;
use std::process::{Command, Output};

use federate_server::auth::CHALLENGE;
use fixtures::{MockAiven, Service};
use reqwest::Method;

use crate::support::eventually;
use crate::support::exporter::{Exporter, command, config};
use crate::support::program::Program;
use crate::support::system::System;

const GOOD: &str =
    "scrape_configs:\n- job_name: one\n  static_configs: [{targets: ['127.0.0.1:1']}]\n";

/// Files that are no configuration, and what is said of them behind `FILE:`.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "unknown key",
        "scrape_configs:\n- job_name: one\n  scrape_intervall: 1s\n",
        "3:3: ",
    ),
    ("unknown section", "scrape_config: []\n", "1:1: "),
    (
        "regex",
        "scrape_configs:\n- job_name: one\n  relabel_configs:\n  - {source_labels: [a], regex: 'a(', action: keep}\n",
        "4:33: ",
    ),
    (
        "time-out",
        "global: {scrape_interval: 1s}\nscrape_configs:\n- job_name: one\n  scrape_timeout: 2s\n",
        "4:19: ",
    ),
    (
        "duration",
        "global:\n  scrape_interval: 1 minute\n",
        "2:20: ",
    ),
    ("tab", "global:\n\tscrape_interval: 1m\n", "2:2: "),
    ("no name", "scrape_configs:\n- metrics_path: /m\n", "2:3: "),
    (
        "twice",
        "scrape_configs:\n- job_name: one\n- job_name: one\n",
        "3:13: ",
    ),
    ("no mapping", "- a\n", "1:1: "),
    ("no YAML", "global: [\n", ""),
    (
        "project",
        "scrape_configs:\n- job_name: one\n  aiven_sd_configs:\n  - api_token: a\n",
        "4:5: ",
    ),
];

fn check_config(folder: &Path, file: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_elasticsearch-metric-exporter"));
    command
        .env_clear()
        .current_dir(folder)
        .args(["check-config", file]);
    command.output().unwrap()
}

/// Runs to the end; its exit code and log.
async fn fails(command: &mut Command) -> (Option<i32>, String) {
    let mut program = Program::start(command);
    let code = program.ended().await.code();
    let log = eventually("a reason in the log", async || {
        let log = program.log();
        (!log.is_empty()).then_some(log)
    })
    .await;
    (code, log)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_is_refused_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, place) in BROKEN {
        std::fs::write(folder.path().join("x.yml"), text).unwrap();
        let checked = check_config(folder.path(), "x.yml");
        let said = String::from_utf8(checked.stdout).unwrap();
        assert_eq!(checked.status.code(), Some(1), "{name}: {said}");
        assert!(
            said.starts_with(&format!("x.yml:{place}")),
            "{name}: {said}"
        );
        let behind = said.splitn(4, ':').collect::<Vec<_>>();
        assert!(
            behind[1].parse::<u32>().is_ok() && behind[2].parse::<u32>().is_ok(),
            "{name}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{name}: {said}");
        let (code, log) = fails(command().current_dir(&folder).arg("--config.file=x.yml")).await;
        assert_eq!(code, Some(2), "{name}: {log}");
        assert!(log.contains(&format!("x.yml:{place}")), "{name}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let checked = check_config(folder.path(), "absent.yml");
    let said = String::from_utf8(checked.stdout).unwrap();
    assert_eq!(checked.status.code(), Some(1));
    assert!(
        said.starts_with("absent.yml: No such file or directory"),
        "{said}"
    );
    let (code, log) = fails(
        command()
            .current_dir(&folder)
            .arg("--config.file=absent.yml"),
    )
    .await;
    assert_eq!(code, Some(2), "{log}");
    assert!(
        log.contains("absent.yml: No such file or directory"),
        "{log}"
    );
}

#[test]
fn a_good_file_is_accepted_and_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yml"), GOOD).unwrap();
    let checked = check_config(folder.path(), "x.yml");
    assert_eq!(checked.status.code(), Some(0));
    assert_eq!(String::from_utf8(checked.stdout).unwrap(), "x.yml: valid\n");
    let rule = "  relabel_configs: [{source_labels: [__name__], regex: a, action: drop}]\n";
    std::fs::write(folder.path().join("x.yml"), format!("{GOOD}{rule}")).unwrap();
    let checked = check_config(folder.path(), "x.yml");
    assert_eq!(checked.status.code(), Some(0));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.starts_with("warning: x.yml:4:"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_that_is_wrong_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yml"), GOOD).unwrap();
    let f = async |flags: &[&str], variables: &[(&str, &str)], want: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_elasticsearch-metric-exporter"));
        command
            .env_clear()
            .current_dir(&folder)
            .args(flags)
            .envs(variables.iter().copied());
        let (code, log) = fails(&mut command).await;
        assert_eq!(code, Some(2), "{flags:?}: {log}");
        assert!(log.contains(want), "{flags:?}: {log}");
    };
    f(
        &["--config.fil=x.yml"],
        &[],
        "invalid option '--config.fil'",
    )
    .await;
    f(
        &["--config.file=x.yml", "word"],
        &[],
        "unexpected argument \"word\"",
    )
    .await;
    f(
        &["--config.file=x.yml", "--log.level=all"],
        &[],
        "--log.level=all: expected",
    )
    .await;
    f(
        &["--config.file=x.yml", "--log.format=xml"],
        &[],
        "--log.format=xml: expected",
    )
    .await;
    f(
        &["--web.listen-address=nowhere"],
        &[],
        "--web.listen-address",
    )
    .await;
    f(&["--config.file=x.yml"], &[("PORT", "http")], "").await;
    f(
        &[],
        &[],
        "there is no --config.file, and AIVEN_API_TOKEN is not set",
    )
    .await;
    f(&[], &[("BASIC_AUTH_USERNAME", "a")], "must be set together").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yml"), GOOD).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let mut command = command();
    let listen = format!("--web.listen-address={address}");
    command
        .current_dir(&folder)
        .args(["--config.file=x.yml", &listen]);
    let (code, log) = fails(&mut command).await;
    assert_eq!(code, Some(1), "{log}");
    let want = format!("can't listen on {address}: Address already in use");
    assert!(log.contains(&want), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_configuration_that_is_broken_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("x.yml"), GOOD).unwrap();
    std::fs::write(
        folder.path().join("web.yml"),
        "basic_auth_users:\n  a: plain\n",
    )
    .unwrap();
    let mut command = command();
    let flags = ["--config.file=x.yml", "--web.config.file=web.yml"];
    let (code, log) = fails(command.current_dir(&folder).args(flags)).await;
    assert_eq!(code, Some(1), "{log}");
    assert!(
        log.contains("web.yml:2:6: ") && !log.contains("plain"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_a_configuration() {
    // The system's resolver knows no name of the mock's, but any address.
    let service = Service::elasticsearch("prod-one")
        .host("127.0.0.1")
        .nodes(1);
    let aiven = MockAiven::builder().service(service).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let services = aiven.write_services_file(folder.path()).unwrap();
    let mut command = command();
    command
        .env("AIVEN_API_TOKEN", aiven.token())
        .env("AIVEN_WEB_URL", aiven.api_url())
        .env("AIVEN_PROJECT", aiven.project())
        .env("AIVEN_PROMETHEUS_ENDPOINT_ID", aiven.endpoint_id())
        .env("SERVICES_FILE", services)
        .env("SCRAPE_INTERVAL", "1s500ms")
        .env("BASIC_AUTH_USERNAME", "tenant")
        .env("BASIC_AUTH_PASSWORD", "tenant-password");
    let exporter = Exporter::run(&mut command).await;
    let tenant = exporter.site.clone().with_user("tenant", "tenant-password");
    let target = eventually("the target", async || {
        let data = tenant.data("/api/v1/targets", &[]).await;
        data["activeTargets"].get(0).cloned()
    })
    .await;
    let port = aiven.nodes()[0].address().port();
    assert_eq!(
        target["scrapeUrl"],
        format!("https://127.0.0.1:{port}/metrics")
    );
    assert_eq!(target["scrapeInterval"], "1s500ms");
    assert_eq!(target["labels"]["job"], "aiven");
    assert_eq!(target["labels"]["aiven_service_name"], "prod-one");
    assert_eq!(target["labels"]["space_name"], "dev");

    let stranger = exporter.site.clone().with_user("tenant", "guess");
    for site in [&exporter.site, &stranger] {
        let answer = site.get("/federate", &[("match[]", "up")]).await;
        assert_eq!(
            (answer.status, answer.header("www-authenticate")),
            (401, CHALLENGE)
        );
    }
    for path in ["/-/healthy", "/-/ready"] {
        for method in [Method::GET, Method::HEAD] {
            let answer = exporter.site.ask(method, path, &[], &[]).await;
            assert_eq!(answer.status, 200, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_not_ready_before_the_first_discovery() {
    let aiven = MockAiven::builder().nodes(1).start().await.unwrap();
    aiven.api().fail(fixtures::api::Fault::Hang);
    let system = System::of_aiven(aiven, |aiven| config(aiven, ""), &[]).await;
    let site = &system.exporter.site;
    for method in [Method::GET, Method::HEAD] {
        let answer = site.ask(method.clone(), "/-/ready", &[], &[]).await;
        assert_eq!(answer.status, 503);
        let answer = site.ask(method, "/-/healthy", &[], &[]).await;
        assert_eq!(answer.status, 200);
    }
    // No match, no error: nothing is known yet.
    assert_eq!(
        site.get("/federate", &[("match[]", "up")]).await.status,
        200
    );
}
