//! All targets of one job.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use arc_swap::ArcSwap;
use http::HeaderValue;
use prom_model::exposition::Format;
use prom_model::label::LabelSet;
use prom_model::target::{ActiveTargets, PoolStatus, TargetStatus};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{info, info_span, warn};

use super::client::{Compression, HttpSettings, HttpTransport, TlsSettings, Transport};
use super::error::ScrapeError;
use super::loop_::{LastScrapeCell, LoopSettings, Shared};
use super::rules::SampleRules;
use super::supervision::keep_scraping;
use crate::config::{ScrapeConfig, ScrapeProtocol};
use crate::discovery::Groups;
use crate::target::{Identity, Target, TargetDefaults, Targets};

/// What a job's configuration says, apart from where its targets come from.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobSettings {
    /// How targets are made of what is discovered; the job's name among it.
    pub targets: TargetDefaults,
    /// How targets are asked.
    pub http: HttpSettings,
    /// What becomes of their samples.
    pub samples: SampleRules,
    /// Largest number of targets; with more none is scraped. 0 is no limit.
    pub target_limit: u64,
}

impl<J> From<&ScrapeConfig<J>> for JobSettings {
    fn from(config: &ScrapeConfig<J>) -> Self {
        let limits = &config.limits;
        Self {
            targets: TargetDefaults {
                job: Arc::clone(&config.job_name),
                scheme: config.scheme.clone(),
                metrics_path: config.metrics_path.clone(),
                params: config.params.clone(),
                scrape_interval: config.scrape_interval,
                scrape_timeout: config.scrape_timeout,
                keep_dropped_targets: limits.keep_dropped_targets,
                relabel_configs: config.relabel_configs.to_vec(),
            },
            http: HttpSettings {
                client: config.http.clone(),
                protocols: config.scrape_protocols.clone(),
                compression: match config.enable_compression {
                    true => Compression::Gzip,
                    false => Compression::Off,
                },
            },
            samples: SampleRules {
                honor_labels: config.honor_labels,
                honor_timestamps: config.honor_timestamps,
                track_timestamps_staleness: config.track_timestamps_staleness,
                metric_relabel_configs: Arc::clone(config.metric_relabel_configs.shared()),
                sample_limit: limits.samples,
                label_limit: limits.labels,
                label_name_length_limit: limits.label_name_length,
                label_value_length_limit: limits.label_value_length,
                body_size_limit: limits.body_size,
                fallback_format: config
                    .fallback_scrape_protocol
                    .map(|protocol| match protocol {
                        ScrapeProtocol::PrometheusText0_0_4
                        | ScrapeProtocol::PrometheusText1_0_0 => Format::Text,
                        ScrapeProtocol::OpenMetricsText0_0_1
                        | ScrapeProtocol::OpenMetricsText1_0_0 => Format::OpenMetrics,
                    }),
            },
            target_limit: limits.targets,
        }
    }
}

/// How pools come by their transports.
#[derive(Debug, Clone)]
pub(crate) enum Transports {
    /// Over HTTP, each job with its own settings.
    Http {
        user_agent: HeaderValue,
        tls: Arc<TlsSettings>,
    },
    /// All jobs over the same one.
    Given(Arc<dyn Transport>),
}

impl Transports {
    fn make(&self, settings: &HttpSettings) -> Arc<dyn Transport> {
        match self {
            Self::Http { user_agent, tls } => Arc::new(HttpTransport::new(
                settings,
                user_agent.clone(),
                Arc::clone(tls),
            )),
            Self::Given(transport) => Arc::clone(transport),
        }
    }
}

/// What a pool works by.
#[derive(Debug, Clone)]
pub(crate) struct PoolInput {
    pub(crate) settings: Arc<JobSettings>,
    pub(crate) groups: watch::Receiver<Groups>,
}

/// The targets of a pool, where others can see them.
#[derive(Debug)]
pub(crate) struct PoolView {
    job: Arc<str>,
    targets: ArcSwap<ViewedTargets>,
}

