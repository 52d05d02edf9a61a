//! Targets and target files as a real Prometheus sees them.
//!
//! One Prometheus gets a job for each case of targets, and one more for all target files; it must end with the targets
//! that we end with.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use es_scraper::discovery::{Discovery, DiscoveryMetrics, FileConfig, JobInputs, static_groups};
use es_scraper::relabel::{RelabelConfig, RelabelFields};
use es_scraper::target::{TargetDefaults, Targets};
use http::HeaderValue;
use prom_config::duration;
use prom_model::label::LabelSet;
use prom_model::target::TargetGroup;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// The job of all target files.
const FILES: &str = "files";

/// What a job's targets look like from outside.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    active: BTreeSet<Active>,
    dropped: BTreeSet<LabelSet>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Active {
    url: String,
    labels: LabelSet,
    discovered: LabelSet,
    interval: Duration,
    timeout: Duration,
}

/// Prometheus releases that a case holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Release {
    Any,
    /// 2 does otherwise.
    Three,
}

#[derive(Debug)]
struct Case {
    release: Release,
    input: Input,
}

#[derive(Debug)]
enum Input {
    /// Settings of a job, and its `static_configs`.
    Job(Value, Value),
    /// Extension and content of a target file.
    File(&'static str, String),
}

/// Targets under a job's settings.
fn job(job: Value, groups: Value) -> Case {
    Case {
        release: Release::Any,
        input: Input::Job(job, groups),
    }
}

/// Rules for one target.
fn rules(rules: Value) -> Case {
    let labels = json!({"a": "1", "b": "2", "__meta_c": "3", "__param_p": "4", "__tmp": "5"});
    let groups = json!([{"targets": ["127.0.0.1:1"], "labels": labels}]);
    job(json!({"relabel_configs": rules}), groups)
}

/// A rule that sets one label.
fn set(label: &str, value: &str) -> Case {
    rules(json!([{"target_label": label, "replacement": value}]))
}

fn file(extension: &'static str, content: &str) -> Case {
    Case {
        release: Release::Any,
        input: Input::File(extension, content.to_owned()),
    }
}

fn three(case: Case) -> Case {
    Case {
        release: Release::Three,
        ..case
    }
}

fn target_cases() -> Vec<Case> {
    let plain = || json!([{"targets": ["127.0.0.1:1"]}]);
    let address = |address: &str| job(json!({}), json!([{"targets": [address]}]));
    let path = |path: &str| job(json!({"metrics_path": path}), plain());
    let params = |params: Value| job(json!({"params": params}), plain());
    let label = |label: &str, value: &str| {
        job(
            json!({}),
            json!([{"targets": ["127.0.0.1:1"], "labels": {label: value}}]),
        )
    };
    let drop = |regex: &str| {
        let rule = json!([{"action": "drop", "source_labels": ["__address__"], "regex": regex}]);
        let targets = json!(["127.0.0.1:1", "127.0.0.1:2", "127.0.0.2:1"]);
        job(
            json!({"relabel_configs": rule}),
            json!([{"targets": targets}]),
        )
    };
    vec![
        job(json!({}), plain()),
        job(json!({"scheme": "https"}), plain()),
        job(
            json!({"scrape_interval": "90d", "scrape_timeout": "1h30m500ms"}),
            plain(),
        ),
        path("/m"),
        path("m"),
        path("*"),
        path("//a//b"),
        path("/a b/ü?x=1#f"),
        path("/!'()*[];:@&=+$,-_.~\"<>\\^`{|}%41"),
        params(json!({"a": ["1", "2"], "b": [], "c": [""]})),
        params(json!({"match[]": ["{job=\"x\"}", "y z"], "ü": ["&=+;/?%~*"]})),
        three(address("127.0.0.1")),
        three(address("[::1]")),
        address("[::1]:1"),
        address("127.0.0.1:0"),
        address("127.0.0.1:port"),
        address("127.0.0.1:99999"),
        set("__address__", "http://127.0.0.1:1"),
        address(""),
        address("a b:1"),
        address("ü:1"),
        address("!$&'()*+,;=[]<>\"^:1"),
        label("__address__", "127.0.0.9:9"),
        label("__scheme__", "https"),
        three(label("__scheme__", "ftp")),
        label("__metrics_path__", "x"),
        label("__scrape_interval__", "7d"),
        label("__scrape_interval__", "1x"),
        label("__scrape_interval__", "0"),
        label("__scrape_interval__", "1"),
        label("__scrape_timeout__", "0s"),
        label("__scrape_timeout__", "-1s"),
        label("__scrape_timeout__", "101d"),
        label("__scrape_timeout__", "100d"),
        label("__scrape_timeout__", "2400h"),
        label("__param_a", "x"),
        label("__param_", "x"),
        label("__meta_x", "y"),
        label("job", "mine"),
        label("job", ""),
        label("instance", "me"),
        label("x", ""),
        label("x", "ü\n\"\\"),
        three(label("a.b", "c")),
        label("__name__", "n"),
        three(job(
            json!({"params": {"a": ["1", "2"]}}),
            json!([{"targets": ["127.0.0.1:1"], "labels": {"__param_a": "3"}}]),
        )),
        set("__address__", "127.0.0.8:8"),
        set("__address__", ""),
        set("__address__", "a/b"),
        set("__metrics_path__", ""),
        three(set("__scheme__", "")),
        set("__scrape_interval__", ""),
        set("__scrape_interval__", "200d"),
        set("__scrape_timeout__", "1m"),
        set("__param_p", "x"),
        set("__param_p", ""),
        set("__param_q", "x"),
        set("job", ""),
        set("instance", "me"),
        set("__meta_late", "x"),
        set("__x", "y"),
        rules(json!([{"action": "labeldrop", "regex": "__param_p|a|instance"}])),
        rules(json!([{"action": "labelkeep", "regex": "__.*__"}])),
        rules(json!([{"action": "labelkeep", "regex": "__address__"}])),
        rules(json!([{"action": "labelmap", "regex": "__meta_(.*)", "replacement": "m_$1"}])),
        rules(
            json!([{"action": "labelmap", "regex": "__param_(.*)", "replacement": "__param_x$1"}]),
        ),
        rules(json!([
            {"source_labels": ["__address__"], "regex": "(.*):(.*)", "target_label": "__param_target",
                "replacement": "$1"},
            {"source_labels": ["__param_target"], "target_label": "instance"},
            {"target_label": "__address__", "replacement": "127.0.0.7:7"},
        ])),
        rules(
            json!([{"action": "hashmod", "source_labels": ["__address__"], "modulus": 1000, "target_label": "shard"}]),
        ),
        rules(
            json!([{"action": "uppercase", "source_labels": ["__scheme__"], "target_label": "up"}]),
        ),
        rules(json!([{"action": "keep", "source_labels": ["a", "b"], "regex": "1;2"}])),
        drop("127.0.0.1:.*"),
        drop(".*"),
        drop(""),
        job(
            json!({}),
            json!([{"targets": ["127.0.0.1:1", "127.0.0.1:1"]}, {"targets": ["127.0.0.1:1", "127.0.0.1:2"]}]),
        ),
        job(
            json!({}),
            json!([{"targets": ["127.0.0.1:1", "", "127.0.0.1:2"]}, {"targets": []}]),
        ),
        job(
            json!({}),
            json!([{"targets": ["127.0.0.1:1"], "labels": {"a": "1"}},
                   {"targets": ["127.0.0.1:1"], "labels": {"a": "2"}}]),
        ),
    ]
}

fn file_cases() -> Vec<Case> {
    let json = [
        "",
        " ",
        "null",
        "[]",
        "{}",
        "1",
        "[null]",
        "[{}, null]",
        "[[]]",
        "[\"127.0.0.1:1\"]",
        "[{\"targets\": [\"127.0.0.1:1\"]}] x",
        "[{\"targets\": [\"127.0.0.1:1\"]}]]",
        "\u{feff}[{\"targets\": [\"127.0.0.1:1\"]}]",
        "[{\"targets\": [\"127.0.0.1:1\"]},]",
        "[{\"targets\": \"127.0.0.1:1\"}]",
        "[{\"targets\": {\"a\": \"127.0.0.1:1\"}}]",
        "[{\"targets\": null, \"labels\": null}, {\"targets\": [\"127.0.0.1:1\"], \"labels\": null}]",
        "[{\"targets\": [null, \"127.0.0.1:1\"]}]",
        "[{\"targets\": [1]}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": 1}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": true}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": null, \"b\": \"c\"}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": {}}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"\": \"b\"}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": []}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"source\": \"x\"}]",
        "[{\"Targets\": [\"127.0.0.1:1\"], \"LABELS\": {\"a\": \"b\"}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"targets\": [\"127.0.0.1:2\"]}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": \"1\", \"a\": \"2\"}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": \"1\"}, \"labels\": {\"b\": \"2\"}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"__meta_filepath\": \"x\"}}]",
        "[{\"targets\": [\"127.0.0.1:1\"], \"labels\": {\"a\": \"\\u00e4\\ud83d\\ude00\"}}]",
        "// comment\n[]",
    ];
    let yaml = [
        "",
        "~",
        "---\n",
        "[]",
        "- ~",
        "-",
        "- {}",
        "targets: [127.0.0.1:1]",
        "- targets: ['127.0.0.1:1']\n",
        "- targets: [127.0.0.1:1]\n  labels: {a: 1, b: true, c: 1e3, d: ~, e: 0x10, f: 1.50, g: yes}\n",
        "- targets: 127.0.0.1:1\n",
        "- targets: [~, '127.0.0.1:1']\n",
        "- targets: [[a]]\n",
        "- targets: ['127.0.0.1:1']\n  labels: [a]\n",
        "- targets: ['127.0.0.1:1']\n  labels: {a: [b]}\n",
        "- targets: ['127.0.0.1:1']\n  labels: {'': b}\n",
        "- targets: ['127.0.0.1:1']\n  labels: {a: b, a: c}\n",
        "- targets: ['127.0.0.1:1']\n  targets: ['127.0.0.1:2']\n",
        "- targets: ['127.0.0.1:1']\n  source: x\n",
        "- Targets: ['127.0.0.1:1']\n",
        "- targets: ['127.0.0.1:1']\n---\n- targets: ['127.0.0.1:2']\n",
        "\u{feff}- targets: ['127.0.0.1:1']\n",
        "- &g {targets: ['127.0.0.1:1']}\n- *g\n",
        "- targets: ['127.0.0.1:1']\n  labels: {a: 2001-01-01, b: !!str 1, c: null}\n",
        "- targets: ['127.0.0.1:1'\n",
        "a: [",
        "\t- targets: []",
    ];
    let utf8_name = file("yml", "- targets: ['127.0.0.1:1']\n  labels: {1: b}\n");
    let json = json.iter().map(|content| file("json", content));
    let yaml = yaml.iter().map(|content| file("yml", content));
    let mut cases: Vec<_> = json.chain(yaml).collect();
    cases.push(three(utf8_name));
    cases.push(file("JSON", "[{\"targets\": [\"127.0.0.1:1\"]}]"));
    cases.push(file("yaml", "[{\"targets\": [\"127.0.0.1:1\"]}]"));
    cases
}

