//! What is answered of stored series: selectors, methods, escaping of names, external labels.

use std::collections::BTreeMap;

use prom_model::exposition::{Entry, Format, Parser};
use prom_model::label::LabelSet;
use reqwest::Method;
use serde_json::{Value, json};

use super::case::{Case, case, text};
use super::pair::Pair;
use super::scripted_server::{Client, ScriptedServer};
use super::{BOTH, assert_same, named, of_release, scraped_twice, serve};
use crate::support::http::Site;

const BODY: &str = "\
a 1
a{x=\"1\"} 2
a{x=\"2\",y=\"foo\"} 3
a{x=\"2\",y=\"bar\"} NaN
b{x=\"\",z=\"line\\nbreak\"} +Inf
b_total{z=\"quote\\\"back\\\\slash\"} -Inf
b_total{z=\"ü€\"} 1e+300
h_bucket{le=\"0.5\"} 1
h_bucket{le=\"+Inf\"} 2
h_sum 3.25
h_count 2
old 5 <<-60000>>
older 5 <<-600000>>
ahead 5 <<60000>>
no_instance{instance=\"\"} 1
no_job{job=\"\",instance=\"\"} 1
of_others{platform=\"mine\",job=\"its\"} 1
inf 1
by 1
on{by=\"1\",on=\"2\",inf=\"3\"} 1
:colon:name{_=\"1\"} 1
";

/// Names that only 3 reads.
const UTF8_BODY: &str = "\
{\"dotted.name\",\"dotted.label\"=\"1\"} 1
{\"dotted.name\"} 2
{\"ünïcode\",ü=\"1\"} 3
{\"with blank\",\"1st\"=\"x\"} 4
plain{\"a.b\"=\"1\",\"a_b\"=\"2\"} 5
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn selectors() {
    let (pair, _server) = start(vec![case(json!({"honor_labels": true}), text(BODY))]).await;
    let mut differences = Vec::new();
    for selectors in SELECTORS {
        // For 2 a dot matches no newline.
        if pair.prometheus.major < 3 && selectors[0].contains("line.break") {
            continue;
        }
        let query: Vec<_> = selectors.iter().map(|it| ("match[]", *it)).collect();
        let federated = both(&pair, async |site| {
            let (status, _, lines) = federated(site, &query, &[]).await;
            (status, lines)
        })
        .await;
        let listed = both(&pair, async |site| series(site, &query).await).await;
        differences.extend(difference(&format!("federate {selectors:?}"), &federated));
        differences.extend(difference(&format!("series {selectors:?}"), &listed));
    }
    assert_same(SELECTORS.len(), differences);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn requests() {
    let (pair, _server) = start(vec![case(json!({"honor_labels": true}), text(BODY))]).await;
    if pair.prometheus.major < 3 {
        // It knows neither all parameters nor escaping.
        return;
    }
    let mut differences = Vec::new();
    for (method, path) in REQUESTS {
        let method: Method = method.parse().unwrap();
        let answers = both(&pair, async |site| {
            let answer = site.ask(method.clone(), path, &[], &[]).await;
            let is_json = answer.header("content-type") == "application/json";
            let body = match (is_json, answer.status) {
                (true, 200) => in_order(answer.json()),
                (true, _) => json!(answer.json()["errorType"]),
                (false, 200) if path.starts_with("/federate") => json!(lines(&answer.body)),
                _ => Value::Null,
            };
            (
                answer.status,
                answer.header("content-type").to_owned(),
                body,
            )
        })
        .await;
        differences.extend(difference(&format!("{method} {path}"), &answers));
    }
    assert_same(REQUESTS.len(), differences);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs prometheus on PATH"]
async fn escaping_of_names() {
    let cases = vec![
        case(json!({}), text(UTF8_BODY)).three(),
        case(json!({}), text(BODY)),
    ];
    let (pair, _server) = start(cases).await;
    if pair.prometheus.major < 3 {
        // All names that it knows are of the old character set.
        return;
    }
    let selectors = [
        "{job=~\"query.*\"}",
        "{\"dotted.name\"}",
        "{\"dotted.label\"=\"1\"}",
        "{ü=\"1\"}",
        "{\"a.b\"!=\"\"}",
    ];
    let mut differences = Vec::new();
    for selector in selectors {
        let query = [("match[]", selector)];
        for accept in ACCEPTS {
            let headers = [("accept", *accept)];
            let answers = both(&pair, async |site| federated(site, &query, &headers).await).await;
            differences.extend(difference(&format!("{selector} {accept:?}"), &answers));
        }
        let answers = both(&pair, async |site| series(site, &query).await).await;
        differences.extend(difference(selector, &answers));
    }
    assert_same(selectors.len() * ACCEPTS.len(), differences);
}

/// Both, once they have scraped `cases`.
async fn start(cases: Vec<Case>) -> (Pair, ScriptedServer) {
    let cases = of_release(named(vec![("query", cases)])).await;
    let global = json!({
        "scrape_interval": "500ms",
        "scrape_timeout": "500ms",
        "external_labels": {"platform": "ours", "region": "here", "job": "outside"},
    });
    let (server, config) = serve(&cases, global).await;
    let pair = Pair::start(tempfile::tempdir().unwrap(), &config.to_string()).await;
    for client in BOTH {
        scraped_twice(&pair, client).await;
    }
    (pair, server)
}

/// What each of the two answers, the exporter first.
async fn both<T>(pair: &Pair, ask: impl AsyncFn(&Site) -> T) -> [T; 2] {
    let [exporter, prometheus] = BOTH.map(|client: Client| pair.site(client));
    [ask(exporter).await, ask(prometheus).await]
}

/// `answer` with its data sorted where it is a list; of series it is in no order.
fn in_order(mut answer: Value) -> Value {
    if let Some(data) = answer["data"].as_array_mut() {
        data.sort_by_key(Value::to_string);
    }
    answer
}

/// What to say of `asked` where the two answers differ.
fn difference<T: PartialEq + std::fmt::Debug>(asked: &str, [one, two]: &[T; 2]) -> Option<String> {
    (one != two).then(|| format!("{asked}\n  exporter: {one:?}\n  Prometheus: {two:?}"))
}

/// Status and lines of `/federate`, an error's text left out.
async fn federated(
    site: &Site,
    query: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> (u16, String, Vec<String>) {
    let answer = site.ask(Method::GET, "/federate", query, headers).await;
    let lines = match answer.status {
        200 => lines(&answer.body),
        _ => Vec::new(),
    };
    (
        answer.status,
        answer.header("content-type").to_owned(),
        lines,
    )
}

/// Status and data of `/api/v1/series`.
async fn series(site: &Site, query: &[(&str, &str)]) -> (u16, Vec<BTreeMap<String, String>>) {
    let answer = site.get("/api/v1/series", query).await;
    let data = answer.json()["data"].take();
    let mut data: Vec<BTreeMap<String, String>> = serde_json::from_value(data).unwrap_or_default();
    // The exporter keeps what it may serve.
    data.retain(|labels| !NOT_SERVED.contains(&labels["__name__"].as_str()));
    data.sort();
    (answer.status, data)
}

/// The series of an exposition in their order, with labels whose value is empty, whether they have a timestamp, and
/// their values but for those of the last scrape's duration.
fn lines(body: &[u8]) -> Vec<String> {
    let comments = |line: &&[u8]| line.first() == Some(&b'#');
    let body: Vec<u8> = body
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| !comments(line))
        .flatten()
        .copied()
        .collect();
    let mut parser = Parser::new(&body, Format::Text);
    let mut labels = LabelSet::new();
    let mut lines = Vec::new();
    while let Some(entry) = parser.next_entry().unwrap() {
        let Entry::Series(series) = entry else {
            continue;
        };
        parser.labels(&mut labels).unwrap();
        let empty: Vec<_> = parser.empty_labels().collect();
        let value = match labels.metric_name() {
            "scrape_duration_seconds" => "some".to_owned(),
            _ => series.value.to_string(),
        };
        let is_timed = series.timestamp_ms.is_some();
        lines.push(format!("{labels} without {empty:?} {value} {is_timed}"));
    }
    lines
}

/// Names of series without a sample to serve now.
const NOT_SERVED: [&str; 2] = ["older", "ahead"];

/// Methods and paths.
const REQUESTS: &[(&str, &str)] = &[
    ("GET", "/federate"),
    ("POST", "/federate?match[]=a"),
    ("PUT", "/federate?match[]=a"),
    ("DELETE", "/federate?match[]=a"),
    ("GET", "/federate?match[]="),
    ("GET", "/federate?match[]"),
    ("GET", "/federate?match=a"),
    ("GET", "/federate?match%5B%5D=a"),
    ("GET", "/federate?match[]=a&match[]=b"),
    ("GET", "/federate?match[]=a&match[]=a"),
    ("GET", "/federate?match[]=a&match[]=}"),
    ("GET", "/federate?match[]=a;match[]=b"),
    ("GET", "/federate?match[]=%zz"),
    ("GET", "/federate?match[]=a%2B"),
    ("GET", "/federate?match[]=%7B__name__%3D~%22a%7Cb%22%7D"),
    ("GET", "/federate?match[]=a+"),
    ("GET", "/federate?other=1"),
    ("GET", "/federate/x"),
    ("GET", "/-/healthy"),
    ("POST", "/-/healthy"),
    ("GET", "/-/reload"),
    ("GET", "/api/v1/series"),
    ("GET", "/api/v1/series?match[]=a"),
    ("GET", "/api/v1/series?match[]=a&match[]=b"),
    ("GET", "/api/v1/series?match[]=}"),
    ("GET", "/api/v1/series?match[]={}"),
    ("GET", "/api/v1/series?match[]=a&limit=1"),
    ("GET", "/api/v1/series?match[]=a&limit=0"),
    ("GET", "/api/v1/series?match[]=a&limit=x"),
    ("GET", "/api/v1/series?match[]=a&limit=-1"),
    ("GET", "/api/v1/series?match[]=a&start=x"),
    ("GET", "/api/v1/series?match[]=a&start=2&end=1"),
    ("GET", "/api/v1/labels"),
    ("GET", "/api/v1/labels?match[]=a"),
    ("GET", "/api/v1/labels?match[]=}"),
    ("GET", "/api/v1/labels?match[]=nothing"),
    ("GET", "/api/v1/label/x/values"),
    ("GET", "/api/v1/label/__name__/values?match[]={x!=%22%22}"),
    ("GET", "/api/v1/label/x/values?match[]=a&match[]=b"),
    ("GET", "/api/v1/label/absent/values"),
    ("GET", "/api/v1/label/x/values?match[]={"),
    ("GET", "/api/v1/label/le/values"),
    ("GET", "/api/v1/label/job/values"),
    ("GET", "/api/v1/metadata?limit=0"),
    ("GET", "/api/v1/targets?state=x"),
    ("GET", "/api/v1/targets?state=dropped"),
    ("GET", "/api/v1/targets/metadata?metric=nothing"),
    ("GET", "/api/v1/targets/metadata?match_target=}"),
    ("GET", "/api/v1/targets/metadata?limit=x"),
    ("GET", "/api/v1/metadata?limit=x"),
    ("GET", "/api/v1/nothing"),
];

/// What is asked for; OpenMetrics is left out, which Prometheus doesn't federate.
const ACCEPTS: &[&str] = &[
    "",
    "*/*",
    "text/plain",
    "text/*",
    "text/html",
    "application/json",
    "text/plain;version=0.0.4",
    "text/plain;version=0.0.4;q=0.5",
    "text/plain;version=1.0.0",
    "text/plain;version=1.0.0;escaping=allow-utf-8",
    "text/plain;version=1.0.0;escaping=underscores",
    "text/plain;version=1.0.0;escaping=dots",
    "text/plain;version=1.0.0;escaping=values",
    "text/plain;version=1.0.0;escaping=nothing",
    "text/plain;version=0.0.4;escaping=allow-utf-8",
    "text/plain;version=0.0.4;escaping=values",
    "text/plain;escaping=allow-utf-8",
    "text/plain; version=1.0.0; escaping=allow-utf-8; charset=utf-8",
    "text/plain;version=2.0.0",
    "*/*;escaping=values",
    "text/plain;version=1.0.0;escaping=dots;q=0.1,text/plain;version=0.0.4;q=0.9",
    "text/plain;version=1.0.0;escaping=dots;q=0.9,text/plain;version=0.0.4;q=0.1",
];

/// Lists of `match[]`.
const SELECTORS: &[&[&str]] = &[
    &["a"],
    &["b"],
    &["nothing"],
    &["{__name__=\"a\"}"],
    &["{__name__=\"\"}"],
    &["{__name__!=\"\"}"],
    &["{__name__=~\".+\"}"],
    &["{__name__=~\".*\"}"],
    &["{__name__!~\"a|b.*\",__name__!=\"\"}"],
    &["{__name__=~\"a|b\"}"],
    &["{__name__=~\"\"}"],
    &["{}"],
    &["{x=\"\"}"],
    &["{x!=\"\"}"],
    &["{x!=\"1\"}"],
    &["{x!=\"1\",job=~\".+\"}"],
    &["{x=~\"1|2\"}"],
    &["{x=~\"1|\"}"],
    &["{x=~\".*\"}"],
    &["{x!~\"1\"}"],
    &["{x!~\".+\"}"],
    &["{x!~\".*\"}"],
    &["{x=~\".+\"}"],
    &["a{}"],
    &["a{x=\"1\"}"],
    &["a{x=\"1\",}"],
    &["a{,}"],
    &["a{x=\"1\",,}"],
    &["a{x=\"1\" y=\"2\"}"],
    &["a { x = \"1\" }"],
    &["  a  "],
    &["a{x='1'}"],
    &["a{x=`1`}"],
    &["a{x=\"1\",x=\"2\"}"],
    &["a{x=\"2\",x=~\"2|3\"}"],
    &["a{x!=\"1\",x!=\"2\"}"],
    &["a{__name__=\"a\"}"],
    &["a{__name__=~\"b\"}"],
    &["a{__name__!=\"b\"}"],
    &["{__name__=\"a\",__name__=\"b\"}"],
    &["a{y=\"\"}"],
    &["a{y!=\"\"}"],
    &["a{absent=\"\"}"],
    &["a{absent!=\"\"}"],
    &["a{absent=~\".*\"}"],
    &["a{absent!~\".+\"}"],
    &["b{z=~\"line.break\"}"],
    &["b{z=\"line\\nbreak\"}"],
    &["b{z=~\"line\\nbreak\"}"],
    &["b{z=~\"line\\\\nbreak\"}"],
    &["b{z=`line\\nbreak`}"],
    &["b_total{z=\"quote\\\"back\\\\slash\"}"],
    &["b_total{z='quote\"back\\\\slash'}"],
    &["b_total{z=`quote\"back\\slash`}"],
    &["b_total{z=~\"ü.\"}"],
    &["b_total{z=~\"..\"}"],
    &["b_total{z=\"\\u00fc\\u20ac\"}"],
    &["b_total{z=\"\\xc3\\xbc€\"}"],
    &["b_total{z=~\"\\\\pL€\"}"],
    &["b_total{z=~\"(?i)Ü€\"}"],
    &["h_bucket"],
    &["h_bucket{le=\"0.5\"}"],
    &["h_bucket{le=~\"\\\\+Inf|0.5\"}"],
    &["{le!=\"\"}"],
    &["old"],
    &["older"],
    &["ahead"],
    &["no_instance"],
    &["no_job"],
    &["{instance=\"\",__name__=~\"no_.*\"}"],
    &["{job=\"outside\"}"],
    &["{platform=\"ours\"}"],
    &["{platform=\"mine\"}"],
    &["{region=\"\",__name__=\"a\"}"],
    &["of_others"],
    &["up"],
    &["{__name__=~\"up|scrape_.*\"}"],
    &["inf"],
    &["Inf"],
    &["NaN"],
    &["nan"],
    &["by"],
    &["on"],
    &["on{by=\"1\",on=\"2\",inf=\"3\"}"],
    &["{by=\"1\"}"],
    &["{inf=\"3\"}"],
    &[":colon:name"],
    &[":colon:name{_=\"1\"}"],
    &["{:x=\"1\"}"],
    &["sum"],
    &["sum{x=\"1\"}"],
    &["offset"],
    &["bool"],
    &["and"],
    &["atan2"],
    &["start"],
    &["end"],
    &["a offset 5m"],
    &["a offset 0s"],
    &["a @ 0"],
    &["a @ start()"],
    &["a[5m]"],
    &["a[5m:]"],
    &["(a)"],
    &["-a"],
    &["+a"],
    &["a + b"],
    &["a or b"],
    &["sum(a)"],
    &["sum by (x) (a)"],
    &["rate(a[5m])"],
    &["1"],
    &["\"a\""],
    &["'a'"],
    &["a b"],
    &["a;"],
    &["a{"],
    &["a}"],
    &["a{x}"],
    &["a{x=}"],
    &["a{x=1}"],
    &["a{x==\"1\"}"],
    &["a{x=\"1}"],
    &["a{x=\"1\"}}"],
    &["a{x~\"1\"}"],
    &["a{x=!\"1\"}"],
    &["a{=\"1\"}"],
    &["a{1=\"1\"}"],
    &["a{x-y=\"1\"}"],
    &["a{x=~\"(\"}"],
    &["a{x=~\"[\"}"],
    &["a{x=~\"a{1001}\"}"],
    &["a{x=~\"(?=a)\"}"],
    &["a{x=~\"\\\\1\"}"],
    &["a{x=~\"(?P<n>1)\"}"],
    &["a{x=~\"^1$\"}"],
    &["a{x=~\"^\"}"],
    &["a{x=~\"1$|2$\"}"],
    &["a{x=\"\\q\"}"],
    &["a{x=\"\n\"}"],
    &["# comment"],
    &["a # comment"],
    &["a{x=\"1\"} # comment"],
    &["a{x=\"1\" # comment\n}"],
    &["9a"],
    &["ü"],
    &["a.b"],
    &[""],
    &[" "],
    &["\u{a0}a"],
    &["a\u{0}"],
    &["a", "b"],
    &["a", "a"],
    &["a", "{x=\"1\"}"],
    &["{x=\"2\"}", "{y=\"foo\"}", "b_total"],
    &["nothing", "a"],
    &["a", "}"],
    &["{x=\"\"}", "a"],
    &["", "a"],
    &["up", "a{x=\"1\"}", "h_sum", "{z!=\"\"}"],
];
