//! When targets are scraped and what changes of targets and settings do; on paused time.

use std::sync::Arc;
use std::time::Duration;

use es_scraper::relabel::{RelabelConfig, RelabelFields};
use prom_model::target::{TargetHealth, TargetStatuses};
use tokio::time::sleep;

use crate::scraping::{Job, START_MS, Script, Scripted};

const INTERVAL: Duration = Duration::from_secs(10);

fn body(value: u32) -> Script {
    Script::Body(format!("a {value}\n"))
}

/// Samples of `a` from all commits, with their times since the start.
fn samples(job: &Job) -> Vec<(i64, String)> {
    let commits = job.recording.commits();
    let lines = commits.iter().map(|commit| {
        let text = commit.lines(|name| name == "a" || name == "up");
        (commit.at_ms - START_MS, text)
    });
    lines.collect()
}

#[tokio::test(start_paused = true)]
async fn a_target_is_scraped_at_its_own_moment_without_drift() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    job.apply();
    let addresses: Vec<String> = (0..50).map(|n| format!("h{n}:1")).collect();
    for (n, address) in addresses.iter().enumerate() {
        let delay = Duration::from_millis(n as u64 * 190);
        transport.set(address, Script::Late(delay, "a 1\n".to_owned()));
    }
    job.discover(&addresses.iter().map(String::as_str).collect::<Vec<_>>());
    sleep(INTERVAL * 6 + Duration::from_millis(1)).await;
    let mut halves = [0, 0];
    for address in &addresses {
        let at = transport.scrapes(address);
        assert!(at.len() >= 6, "{address} {at:?}");
        assert!(at[0] < 10_000, "{address} {at:?}");
        halves[usize::from(at[0] >= 5_000)] += 1;
        for (n, at_ms) in at.iter().enumerate() {
            assert_eq!(*at_ms, at[0] + n as u128 * 10_000, "{address} {at:?}");
        }
    }
    assert!(halves.iter().all(|count| *count > 10), "{halves:?}");
    assert_eq!(transport.most_at_once(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_scrape_that_hangs_ends_in_time_and_delays_nobody() {
    let transport = Scripted::new();
    let mut job = Job::scripted(INTERVAL, &transport);
    job.settings.targets.scrape_timeout = Duration::from_secs(4);
    transport.set("hangs:1", Script::Hang);
    transport.set("works:1", body(1));
    job.apply();
    job.discover(&["hangs:1", "works:1"]);
    sleep(INTERVAL * 4).await;
    let hangs = job.status("hangs:1").unwrap();
    assert_eq!(hangs.health, TargetHealth::Down);
    assert_eq!(&*hangs.last_error, "context deadline exceeded");
    assert_eq!(hangs.last_scrape_duration, Duration::from_secs(4));
    assert_eq!(transport.scrapes("hangs:1").len(), 4);
    assert_eq!(transport.scrapes("works:1").len(), 4);
    assert_eq!(job.health("works:1"), Some(TargetHealth::Up));
    assert_eq!(transport.most_at_once(), 1);
    let up = "up{instance=\"hangs:1\", job=\"j\"}";
    assert_eq!(job.recording.latest(up), Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn series_of_a_removed_target_end_after_two_intervals() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", body(1));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;
    let before = samples(&job);
    let last = before.last().unwrap().0;
    job.discover(&[]);
    // Two intervals and a tenth after the last scrape.
    let until_end = last as u64 + 21_000 - 20_000;
    sleep(Duration::from_millis(until_end - 1)).await;
    assert_eq!(samples(&job), before);
    assert_eq!(job.recording.writers(), 1);
    sleep(Duration::from_millis(2)).await;
    let mut want = before;
    let labels = "{instance=\"h:1\", job=\"j\"}";
    want.push((
        last + 10_000,
        format!("a{labels} stale\nup{labels} stale\n"),
    ));
    assert_eq!(samples(&job), want);
    assert_eq!(job.recording.live(), 0);
    assert_eq!(job.recording.writers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_comes_back_in_time_goes_on() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", body(1));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;
    job.discover(&[]);
    sleep(Duration::from_secs(1)).await;
    job.discover(&["h:1"]);
    sleep(INTERVAL * 6).await;
    let stale = |(_, text): &(i64, String)| text.contains("stale");
    assert!(!samples(&job).iter().any(stale), "{:?}", samples(&job));
    assert_eq!(job.recording.writers(), 1);
    assert_eq!(job.recording.live(), 6);
}

#[tokio::test(start_paused = true)]
async fn series_of_a_removed_job_end_too() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", body(1));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;
    job.scraper.apply(Vec::new());
    assert!(job.scraper.pools().is_empty());
    sleep(INTERVAL * 4).await;
    assert_eq!(job.recording.live(), 0);
    assert_eq!(job.recording.writers(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_ends_scrapes_and_leaves_samples() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", body(1));
    transport.set("hangs:1", Script::Hang);
    job.apply();
    job.discover(&["h:1", "hangs:1"]);
    sleep(INTERVAL * 3).await;
    job.scraper.shutdown().await;
    assert_eq!(job.recording.writers(), 0);
    let before = job.recording.commits();
    sleep(INTERVAL * 4).await;
    assert_eq!(job.recording.commits(), before);
    assert_eq!(
        job.recording.latest("a{instance=\"h:1\", job=\"j\"}"),
        Some(1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_reload_keeps_loops_and_takes_effect() {
    let transport = Scripted::new();
    let mut job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", Script::Body("a 1\nb 1\n".to_owned()));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;

    // The same again changes nothing.
    job.apply();
    sleep(INTERVAL).await;
    assert_eq!(transport.opened(), 1);
    assert_eq!(
        job.metric("prometheus_target_scrape_pool_reloads_total"),
        0.0
    );

    let drop_b = RelabelConfig::new(RelabelFields {
        source_labels: vec!["__name__".to_owned()],
        regex: Some("b".to_owned()),
        action: Some("drop".to_owned()),
        ..RelabelFields::default()
    });
    job.settings.samples.metric_relabel_configs = [drop_b.unwrap()].into();
    job.apply();
    sleep(INTERVAL).await;
    let at = transport.scrapes("h:1");
    for (n, at_ms) in at.iter().enumerate() {
        assert_eq!(*at_ms, at[0] + n as u128 * 10_000, "{at:?}");
    }
    assert_eq!(transport.opened(), 1);
    assert_eq!(job.recording.writers(), 1);
    assert_eq!(
        job.recording.latest("a{instance=\"h:1\", job=\"j\"}"),
        Some(1.0)
    );
    let b = job
        .recording
        .latest("b{instance=\"h:1\", job=\"j\"}")
        .unwrap();
    assert!(b.is_nan());
    assert_eq!(
        job.metric("prometheus_target_scrape_pool_reloads_total"),
        1.0
    );

    // Another interval makes another target of it.
    job.settings.targets.scrape_interval = Duration::from_secs(20);
    job.apply();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(transport.opened(), 2);
    assert_eq!(job.recording.writers(), 1);
    assert_eq!(
        job.recording.latest("a{instance=\"h:1\", job=\"j\"}"),
        Some(1.0)
    );
}

#[tokio::test(start_paused = true)]
async fn more_targets_than_the_limit_are_all_down() {
    let transport = Scripted::new();
    let mut job = Job::scripted(INTERVAL, &transport);
    job.settings.target_limit = 1;
    transport.set("h:1", body(1));
    transport.set("h:2", body(1));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL * 2).await;
    assert_eq!(job.health("h:1"), Some(TargetHealth::Up));
    job.discover(&["h:1", "h:2"]);
    sleep(INTERVAL * 2).await;
    for address in ["h:1", "h:2"] {
        let status = job.status(address).unwrap();
        assert_eq!(&*status.last_error, "target_limit exceeded (limit: 1)");
        let up = format!("up{{instance=\"{address}\", job=\"j\"}}");
        assert_eq!(job.recording.latest(&up), Some(0.0));
    }
    assert!(
        job.recording
            .latest("a{instance=\"h:1\", job=\"j\"}")
            .unwrap()
            .is_nan()
    );
    assert_eq!(
        job.metric("prometheus_target_scrape_pool_exceeded_target_limit_total"),
        1.0
    );
    job.discover(&["h:2"]);
    sleep(INTERVAL * 2).await;
    assert_eq!(job.health("h:2"), Some(TargetHealth::Up));
    assert_eq!(
        job.metric("prometheus_target_scrape_pool_targets{scrape_job=\"j\"}"),
        1.0
    );
}

#[tokio::test(start_paused = true)]
async fn a_target_that_always_fails_holds_little() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", body(1));
    job.apply();
    job.discover(&["h:1"]);
    sleep(INTERVAL).await;
    let held = job.recording.held();
    for round in 0..3 {
        let series = (0..10_000).map(|n| format!("x{{n=\"{n}\",round=\"{round}\"}} 1\n"));
        let garbage = format!("{}bad{{ 1\n", series.collect::<String>());
        transport.set("h:1", Script::Body(garbage));
        sleep(INTERVAL).await;
        assert_eq!(job.health("h:1"), Some(TargetHealth::Down));
        let held_now = job.recording.held();
        assert!(held_now < held + 5000, "{round}: {held_now}");
    }
    let resolved = job.recording.resolved();
    transport.set("h:1", body(2));
    sleep(INTERVAL).await;
    assert_eq!(job.health("h:1"), Some(TargetHealth::Up));
    assert_eq!(job.recording.held(), held);
    assert_eq!(job.recording.resolved(), resolved);
}

#[tokio::test(start_paused = true)]
async fn the_state_of_targets_is_told() {
    let transport = Scripted::new();
    let mut job = Job::scripted(INTERVAL, &transport);
    let drop_third = RelabelConfig::new(RelabelFields {
        source_labels: vec!["__address__".to_owned()],
        regex: Some("dropped:.*".to_owned()),
        action: Some("drop".to_owned()),
        ..RelabelFields::default()
    });
    job.settings.targets.relabel_configs = vec![drop_third.unwrap()];
    transport.set("h:1", Script::Status(500));
    job.apply();
    tokio::task::yield_now().await;
    assert_eq!(job.scraper.pools()[0].active, []);
    job.discover(&["h:1", "dropped:1", "http://x"]);
    sleep(Duration::from_millis(1)).await;
    assert_eq!(job.health("h:1"), Some(TargetHealth::Unknown));
    sleep(INTERVAL).await;
    let pool = job.scraper.pools().remove(0);
    assert_eq!((&*pool.job, pool.dropped_count), ("j", 1));
    assert_eq!(pool.dropped[0].get("__address__"), Some("dropped:1"));
    assert_eq!(
        pool.failed,
        ["instance 2 in group 0: \"http://x\" is not a valid hostname"]
    );
    let status = &pool.active[0];
    assert_eq!(
        &*status.last_error,
        "server returned HTTP status 500 Internal Server Error"
    );
    assert_eq!(&*status.scrape_url, "http://h:1/metrics");
    let at_ms = i64::try_from(transport.scrapes("h:1")[0]).unwrap() + START_MS;
    assert!((at_ms - status.last_scrape_ms.unwrap()).abs() <= 2);
}

#[tokio::test(start_paused = true)]
async fn the_targets_of_a_pool_are_one_list_until_there_are_others() {
    let transport = Scripted::new();
    let job = Job::scripted(INTERVAL, &transport);
    transport.set("h:1", body(1));
    job.apply();
    job.discover(&["h:1", "h:2"]);
    sleep(Duration::from_millis(1)).await;
    let before = job.scraper.active().remove(0);
    sleep(INTERVAL).await;
    let list = job.scraper.active().remove(0);
    assert!(Arc::ptr_eq(&before, &list));
    // It tells how the targets are doing now.
    let pool = job.scraper.pools().remove(0);
    assert_eq!(list.job(), &pool.job);
    let labels: Vec<_> = pool.active.iter().map(|it| &*it.labels).collect();
    assert_eq!(list.labels().collect::<Vec<_>>(), labels);
    let told = (0..3).map_while(|at| list.status(at));
    assert_eq!(told.collect::<Vec<_>>(), pool.active);
    assert_eq!(pool.active[0].health, TargetHealth::Up);

    job.discover(&["h:1"]);
    sleep(Duration::from_millis(1)).await;
    let after = job.scraper.active().remove(0);
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(after.labels().count(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_limits_refuse_is_counted() {
    let transport = Scripted::new();
    let mut job = Job::scripted(INTERVAL, &transport);
    job.settings.samples.sample_limit = 2;
    transport.set("many:1", Script::Body("a 1\nb 1\nc 1\n".to_owned()));
    transport.set("twice:1", Script::Body("a 1\na 2\n".to_owned()));
    transport.set("old:1", Script::Body("a 1 2000\na 1 1000\n".to_owned()));
    transport.set("ahead:1", Script::Body("a 1 99999999999999\n".to_owned()));
    job.apply();
    job.discover(&["many:1", "twice:1", "old:1", "ahead:1"]);
    sleep(INTERVAL).await;
    for (name, want) in [
        ("prometheus_target_scrapes_exceeded_sample_limit_total", 1.0),
        (
            "prometheus_target_scrapes_sample_duplicate_timestamp_total",
            1.0,
        ),
        ("prometheus_target_scrapes_sample_out_of_order_total", 1.0),
        ("prometheus_target_scrapes_sample_out_of_bounds_total", 1.0),
    ] {
        assert_eq!(job.metric(name), want, "{name}");
    }
}
