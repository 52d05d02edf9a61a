//! `/federate` on the wire, and what a real Prometheus makes of each format.

use std::io::Read as _;
use std::time::{SystemTime, UNIX_EPOCH};

use fixtures::MockAiven;
use fixtures::node::Node;
use prom_model::exposition::Format;
use reqwest::Method;

use crate::support::exporter::{PATIENT, config};
use crate::support::http::{Answer, Site};
use crate::support::prometheus::Prometheus;
use crate::support::samples::Samples;
use crate::support::system::System;
use crate::support::{eventually, eventually_ok};

const ALL: &[(&str, &str)] = &[("match[]", "{job=\"aiven\"}")];
/// Nothing but gauges, which OpenMetrics can express.
const GAUGES: &[(&str, &str)] = &[(
    "match[]",
    "{__name__=~\"cpu_usage_idle|elasticsearch_os_.*_percent\"}",
)];

const OPENMETRICS: &str = "application/openmetrics-text;version=1.0.0";
const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
/// What Prometheus 2.42 asks for.
const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
    application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
/// What Prometheus 3.5 asks for.
const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
    application/openmetrics-text;version=0.0.1;q=0.5,\
    text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

#[tokio::test(flavor = "multi_thread")]
async fn the_format_is_negotiated() {
    let system = running().await;
    let site = &system.exporter.site;
    let f = async |query, accept: &str, want: &str| {
        let answer = get(site, query, &[("accept", accept)]).await;
        let have = answer.header("content-type").to_owned();
        assert!(have.starts_with(want), "{accept}: {have}");
        let head = site
            .ask(Method::HEAD, "/federate", query, &[("accept", accept)])
            .await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{accept}");
        assert_eq!(head.header("content-type"), have, "{accept}");
        answer
    };
    let text = "text/plain; version=0.0.4; charset=utf-8";
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let plain = f(ALL, "*/*", text).await;
    let want = Samples::parse(plain.text());
    assert_eq!(want.len(), served(&system.aiven));
    assert!(want.iter().all(|(_, it)| it.timestamp_ms.is_some()));

    let answer = f(ALL, OPENMETRICS, openmetrics).await;
    assert!(answer.text().ends_with("\n# EOF\n"));
    same(&want, &Samples::parse_as(&answer.body, Format::OpenMetrics));
    // Counters that don't end in `_total` have no type there.
    assert!(answer.text().contains("# TYPE net_bytes_recv unknown\n"));
    for accept in [PROMETHEUS_2, PROMETHEUS_3] {
        let answer = f(ALL, accept, text).await;
        assert!(answer.text().contains("# TYPE net_bytes_recv counter\n"));
        same(&want, &Samples::parse(answer.text()));
        f(GAUGES, accept, openmetrics).await;
    }
    let protobuf = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";
    let answer = f(ALL, PROTOBUF, protobuf).await;
    assert!(answer.body.len() > want.len() * 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn gzip_is_optional() {
    let system = running().await;
    let site = &system.exporter.site;
    let plain = get(site, ALL, &[]).await;
    assert_eq!(plain.header("content-encoding"), "");
    let want = Samples::parse(plain.text());
    for accept in [OPENMETRICS, PROTOBUF, "text/plain"] {
        let headers = [("accept", accept), ("accept-encoding", "gzip")];
        let packed = get(site, ALL, &headers).await;
        assert_eq!(packed.header("content-encoding"), "gzip", "{accept}");
        let mut unpacked = Vec::new();
        flate2::read::GzDecoder::new(&*packed.body)
            .read_to_end(&mut unpacked)
            .unwrap();
        assert!(packed.body.len() * 5 < unpacked.len(), "{accept}");
        match accept {
            PROTOBUF => assert!(unpacked.len() > want.len() * 8),
            OPENMETRICS => same(&want, &Samples::parse_as(&unpacked, Format::OpenMetrics)),
            _ => same(
                &want,
                &Samples::parse(&String::from_utf8(unpacked).unwrap()),
            ),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn timestamps_can_be_left_out() {
    let system = running().await;
    let site = &system.exporter.site;
    let with = Samples::parse(get(site, ALL, &[]).await.text());
    let query = [ALL[0], ("timestamps", "false")];
    let without = Samples::parse(get(site, &query, &[]).await.text());
    assert!(without.iter().all(|(_, it)| it.timestamp_ms.is_none()));
    same(&with, &without);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_query_is_refused() {
    let system = running().await;
    let site = &system.exporter.site;
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = site.ask(method.clone(), "/federate", ALL, &[]).await;
        assert_eq!(answer.status, 405, "{method}");
        assert_eq!(answer.header("allow"), "GET, HEAD", "{method}");
    }
    let empty = site.get("/federate", &[]).await;
    assert_eq!((empty.status, &*empty.body), (200, &b""[..]));
    for selector in ["{", "", "up[5m]", "up + 1", "{job=~\"(\"}"] {
        let query = [("match[]", "up"), ("match[]", selector)];
        let answer = site.get("/federate", &query).await;
        assert_eq!(answer.status, 400, "{selector:?}: {}", answer.text());
        let named = answer.text().contains(selector);
        assert!(named, "{selector:?}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn prometheus_gets_the_same_in_every_format() {
    let System {
        exporter,
        aiven,
        folder,
    } = running().await;
    serve_moments(&aiven.nodes()[2]);
    let job = |name: &str, protocols: &str, selector: &str| {
        format!(
            "- job_name: {name}\n  honor_labels: true\n  metrics_path: /federate\n{protocols}  \
             params: {{'match[]': ['{selector}']}}\n  static_configs: [{{targets: ['{}']}}]\n  \
             metric_relabel_configs: [{{target_label: via, replacement: {name}}}]\n",
            exporter.address
        )
    };
    let (all, gauges, moments) = (ALL[0].1, GAUGES[0].1, "{__name__=\"moment\"}");
    let global = "global: {scrape_interval: 500ms}\nscrape_configs:\n";
    // Names of jobs with what they select.
    let mut jobs = vec![("default", all), ("gauges", gauges), ("moments", moments)];
    let usual: String = jobs.iter().map(|(name, it)| job(name, "", it)).collect();
    let usual = format!("{global}{usual}");
    let mut config = usual.clone();
    let mut flags = Vec::new();
    if Prometheus::installed_major() >= 3 {
        for (name, protocol) in [
            ("proto", "PrometheusProto"),
            ("text0", "PrometheusText0.0.4"),
            ("text1", "PrometheusText1.0.0"),
            ("openmetrics0", "OpenMetricsText0.0.1"),
            ("openmetrics1", "OpenMetricsText1.0.0"),
        ] {
            config += &job(name, &format!("  scrape_protocols: [{protocol}]\n"), all);
            jobs.push((name, all));
        }
    } else {
        // Asks for protobuf first.
        flags.push("--enable-feature=native-histograms");
    }
    let asking = Prometheus::start_with(folder.path(), &config, &flags);
    let second = tempfile::tempdir().unwrap();
    let usual = Prometheus::start(second.path(), &usual);
    let (asking, usual) = tokio::join!(asking, usual);
    for (prometheus, jobs) in [(&usual, &jobs[..3]), (&asking, &jobs[..])] {
        for (name, selector) in jobs {
            received(prometheus, name, &exporter.site, selector).await;
        }
    }
}

/// Waits until `prometheus` has by job `name` what `site` serves of `selector`.
async fn received(prometheus: &Prometheus, name: &str, site: &Site, selector: &str) {
    let is_comparable = |labels: &prom_model::label::LabelSet| {
        // These change with each scrape, or soon after the first.
        !matches!(
            labels.metric_name(),
            "scrape_duration_seconds" | "scrape_series_added"
        )
    };
    eventually_ok("what is federated", async || {
        let have = prometheus.federate(&[&format!("{{via=\"{name}\"}}")]).await;
        let have = have
            .filter(|labels, _| is_comparable(labels))
            .relabel(|labels| {
                labels.remove("via");
            });
        let want = Samples::parse(get(site, &[("match[]", selector)], &[]).await.text());
        let want = want.filter(|labels, _| is_comparable(labels));
        assert!(!want.is_empty());
        match have.differences(&want) {
            none if none.is_empty() => {}
            some => return Err(format!("{name}: {}", some.join("\n"))),
        }
        match moments(&have) == moments(&want) {
            true => Ok(()),
            false => Err(format!("{name}: {:?} {:?}", moments(&have), moments(&want))),
        }
    })
    .await;
}

/// Makes `node` serve series whose timestamps stand still, at milliseconds that no short fraction of a second makes.
fn serve_moments(node: &Node) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(since.as_millis()).unwrap();
    let lines = (0..100).map(|n| format!("moment{{n=\"{n}\"}} {n} {}\n", now_ms - n * 7));
    node.serve(lines.collect::<String>(), "text/plain; version=0.0.4");
}

/// The timestamps of what [`serve_moments`] serves.
fn moments(samples: &Samples) -> Vec<(String, Option<i64>)> {
    let of_them = samples
        .iter()
        .filter(|(labels, _)| labels.metric_name() == "moment");
    of_them
        .map(|(labels, sample)| (labels.to_string(), sample.timestamp_ms))
        .collect()
}

/// A series that vanishes at a node, at three receivers: one that is sent timestamps keeps it for the five minutes of
/// its lookback, one that isn't or doesn't honor them ends it at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs prometheus on PATH"]
async fn without_timestamps_a_vanished_series_ends_at_once() {
    let System {
        exporter,
        aiven,
        folder,
    } = running().await;
    let node = &aiven.nodes()[0];
    node.serve("stays 1\nvanishes 1\n", "text/plain; version=0.0.4");
    let job = |name: &str, more: &str| {
        format!(
            "- job_name: {name}\n  metrics_path: /federate\n  static_configs: [{{targets: ['{}']}}]\n{more}",
            exporter.address
        )
    };
    let params = "  params: {'match[]': ['{__name__=~\"stays|vanishes\"}']}\n";
    let mut config = format!(
        "global: {{scrape_interval: 300ms}}\nscrape_configs:\n{}{}{}",
        job("usual", params),
        job(
            "left_out",
            &params.replace("]}", "], timestamps: ['false']}")
        ),
        job(
            "not_honored",
            &format!("{params}  honor_timestamps: false\n")
        ),
    );
    let mut ending = vec!["left_out", "not_honored"];
    if Prometheus::installed_major() >= 3 {
        let more = format!("{params}  track_timestamps_staleness: true\n");
        config += &job("tracked", &more);
        ending.push("tracked");
    }
    let prometheus = Prometheus::start(folder.path(), &config).await;
    let receivers = async |name: &str| {
        let series = prometheus.query(name).await;
        let job = |it: &serde_json::Value| it["metric"]["job"].as_str().unwrap().to_owned();
        series.iter().map(job).collect::<Vec<String>>()
    };
    eventually("the series at all receivers", async || {
        (receivers("vanishes").await.len() == ending.len() + 1).then_some(())
    })
    .await;
    node.serve("stays 1\n", "text/plain; version=0.0.4");
    eventually("the end of the series", async || {
        let left = receivers("vanishes").await;
        (!left.iter().any(|job| ending.contains(&&**job))).then_some(())
    })
    .await;
    assert_eq!(receivers("vanishes").await, ["usual"]);
    assert_eq!(receivers("stays").await.len(), ending.len() + 1);
}

/// A system that has scraped its three nodes, whose values stand still, at least twice.
async fn running() -> System {
    let three = MockAiven::builder();
    let system = System::configured(three, |aiven| config(aiven, PATIENT)).await;
    eventually("second scrapes", async || {
        let added = system.federate("scrape_series_added").await;
        added.iter().all(|(_, it)| it.value == 0.0).then_some(())
    })
    .await;
    system
}

/// How many series are served of what the nodes expose.
fn served(aiven: &MockAiven) -> usize {
    let nodes = aiven.nodes();
    let series = nodes.iter().map(|it| Samples::parse(&it.body()).len() + 5);
    series.sum()
}

async fn get(site: &Site, query: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let answer = site.ask(Method::GET, "/federate", query, headers).await;
    assert_eq!(answer.status, 200);
    answer
}

/// That both hold the same series and values, but for how long the scrapes took.
fn same(one: &Samples, two: &Samples) {
    let settled = |samples: &Samples| {
        let is_settled = |name: &str| name != "scrape_duration_seconds";
        samples
            .clone()
            .filter(|labels, _| is_settled(labels.metric_name()))
    };
    assert_eq!(settled(one).differences(&settled(two)), [""; 0]);
    assert_eq!(one.len(), two.len());
}
