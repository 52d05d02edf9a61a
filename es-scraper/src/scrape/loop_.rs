//! Scraping one target time and again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use prom_model::sink::Sink;
use prom_model::target::TargetHealth;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, timeout};
use tracing::{Span, debug, warn};

use super::buffer::{Body, Buffers};
use super::client::{Answer, Scrape, Transport};
use super::error::ScrapeError;
use super::metrics::ScrapeMetrics;
use super::rules::SampleRules;
use super::workspace::{Workspace, Workspaces};
use super::writer::{Received, ScrapeTime, TargetWriter};
use crate::target::Target;

/// Samples of a scrape that starts this late, and no later than a hundredth of the interval, get the
/// timestamp of the tick, since equal distances compress well at the receiver.
const TICK_TOLERANCE: Duration = Duration::from_millis(2);

/// How many moments of an interval there are at which scrapes begin, and the longest time between two of them.
///
/// What a scrape does is little beside what it costs to wake up for it, with caches that hold something else. Targets
/// that begin at one moment share that.
const SLOTS: u32 = 64;
const LONGEST_SLOT: Duration = Duration::from_millis(250);

/// Tells the time of day.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// What all loops share.
pub(crate) struct Shared {
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: ScrapeMetrics,
    pub(crate) buffers: Arc<Buffers>,
    pub(crate) workspaces: Workspaces,
    pub(crate) offset_seed: u64,
}

/// What a loop works by. It takes up new settings with its next scrape.
#[derive(Debug, Clone)]
pub(crate) struct LoopSettings {
    /// Scraped alike whenever it is replaced, but maybe accessed in another way.
    pub(crate) target: Arc<Target>,
    pub(crate) rules: Arc<SampleRules>,
    pub(crate) transport: Arc<dyn Transport>,
    /// Why no scrape may succeed.
    pub(crate) forced_error: Option<Arc<ScrapeError>>,
}

impl LoopSettings {
    /// Becomes `next`; whether that makes a difference to the loop.
    pub(crate) fn replace(&mut self, next: Self) -> bool {
        let access = |settings: &Self| settings.target.access().cloned();
        let same_access = match (access(self), access(&next)) {
            (Some(mine), Some(other)) => Arc::ptr_eq(&mine, &other),
            (None, None) => true,
            _ => false,
        };
        let same = same_access
            && Arc::ptr_eq(&self.rules, &next.rules)
            && Arc::ptr_eq(&self.transport, &next.transport)
            && self.forced_error.is_none()
            && next.forced_error.is_none();
        *self = next;
        !same
    }
}

/// How the last scrape of a target went.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastScrape {
    pub(crate) error: Arc<str>,
    pub(crate) at_ms: Option<i64>,
    pub(crate) duration: Duration,
    pub(crate) health: TargetHealth,
}

/// [`LastScrape`], where others can see it.
#[derive(Debug, Default)]
pub(crate) struct LastScrapeCell(Mutex<LastScrape>);

impl LastScrapeCell {
    pub(crate) fn load(&self) -> LastScrape {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn store(&self, last: LastScrape) -> LastScrape {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut cell, last)
    }
}

/// Scrapes one target at fixed distances, until the sender of its settings is dropped.
pub(crate) struct ScrapeLoop {
    shared: Arc<Shared>,
    settings: watch::Receiver<LoopSettings>,
    current: LoopSettings,
    scrape: Box<dyn Scrape>,
    writer: TargetWriter,
    last_scrape: Arc<LastScrapeCell>,
    /// Of what is logged. It is entered for that alone: each turn of the loop would enter and leave it some times.
    span: Span,
}

impl ScrapeLoop {
    pub(crate) fn new(
        shared: Arc<Shared>,
        mut settings: watch::Receiver<LoopSettings>,
        last_scrape: Arc<LastScrapeCell>,
        span: Span,
    ) -> Self {
        let current = settings.borrow_and_update().clone();
        let labels = Arc::clone(current.target.labels());
        let sink = shared.sink.open(Arc::clone(&labels));
        Self {
            scrape: current.transport.open(),
            writer: TargetWriter::new(sink, labels),
            shared,
            settings,
            current,
            last_scrape,
            span,
        }
    }