#[derive(Debug)]
pub(crate) struct ViewedTargets {
    job: Arc<str>,
    active: Vec<(Arc<Target>, Arc<LastScrapeCell>)>,
    others: Targets,
}

impl PoolView {
    pub(crate) fn new(job: Arc<str>) -> Self {
        let targets = ViewedTargets {
            job: Arc::clone(&job),
            active: Vec::new(),
            others: Targets::default(),
        };
        Self {
            job,
            targets: ArcSwap::from_pointee(targets),
        }
    }

    /// The same until there are others.
    pub(crate) fn targets(&self) -> Arc<ViewedTargets> {
        self.targets.load_full()
    }

    pub(crate) fn status(&self) -> PoolStatus {
        let targets = self.targets.load();
        let failed = targets
            .others
            .failed
            .iter()
            .map(|failure| with_causes(failure));
        PoolStatus {
            job: Arc::clone(&self.job),
            active: targets
                .active
                .iter()
                .map(|(target, last)| target_status(target, last))
                .collect(),
            dropped: targets.others.dropped.clone(),
            dropped_count: targets.others.dropped_count,
            failed: failed.collect(),
        }
    }
}

impl ActiveTargets for ViewedTargets {
    fn job(&self) -> &Arc<str> {
        &self.job
    }

    fn labels(&self) -> Box<dyn Iterator<Item = &LabelSet> + '_> {
        Box::new(self.active.iter().map(|(target, _)| &**target.labels()))
    }

    fn status(&self, at: usize) -> Option<TargetStatus> {
        let (target, last) = self.active.get(at)?;
        Some(target_status(target, last))
    }
}

/// Waits until it holds `true`, or its sender is gone.
async fn is_shut_down(shutdown: &mut watch::Receiver<bool>) {
    drop(shutdown.wait_for(|shutdown| *shutdown).await);
}

fn target_status(target: &Target, last: &LastScrapeCell) -> TargetStatus {
    let last = last.load();
    TargetStatus {
        discovered_labels: Arc::clone(target.discovered_labels()),
        labels: Arc::clone(target.labels()),
        scrape_url: target.url().into(),
        last_error: last.error,
        last_scrape_ms: last.at_ms,
        last_scrape_duration: last.duration,
        health: last.health,
        scrape_interval: target.interval_label().into(),
        scrape_timeout: target.timeout_label().into(),
    }
}

fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// A running loop. Dropping it lets the loop end, with all that is then to be said of its target.
struct RunningLoop {
    settings: watch::Sender<LoopSettings>,
    last_scrape: Arc<LastScrapeCell>,
}

/// Keeps one loop running for each target of a job.
pub(crate) struct ScrapePool {
    shared: Arc<Shared>,
    transports: Transports,
    inputs: watch::Receiver<PoolInput>,
    input: PoolInput,
    rules: Arc<SampleRules>,
    transport: Arc<dyn Transport>,
    loops: HashMap<Identity, RunningLoop>,
    tasks: JoinSet<()>,
    view: Arc<PoolView>,
}

impl ScrapePool {
    pub(crate) fn new(
        shared: Arc<Shared>,
        transports: Transports,
        mut inputs: watch::Receiver<PoolInput>,
        view: Arc<PoolView>,
    ) -> Self {
        let input = inputs.borrow_and_update().clone();
        shared.metrics.pool_made(&view.job);
        Self {
            rules: Arc::new(input.settings.samples.clone()),
            transport: transports.make(&input.settings.http),
            shared,
            transports,
            inputs,
            input,
            loops: HashMap::new(),
            tasks: JoinSet::new(),
            view,
        }
    }

