//! The configuration file: what is accepted, what is refused with which words, what is shown.
//!
//! `tests/data/config` has one file a case. Comments at a file's start say what is expected:
//! `error: LINE:COL: …` and `warning: LINE:COL: …`, and `prometheus 2: accepts` or `refuses` where
//! that version differs from this library. `UPDATE_GOLDEN=1` rewrites the first two and `.shown.yml`.

#![expect(
    clippy::unwrap_used,
    reason = "outside of test functions, too, a panic fails the test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use es_scraper::config::{Config, LoadOptions};
use prom_config::ConfigError;
use proptest::prelude::*;

/// A file of `tests/data/config`.
struct Case {
    path: PathBuf,
    text: String,
}

impl Case {
    /// All files that end with `suffix`, sorted by name.
    fn all(suffix: &str) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config");
        let files = fs::read_dir(folder).expect("the folder is part of the crate");
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.retain(|path| path.to_string_lossy().ends_with(suffix));
        paths.sort();
        assert!(!paths.is_empty(), "no {suffix} files");
        paths.into_iter().map(Self::read).collect()
    }

    fn read(path: PathBuf) -> Self {
        let text = fs::read_to_string(&path).unwrap();
        Self { path, text }
    }

    fn load(&self) -> Result<Config, ConfigError> {
        load(&self.text)
    }

    fn name(&self) -> String {
        self.path
            .file_name()
            .unwrap()
            .to_string_lossy()
            .into_owned()
    }

    /// The values of comments `# key: value` at the start.
    fn expected(&self, key: &str) -> Vec<&str> {
        let comments = self.text.lines().map_while(|line| line.strip_prefix("# "));
        let values = comments.filter_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
        values.collect()
    }

    /// Replaces the comments with `key`, for a golden file's update. Their number moves the lines
    /// that they speak of, so this is done twice.
    fn rewrite(&mut self, key: &str, messages: impl Fn(&Self) -> Vec<String>) {
        for _ in 0..2 {
            let new = messages(self)
                .into_iter()
                .map(|message| format!("# {key}: {message}\n"));
            let prefix = format!("# {key}: ");
            let mut in_comments = true;
            let kept = self.text.split_inclusive('\n').filter(|line| {
                in_comments &= line.starts_with("# ");
                !(in_comments && line.starts_with(&prefix))
            });
            self.text = new.chain(kept.map(str::to_owned)).collect();
        }
        fs::write(&self.path, &self.text).unwrap();
    }
}

fn load(text: &str) -> Result<Config, ConfigError> {
    let environment = |name: &str| (name == "TEST_VALUE").then(|| "value".to_owned());
    let options = LoadOptions {
        file: Path::new("etc/exporter.yml"),
        environment: &environment,
    };
    Config::load(text, options, &())
}

fn updating() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}

/// The message without the file, which is the same everywhere.
fn golden(error: &ConfigError) -> String {
    let shown = error.to_string();
    let message = shown.strip_prefix("etc/exporter.yml:");
    message
        .unwrap_or_else(|| panic!("no file in {shown:?}"))
        .to_owned()
}

#[test]
fn bad_files_are_refused_with_these_words() {
    for mut case in Case::all(".bad.yml") {
        let error = |case: &Case| match case.load() {
            Ok(_) => panic!("{} is accepted", case.name()),
            Err(error) => vec![golden(&error)],
        };
        if updating() {
            case.rewrite("error", error);
        }
        assert_eq!(error(&case), case.expected("error"), "{}", case.name());
    }
}

#[test]
fn good_files_are_accepted_with_these_warnings() {
    for mut case in Case::all(".good.yml") {
        let warnings = |case: &Case| match case.load() {
            Ok(config) => config.warnings.iter().map(golden).collect::<Vec<_>>(),
            Err(error) => panic!("{}: {error}", case.name()),
        };
        if updating() {
            case.rewrite("warning", warnings);
        }
        assert_eq!(warnings(&case), case.expected("warning"), "{}", case.name());
    }
}