    /// Runs until the sender of the settings is dropped, and then until nothing is left to be said of the target.
    pub(crate) async fn run(&mut self) {
        let interval = self.current.target.interval();
        let spread = self.current.target.identity().spread() ^ self.shared.offset_seed;
        let mut first = std::pin::pin!(sleep(offset(interval, spread, self.shared.clock.now())));
        loop {
            tokio::select! {
                biased;
                changed = self.settings.changed() => if changed.is_err() { return },
                () = &mut first => break,
            }
        }

        let mut ticks = interval_at(Instant::now(), interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut grid = TickGrid::new(self.now_ms(), interval);
        // Made by the first pair of scrapes, so that an interval that nothing has is not shown.
        let mut lengths = None;
        let mut last_start: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                changed = self.settings.changed() => if changed.is_err() { break },
                _ = ticks.tick() => {
                    let start = Instant::now();
                    if let Some(last) = last_start.replace(start) {
                        let metrics = &self.shared.metrics;
                        lengths
                            .get_or_insert_with(|| metrics.interval_length(interval))
                            .observe((start - last).as_secs_f64());
                    }
                    self.take_up_settings();
                    let at_ms = grid.align(self.now_ms());
                    self.scrape_once(start, at_ms).await;
                }
            }
        }
        if last_start.is_some() {
            self.end(&mut ticks, interval).await;
        }
    }

    async fn scrape_once(&mut self, start: Instant, at_ms: i64) {
        let mut body = Body::new(Arc::clone(&self.shared.buffers));
        let fetched = self.fetch(&mut body).await;
        let size = fetched
            .as_ref()
            .map_or(0, |answer| answer.size_of(body.bytes()));
        let time = ScrapeTime {
            at_ms,
            now_ms: self.now_ms(),
        };
        let rules = &self.current.rules;
        let writer = &mut self.writer;
        let work = |workspace: &mut Workspace| {
            let answer;
            let fetched = match fetched {
                Ok(fetched) => {
                    answer = fetched;
                    Ok(Received {
                        answer: &answer,
                        body: body.bytes(),
                    })
                }
                Err(error) => Err(error),
            };
            let mut duration = Duration::ZERO;
            let took = || {
                duration = start.elapsed();
                duration
            };
            let (counts, result) = writer.write(time, fetched, rules, workspace, took);
            (counts, result, duration)
        };
        let workspaces = &self.shared.workspaces;
        let (counts, result, duration) = workspaces.run(size, work).await;
        drop(body);
        self.shared
            .metrics
            .scraped(&counts, result.as_ref().copied());
        self.report(at_ms, duration, result);
    }

    /// Takes a scrape that panicked for one that failed, and so ends the target's series.
    pub(super) async fn panicked(&mut self) {
        let now_ms = self.now_ms();
        let time = ScrapeTime {
            at_ms: now_ms,
            now_ms,
        };
        let writer = &mut self.writer;
        let rules = &self.current.rules;
        let work = |workspace: &mut Workspace| {
            let failed = Err(ScrapeError::Panicked);
            let (_, result) = writer.write(time, failed, rules, workspace, || Duration::ZERO);
            result
        };
        let result = self.shared.workspaces.run(0, work).await;
        self.report(now_ms, Duration::ZERO, result);
    }

    async fn fetch(&mut self, body: &mut Body) -> Result<Answer, ScrapeError> {
        if let Some(error) = &self.current.forced_error {
            return Err(ScrapeError::Shared(Arc::clone(error)));
        }
        let target = &self.current.target;
        let limit = self.current.rules.body_limit();
        timeout(target.timeout(), self.scrape.scrape(target, limit, body))
            .await
            .unwrap_or(Err(ScrapeError::DeadlineExceeded))
    }

    fn report(&self, at_ms: i64, duration: Duration, result: Result<(), ScrapeError>) {
        let (error, health) = match result {
            Ok(()) => (Arc::default(), TargetHealth::Up),
            Err(error) => (Arc::from(error.to_string()), TargetHealth::Down),
        };
        let before = self.last_scrape.store(LastScrape {
            error: Arc::clone(&error),
            at_ms: Some(at_ms),
            duration,
            health,
        });
        let url = self.current.target.url();
        match (before.health, health) {
            (TargetHealth::Down, TargetHealth::Down) | (_, TargetHealth::Up) => {
                debug!(parent: &self.span, target.url = %url, error = %error, "scraped");
            }
            _ => {
                warn!(parent: &self.span, target.url = %url, error = %error, "target is down");
            }
        }
    }

    /// What was set since the last scrape.
    fn take_up_settings(&mut self) {
        let next = self.settings.borrow_and_update().clone();
        if !Arc::ptr_eq(&next.transport, &self.current.transport) {
            self.scrape = next.transport.open();
        }
        if !Arc::ptr_eq(&next.rules, &self.current.rules)
            && !next.rules.label_alike(&self.current.rules)
        {
            self.writer.forget_texts();
        }
        self.current = next;
    }

    /// Ends the target's series, unless it comes back: when its second scrape from now would long have been made.
    async fn end(&mut self, ticks: &mut Interval, interval: Duration) {
        ticks.tick().await;
        let at_ms = self.now_ms();
        ticks.tick().await;
        sleep(interval / 10).await;
        let writer = &mut self.writer;
        let end = |workspace: &mut Workspace| writer.end(at_ms, workspace);
        self.shared.workspaces.run(0, end).await;
    }

    fn now_ms(&self) -> i64 {
        unix_ms(self.shared.clock.now())
    }
}

