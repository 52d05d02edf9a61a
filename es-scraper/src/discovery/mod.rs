//! Where targets come from: static lists, files, HTTP, and whatever is passed in from outside.
//!
//! A [`Discovery`] runs the inputs of all scrape jobs and publishes for each job the target groups of all of its inputs
//! together. It lives as long as the process: [`Discovery::apply`] takes a new configuration, and an input whose
//! configuration did not change goes on with the groups it has.
//!
//! What holds for every input: its first refresh is at once; one that fails keeps the groups of the last good one, is
//! counted and logged; one that finds nothing removes them.
//!
//! ```
//! use es_scraper::discovery::{Discovery, DiscoveryMetrics, JobInputs, static_groups};
//! use http::HeaderValue;
//! use prometheus_client::registry::Registry;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let metrics = DiscoveryMetrics::register(&mut Registry::default());
//! let mut discovery = Discovery::new(metrics, HeaderValue::from_static("my-scraper"));
//! let mut jobs = discovery.apply(vec![JobInputs {
//!     static_groups: static_groups([(["192.0.2.1:9273"], [("env", "prod")])]),
//!     ..JobInputs::new("aiven")
//! }])?;
//! let mut groups = jobs.remove(0).groups;
//! groups.changed().await?;
//! assert_eq!(groups.borrow()[0].targets[0].get("__address__"), Some("192.0.2.1:9273"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

mod file;
mod format;
mod glob;
mod http;
mod merge;
mod metrics;

use std::collections::HashMap;
use std::sync::Arc;

use ::http::HeaderValue;
use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{Instrument as _, info_span};

use self::http::HttpDiscovery;
use crate::config::ScrapeConfig;
use crate::scrape::TlsSettings;

pub use file::FileConfig;
pub use format::{FormatError, GroupError};
pub use http::{HttpConfig, HttpConfigError};
pub use metrics::DiscoveryMetrics;

/// Target groups as an input publishes them: all of them each time, replaced as a whole.
pub type Groups = Arc<Vec<TargetGroup>>;

/// Where the targets of one job come from.
#[derive(Debug, Clone)]
pub struct JobInputs {
    /// The job's name, unique among jobs.
    pub job: Arc<str>,
    /// Groups that never change, as [`static_groups`] makes them.
    pub static_groups: Vec<TargetGroup>,
    /// Groups in files.
    pub files: Vec<FileConfig>,
    /// Groups that an HTTP server hands out.
    pub http: Vec<HttpConfig>,
    /// Groups from elsewhere. One whose sender is gone keeps the groups it has.
    pub external: Vec<watch::Receiver<Groups>>,
}

impl JobInputs {
    /// A job without inputs.
    pub fn new(job: impl Into<Arc<str>>) -> Self {
        Self {
            job: job.into(),
            static_groups: Vec::new(),
            files: Vec::new(),
            http: Vec::new(),
            external: Vec::new(),
        }
    }
}

/// All inputs of a job but those from elsewhere.
impl<J> From<&ScrapeConfig<J>> for JobInputs {
    fn from(config: &ScrapeConfig<J>) -> Self {
        let statics = config.static_configs.iter();
        Self {
            job: Arc::clone(&config.job_name),
            static_groups: static_groups(
                statics.map(|config| (&config.targets, config.labels.iter())),
            ),
            files: config
                .file_sd_configs
                .iter()
                .map(FileConfig::from)
                .collect(),
            http: config
                .http_sd_configs
                .iter()
                .map(HttpConfig::from)
                .collect(),
            external: Vec::new(),
        }
    }
}

/// A job and the groups of all of its inputs.
#[derive(Debug, Clone)]
pub struct JobGroups {
    /// The job's name.
    pub job: Arc<str>,
    /// Its groups: static ones first, then those of files, HTTP and elsewhere, each in the order of the
    /// configuration. Empty, and not yet changed, until each input has been asked once.
    pub groups: watch::Receiver<Groups>,
    /// How far its files and HTTP servers have come. It starts anew with each configuration, and never goes back.
    pub progress: watch::Receiver<InputProgress>,
}

/// How many inputs of a job have found anything out since the start, those from elsewhere left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InputProgress {
    /// How many there are.
    pub inputs: usize,
    /// How many have tried for the first time, with or without success.
    pub tried: usize,
    /// How many have succeeded, be it without finding targets.
    pub succeeded: usize,
}

/// What an input has found.
#[derive(Debug, Clone, Default)]
enum Found {
    /// The first attempt isn't over.
    #[default]
    Waiting,
    /// No attempt has succeeded.
    Failed,
    /// What the last attempt that succeeded found.
    Groups(Groups),
}

impl Found {
    const fn groups(&self) -> Option<&Groups> {
        match self {
            Self::Waiting | Self::Failed => None,
            Self::Groups(groups) => Some(groups),
        }
    }

    const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting)
    }

    /// Takes note of a failure; whether it was the first attempt.
    fn fail(&mut self) -> bool {
        let first = self.is_waiting();
        if first {
            *self = Self::Failed;
        }
        first
    }
}

/// Groups of `static_configs` from pairs of addresses and labels, named by their place.
pub fn static_groups<T, L, N>(configs: impl IntoIterator<Item = (T, L)>) -> Vec<TargetGroup>
where
    T: IntoIterator,
    T::Item: AsRef<str>,
    L: IntoIterator<Item = (N, N)>,
    N: AsRef<str>,
{
    let group = |(index, (targets, labels)): (usize, (T, L))| {
        let target = |address: T::Item| [("__address__", address.as_ref())].into_iter().collect();
        TargetGroup {
            source: Arc::from(index.to_string()),
            labels: labels.into_iter().collect::<LabelSet>(),
            targets: targets.into_iter().map(target).collect(),
            access: None,
        }
    };
    configs.into_iter().enumerate().map(group).collect()
}