#[test]
fn a_configuration_is_shown_whole() {
    for case in Case::all(".shown.yml") {
        let good = case.path.to_string_lossy().replace(".shown.", ".good.");
        let shown = Case::read(good.into()).load().unwrap().to_yaml(&());
        if updating() {
            fs::write(&case.path, &shown).unwrap();
            continue;
        }
        assert_eq!(shown, case.text, "{}", case.name());
    }
}

#[test]
fn what_is_shown_can_be_loaded_and_is_shown_the_same() {
    for case in Case::all(".good.yml") {
        let shown = case.load().unwrap().to_yaml(&());
        let again =
            load(&shown).unwrap_or_else(|error| panic!("{}: {error}\n{shown}", case.name()));
        // Paths of files are relative to the file's directory by now.
        let again = again.to_yaml(&()).replace("etc/etc/", "etc/");
        assert_eq!(again, shown, "{}", case.name());
    }
}

#[test]
fn secrets_are_in_no_error_and_not_shown() {
    let secrets = ["hunter2", "s3cr3t", "mysecret"];
    for case in Case::all(".yml") {
        let told = match case.load() {
            Ok(config) => format!("{} {:?}", config.to_yaml(&()), config.warnings),
            Err(error) => format!("{error} {error:?}"),
        };
        for secret in secrets {
            assert!(!told.contains(secret), "{}: {told}", case.name());
        }
    }
}

#[test]
fn a_tenants_configuration_loads() {
    let text = include_str!("../../../fixtures/data/tenant-prometheus.yml");
    let config = load(text).unwrap();
    assert_eq!(config.warnings, []);
    let [job] = &config.scrape_configs[..] else {
        panic!("{config:?}");
    };
    assert_eq!(&*job.job_name, "paas_elasticsearch");
    assert_eq!(job.metrics_path, "/federate");
    assert_eq!(job.params["match[]"], ["{job='aiven'}"]);
    assert_eq!(job.metric_relabel_configs.len(), 11);
}

/// Whether the `prometheus` on the path accepts the file at `path`. A web configuration that isn't
/// there ends it right after it has read its own, before it listens or scrapes.
fn prometheus_accepts(path: &Path) -> bool {
    let storage = tempfile::tempdir().unwrap();
    let output = Command::new("prometheus")
        .arg(format!("--config.file={}", path.display()))
        .arg(format!("--storage.tsdb.path={}", storage.path().display()))
        .args([
            "--web.config.file=/nonexistent/web.yml",
            "--web.listen-address=127.0.0.1:0",
        ])
        .env("TEST_VALUE", "value")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let refused =
        log.contains("Error loading config") || log.contains("Error loading scrape config");
    assert!(
        refused || log.contains("web configuration"),
        "{}: {log}",
        path.display()
    );
    !refused
}

#[test]
#[ignore = "needs prometheus on PATH"]
fn prometheus_accepts_and_refuses_the_same_files() {
    let version = Command::new("prometheus")
        .arg("--version")
        .output()
        .unwrap()
        .stdout;
    let version = String::from_utf8_lossy(&version);
    let key = if version.contains("version 2.") {
        "prometheus 2"
    } else {
        "prometheus 3"
    };
    let mut differences = Vec::new();
    for case in Case::all(".good.yml")
        .into_iter()
        .chain(Case::all(".bad.yml"))
    {
        let ours = case.load().is_ok();
        let expected = match case.expected(key)[..] {
            [] => ours,
            [difference, ..] => difference.starts_with("accepts"),
        };
        let theirs = prometheus_accepts(&case.path);
        if theirs != expected {
            let verb = if theirs { "accepts" } else { "refuses" };
            differences.push(format!("{} {verb}: {key}", case.name()));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

proptest! {
    /// Pieces of a whole configuration in other places, and with odd characters between them.
    #[test]
    fn no_text_panics(
        from in 0_usize..4000,
        length in 0_usize..80,
        to in 0_usize..4000,
        between in "[-a-z0-9:{}\\[\\],&*!|>'\"#~<. \t\n]{0,12}",
    ) {
        let text = include_str!("../data/config/job_all.good.yml");
        let at = |index: usize| &text[index.min(text.len())..];
        let piece: String = at(from).chars().take(length).collect();
        let head = &text[..to.min(text.len())];
        let _ = load(&format!("{head}{between}{piece}{}", at(to)));
    }
}