#[tokio::test]
#[ignore = "needs prometheus on PATH"]
async fn targets_are_those_of_prometheus() {
    let folder = tempfile::tempdir().unwrap();
    let major = prometheus_major();
    let mut cases = target_cases();
    cases.extend(file_cases());
    cases.retain(|case| case.release == Release::Any || major >= 3);
    assert!(cases.len() >= 100, "{}", cases.len());

    let mut jobs = Vec::new();
    // One job has all files: each job with file_sd_configs takes an inotify instance, of which there are few.
    let mut files = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        let name = format!("case{index}");
        match &case.input {
            Input::Job(settings, groups) => {
                let mut job = settings.clone();
                job["job_name"] = json!(name);
                job["static_configs"] = groups.clone();
                jobs.push(job);
            }
            Input::File(extension, content) => {
                let file = folder.path().join(format!("{name}.{extension}"));
                std::fs::write(&file, content).unwrap();
                files.push(file);
            }
        }
    }
    let mut job = files_job();
    job["job_name"] = json!(FILES);
    job["file_sd_configs"] = json!([{"files": files}]);
    jobs.push(job);
    let config = json!({
        // Long, so that nothing is scraped meanwhile.
        "global": {"scrape_interval": "100d", "scrape_timeout": "10s"},
        "scrape_configs": jobs,
    });
    let prometheus = Prometheus::start(folder.path(), &config);
    let mut ours = ours(&cases, folder.path()).await;
    if major < 3 {
        forget_discovered(&mut ours);
    }

    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let mut theirs = prometheus.targets();
        if let Some(theirs) = &mut theirs
            && major < 3
        {
            forget_discovered(theirs);
        }
        if theirs.as_ref() == Some(&ours) {
            return;
        }
        if Instant::now() > deadline {
            report(&cases, &ours, &theirs.unwrap_or_default());
        }
        sleep(Duration::from_millis(500)).await;
    }
}

