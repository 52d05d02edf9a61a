//! file_sd: target groups in files.
//!
//! Files are looked at every second: one whose identity, size or time of change differs is read again, and so is
//! every file at each refresh interval. Prometheus is told of changes by inotify but passes them on only every five
//! seconds, so this is no later; and it also sees what inotify does not, changes on network file systems and
//! folders swapped by a symbolic link, for the price of a `stat` a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prom_model::target::TargetGroup;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::{info, warn};

use super::format::{self, Format, FormatError};
use super::glob::{self, Matches};
use super::{DiscoveryMetrics, Found, Groups};
use crate::config::FileSdConfig;

const FILEPATH_LABEL: &str = "__meta_filepath";
/// Time between two looks at the files.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// Bytes that a file may have; its groups take a few times that in memory.
const FILE_SIZE_LIMIT: u64 = 64 << 20;

/// What a `file_sd_configs` entry says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileConfig {
    /// Patterns of the files' paths, relative to the working directory. `*` may stand in the last part of
    /// a path only, and the path ends with `.json`, `.yml` or `.yaml`.
    pub files: Vec<String>,
    /// When files are read again although nothing about them changed; at least a second is kept.
    pub refresh_interval: Duration,
}

impl FileConfig {
    /// Refresh interval where the configuration is silent.
    pub const DEFAULT_REFRESH_INTERVAL: Duration = Duration::from_secs(300);

    /// Whether `pattern` may be in [`FileConfig::files`], as Prometheus has it.
    #[must_use]
    pub fn accepts(pattern: &str) -> bool {
        let extensions = [".json", ".yml", ".yaml", ".JSON", ".YML", ".YAML"];
        let Some(stem) = extensions
            .iter()
            .find_map(|extension| pattern.strip_suffix(extension))
        else {
            return false;
        };
        match stem.split_once('*') {
            Some((_, rest)) => !rest.contains('/'),
            None => true,
        }
    }
}

impl From<&FileSdConfig> for FileConfig {
    fn from(config: &FileSdConfig) -> Self {
        Self {
            files: config.files.clone(),
            refresh_interval: config.refresh_interval,
        }
    }
}

/// Publishes the groups of the files that `config` names for as long as it runs.
pub(super) async fn run(
    config: FileConfig,
    groups: watch::Sender<Found>,
    metrics: DiscoveryMetrics,
) {
    let refresh_interval = config.refresh_interval.max(LOOK_INTERVAL);
    let mut files = Files::new(config.files, metrics);
    let mut looks = tokio::time::interval(LOOK_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next_refresh = Instant::now();
    loop {
        looks.tick().await;
        let read = if Instant::now() >= next_refresh {
            next_refresh = Instant::now() + refresh_interval;
            Read::All
        } else {
            Read::Changed
        };
        let looked = tokio::task::spawn_blocking(move || {
            let looked = files.look(read);
            (files, looked)
        });
        let Ok((returned, looked)) = looked.await else {
            // The runtime is shutting down.
            return;
        };
        files = returned;
        let first_success = groups.borrow().groups().is_none() && files.any_good();
        if looked == Looked::News || first_success {
            groups.send_replace(Found::Groups(files.groups()));
        } else {
            groups.send_if_modified(Found::fail);
        }
    }
}

/// Which files a look reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// New ones, and those that changed since they were read.
    Changed,
    /// All.
    All,
}

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// The same groups as before.
    Same,
    /// Other groups.
    News,
}

/// The files of one configuration and what was last good in them.
#[derive(Debug)]
struct Files {
    patterns: Vec<Pattern>,
    files: BTreeMap<String, FileState>,
    metrics: DiscoveryMetrics,
}

#[derive(Debug)]
struct Pattern {
    text: String,
    /// What was last logged of it.
    problem: Option<&'static str>,
}

#[derive(Debug, Default)]
struct FileState {
    /// Last good groups; those of a file that was never read are none.
    groups: Vec<TargetGroup>,
    /// As it was when it was last read, well or not.
    version: Option<Version>,
    /// Why it could not be read, as it was logged.
    problem: Option<String>,
    /// The last look did not find it. A file that is gone for one look only is being replaced by a
    /// program that doesn't rename.
    absent: bool,
}