    /// Runs until the sender of its input is dropped, and then until its loops have ended; or until `shutdown`, which
    /// ends them at once and leaves their samples as they are.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        tokio::select! {
            () = self.follow_input() => {}
            () = is_shut_down(&mut shutdown) => {}
        }
        self.loops.clear();
        self.shared.metrics.pool_gone(&self.view.job);
        tokio::select! {
            biased;
            () = is_shut_down(&mut shutdown) => self.tasks.shutdown().await,
            () = async { while self.tasks.join_next().await.is_some() {} } => {}
        }
    }

    async fn follow_input(&mut self) {
        self.sync();
        let mut discovery_runs = true;
        loop {
            tokio::select! {
                // A pool that is to end must not take up targets any more.
                biased;
                changed = self.inputs.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    discovery_runs = true;
                    self.reload();
                    self.sync();
                }
                changed = self.input.groups.changed(), if discovery_runs => {
                    // Where discovery has ended, the last targets stay.
                    discovery_runs = changed.is_ok();
                    if discovery_runs {
                        self.sync();
                    }
                }
                Some(_) = self.tasks.join_next() => {}
            }
        }
    }

    /// Takes up another configuration. What it leaves as it was stays the same object, by which loops see
    /// that they may go on as before.
    fn reload(&mut self) {
        let input = self.inputs.borrow_and_update().clone();
        let before = std::mem::replace(&mut self.input, input).settings;
        let settings = &self.input.settings;
        if *before == **settings {
            return;
        }
        self.shared.metrics.pool_reloaded();
        if before.samples != settings.samples {
            self.rules = Arc::new(settings.samples.clone());
        }
        if before.http != settings.http {
            self.transport = self.transports.make(&settings.http);
        }
    }

    /// Makes the loops those of the targets that are discovered now.
    fn sync(&mut self) {
        let settings = Arc::clone(&self.input.settings);
        let groups = Arc::clone(&self.input.groups.borrow_and_update());
        let mut targets = Targets::from_groups(&groups, &settings.targets);
        let active = std::mem::take(&mut targets.active);
        let (count, limit) = (active.len(), settings.target_limit);
        let forced_error = (limit > 0 && count as u64 > limit).then(|| {
            warn!(
                job = %settings.targets.job,
                targets = count,
                limit,
                "more targets than target_limit: none is scraped"
            );
            Arc::new(ScrapeError::TargetLimit { limit })
        });

        let mut before = std::mem::take(&mut self.loops);
        let mut viewed = Vec::with_capacity(count);
        let (mut started, mut kept) = (0, 0);
        for target in active {
            let next = LoopSettings {
                target: Arc::clone(&target),
                rules: Arc::clone(&self.rules),
                transport: Arc::clone(&self.transport),
                forced_error: forced_error.clone(),
            };
            let running = match before.remove(target.identity()) {
                Some(running) => {
                    kept += 1;
                    running
                        .settings
                        .send_if_modified(|current| current.replace(next));
                    running
                }
                None => {
                    started += 1;
                    self.start(next)
                }
            };
            viewed.push((Arc::clone(&target), Arc::clone(&running.last_scrape)));
            self.loops.insert(target.identity().clone(), running);
        }
        let stopped = before.len();
        drop(before);

        let job = &*self.view.job;
        if started + stopped > 0 {
            info!(job, started, kept, stopped, "targets changed");
        }
        let failed = targets.failed.len();
        let former = self.view.targets.load();
        if failed > 0 && former.others.failed != targets.failed {
            warn!(job, failed, first = %with_causes(&targets.failed[0]), "targets could not be made");
        }
        self.shared.metrics.pool_synced(job, count, limit, failed);
        self.view.targets.store(Arc::new(ViewedTargets {
            job: Arc::clone(&self.view.job),
            active: viewed,
            others: targets,
        }));
    }

    fn start(&mut self, settings: LoopSettings) -> RunningLoop {
        let last_scrape = Arc::<LastScrapeCell>::default();
        let span = info_span!(
            "scrape_loop",
            job = &*self.view.job,
            target = settings.target.url()
        );
        let (sender, receiver) = watch::channel(settings);
        let shared = Arc::clone(&self.shared);
        let scraping = keep_scraping(shared, receiver, Arc::clone(&last_scrape), span);
        self.tasks.spawn(scraping);
        RunningLoop {
            settings: sender,
            last_scrape,
        }
    }
}