/// 2.42 shows labels that relabelling has written into already.
fn forget_discovered(seen: &mut BTreeMap<String, Seen>) {
    for seen in seen.values_mut() {
        let active = std::mem::take(&mut seen.active).into_iter();
        seen.active = active
            .map(|active| Active {
                discovered: LabelSet::new(),
                ..active
            })
            .collect();
    }
}

fn report(cases: &[Case], ours: &BTreeMap<String, Seen>, theirs: &BTreeMap<String, Seen>) -> ! {
    let nothing = Seen::default();
    let mut differences = String::new();
    for (index, case) in cases.iter().enumerate() {
        let name = format!("case{index}");
        let ours = ours.get(&name).unwrap_or(&nothing);
        let theirs = theirs.get(&name).unwrap_or(&nothing);
        if ours != theirs {
            differences.push_str(&format!(
                "\n{case:?}\n  ours   {ours:?}\n  theirs {theirs:?}"
            ));
        }
    }
    panic!("the targets differ:{differences}");
}

/// Targets by case; a case without targets is absent.
async fn ours(cases: &[Case], folder: &Path) -> BTreeMap<String, Seen> {
    let mut seen = BTreeMap::new();
    let mut files = JobInputs::new(FILES);
    for (index, case) in cases.iter().enumerate() {
        let name = format!("case{index}");
        match &case.input {
            Input::Job(settings, groups) => {
                let targets = Targets::from_groups(&statics(groups), &defaults(&name, settings));
                see(&targets, |_| name.clone(), &mut seen);
            }
            Input::File(extension, _) => files.files.push(FileConfig {
                files: vec![
                    folder
                        .join(format!("{name}.{extension}"))
                        .to_str()
                        .unwrap()
                        .to_owned(),
                ],
                refresh_interval: FileConfig::DEFAULT_REFRESH_INTERVAL,
            }),
        }
    }
    let mut discovery = Discovery::new(
        DiscoveryMetrics::default(),
        HeaderValue::from_static("test"),
    );
    let mut groups = discovery.apply(vec![files]).unwrap().remove(0).groups;
    groups.changed().await.unwrap();
    let targets = Targets::from_groups(&groups.borrow(), &defaults(FILES, &files_job()));
    see(&targets, file_case, &mut seen);
    seen
}