/// What a change of a file changes. Two files that differ in nothing of it are taken for the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Metadata> for Version {
    fn from(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("cannot read")]
    Io(#[from] io::Error),
    #[error("not a regular file")]
    NoFile,
    #[error("larger than {FILE_SIZE_LIMIT} bytes")]
    TooLarge,
    #[error("not a list of target groups")]
    Format(#[from] FormatError),
}

impl Files {
    fn new(patterns: Vec<String>, metrics: DiscoveryMetrics) -> Self {
        let pattern = |text| Pattern {
            text,
            problem: None,
        };
        Self {
            patterns: patterns.into_iter().map(pattern).collect(),
            files: BTreeMap::new(),
            metrics,
        }
    }

    /// The last good groups of every file, files in the order of their paths.
    fn groups(&self) -> Groups {
        let groups = self.files.values().flat_map(|file| &file.groups);
        Arc::new(groups.cloned().collect())
    }

    /// Whether anything can be read, or there is nothing to be read.
    fn any_good(&self) -> bool {
        let mut files = self.files.values();
        files.len() == 0 || files.any(|file| file.problem.is_none())
    }

    fn look(&mut self, read: Read) -> Looked {
        let mut looked = Looked::Same;
        let mut found = Vec::new();
        let mut complete = true;
        for pattern in &mut self.patterns {
            let matches = pattern.matches();
            complete &= !matches.incomplete;
            found.extend(matches.paths);
        }
        found.sort_unstable();
        found.dedup();

        let metrics = &self.metrics;
        self.files.retain(|path, file| {
            let present = !complete || found.binary_search(path).is_ok();
            let keep = present || !file.absent;
            file.absent = !present;
            if !keep {
                info!(path, "file_sd file is gone, its targets are removed");
                metrics.file_gone(path);
                looked = Looked::News;
            }
            keep
        });
        for path in found {
            let file = self.files.entry(path.clone()).or_default();
            if file.look(&path, read, &self.metrics) == Looked::News {
                looked = Looked::News;
            }
        }
        looked
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for path in self.files.keys() {
            self.metrics.file_gone(path);
        }
    }
}

impl Pattern {
    fn matches(&mut self) -> Matches {
        let (matches, problem) = match glob::glob(&self.text) {
            Ok(matches) if matches.incomplete => (matches, Some("folder cannot be read")),
            Ok(matches) => (matches, None),
            Err(_) => (Matches::default(), Some("syntax error in pattern")),
        };
        if self.problem != problem {
            self.problem = problem;
            match problem {
                Some(error) => warn!(pattern = self.text, error, "file_sd cannot list files"),
                None => info!(pattern = self.text, "file_sd lists files again"),
            }
        }
        matches
    }
}

impl FileState {
    fn look(&mut self, path: &str, read: Read, metrics: &DiscoveryMetrics) -> Looked {
        // The version is of before the content, so that a change in between is seen by the next look.
        let metadata = fs::metadata(path);
        let version = metadata.as_ref().ok().map(Version::from);
        if read == Read::Changed && version.is_some() && version == self.version {
            return Looked::Same;
        }
        let unreadable_still = read == Read::Changed && version.is_none() && self.problem.is_some();
        if unreadable_still {
            return Looked::Same;
        }
        let outcome = metadata
            .map_err(ReadError::from)
            .and_then(|metadata| read_file(path, &metadata));
        self.version.clone_from(&version);
        match outcome {
            Ok(groups) => {
                if let Some(version) = &version {
                    metrics.file_read(path, seconds(version.modified.0));
                }
                if self.problem.take().is_some() {
                    info!(path, "file_sd file is good again");
                }
                if self.groups == groups {
                    return Looked::Same;
                }
                self.groups = groups;
                Looked::News
            }
            Err(err) => {
                metrics.file_read_failed();
                let problem = with_causes(&err);
                if self.problem.as_ref() != Some(&problem) {
                    warn!(
                        path,
                        error = problem,
                        "file_sd file keeps its last good targets"
                    );
                    self.problem = Some(problem);
                }
                Looked::Same
            }
        }
    }
}

fn read_file(path: &str, metadata: &Metadata) -> Result<Vec<TargetGroup>, ReadError> {
    // Opening a pipe would wait for whoever writes to it.
    if !metadata.is_file() {
        return Err(ReadError::NoFile);
    }
    let mut content = Vec::new();
    File::open(path)?
        .take(FILE_SIZE_LIMIT + 1)
        .read_to_end(&mut content)?;
    if content.len() as u64 > FILE_SIZE_LIMIT {
        return Err(ReadError::TooLarge);
    }
    let json = Path::new(path)
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let format = if json { Format::Json } else { Format::Yaml };
    let found = format::parse(format, &content)?;
    Ok(format::into_groups(found, path, FILEPATH_LABEL))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "seconds since the epoch are far below 2^53"
)]
fn seconds(seconds: i64) -> f64 {
    seconds as f64
}

/// `err` and what it comes from, as one clause.
pub(super) fn with_causes(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        // Writing to a `String` doesn't fail.
        let _ = write!(text, ": {err}");
        cause = err.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_prometheus() {
        let f = |pattern: &str, want| assert_eq!(FileConfig::accepts(pattern), want, "{pattern}");
        f("a.json", true);
        f("dir/a.yml", true);
        f("dir/*.YAML", true);
        f("dir/a*b*.json", true);
        f("dir[0-9]/a.json", true);
        f(".json", true);
        f("dir/a.Json", false);
        f("dir/a.txt", false);
        f("dir/a.json.tmp", false);
        f("dir*/a.json", false);
        f("a*.json/b.json", false);
    }
}
