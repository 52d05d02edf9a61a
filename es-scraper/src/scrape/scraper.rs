//! All jobs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderValue;
use prom_model::label::LabelSet;
use prom_model::sink::Sink;
use prom_model::target::{ActiveTargets, PoolStatus, TargetStatuses};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::buffer::Buffers;
use super::client::Transport;
use super::loop_::{Clock, Shared, SystemClock};
use super::metrics::ScrapeMetrics;
use super::pool::{JobSettings, PoolInput, PoolView, ScrapePool, Transports};
use super::workspace::Workspaces;
use crate::discovery::Groups;

/// How a [`Scraper`] works, whatever its jobs are.
#[derive(Debug, Clone)]
pub struct ScraperOptions {
    /// How it calls itself to the targets.
    pub user_agent: HeaderValue,
    /// Shifts the moments at which targets are scraped, so that two scrapers of the same targets
    /// take turns; see [`offset_seed`].
    pub offset_seed: u64,
    /// How many bodies are inflated and parsed at the same time, each on a thread of the runtime. The default is one
    /// less than there are cores, and at least one, so that large bodies leave a thread to the network.
    pub parallelism: usize,
    /// Tells the time of samples.
    pub clock: Arc<dyn Clock>,
}

impl Default for ScraperOptions {
    fn default() -> Self {
        Self {
            user_agent: HeaderValue::from_static(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            )),
            offset_seed: 0,
            parallelism: std::thread::available_parallelism()
                .map_or(1, |cores| cores.get().saturating_sub(1).max(1)),
            clock: Arc::new(SystemClock),
        }
    }
}

/// A seed for [`ScraperOptions::offset_seed`] that differs between hosts and between external
/// labels, and stays the same for the same ones.
#[must_use]
pub fn offset_seed(host: &str, external_labels: &LabelSet) -> u64 {
    // FNV-1a of 64 bits.
    let text = format!("{host}{external_labels}");
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A job: what its configuration says, and its targets as discovery finds them.
#[derive(Debug, Clone)]
pub struct ScrapeJob {
    /// What the configuration says; the name in it is unique among the jobs.
    pub settings: JobSettings,
    /// Groups of targets, all of them each time.
    pub groups: watch::Receiver<Groups>,
}

/// Scrapes the targets of all jobs into a [`Sink`].
///
/// Dropping it stops every scrape, as does [`Scraper::shutdown`], which also waits for that.
pub struct Scraper {
    shared: Arc<Shared>,
    transports: Transports,
    pools: Mutex<Pools>,
    shutdown: watch::Sender<bool>,
}

#[derive(Default)]
struct Pools {
    running: Vec<RunningPool>,
    /// Those of `running`, and those whose job is gone but whose loops haven't ended.
    tasks: JoinSet<()>,
}

struct RunningPool {
    job: Arc<str>,
    input: watch::Sender<PoolInput>,
    view: Arc<PoolView>,
}

impl Scraper {
    /// A scraper without jobs that writes into `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn Sink>, metrics: ScrapeMetrics, options: ScraperOptions) -> Self {
        let transports = Transports::Http {
            user_agent: options.user_agent.clone(),
            tls: Arc::default(),
        };
        Self::with(sink, metrics, options, transports)
    }

    /// A scraper that fetches all expositions over `transport`, whatever the jobs say of HTTP.
    #[must_use]
    pub fn with_transport(
        sink: Arc<dyn Sink>,
        metrics: ScrapeMetrics,
        options: ScraperOptions,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self::with(sink, metrics, options, Transports::Given(transport))
    }

    fn with(
        sink: Arc<dyn Sink>,
        metrics: ScrapeMetrics,
        options: ScraperOptions,
        transports: Transports,
    ) -> Self {
        let parallelism = options.parallelism.max(1);
        Self {
            shared: Arc::new(Shared {
                sink,
                clock: options.clock,
                metrics,
                buffers: Buffers::new(4 * parallelism),
                workspaces: Workspaces::new(parallelism),
                offset_seed: options.offset_seed,
            }),
            transports,
            pools: Mutex::default(),
            shutdown: watch::Sender::new(false),
        }
    }

    /// Makes `jobs` all jobs there are, in this order. Must be called within a tokio runtime.
    ///
    /// Targets that a job had before, with the same labels after relabelling, URL, interval and time-out, keep their
    /// loops, connections and samples; what else has changed takes effect with their next scrape.
    /// Series of targets that are gone end after two of their intervals, unless they come back.
    pub fn apply(&self, jobs: Vec<ScrapeJob>) {
        let mut pools = self.lock();
        // Tasks of jobs that have ended since.
        while pools.tasks.try_join_next().is_some() {}
        let mut before = std::mem::take(&mut pools.running);
        for job in jobs {
            let name = Arc::clone(&job.settings.targets.job);
            let input = PoolInput {
                settings: Arc::new(job.settings),
                groups: job.groups,
            };
            let place = before.iter().position(|pool| pool.job == name);
            let running = match place.map(|place| before.swap_remove(place)) {
                Some(pool) => {
                    pool.input.send_replace(input);
                    pool
                }
                None => self.start(&mut pools.tasks, name, input),
            };
            pools.running.push(running);
        }
    }

    fn start(&self, tasks: &mut JoinSet<()>, job: Arc<str>, input: PoolInput) -> RunningPool {
        let (sender, receiver) = watch::channel(input);
        let view = Arc::new(PoolView::new(Arc::clone(&job)));
        let pool = ScrapePool::new(
            Arc::clone(&self.shared),
            self.transports.clone(),
            receiver,
            Arc::clone(&view),
        );
        tasks.spawn(pool.run(self.shutdown.subscribe()));
        RunningPool {
            job,
            input: sender,
            view,
        }
    }

    /// Stops every scrape, and returns when none is under way. Samples stay as they are: that a scraper ends says nothing
    /// of its targets.
    pub async fn shutdown(&self) {
        self.shutdown.send_replace(true);
        let mut tasks = {
            let mut pools = self.lock();
            pools.running.clear();
            std::mem::take(&mut pools.tasks)
        };
        while tasks.join_next().await.is_some() {}
    }

    fn views(&self) -> Vec<Arc<PoolView>> {
        let pools = self.lock();
        let running = pools.running.iter();
        running.map(|pool| Arc::clone(&pool.view)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Pools> {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TargetStatuses for Scraper {
    fn pools(&self) -> Vec<PoolStatus> {
        self.views().iter().map(|view| view.status()).collect()
    }

    fn active(&self) -> Vec<Arc<dyn ActiveTargets>> {
        let views = self.views();
        views.iter().map(|view| view.targets() as _).collect()
    }
}

impl fmt::Debug for Scraper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scraper").finish_non_exhaustive()
    }
}