/// Runs the inputs of all jobs. Dropping it stops them; what they published stays with the receivers.
#[derive(Debug)]
pub struct Discovery {
    metrics: DiscoveryMetrics,
    user_agent: HeaderValue,
    tls: Arc<TlsSettings>,
    inputs: Vec<Input>,
    jobs: HashMap<Arc<str>, Job>,
}

/// A running input. Jobs that have the same one share it.
#[derive(Debug)]
struct Input {
    config: InputConfig,
    groups: watch::Receiver<Found>,
    _task: Task,
}

#[derive(Debug, Clone, PartialEq)]
enum InputConfig {
    File(FileConfig),
    Http(Box<HttpConfig>),
}

#[derive(Debug)]
struct Job {
    groups: watch::Sender<Groups>,
    merge: Task,
}

/// A task that ends with its owner.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Task {
    /// Ends the task, and returns once it has ended.
    async fn end(mut self) {
        self.0.abort();
        // Whether it was aborted or had ended before is all the same.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Discovery {
    /// Discovery without jobs, counted in `metrics`. HTTP servers are told `user_agent`.
    #[must_use]
    pub fn new(metrics: DiscoveryMetrics, user_agent: HeaderValue) -> Self {
        Self {
            metrics,
            user_agent,
            tls: Arc::default(),
            inputs: Vec::new(),
            jobs: HashMap::new(),
        }
    }

    /// Makes `jobs` all jobs there are, and returns the groups of each in the same order.
    ///
    /// A job that was there before goes on with the receiver it had, whose groups stay what they were until each new
    /// input has been asked once, or five seconds have passed. Receivers of jobs that are gone are closed. Must be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// Where an input can't be made of its configuration; then nothing has changed.
    pub fn apply(&mut self, jobs: Vec<JobInputs>) -> Result<Vec<JobGroups>, HttpConfigError> {
        let mut started = Vec::new();
        let mut plans = Vec::with_capacity(jobs.len());
        for job in jobs {
            let files = job.files.into_iter().map(InputConfig::File);
            let http = job
                .http
                .into_iter()
                .map(|config| InputConfig::Http(config.into()));
            let mut receivers = Vec::new();
            for config in files.chain(http) {
                let running = self.inputs.iter().chain(&started);
                let receiver = match running.into_iter().find(|input| input.config == config) {
                    Some(input) => input.groups.clone(),
                    None => {
                        let input = self.start(config, &job.job)?;
                        let receiver = input.groups.clone();
                        started.push(input);
                        receiver
                    }
                };
                receivers.push(receiver);
            }
            plans.push(merge::Plan {
                job: job.job,
                static_groups: job.static_groups,
                inputs: receivers,
                external: job.external,
            });
        }

        self.inputs.append(&mut started);
        self.inputs.retain(|input| {
            let mut used = plans.iter().flat_map(|plan| &plan.inputs);
            used.any(|receiver| receiver.same_channel(&input.groups))
        });
        let mut former = std::mem::take(&mut self.jobs);
        let mut published = Vec::with_capacity(plans.len());
        for plan in plans {
            let job = Arc::clone(&plan.job);
            let (groups, predecessor) = match former.remove(&job) {
                Some(Job { groups, merge }) => (groups, Some(merge)),
                None => (watch::Sender::new(Groups::default()), None),
            };
            let progress = watch::Sender::new(InputProgress {
                inputs: plan.inputs.len(),
                ..InputProgress::default()
            });
            published.push(JobGroups {
                job: Arc::clone(&job),
                groups: groups.subscribe(),
                progress: progress.subscribe(),
            });
            let span = info_span!("discovery", job = &*job);
            let merge = merge::run(
                plan,
                groups.clone(),
                progress,
                predecessor,
                self.metrics.clone(),
            );
            let merge = Task(tokio::spawn(merge.instrument(span)));
            self.jobs.insert(job, Job { groups, merge });
        }
        for job in former.keys() {
            self.metrics.job_gone(job);
        }
        Ok(published)
    }

    /// What the server of `config` answered last under other settings, such as another password: it holds until
    /// the server has answered under these.
    fn last_good(&self, config: &InputConfig) -> Option<Groups> {
        let InputConfig::Http(config) = config else {
            return None;
        };
        let same_url = |input: &&Input| matches!(&input.config, InputConfig::Http(former) if former.url == config.url);
        let former = self.inputs.iter().find(same_url)?;
        former.groups.borrow().groups().cloned()
    }

    fn start(&self, config: InputConfig, job: &str) -> Result<Input, HttpConfigError> {
        let found = self.last_good(&config).map(Found::Groups);
        let (sender, groups) = watch::channel(found.unwrap_or_default());
        let metrics = self.metrics.clone();
        let span = info_span!("discovery", job);
        let task = match &config {
            InputConfig::File(config) => {
                tokio::spawn(file::run(config.clone(), sender, metrics).instrument(span))
            }
            InputConfig::Http(config) => {
                let tls = Arc::clone(&self.tls);
                let http = HttpDiscovery::new(config, self.user_agent.clone(), tls)?;
                tokio::spawn(http.run(sender, metrics).instrument(span))
            }
        };
        Ok(Input {
            config,
            groups,
            _task: Task(task),
        })
    }
}
