//! Who may ask: `BASIC_AUTH_USERNAME` and `BASIC_AUTH_PASSWORD`, with and without files.

use crate::support::exporter::{Exporter, command};
use crate::support::program::Program;

const CONFIG: &str =
    "scrape_configs:\n- job_name: one\n  static_configs: [{targets: ['127.0.0.1:1']}]\n";
const IGNORED: &str = "BASIC_AUTH_USERNAME and BASIC_AUTH_PASSWORD have no effect";

/// Starts with a configuration file, these flags, and both variables.
async fn start(folder: &tempfile::TempDir, flags: &[&str]) -> Exporter {
    std::fs::write(folder.path().join("exporter.yml"), CONFIG).unwrap();
    let mut command = command();
    command
        .current_dir(folder)
        .arg("--config.file=exporter.yml")
        .args(flags)
        .env("BASIC_AUTH_USERNAME", "tenant")
        .env("BASIC_AUTH_PASSWORD", "tenant-password");
    Exporter::run(&mut command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_variables_hold_beside_a_configuration_file() {
    let folder = tempfile::tempdir().unwrap();
    let exporter = start(&folder, &[]).await;
    let query = [("match[]", "up")];
    let f = async |user: Option<(&str, &str)>, want: u16| {
        let site = exporter.site.clone();
        let site = match user {
            Some((name, password)) => site.with_user(name, password),
            None => site,
        };
        assert_eq!(site.get("/federate", &query).await.status, want, "{user:?}");
        assert_eq!(site.get("/-/healthy", &[]).await.status, 200, "{user:?}");
    };
    f(None, 401).await;
    f(Some(("tenant", "guess")), 401).await;
    f(Some(("tenant", "tenant-password")), 200).await;
    let log = exporter.program.log();
    assert!(
        !log.contains(IGNORED) && !log.contains("tenant-password"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_configuration_file_alone_decides() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody is asked.
    std::fs::write(folder.path().join("web.yml"), "").unwrap();
    let exporter = start(&folder, &["--web.config.file=web.yml"]).await;
    let answer = exporter.site.get("/federate", &[]).await;
    assert_eq!(answer.status, 200);
    let log = exporter.program.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains(IGNORED)).collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(told[0].contains("level=WARN"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_variable_without_the_other_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("exporter.yml"), CONFIG).unwrap();
    std::fs::write(folder.path().join("web.yml"), "").unwrap();
    let (username, password) = ("BASIC_AUTH_USERNAME", "BASIC_AUTH_PASSWORD");
    for (set, missing) in [(username, password), (password, username)] {
        for flags in [
            &["--config.file=exporter.yml"][..],
            &["--web.config.file=web.yml"],
        ] {
            let mut command = command();
            command
                .current_dir(&folder)
                .args(flags)
                .env(set, "secret-x");
            let mut program = Program::start(&mut command);
            assert_eq!(program.ended().await.code(), Some(2), "{set} {flags:?}");
            let said = |line: &str| {
                line.contains(&format!("{missing} is not set"))
                    .then_some(())
            };
            let log = program.log();
            assert_eq!(log.lines().find_map(said), Some(()), "{log}");
            assert!(!log.contains("secret-x"), "{log}");
        }
    }
}
