//! A panic in the scrape of one target is that target's trouble, and passes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use es_scraper::relabel::{RelabelConfig, RelabelFields};
use es_scraper::scrape::Clock;
use prom_model::label::LabelSet;
use prom_model::metadata::Metadata;
use prom_model::sample::Sample;
use prom_model::sink::{AppendError, FamilyRef, SeriesRef, Sink, TargetSink};
use prom_model::target::TargetHealth;
use tokio::time::sleep;

use crate::scraping::{Job, Script, Scripted, TokioClock};

const INTERVAL: Duration = Duration::from_secs(10);
/// A sample of this value makes the sink panic.
const FATAL: f64 = 666.0;

/// Panics at [`FATAL`] samples.
struct Fragile(Arc<dyn Sink>);

impl Sink for Fragile {
    fn open(&self, labels: Arc<LabelSet>) -> Box<dyn TargetSink> {
        Box::new(FragileWriter(self.0.open(labels)))
    }
}

struct FragileWriter(Box<dyn TargetSink>);

impl TargetSink for FragileWriter {
    fn resolve(&mut self, labels: &LabelSet, family: Option<FamilyRef>) -> SeriesRef {
        self.0.resolve(labels, family)
    }

    fn describe(&mut self, name: &str, metadata: &Metadata) -> FamilyRef {
        self.0.describe(name, metadata)
    }

    fn begin(&mut self, timestamp_ms: i64) {
        self.0.begin(timestamp_ms);
    }

    fn append(&mut self, series: SeriesRef, sample: Sample) -> Result<(), AppendError> {
        assert!(sample.value != FATAL, "a fatal sample");
        self.0.append(series, sample)
    }

    fn commit(&mut self) {
        self.0.commit();
    }

    fn release(&mut self, series: SeriesRef) {
        self.0.release(series);
    }
}

fn fragile(transport: &Scripted) -> Job {
    let clock = Arc::new(TokioClock::start());
    Job::scripted_with(INTERVAL, transport, clock, |recording| {
        Arc::new(Fragile(Arc::new(recording)))
    })
}

fn body(text: &str) -> Script {
    Script::Body(text.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_the_series_of_its_target_until_the_next_scrape() {
    let transport = Scripted::new();
    let job = fragile(&transport);
    transport.set("h:1", body("a 1\nb 1\n"));
    transport.set("h:2", body("a 1\n"));
    job.apply();
    job.discover(&["h:1", "h:2"]);
    sleep(INTERVAL * 2).await;
    transport.set("h:1", body("a 2\nb 666\n"));
    sleep(INTERVAL).await;
    let latest = |series: &str| job.recording.latest(series);
    let status = job.status("h:1").unwrap();
    assert_eq!(
        (status.health, &*status.last_error),
        (TargetHealth::Down, "the scrape panicked")
    );
    for series in [
        "a{instance=\"h:1\", job=\"j\"}",
        "b{instance=\"h:1\", job=\"j\"}",
    ] {
        let value = latest(series).unwrap();
        assert!(Sample::new(value).is_stale(), "{series} is {value}");
    }
    assert_eq!(latest("up{instance=\"h:1\", job=\"j\"}"), Some(0.0));

    // The other one goes on, and so does this one, at its moments.
    transport.set("h:1", body("a 3\nb 3\n"));
    sleep(INTERVAL).await;
    assert_eq!(latest("a{instance=\"h:1\", job=\"j\"}"), Some(3.0));
    assert_eq!(latest("up{instance=\"h:1\", job=\"j\"}"), Some(1.0));
    for address in ["h:1", "h:2"] {
        assert_eq!(job.health(address), Some(TargetHealth::Up));
        let at = transport.scrapes(address);
        assert_eq!(at.len(), 4, "{address} {at:?}");
        for (n, at_ms) in at.iter().enumerate() {
            assert_eq!(*at_ms, at[0] + n as u128 * 10_000, "{address} {at:?}");
        }
    }
    assert_eq!(job.recording.writers(), 2);
}

#[tokio::test(start_paused = true)]
async fn settings_and_ends_reach_a_loop_that_panicked() {
    let transport = Scripted::new();
    let mut job = fragile(&transport);
    transport.set("h:1", body("a 666\nb 1\n"));
    transport.set("h:2", body("a 666\n"));
    job.apply();
    job.discover(&["h:1", "h:2"]);
    sleep(INTERVAL).await;
    assert_eq!(job.health("h:1"), Some(TargetHealth::Down));
    let drop_a = RelabelConfig::new(RelabelFields {
        source_labels: vec!["__name__".to_owned()],
        regex: Some("a".to_owned()),
        action: Some("drop".to_owned()),
        ..RelabelFields::default()
    });
    job.settings.samples.metric_relabel_configs = [drop_a.unwrap()].into();
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;
    assert_eq!(job.health("h:1"), Some(TargetHealth::Up));
    assert_eq!(
        job.recording.latest("b{instance=\"h:1\", job=\"j\"}"),
        Some(1.0)
    );
    assert_eq!(job.recording.writers(), 1);
    job.scraper.shutdown().await;
    assert_eq!(job.recording.writers(), 0);
}

/// Panics while it is told to, and counts how often it is asked meanwhile.
#[derive(Debug)]
struct FragileClock {
    clock: TokioClock,
    broken: AtomicBool,
    asked: AtomicUsize,
}

impl Clock for FragileClock {
    fn now(&self) -> SystemTime {
        if self.broken.load(Ordering::Relaxed) {
            self.asked.fetch_add(1, Ordering::Relaxed);
            panic!("nobody knows the time");
        }
        self.clock.now()
    }
}

#[tokio::test(start_paused = true)]
async fn what_always_panics_is_tried_now_and_then() {
    let clock = Arc::new(FragileClock {
        clock: TokioClock::start(),
        broken: AtomicBool::new(false),
        asked: AtomicUsize::new(0),
    });
    let transport = Scripted::new();
    let given = Arc::clone(&clock) as Arc<dyn Clock>;
    let job = Job::scripted_with(INTERVAL, &transport, given, |recording| Arc::new(recording));
    transport.set("h:1", body("a 1\n"));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;
    clock.broken.store(true, Ordering::Relaxed);
    sleep(INTERVAL * 10).await;
    let status = job.status("h:1").unwrap();
    assert_eq!(
        (status.health, &*status.last_error),
        (TargetHealth::Down, "the scrape panicked")
    );
    let asked = clock.asked.load(Ordering::Relaxed);
    assert!((10..=60).contains(&asked), "{asked}");
    clock.broken.store(false, Ordering::Relaxed);
    sleep(INTERVAL * 2).await;
    assert_eq!(job.health("h:1"), Some(TargetHealth::Up));
    assert_eq!(job.recording.writers(), 1);
}
