//! What the tests of scraping share.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use es_scraper::discovery::{Groups, static_groups};
use es_scraper::scrape::{
    Answer, Body, Clock, JobSettings, Scrape, ScrapeError, ScrapeJob, ScrapeMetrics, Scraper,
    ScraperOptions, Transport,
};
use es_scraper::target::{Target, TargetDefaults};
use prom_model::sink::Sink;
use prom_model::target::{TargetGroup, TargetHealth, TargetStatus, TargetStatuses};
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::recording::Recording;

/// Begins at a whole minute and runs with tokio's time.
#[derive(Debug)]
pub(crate) struct TokioClock(Instant);

pub(crate) const START_MS: i64 = 1_699_999_980_000;

impl TokioClock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        let start = Duration::from_millis(START_MS as u64);
        SystemTime::UNIX_EPOCH + start + self.0.elapsed()
    }
}

/// What an address answers, and after how long.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    Body(String),
    Late(Duration, String),
    Hang,
    Status(u16),
}

#[derive(Debug, Default)]
struct Log {
    scripts: HashMap<String, Script>,
    /// Address and start of each scrape, in milliseconds since the transport was made.
    scrapes: Vec<(String, u128)>,
    running: HashMap<String, usize>,
    most_at_once: usize,
    opened: usize,
}

/// Answers as it is told, without a network.
#[derive(Clone)]
pub(crate) struct Scripted {
    log: Arc<Mutex<Log>>,
    start: Instant,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        Self {
            log: Arc::default(),
            start: Instant::now(),
        }
    }

    pub(crate) fn set(&self, address: &str, script: Script) {
        let mut log = self.log.lock().unwrap();
        log.scripts.insert(address.to_owned(), script);
    }

    /// When `address` was scraped.
    pub(crate) fn scrapes(&self, address: &str) -> Vec<u128> {
        let log = self.log.lock().unwrap();
        let mine = log.scrapes.iter().filter(|(have, _)| have == address);
        mine.map(|(_, at)| *at).collect()
    }

    /// The largest number of scrapes of one address at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.log.lock().unwrap().most_at_once
    }

    /// How many targets were opened.
    pub(crate) fn opened(&self) -> usize {
        self.log.lock().unwrap().opened
    }
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scripted").finish_non_exhaustive()
    }
}

impl Transport for Scripted {
    fn open(&self) -> Box<dyn Scrape> {
        self.log.lock().unwrap().opened += 1;
        Box::new(self.clone())
    }
}

struct Running<'a>(&'a Scripted, &'a str);

impl<'a> Running<'a> {
    fn enter(scripted: &'a Scripted, address: &'a str) -> (Self, Script) {
        let mut log = scripted.log.lock().unwrap();
        let at = scripted.start.elapsed().as_millis();
        log.scrapes.push((address.to_owned(), at));
        let running = log.running.entry(address.to_owned()).or_default();
        *running += 1;
        let running = *running;
        log.most_at_once = log.most_at_once.max(running);
        let script = log.scripts.get(address).cloned().unwrap_or(Script::Hang);
        (Self(scripted, address), script)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut log = self.0.log.lock().unwrap();
        if let Some(running) = log.running.get_mut(self.1) {
            *running -= 1;
        }
    }
}

#[async_trait]
impl Scrape for Scripted {
    async fn scrape(
        &mut self,
        target: &Target,
        body_limit: usize,
        body: &mut Body,
    ) -> Result<Answer, ScrapeError> {
        let address = target.discovered_labels().get("__address__").unwrap();
        let (_running, script) = Running::enter(self, address);
        match script {
            Script::Body(text) => body.push(text.as_bytes(), body_limit)?,
            Script::Late(delay, text) => {
                tokio::time::sleep(delay).await;
                body.push(text.as_bytes(), body_limit)?;
            }
            Script::Hang => std::future::pending().await,
            Script::Status(status) => {
                return Err(ScrapeError::Status(status.try_into().unwrap()));
            }
        }
        Ok(Answer {
            content_type: "text/plain".to_owned(),
            ..Answer::default()
        })
    }
}

/// One job, its scraper, and what it writes.
pub(crate) struct Job {
    pub(crate) scraper: Scraper,
    pub(crate) recording: Recording,
    pub(crate) registry: Registry,
    pub(crate) settings: JobSettings,
    pub(crate) groups: watch::Sender<Groups>,
}

impl Job {
    /// A job without targets, scraped over `transport` at the time of tokio.
    pub(crate) fn scripted(interval: Duration, transport: &Scripted) -> Self {
        let clock = Arc::new(TokioClock::start());
        Self::scripted_with(interval, transport, clock, |recording| Arc::new(recording))
    }

    /// As [`Job::scripted`], at the time of `clock` and into the sink that `sink` makes of the recording.
    pub(crate) fn scripted_with(
        interval: Duration,
        transport: &Scripted,
        clock: Arc<dyn Clock>,
        sink: impl FnOnce(Recording) -> Arc<dyn Sink>,
    ) -> Self {
        let options = ScraperOptions {
            clock,
            ..ScraperOptions::default()
        };
        let transport = Arc::new(transport.clone());
        Self::start(interval, interval, |recording, metrics| {
            Scraper::with_transport(sink(recording), metrics, options, transport)
        })
    }

    /// A job without targets, scraped over HTTP.
    pub(crate) fn over_http(interval: Duration, timeout: Duration) -> Self {
        Self::start(interval, timeout, |recording, metrics| {
            Scraper::new(Arc::new(recording), metrics, ScraperOptions::default())
        })
    }

    fn start(
        interval: Duration,
        timeout: Duration,
        scraper: impl FnOnce(Recording, ScrapeMetrics) -> Scraper,
    ) -> Self {
        let recording = Recording::default();
        let mut registry = Registry::default();
        let metrics = ScrapeMetrics::register(&mut registry);
        let settings = JobSettings {
            targets: TargetDefaults {
                job: "j".into(),
                scrape_interval: interval,
                scrape_timeout: timeout,
                ..TargetDefaults::default()
            },
            ..JobSettings::default()
        };
        Self {
            scraper: scraper(recording.clone(), metrics),
            recording,
            registry,
            settings,
            groups: watch::Sender::new(Groups::default()),
        }
    }

    /// Makes the scraper take up the settings.
    pub(crate) fn apply(&self) {
        self.scraper.apply(vec![ScrapeJob {
            settings: self.settings.clone(),
            groups: self.groups.subscribe(),
        }]);
    }

    /// Makes these all targets there are.
    pub(crate) fn discover(&self, addresses: &[&str]) {
        let labels: [(&str, &str); 0] = [];
        self.discover_groups(static_groups([(addresses, labels)]));
    }

    pub(crate) fn discover_groups(&self, groups: Vec<TargetGroup>) {
        self.groups.send_replace(groups.into());
    }

    /// The target with this address.
    pub(crate) fn status(&self, address: &str) -> Option<TargetStatus> {
        let pool = self.scraper.pools().remove(0);
        let mut active = pool.active.into_iter();
        active.find(|target| target.labels.get("instance") == Some(address))
    }

    pub(crate) fn health(&self, address: &str) -> Option<TargetHealth> {
        self.status(address).map(|status| status.health)
    }

    /// The scraper's own metric `name`.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .parse()
            .unwrap()
    }
}