/// Time from `now` until the first scrape, in `0..interval`: the same one of an interval's moments for
/// the same `spread`, counted from the Unix epoch, however often the process starts.
fn offset(interval: Duration, spread: u64, now: SystemTime) -> Duration {
    let interval_ns = interval.as_nanos().max(1);
    let now_ns = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let slot_ns = (interval / SLOTS).min(LONGEST_SLOT).as_nanos().max(1);
    let offset_ns = u128::from(spread) % interval_ns;
    let offset_ns = offset_ns - offset_ns % slot_ns;
    let wait_ns = (offset_ns + interval_ns - now_ns % interval_ns) % interval_ns;
    Duration::from_nanos(u64::try_from(wait_ns).unwrap_or(u64::MAX))
}

/// The ticks of a loop in the time of day.
#[derive(Debug, Clone, Copy)]
struct TickGrid {
    tick_ms: i64,
    interval_ms: i64,
    tolerance_ms: i64,
}

impl TickGrid {
    fn new(first_ms: i64, interval: Duration) -> Self {
        let tolerance = TICK_TOLERANCE.min(interval / 100);
        Self {
            tick_ms: first_ms,
            interval_ms: millis(interval).max(1),
            tolerance_ms: millis(tolerance),
        }
    }

    /// The timestamp of a scrape that starts at `now_ms`.
    fn align(&mut self, now_ms: i64) -> i64 {
        let late = now_ms.saturating_sub(self.tick_ms);
        if late >= self.interval_ms {
            self.tick_ms += late / self.interval_ms * self.interval_ms;
        }
        // A clock that was set back gives its own time.
        if (0..=self.tolerance_ms).contains(&(now_ms - self.tick_ms)) {
            self.tick_ms
        } else {
            now_ms
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Milliseconds since the Unix epoch; 0 before it.
fn unix_ms(time: SystemTime) -> i64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, millis)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn offsets_spread_evenly_and_are_pinned_to_the_time_of_day() {
        let interval = Duration::from_secs(30);
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_012_345);
        let mut tenths = [0; 10];
        let mut moments = BTreeSet::new();
        for target in 0..10_000_u64 {
            let spread = target.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let first = offset(interval, spread, now);
            assert!(first < interval);
            tenths[(first.as_millis() / 3000) as usize] += 1;
            moments.insert(first);
            // Started again later, it is scraped at the same moment of the interval.
            let later = Duration::from_millis(7_777);
            let again = later + offset(interval, spread, now + later);
            let difference =
                (again.as_nanos() + interval.as_nanos() - first.as_nanos()) % interval.as_nanos();
            assert_eq!(difference, 0);
        }
        assert!(
            tenths.iter().all(|count| (800..1200).contains(count)),
            "{tenths:?}"
        );
        assert_eq!(moments.len(), 120);
        let short = Duration::from_secs(10);
        let moments: BTreeSet<Duration> = (0..10_000_u64)
            .map(|target| offset(short, target.wrapping_mul(0x9e37_79b9_7f4a_7c15), now))
            .collect();
        assert_eq!(moments.len(), 64);
    }

    #[test]
    fn timestamps_keep_to_the_grid_within_the_tolerance() {
        let mut grid = TickGrid::new(1_000, Duration::from_secs(1));
        let f = |grid: &mut TickGrid, now_ms: i64, want: i64| {
            assert_eq!(grid.align(now_ms), want, "{now_ms}");
        };
        f(&mut grid, 1_000, 1_000);
        f(&mut grid, 2_002, 2_000);
        f(&mut grid, 3_003, 3_003);
        f(&mut grid, 7_001, 7_000);
        // The clock was set back.
        f(&mut grid, 2_500, 2_500);
        let mut grid = TickGrid::new(1_000, Duration::from_millis(100));
        f(&mut grid, 1_102, 1_102);
        f(&mut grid, 1_201, 1_200);
    }
}