fn see(targets: &Targets, case: impl Fn(&LabelSet) -> String, seen: &mut BTreeMap<String, Seen>) {
    for target in &targets.active {
        let discovered = LabelSet::clone(target.discovered_labels());
        let case = seen.entry(case(&discovered)).or_default();
        case.active.insert(Active {
            url: target.url().to_owned(),
            labels: LabelSet::clone(target.labels()),
            discovered,
            interval: target.interval(),
            timeout: target.timeout(),
        });
    }
    for labels in &targets.dropped {
        let case = seen.entry(case(labels)).or_default();
        case.dropped.insert(LabelSet::clone(labels));
    }
}

fn statics(groups: &Value) -> Vec<TargetGroup> {
    let groups = groups.as_array().unwrap().iter();
    static_groups(groups.map(|group| {
        let labels = group["labels"].as_object().into_iter().flatten();
        let labels: Vec<_> = labels
            .map(|(name, value)| (&**name, value.as_str().unwrap()))
            .collect();
        (strings(&group["targets"]), labels)
    }))
}

fn strings(value: &Value) -> Vec<String> {
    let values = value.as_array().into_iter().flatten();
    values
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

fn defaults(name: &str, job: &Value) -> TargetDefaults {
    let text = |key: &str, default: &str| job[key].as_str().unwrap_or(default).to_owned();
    let params = job["params"].as_object().into_iter().flatten();
    let rules = job["relabel_configs"].as_array().into_iter().flatten();
    let rule = |rule: &Value| {
        let text = |key: &str| rule[key].as_str().map(str::to_owned);
        RelabelConfig::new(RelabelFields {
            source_labels: strings(&rule["source_labels"]),
            separator: text("separator"),
            regex: text("regex"),
            modulus: rule["modulus"].as_u64(),
            target_label: text("target_label"),
            replacement: text("replacement"),
            action: text("action"),
        })
        .unwrap()
    };
    TargetDefaults {
        job: name.into(),
        scheme: text("scheme", "http"),
        metrics_path: text("metrics_path", "/metrics"),
        params: params
            .map(|(name, values)| (name.clone(), strings(values)))
            .collect(),
        scrape_interval: duration::parse(&text("scrape_interval", "100d")).unwrap(),
        scrape_timeout: duration::parse(&text("scrape_timeout", "10s")).unwrap(),
        keep_dropped_targets: 0,
        relabel_configs: rules.map(rule).collect(),
    }
}

fn prometheus_major() -> u32 {
    let output = Command::new("prometheus")
        .arg("--version")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.split_whitespace().nth(2).expect("a version");
    version.split('.').next().unwrap().parse().unwrap()
}

struct Prometheus {
    process: Child,
    port: u16,
}

impl Prometheus {
    fn start(folder: &Path, config: &Value) -> Self {
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        // Free again once the listener is dropped; nothing else takes it in the meantime, most likely.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                folder.join("data").display()
            ))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port }
    }

    /// Targets by case; `None` while there is no answer.
    fn targets(&self) -> Option<BTreeMap<String, Seen>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream
            .write_all(b"GET /api/v1/targets HTTP/1.0\r\nHost: localhost\r\n\r\n")
            .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (_, body) = answer.split_once("\r\n\r\n")?;
        let body: Value = serde_json::from_str(body).ok()?;
        let mut seen: BTreeMap<String, Seen> = BTreeMap::new();
        for target in body["data"]["activeTargets"].as_array()? {
            let discovered = labels(&target["discoveredLabels"]);
            let text = |key: &str| target[key].as_str().unwrap_or_default().to_owned();
            let case = match text("scrapePool").as_str() {
                FILES => file_case(&discovered),
                pool => pool.to_owned(),
            };
            seen.entry(case).or_default().active.insert(Active {
                url: text("scrapeUrl"),
                labels: labels(&target["labels"]),
                discovered,
                interval: duration::parse(&text("scrapeInterval")).ok()?,
                timeout: duration::parse(&text("scrapeTimeout")).ok()?,
            });
        }
        for target in body["data"]["droppedTargets"].as_array()? {
            let discovered = labels(&target["discoveredLabels"]);
            let job = discovered.get("job").unwrap_or_default().to_owned();
            seen.entry(job).or_default().dropped.insert(discovered);
        }
        Some(seen)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn labels(value: &Value) -> LabelSet {
    let labels = value.as_object().into_iter().flatten();
    labels
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// Settings of [`FILES`]: targets of different files are different.
fn files_job() -> Value {
    json!({"relabel_configs": [{"source_labels": ["__meta_filepath"], "target_label": "file"}]})
}

/// The case that a target of [`FILES`] is of.
fn file_case(discovered: &LabelSet) -> String {
    let path = Path::new(discovered.get("__meta_filepath").unwrap_or_default());
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
