//! The exporter and a real Prometheus side by side: of the same configuration and the same targets both must make
//! the same.
//!
//! Each case is a job. One exporter and one Prometheus run all cases of a table, and scrape one server whose
//! answers are written beside the case.

mod case;
mod cases;
mod configurations;
mod pair;
mod queries;
mod reloads;
mod scripted_server;
mod target_lists;
mod transports;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use self::case::{Case, Failure, Release};
use self::pair::{Pair, Seen, all_differences, seen_series};
use self::scripted_server::{Client, ScriptedServer};
use crate::support::PATIENCE;
use crate::support::prometheus::Prometheus;

const BOTH: [Client; 2] = [Client::Exporter, Client::Prometheus];

/// Cases by the names of their jobs.
type Named = BTreeMap<String, Case>;

/// One scrape after the other gives the same: it is enough to look once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn single_answers() {
    let cases = of_release(named(cases::single())).await;
    let (server, config) = serve(
        &cases,
        json!({"scrape_interval": "2s", "scrape_timeout": "1s"}),
    )
    .await;
    let pair = Pair::start(tempfile::tempdir().unwrap(), &config.to_string()).await;
    for client in BOTH {
        scraped_twice(&pair, client).await;
    }
    let exporter = pair.seen(Client::Exporter, server.start_ms()).await;
    let prometheus = pair.seen(Client::Prometheus, server.start_ms()).await;
    assert!(prometheus.len() > cases.len() / 2, "{prometheus:?}");
    let differences = all_differences(&exporter, &prometheus)
        .into_iter()
        .map(|(job, lines)| explained(&job, cases.get(&job), &lines))
        .collect();
    assert_same(cases.len(), differences);
}

/// What is served after each scrape of a script.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn life_cycles() {
    const INTERVAL_MS: i64 = 2_000;
    let cases = of_release(named(cases::scripts())).await;
    let globals = json!({"scrape_interval": "2s", "scrape_timeout": "500ms"});
    let (server, config) = serve(&cases, globals).await;
    let pair = Pair::start(tempfile::tempdir().unwrap(), &config.to_string()).await;
    let longest = cases.values().map(|case| case.answers.len()).max();
    let scrapes = longest.unwrap_or_default() + 1;

    // By job and number of the scrape.
    let mut seen: HashMap<Client, BTreeMap<(String, usize), Seen>> = HashMap::new();
    let start = Instant::now();
    let limit = Duration::from_secs(2) * u32::try_from(scrapes + 2).unwrap() + PATIENCE;
    loop {
        for client in BOTH {
            let snapshot = seen_series(pair.site(client), server.start_ms()).await;
            for (job, seen_now) in snapshot {
                let arrivals = server.arrivals(client, &path(&job));
                let Some(up_ms) = seen_now.up_ms.first() else {
                    continue;
                };
                let nth = arrivals
                    .iter()
                    .position(|at| (at - up_ms).abs() < INTERVAL_MS / 2);
                if let Some(nth) = nth {
                    let seen = seen.entry(client).or_default();
                    seen.insert((job, nth), seen_now);
                }
            }
        }
        let is_done = |client: &Client| {
            cases
                .keys()
                .all(|job| server.arrivals(*client, &path(job)).len() > scrapes)
        };
        if BOTH.iter().all(is_done) {
            break;
        }
        assert!(start.elapsed() < limit, "not all was scraped in time");
    }

    let (exporter, prometheus) = (&seen[&Client::Exporter], &seen[&Client::Prometheus]);
    let mut differences = Vec::new();
    let mut missed = 0;
    for (job, case) in &cases {
        for nth in 0..=case.answers.len() {
            let key = (job.clone(), nth);
            let (Some(mine), Some(theirs)) = (exporter.get(&key), prometheus.get(&key)) else {
                missed += 1;
                continue;
            };
            let mut theirs = theirs.clone();
            if case.failure == Failure::Midway {
                theirs.forget_older_samples();
            }
            let lines = mine.differences(&theirs);
            if !lines.is_empty() {
                differences.push(explained(
                    &format!("{job}, scrape {nth}"),
                    Some(case),
                    &lines,
                ));
            }
        }
    }
    assert!(missed * 10 < cases.len(), "{missed} scrapes passed unseen");
    assert_same(cases.len(), differences);
}

/// Waits until every target that `client` has was scraped twice from now on.
async fn scraped_twice(pair: &Pair, client: Client) {
    let start = Instant::now();
    let mut rounds: HashMap<String, (String, usize)> = HashMap::new();
    loop {
        let data = pair
            .site(client)
            .data("/api/v1/targets", &[("state", "active")])
            .await;
        let mut waiting = Vec::new();
        for target in data["activeTargets"].as_array().unwrap() {
            let key = format!("{} {}", target["scrapePool"], target["labels"]);
            let last = target["lastScrape"].to_string();
            let is_never = last.starts_with("\"0001");
            let (seen, scrapes) = rounds.entry(key.clone()).or_default();
            if !is_never && *seen != last {
                *seen = last;
                *scrapes += 1;
            }
            if *scrapes < 3 {
                waiting.push(key);
            }
        }
        if waiting.is_empty() && !rounds.is_empty() {
            return;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{client:?} doesn't scrape {waiting:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Serves the answers of `cases`; the configuration to scrape them by.
async fn serve(cases: &Named, global: Value) -> (ScriptedServer, Value) {
    let scripts = cases
        .iter()
        .map(|(name, case)| (path(name), case.answers.clone()));
    let server = ScriptedServer::start(scripts.collect()).await;
    let jobs = cases
        .iter()
        .map(|(name, case)| case.config(name, &path(name), server.address()));
    let config = json!({"global": global, "scrape_configs": jobs.collect::<Vec<_>>()});
    (server, config)
}

fn path(job: &str) -> String {
    format!("/{job}")
}

/// Numbers the cases of each table.
fn named(tables: Vec<(&'static str, Vec<Case>)>) -> Named {
    let numbered = tables.into_iter().flat_map(|(table, cases)| {
        let number = move |(number, case)| (format!("{table}_{number:03}"), case);
        cases.into_iter().enumerate().map(number)
    });
    numbered.collect()
}

/// The cases that hold for the Prometheus at hand.
async fn of_release(mut cases: Named) -> Named {
    let folder = tempfile::tempdir().unwrap();
    let major = Prometheus::start(folder.path(), "{}").await.major;
    cases.retain(|_, case| major >= 3 || case.release == Release::Any);
    cases
}

fn explained(name: &str, case: Option<&Case>, lines: &[String]) -> String {
    let mut text = format!("{name}:\n");
    if let Some(case) = case {
        text += &format!("  job {}\n", Value::Object(case.job.clone()));
        for answer in &case.answers {
            let content_type = answer.content_type.as_deref().unwrap_or_default();
            text += &format!(
                "  answer {} {} {}\n",
                answer.status,
                content_type.escape_ascii(),
                answer.body.escape_ascii()
            );
        }
    }
    text + &lines.join("\n")
}

fn assert_same(count: usize, differences: Vec<String>) {
    assert!(
        differences.is_empty(),
        "{} differences in {count} cases:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// The time, in milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
